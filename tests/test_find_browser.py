"""A candidate finds a question, and an instructor follows a number to its proof, in a browser."""

from __future__ import annotations

import json
from pathlib import Path

import browsing
import pytest

from helpers.course import questions
from helpers.course.chapters import Project

pytestmark = [pytest.mark.browser, browsing.needs_browser, pytest.mark.timeout(300)]
ROWS = "tr[data-topic]"


@pytest.fixture
def finder(page, address):
    page.goto(address + "find.html")
    page.wait_for_selector("#course-find input")
    return page


def shown(page):
    return [row for row in page.locator(ROWS).all() if row.is_visible()]


def count(page):
    return page.locator(f"{ROWS}:visible").count()


def test_without_a_script_every_question_is_listed(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "find.html")
    assert count(page) == page.locator(ROWS).count() > 100
    context.close()


def test_a_chinese_word_and_a_level_narrow_the_list_down(finder):
    total = count(finder)
    finder.get_by_label("Word").fill("过拟合")
    found = count(finder)
    assert 0 < found < total
    assert all("过拟合" in row.inner_text() for row in shown(finder))
    finder.get_by_label("Level").select_option("senior")
    assert count(finder) < found
    status = finder.get_by_role("status").inner_text()
    assert status.startswith(f"{count(finder)} of {total} questions")
    finder.get_by_role("button", name="Show all").click()
    finder.wait_for_function(
        "total => document.querySelectorAll('tr[data-topic]:not([hidden])').length === total",
        arg=total,
    )


def test_each_list_offers_what_the_rows_hold(finder):
    project = Project()
    listed = [questions.load(project, path) for path in questions.files(project)]
    for label, several in (("Topic", 4), ("Level", 2), ("Source article", 5), ("Chapter", 20)):
        options = finder.get_by_label(label, exact=False).locator("option").all_inner_texts()
        assert len(options) > several, label
    chapter = finder.get_by_label("Chapter").locator("option").nth(3).inner_text()
    finder.get_by_label("Chapter").select_option(chapter)
    own = next(one for one in listed if one.chapter.startswith(chapter[:2]))
    assert count(finder) == len(own.questions)


def test_a_choice_can_be_kept_as_a_bookmark_and_made_by_keyboard(finder, address):
    finder.get_by_label("Word").focus()
    finder.keyboard.type("roc")
    found = count(finder)
    assert found >= 1
    assert finder.url.endswith("?word=roc")
    finder.goto(finder.url)
    finder.wait_for_selector("#course-find input")
    assert count(finder) == found
    finder.locator(f"{ROWS}:visible a").first.focus()
    finder.keyboard.press("Enter")
    finder.wait_for_url("**/questions.html#question-*")


def test_an_instructor_follows_a_number_to_its_proof_and_takes_the_notebook(page, address):
    page.goto(address)
    page.get_by_role("main").get_by_role("link", name="Status").click()
    page.locator("table.course-table").first.locator("tbody a").first.click()
    page.wait_for_url("**/notebooks/01_*.html")
    page.get_by_role("link", name="Every claim and version").click()
    page.wait_for_url("**/evidence.html#evidence-01")
    page.locator("th[id^='claim-01-']").first.locator("xpath=..").locator("a").first.click()
    page.wait_for_url("**/questions.html#question-*")
    page.locator("a[href^='notebooks/01_evaluation']", has_text="Proof: the code").first.click()
    page.wait_for_url("**/notebooks/01_evaluation.html#*")
    place = page.evaluate("decodeURIComponent(location.hash.slice(1))")
    assert page.evaluate("id => document.getElementById(id) !== null", place)
    page.get_by_role("button", name="Download this page").click()
    with page.expect_download() as taken:
        page.locator(".dropdown-download-buttons a[href$='.ipynb']").click()
    notebook = json.loads(Path(taken.value.path()).read_text(encoding="utf-8"))
    assert notebook["cells"][0]["cell_type"] == "markdown"
