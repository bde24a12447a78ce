"""Intervals and paired tests: how much of a result is luck in drawing the test set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.checks import EvaluationError, aligned, whole_number


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval, all in the unit of the statistic."""

    estimate: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """`high` minus `low`."""
        return self.high - self.low

    def __str__(self) -> str:
        return f"{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}]"


@dataclass(frozen=True)
class McNemar:
    """An exact McNemar test: how many examples only A and only B got right, and the p-value."""

    only_a: int
    only_b: int
    p_value: float


def bootstrap_interval(
    statistic: Callable[..., float],
    *arrays: Any,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The percentile bootstrap `Interval` of `statistic(*arrays)`.

    statistic  function of the arrays that returns one number, such as `accuracy`
    arrays     one row for each example of the test set; all are resampled by the same rows
    repeats    number of resamples, at least 100
    level      share of resamples inside the interval, above 0 and below 1

    The interval speaks of the luck in drawing the test examples, not of the luck in training.
    Raises `EvaluationError` for empty or unequal arrays, and when the statistic is not a finite
    number on a resample (a rare class that was not drawn, for example). Source: Efron and
    Tibshirani 1993, chapter 13. Built in view in chapter 01.
    """
    if not arrays:
        raise EvaluationError("There is nothing to resample; give an array after the statistic.")
    if not 0 < level < 1:
        raise EvaluationError(f"The level is {level!r}; give a share between 0 and 1.")
    repeats = whole_number(repeats, "repeats", 100)
    named = {f"array {place}": array for place, array in enumerate(arrays, start=1)}
    checked = aligned(**named)
    size = len(checked[0])
    generator = np.random.default_rng(seed)
    values = np.empty(repeats)
    for turn in range(repeats):
        rows = generator.integers(0, size, size)
        try:
            values[turn] = statistic(*(array[rows] for array in checked))
        except ValueError as error:
            raise EvaluationError(
                f"The statistic failed on a resample of the {size} examples ({error}); use more "
                "examples or a statistic that is defined on every resample."
            ) from error
    estimate = float(statistic(*checked))
    undefined = int((~np.isfinite(values)).sum())
    if undefined or not np.isfinite(estimate):
        raise EvaluationError(
            f"The statistic is not a finite number on {undefined} of {repeats} resamples; use more "
            "examples or a statistic that is defined on every resample."
        )
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high))


def _correct(correct_a: Any, correct_b: Any) -> tuple[np.ndarray, np.ndarray]:
    a, b = aligned(correct_a=correct_a, correct_b=correct_b)
    for name, array in (("correct_a", a), ("correct_b", b)):
        if array.ndim != 1 or not np.isin(array, (0, 1)).all():
            raise EvaluationError(
                f"'{name}' must hold one True or False for each example; compare predictions with "
                "labels first."
            )
    return a.astype(np.int64), b.astype(np.int64)


def paired_difference(
    correct_a: Any,
    correct_b: Any,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The `Interval` of accuracy A minus accuracy B, both measured on the same examples.

    `correct_a` and `correct_b` say for each example, in the same order, whether that model was
    right (bool or 0/1, shape (n,)). Resampling the pairs keeps what the models share, so the
    interval is narrower than one from two separate intervals when they err on the same examples.
    Raises `EvaluationError` like `bootstrap_interval`. Built in view in chapter 01.
    """
    a, b = _correct(correct_a, correct_b)
    return bootstrap_interval(np.mean, a - b, repeats=repeats, level=level, seed=seed)


def mcnemar(correct_a: Any, correct_b: Any) -> McNemar:
    """The exact two-sided `McNemar` test that A and B are right equally often.

    Arguments as in `paired_difference`. Only the examples on which exactly one model is right
    count: under the null hypothesis each of them is a fair coin. Two models that never disagree
    give a p-value of 1. Source: McNemar 1947, https://doi.org/10.1007/BF02295996; the exact
    binomial form. Built in view in chapter 01.
    """
    from scipy.special import bdtr

    a, b = _correct(correct_a, correct_b)
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    decided = only_a + only_b
    p_value = min(1.0, 2 * float(bdtr(min(only_a, only_b), decided, 0.5))) if decided else 1.0
    return McNemar(only_a, only_b, p_value)
