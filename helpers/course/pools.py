"""The local pool: worker processes on this machine.

Used like the one in `helpers.course.cluster`: `submit(job, emit)` returns a future of an `Outcome`,
`close()` ends all.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from helpers.course.job import START_TIMEOUT, Failure, Job, Outcome

Emit = Callable[[dict[str, Any]], None]
ATTEMPTS = 2
# Beyond a chapter's limit and two starts of its kernel: then the worker itself is stuck.
GRACE_SECONDS = 2 * START_TIMEOUT + 60


class LocalPool:
    """Slots with a worker process each, so that one death harms one chapter.

    `jobs` is how many chapters share the machine's cores; `slots` (at most `jobs`) how many there
    are to run. The thread cap follows from `jobs` alone, so that it does not depend on how much of
    an earlier run was kept.
    """

    def __init__(self, jobs: int, slots: int | None = None) -> None:
        self.threads = max(1, (os.cpu_count() or 1) // jobs)
        slots = min(jobs, slots or jobs)
        self._threads = ThreadPoolExecutor(slots)
        self._slots: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        self._all = [_Slot() for _ in range(slots)]
        for slot in self._all:
            self._slots.put(slot)

    def submit(self, job: Job, emit: Emit) -> Future[Outcome]:
        return self._threads.submit(self._run, job, emit)

    def _run(self, job: Job, emit: Emit) -> Outcome:
        slot = self._slots.get()
        try:
            emit({"event": "start"})
            for _ in range(ATTEMPTS):
                outcome = slot.run(job, emit)
                if outcome is not None:
                    return outcome
            said = slot.last_words
            return Outcome(
                failure=Failure("worker", f"the worker process ended {ATTEMPTS} times{said}.")
            )
        finally:
            self._slots.put(slot)

    def close(self) -> None:
        """Ends the worker processes and what they run."""
        for slot in self._all:
            slot.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Slot:
    """One worker process, started when it is first needed and again when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._errors: Any = None
        self._closed = False
        self.last_words = ""

    def _start(self) -> subprocess.Popen[str]:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        # Its own process group: Ctrl-C reaches the runner alone, which then ends the workers.
        group: dict[str, Any] = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        return subprocess.Popen(
            [sys.executable, "-m", "helpers.course.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            **group,
        )

    def run(self, job: Job, emit: Emit) -> Outcome | None:
        """The outcome of `job`, None if the worker process died on the way."""
        if self._closed:
            return Outcome(failure=Failure("worker", "the run was ended."))
        if self._process is None:
            self._process = self._start()
        stuck = threading.Event()
        timer = threading.Timer(job.timeout + GRACE_SECONDS, self._end_stuck, (stuck,))
        timer.daemon = True
        timer.start()
        try:
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
            self._process.stdin.flush()
            for line in self._process.stdout:
                message = json.loads(line)
                if message["event"] == "outcome":
                    return Outcome.from_json(message["outcome"])
                emit(message)
        except (OSError, ValueError):
            pass
        finally:
            timer.cancel()
        if not self._closed:
            self._bury()
        if stuck.is_set():
            message = f"its worker was stuck and was ended {GRACE_SECONDS} s after the limit."
            return Outcome(failure=Failure("timeout", message))
        return None

    def _end_stuck(self, stuck: threading.Event) -> None:
        stuck.set()
        self._process.kill()

    def _bury(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        self.last_words = f" ({lines[-1].strip()})" if lines else ""
        self._errors.close()
        self._process = None

    def close(self) -> None:
        """Ends the worker: without its input it ends its kernel and itself."""
        self._closed = True
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
            with contextlib.suppress(OSError):
                self._process.kill()
            self._errors.close()
