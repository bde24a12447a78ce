"""The whole book as one PDF, printed by a browser from the same staged sources.

The PDF is tagged and has an outline, so that a screen reader and a reader can move in it. Pages
that only a browser can use (the finder, the practice) are left out.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from helpers.course.book import BookError, render, stage
from helpers.course.chapters import Project

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LEFT_OUT = ("find", "practice", "flashcards")
# In one page of HTML each document follows a mark with its name, up to the next mark.
_REMOVE = """names => {
  for (const name of names) {
    const mark = document.getElementById("document-" + name);
    for (let next = mark && mark.nextElementSibling; next; next = mark.nextElementSibling) {
      if (next.id.startsWith("document-")) break;
      next.remove();
    }
    document.querySelectorAll(`a[href="#document-${name}"]`).forEach(link => {
      const entry = link.closest("li");
      if (entry) entry.remove();
      else link.replaceWith(...link.childNodes);
    });
  }
  document.querySelectorAll("details").forEach(one => { one.open = true; });
}"""
_FOOT = (
    '<div style="font-size:8px;width:100%;text-align:center"><span class="pageNumber"></span></div>'
)


def browser_path() -> str:
    """Path of an installed Chromium or Chrome, empty without one."""
    return next((found for name in NAMES if (found := shutil.which(name))), "")


def write_pdf(out: Path | None = None, project: Project | None = None) -> Path:
    """The book of `project` as `book.pdf` in `out` (default `artifacts/book`), in A4.

    It shows the stored outputs, and takes its place when it is whole. Raises `BookError` where no
    browser is installed, or with the warnings that stopped the rendering.
    """
    project = project or Project()
    if not browser_path() or importlib.util.find_spec("playwright") is None:
        raise BookError(
            f"The PDF is printed by Chromium or Chrome, and none of {', '.join(NAMES)} was found "
            "together with the package playwright: install a browser, and 'uv sync' the rest."
        )
    out = Path(out) if out else project.root / "artifacts" / "book"
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f".partial-pdf-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        page = render(stage(project, partial / "stage"), partial, builder="singlehtml")
        _print(page / "index.html", partial / "book.pdf")
        os.replace(partial / "book.pdf", out / "book.pdf")
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out / "book.pdf"


def _print(page: Path, target: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path(), args=list(SWITCHES))
        try:
            shown = browser.new_page()
            shown.set_default_timeout(600_000)  # a thousand pages take minutes
            shown.goto(page.resolve().as_uri())
            shown.evaluate("window.MathJax && MathJax.startup && MathJax.startup.promise")
            shown.evaluate(_REMOVE, list(_LEFT_OUT))
            shown.emulate_media(media="print", color_scheme="light")
            shown.pdf(
                path=str(target),
                format="A4",
                print_background=True,
                outline=True,
                tagged=True,
                display_header_footer=True,
                header_template="<span></span>",
                footer_template=_FOOT,
                margin={"top": "18mm", "bottom": "18mm", "left": "15mm", "right": "15mm"},
            )
        finally:
            browser.close()
