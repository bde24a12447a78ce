"""Refreshing a chapter: its stored outputs, its committed ledger and its resource card.

The notebook is executed as a learner would, without an injected cell; profile and ledger come from
the environment. `quick` is measured only: the stored outputs are those of the last `full` run.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from helpers.course import fingerprint
from helpers.course.chapters import Chapter, CourseError, Project, content
from helpers.course.job import Job, Outcome, headings, plan
from helpers.course.runner import Pool, missing_data, sentence
from helpers.course.store import write_whole

# Metadata that changes with every execution, or that the runner put there.
_VOLATILE = ("execution", "papermill", "ExecuteTime", "collapsed", "scrolled", "trusted")
STORED = ("full", "gpu")


def refresh(project: Project, chapter: Chapter, profile: str, pool: Pool, emit: Any, **limits: Any):
    """Executes `chapter` and stores what it found; returns the `Outcome`.

    Raises `CourseError` when the chapter fails or was edited meanwhile; nothing is changed then.
    """
    job = plan(project, chapter, profile, {}, inject=False, **limits)
    problems = missing_data([job])
    if problems:
        raise CourseError(next(iter(problems.values())))
    outcome = pool.submit(job, emit).result()
    if outcome.failure is not None:
        raise CourseError(f"{job.label}: {sentence(outcome.failure)} Nothing was changed.")
    if json.dumps(content(chapter.path)) != job.notebook:
        raise CourseError(f"{chapter.name} was edited while it ran: refresh it again.")
    ledger = json.loads(outcome.ledger) if outcome.ledger else {}
    if not ledger:
        raise CourseError(f"{chapter.name} wrote no ledger: its data cell must call start(...).")
    _store_ledger(project, job, ledger)
    _store_cost(project, job, outcome, ledger)
    if profile in STORED:
        _store_notebook(project, chapter, outcome)
    return outcome


def _store_ledger(project: Project, job: Job, ledger: dict[str, Any]) -> None:
    path = project.evidence / "claims" / f"{job.chapter}.{job.profile}.json"
    text = json.dumps(ledger | {"inputs": job.inputs}, indent=1, ensure_ascii=False)
    write_whole(path, text + "\n")


def download_mb(job: Job) -> float:
    """Size of the data sets the job names: what a machine without cache or mirror would load."""
    from helpers.data_catalog import entry

    return round(sum(entry(name).size_bytes for name in job.inputs["data"]) / 1e6, 1)


def _store_cost(project: Project, job: Job, outcome: Outcome, ledger: dict[str, Any]) -> None:
    path = project.evidence / "resources.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known.setdefault(job.chapter, {})[job.profile] = {
        "seconds": outcome.seconds,
        "peak_memory_mb": outcome.peak_memory_mb,
        "download_mb": download_mb(job),
        "time": datetime.fromisoformat(ledger["time"]).isoformat(timespec="seconds"),
        "threads": job.threads,
        "machine": ledger["machine"],
        "sections": headings(json.loads(job.notebook), outcome.cell_seconds),
    }
    ordered = {name: known[name] for name in sorted(known)}
    write_whole(path, json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")


def _store_notebook(project: Project, chapter: Chapter, outcome: Outcome) -> None:
    import nbformat

    stored = json.loads(json.dumps(content(chapter.path)))
    executed = json.loads(outcome.notebook)
    if [cell["id"] for cell in stored["cells"]] != [cell["id"] for cell in executed["cells"]]:
        raise CourseError(f"{chapter.name} has cells without ids: save it in JupyterLab once.")
    # Sources and metadata stay as written; only what an execution produces is taken over.
    for cell, fresh in zip(stored["cells"], executed["cells"], strict=True):
        for name in _VOLATILE:
            cell["metadata"].pop(name, None)
        if cell["cell_type"] == "code":
            cell["outputs"] = fresh["outputs"]
            cell["execution_count"] = fresh["execution_count"]
            if "resource_card(" in "".join(cell["source"]):
                _render_card(project, chapter, cell)
    stored["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    } | {
        name: value
        for name, value in executed["metadata"].items()
        if name not in (*_VOLATILE, "kernelspec", "language_info")
    }
    notebook = nbformat.from_dict(stored)
    nbformat.validate(notebook)
    write_whole(chapter.path, nbformat.writes(notebook) + "\n")


def _render_card(project: Project, chapter: Chapter, cell: dict[str, Any]) -> None:
    """Shows this very run in the chapter's resource card, which was measured after it was drawn."""
    from helpers import resources

    if resources.PATH.resolve() != (project.evidence / "resources.json").resolve():
        return
    for output in cell["outputs"]:
        if output["output_type"] == "display_data":
            output["data"] = dict(resources.bundle(chapter.name))


def due(project: Project, chapter: Chapter, profile: str) -> str:
    """Why `chapter` should be refreshed in `profile`, empty if it should not."""
    path = project.evidence / "claims" / f"{chapter.name}.{profile}.json"
    if not path.exists():
        return f"it has no committed ledger in the profile '{profile}'"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["inputs"]
    except (ValueError, KeyError):
        return "its committed ledger does not say what it was made from"
    now = fingerprint.inputs(project.root, content(chapter.path), profile, {})
    # The evidence was measured with one Python and holds for the others that the course supports.
    now["python"], now["backend"] = known.get("python"), known.get("backend")
    changed = fingerprint.differences(known, now)
    return f"changed since: {', '.join(changed)}" if changed else ""
