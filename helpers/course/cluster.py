"""Past one machine: the workers of an existing Dask cluster execute the chapters.

Used like the local pool in `helpers.course.pools`, and the workers execute with the same function.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import asdict
from typing import Any

from helpers.course.chapters import CourseError
from helpers.course.job import Failure, Job, Outcome

Emit = Callable[[dict[str, Any]], None]
RETRIES = 2
NO_WORKER_SECONDS = 60


class DaskPool:
    """The workers of an existing Dask cluster; a job whose worker dies goes to another one."""

    TOPIC = "course"

    def __init__(self, address: str, retries: int = RETRIES, wait: float = 15) -> None:
        from distributed import Client

        try:
            self._client = Client(address, timeout=wait, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise CourseError(
                f"No Dask scheduler answers at '{address}' ({type(error).__name__}): start one "
                "with 'dask scheduler', or leave out --scheduler."
            ) from error
        self._retries = retries
        self._emitters: dict[str, Emit] = {}
        self._pending: dict[str, Future[Outcome]] = {}
        self._closed = threading.Event()
        self._client.subscribe_topic(self.TOPIC, self._event)
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        if not workers:
            self.close()
            raise CourseError(
                f"The Dask cluster at '{address}' has no workers: start some with "
                f"'dask worker {address}'."
            )
        self.threads = self._threads_per_task(workers)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Gives up when the cluster has had no worker for a while: Dask would wait for ever."""
        last_seen = time.monotonic()
        while not self._closed.wait(1):
            try:
                alive = bool(self._client.scheduler_info(n_workers=-1)["workers"])
            except Exception:  # The scheduler itself is gone: no worker can be seen either.
                alive = False
            if alive:
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen >= NO_WORKER_SECONDS:
                message = f"the cluster has had no worker for {NO_WORKER_SECONDS} s."
                for answer in list(self._pending.values()):
                    _settle(answer, Outcome(failure=Failure("worker", message)))
                return

    def _threads_per_task(self, workers: dict[str, Any]) -> int:
        """Cores per chapter on the most crowded machine of the cluster, at least 1."""
        cores = self._client.run(os.cpu_count)
        tasks: dict[str, int] = {}
        for worker in workers.values():
            tasks[worker["host"]] = tasks.get(worker["host"], 0) + worker["nthreads"]
        shares = [
            (cores.get(address) or 1) // tasks[worker["host"]]
            for address, worker in workers.items()
        ]
        return max(1, min(shares))

    def _event(self, event: tuple[float, dict[str, Any]]) -> None:
        message = event[1]
        emit = self._emitters.get(message.get("job", ""))
        if emit is not None:
            emit(message)

    def submit(self, job: Job, emit: Emit) -> Future[Outcome]:
        name = f"course-{job.chapter}-{job.key}-{os.getpid()}"
        self._emitters[name] = emit
        answer: Future[Outcome] = Future()
        task = self._client.submit(
            run_on_worker, asdict(job), name, key=name, retries=self._retries, pure=False
        )
        self._pending[name] = answer
        task.add_done_callback(lambda done: _settle(answer, _collect(done)))
        # Dask forgets a task whose future is gone.
        answer.task = task
        return answer

    def close(self) -> None:
        self._closed.set()
        self._client.close(timeout=5)


def _settle(answer: Future[Outcome], outcome: Outcome) -> None:
    with contextlib.suppress(InvalidStateError):  # The other of two ways was first.
        answer.set_result(outcome)


def run_on_worker(fields: dict[str, Any], name: str) -> str:
    """The JSON of the `Outcome` of a job; runs on a Dask worker."""
    from distributed import get_worker

    from helpers.course.execution import execute

    worker = get_worker()

    def emit(message: dict[str, Any]) -> None:
        worker.log_event(DaskPool.TOPIC, {**message, "job": name})

    emit({"event": "start"})
    return execute(Job(**fields), emit).to_json()


def _collect(task: Any) -> Outcome:
    try:
        return Outcome.from_json(task.result())
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        return Outcome(
            failure=Failure("worker", f"the cluster gave it up ({type(error).__name__}: {said}).")
        )
