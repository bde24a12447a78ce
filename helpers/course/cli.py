"""The command line `course`: running, refreshing and inspecting chapters.

Exit codes: 0 done, 1 a chapter failed (or is due, or a requirement is missing), 2 the request was
refused before anything started, 130 interrupted.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from helpers.course import cli_tools
from helpers.course.chapters import ROOT, Project, content, select, title
from helpers.course.cli_tools import (
    CourseGroup,
    check_settings,
    log,
    project_of,
    show_json,
)

app = typer.Typer(
    cls=CourseGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The course on the command line. Start with 'course lab' or 'course list'.",
)
cli_tools.register(app)

Names = Annotated[list[str], typer.Argument(help="Numbers or names, such as 19, or 'all'.")]
Maybe = Annotated[list[str] | None, typer.Argument(help="Numbers or names; default all.")]
ProfileName = Annotated[str, typer.Option("--profile", help="quick, full or gpu.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Timeout = Annotated[float, typer.Option(help="Seconds after which a chapter is stopped.")]
Out = Annotated[Path | None, typer.Option(help="Folder for results; default artifacts/runs.")]


@app.callback()
def common(
    context: typer.Context,
    project: Annotated[Path, typer.Option(help="Another copy of the course.")] = ROOT,
) -> None:
    context.obj = Project(project.resolve())


@app.command("list")
def list_chapters(context: typer.Context, as_json: AsJson = False) -> None:
    """Lists the chapters and what each costs, as measured."""
    project = project_of(context)
    path = project.evidence / "resources.json"
    card = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rows = [
        {
            "chapter": chapter.name,
            "title": title(content(chapter.path)),
            "seconds": {name: cost["seconds"] for name, cost in card.get(chapter.name, {}).items()},
        }
        for chapter in select(project, ["all"])
    ]
    if as_json:
        show_json(rows)
        return
    for row in rows:
        cost = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in row["seconds"].items())
        typer.echo(f"{row['chapter']:32} {row['title']}" + (f"  [{cost}]" if cost else ""))


@app.command()
def show(context: typer.Context, chapter: str, as_json: AsJson = False) -> None:
    """Shows one chapter: its sections and the parameters that 'run -p' takes."""
    from helpers.course.chapters import cells, find
    from helpers.course.parameters import parameters

    found = find(project_of(context), chapter)
    notebook = content(found.path)
    known = parameters(found)
    markdown = [cell.source for cell in cells(notebook) if cell.kind == "markdown"]
    sections = re.findall(r"(?m)^## (.+?)\s*$", "\n".join(markdown))
    if as_json:
        knobs = [asdict(parameter) for parameter in known.values()]
        show_json({"chapter": found.name, "sections": sections, "parameters": knobs})
        return
    typer.echo(f"{title(notebook)}  ({found.path})\n")
    typer.echo("Sections:\n" + "".join(f"  {section}\n" for section in sections))
    typer.echo("Parameters:")
    for parameter in known.values():
        left = f"  {parameter.name}: {parameter.type} = {parameter.default}"
        typer.echo(f"{left:40} {parameter.help}".rstrip())


@app.command()
def run(
    context: typer.Context,
    chapters: Names,
    profile: ProfileName = "quick",
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="NAME=VALUE; repeatable.")
    ] = None,
    grid: Annotated[
        list[str] | None, typer.Option(help="NAME=a,b,c: one run per value; repeatable.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, 0 or more.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Chapters side by side.")] = 1,
    timeout: Timeout = 1800,
    out: Out = None,
    force: Annotated[bool, typer.Option(help="Run again what is already fresh.")] = False,
    scheduler: Annotated[str, typer.Option(help="Address of a Dask scheduler to use.")] = "",
    as_json: AsJson = False,
) -> None:
    """Runs chapters with papermill; the notebooks of the course are not changed."""
    from helpers.course import report, runner
    from helpers.course.cluster import DaskPool
    from helpers.course.job import plan
    from helpers.course.parameters import combinations, pairs
    from helpers.course.pools import LocalPool
    from helpers.course.progress import progress
    from helpers.course.store import Store

    project = project_of(context)
    chosen = select(project, chapters)
    check_settings(profile, timeout, elsewhere=bool(scheduler))
    values, axes = pairs(parameter or (), "-p"), pairs(grid or (), "--grid")
    planned = [
        plan(project, chapter, profile, combination, timeout)
        for chapter in chosen
        for combination in combinations(chapter, values, axes, seed)
    ]
    store = Store(out.resolve() if out else project.runs)
    store.prepare()

    def open_pool(waiting: int) -> runner.Pool:
        return DaskPool(scheduler) if scheduler else LocalPool(jobs, waiting)

    records = runner.run(
        project,
        planned,
        store,
        open_pool,
        progress(len({job.key for job in planned}), log),
        force=force,
        # The workers of a cluster read data of their own.
        check_data=not scheduler,
    )
    if as_json:
        show_json([report.plain(record) for record in records])
    else:
        for record in records:
            typer.echo("\n".join(report.lines(record)))
    failed = [record for record in records if record.failure is not None]
    if failed and len(records) > 1:
        # Said above already, but perhaps many chapters ago.
        log(f"{len(failed)} of {len(records)} failed:")
        for record in failed:
            log(f"{record.job.label}: {runner.sentence(record.failure)}")
    if failed:
        raise typer.Exit(1)


@app.command()
def status(
    context: typer.Context,
    chapters: Maybe = None,
    profile: Annotated[str, typer.Option(help="Only this profile.")] = "",
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Says which stored runs are fresh, which are stale, and why."""
    from helpers.course.status import states
    from helpers.course.store import Store

    project = project_of(context)
    if profile:
        check_settings(profile, 1, elsewhere=True)
    chosen = select(project, chapters or ["all"])
    found = states(project, Store(out.resolve() if out else project.runs), chosen, profile)
    if as_json:
        show_json([asdict(state) for state in found])
        return
    for state in found:
        own = ", ".join(f"{name}={value}" for name, value in state.parameters.items())
        label = f"{state.chapter} {state.profile}" + (f" ({own})" if own else "")
        cost = f", {state.seconds:.0f} s on {state.time[:16]}" if state.time else ""
        typer.echo(f"{state.state:10} {label}{cost}" + (f", {state.why}" if state.why else ""))


@app.command()
def clean(
    context: typer.Context,
    chapters: Maybe = None,
    everything: Annotated[bool, typer.Option("--all", help="Fresh results too.")] = False,
    out: Out = None,
) -> None:
    """Removes stored runs that are stale or failed; with --all every one."""
    from helpers.course.status import clean as work
    from helpers.course.store import Store

    project = project_of(context)
    chosen = select(project, chapters or ["all"])
    removed = work(project, Store(out.resolve() if out else project.runs), chosen, everything)
    for result in removed:
        typer.echo(f"removed {result.chapter} {result.profile} of {result.time}")
    typer.echo(f"{len(removed)} stored runs removed.")


def main() -> None:
    """Runs the command line; the entry point of the console script `course`."""
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot show a character shows a question mark instead of stopping.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
