"""What travels between the runner and whoever executes a chapter: plain data, in and out."""

from __future__ import annotations

import itertools
import json
import os
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from helpers.course import fingerprint
from helpers.course.chapters import ROOT, Chapter, Project, content

# Seconds for a kernel to answer for the first time; a loaded machine needs some.
START_TIMEOUT = 120
# Libraries read these once, when they are loaded: they must be set before the kernel starts.
# TensorFlow's inter-op threads are not capped: with one, a training step and the data set that it
# waits for can block each other (https://github.com/tensorflow/tensorflow/issues/48418).
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "POLARS_MAX_THREADS",
)


@dataclass(frozen=True)
class Job:
    """One execution of one chapter.

    `notebook` is the JSON text of the notebook file; `timeout` is in seconds for the whole chapter;
    `threads` caps the libraries in the kernel (0: no cap); `root` is empty for this course.
    """

    chapter: str
    profile: str
    parameters: dict[str, Any]
    notebook: str
    inputs: dict[str, Any]
    key: str
    timeout: float
    threads: int = 0
    inject: bool = True
    root: str = ""

    @property
    def label(self) -> str:
        """How the job is named on the screen: chapter, profile and what differs from default."""
        own = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.chapter} {self.profile}" + (f" ({own})" if own else "")


@dataclass(frozen=True)
class Failure:
    """Why a chapter did not finish.

    `kind` is `error`, `claim`, `data`, `timeout`, `died`, `worker`, `changed` or `stored`; `cell`
    counts code cells from 1 and is 0 when no cell is to blame; `message` is one sentence.
    """

    kind: str
    message: str
    cell: int = 0
    source: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a job: the executed (or partial) notebook, its ledger, and what it cost.

    `seconds` is wall time with the kernel's start; `peak_memory_mb` is the resident memory of the
    kernel and its children; `cell_seconds` has one entry per cell of the notebook.
    """

    notebook: str = ""
    ledger: str = ""
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    cell_seconds: list[float] = field(default_factory=list)
    failure: Failure | None = None

    @property
    def finished(self) -> bool:
        return self.failure is None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        fields = json.loads(text)
        failure = fields.pop("failure")
        return cls(**fields, failure=Failure(**failure) if failure else None)


def plan(
    project: Project,
    chapter: Chapter,
    profile: str,
    parameters: dict[str, Any],
    timeout: float,
    threads: int = 0,
    inject: bool = True,
) -> Job:
    """The job of running `chapter` with these settings, with the key its result is stored under."""
    notebook = content(chapter.path)
    found = fingerprint.inputs(project.root, notebook, profile, parameters)
    return Job(
        chapter=chapter.name,
        profile=profile,
        parameters=dict(parameters),
        notebook=json.dumps(notebook),
        inputs=found,
        key=fingerprint.key(found),
        timeout=timeout,
        threads=threads,
        inject=inject,
        # Another machine has its own copy of the course, in a folder of its own.
        root="" if project.root == ROOT else str(project.root),
    )


def environment(job: Job, root: str, ledger: str) -> dict[str, str]:
    """The environment of the kernel: this process's, the run's settings and the thread caps."""
    found = dict(os.environ)
    found |= {"COURSE_PROFILE": job.profile, "COURSE_LEDGER": ledger}
    # A folder below the project would shadow nothing: only another copy of the course needs this.
    if job.root:
        path = [root, *filter(None, [found.get("PYTHONPATH", "")])]
        found["PYTHONPATH"] = os.pathsep.join(path)
    if job.threads:
        for name in THREAD_VARIABLES:
            found.setdefault(name, str(job.threads))
    return found


def headings(notebook: dict[str, Any], seconds: list[float]) -> list[tuple[str, float]]:
    """Seconds per section: (text of the level-two heading, seconds of the cells below it)."""
    found: list[tuple[str, float]] = []
    for cell, cost in itertools.zip_longest(notebook["cells"], seconds, fillvalue=0.0):
        if isinstance(cell, dict) and cell["cell_type"] == "markdown":
            source = "".join(cell["source"])  # A list of lines or one string.
            found += [(text, 0.0) for text in re.findall(r"(?m)^## (.+?)\s*$", source)]
        if found:
            found[-1] = (found[-1][0], round(found[-1][1] + cost, 2))
    return found
