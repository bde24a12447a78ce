"""The glossary: terms in English and Chinese, their page, and their links from the chapters."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from helpers.course.chapters import CourseError, Project
from helpers.course.questions import slug

_FIELDS = {"en": str, "zh": str, "chapter": int, "means": str, "zh_means": str}


def load(project: Project) -> list[dict[str, Any]]:
    """The terms of `data/glossary.yaml` by name: `en`, `zh`, `means`, `zh_means`, `chapter` (1-30).

    Raises `CourseError` for an entry with other fields or types, and for a term that stands twice.
    """
    import yaml

    path = project.root / "data" / "glossary.yaml"
    terms = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else []
    seen = set()
    for number, term in enumerate(terms, start=1):
        kinds = {name: type(value) for name, value in term.items()}
        if kinds != _FIELDS or not 1 <= term["chapter"] <= 30:
            wanted = ", ".join(f"{name} ({kind.__name__})" for name, kind in _FIELDS.items())
            raise CourseError(
                f"glossary.yaml: entry {number} is {term}; give exactly {wanted}, with a chapter "
                "from 1 to 30."
            )
        if anchor(term) in seen:
            raise CourseError(f"glossary.yaml: '{term['en']}' stands twice; remove one entry.")
        seen.add(anchor(term))
    return sorted(terms, key=lambda term: term["en"].lower())


def anchor(term: dict[str, Any]) -> str:
    """The anchor of a term on the glossary page."""
    return f"term-{slug(term['en'])}"


def page(terms: Sequence[dict[str, Any]], titles: dict[str, str]) -> str:
    """The glossary page as Markdown: a definition list; chapters of the book are linked."""
    of = {int(name[:2]): (name, title) for name, title in titles.items()}
    entries = ""
    for term in terms:
        name, title = of.get(term["chapter"], ("", ""))
        link = f' <a href="notebooks/{name}.html">{html.escape(title)}</a>' if name else ""
        entries += (
            f'<dt id="{anchor(term)}">{html.escape(term["en"])} '
            f'<span lang="zh-CN">{html.escape(term["zh"])}</span></dt>\n'
            f"<dd>{html.escape(term['means'])}{link}<br>"
            f'<span lang="zh-CN">{html.escape(term["zh_means"])}</span></dd>\n'
        )
    return (
        "# Glossary\n\nThe terms of the field as this course uses them, in English and in Chinese, "
        "with the chapter that shows each one on running code.\n\n"
        '<p lang="zh-CN">本书用到的术语，中英对照，并注明在哪一章用代码演示。</p>\n\n'
        f'<dl class="course-glossary">\n{entries}</dl>\n'
    )


def line(terms: Sequence[dict[str, Any]], number: int) -> str:
    """Links to the terms that chapter `number` shows, as HTML; empty when it shows none."""
    links = [
        f'<a href="../glossary.html#{anchor(term)}">{html.escape(term["en"])}</a>'
        for term in terms
        if term["chapter"] == number
    ]
    return f'<p class="course-terms">Terms of this chapter: {", ".join(links)}</p>' if links else ""
