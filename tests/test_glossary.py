"""The glossary is whole, in both languages, and linked from the chapters."""

from __future__ import annotations

import re

import pytest
import yaml
from course_fixture import make_project

import contract
from helpers.course import glossary
from helpers.course.chapters import CourseError, Project

TERM = {"en": "one term", "zh": "术语", "chapter": 1, "means": "It is.", "zh_means": "就是。"}


@pytest.fixture
def small(tmp_path):
    return make_project(tmp_path)


def write(project, terms):
    (project.root / "data").mkdir(exist_ok=True)
    text = yaml.safe_dump(terms, allow_unicode=True)
    (project.root / "data" / "glossary.yaml").write_text(text, encoding="utf-8")


def test_the_course_has_enough_terms_in_both_languages():
    terms = glossary.load(Project())
    assert len(terms) >= 120
    for term in terms:
        assert re.search(r"[\u4e00-\u9fff]", term["zh"] + term["zh_means"]), term["en"]
        assert term["means"].endswith(".")
        assert term["zh_means"].endswith("。")


def test_every_chapter_shows_a_term():
    numbers = {term["chapter"] for term in glossary.load(Project())}
    assert {int(path.stem[:2]) for path in contract.NOTEBOOKS} <= numbers


def test_page_and_line_link_each_other(small):
    write(small, [TERM, {**TERM, "en": "later", "chapter": 30}])
    terms = glossary.load(small)
    page = glossary.page(terms, {"01_tiny": "01 Tiny"})
    assert 'id="term-one-term"' in page
    assert page.count('href="notebooks/01_tiny.html"') == 1
    assert "30_" not in page  # a chapter that the book does not hold is not linked
    assert "../glossary.html#term-one-term" in glossary.line(terms, 1)
    assert glossary.line(terms, 2) == ""


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ([{"en": "x"}], "entry 1"),
        ([{**TERM, "chapter": "1"}], "give exactly"),
        ([{**TERM, "chapter": 31}], "from 1 to 30"),
        ([TERM, {**TERM, "en": "One Term"}], "stands twice"),
    ],
)
def test_a_wrong_entry_is_one_sentence(small, terms, told):
    write(small, terms)
    with pytest.raises(CourseError, match=told):
        glossary.load(small)


def test_a_course_without_a_glossary_has_an_empty_one(small):
    assert glossary.load(small) == []
