"""The book's practice page: every answered question as a card that the browser deals out.

Without JavaScript the page is a list of questions that unfold. With it, `book/_static/practice.js`
makes a mock interview and a spaced repetition of the same cards.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from helpers.course import questions
from helpers.course.chapters import CourseError, Project
from helpers.course.pages import bound_text, measured_text


def cards(project: Project, titles: dict[str, str], records: Sequence[questions.Records]) -> str:
    """The cards of the practice page as MyST Markdown: one for each answered question."""
    found = []
    for one in records:
        ledger = questions.measured(project, one.chapter)
        for question in one.questions:
            try:
                found.append(_card(one.chapter, titles[one.chapter], question, ledger))
            except CourseError as error:
                raise CourseError(f"{one.path.name}: question {question['id']}: {error}") from error
    return "".join(found)


def _card(
    chapter: str, topic: str, question: dict[str, Any], ledger: dict[str, dict[str, Any]]
) -> str:
    """One question, folded; inside it the answer, what a strong answer proves, and the pitfalls."""
    name, asked, found = question["id"], question["question"], {}
    for language in questions.LANGUAGES:
        answer = questions.filled(question["short_answer"][language].strip(), ledger)
        pitfalls = [questions.filled(one[language].strip(), ledger) for one in question["pitfalls"]]
        listed = "\n".join(f"- {' '.join(pitfall.split())}" for pitfall in pitfalls)
        head = {"en": "Pitfalls", "zh": "常见失误"}[language]
        code = {"en": "en", "zh": "zh-CN"}[language]
        found[language] = f'<div lang="{code}">\n\n{answer}\n\n**{head}**\n\n{listed}\n\n</div>\n\n'
    proofs = "".join(
        f"<li>{html.escape(ledger[claim]['text'])}: measured "
        f"{html.escape(measured_text(ledger[claim]))}, claimed {bound_text(ledger[claim])}</li>"
        for claim in question["claims"]
        if claim in ledger
    )
    fields = {"question": name, "level": question["level"], "topic": topic}
    data = " ".join(f'data-{key}="{html.escape(value)}"' for key, value in fields.items())
    return (
        f'<details class="course-card" {data}>\n'
        f'<summary><span class="course-card-id">{name}</span> '
        f'<span lang="en">{html.escape(asked["en"].strip())}</span> '
        f'<span lang="zh-CN">{html.escape(asked["zh"].strip())}</span></summary>\n\n'
        f"{found['en']}{found['zh']}"
        f'<p><strong>A strong answer can show</strong></p><ul class="course-proof">{proofs}</ul>\n'
        f'<p><a href="questions.html#question-{name.lower()}">Open {name} in the index</a> · '
        f'<a href="notebooks/{chapter}.html#{question["anchor"]}">the code that proves it</a></p>\n'
        "</details>\n\n"
    )
