"""Checkers for the exercises on tuning: successive halving, and a score that did not choose."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from helpers.exercises import checker, expect

# Six trainings of nine epochs: row 4 starts best and ends badly, row 2 ends best and starts third,
# row 5 ends second.
_CURVES = np.array(
    [
        [0.10, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.17, 0.18],
        [0.20, 0.21, 0.22, 0.23, 0.24, 0.25, 0.26, 0.27, 0.28],
        [0.40, 0.50, 0.60, 0.66, 0.70, 0.74, 0.78, 0.82, 0.90],
        [0.30, 0.31, 0.32, 0.33, 0.34, 0.35, 0.36, 0.37, 0.38],
        [0.60, 0.58, 0.55, 0.52, 0.50, 0.48, 0.46, 0.44, 0.42],
        [0.50, 0.52, 0.54, 0.60, 0.64, 0.68, 0.72, 0.76, 0.80],
        [0.05, 0.95, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.99],
        [0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04],
        [0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03],
    ]
)


@checker("05.1", "Bad settings were stopped early, and every epoch was counted once.")
def halving(answer: Callable) -> None:
    """Tries `answer(curves, rungs, factor)` on curves whose winner and price can be counted."""
    found = answer(_CURVES.copy(), (1, 3, 9), 3)
    expect(
        isinstance(found, tuple | list) and len(found) == 2,
        "Return two values: the number of the winner and the epochs spent.",
    )
    winner, spent = int(found[0]), int(found[1])
    expect(
        spent != _CURVES.size,
        "All settings were trained to the end; stop two of three at each rung.",
    )
    expect(
        spent != 9 * 1 + 3 * 3 + 1 * 9,
        "Survivors were trained from the start again: a training that goes on pays only the "
        "epochs from one rung to the next.",
    )
    expect(
        winner != 6,
        "Setting 6 scores high only at the end; it was stopped at the first rung, so nobody has "
        "seen that score.",
    )
    expect(winner != 8, "The worst were kept: sort by score and keep the highest.")
    expect(
        winner != 4,
        "Setting 4 leads after one epoch and falls back; compare again at every rung.",
    )
    expect(
        spent == 9 + 3 * 2 + 1 * 6,
        f"Nine settings to one epoch, three on to three, one on to nine: 21 epochs, not {spent}.",
    )
    expect(winner == 2, f"Setting 2 leads at the second rung and at the end, not {winner}.")
    winner, spent = answer(_CURVES[:4].copy(), (2, 4), 2)
    expect(
        (int(winner), int(spent)) == (2, 4 * 2 + 2 * 2),
        "Four settings, rungs (2, 4), factor 2: two go on, 12 epochs are spent, and setting 2 "
        f"wins; found winner {winner} and {spent} epochs. Use the arguments `rungs` and `factor`.",
    )


@checker("05.2", "One part chose, another part scored: the best of many is no longer too good.")
def honest_best(answer: Callable) -> None:
    """Tries `answer(right, choose, report)` on answers where each mistake gives another number."""
    right = np.zeros((3, 12))
    right[0, [0, 1, 2, 3, 4, 5]] = 1  # best on the rows that choose: all there, 2 of 8 elsewhere
    right[1, [0, 4, 5, 6, 7, 8, 9]] = 1  # best on the rows that report, and on all rows
    right[2, [3, 10]] = 1
    choose, report = np.arange(4), np.arange(4, 12)
    value = float(answer(right.copy(), choose, report))
    expect(0 <= value <= 1, f"A share of right answers lies between 0 and 1, not at {value:g}.")
    expect(
        not math.isclose(value, 6 / 8),
        "The setting was chosen by the rows that report; then their score is too good.",
    )
    expect(
        not math.isclose(value, 1),
        "That is the score on the rows that chose; return the score of the same setting on the "
        "others.",
    )
    expect(
        not math.isclose(value, 6 / 12),
        "The score was taken on all rows, those that chose included.",
    )
    expect(
        not math.isclose(value, right[:, report].mean()),
        "That is the mean of all settings; score only the one that was chosen.",
    )
    expect(
        math.isclose(value, 2 / 8),
        f"Setting 0 is chosen and is right on 2 of the 8 rows that report, not on {value:.0%}.",
    )
