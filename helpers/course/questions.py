"""Question records: loading, checking in both directions, and filling in what was measured."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from helpers.course.chapters import CourseError, Project, cells, content
from helpers.evidence import spell

LANGUAGES = ("en", "zh")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,3}\s+(.+?)\s*#*$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_VERBATIM = re.compile(r"`[^`]*`|\$[^$]*\$")
# As MyST makes them from headings: GitHub's rule, with Chinese characters kept.
_NOT_IN_SLUG = re.compile(r"[^\w\u4e00-\u9fff\- ]")


@dataclass(frozen=True)
class Records:
    """The question records of one chapter, as its file holds them."""

    chapter: str
    path: Path
    questions: tuple[dict[str, Any], ...]
    quiz: tuple[dict[str, Any], ...]


def folder(project: Project) -> Path:
    """The folder of the question records."""
    return project.root / "data" / "questions"


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CourseError(f"{path.name} was not found in {path.parent.name}/: add it.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise CourseError(f"{path.name} cannot be read as YAML: {reason}.") from error


def owners(project: Project) -> dict[str, dict[str, Any]]:
    """Question id -> `chapter` (a number) and `article`, for every question of the course."""
    listed = _yaml(folder(project) / "owners.yaml")
    return {entry["id"]: entry for entry in listed}


@cache
def _validator(schema: Path) -> Any:
    from jsonschema import Draft202012Validator

    found = json.loads(schema.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def schema_problems(project: Project, path: Path) -> list[str]:
    """What in the file at `path` does not keep to `schema.json`, a sentence each."""
    validator = _validator(folder(project) / "schema.json")
    problems = []
    for error in sorted(validator.iter_errors(_yaml(path)), key=lambda found: found.json_path):
        place = error.json_path.removeprefix("$").lstrip(".") or "the file"
        message = error.message if len(error.message) < 160 else f"... {error.message[-150:]}"
        if error.validator in ("contains", "maxContains", "minContains"):
            message = "exactly one choice has to be right"
        problems.append(f"{path.name}: {place}: {message}")
    return problems


def load(project: Project, path: Path) -> Records:
    """The records in the file at `path`; `CourseError` with the first breach of the schema."""
    problems = schema_problems(project, path)
    if problems:
        raise CourseError(f"{problems[0]} ({len(problems)} in all).")
    found = _yaml(path)
    return Records(found["chapter"], path, tuple(found["questions"]), tuple(found["quiz"]))


def files(project: Project) -> list[Path]:
    """The record files, `NN.yaml`, by chapter."""
    return sorted(folder(project).glob("[0-9][0-9].yaml"))


def measured(project: Project, chapter: str, profile: str = "full") -> dict[str, dict[str, Any]]:
    """Id -> ledger record (claim or value) of the committed run of `chapter`; empty without one."""
    path = project.evidence / "claims" / f"{chapter}.{profile}.json"
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return {record["id"]: record for record in found["records"]}


def placeholders(text: str) -> list[str]:
    """The ids in braces in `text`; braces in code marks and mathematics are none."""
    return _PLACEHOLDER.findall(_VERBATIM.sub("", text))


def filled(text: str, ledger: dict[str, dict[str, Any]]) -> str:
    """`text` with each `{id}` replaced by the measured value; `CourseError` for an unknown id."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name is None:  # code or mathematics
            return found.group(0)
        if name not in ledger:
            raise CourseError(f"The placeholder '{{{name}}}' is no claim or value of the ledger.")
        record = ledger[name]
        number = record["value"]
        return number if isinstance(number, str) else spell(number, record["unit"])

    return re.sub(f"{_PLACEHOLDER.pattern}|{_VERBATIM.pattern}", value, text)


def slug(heading: str) -> str:
    """The anchor of a heading, as the book makes it."""
    plain = re.sub(r"[`*]|\$", "", heading)
    return _NOT_IN_SLUG.sub("", plain.lower().replace(" ", "-"))


def anchors(path: Path) -> set[str]:
    """The anchors of the headings (levels 1 to 3) of the notebook at `path`."""
    found = set()
    for cell in cells(content(path)):
        if cell.kind == "markdown":
            found |= {slug(text) for text in _HEADING.findall(_FENCE.sub("", cell.source))}
    return found


def _texts(question: dict[str, Any]) -> list[str]:
    pieces = [question["question"], question["short_answer"], *question["pitfalls"]]
    for follow_up in question["follow_ups"]:
        pieces += [follow_up["question"], follow_up["answer"]]
    return [piece[language] for piece in pieces for language in LANGUAGES]


def problems(project: Project, path: Path) -> list[str]:
    """Everything wrong with the records at `path`, a sentence each; empty when they are right.

    Checked beyond the schema: the chapter exists, owns exactly these questions, has a committed
    full ledger; claims, placeholders and anchors exist; every claim is quoted by a question.
    """
    breaches = schema_problems(project, path)
    if breaches:
        return breaches
    records, name = load(project, path), path.name
    if records.chapter[:2] != path.stem:
        breaches.append(f"{name}: the chapter '{records.chapter}' belongs in another file")
    owned = {
        found
        for found, entry in owners(project).items()
        if entry["chapter"] == int(records.chapter[:2])
    }
    ids = [question["id"] for question in records.questions]
    breaches += [f"{name}: question {found} is answered twice" for found in _twice(ids)]
    breaches += [f"{name}: question {found} is not answered" for found in sorted(owned - set(ids))]
    breaches += [
        f"{name}: question {found} belongs to another chapter" for found in sorted(set(ids) - owned)
    ]
    notebook = project.notebooks / f"{records.chapter}.ipynb"
    if not notebook.exists():
        breaches.append(f"{name}: there is no notebook {notebook.name}")
    ledger = measured(project, records.chapter)
    if not ledger:
        return [*breaches, f"{name}: there is no committed full ledger of {records.chapter}"]
    claims = {found for found, record in ledger.items() if record["kind"] == "claim"}
    headings = anchors(notebook) if notebook.exists() else set()
    quoted: set[str] = set()
    for question in records.questions:
        where = f"{name}: question {question['id']}"
        quoted |= set(question["claims"])
        unknown = sorted(set(question["claims"]) - claims)
        breaches += [f"{where} names the claim '{found}', which is not made" for found in unknown]
        used = {found for text in _texts(question) for found in placeholders(text)}
        breaches += [
            f"{where} quotes '{found}', which the ledger does not hold"
            for found in sorted(used - set(ledger))
        ]
        if headings and question["anchor"] not in headings:
            breaches.append(f"{where} points at '#{question['anchor']}', which is no heading")
    breaches += [f"{name}: no question names '{found}'" for found in sorted(claims - quoted)]
    return breaches


def _twice(ids: list[str]) -> list[str]:
    return sorted({found for found in ids if ids.count(found) > 1})
