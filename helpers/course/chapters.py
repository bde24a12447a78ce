"""Chapters as files: finding them by number or name, reading their cells and metadata."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# 00 is left for a start page, which is no chapter.
_NAME = re.compile(r"(?!00)(\d{2})_(\w+)")


class CourseError(RuntimeError):
    """A request that cannot be carried out; one sentence that says what to do."""


@dataclass(frozen=True)
class Project:
    """A copy of the course: where its notebooks, evidence, lock and runs are."""

    root: Path = ROOT

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def evidence(self) -> Path:
        return self.root / "data" / "evidence"

    @property
    def runs(self) -> Path:
        return self.root / "artifacts" / "runs"


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook file; `kind` is `code`, `markdown` or `raw`."""

    kind: str
    source: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Chapter:
    """One chapter: `name` is the file name without ending, such as `19_quantization`."""

    name: str
    path: Path

    @property
    def number(self) -> str:
        return self.name[:2]


def joined(source: str | list[str]) -> str:
    """The text of a cell's source, which a notebook file stores as text or as lines."""
    return source if isinstance(source, str) else "".join(source)


def content(path: Path) -> dict[str, Any]:
    """The JSON of the notebook at `path`; `CourseError` if it is not a version 4 notebook."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["nbformat"] != 4 or not isinstance(found["cells"], list):
            raise ValueError("it is not a notebook of format 4")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(
            f"{path.name} cannot be read as a notebook ({type(error).__name__}: {error}): restore "
            "the file from the repository."
        ) from error
    return found


def cells(notebook: dict[str, Any]) -> tuple[Cell, ...]:
    """The cells of a notebook's JSON, in order."""
    return tuple(
        Cell(
            cell["cell_type"],
            joined(cell["source"]),
            tuple(cell.get("metadata", {}).get("tags", ())),
        )
        for cell in notebook["cells"]
    )


def title(notebook: dict[str, Any]) -> str:
    """The text of the first level-one heading, empty without one."""
    for cell in cells(notebook):
        if cell.kind == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return ""


def chapters(project: Project) -> tuple[Chapter, ...]:
    """All chapters (`notebooks/NN_slug.ipynb`) by number; `CourseError` without any."""
    found = sorted(
        (path for path in project.notebooks.glob("*.ipynb") if _NAME.fullmatch(path.stem)),
        key=lambda path: path.stem,
    )
    if not found:
        raise CourseError(
            f"No chapter was found in {project.notebooks}: expected files such as "
            "01_evaluation.ipynb."
        )
    return tuple(Chapter(path.stem, path) for path in found)


def find(project: Project, text: str) -> Chapter:
    """The chapter meant by a number (`19`), a name (`19_quantization`) or a slug (`quantization`).

    Raises `CourseError` that names the closest chapter when there is no such chapter.
    """
    known = chapters(project)
    wanted = Path(text).name.removesuffix(".ipynb")
    number = wanted.zfill(2) if wanted.isdigit() else ""
    for chapter in known:
        if wanted in (chapter.name, chapter.name[3:]) or number == chapter.number:
            return chapter
    names = [name for chapter in known for name in (chapter.name, chapter.name[3:])]
    close = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean '{close[0]}'?" if close else "'course list' shows all chapters."
    raise CourseError(f"There is no chapter '{text}': {hint}")


def select(project: Project, names: Iterable[str]) -> tuple[Chapter, ...]:
    """The chapters named, in the order of the course and each once; `all` means every chapter."""
    wanted = tuple(names)
    if not wanted:
        raise CourseError(
            "No chapter was named: give numbers or names, such as '19', or 'all' for every chapter."
        )
    if "all" in wanted:
        return chapters(project)
    chosen = {chapter.name: chapter for chapter in (find(project, name) for name in wanted)}
    return tuple(chosen[name] for name in sorted(chosen))
