"""Checkers for the exercises on fairness: impact ratio, thresholds by group, the worst slice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from helpers.exercises import Mistake, checker, expect


def _number(found: Any, what: str) -> float:
    """The learner's number as a float, refused with a hint when it is none."""
    expect(found is not None, f"The function returns nothing; return {what}.")
    try:
        return float(found)
    except (TypeError, ValueError) as error:
        raise Mistake(f"Return one number: {what}.") from error


@checker("23.1", "The ratio compares the least and the most selected of any number of groups.")
def impact_ratio(answer: Callable) -> None:
    """Tries `answer(decided, group)` on groups whose selection rates are known."""
    group = np.array(list("a" * 10 + "b" * 5 + "c" * 20))
    decided = np.array([1] * 5 + [0] * 5 + [1] * 2 + [0] * 3 + [1] * 3 + [0] * 17)
    # Selected 5, 2 and 3; rates 0.5, 0.4 and 0.15.
    found = _number(answer(decided.copy(), group.copy()), "the ratio")
    expect(
        not math.isclose(found, 0.35),
        "That is the difference of the rates; divide the lowest by the highest.",
    )
    expect(
        not math.isclose(found, 0.5 / 0.15),
        "That is the highest rate by the lowest; the lowest goes on top.",
    )
    expect(
        not math.isclose(found, 2 / 5),
        "That is a ratio of head counts; divide by the size of each group first.",
    )
    expect(
        not math.isclose(found, 0.4 / 0.5),
        "You compared only two of the three groups; take the lowest and the highest of all.",
    )
    expect(math.isclose(found, 0.3), f"The ratio is 0.15 / 0.5 = 0.3 here, not {found:.4g}.")
    order = np.random.default_rng(0).permutation(len(group))
    other = _number(answer(decided[order], group[order]), "the ratio")
    expect(math.isclose(other, 0.3), "In another order of the people the ratio changes.")


@checker("23.2", "Every group is selected at the same rate, each by its own threshold.")
def thresholds_for(answer: Callable) -> None:
    """Tries `answer(scores, group, rate)` by deciding `score >= threshold` in each group."""
    draw = np.random.default_rng(3)
    sizes = {"a": 400, "b": 250, "c": 50}
    group = np.concatenate([np.repeat(name, size) for name, size in sizes.items()])
    scores = draw.beta(2, 3, len(group)) * np.where(group == "a", 1.0, 0.6)
    order = draw.permutation(len(group))
    group, scores = group[order], scores[order]
    for rate in (0.2, 0.34):
        found = answer(scores.copy(), group.copy(), rate)
        expect(found is not None, "The function returns nothing; return a threshold per group.")
        expect(
            isinstance(found, Mapping) and set(map(str, found)) == set(sizes),
            "Return a dict with one threshold for each name in `group`.",
        )
        limits = {str(name): _number(limit, "a threshold") for name, limit in found.items()}
        rates = {
            name: float(np.mean(scores[group == name] >= limit)) for name, limit in limits.items()
        }
        expect(
            len(set(limits.values())) > 1,
            "All thresholds are equal: one threshold for all is what made the gap.",
        )
        expect(
            any(abs(rates[name] - (1 - rate)) > 1 / size for name, size in sizes.items()),
            f"You select the share {1 - rate:.2f}: take the quantile at 1 - rate, from above.",
        )
        for name, size in sizes.items():
            expect(
                abs(rates[name] - rate) <= 1.01 / size,
                f"Group '{name}' is selected at {rates[name]:.2f} instead of {rate:.2f}; a person "
                "is selected when the score is at least the threshold.",
            )


@checker("23.3", "Small cells are left out, and the worst intersection is found.")
def worst_slice(answer: Callable) -> None:
    """Tries `answer(y, decided, first, second, least)` on four cells with known recalls."""
    # Cell: (people with y = 1, of them found, people with y = 0, of them chosen).
    cells = {
        ("a", "x"): (50, 45, 50, 5),
        ("a", "y"): (40, 20, 10, 8),
        ("b", "x"): (30, 24, 300, 200),
        ("b", "y"): (5, 0, 90, 0),
    }
    rows = []
    for (first, second), (yes, found, no, chosen) in cells.items():
        rows += [(1, int(k < found), first, second) for k in range(yes)]
        rows += [(0, int(k < chosen), first, second) for k in range(no)]
    order = np.random.default_rng(1).permutation(len(rows))
    y, decided, first, second = (
        np.array(column)[order] for column in zip(*rows, strict=True)
    )  # each a column of the people
    result = answer(y.copy(), decided.copy(), first.copy(), second.copy(), 30)
    expect(result is not None, "The function returns nothing; return (first, second, recall).")
    try:
        one, two, recall = result
    except (TypeError, ValueError) as error:
        raise Mistake("Return three things: first value, second value, recall.") from error
    place = (str(one), str(two))
    expect(
        place != ("b", "y"),
        "The cell (b, y) has many rows but only five with y = 1: `least` counts those, because "
        "recall is a share of them.",
    )
    expect(
        place != ("b", "x"),
        "The cell (b, x) has the most wrong decisions, but recall looks at y = 1 only.",
    )
    expect(place in cells, f"{place} is no cell; return one value of each attribute.")
    expect(place == ("a", "y"), "That is not the cell with the lowest recall.")
    recall = _number(recall, "the recall")
    expect(
        not math.isclose(recall, 20 / 28),
        "That is precision, the share of the chosen; recall is the share of those with y = 1.",
    )
    expect(
        not math.isclose(recall, 22 / 50),
        "That is accuracy; recall is the share of the people with y = 1 who are found.",
    )
    expect(math.isclose(recall, 0.5), f"The recall of (a, y) is 20 of 40, not {recall:.4g}.")
    few = answer(y.copy(), decided.copy(), first.copy(), second.copy(), 1)
    expect(
        tuple(map(str, few))[:2] == ("b", "y"),
        "With least=1 the cell (b, y) counts, too; use the argument `least`.",
    )
