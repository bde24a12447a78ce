"""Resource cards: what a chapter costs in time, memory and download, per profile, as measured."""

from __future__ import annotations

import json
from typing import Any

from helpers.evidence import COMMITTED
from helpers.profiles import MEANING, NAMES

PATH = COMMITTED / "resources.json"


def measured() -> dict[str, dict[str, dict[str, Any]]]:
    """Chapter -> profile -> measurement (`seconds`, `peak_memory_mb`, `download_mb`, `time`)."""
    if not PATH.exists():
        return {}
    return json.loads(PATH.read_text(encoding="utf-8"))


def bundle(chapter: str) -> dict[str, str]:
    """The card of `chapter` as a MIME bundle: a table in HTML, one line a profile in plain text."""
    rows, lines = [], []
    for name in NAMES:
        cost = measured().get(chapter, {}).get(name)
        if cost:
            memory = f"{cost['peak_memory_mb'] / 1000:.1f} GB"
            download = cost["download_mb"]
            cells = (
                f"{cost['seconds']:.0f} s",
                memory,
                "nothing" if download == 0 else f"{download:.0f} MB, once",
                cost["time"][:10],
            )
        else:
            cells = ("not measured yet", "-", "-", "-")
        lines.append(f"{name}: {', '.join(cells)}")
        inner = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{name}</th><td>{MEANING[name]}</td>{inner}</tr>')
    heads = "".join(
        f'<th scope="col">{head}</th>'
        for head in ("Profile", "What it is", "Time", "Peak memory", "Download", "Measured")
    )
    table = (
        '<table class="course-resources"><caption>What this chapter costs, measured on two CPU '
        f"cores</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
    return {"text/plain": "\n".join(lines), "text/html": table}


def resource_card(chapter: str) -> None:
    """Shows the resource card of `chapter`."""
    from IPython.display import display

    display(bundle(chapter), raw=True)


def chapter_list() -> None:
    """Shows every chapter as a link, with its title and what it costs in `quick`."""
    from IPython.display import display

    costs, lines, titles = measured(), [], []
    for path in sorted((COMMITTED.parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        title = "".join(notebook["cells"][0]["source"]).splitlines()[0].lstrip("# ")
        quick = costs.get(path.stem, {}).get("quick")
        cost = f"{quick['seconds']:.0f} s" if quick else "not measured yet"
        lines.append(f"| [{title}]({path.name}) | {cost} |")
        titles.append(title)
    table = "\n".join(["| Chapter | Time in `quick` |", "|---|---|", *lines])
    display({"text/plain": "\n".join(titles), "text/markdown": table}, raw=True)
