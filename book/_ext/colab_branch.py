"""Sphinx extension: the Colab button opens the edition that can set itself up.

A chapter on the main branch needs the rest of the repository beside it; `course edition colab`
writes chapters that fetch it, and the branch `colab` of the repository holds them.
"""

from __future__ import annotations

from typing import Any

COLAB, BRANCH = "https://colab.research.google.com/github/", "colab"


def _elsewhere(address: str) -> str:
    owner, blob, rest = address.removeprefix(COLAB).partition("/blob/")
    _, _, path = rest.partition("/")
    return f"{COLAB}{owner}{blob}{BRANCH}/{path}"


def _change(entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        if str(entry.get("url", "")).startswith(COLAB):
            entry["url"] = _elsewhere(entry["url"])
        _change(entry.get("buttons", []))


def _on_page(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    _change(context.get("header_buttons", []))


def setup(app: Any) -> dict[str, bool]:
    # After the theme, which puts its buttons there at 501.
    app.connect("html-page-context", _on_page, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
