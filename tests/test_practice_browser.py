"""A candidate practises in a real browser: mock interview, review, progress out and in again."""

from __future__ import annotations

import json

import browsing
import pytest

pytestmark = [pytest.mark.browser, browsing.needs_browser, pytest.mark.timeout(300)]


@pytest.fixture
def practice(page, address):
    page.goto(address + "practice.html")
    page.wait_for_selector("#course-practice button")
    return page


def press(page, words):
    page.get_by_role("button", name=words).click()


def answer(page, rating):
    press(page, "Reveal the answer")
    press(page, rating)


def progress(page):
    return json.loads(page.evaluate("localStorage.getItem('course-practice') || '{}'"))


def said(page, words):
    page.locator(".course-said", has_text=words).wait_for()


def test_without_a_script_the_page_lists_every_question(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "practice.html")
    cards = page.locator("details.course-card")
    assert cards.count() > 30
    cards.first.locator("summary").click()
    assert cards.first.locator("[lang='zh-CN']").last.is_visible()
    context.close()


def test_a_mock_interview_by_keyboard_alone(practice):
    page = practice
    page.locator("#practice-count").select_option("3")
    page.get_by_role("button", name="Start a mock interview").focus()
    page.keyboard.press("Enter")
    for number in (1, 2, 3):
        assert page.evaluate("document.activeElement.textContent") == f"Question {number} of 3"
        assert page.locator(".course-timer").inner_text().startswith("1:00")
        assert not page.locator(".course-answer").is_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # reveal; the first rating has the focus then
        assert page.locator(".course-answer").inner_text().count("Pitfalls") == 1
        for _ in range(number - 1):
            page.keyboard.press("Tab")
        page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.textContent") == "Done"
    ratings = page.locator(".course-stage tbody td:last-child").all_inner_texts()
    assert ratings == ["missed", "partly", "solid"]
    assert sorted(card["box"] for card in progress(page)["cards"].values()) == [0, 1, 1]


def test_the_clock_runs_out_aloud(practice):
    practice.clock.install()
    press(practice, "Start a mock interview")
    practice.clock.run_for(61_000)
    said(practice, "Time is up")
    practice.clock.run_for(5_000)
    assert practice.locator(".course-timer").inner_text().startswith("over by 0:0")


def test_topic_and_level_choose_the_questions(practice):
    level = practice.locator("#practice-level option").nth(1).get_attribute("value")
    practice.locator("#practice-level").select_option(level)
    practice.locator("#practice-count").select_option("10")
    press(practice, "Start a mock interview")
    for _ in range(3):
        assert practice.locator(".course-stage .course-meta").inner_text().endswith(level)
        answer(practice, "Partly")


def test_one_language_hides_the_other(practice):
    practice.locator("#practice-language").select_option("zh")
    press(practice, "Start a mock interview")
    assert not practice.locator(".course-asked [lang=en]").is_visible()
    assert practice.locator(".course-asked [lang=zh-CN]").is_visible()


def test_a_missed_question_returns_in_the_same_review_and_a_known_one_does_not(practice):
    press(practice, "Review what is due")
    first = practice.locator(".course-asked [lang=en]").inner_text()
    answer(practice, "Missed it")
    seen = []
    while practice.get_by_role("button", name="Reveal the answer").count():
        seen.append(practice.locator(".course-asked [lang=en]").inner_text())
        answer(practice, "Solid")
    assert seen[-1] == first
    assert len(seen) == 10
    assert "10 of" in practice.locator(".course-count").inner_text()
    assert "0 due" in practice.locator(".course-count").inner_text()


def test_boxes_come_back_later_each_time(practice):
    name = practice.locator("details.course-card").first.get_attribute("data-question")
    state = {"box": 2, "due": "2020-01-01", "last": "2020-01-01"}
    whole = {"course": "course-practice", "version": 1, "cards": {name: state}}
    practice.evaluate("text => localStorage.setItem('course-practice', text)", json.dumps(whole))
    practice.reload()
    assert "1 due" in practice.locator(".course-count").inner_text()
    press(practice, "Review what is due")
    assert name in practice.locator(".course-stage .course-meta").inner_text()  # due comes first
    answer(practice, "Solid")
    found = progress(practice)["cards"][name]
    days = practice.evaluate(
        "one => Math.round((new Date(one.due) - new Date(one.last)) / 864e5)", found
    )
    assert (found["box"], days) == (3, 7)


def test_progress_survives_export_clearing_and_import(practice, tmp_path):
    press(practice, "Start a mock interview")
    answer(practice, "Solid")
    before = progress(practice)
    with practice.expect_download() as waiting:
        press(practice, "Export progress")
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    practice.evaluate("localStorage.clear()")
    practice.reload()
    assert practice.locator(".course-count").inner_text().startswith("0 of")
    practice.locator("#practice-file").set_input_files(file)
    said(practice, "Imported: 1 questions")
    assert progress(practice) == before
    press(practice, "Forget all progress")
    assert progress(practice) == before  # it asks once more
    press(practice, "Really forget")
    assert progress(practice) == {}


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "[]",
        '{"course": "course-practice", "version": 1}',
        '{"course": "course-practice", "version": 1, "cards": {"E1": {"box": 99}}}',
        '{"course": "something else", "version": 1, "cards": {}}',
    ],
)
def test_a_foreign_file_is_refused_and_nothing_is_lost(practice, tmp_path, content):
    press(practice, "Start a mock interview")
    answer(practice, "Partly")
    before = progress(practice)
    file = tmp_path / "other.json"
    file.write_text(content, encoding="utf-8")
    practice.locator("#practice-file").set_input_files(file)
    said(practice, "no progress of this course")
    assert progress(practice) == before
