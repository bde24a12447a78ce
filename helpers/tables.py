"""Tables of results, readable by eye and by screen reader."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any


def show_table(rows: Sequence[Mapping[str, Any]], caption: str, **formats: str) -> None:
    """Shows `rows` (one mapping per row, all with the same keys) with a caption.

    The first column heads its row. `formats` gives a format specification per column, such as
    `accuracy=".3f"`; a column without one is shown as it is. Raises `ValueError` without rows,
    without a caption, or for a format of a column that does not exist.
    """
    from IPython.display import display

    if not rows or not caption.strip():
        raise ValueError("A table needs at least one row and a caption.")
    columns = list(rows[0])
    unknown = sorted(set(formats) - set(columns))
    if unknown:
        raise ValueError(f"There is no column '{unknown[0]}': the columns are {columns}.")
    cells = [[format(row[name], formats.get(name, "")) for name in columns] for row in rows]
    head = "".join(
        f'<th scope="col">{html.escape(name.replace("_", " "))}</th>' for name in columns
    )
    body = ""
    for first, *others in cells:
        inner = "".join(f"<td>{html.escape(cell)}</td>" for cell in others)
        body += f'<tr><th scope="row">{html.escape(first)}</th>{inner}</tr>'
    table = (
        f'<table class="course-table"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    lines = "\n".join("  ".join(row) for row in [columns, *cells])
    display({"text/plain": f"Table: {caption}\n{lines}", "text/html": table}, raw=True)
