"""Fairness of decisions: gaps between groups, their intervals, and the weights of reweighing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.checks import EvaluationError, aligned, checked_labels, whole_number
from helpers.intervals import Interval


@dataclass(frozen=True)
class Gaps:
    """How right the decisions are and how far the groups lie apart, all in [0, 1].

    accuracy            share of right decisions
    demographic_parity  greatest difference of the selection rate P(decision = 1 | group)
    equalised_odds      greatest difference of the true or of the false positive rate
    predictive          greatest difference of P(y = 1 | decision), for decision 1 or 0: calibration
                        by group, of the decision instead of the probability
    """

    accuracy: float
    demographic_parity: float
    equalised_odds: float
    predictive: float


@dataclass(frozen=True)
class Rates:
    """The rates of one group: all but `rows` are shares in [0, 1].

    rows, base_rate, selected, true_positive, false_positive, precision (P(y = 1 | decision 1)).
    """

    group: str
    rows: int
    base_rate: float
    selected: float
    true_positive: float
    false_positive: float
    precision: float


@dataclass(frozen=True)
class Audit:
    """`Gaps` of several decisions about the same people, with bootstrap draws of each.

    gaps: name -> Gaps; draws: name -> measure -> float64 (repeats,). All names were drawn with the
    same people, so that differences are paired.
    """

    gaps: dict[str, Gaps]
    draws: dict[str, dict[str, np.ndarray]]
    level: float

    def _ends(self, estimate: float, values: np.ndarray) -> Interval:
        tail = (1 - self.level) / 2
        low, high = np.quantile(values, [tail, 1 - tail])
        return Interval(float(estimate), float(low), float(high))

    def interval(self, name: str, measure: str) -> Interval:
        """The percentile `Interval` of `measure`, a field of `Gaps`, for the decisions `name`."""
        self._known(name, measure)
        return self._ends(getattr(self.gaps[name], measure), self.draws[name][measure])

    def change(self, name: str, against: str, measure: str) -> Interval:
        """The `Interval` of `measure` of `name` minus that of `against`, paired."""
        self._known(name, measure)
        self._known(against, measure)
        estimate = getattr(self.gaps[name], measure) - getattr(self.gaps[against], measure)
        return self._ends(estimate, self.draws[name][measure] - self.draws[against][measure])

    def rows(self) -> list[dict[str, str]]:
        """One row for each name, for `show_table`: each measure with its interval in brackets."""
        found = []
        for name in self.gaps:
            row = {"decisions": name}
            for measure in Gaps.__dataclass_fields__:
                ends = self.interval(name, measure)
                row[measure] = f"{ends.estimate:.3f} ({ends.low:.3f} to {ends.high:.3f})"
            found.append(row)
        return found

    def _known(self, name: str, measure: str) -> None:
        if name not in self.gaps:
            raise EvaluationError(
                f"There are no decisions '{name}'; use one of {', '.join(self.gaps)}."
            )
        if measure not in Gaps.__dataclass_fields__:
            raise EvaluationError(
                f"There is no measure '{measure}'; use one of "
                f"{', '.join(Gaps.__dataclass_fields__)}."
            )


def _cells(y: Any, decided: Any, group: Any) -> tuple[np.ndarray, np.ndarray]:
    """(cell number 4 * group + 2 * y + decision of each row, names of the groups)."""
    y, decided, group = aligned(y=y, decided=decided, group=group)
    y, decided = checked_labels(y, 2), checked_labels(decided, 2, "decided")
    names, place = np.unique(group, return_inverse=True)
    if len(names) < 2:
        raise EvaluationError(
            f"'group' holds only '{names[0]}'; give two groups or more, so that there is a gap."
        )
    return 4 * place.reshape(-1) + 2 * y + decided, names


def _measures(counts: np.ndarray) -> dict[str, np.ndarray]:
    """The fields of `Gaps` from counts (repeats, groups, y, decision); NaN where undefined."""

    def spread(rate: np.ndarray) -> np.ndarray:
        return rate.max(axis=1) - rate.min(axis=1)

    total = counts.sum(axis=(1, 2, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        selected = counts[..., 1].sum(axis=2) / counts.sum(axis=(2, 3))
        decided_yes = counts[..., 1] / counts.sum(axis=3)  # by group and y
        true_yes = counts[:, :, 1, :] / counts.sum(axis=2)  # by group and decision
    return {
        "accuracy": (counts[:, :, 0, 0] + counts[:, :, 1, 1]).sum(axis=1) / total,
        "demographic_parity": spread(selected),
        "equalised_odds": spread(decided_yes).max(axis=1),
        "predictive": spread(true_yes).max(axis=1),
    }


def gaps(y: Any, decided: Any, group: Any) -> Gaps:
    """The `Gaps` of the decisions `decided` (n,) of 0 and 1, against labels `y` and `group`.

    `group` holds one name for each person. Equal to fairlearn's demographic_parity_difference and
    equalized_odds_difference. Raises `EvaluationError` for unequal lengths, other values than 0
    and 1, a single group, and a rate that no person of a group defines. Source: Hardt, Price and
    Srebro 2016, https://arxiv.org/abs/1610.02413. Built in view in chapter 23.
    """
    cells, names = _cells(y, decided, group)
    counts = np.bincount(cells, minlength=4 * len(names)).reshape(1, len(names), 2, 2)
    found = {name: float(value[0]) for name, value in _measures(counts).items()}
    if np.isnan(list(found.values())).any():
        raise EvaluationError(
            "A group lacks one label or one decision, so that its rates are undefined; use more "
            "rows, or merge small groups."
        )
    return Gaps(**found)


def group_rates(y: Any, decided: Any, group: Any) -> tuple[Rates, ...]:
    """The `Rates` of each group, in the order of their names; a share of nobody is NaN.

    Arguments and errors as in `gaps`. Built in view in chapter 23.
    """
    cells, names = _cells(y, decided, group)
    counts = np.bincount(cells, minlength=4 * len(names)).reshape(len(names), 2, 2)
    found = []
    for name, table in zip(names, counts, strict=True):
        (true_no, false_yes), (false_no, true_yes) = table.astype(float)
        rows, positive, chosen = table.sum(), true_yes + false_no, true_yes + false_yes
        pairs = (positive, rows), (chosen, rows), (true_yes, positive)
        pairs += (false_yes, true_no + false_yes), (true_yes, chosen)
        shares = [part / whole if whole else float("nan") for part, whole in pairs]
        found.append(Rates(str(name), int(rows), *map(float, shares)))
    return tuple(found)


def audit(
    y: Any,
    decisions: Mapping[str, Any],
    group: Any,
    repeats: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> Audit:
    """The `Audit` of several `decisions` (name -> array of 0 and 1) about the same people.

    People are drawn with replacement, `repeats` times, the same ones for all decisions. A gap is
    never negative, so on few rows its draws lie above the gap of the population: read the paired
    `change`, too. Raises `EvaluationError` as `gaps` does. Built in view in chapter 23.
    """
    if not decisions:
        raise EvaluationError("There are no decisions to audit; give at least one array by name.")
    if not 0 < level < 1:
        raise EvaluationError(f"The level is {level!r}; give a share between 0 and 1.")
    repeats = whole_number(repeats, "repeats", 100)
    points = {name: gaps(y, decided, group) for name, decided in decisions.items()}
    coded = {name: _cells(y, decided, group)[0] for name, decided in decisions.items()}
    count, groups = len(next(iter(coded.values()))), len(np.unique(np.asarray(group)))
    generator = np.random.default_rng(seed)
    counts = {name: np.empty((repeats, 4 * groups)) for name in coded}
    for turn in range(repeats):
        rows = generator.integers(0, count, count)
        for name, cells in coded.items():
            counts[name][turn] = np.bincount(cells[rows], minlength=4 * groups)
    draws = {
        name: _measures(table.reshape(repeats, groups, 2, 2)) for name, table in counts.items()
    }
    for name, measures in draws.items():
        undefined = int(np.isnan(list(measures.values())).any(axis=0).sum())
        if undefined:
            raise EvaluationError(
                f"The gaps of '{name}' are undefined on {undefined} of {repeats} resamples; use "
                "more rows, or merge small groups."
            )
    return Audit(points, draws, level)


def reweighing(y: Any, group: Any) -> np.ndarray:
    """One weight a person, float64 (n,): P(group) P(y) / P(group, y), so their mean is 1.

    Under these weights label and group are independent. Raises `EvaluationError` when some group
    lacks a label: no weight makes up for people who are not there. Source: Kamiran and Calders
    2012, https://doi.org/10.1007/s10115-011-0463-8. Built in view in chapter 23.
    """
    cells, names = _cells(y, np.zeros(len(np.asarray(y)), dtype=int), group)
    joint = np.bincount(cells // 2, minlength=2 * len(names)).reshape(len(names), 2)
    if (joint == 0).any():
        lacking = names[(joint == 0).any(axis=1)][0]
        raise EvaluationError(
            f"The group '{lacking}' has rows of one label only; reweighing needs both labels in "
            "each group."
        )
    expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0) / joint.sum()
    return (expected / joint).reshape(-1)[cells // 2]
