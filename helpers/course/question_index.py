"""The book's question pages: the index with answer and proof, and the finder that leads to it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from helpers.course import questions
from helpers.course.chapters import CourseError, Project
from helpers.course.pages import bound_text, claim_anchor, measured_text, table


def _both(text: dict[str, str], ledger: dict[str, Any]) -> str:
    """English and Chinese paragraphs with their values; Markdown inside."""
    english, chinese = (questions.filled(text[lang].strip(), ledger) for lang in ("en", "zh"))
    return f'{english}\n\n<div lang="zh-CN">\n\n{chinese}\n\n</div>\n'


def question_index(
    project: Project, titles: dict[str, str], records: Sequence[questions.Records]
) -> str:
    """The question index: each question in both languages, its answer, its proof and pitfalls."""
    listed = questions.owners(project)
    answered = sum(len(one.questions) for one in records)
    parts = [
        "# Questions\n\nThe interview questions and their sixty-second answers, in English and in "
        f"Chinese. {answered} of {len(listed)} questions are answered so far. The values in the "
        "answers are those of the last `full` run, and *Proof* leads to the code that measured "
        'them.\n\n<p lang="zh-CN">这里列出面试题和一分钟回答，中英对照。回答里的数值取自最近一次'
        " full 运行；点 Proof 可以看到测出这些数值的代码。</p>\n"
    ]
    for one in records:
        ledger = questions.measured(project, one.chapter)
        if not ledger:
            raise CourseError(
                f"There is no committed full ledger of {one.chapter}, which its answers quote: run "
                f"'course refresh {one.chapter} --profile full'."
            )
        parts.append(f"\n## {titles[one.chapter]}\n")
        for question in one.questions:
            try:
                parts.append(_entry(one.chapter, question, listed[question["id"]], ledger))
            except CourseError as error:
                raise CourseError(f"{one.path.name}: question {question['id']}: {error}") from error
    return "".join(parts)


def _proof(chapter: str, claims: Sequence[str], ledger: dict[str, Any]) -> str:
    items = ""
    for claim in claims:
        record = ledger.get(claim, {})
        if record.get("kind") != "claim":
            raise CourseError(
                f"the claim '{claim}' is not in the committed full ledger of {chapter}: run "
                f"'course refresh {chapter} --profile full', or name another claim."
            )
        found = f"measured {measured_text(record)}, claimed {bound_text(record)}"
        target = f"evidence.html#{claim_anchor(chapter, claim)}"
        text = f'<a href="{target}">{html.escape(record["text"].rstrip("."))}</a>'
        items += f"<li>{text}: {html.escape(found)}</li>"
    return f'<ul class="course-proof">{items}</ul>\n\n'


def _entry(
    chapter: str, question: dict[str, Any], owner: dict[str, Any], ledger: dict[str, Any]
) -> str:
    """One question with everything that is known about it."""
    wording, name = question["question"], question["id"]
    parts = [
        f"\n(question-{name.lower()})=\n### {name}. {wording['en'].strip()}\n\n",
        f'<p class="course-zh" lang="zh-CN">{html.escape(wording["zh"].strip())}</p>\n\n',
        f"{_both(question['short_answer'], ledger)}\n",
        f"[Proof: the code](notebooks/{chapter}.ipynb#{question['anchor']})\n\n",
        _proof(chapter, question["claims"], ledger),
        "<details><summary>Pitfalls and follow-up questions</summary>\n\n",
        *(_both(pitfall, ledger) + "\n" for pitfall in question["pitfalls"]),
    ]
    for follow_up in question["follow_ups"]:
        asked = follow_up["question"]
        bold = {language: f"**{asked[language].strip()}**" for language in questions.LANGUAGES}
        parts.append(f"{_both(bold, ledger)}\n{_both(follow_up['answer'], ledger)}\n")
    parts.append(
        f'</details>\n\n<p class="course-meta">Level: {question["level"]} · '
        f"Source: article {html.escape(owner['article'])}</p>\n"
    )
    return "".join(parts)


def finder(
    project: Project,
    titles: dict[str, str],
    parts: Sequence[tuple[str, Sequence[str]]],
    records: Sequence[questions.Records],
) -> str:
    """The table of the finder: a row for each answered question, with what it can be found by.

    `parts` holds (caption, chapter names); a caption names the topic of its chapters' questions.
    """
    topics = {
        name: caption.partition(" - ")[2] or caption for caption, names in parts for name in names
    }
    listed = questions.owners(project)
    rows, data = [], []
    for one in records:
        for question in one.questions:
            name, asked = question["id"], question["question"]
            number, _, words = listed[name]["article"].partition("-")
            known = {
                "topic": topics[one.chapter],
                "level": question["level"],
                "article": f"{number}: {words.replace('-', ' ')}",
                "chapter": titles[one.chapter],
            }
            link = f'<a href="questions.html#question-{name.lower()}">{name}'
            english, chinese = (html.escape(asked[lang].strip()) for lang in questions.LANGUAGES)
            head = f'{link}. {english}</a><br><span lang="zh-CN">{chinese}</span>'
            chapter = (
                f'<a href="notebooks/{one.chapter}.html">{html.escape(titles[one.chapter])}</a>'
            )
            rows.append([head, *(html.escape(known[key]) for key in list(known)[:3]), chapter])
            data.append(known)
    heads = ["Question", "Topic", "Level", "Source article", "Chapter"]
    return table("Questions and where they are answered", heads, rows, data)
