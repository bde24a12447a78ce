"""Notebooks in the test suite: the quick profile, capped threads, the slowest first."""

from __future__ import annotations

import json
import os
from pathlib import Path

ROOT = Path(__file__).parent
RESOURCES = ROOT / "data" / "evidence" / "resources.json"
# TensorFlow's inter-op threads are left alone: one is too few, see helpers/backend.py.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


def pytest_configure(config):
    os.environ.setdefault("COURSE_PROFILE", "quick")
    # Two kernels that each take every core are slower than two that take half of them.
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    share = str(max(1, (os.cpu_count() or 1) // workers))
    for name in THREADS:
        os.environ.setdefault(name, share)


def pytest_collection_modifyitems(items):
    costs = json.loads(RESOURCES.read_text(encoding="utf-8")) if RESOURCES.exists() else {}
    seconds = {name: cost.get("quick", {}).get("seconds", 0) for name, cost in costs.items()}
    # The sort is stable: the cells of a notebook keep their order.
    items.sort(key=lambda item: -seconds.get(item.path.stem, 0))
