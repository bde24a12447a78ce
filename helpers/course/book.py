"""The book: notebooks with their stored outputs, staged, completed by generated pages, rendered."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.course import flashcards, glossary, pages, paths, questions
from helpers.course.chapters import CourseError, Project, chapters, content
from helpers.course.practice import cards
from helpers.course.question_index import finder, question_index
from helpers.course.store import Result

_CHAPTERS_HERE, _CARDS_HERE = "<!-- chapters -->", "<!-- cards -->"
_QUESTIONS_HERE = "<!-- questions -->"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OWNED = re.compile(r"(?m)^Questions answered here: (.+)$")
GITHUB = re.compile(r"github\.com[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?$")


class BookError(CourseError):
    """A book that cannot be built; the message says what to do."""


def repository(project: Project, fallback: str) -> str:
    """Address of the GitHub repository that the launch buttons open.

    `$COURSE_REPOSITORY`, else the git remote `origin`, else `fallback`.
    """
    named = os.environ.get("COURSE_REPOSITORY", "").strip()
    if named and not GITHUB.search(named):
        raise BookError(
            f"COURSE_REPOSITORY is '{named}'; give an address such as https://github.com/OWNER/NAME."
        )
    if not named and shutil.which("git"):
        asked = ["git", "-C", str(project.root), "remote", "get-url", "origin"]
        named = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    found = GITHUB.search(named)
    return f"https://github.com/{found[1]}/{found[2]}" if found else fallback


def _hub(address: str) -> str:
    """The address of a JupyterHub for the launch buttons, without the slash at its end."""
    if not re.fullmatch(r"https?://[\w.:-]+(/[\w./~-]*)?", address):
        raise BookError(
            f"COURSE_JUPYTERHUB is '{address}'; give an address such as https://hub.example.org."
        )
    return address.rstrip("/")


def _linked(owned: re.Match[str]) -> str:
    """The line of a chapter's questions, each with a link to its entry in the index."""
    ids = [name.strip() for name in owned[1].split(",")]
    links = [f'<a href="../questions.html#question-{name.lower()}">{name}</a>' for name in ids]
    return f"Questions answered here: {', '.join(links)}"


def _stage_notebook(path: Path, target: Path, terms: str, measured: str) -> None:
    """Copies a notebook as the book shows it, with its line of `terms` at the end.

    Its head says how it was `measured`, if that is known. Refuses a notebook that was not run or
    that failed.
    """
    notebook = content(path)
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] != "code":
            continue
        tags = cell["metadata"].get("tags", [])
        if cell.get("execution_count") is None and "".join(cell["source"]).strip():
            raise BookError(
                f"{path.name} has no stored outputs (cell {number} was not run): run "
                f"'course refresh {path.stem} --profile full'."
            )
        if any(output["output_type"] == "error" for output in cell["outputs"]):
            raise BookError(
                f"{path.name} holds an error in the output of cell {number}: repair the cell and "
                f"run 'course refresh {path.stem} --profile full'."
            )
        if "injected-parameters" in tags:
            cell["metadata"]["tags"] = [*tags, "remove-cell"]
        if "solution" in tags:
            cell["metadata"]["mystnb"] = {
                "code_prompt_show": "Show the solution",
                "code_prompt_hide": "Hide the solution",
            }
    if measured:
        # Into the first cell: what stands before the first heading two belongs to the head.
        head = notebook["cells"][0]
        head["source"] = f"{''.join(head['source'])}\n\n{measured}\n"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = _OWNED.sub(_linked, "".join(cell["source"]), count=1)
    if terms:
        cell = {"cell_type": "markdown", "id": "terms", "metadata": {}, "source": terms}
        notebook["cells"].append(cell)
    target.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")


