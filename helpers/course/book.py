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
from helpers.course.question_index import question_index

_CHAPTERS_HERE, _CARDS_HERE = "<!-- chapters -->", "<!-- cards -->"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_GITHUB = re.compile(r"github\.com[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?$")


class BookError(CourseError):
    """A book that cannot be built; the message says what to do."""


def repository(project: Project, fallback: str) -> str:
    """Address of the GitHub repository that the launch buttons open.

    `$COURSE_REPOSITORY`, else the git remote `origin`, else `fallback`.
    """
    named = os.environ.get("COURSE_REPOSITORY", "").strip()
    if named and not _GITHUB.search(named):
        raise BookError(
            f"COURSE_REPOSITORY is '{named}'; give an address such as https://github.com/OWNER/NAME."
        )
    if not named and shutil.which("git"):
        asked = ["git", "-C", str(project.root), "remote", "get-url", "origin"]
        named = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    found = _GITHUB.search(named)
    return f"https://github.com/{found[1]}/{found[2]}" if found else fallback


def _stage_notebook(path: Path, target: Path, terms: str) -> None:
    """Copies a notebook as the book shows it, with its line of `terms` at the end.

    Refuses one that was not run or that failed.
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


def stage(project: Project, folder: Path) -> Path:
    """Writes everything that jupyter-book reads into `folder`, which it returns.

    The book's own files, the notebooks of `project` and the generated pages. Raises `CourseError`
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
        _stage_notebook(path, folder / "notebooks" / path.name, line)
    titles = pages.chapter_titles(found)

    contents = yaml.safe_load((folder / "_toc.yml").read_text(encoding="utf-8"))
    contents = expanded_contents(contents, list(titles))
    _write(folder / "_toc.yml", yaml.safe_dump(contents, sort_keys=False))
    configuration = yaml.safe_load((folder / "_config.yml").read_text(encoding="utf-8"))
    known = configuration["repository"]
    known["url"] = repository(project, known["url"])
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
    _fill(folder / "flashcards.md", _CARDS_HERE, flashcards.sheet(project, records))
    _fill(folder / "practice.md", _CARDS_HERE, cards(project, titles, records))
    return folder


def _fill(path: Path, mark: str, text: str) -> None:
    """Puts generated `text` into the page at `path`, in the place of `mark`."""
    _write(path, path.read_text(encoding="utf-8").replace(mark, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def build(
    warnings_as_errors: bool = True, out: Path | None = None, project: Project | None = None
) -> Path:
    """Folder of the rendered site: `html` inside `out` (default `artifacts/book`).

    Nothing is executed. The site is built aside and takes its place when it is whole; a failed
    build leaves the former site as it was. Raises `BookError` with the warnings that stopped it.
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
        source = stage(project, partial / "stage")
        _render(source, partial, warnings_as_errors)
        site = out / "html"
        shutil.rmtree(site, ignore_errors=True)
        os.replace(partial / "_build" / "html", site)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return site


def _render(source: Path, out: Path, warnings_as_errors: bool) -> None:
    # A process of its own: Sphinx keeps state, and its extensions are not to be imported here.
    strict = ["-W", "-n", "--keep-going"] if warnings_as_errors else []
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        *("build", str(source), "--path-output", str(out), *strict),
    ]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}
    result = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", env=environment
    )
    if result.returncode == 0 and (out / "_build" / "html" / "index.html").exists():
        return
    said = _COLOUR.sub("", f"{result.stdout}\n{result.stderr}").replace(str(source) + os.sep, "")
    lines = [line.strip() for line in said.splitlines()]
    told = [line for line in lines if "WARNING" in line or "ERROR" in line] or lines[-8:]
    found = "\n  ".join(dict.fromkeys(told))
    raise BookError(
        f"The book was not built, because of {len(dict.fromkeys(told))} warning(s); repair these:"
        f"\n  {found}"
    )
