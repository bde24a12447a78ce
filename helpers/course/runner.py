"""Running many chapters: nothing twice, nothing lost; a failure is reported, the rest goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import queue
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from helpers.course import fingerprint
from helpers.course.chapters import CourseError, Project, content
from helpers.course.job import Failure, Job, Outcome
from helpers.course.progress import LiveProgress, PlainProgress, spell
from helpers.course.store import Result, Store


class Pool(Protocol):
    """Executes jobs: locally (`helpers.course.pools`) or on Dask (`helpers.course.cluster`).

    `threads` is the cap for the libraries of one chapter.
    """

    threads: int

    def submit(self, job: Job, emit: Any) -> Future[Outcome]: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Record:
    """What became of one job: `reused`, `finished`, or `failed` with its `failure`."""

    job: Job
    status: str
    result: Result | None = None
    failure: Failure | None = None


def expected_seconds(project: Project, store: Store) -> dict[tuple[str, str], float]:
    """(chapter, profile) -> seconds of the last finished run, else of the resource card."""
    found: dict[tuple[str, str], float] = {}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        card = json.loads((project.evidence / "resources.json").read_text(encoding="utf-8"))
        for chapter, profiles in card.items():
            for profile, cost in profiles.items():
                found[chapter, profile] = float(cost["seconds"])
    for result in sorted(store.results(), key=lambda result: result.time):
        if result.status == "finished":
            found[result.chapter, result.profile] = result.seconds
    return found


def missing_data(jobs: Sequence[Job]) -> dict[str, str]:
    """Data set -> one sentence, for those that the jobs name and that cannot be had.

    Downloads what is missing, once, before any kernel starts; damaged files are found here too.
    """
    problems: dict[str, str] = {}
    for name in sorted({name for job in jobs for name in job.inputs["data"]}):
        from helpers.data_catalog import DataError
        from helpers.data_sources import fetch

        try:
            fetch(name, progress=sys.stderr.isatty())
        except DataError as error:
            problems[name] = str(error)
    return problems


def run(
    project: Project,
    jobs: Sequence[Job],
    store: Store,
    open_pool: Any,
    progress: PlainProgress | LiveProgress,
    force: bool = False,
    check_data: bool = True,
) -> list[Record]:
    """One record per job, in the order given; `open_pool()` is called only if something must run.

    A finished chapter is stored the moment it ends, so a run that is killed loses at most what was
    running. With `force`, stored results are not reused.
    """
    records: dict[str, Record] = {}
    waiting: list[Job] = []
    for job in dict.fromkeys(job.key for job in jobs):
        first = next(other for other in jobs if other.key == job)
        known = None if force else store.lookup(first)
        if known is None:
            waiting.append(first)
        else:
            records[job] = Record(first, "reused", known)
    with progress:
        for record in records.values():
            progress.end(record.job.label, f"unchanged since {record.result.time}, not run again")
        problems = missing_data(waiting) if check_data else {}
        for job in list(waiting):
            lacking = [problems[name] for name in job.inputs["data"] if name in problems]
            if lacking:
                waiting.remove(job)
                failure = Failure("data", lacking[0])
                records[job.key] = Record(job, "failed", None, failure)
                progress.end(job.label, sentence(failure))
        if waiting:
            for record in _execute(project, waiting, store, open_pool, progress):
                records[record.job.key] = record
    return [records[job.key] for job in jobs]


def _execute(
    project: Project,
    jobs: list[Job],
    store: Store,
    open_pool: Any,
    progress: PlainProgress | LiveProgress,
) -> list[Record]:
    store.prepare()
    expected = expected_seconds(project, store)
    # The longest first, so that no long chapter is left alone at the end.
    jobs.sort(key=lambda job: -expected.get((job.chapter, job.profile), 0.0))
    messages: queue.SimpleQueue[tuple[Job, Any]] = queue.SimpleQueue()
    records: list[Record] = []
    pool: Pool = open_pool(len(jobs))
    try:
        jobs = [dataclasses.replace(job, threads=pool.threads) for job in jobs]
        futures = [
            pool.submit(job, lambda message, job=job: messages.put((job, message))) for job in jobs
        ]
        for job, future in zip(jobs, futures, strict=True):
            future.add_done_callback(lambda done, job=job: messages.put((job, done)))
        while len(records) < len(jobs):
            try:
                job, message = messages.get(timeout=0.5)
            except queue.Empty:
                progress.tick()
                continue
            if isinstance(message, Future):
                record = _keep(project, job, _outcome(message), store)
                records.append(record)
                progress.end(job.label, _closing(record))
            elif message["event"] == "start":
                progress.start(job.label, expected.get((job.chapter, job.profile), 0.0))
            else:
                progress.cell(job.label, message["cell"], message["cells"])
    finally:
        pool.close()
    return records


def _outcome(future: Future[Outcome]) -> Outcome:
    """The outcome of a future; a pool that cannot execute at all fails the one chapter."""
    try:
        return future.result()
    except Exception as error:
        said = " ".join(str(error).split()) or "no reason given"
        message = f"it could not be executed ({type(error).__name__}: {said})."
        return Outcome(failure=Failure("worker", message))


def _keep(project: Project, job: Job, outcome: Outcome, store: Store) -> Record:
    """Stores the outcome and says what became of the job."""
    if outcome.finished and (changed := _changed_meanwhile(project, job)):
        message = f"{changed} changed while the chapter ran: run it again for a result that holds."
        outcome = dataclasses.replace(outcome, failure=Failure("changed", message))
    if not outcome.notebook:
        return Record(job, "failed", None, outcome.failure)
    try:
        result = store.save(job, outcome)
    except OSError as error:
        failure = Failure(
            "stored",
            f"the result could not be written to {store.folder} ({error.strerror or error}): make "
            "room and give the same command again; what was stored before is still there.",
        )
        return Record(job, "failed", None, failure)
    return Record(job, "finished" if outcome.finished else "failed", result, outcome.failure)


def _changed_meanwhile(project: Project, job: Job) -> str:
    """What the result depends on and changed during the run, empty if nothing did."""
    try:
        notebook = content(project.notebooks / f"{job.chapter}.ipynb")
    except CourseError:
        return f"{job.chapter}.ipynb"
    now = fingerprint.inputs(project.root, notebook, job.profile, job.parameters)
    return ", ".join(fingerprint.differences(job.inputs, now))


def quiet_widgets() -> None:
    """Keeps any nbclient run of this process from waiting for ever on a widget's message.

    nbclient's handler sends on the shell channel while a reply is awaited there, and now and then
    loses the wake-up (nbclient issues 311 and 312). Chapters run by this package need no call.
    """
    from nbclient import NotebookClient

    NotebookClient.on_comm_open_jupyter_widget = lambda self, msg: None


def sentence(failure: Failure) -> str:
    """A failure as one sentence, with the code cell it happened in."""
    where = f"failed in code cell {failure.cell}" if failure.cell else "failed"
    line = next((line for line in failure.source.splitlines() if line.strip()), "")
    shown = f" ({line.strip()[:60]})" if failure.cell and line else ""
    return f"{where}{shown}: {failure.message}"


def _closing(record: Record) -> str:
    if record.failure is None:
        seconds, memory = record.result.seconds, record.result.peak_memory_mb / 1000
        return f"finished in {spell(seconds)}, {memory:.1f} GB at most"
    left = f" The notebook up to there: {record.result.notebook}" if record.result else ""
    return sentence(record.failure) + left
