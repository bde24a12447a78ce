"""What a run found: a chapter's claims with value and bound, and its result tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from helpers.course.chapters import joined
from helpers.course.runner import Record
from helpers.course.store import Result

_BOUNDS = {
    "at_least": "at least",
    "at_most": "at most",
    "above": "above",
    "below": "below",
    "equals": "equal to",
}


def claims(ledger: dict[str, Any]) -> list[dict[str, Any]]:
    """The claims of a ledger, in the order they were made."""
    return [record for record in ledger.get("records", ()) if record.get("kind") == "claim"]


def tables(notebook: dict[str, Any]) -> list[str]:
    """The result tables of an executed notebook as plain text."""
    found = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            text = joined(output.get("data", {}).get("text/plain", ""))
            if text.startswith("Table:"):
                found.append(text)
    return found


def _value(value: Any, unit: str) -> str:
    from helpers.evidence import spell

    return spell(value, unit) if isinstance(value, int | float) else str(value)


def claim_lines(ledger: dict[str, Any]) -> Iterator[str]:
    """One line per claim: whether it holds, the statement, value and bound."""
    for record in claims(ledger):
        ((kind, limit),) = record["bound"].items()
        found = _value(record["value"], record["unit"])
        bound = f"{_BOUNDS[kind]} {_value(limit, record['unit'])}"
        yield f"  [{record['status']}] {record['text']}: {found} ({bound})"


def _aligned(table: str) -> list[str]:
    """A table whose columns are two spaces apart, lined up for a terminal."""
    head, *rows = table.splitlines()
    fields = [[part.strip() for part in row.split("  ") if part.strip()] for row in rows]
    if not fields or len({len(row) for row in fields}) != 1:
        return [f"  {line}" for line in (head, *rows)]
    widths = [max(len(row[column]) for row in fields) for column in range(len(fields[0]))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        for row in fields
    ]
    return [f"  {line.rstrip()}" for line in (head, *lines)]


def lines(record: Record) -> Iterator[str]:
    """The report of one run, line by line."""
    result = record.result
    yield f"{record.job.label}: {record.status}"
    if result is None:
        return
    yield from claim_lines(result.ledger())
    for table in tables(json.loads(result.notebook.read_text(encoding="utf-8"))):
        yield from _aligned(table)
    yield f"  Notebook: {result.notebook}"


def plain(record: Record) -> dict[str, Any]:
    """The report of one run as JSON-ready data."""
    result = record.result
    found: dict[str, Any] = {
        "chapter": record.job.chapter,
        "profile": record.job.profile,
        "parameters": record.job.parameters,
        "status": record.status,
        "failure": asdict(record.failure) if record.failure else None,
    }
    if result is not None:
        found |= _cost(result)
    return found


def _cost(result: Result) -> dict[str, Any]:
    return {
        "seconds": result.seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "threads": result.threads,
        "time": result.time,
        "notebook": str(result.notebook),
        "claims": claims(result.ledger()),
    }
