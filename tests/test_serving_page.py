"""The model server's page in a real browser: draw, ask, read, and a server that is gone."""

import pytest

from helpers.serving import serve
from tests.browsing import browser, needs_browser

pytestmark = [pytest.mark.browser, needs_browser]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A LiteRT model of 16 pixels whose class 3 wins as soon as a pixel is set."""
    import keras
    import numpy as np

    from helpers.runtimes import export_litert

    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(10)])
    kernel = np.zeros((16, 10), np.float32)
    kernel[:, 3] = 5.0
    model.set_weights([kernel, np.zeros(10, np.float32)])
    return export_litert(model, tmp_path_factory.mktemp("page") / "model.tflite")


def test_draw_ask_and_read(model_file):
    running = serve({"digits": {"litert": str(model_file)}})
    try:
        with browser() as chrome:
            page, faults = chrome.new_page(), []
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.goto(running.address)
            answer, cells = page.locator("#answer"), page.locator("#grid button")
            cells.nth(15).wait_for()
            assert cells.count() == 16
            page.click("#ask")
            assert "Draw something" in answer.inner_text()
            cells.nth(5).click()
            cells.nth(6).focus()
            page.keyboard.press("Space")
            pressed = [cells.nth(k).get_attribute("aria-pressed") for k in (5, 6, 7)]
            assert pressed == ["true", "true", "false"]
            page.click("#ask")
            page.wait_for_function("document.getElementById('answer').innerText.includes('says 3')")
            assert "100 %" in answer.inner_text()
            page.goto(running.address + "/?model=nobody")
            page.wait_for_function(
                "document.getElementById('answer').innerText.includes('no model')"
            )
            page.goto(running.address)
            cells.nth(5).click()
            running.close()
            page.click("#ask")
            page.wait_for_function(
                "document.getElementById('answer').innerText.includes('No answer')"
            )
            assert faults == []
    finally:
        running.close()


def test_the_page_has_no_barrier(model_file):
    from axe_playwright_python.sync_playwright import Axe

    with serve({"digits": {"litert": str(model_file)}}) as running, browser() as chrome:
        page = chrome.new_page()
        page.goto(running.address)
        page.locator("#grid button").nth(15).wait_for()
        found = Axe().run(page).response["violations"]
        assert [one["id"] for one in found] == []
