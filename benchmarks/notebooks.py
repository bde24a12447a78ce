"""Executing the notebooks: the test suite and the runner against papermill, one after another.

Three ways to execute the same notebooks in `quick`, side by side in one session: papermill's
command for each notebook in turn, the notebook part of `make test` (nbval on all cores), and
`course run all --jobs N`. The repetitions are interleaved, so that a slow minute of the machine
touches all three.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BASELINE = "papermill, one after another"


def chapters() -> list[Path]:
    """The chapters' notebooks, in order."""
    return sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def _call(command: list[str], cores: int) -> float:
    """Seconds that `command` takes; `RuntimeError` with its last words when it fails."""
    environment = {**os.environ, "COURSE_PROFILE": "quick", "COURSE_OFFLINE": "1"}
    # The cap that `make test` and the runner use: threads times processes is the number of cores.
    threads = str(max(1, (os.cpu_count() or 1) // cores))
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        if cores > 1:
            environment[name] = threads
        else:
            environment.pop(name, None)
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise RuntimeError(f"{' '.join(command[1:4])} ended with {done.returncode}:\n{last}")
    return seconds


def by_papermill() -> float:
    """Seconds for papermill's own command on each notebook in turn."""
    total = 0.0
    with tempfile.TemporaryDirectory(prefix="course-bench-") as folder:
        for path in chapters():
            options = ["--no-progress-bar", "--cwd", str(path.parent), "--start-timeout", "120"]
            files = [str(path), str(Path(folder) / path.name)]
            command = [
                sys.executable,
                "-m",
                "papermill",
                *files,
                *options,
                "-p",
                "PROFILE",
                "quick",
            ]
            total += _call(command, cores=1)
    return total


def by_tests(cores: int) -> float:
    """Seconds for the notebook part of the test suite."""
    options = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300"]
    options += ["--nbval-sanitize-with", str(ROOT / "tests" / "nbval_sanitize.cfg")]
    options += ["-n", str(cores), "--dist", "loadfile", "-q", "-p", "no:cacheprovider"]
    files = [str(path) for path in chapters()]
    return _call([sys.executable, "-m", "pytest", *options, *files], cores)


def by_runner(cores: int) -> float:
    """Seconds for `course run all --jobs N`, nothing reused."""
    with tempfile.TemporaryDirectory(prefix="course-bench-") as folder:
        options = ["--jobs", str(cores), "--out", folder, "--json"]
        return _call([sys.executable, "-m", "helpers.course", "run", "all", *options], cores)


def run(repeats: int = 3) -> dict[str, Any]:
    """Seconds of each way: `median`, `lowest`, `highest`, and `ratio` to papermill; prints a table.

    Raises `RuntimeError` when a way fails, since a failing run proves nothing about speed.
    """
    if not chapters():
        raise RuntimeError(f"There are no chapters in {ROOT / 'notebooks'}.")
    cores = os.cpu_count() or 1
    ways: dict[str, Callable[[], float]] = {
        BASELINE: by_papermill,
        "the test suite's notebooks": lambda: by_tests(cores),
        "course run all": lambda: by_runner(cores),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            seconds[name].append(way())
    base = statistics.median(seconds[BASELINE])
    found = {
        name: {
            "median": round(statistics.median(taken), 2),
            "lowest": round(min(taken), 2),
            "highest": round(max(taken), 2),
            "ratio": round(statistics.median(taken) / base, 3),
        }
        for name, taken in seconds.items()
    }
    print(f"{len(chapters())} notebooks in quick, {cores} cores, {repeats} repetitions")
    print(f"{'way':32} {'median s':>9} {'lowest s':>9} {'highest s':>9} {'ratio':>6}")
    for name, row in found.items():
        cells = (
            f"{row['median']:9.1f} {row['lowest']:9.1f} {row['highest']:9.1f} {row['ratio']:6.2f}"
        )
        print(f"{name:32} {cells}")
    return {"notebooks": [path.stem for path in chapters()], "cores": cores, "ways": found}


if __name__ == "__main__":
    run()
