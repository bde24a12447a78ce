"""Slow: chapters on real data, twice with the same seed, and with other seeds."""

from __future__ import annotations

import json
import os

import papermill
import pytest

import contract
from helpers.course import chapters, refresh
from helpers.course.runner import quiet_widgets

# Two complete runs of a chapter fit into it.
pytestmark = pytest.mark.timeout(1800)
CHAPTERS = [pytest.param(path, id=path.stem) for path in contract.NOTEBOOKS]


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Runs a notebook by papermill and returns its ledger."""

    def run(path, profile, seed, name="run"):
        ledger = tmp_path / f"{name}.json"
        monkeypatch.setenv("COURSE_LEDGER", str(ledger))
        quiet_widgets()
        papermill.execute_notebook(
            path,
            tmp_path / f"{name}.ipynb",
            parameters={"PROFILE": profile, "SEED": seed},
            cwd=path.parent,
            kernel_name="python3",
            execution_timeout=600,
            start_timeout=120,
            progress_bar=False,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        return json.loads(ledger.read_text(encoding="utf-8"))

    return run


def claims(ledger):
    return {entry["id"]: entry for entry in ledger["records"] if entry["kind"] == "claim"}


def stored(path, profile):
    """The committed ledger of a chapter."""
    ledger = contract.ROOT / "data" / "evidence" / "claims" / f"{path.stem}.{profile}.json"
    return json.loads(ledger.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("COURSE_DATA_DIR"),
    reason="needs the real data sets: set COURSE_DATA_DIR to a mirror (course data mirror DIR)",
)
@pytest.mark.parametrize("path", CHAPTERS)
def test_full_profile_on_real_data(path, execute):
    project = chapters.Project(contract.ROOT)
    due = refresh.due(project, chapters.find(project, path.stem), "full")
    if not due and path.stem not in contract.FIRST:
        pytest.skip("the committed ledger was measured with exactly this code, data and lock file")
    ledger = execute(path, "full", 0)
    assert ledger["profile"] == "full"
    found = claims(ledger)
    assert {entry["status"] for entry in found.values()} == {"holds"}
    assert set(found) == set(claims(stored(path, "full")))


def kept_by_nbval(path):
    """The ledger that nbval left of this very code, or None."""
    ledger = contract.ROOT / "artifacts" / "ledger" / f"{path.stem}.quick.json"
    code = [path, contract.ROOT / "uv.lock", *(contract.ROOT / "helpers").rglob("*.py")]
    if not ledger.exists() or ledger.stat().st_mtime < max(one.stat().st_mtime for one in code):
        return None
    found = json.loads(ledger.read_text(encoding="utf-8"))
    whole = set(claims(found)) == set(claims(stored(path, "quick")))
    return found if whole and found["seed"] == 0 else None


@pytest.mark.slow
@pytest.mark.parametrize("path", CHAPTERS)
def test_the_same_seed_gives_the_same_numbers(path, execute):
    # Right after `make test` one run of the two is there already.
    first = kept_by_nbval(path) or execute(path, "quick", 0, "first")
    second = execute(path, "quick", 0, "second")
    again = {entry["id"]: entry["value"] for entry in second["records"]}
    for entry in first["records"]:
        if entry["repeatable"]:
            # What is not a finite number stands in a ledger as text.
            value = pytest.approx(float(entry["value"]), rel=1e-6, nan_ok=True)
            assert float(again[entry["id"]]) == value, entry["id"]


@pytest.mark.seeds
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("path", CHAPTERS)
def test_other_seeds(path, execute, seed):
    ledger = execute(path, "quick", seed)
    assert ledger["seed"] == seed
    assert "fails" not in {entry["status"] for entry in claims(ledger).values()}
