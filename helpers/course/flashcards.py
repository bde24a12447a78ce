"""The answered questions as an Anki package and as a sheet to print.

Note and deck carry fixed identities: importing a newer package updates the cards and keeps the
reviews that a learner has done.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.course import questions
from helpers.course.chapters import CourseError, Project

# Drawn at random once; Anki recognises model and deck by them, so they must never change.
MODEL_ID, DECK_ID = 1_709_346_211, 2_059_400_117
NAME = "large-model-interview-course.apkg"
_FIELDS = ("Id", "Question", "Question (zh)", "Answer", "Answer (zh)")
_FRONT = '<p>{{Question}}</p><p lang="zh-CN">{{Question (zh)}}</p><small>{{Id}}</small>'
_BACK = '{{FrontSide}}<hr id="answer">{{Answer}}<div lang="zh-CN">{{Answer (zh)}}</div>'
_MATH = re.compile(r"(?<!\\)\$([^$]+)\$")


def guid(question: str) -> str:
    """The identity of a question's note; it depends on nothing but the question's id."""
    import genanki

    return genanki.guid_for("large-model-interview-course", question)


def as_html(markdown: str) -> str:
    """A short Markdown text as HTML; formulas as Anki's MathJax wants them."""
    from markdown_it import MarkdownIt

    return _MATH.sub(r"\\(\1\\)", MarkdownIt().render(markdown.strip()).strip())


def notes(project: Project, records: Sequence[questions.Records]) -> list[dict[str, Any]]:
    """A dict for each answered question: `id`, `tags`, and `fields` in the order of the note.

    Values are those of the committed `full` run; raises `CourseError` for an unknown one.
    """
    found = []
    for one in records:
        ledger = questions.measured(project, one.chapter)
        for question in one.questions:
            asked, answer = question["question"], question["short_answer"]
            try:
                filled = [
                    as_html(questions.filled(text[language], ledger))
                    for text in (asked, answer)
                    for language in questions.LANGUAGES
                ]
            except CourseError as error:
                raise CourseError(f"{one.path.name}: question {question['id']}: {error}") from error
            tags = [f"chapter::{one.chapter}", f"level::{question['level']}"]
            found.append({"id": question["id"], "tags": tags, "fields": [question["id"], *filled]})
    return found


def write_package(project: Project, records: Sequence[questions.Records], path: Path) -> int:
    """Writes the Anki package at `path`, whole or not at all; returns its number of cards."""
    import genanki

    template = {"name": "Question and answer", "qfmt": _FRONT, "afmt": _BACK}
    fields = [{"name": name} for name in _FIELDS]
    model = genanki.Model(
        MODEL_ID, "Interview question", fields=fields, templates=[template], sort_field_index=0
    )
    deck = genanki.Deck(DECK_ID, "Large Models, Interviewed")
    for one in notes(project, records):
        note = genanki.Note(
            model=model, fields=one["fields"], tags=one["tags"], guid=guid(one["id"])
        )
        deck.add_note(note)
    partial = path.with_name(path.name + ".part")
    with warnings.catch_warnings():
        # genanki takes escaped comparison signs for HTML tags.
        warnings.simplefilter("ignore", UserWarning)
        genanki.Package(deck).write_to_file(str(partial))
    os.replace(partial, path)
    return len(deck.notes)


def sheet(project: Project, records: Sequence[questions.Records]) -> str:
    """The cards of the printable page as HTML: question left, answer right."""
    rows = ""
    for one in notes(project, records):
        name, asked, asked_zh, answer, answer_zh = one["fields"]
        rows += (
            f'<section class="course-flashcard" id="card-{name.lower()}">\n'
            f'<div><strong>{name}</strong>{asked}<div lang="zh-CN">{asked_zh}</div></div>\n'
            f'<div>{answer}<div lang="zh-CN">{answer_zh}</div></div>\n</section>\n'
        ).replace("\n\n", "\n")
    return rows
