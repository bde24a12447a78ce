"""Figures that everyone can read: colour-blind-safe, with caption, alt text and a data table."""

from __future__ import annotations

import base64
import html
import io
from contextlib import contextmanager
from typing import Any

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), the darkest first: all of them keep
# apart for the common kinds of colour blindness, and the line styles keep apart without colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_TABLE_ROWS = 24


@contextmanager
def figure(columns: int = 1, rows: int = 1, width: float = 6.0, height: float = 3.6):
    """Context that yields (figure, axes) in the course's style; `height` in inches per row.

    The figure is closed afterwards, so that it is shown once: by `show`, inside the context.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    cycle = mpl.cycler(color=COLOURS) + mpl.cycler(linestyle=DASHES)
    style = {
        "axes.prop_cycle": cycle,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 10,
        "legend.frameon": False,
    }
    with mpl.rc_context(style):
        drawing, axes = plt.subplots(
            rows, columns, figsize=(width, height * rows), layout="constrained"
        )
        try:
            yield drawing, axes
        finally:
            plt.close(drawing)


def _series(axes: Any) -> list[tuple[str, list[tuple[str, float]]]]:
    """What an axes shows: (label, points) for each line, bar group and scatter."""
    found = []
    for number, line in enumerate(axes.get_lines(), start=1):
        label = str(line.get_label())
        x, y = line.get_data()
        if label.startswith("_") and len(x) <= 2:
            continue  # a guide line without a name
        name = f"line {number}" if label.startswith("_") else label
        found.append((name, [(f"{a:.4g}", float(b)) for a, b in zip(x, y, strict=True)]))
    for number, bars in enumerate(axes.containers, start=1):
        if not hasattr(bars, "patches"):
            continue
        label = str(bars.get_label())
        upright = getattr(bars, "orientation", "vertical") == "vertical"
        axis = axes.xaxis if upright else axes.yaxis
        names = [tick.get_text() for tick in axis.get_ticklabels()]
        points = []
        for place, patch in enumerate(bars.patches):
            size = patch.get_height() if upright else patch.get_width()
            edge = patch.get_x() if upright else patch.get_y()
            name = names[place] if len(names) == len(bars.patches) else f"{edge:.4g}"
            points.append((name, float(size)))
        found.append((f"bars {number}" if label.startswith("_") else label, points))
    for number, dots in enumerate(axes.collections, start=1):
        label = str(dots.get_label())
        offsets = getattr(dots, "get_offsets", lambda: [])()
        if label.startswith("_") or len(offsets) == 0:
            continue
        found.append(
            (label or f"points {number}", [(f"{a:.4g}", float(b)) for a, b in offsets.tolist()])
        )
    return found


def describe(drawing: Any) -> str:
    """Alt text from the plotted data: per series its first, last, least and greatest value."""
    sentences = []
    for axes in drawing.axes:
        title = axes.get_title() or "Chart"
        head = f"{title}: {axes.get_ylabel() or 'value'} against {axes.get_xlabel() or 'position'}."
        if axes.images and not axes.get_lines():
            rows, columns = axes.images[0].get_array().shape[:2]
            sentences.append(f"{title}: image of {rows} by {columns} cells.")
            continue
        sentences.append(head)
        for name, points in _series(axes):
            values = [value for _, value in points]
            if len(points) <= 6:
                listed = ", ".join(f"{place} {value:.4g}" for place, value in points)
                sentences.append(f"{name}: {listed}.")
            elif values:
                sentences.append(
                    f"{name}: from {values[0]:.4g} at {points[0][0]} to {values[-1]:.4g} at "
                    f"{points[-1][0]}, least {min(values):.4g}, greatest {max(values):.4g}."
                )
    return " ".join(sentences)


def _table(drawing: Any) -> str:
    rows = []
    for axes in drawing.axes:
        for name, points in _series(axes):
            step = max(1, -(-len(points) // _TABLE_ROWS))
            for place, value in points[::step]:
                rows.append(
                    f"<tr><td>{html.escape(name)}</td><td>{html.escape(place)}</td>"
                    f"<td>{value:.4g}</td></tr>"
                )
    if not rows:
        return ""
    return (
        "<details><summary>The figure as a table</summary><table><thead><tr>"
        '<th scope="col">Series</th><th scope="col">Position</th><th scope="col">Value</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></details>"
    )


def show(drawing: Any, caption: str, alt: str = "") -> None:
    """Shows `drawing` with a caption, alt text and its data as a table.

    `alt` replaces the text made from the plotted data by `describe`; give it for images and for
    charts whose message a list of values does not tell. Raises `ValueError` without a caption.
    """
    from IPython.display import display

    if not caption.strip():
        raise ValueError("The figure has no caption: say in one sentence what it shows.")
    alt = alt or describe(drawing)
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=100, facecolor="white")
    picture = base64.b64encode(buffer.getvalue()).decode("ascii")
    markup = (
        f'<figure class="course-figure"><img src="data:image/png;base64,{picture}" '
        f'alt="{html.escape(alt)}" style="max-width:100%">'
        f"<figcaption>{html.escape(caption)}</figcaption>{_table(drawing)}</figure>"
    )
    display({"text/plain": f"Figure: {caption} {alt}", "text/html": markup}, raw=True)
