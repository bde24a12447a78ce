"""A model card written from the evaluation, and a check that its numbers are the evaluation's.

Sections after Mitchell et al. 2019, https://doi.org/10.1145/3287560.3287596. Built in view in
chapter 28.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.slices import wilson_interval

_ROW = re.compile(r"^\| (.+?) \| (\d+) \| (\d\.\d{4}) \| (\d\.\d{4}) \| (\d\.\d{4}) \|$", re.M)
TEXTS = ("name", "version", "commit", "model", "data", "intended", "limits")


class CardError(ValueError):
    """A card that cannot be written or does not say what was measured; one sentence."""


@dataclass(frozen=True)
class Line:
    """One line of the evaluation: `rows` examples, the share that is right, its 95 % interval."""

    rows: int
    share: float
    low: float
    high: float


def evaluation(y: Any, predictions: Any, class_names: Sequence[str]) -> dict[str, Line]:
    """{"all rows": Line, class name: Line}: accuracy, and recall of every class.

    y and predictions hold class indices, shape (rows,). Intervals are Wilson's. Raises `CardError`
    for arrays of different length and for a class without rows.
    """
    y, predictions = np.asarray(y), np.asarray(predictions)
    if y.shape != predictions.shape or not y.size:
        raise CardError(
            f"There are {len(y)} labels and {len(predictions)} predictions; give one of each a row."
        )
    right, found = y == predictions, {"all rows": np.ones(len(y), bool)}
    found |= {f"class {name}": y == place for place, name in enumerate(class_names)}
    lines = {}
    for name, rows in found.items():
        count, hits = int(rows.sum()), int(right[rows].sum())
        if not count:
            raise CardError(f"The evaluation has no row of the {name}; measure on data that do.")
        low, high = wilson_interval(hits, count)
        lines[name] = Line(count, hits / count, low, high)
    return lines


def _cell(text: str) -> str:
    return str(text).replace("|", "/").replace("\n", " ")


def _rows(lines: Mapping[str, Line]) -> dict[str, tuple[str, ...]]:
    return {
        _cell(name): (str(line.rows), *(f"{v:.4f}" for v in (line.share, line.low, line.high)))
        for name, line in lines.items()
    }


def write_card(lines: Mapping[str, Line], about: Mapping[str, str]) -> str:
    """The card as Markdown. `lines` come from `evaluation`; `about` has the texts of `TEXTS`.

    No number of the evaluation is typed by hand. Raises `CardError` when a text is missing or
    empty: a card without limits or intended use is not finished.
    """
    missing = [key for key in TEXTS if not str(about.get(key, "")).strip()]
    if missing:
        raise CardError(f"The card lacks the text '{missing[0]}'; write it before the release.")
    weakest = min((name for name in lines if name != "all rows"), key=lambda n: lines[n].share)
    table = "\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in _rows(lines).items())
    return f"""# Model card: {about["name"]}

## Details

- Version: `{about["version"]}`, from commit `{about["commit"]}`
- Weights, SHA-256: `{about["model"]}`
- Training data, SHA-256: `{about["data"]}`

## Intended use

{about["intended"]}

## Evaluation

| Part | Rows | Right | From | To |
|---|---|---|---|---|
{table}

"From" and "To" are the ends of a Wilson interval of 95 %. Weakest part: {_cell(weakest)}.

## Limits

{about["limits"]}
"""


def card_fault(card: str, lines: Mapping[str, Line]) -> str:
    """What is wrong with the table of `card`, a sentence; empty when it says what was measured.

    The card is read back as text, so that one that was edited by hand is noticed too.
    """
    read = {name: tuple(cells) for name, *cells in _ROW.findall(card)}
    expected = _rows(lines)
    for name, cells in expected.items():
        if name not in read:
            return f"The card has no line for '{name}'."
        if read[name] != cells:
            return f"The card says {read[name]} of '{name}', the evaluation {cells}."
    extra = sorted(set(read) - set(expected))
    return f"The card has a line '{extra[0]}' that was not measured." if extra else ""


def edited_digits(card: str) -> list[str]:
    """Copies of `card`, each with one digit of its table changed: what a check must notice."""
    copies = []
    for row in _ROW.finditer(card):
        for place in range(row.end(1), row.end()):
            if card[place].isdigit():
                other = str((int(card[place]) + 1) % 10)
                copies.append(card[:place] + other + card[place + 1 :])
    return copies
