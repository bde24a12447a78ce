"""Running the benchmarks and keeping what they measured as evidence."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from helpers.course.chapters import CourseError, Project
from helpers.course.store import write_whole

# Each is a module of benchmarks/ with `run(repeats=3) -> dict`, and prints its table.
NAMES = ("training", "compression", "notebooks")


def _number(value: Any) -> Any:
    """NumPy numbers as Python numbers; anything else that JSON does not know as text."""
    return value.item() if hasattr(value, "item") else str(value)


def measure(project: Project, names: Sequence[str], repeats: int) -> Iterator[Path]:
    """Paths of the files written, one per benchmark, each as soon as it is measured.

    Raises `CourseError` for an unknown name before anything is measured.
    """
    from helpers.evidence import machine, versions

    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise CourseError(
            f"There is no benchmark '{unknown[0]}': use one of {', '.join(NAMES)}, or none for all."
        )
    # The benchmarks lie beside the package, not in it: they are run from a clone only.
    if not (project.root / "benchmarks").is_dir():
        raise CourseError(f"There is no folder 'benchmarks' in {project.root}: run from a clone.")
    for name in names or NAMES:
        # At the end and only meanwhile: processes started later inherit this list.
        sys.path.append(str(project.root))
        try:
            found = importlib.import_module(f"benchmarks.{name}").run(repeats=repeats)
        finally:
            sys.path.remove(str(project.root))
        record = {
            "benchmark": name,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
            "repeats": repeats,
            "results": found,
        }
        path = project.evidence / f"bench-{name}.json"
        text = json.dumps(record, indent=1, ensure_ascii=False, default=_number)
        write_whole(path, text + "\n")
        yield path
