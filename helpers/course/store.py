"""Stored runs: one folder per result, written whole or not at all.

`<runs>/<chapter>/<key>/` holds `<chapter>.ipynb`, `ledger.json` and `result.json`. A folder is
filled under another name and renamed, so a folder that has its name is complete.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from helpers.course.chapters import CourseError
from helpers.course.fingerprint import digest
from helpers.course.job import Failure, Job, Outcome

RESULT, LEDGER, PART = "result.json", "ledger.json", ".part-"


@dataclass(frozen=True)
class Result:
    """One stored run; `status` is `finished` or `failed`, `time` is UTC in ISO format."""

    chapter: str
    profile: str
    parameters: dict[str, Any]
    status: str
    key: str
    inputs: dict[str, Any]
    seconds: float
    peak_memory_mb: float
    cell_seconds: list[float]
    threads: int
    time: str
    machine: dict[str, Any]
    files: dict[str, str]
    failure: dict[str, Any] | None = None
    folder: Path = field(default=Path(), compare=False)

    @property
    def notebook(self) -> Path:
        return self.folder / f"{self.chapter}.ipynb"

    def ledger(self) -> dict[str, Any]:
        """The run's ledger, {} if the chapter kept none."""
        path = self.folder / LEDGER
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_whole(path: Path, text: str) -> None:
    """Writes `text` to `path` whole or not at all, and not before it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}{PART}{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


class Store:
    """The results below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Makes the folder and proves it writable; removes what a killed run left half-written."""
        try:
            write_whole(self.folder / ".writable", "")
            (self.folder / ".writable").unlink(missing_ok=True)
        except OSError as error:
            raise CourseError(
                f"Results cannot be written to {self.folder} ({error.strerror or error}): name "
                "another folder with --out, or make room."
            ) from error
        for left in (*self.folder.glob(f"*/*{PART}*"), *self.folder.glob(f"*{PART}*")):
            owner = left.name.rpartition("-")[2]
            if not (owner.isdigit() and psutil.pid_exists(int(owner))):
                with contextlib.suppress(OSError):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()

    def read(self, folder: Path) -> Result | None:
        """The result in `folder`; None if it is missing, damaged or incomplete."""
        try:
            fields = json.loads((folder / RESULT).read_text(encoding="utf-8"))
            for name, known in fields["files"].items():
                if digest((folder / name).read_bytes()) != known:
                    return None
            return Result(**fields, folder=folder)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def lookup(self, job: Job) -> Result | None:
        """The finished result that answers `job`, None without one."""
        found = self.read(self.folder / job.chapter / job.key)
        return found if found is not None and found.status == "finished" else None

    def results(self) -> Iterator[Result]:
        """Every stored result, in no particular order."""
        for path in self.folder.glob(f"*/*/{RESULT}"):
            found = None if PART in path.parent.name else self.read(path.parent)
            if found is not None:
                yield found

    def save(self, job: Job, outcome: Outcome) -> Result:
        """Stores `outcome` as the answer to `job`; `OSError` leaves what was there before."""
        from helpers.evidence import machine

        target = self.folder / job.chapter / job.key
        part = target.with_name(f"{job.key}{PART}{os.getpid()}")
        files = {f"{job.chapter}.ipynb": outcome.notebook, LEDGER: outcome.ledger}
        files = {name: text for name, text in files.items() if text}
        result = Result(
            chapter=job.chapter,
            profile=job.profile,
            parameters=job.parameters,
            status="finished" if outcome.finished else "failed",
            key=job.key,
            inputs=job.inputs,
            seconds=outcome.seconds,
            peak_memory_mb=outcome.peak_memory_mb,
            cell_seconds=outcome.cell_seconds,
            threads=job.threads,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=machine(),
            files={name: digest(text) for name, text in files.items()},
            failure=_plain(outcome.failure),
            folder=target,
        )
        fields = {name: value for name, value in asdict(result).items() if name != "folder"}
        files[RESULT] = json.dumps(fields, indent=1, ensure_ascii=False) + "\n"
        try:
            for name, text in files.items():
                write_whole(part / name, text)
            self.remove(target)
            os.replace(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return result

    def remove(self, folder: Path) -> None:
        """Removes one result; it is renamed first, so that no half of it is ever read."""
        if folder.exists():
            doomed = folder.with_name(f"{folder.name}-old{PART}{os.getpid()}")
            os.replace(folder, doomed)
            shutil.rmtree(doomed, ignore_errors=True)


def _plain(failure: Failure | None) -> dict[str, Any] | None:
    return asdict(failure) if failure else None