def expanded_contents(contents: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """`_toc.yml` with each pattern replaced by the chapters it matches; empty parts left out."""
    parts = []
    for part in contents["parts"]:
        entries: list[dict[str, str]] = []
        for entry in part["chapters"]:
            if "glob" in entry:
                fits = [name for name in names if Path(f"notebooks/{name}").match(entry["glob"])]
                entries += [{"file": f"notebooks/{name}"} for name in fits]
            else:
                entries.append(dict(entry))
        if entries:
            parts.append({**part, "chapters": entries})
    return {**contents, "parts": parts}


def stage(project: Project, folder: Path, runs: Mapping[str, Result] | None = None) -> Path:
    """Writes everything that jupyter-book reads into `folder`, which it returns.

    The book's own files, the notebooks of `project` (or, for the chapters named in `runs`, those of
    that run) and the generated pages, whose values are the committed ones. Raises `CourseError`
    for a notebook without outputs and for question records that cannot be used.
    """
    import yaml

    shutil.copytree(
        project.root / "book", folder, ignore=shutil.ignore_patterns("_build", "_stage")
    )
    (folder / "notebooks").mkdir()
    found = [chapter.path for chapter in chapters(project)]
    terms = glossary.load(project)
    for path in found:
        line = glossary.line(terms, int(path.stem[:2]))
        run = (runs or {}).get(path.stem)
        source, ledger = (run.notebook, run.ledger()) if run else (path, {})
        measured = pages.measured_head(project, path.stem, ledger)
        _stage_notebook(source, folder / "notebooks" / path.name, line, measured)
    titles = pages.chapter_titles(found)

    contents = yaml.safe_load((folder / "_toc.yml").read_text(encoding="utf-8"))
    contents = expanded_contents(contents, list(titles))
    _write(folder / "_toc.yml", yaml.safe_dump(contents, sort_keys=False))
    configuration = yaml.safe_load((folder / "_config.yml").read_text(encoding="utf-8"))
    known = configuration["repository"]
    known["url"] = repository(project, known["url"])
    hub = os.environ.get("COURSE_JUPYTERHUB", "").strip()
    if hub:
        configuration["launch_buttons"]["jupyterhub_url"] = _hub(hub)
    _write(folder / "_config.yml", yaml.safe_dump(configuration, allow_unicode=True))

    records = [questions.load(project, path) for path in questions.files(project)]
    records = [one for one in records if one.chapter in titles]
    _write(folder / "questions.md", question_index(project, titles, records))
    flashcards.write_package(project, records, folder / flashcards.NAME)
    _write(folder / "paths.md", paths.page(project, found))
    _write(folder / "glossary.md", glossary.page(terms, titles))
    _write(folder / "evidence.md", pages.evidence(project, titles, records))
    _write(folder / "benchmarks.md", pages.benchmarks(project))
    _write(folder / "status.md", pages.status(project, titles))
    parts = [
        (part["caption"], [Path(entry["file"]).name for entry in part["chapters"]])
        for part in contents["parts"]
        if part["chapters"][0]["file"].startswith("notebooks/")
    ]
    _fill(folder / "index.md", _CHAPTERS_HERE, pages.chapter_list(titles, parts))
    _fill(folder / "find.md", _QUESTIONS_HERE, finder(project, titles, parts, records))
    _fill(folder / "flashcards.md", _CARDS_HERE, flashcards.sheet(project, records))
    _fill(folder / "practice.md", _CARDS_HERE, cards(project, titles, records))
    return folder


def _fill(path: Path, mark: str, text: str) -> None:
    """Puts generated `text` into the page at `path`, in the place of `mark`."""
    _write(path, path.read_text(encoding="utf-8").replace(mark, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def build(
    warnings_as_errors: bool = True,
    out: Path | None = None,
    project: Project | None = None,
    runs: Mapping[str, Result] | None = None,
) -> Path:
    """Folder of the rendered site: `html` inside `out` (default `artifacts/book`).

    Nothing is executed; the chapters named in `runs` show that run and not their stored outputs.
    The site is built aside and takes its place when it is whole; a failed build leaves the former
    site as it was. Raises `BookError` with the warnings that stopped it.
    """
    project = project or Project()
    if importlib.util.find_spec("jupyter_book") is None:
        raise BookError(
            "jupyter-book is not installed in this environment: 'uv sync' installs it, with the "
            "rest of the group 'dev'."
        )
    out = Path(out) if out else project.root / "artifacts" / "book"
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f".partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        source = stage(project, partial / "stage", runs)
        rendered = render(source, partial, warnings_as_errors)
        site = out / "html"
        shutil.rmtree(site, ignore_errors=True)
        os.replace(rendered, site)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return site


def render(source: Path, out: Path, warnings_as_errors: bool = True, builder: str = "html") -> Path:
    """Folder of the HTML that jupyter-book has made below `out` of the staged `source`.

    `builder` is `html` or `singlehtml`. Raises `BookError` with the warnings that stopped it.
    """
    # A process of its own: Sphinx keeps state, and its extensions are not to be imported here.
    strict = ["-W", "-n", "--keep-going"] if warnings_as_errors else []
    chosen = [] if builder == "html" else ["--builder", "custom", "--custom-builder", builder]
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        *("build", str(source), "--path-output", str(out), *chosen, *strict),
    ]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}
    result = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", env=environment
    )
    rendered = out / "_build" / builder
    if result.returncode == 0 and (rendered / "index.html").exists():
        return rendered
    said = _COLOUR.sub("", f"{result.stdout}\n{result.stderr}").replace(str(source) + os.sep, "")
    lines = [line.strip() for line in said.splitlines()]
    told = [line for line in lines if "WARNING" in line or "ERROR" in line] or lines[-8:]
    found = "\n  ".join(dict.fromkeys(told))
    raise BookError(
        f"The book was not built, because of {len(dict.fromkeys(told))} warning(s); repair these:"
        f"\n  {found}"
    )
