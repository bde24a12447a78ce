"""Quizzes: shown from the question records, usable without a kernel, a script or a mouse.

Each choice is a native disclosure element: a click, Enter or Space opens its explanation, in
JupyterLab, in the rendered book and on a page without JavaScript alike.
"""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class QuizError(RuntimeError):
    """A quiz that cannot be shown; one sentence."""


@cache
def questions_file(chapter: str) -> Path:
    """The question record file of `chapter` (`19_quantization` -> `data/questions/19.yaml`)."""
    return ROOT / "data" / "questions" / f"{chapter[:2]}.yaml"


def load(chapter: str) -> list[dict[str, Any]]:
    """The quiz items of `chapter`: `question` and `choices` (`text`, `right`, `why`)."""
    import yaml

    path = questions_file(chapter)
    if not path.exists():
        raise QuizError(f"There is no quiz for '{chapter}': {path.name} was not found.")
    return yaml.safe_load(path.read_text(encoding="utf-8"))["quiz"]


def _inline(text: str) -> str:
    """Escaped text in which `code` marked by backticks stays marked."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text.strip(), quote=False))


def markup(items: list[dict[str, Any]]) -> str:
    """The quiz as HTML: one section a question, one disclosure a choice."""
    parts = ['<div class="course-quiz">']
    for number, item in enumerate(items, start=1):
        parts.append(
            f'<div role="group" aria-label="Question {number}" style="margin:0 0 1em">'
            f"<p><strong>{number}.</strong> {_inline(item['question'])}</p>"
        )
        for letter, choice in zip("ABCDEFGH", item["choices"], strict=False):
            verdict, colour = ("Right.", "#00734f") if choice["right"] else ("Not so.", "#a33b00")
            parts.append(
                f'<details class="course-choice" data-right="{str(choice["right"]).lower()}" '
                f'style="margin:.2em 0 .2em 1em"><summary>{letter}. {_inline(choice["text"])}'
                f'</summary><p style="border-left:4px solid {colour};padding-left:.6em">'
                f"<strong>{verdict}</strong> {_inline(choice['why'])}</p></details>"
            )
        parts.append("</div>")
    return "".join([*parts, "</div>"])


def quiz(chapter: str) -> None:
    """Shows the quiz of `chapter`; open a choice to see whether it is right and why."""
    from IPython.display import display

    items = load(chapter)
    plain = "\n".join(f"{n}. {item['question'].strip()}" for n, item in enumerate(items, start=1))
    display({"text/plain": plain, "text/html": markup(items)}, raw=True)
