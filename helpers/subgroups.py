"""Groups inside groups: intersections, what chance makes of them, and calibration by group."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.checks import EvaluationError, aligned, checked_probabilities, whole_number
from helpers.fairness import gaps


def crossed(first: Any, second: Any) -> np.ndarray:
    """The intersection of two attributes, one name such as "B, south" for each person, (n,).

    Raises `EvaluationError` for unequal lengths. Used in chapter 23.
    """
    first, second = aligned(first=first, second=second)
    return np.array([f"{one}, {two}" for one, two in zip(first, second, strict=True)])


def chance_gap(
    y: Any, decided: Any, group: Any, second: Any, repeats: int = 100, seed: int = 0
) -> float:
    """The mean equalised-odds gap of the intersections when `second` is exchanged within a group.

    It is what small cells make by chance, so a gap of the true intersections is read against it.
    Arguments and errors as in `gaps`; `second` (n,) is the second attribute. Used in chapter 23.
    """
    group, second = aligned(group=group, second=second)
    repeats = whole_number(repeats, "repeats", 1)
    generator, found = np.random.default_rng(seed), []
    members = [np.flatnonzero(group == name) for name in np.unique(group)]
    for _ in range(repeats):
        other = second.copy()
        for rows in members:
            other[rows] = second[generator.permutation(rows)]
        found.append(gaps(y, decided, crossed(group, other)).equalised_odds)
    return float(np.mean(found))


def miscalibration(y: Any, probabilities: Any, group: Any) -> float:
    """The largest distance, over the groups, of the mean probability from the share of label 1.

    y (n,) of 0 and 1, `probabilities` (n,) of label 1, `group` (n,) names. It is calibration in
    the large: 0 does not mean that each single probability is right. Raises `EvaluationError` for
    unequal lengths and for values outside 0 to 1. Built in view in chapter 23.
    """
    y, stated = checked_probabilities(y, probabilities)
    if stated.ndim != 1:
        raise EvaluationError(
            f"'probabilities' has the shape {stated.shape}; give the probability of label 1, (n,)."
        )
    y, stated, group = aligned(y=y, probabilities=stated, group=group)
    members = [group == name for name in np.unique(group)]
    return float(max(abs(stated[inside].mean() - y[inside].mean()) for inside in members))
