"""What the browser tests share: a browser where there is one, a local server, the rendered site."""

from __future__ import annotations

import functools
import http.server
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.course.pdf import NAMES, SWITCHES, browser_path

OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true; })"

needs_browser = pytest.mark.skipif(
    not browser_path(), reason=f"no browser is installed: none of {', '.join(NAMES)} was found"
)


@contextmanager
def browser():
    """Context that yields a headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=browser_path(), args=list(SWITCHES))
        try:
            yield running
        finally:
            running.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(folder: Path):
    """Context that yields the address under which `folder` is served on this machine."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def built_once(shared: Path) -> tuple[Path, float]:
    """The site rendered from the committed notebooks, and the seconds that it took.

    `shared` is a folder that all test workers of one run see: the first builds, the others wait.
    """
    from helpers.course.book import build

    out, lock, done = shared / "book", shared / "book.lock", shared / "book.seconds"
    try:
        lock.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 240
        while not done.exists():
            if time.monotonic() > deadline:
                pytest.fail("another test worker did not finish the book within 240 s")
            time.sleep(0.2)
    else:
        try:
            began = time.monotonic()
            build(out=out)
            text = f"{time.monotonic() - began:.1f}"
        except Exception as error:
            text = f"failed: {error}"
        partial = done.with_suffix(".part")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, done)
    text = done.read_text(encoding="utf-8")
    if text.startswith("failed"):
        pytest.fail(text)
    return out / "html", float(text)


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run that all its workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def names(site: Path) -> list[str]:
    """Every page of the book, as an address relative to its root."""
    found = [
        path.relative_to(site).as_posix()
        for path in site.rglob("*.html")
        if "_static" not in path.parts
    ]
    return sorted(found)
