"""Editions of a chapter: for learners, for instructors, for recall, for Colab, and as slides.

An edition is made from the notebook file and the question records alone. It holds the same cell
ids as the chapter, opens in JupyterLab and executes.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from helpers.course.chapters import Chapter, CourseError, Project, content, joined
from helpers.course.notes import question_cells, teaching_cells
from helpers.course.recall import needed_cells, stub
from helpers.course.store import write_whole

Notebook = dict[str, Any]
_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} ")


def tags(cell: dict[str, Any]) -> list[str]:
    """The tags of a cell."""
    return cell["metadata"].get("tags", [])


def _without_outputs(notebook: Notebook) -> Notebook:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    notebook["metadata"].pop("widgets", None)
    return notebook


def _without_solutions(notebook: Notebook) -> Notebook:
    notebook["cells"] = [cell for cell in notebook["cells"] if "solution" not in tags(cell)]
    return notebook


def learner(project: Project, chapter: Chapter, notebook: Notebook) -> Notebook:
    """Solutions and outputs removed, exercise stubs in place."""
    return _without_outputs(_without_solutions(notebook))


def instructor(project: Project, chapter: Chapter, notebook: Notebook) -> Notebook:
    """Solutions open, with teaching notes from the question records and measured timings."""
    for cell in notebook["cells"]:
        if "solution" in tags(cell):
            kept = [tag for tag in tags(cell) if not tag.startswith("hide-")]
            cell["metadata"]["tags"] = kept
            cell["metadata"].pop("jupyter", None)
    notes = teaching_cells(project, chapter)
    return _insert(notebook, notes)


def recall(project: Project, chapter: Chapter, notebook: Notebook) -> Notebook:
    """Headings, questions and code stubs without prose; what the exercises need stays."""
    notebook = _without_outputs(_without_solutions(notebook))
    kept = needed_cells(notebook)
    cells = []
    for index, cell in enumerate(notebook["cells"]):
        source = joined(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = _headings(source)
            if cell["source"]:
                cells.append(cell)
        elif cell["cell_type"] == "code" and "resource_card(" not in source:
            if index not in kept:
                cell["source"] = stub(source)
                cell["metadata"].pop("tags", None)
            cells.append(cell)
    notebook["cells"] = cells
    return _insert(notebook, question_cells(project, chapter))


def _headings(source: str) -> str:
    """The headings and block quotes of a Markdown cell; the task of an exercise stays whole."""
    if re.search(r"^### Exercise", source, re.MULTILINE):
        return source
    text = ""
    for line in _FENCE.sub("", source).splitlines():
        if line.startswith(">"):
            text += f"\n{line}"
        elif _HEADING.match(line):
            text += f"\n\n{line}\n"
    return text.strip()


def slides(project: Project, chapter: Chapter, notebook: Notebook) -> Notebook:
    """Marked for reveal.js: a slide per section, solutions left out, machinery skipped.

    A cell that already carries a mark (`slideshow.slide_type`) keeps it.
    """
    notebook = _without_solutions(notebook)
    for cell in notebook["cells"]:
        if "slide_type" in cell["metadata"].get("slideshow", {}):
            continue
        source = joined(cell["source"])
        if {"parameters", "hide-input", "check"} & set(tags(cell)):
            mark = "skip"
        elif cell["cell_type"] == "markdown" and re.search(r"(?m)^#{1,2} ", source):
            mark = "slide"
        elif cell["cell_type"] == "markdown" and source.startswith("### "):
            mark = "subslide"
        else:
            mark = "fragment" if cell["cell_type"] == "markdown" else "-"
        cell["metadata"]["slideshow"] = {"slide_type": mark}
    return notebook


def colab(project: Project, chapter: Chapter, notebook: Notebook) -> Notebook:
    """The chapter with a cell behind its head that sets up a bare Colab runtime."""
    from helpers.course.colab import set_up_source

    cell = {"cell_type": "code", "id": "colab-set-up", "execution_count": None, "outputs": []}
    cell |= {"metadata": {"cellView": "form"}, "source": set_up_source(project)}
    notebook["cells"].insert(1, cell)
    return notebook


def _insert(notebook: Notebook, notes: dict[str, list[dict[str, Any]]]) -> Notebook:
    """Puts note cells behind the cell with the heading that they belong to ("" is the title)."""
    from helpers.course.questions import slug

    waiting, cells = dict(notes), []
    for cell in notebook["cells"]:
        cells.append(cell)
        if cell["cell_type"] != "markdown":
            continue
        headings = [line for line in joined(cell["source"]).splitlines() if _HEADING.match(line)]
        if headings and headings[0].startswith("# "):
            cells += waiting.pop("", [])
        for line in headings:
            cells += waiting.pop(slug(line.lstrip("#").strip()), [])
    # A record whose heading is gone is still worth reading.
    for left in waiting.values():
        cells += left
    notebook["cells"] = cells
    return notebook


EDITIONS: dict[str, Callable[[Project, Chapter, Notebook], Notebook]] = {
    "learner": learner,
    "instructor": instructor,
    "recall": recall,
    "slides": slides,
    "colab": colab,
}


def make(project: Project, chapter: Chapter, kind: str) -> Notebook:
    """The JSON of one edition of one chapter; `CourseError` for an edition that does not exist."""
    if kind not in EDITIONS:
        raise CourseError(f"There is no edition '{kind}': use one of {', '.join(EDITIONS)}.")
    made = EDITIONS[kind](project, chapter, copy.deepcopy(content(chapter.path)))
    made["metadata"]["course_edition"] = kind
    return made


def write(project: Project, chosen: Sequence[Chapter], kind: str, folder: Path) -> list[Path]:
    """The files of an edition written into `folder`; slides come with a reveal.js page each.

    Every edition is made before the first is written. Raises `CourseError` for an unknown edition
    and for the folder of the chapters themselves.
    """
    import nbformat

    folder = folder.resolve()
    if folder == project.notebooks.resolve():
        raise CourseError("An edition cannot replace the chapters: name another folder with --out.")
    texts: dict[str, str] = {}
    for chapter in chosen:
        notebook = nbformat.reads(json.dumps(make(project, chapter, kind)), as_version=4)
        nbformat.validate(notebook)
        texts[f"{chapter.name}.ipynb"] = nbformat.writes(notebook) + "\n"
        if kind == "slides":
            texts[f"{chapter.name}.slides.html"] = _reveal(notebook)
    try:
        for name, text in texts.items():
            write_whole(folder / name, text)
    except OSError as error:
        raise CourseError(
            f"The edition cannot be written to {folder} ({error.strerror or error}): name another "
            "folder with --out."
        ) from error
    return [folder / name for name in texts]


def _reveal(notebook: Any) -> str:
    from nbconvert import SlidesExporter

    page, _ = SlidesExporter().from_notebook_node(notebook)
    return page
