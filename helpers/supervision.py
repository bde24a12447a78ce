"""A supervisor: starts a training process, kills it where it is told to, and starts it again.

The process tells `from N` (the step it continues from) and `step N` on standard output. Reading a
pipe blocks until a line comes, so waiting costs no processor time. Built in view in chapter 16.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.resumable import FaultError

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Life:
    """One process: the step it continued from, the last step it told, and whether it was killed."""

    begun: int
    reached: int
    killed: bool


@contextlib.contextmanager
def python_process(*arguments: str, **options) -> Iterator[subprocess.Popen]:
    """Context with a running `python ARGUMENTS...` that is gone when the context ends.

    It finds this course's packages and multiplies small matrices in one thread, where a second
    one would only wait. `options` go to `subprocess.Popen`.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
    environment |= {"OPENBLAS_NUM_THREADS": "1"} | options.pop("env", {})
    process = subprocess.Popen([sys.executable, *arguments], env=environment, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def run_and_kill(module: str, folder: Path | str, kill_at: Sequence[int] = ()) -> list[Life]:
    """The `Life` of each process that `module` needed to finish its training in `folder`.

    The first process is killed as soon as it has told the step `kill_at[0]` or a later one, the
    next at `kill_at[1]`, and so on; the one after the last kill runs to its end. `Popen.kill` is
    SIGKILL on Linux and macOS and TerminateProcess on Windows: nothing in the process can catch it,
    and what it was writing stays half written. Raises `FaultError` when a process fails by itself.
    """
    lives: list[Life] = []
    for target in [*kill_at, None]:
        begun = reached = 0
        command = ("-m", module, str(folder))
        with python_process(*command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                word, _, number = line.strip().partition(" ")
                if word == "from":
                    begun = reached = int(number)
                elif word == "step" and number.isdigit():
                    reached = int(number)
                    if target is not None and reached >= target and process.poll() is None:
                        process.kill()
            code = process.wait()
        # After its end, the lines that were still in the pipe have been read as well.
        if code and target is None:
            raise FaultError(f"{module} ended with the code {code} in {folder}: read its messages.")
        lives.append(Life(begun, reached, code != 0))
        if not code:
            break
    return lives


def lost_steps(lives: Sequence[Life]) -> list[int]:
    """Steps done by each killed process that its successor had to do again."""
    pairs = itertools.pairwise(lives)
    return [before.reached - after.begun for before, after in pairs]


def largest_difference(one: Path | str, other: Path | str) -> float:
    """Largest absolute difference of the arrays of two NPZ files with the same names."""
    with np.load(one) as a, np.load(other) as b:
        if sorted(a.files) != sorted(b.files):
            raise FaultError(f"{one} and {other} hold different arrays: they cannot be compared.")
        return max(float(np.abs(a[name] - b[name]).max(initial=0)) for name in a.files)


def reset_as_recovery(folder: Path | str, state: Path | str) -> dict[str, bool]:
    """What `git reset --hard` leaves of a repair and of a damaged state file, in a new repository.

    folder  where the repository is made: a script under version control with an uncommitted repair,
            and a copy of `state`, cut to half, which `.gitignore` names as usual for weights

    Returns `repair_kept` and `state_repaired`. Raises `FaultError` where git is missing.
    """
    git = shutil.which("git")
    if git is None:
        raise FaultError("git was not found: install it and put it on the PATH, then run again.")
    folder, state = Path(folder), Path(state)
    folder.mkdir(parents=True)

    def run(*words: str) -> None:
        who = ("-c", "user.name=course", "-c", "user.email=course@localhost")
        subprocess.run([git, "-C", str(folder), *who, *words], check=True, capture_output=True)

    script, weights = folder / "train.py", folder / "weights.npz"
    script.write_text("learning_rate = 10\n", encoding="utf-8")
    (folder / ".gitignore").write_text("*.npz\n", encoding="utf-8")
    run("init")
    run("add", ".")
    run("commit", "--message", "first", "--no-gpg-sign")
    whole = state.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    script.write_text("learning_rate = 0.1  # the repair\n", encoding="utf-8")
    run("reset", "--hard")
    return {
        "repair_kept": "repair" in script.read_text(encoding="utf-8"),
        "state_repaired": weights.read_bytes() == whole,
    }
