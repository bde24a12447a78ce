"""The rest of the command line: doctor, data, lab, book, bench, edition; and how errors end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from helpers.course.chapters import CourseError, Project

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


class CourseGroup(TyperGroup):
    """Commands whose known errors end in one sentence and exit code 2, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        from helpers.data_catalog import DataError
        from helpers.evidence import EvidenceError
        from helpers.profiles import ProfileError

        try:
            return super().invoke(ctx)
        except (CourseError, DataError, EvidenceError, ProfileError) as error:
            said = str(error)
            typer.echo(f"Error: {said[:1].upper()}{said[1:]}", err=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            typer.echo(
                "Interrupted. Finished chapters are kept; the same command goes on from there.",
                err=True,
            )
            raise typer.Exit(130) from None


def project_of(context: typer.Context) -> Project:
    """The copy of the course that the command line is about."""
    return context.obj if isinstance(context.obj, Project) else Project()


def show_json(value: Any) -> None:
    """Prints `value` as JSON; paths become text."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def log(line: str) -> None:
    """Writes a log line; standard output stays free for results."""
    typer.echo(line, err=True)


def check_settings(profile: str, timeout: float, elsewhere: bool = False) -> None:
    """Refuses a profile that does not exist or cannot run here, and a limit of nothing."""
    from helpers.profiles import NAMES, resolve

    if timeout <= 0:
        raise CourseError(f"The timeout is {timeout:g} s: give a number of seconds above 0.")
    if not (elsewhere and profile in NAMES):
        resolve(profile)


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to `app`."""
    for command in (refresh, doctor, lab, book, bench, edition):
        app.command()(command)
    app.add_typer(data_app, name="data")


def refresh(
    context: typer.Context,
    chapters: Annotated[list[str], typer.Argument(help="Numbers or names, or 'all'.")],
    profile: Annotated[str, typer.Option(help="quick, full or gpu.")] = "full",
    timeout: Annotated[float, typer.Option(help="Seconds per chapter.")] = 1800,
    check: Annotated[bool, typer.Option("--check", help="Only say what is due.")] = False,
) -> None:
    """Executes chapters in place: stored outputs, committed ledger, resource card."""
    from helpers.course import refresh as work
    from helpers.course.chapters import select
    from helpers.course.pools import LocalPool
    from helpers.course.progress import spell

    project = project_of(context)
    chosen = select(project, chapters)
    check_settings(profile, timeout, elsewhere=check)
    if check:
        late = {chapter.name: work.due(project, chapter, profile) for chapter in chosen}
        for name, why in late.items():
            typer.echo(f"{name} {profile}: {'refresh it, ' + why if why else 'up to date'}")
        raise typer.Exit(1 if any(late.values()) else 0)
    failed = False
    pool = LocalPool(1)
    try:
        for chapter in chosen:
            log(f"{chapter.name} {profile}: started")
            try:
                outcome = work.refresh(
                    project, chapter, profile, pool, _each_cell(), timeout=timeout, threads=0
                )
                log(f"{chapter.name} {profile}: refreshed in {spell(outcome.seconds)}")
            except (CourseError, OSError) as error:
                failed = True
                log(str(error))
    finally:
        pool.close()
    raise typer.Exit(1 if failed else 0)


def _each_cell() -> Callable[[dict[str, Any]], None]:
    def emit(message: dict[str, Any]) -> None:
        if message["event"] == "cell" and sys.stderr.isatty():
            end = "\n" if message["cell"] == message["cells"] else "\r"
            print(f"  cell {message['cell']} of {message['cells']}", end=end, file=sys.stderr)

    return emit


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Checks what the course needs, one line per requirement; exit code 1 if one is missing."""
    from dataclasses import asdict

    from helpers.course.doctor import examine

    checks = examine(project_of(context))
    if as_json:
        show_json([asdict(check) for check in checks])
    else:
        for check in checks:
            typer.echo(f"{check.state:8} {check.name:24} {check.found}; {check.purpose}")
    if any(check.state == "missing" and check.required for check in checks):
        raise typer.Exit(1)


def lab(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port; another one if it is taken.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser if there is a display.")] = True,
) -> None:
    """Opens JupyterLab on the start page; without a display it prints the address."""
    from helpers.course.lab import serve

    raise typer.Exit(serve(project_of(context), port, browser))


def book(
    context: typer.Context,
    profile: Annotated[
        str, typer.Option(help="Show runs in this profile; what is not fresh is run first.")
    ] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Chapters run side by side.")] = 1,
    pdf: Annotated[bool, typer.Option("--pdf", help="One PDF instead of the site.")] = False,
) -> None:
    """Renders the book from the stored outputs, or from runs of your own."""
    from helpers.course.book import build
    from helpers.course.pdf import write_pdf

    project = project_of(context)
    if pdf and profile:
        raise CourseError("The PDF shows the stored outputs: leave --profile out.")
    if pdf:
        typer.echo(f"The book is ready: open {write_pdf(project=project)}")
        return
    runs = _runs(project, profile, jobs) if profile else {}
    site = build(project=project, runs=runs)
    typer.echo(f"The book is ready: open {site / 'index.html'}")


def _runs(project: Project, profile: str, jobs: int) -> dict[str, Any]:
    """Chapter name -> its stored run in `profile`, after running what is not fresh."""
    from helpers.course import runner
    from helpers.course.chapters import select
    from helpers.course.job import plan
    from helpers.course.pools import LocalPool
    from helpers.course.progress import progress
    from helpers.course.store import Store

    check_settings(profile, 1800)
    planned = [plan(project, chapter, profile, {}, 1800) for chapter in select(project, ["all"])]
    store = Store(project.runs)
    store.prepare()
    records = runner.run(
        project,
        planned,
        store,
        lambda waiting: LocalPool(jobs, waiting),
        progress(len(planned), log),
    )
    failed = [record for record in records if record.failure is not None]
    if failed:
        names = ", ".join(record.job.chapter for record in failed)
        raise CourseError(f"The book was not built: {names} failed; what is said above says why.")
    return {record.job.chapter: record.result for record in records}


def bench(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks; default all.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repetitions of each.")] = 3,
) -> None:
    """Runs the benchmarks side by side and writes data/evidence/bench-NAME.json."""
    from helpers.course.bench import measure

    for path in measure(project_of(context), names or [], repeats):
        typer.echo(f"written: {path}")


def edition(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="learner, instructor, recall, slides or colab.")],
    out: Annotated[Path, typer.Option(help="Folder for the edition's notebooks.")],
    chapters: Annotated[list[str] | None, typer.Argument(help="Numbers or names.")] = None,
) -> None:
    """Writes an edition of the chapters into a folder."""
    from helpers.course.chapters import select
    from helpers.course.editions import write

    project = project_of(context)
    for path in write(project, select(project, chapters or ["all"]), kind, out):
        typer.echo(f"written: {path}")


data_app = typer.Typer(
    no_args_is_help=True, help="The data sets: list, download, mirror for a room without internet."
)


@data_app.command("list")
def data_list(as_json: AsJson = False) -> None:
    """Lists the data sets with licence, size and where each would be read from."""
    from helpers import data

    rows = [
        {
            "name": item.name,
            "title": item.title,
            "licence": item.licence,
            "size_bytes": item.size_bytes,
            "profiles": list(item.profiles),
            "where": data.where(item.name),
        }
        for item in data.catalogue()
    ]
    if as_json:
        show_json(rows)
        return
    for row in rows:
        size = f"{row['size_bytes'] / 1e6:.1f} MB" if row["size_bytes"] else "-"
        used = ",".join(row["profiles"])
        typer.echo(f"{row['name']:20} {row['where']:9} {size:>10}  {used:16} {row['licence']}")


@data_app.command("fetch")
def data_fetch(
    names: Annotated[list[str], typer.Argument(help="Data sets, or 'all'.")],
) -> None:
    """Downloads and verifies data sets; what is there already is only verified."""
    from helpers import data

    wanted = [item.name for item in data.catalogue()] if "all" in names else names
    for name in wanted:
        paths = data.fetch(name, progress=sys.stderr.isatty())
        typer.echo(f"{name}: {'embedded' if not paths else ', '.join(map(str, paths))}")


@data_app.command("mirror")
def data_mirror(
    folder: Annotated[Path, typer.Argument(help="Folder that will be the mirror.")],
    names: Annotated[list[str] | None, typer.Argument(help="Data sets; default all.")] = None,
) -> None:
    """Writes a mirror with checksums, for use as COURSE_DATA_DIR without internet."""
    from helpers import data

    paths = data.mirror(folder, names or None)
    typer.echo(f"{len(paths)} files in {folder}: set COURSE_DATA_DIR to this folder.")
