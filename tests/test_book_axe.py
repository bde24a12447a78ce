"""axe-core on every page of the rendered book; a file of its own, so that a worker has it alone."""

from __future__ import annotations

import browsing
import pytest
from browsing import OPEN_ALL, names

pytestmark = [pytest.mark.browser, browsing.needs_browser, pytest.mark.timeout(300)]


@pytest.mark.parametrize("part", range(5))  # each with a time limit of its own
def test_axe_finds_no_serious_violation_in_light_and_dark(part, page, site, address):
    from axe_playwright_python.sync_playwright import Axe

    wrong, themes = [], ("light", "dark")
    for number, name in enumerate(names(site)[part::5]):
        page.goto(address + name)
        # What opens would fade in, and be faint until it is there.
        page.add_style_tag(content="* {transition: none !important; animation: none !important}")
        page.evaluate(OPEN_ALL)
        for theme in themes[: 1 if number % 2 else 2]:  # one style sheet: half of them show it
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            page.wait_for_timeout(50)
            options = {"preload": False, "resultTypes": ["violations"]}
            if theme == "dark":  # colours are all that differs
                options["runOnly"] = ["color-contrast"]
            found = Axe().run(page, options=options)
            for violation in found.response["violations"]:
                if violation["impact"] in ("serious", "critical"):
                    places = [node["target"] for node in violation["nodes"][:3]]
                    wrong.append(f"{name} ({theme}): {violation['id']}: {places}")
    assert wrong == []


def test_axe_sees_what_it_should_see(page, address):
    from axe_playwright_python.sync_playwright import Axe

    page.goto(address)
    page.evaluate(
        "document.querySelector('article').insertAdjacentHTML('beforeend',"
        '\'<p style="color:#999;background:#aaa">faint</p><img src="_static/file.png">\')'
    )
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert {"color-contrast", "image-alt"} <= {violation["id"] for violation in found}
