"""Fixtures of the browser tests: the rendered book on a local server, in a headless browser."""

from __future__ import annotations

import browsing
import pytest


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return browsing.built_once(browsing.shared_folder(tmp_path_factory))[0]


@pytest.fixture(scope="module")
def address(site):
    with browsing.served(site) as found:
        yield found


@pytest.fixture(scope="module")
def chromium():
    with browsing.browser() as running:
        yield running


@pytest.fixture
def page(chromium):
    desk = {"width": 1280, "height": 900}
    context = chromium.new_context(viewport=desk, color_scheme="light")
    yield context.new_page()
    context.close()
