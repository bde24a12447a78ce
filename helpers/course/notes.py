"""Cells that an edition adds: teaching notes with timings, and the questions of a section."""

from __future__ import annotations

import json
from typing import Any

from helpers.course.chapters import Chapter, Project
from helpers.course.progress import spell

Cells = dict[str, list[dict[str, Any]]]


def markdown_cell(identifier: str, source: str) -> dict[str, Any]:
    """A Markdown cell with a stable id."""
    clean = "".join(sign if sign.isalnum() or sign == "-" else "-" for sign in identifier)
    return {"cell_type": "markdown", "id": clean[:64], "metadata": {}, "source": source}


def _records(project: Project, chapter: Chapter) -> tuple[dict[str, Any], ...]:
    from helpers.course import questions

    path = questions.folder(project) / f"{chapter.number}.yaml"
    return questions.load(project, path).questions if path.exists() else ()


def _filled(project: Project, chapter: Chapter, text: str) -> str:
    """`text` with measured values in place of claim ids, where the evidence is committed."""
    from helpers.course import questions
    from helpers.evidence import EvidenceError

    try:
        return questions.filled(text, questions.measured(project, chapter.name))
    except (EvidenceError, RuntimeError, KeyError):
        return text


def _timings(project: Project, chapter: Chapter) -> str:
    """What the chapter and its sections cost, as measured; empty before the first measurement."""
    path = project.evidence / "resources.json"
    if not path.exists():
        return ""
    measured = json.loads(path.read_text(encoding="utf-8")).get(chapter.name, {})
    lines = [
        f"- `{profile}`: {spell(cost['seconds'])}, {cost['peak_memory_mb'] / 1000:.1f} GB"
        for profile, cost in measured.items()
    ]
    profile = "full" if "full" in measured else next(iter(measured), "")
    slow = [
        f"- {heading}: {spell(seconds)}"
        for heading, seconds in measured.get(profile, {}).get("sections", ())
        if seconds >= 1
    ]
    if slow:
        lines += ["", f"Sections that take a second or more in `{profile}`:", "", *slow]
    return "\n".join(lines)


def teaching_cells(project: Project, chapter: Chapter) -> Cells:
    """Note cells by heading slug: timings behind the title, each question at its section."""
    found: Cells = {}
    timings = _timings(project, chapter)
    if timings:
        text = f"**Teaching note: time and memory, as measured**\n\n{timings}"
        found[""] = [markdown_cell("note-timings", text)]
    for record in _records(project, chapter):
        lines = [f"**Teaching note: question {record['id']}** ({record['level']})", ""]
        lines += [f"*{record['question']['en']}*", "", f"*{record['question']['zh']}*", ""]
        for language in ("en", "zh"):
            lines += [_filled(project, chapter, record["short_answer"][language]).strip(), ""]
        if record.get("pitfalls"):
            lines += ["Listen for these mistakes:", ""]
            lines += [f"- {pitfall['en']}" for pitfall in record["pitfalls"]] + [""]
        if record.get("follow_ups"):
            lines += ["Then ask:", ""]
            for follow_up in record["follow_ups"]:
                answer = _filled(project, chapter, follow_up["answer"]["en"])
                lines.append(f"- {follow_up['question']['en']} {answer}")
        cell = markdown_cell(f"note-{record['id']}", "\n".join(lines).strip())
        found.setdefault(record["anchor"], []).append(cell)
    return found


def question_cells(project: Project, chapter: Chapter) -> Cells:
    """One cell per owned question, in both languages and without its answer, by heading slug."""
    found: Cells = {}
    for record in _records(project, chapter):
        text = f"**{record['id']}** {record['question']['en']}\n\n{record['question']['zh']}"
        cell = markdown_cell(f"question-{record['id']}", text)
        found.setdefault(record["anchor"], []).append(cell)
    return found
