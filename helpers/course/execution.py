"""Executing one chapter with papermill: the same function locally and on a Dask worker.

`execute` touches neither the current folder nor the environment of its process, so several may run
in the threads of one process.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines

from helpers.course import fingerprint
from helpers.course.chapters import ROOT, cells
from helpers.course.job import START_TIMEOUT, Failure, Job, Outcome, environment
from helpers.course.measure import Watch

Emit = Callable[[dict[str, Any]], None]
_ENGINE = "course"
GRACE_SECONDS = 30


class _Client(PapermillNotebookClient):
    """A papermill client that reports each cell and keeps to one deadline for the whole chapter."""

    def on_comm_open_jupyter_widget(self, msg: dict[str, Any]) -> None:
        # nbclient's handler sends on the shell channel while a reply is awaited there; now and
        # then the wake-up is lost and the client waits for ever (nbclient issues 311 and 312).
        return None

    def create_kernel_manager(self) -> Any:
        manager = super().create_kernel_manager()
        # The Python that runs the course runs the kernel, whatever else is called "python3" here.
        manager.kernel_spec.argv[0] = sys.executable
        return manager

    def execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
        self.session.enter(cell, cell_index)
        try:
            return super().execute_cell(cell, cell_index, **options)
        finally:
            self.session.leave(cell)


class _Engine(Engine):
    """Connects papermill's notebook handling with `_Client` and one `_Session`."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        session = options["session"]
        session.notebook = nb_man.nb
        client = _Client(
            nb_man,
            kernel_name=kernel_name,
            startup_timeout=options["start_timeout"],
            timeout_func=lambda cell: session.remaining(),
            # A busy machine delivers outputs late; that is no reason to fail a chapter.
            iopub_timeout=60,
            shutdown_kernel="immediate",
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        client.session = session
        client.reset_execution_trackers()
        with client.setup_kernel(env=session.env, cwd=session.cwd):
            session.started = True
            with Watch(client.km.provisioner.pid) as watch:
                # If the client misses its own limit, the kernel's death wakes it.
                guard = threading.Timer(session.remaining() + GRACE_SECONDS, session.expire)
                guard.daemon = True
                guard.start()
                session.watch = watch
                try:
                    client.papermill_execute_cells()
                    reply = client.wait_for_reply(client.kc.kernel_info())
                    client.nb.metadata["language_info"] = reply["content"]["language_info"]
                    client.set_widgets_metadata()
                finally:
                    guard.cancel()


papermill_engines.register(_ENGINE, _Engine)


class _Session:
    """What happens during one execution: cell, clock, memory, and the notebook so far."""

    def __init__(self, job: Job, env: dict[str, str], cwd: str, emit: Emit) -> None:
        self.job, self.env, self.cwd, self.emit = job, env, cwd, emit
        self.notebook: Any = None
        self.watch: Watch | None = None
        self.started = self.expired = False
        self.cell, self.source = 0, ""
        self.cell_seconds: list[float] = []
        self.begin = self._entered = time.monotonic()
        self._total = 0

    def enter(self, cell: Any, index: int) -> None:
        self._entered = time.monotonic()
        # The cell that papermill injects is not in the chapter's file and is not counted.
        if _own_code(cell):
            self._total = self._total or sum(map(_own_code, self.notebook.cells))
            self.cell += 1
            self.source = cell.source
            self.emit({"event": "cell", "cell": self.cell, "cells": self._total})

    def leave(self, cell: Any) -> None:
        if not _injected(cell):
            self.cell_seconds.append(round(time.monotonic() - self._entered, 3))

    def remaining(self) -> float:
        """Seconds left for this chapter; nbclient reads 0 as no limit, so never less than 0.1."""
        return max(0.1, self.begin + self.job.timeout - time.monotonic())

    def expire(self) -> None:
        self.expired = True
        self.watch.kill()

    def outcome(self, failure: Failure | None, ledger: Path) -> Outcome:
        import nbformat

        notebook = nbformat.writes(self.notebook) + "\n" if self.notebook is not None else ""
        return Outcome(
            notebook=notebook,
            ledger=ledger.read_text(encoding="utf-8") if ledger.exists() else "",
            seconds=round(time.monotonic() - self.begin, 2),
            peak_memory_mb=self.watch.peak_mb if self.watch else 0.0,
            cell_seconds=self.cell_seconds,
            failure=failure,
        )


def _injected(cell: Any) -> bool:
    return "injected-parameters" in cell.metadata.get("tags", ())


def _own_code(cell: Any) -> bool:
    return cell.cell_type == "code" and not _injected(cell)


def execute(job: Job, emit: Emit) -> Outcome:
    """The `Outcome` of running `job` in a kernel of its own; never raises for what a cell does.

    `emit` gets {"event": "cell", "cell": i, "cells": n} before each code cell.
    """
    import nbformat

    root = Path(job.root) if job.root else ROOT
    changed = _changed(job, root)
    if changed:
        return Outcome(failure=Failure("changed", changed))
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        ledger = Path(folder) / "ledger.json"
        for attempt in (1, 2):
            env = environment(job, str(root), str(ledger))
            session = _Session(job, env, str(root / "notebooks"), emit)
            notebook = nbformat.reads(job.notebook, as_version=4)
            notebook.metadata.setdefault("kernelspec", {"name": "python3", "language": "python"})
            failure = None
            try:
                _papermill(notebook, job, session)
            except Exception as error:
                # Kernels that start at the same moment can race for a port: try once more.
                if isinstance(error, RuntimeError) and not session.started and attempt == 1:
                    continue
                failure = _failure(error, session)
            return session.outcome(failure, ledger)
    raise AssertionError("unreachable")


def _papermill(notebook: Any, job: Job, session: _Session) -> None:
    import papermill

    papermill.execute_notebook(
        notebook,
        None,
        parameters=({"PROFILE": job.profile} if _has_profile(notebook) else {}) | job.parameters
        if job.inject
        else None,
        engine_name=_ENGINE,
        progress_bar=False,
        start_timeout=START_TIMEOUT,
        session=session,
    )


def _has_profile(notebook: Any) -> bool:
    tagged = [cell for cell in cells(notebook) if "parameters" in cell.tags]
    return bool(tagged) and re.search(r"^PROFILE\b", tagged[0].source, re.MULTILINE) is not None


def _changed(job: Job, root: Path) -> str:
    """A sentence if the helpers here are not those the runner planned with, else empty."""
    code = [cell for cell in cells(json.loads(job.notebook)) if cell.kind == "code"]
    here, planned = fingerprint.helper_digests(root, code), job.inputs["helpers"]
    other = sorted(name for name in here | planned if here.get(name) != planned.get(name))
    if not other:
        return ""
    return (
        f"{other[0]} differs from the one the run was planned with: bring this copy of the course "
        "up to date, or start the run again."
    )


def _failure(error: Exception, session: _Session) -> Failure:
    """The failure behind `error`, as one sentence with the cell it happened in."""
    from papermill.exceptions import PapermillExecutionError

    place = {"cell": session.cell, "source": session.source}
    if isinstance(error, PapermillExecutionError):
        kind = {"ClaimError": "claim", "DataError": "data"}.get(error.ename, "error")
        said = " ".join(str(error.evalue).split())
        name = "" if kind != "error" else f"{error.ename}: "
        return Failure(kind, f"{name}{said}" if said else error.ename, **place)
    if isinstance(error, CellTimeoutError) or session.expired:
        limit = session.job.timeout
        return Failure("timeout", f"the chapter was stopped at its limit of {limit:g} s.", **place)
    if isinstance(error, DeadKernelError):
        import psutil

        peak = session.watch.peak_mb / 1000 if session.watch else 0
        free = psutil.virtual_memory().available / 1e9
        message = (
            "the kernel died, as it does when memory runs out: it had used "
            f"{peak:.1f} GB at most, and {free:.1f} GB are free now."
        )
        return Failure("died", message, **place)
    said = " ".join(str(error).split())
    if not session.started:
        return Failure(
            "error", f"the kernel could not be started ({said or type(error).__name__})."
        )
    return Failure("error", f"{type(error).__name__}: {said}", **place)
