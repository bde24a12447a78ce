"""The book's generated pages: evidence, benchmarks, status, list of chapters.

Each function returns MyST Markdown; numbers come from the committed ledgers, none is typed.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.course import questions
from helpers.course.chapters import Project, content, title
from helpers.evidence import spell
from helpers.profiles import MEANING, NAMES

_WORDS = {
    "at_least": "at least",
    "at_most": "at most",
    "above": "above",
    "below": "below",
    "equals": "exactly",
}
_REFRESH = "`course refresh all --profile full`"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return html.escape(spell(value))
    if isinstance(value, list | tuple):
        return ", ".join(_cell(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{html.escape(str(k))} {_cell(v)}" for k, v in value.items())
    return html.escape(str(value))


def _whole(text: str) -> str:
    """`text` as HTML that is not broken over lines."""
    return f'<span class="course-whole">{html.escape(text)}</span>'


def table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    data: Sequence[dict[str, str]] = (),
) -> str:
    """An HTML table in a box that scrolls on its own; the cells hold HTML, the rest is text.

    `data` gives each row its `data-` attributes.
    """
    name = html.escape(caption)
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    body = ""
    for row, known in zip(rows, data or [{}] * len(rows), strict=True):
        first = row[0] if row[0].startswith("<th") else f'<th scope="row">{row[0]}</th>'
        given = "".join(f' data-{key}="{html.escape(value)}"' for key, value in known.items())
        body += f"<tr{given}>{first}{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>\n"
    return (
        f'<div class="course-scroll">\n<table class="course-table"><caption>{name}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>\n</div>\n"
    )


def chapter_titles(notebooks: Sequence[Path]) -> dict[str, str]:
    """Chapter name -> title of its notebook."""
    return {path.stem: title(content(path)) or path.stem for path in notebooks}


def _ledgers(project: Project, titles: dict[str, str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Chapter -> profile -> committed ledger, for the chapters of the book."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for chapter in titles:
        for name in NAMES:
            path = project.evidence / "claims" / f"{chapter}.{name}.json"
            if path.exists():
                found.setdefault(chapter, {})[name] = _json(path)
    return found


def measured_text(record: dict[str, Any]) -> str:
    """The measured value of a ledger record with its unit."""
    value = record["value"]
    return value if isinstance(value, str) else spell(value, record["unit"])


def bound_text(record: dict[str, Any]) -> str:
    """The bound of a claim in words."""
    ((kind, limit),) = record["bound"].items()
    return f"{_WORDS[kind]} {spell(limit, record['unit'])}"


def _machine(ledger: dict[str, Any]) -> str:
    machine = ledger["machine"]
    gpus = machine.get("gpus", 0)
    return (
        f"{machine['system']} {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, {gpus or 'no'} GPU{'s' if gpus > 1 else ''}"
    )


def claim_anchor(chapter: str, claim: str) -> str:
    """The anchor of a claim on the evidence page."""
    return f"claim-{chapter[:2]}-{claim}"


def _quoted_by(records: Sequence[questions.Records]) -> dict[str, list[str]]:
    """Anchor of a claim -> ids of the questions that it proves."""
    found: dict[str, list[str]] = {}
    for one in records:
        for question in one.questions:
            for claim in question["claims"]:
                found.setdefault(claim_anchor(one.chapter, claim), []).append(question["id"])
    return found


def evidence(project: Project, titles: dict[str, str], records: Sequence[questions.Records]) -> str:
    """The evidence page: each claim with bound and value per profile, and how each run was made."""
    ledgers, quoted = _ledgers(project, titles), _quoted_by(records)
    parts = [
        "# Evidence\n\nEvery statement that a chapter asserts, with the bound it has to keep and "
        "what was measured. A claim that does not keep its bound stops the notebook. To repeat a "
        "row, run its chapter with the same profile and seed.\n"
    ]
    if not ledgers:
        parts.append(f"\nNo run has been recorded yet: {_REFRESH} writes the ledgers.\n")
    for chapter, runs in ledgers.items():
        parts.append(f"\n(evidence-{chapter[:2]})=\n## {titles[chapter]}\n\n")
        parts.append(f"[Open the chapter](notebooks/{chapter}.ipynb)\n")
        shown = [name for name in reversed(NAMES) if name in runs]
        claims: dict[str, dict[str, dict[str, Any]]] = {}
        for name in shown:
            for record in runs[name]["records"]:
                if record["kind"] == "claim":
                    claims.setdefault(record["id"], {})[name] = record
        rows = []
        for claim, by_profile in claims.items():
            any_of = next(iter(by_profile.values()))
            anchor = claim_anchor(chapter, claim)
            proves = ", ".join(
                f'<a href="questions.html#question-{one.lower()}">{one}</a>'
                for one in quoted.get(anchor, [])
            )
            cells = []
            for name in shown:
                record = by_profile.get(name)
                note = "" if not record or record["status"] == "holds" else f" ({record['status']})"
                cells.append(_whole(measured_text(record) + note) if record else "-")
            text = f"{html.escape(any_of['text'])}<br><code>{claim}</code>"
            head = f'<th scope="row" id="{anchor}">{text}</th>'
            rows.append([head, _whole(bound_text(any_of)), *cells, proves or "-"])
        heads = ["Claim", "Claimed", *(f"Measured, {name}" for name in shown), "Proves"]
        parts.append("\n" + table(f"Claims of {titles[chapter]}", heads, rows))
        rows = []
        for name in shown:
            run = runs[name]
            versions = ", ".join(f"{k} {v}" for k, v in run["versions"].items())
            fixed = [name, str(run["seed"]), _whole(run["time"][:10])]
            rows.append([*fixed, html.escape(_machine(run)), html.escape(versions)])
        heads = ["Profile", "Seed", "Date", "Machine", "Versions"]
        parts.append("\n" + table(f"Runs of {titles[chapter]}", heads, rows))
    return "".join(parts)


def _entries(name: str, value: Any) -> str:
    """One entry of a benchmark as HTML: a table for rows and for named mappings, else a line."""
    label = name.replace("_", " ")
    rows = value if isinstance(value, list) else []
    if isinstance(value, dict) and value and all(isinstance(one, dict) for one in value.values()):
        rows = [{label: key, **one} for key, one in value.items()]
    if rows and all(isinstance(row, dict) for row in rows):
        heads = list(dict.fromkeys(key for row in rows for key in row))
        cells = [[_cell(row.get(head, "-")) for head in heads] for row in rows]
        return table(label.capitalize(), [head.replace("_", " ") for head in heads], cells)
    return f"<p><strong>{html.escape(label.capitalize())}:</strong> {_cell(value)}</p>\n"


def benchmarks(project: Project) -> str:
    """The benchmark page: the results of every `bench-*.json` of the evidence, and how measured."""
    parts = [
        "# Benchmarks\n\nMeasured side by side in one run, with the spread over repetitions: read "
        "the ratios, not the seconds. `make bench` repeats them on your machine.\n"
    ]
    found = sorted(project.evidence.glob("bench-*.json"))
    if not found:
        parts.append("\nNo benchmark has been recorded yet: `make bench` writes the records.\n")
    for path in found:
        record = _json(path)
        parts.append(f"\n## {record['benchmark'].replace('_', ' ').capitalize()}\n\n")
        parts += [_entries(name, value) + "\n" for name, value in record["results"].items()]
        versions = ", ".join(f"{name} {found}" for name, found in record["versions"].items())
        parts.append(
            f'<p class="course-meta">{record["repeats"]} repetitions on {record["time"][:10]}; '
            f"{html.escape(_machine(record))}; {html.escape(versions)}.</p>\n"
        )
    return "".join(parts)


def status(project: Project, titles: dict[str, str]) -> str:
    """The status page: time, memory and download per chapter and profile, and the environment."""
    path = project.evidence / "resources.json"
    costs = _json(path) if path.exists() else {}
    rows = []
    for chapter, name in titles.items():
        for profile in NAMES:
            cost = costs.get(chapter, {}).get(profile)
            if cost is None:
                continue
            download = f"{cost['download_mb']:.0f} MB" if cost["download_mb"] else "nothing"
            link = f'<a href="notebooks/{chapter}.html">{html.escape(name)}</a>'
            cells = [f"{cost['seconds']:.0f} s", f"{cost['peak_memory_mb'] / 1000:.1f} GB"]
            rows.append([link, profile, *map(_whole, [*cells, download, cost["time"][:10]])])
    parts = [
        "# Status\n\nWhat each chapter costs to run, as measured. The profiles are the same code "
        "in other sizes:\n\n",
        *(f"- `{name}`: {MEANING[name]}\n" for name in NAMES),
        "\n",
    ]
    if rows:
        heads = ["Chapter", "Profile", "Time", "Peak memory", "Download", "Measured"]
        parts.append(table("Time, memory and download of each chapter", heads, rows))
    else:
        parts.append(f"No chapter has been measured yet: {_REFRESH} measures them.\n")
    runs = [run for by_profile in _ledgers(project, titles).values() for run in by_profile.values()]
    if runs:
        latest = max(runs, key=lambda run: run["time"])
        rows = [[html.escape(name), html.escape(v)] for name, v in latest["versions"].items()]
        rows.append(["machine", html.escape(_machine(latest))])
        caption = f"Environment of the latest run, {latest['time'][:10]}"
        parts.append("\n## Environment\n\n" + table(caption, ["Part", "Version"], rows))
    return "".join(parts)


def measured_head(project: Project, chapter: str, ledger: dict[str, Any]) -> str:
    """When, how and on what the numbers of `chapter` were measured; "" if that is not known.

    `ledger` is that of the run shown; an empty one stands for the committed run in `full`.
    """
    path = project.evidence / "claims" / f"{chapter}.full.json"
    run = ledger or (_json(path) if path.exists() else {})
    if not run:
        return ""
    how = f"the profile <code>{run['profile']}</code> with seed {run['seed']}"
    return (
        f'<p class="course-meta">The numbers on this page were measured on {run["time"][:10]} in '
        f"{how}: {html.escape(_machine(run))}. "
        f'<a href="../evidence.html#evidence-{chapter[:2]}">Every claim and version</a></p>'
    )


def chapter_list(titles: dict[str, str], parts: Sequence[tuple[str, Sequence[str]]]) -> str:
    """The chapters by part as Markdown; `parts` holds (caption, chapter names)."""
    lines = []
    for caption, names in parts:
        lines += [f"### {caption}", ""]
        lines += [f"- [{titles[name]}](notebooks/{name}.ipynb)" for name in names]
        lines.append("")
    return "\n".join(lines)
