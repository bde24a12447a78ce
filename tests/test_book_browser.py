"""A reader walks through the rendered book in a real browser, with mouse, keyboard and phone."""

from __future__ import annotations

import browsing
import pytest
from browsing import OPEN_ALL, names

pytestmark = [pytest.mark.browser, browsing.needs_browser, pytest.mark.timeout(300)]

PHONE = {"width": 390, "height": 844}
# What stands out of the page on the right without a box of its own that scrolls.
OVERHANG = """() => [...document.querySelectorAll('body *')]
  .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && one.checkVisibility())
  .slice(0, 5).map(one => `${one.tagName}.${one.className}`)"""


def chapter_names(site) -> list[str]:
    return [name for name in names(site) if name.startswith("notebooks/")]


def listen(page, address: str) -> list[str]:
    """A list that fills with errors of the page and with requests that leave this machine."""
    wrong: list[str] = []

    def said(message):
        if message.type == "error":
            wrong.append(f"{page.url}: console: {message.text} {message.location.get('url', '')}")

    def asked(request):
        if not request.url.startswith((address, "data:", "blob:")):
            wrong.append(f"{page.url}: request to {request.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on("request", asked)
    return wrong


def search(page, address: str, words: str) -> list[str]:
    """Titles of what the book's search finds, beginning on the start page, by keyboard."""
    page.goto(address)
    page.keyboard.press("Control+k")
    field = page.locator("dialog input[type=search], .search-button__search-container input").first
    field.wait_for(state="visible")
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results .search-summary, #search-results p")
    page.wait_for_function(
        "() => /finished|found|did not match/i.test("
        "document.querySelector('#search-results').textContent)"
    )
    return page.locator("#search-results ul.search li > a").all_inner_texts()


def test_every_page_is_free_of_errors_and_asks_nobody_else(page, site, address):
    wrong = listen(page, address)
    for name in names(site):
        page.goto(address + name, wait_until="networkidle")
    assert wrong == []


def test_the_listener_hears_an_error_and_a_foreign_request(page, address):
    wrong = listen(page, address)
    page.route("https://example.org/*", lambda route: route.abort())
    page.goto(address)
    page.evaluate("new Image().src = 'https://example.org/x.png'; console.error('planted')")
    page.wait_for_timeout(300)
    assert any("request to https://example.org/x.png" in one for one in wrong)
    assert any("planted" in one for one in wrong)


def test_search_for_calibration_finds_the_chapter_on_evaluation(page, address):
    titles = search(page, address, "calibration")
    assert any(title.startswith("01 ") for title in titles), titles
    page.locator("#search-results ul.search li > a", has_text="01 ").first.click()
    assert "notebooks/01_" in page.url


def test_search_finds_chinese_words_inside_sentences(page, address):
    page.goto(address + "questions.html")
    sentence = page.locator("article .course-zh").first.inner_text()
    han = "".join(one for one in sentence if "\u4e00" <= one <= "\u9fff")
    assert any(title.startswith("Questions") for title in search(page, address, han[2:4])), han
    assert search(page, address, "饕餮纹") == []


def answers(page) -> tuple:
    """The first question of the page's quiz: (a wrong choice, the right choice)."""
    group = page.locator(".course-quiz [role=group]").first
    wrong = group.locator("details[data-right=false]").first
    return wrong, group.locator("details[data-right=true]").first


def test_a_quiz_is_answered_by_mouse(page, site, address):
    for name in chapter_names(site):
        page.goto(address + name)
        for choice, verdict in zip(answers(page), ("Not so.", "Right."), strict=True):
            explanation = choice.locator("p")
            assert not explanation.is_visible()
            choice.locator("summary").click()
            assert explanation.is_visible()
            assert explanation.inner_text().startswith(verdict)
            assert len(explanation.inner_text()) > len(verdict) + 10


def test_a_quiz_is_answered_by_keyboard_alone(page, site, address):
    page.goto(address + chapter_names(site)[0])
    group = page.locator(".course-quiz [role=group]").first
    choices = group.locator("details").all()
    choices[0].locator("summary").focus()
    for number, choice in enumerate(choices):
        if number:
            page.keyboard.press("Tab")
        summary = choice.locator("summary")
        assert summary.evaluate("one => one === document.activeElement")
        assert summary.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
        page.keyboard.press(("Enter", "Space")[number % 2])
        right = choice.get_attribute("data-right") == "true"
        assert choice.locator("p").inner_text().startswith("Right." if right else "Not so.")


def test_solutions_are_folded_and_unfold(page, site, address):
    for name in chapter_names(site):
        page.goto(address + name)
        solution = page.locator("div.tag_solution details.hide").first
        code = solution.locator("div.highlight").first
        assert not code.is_visible()
        solution.locator("summary").first.click()
        assert code.is_visible()


def test_dark_mode_is_dark_and_is_remembered(page, address):
    def brightness() -> float:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.strip("rgba()").split(",")[:3]) / 3

    page.goto(address)
    assert brightness() > 200
    for _ in range(3):
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
        page.locator("button.theme-switch-button:visible").first.click()
    assert brightness() < 60
    page.goto(address + "questions.html")
    assert brightness() < 60


def test_a_phone_never_scrolls_sideways(chromium, site, address):
    context = chromium.new_context(viewport=PHONE)
    page, wrong = context.new_page(), []
    for name in names(site):
        page.goto(address + name, wait_until="networkidle")
        page.evaluate(OPEN_ALL)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            wrong.append(f"{name} is {width} pixels wide: {page.evaluate(OVERHANG)}")
    context.close()
    assert wrong == []
