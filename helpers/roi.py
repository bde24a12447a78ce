"""Return on investment when its inputs are guesses: an interval, and which guess matters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.intervals import Interval


class RoiError(ValueError):
    """Inputs from which no return can be computed; one sentence."""


@dataclass(frozen=True)
class Guess:
    """A quantity known as `low`, `likely` and `high`, in its own unit: a triangular distribution.

    Raises `RoiError` unless low <= likely <= high and low < high.
    """

    low: float
    likely: float
    high: float

    def __post_init__(self) -> None:
        values = (self.low, self.likely, self.high)
        if not all(math.isfinite(v) for v in values) or not self.low <= self.likely <= self.high:
            raise RoiError(f"The guess {values} is not ordered; give low, likely, high.")
        if self.low == self.high:
            raise RoiError(f"The guess {values} has no width; use a plain number instead.")


@dataclass(frozen=True)
class Simulation:
    """`inputs`: draws by name; `returns`: the return of each draw; all of shape (draws,)."""

    inputs: Mapping[str, np.ndarray]
    returns: np.ndarray

    def interval(self, level: float = 0.9) -> Interval:
        """Median of the returns with the ends of the central interval that holds `level`."""
        if not 0 < level < 1:
            raise RoiError(f"The level is {level!r}; give a share between 0 and 1.")
        low, middle, high = np.quantile(self.returns, [(1 - level) / 2, 0.5, (1 + level) / 2])
        return Interval(float(middle), float(low), float(high))

    def ranks(self) -> dict[str, float]:
        """Spearman's rank correlation of each input with the return."""
        from scipy.stats import spearmanr

        pairs = self.inputs.items()
        return {name: float(spearmanr(draws, self.returns)[0]) for name, draws in pairs}


def roi(benefit: Any, cost: Any) -> Any:
    """Return on investment: (benefit - cost) / cost, numbers or arrays of one shape.

    Both over the same time and for all customers. Raises `RoiError` for a cost that is not
    positive. Built in view in chapter 30.
    """
    if not np.all(np.asarray(cost) > 0):
        raise RoiError("The cost must be above 0: a return is a share of what was spent.")
    return (benefit - cost) / cost


def simulate(
    model: Callable[..., Any], guesses: Mapping[str, Guess], draws: int = 20_000, seed: int = 0
) -> Simulation:
    """The `Simulation` of `model(**inputs)` with every input drawn from its guess, independently.

    `model` takes the inputs as arrays of shape (draws,). Raises `RoiError` without guesses, for
    fewer than 100 draws and when the model returns something that is not finite. Built in view
    in chapter 30.
    """
    if not guesses:
        raise RoiError("There is no guess to draw from; give at least one.")
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 100:
        raise RoiError(f"The number of draws is {draws!r}; give at least 100.")
    draw = np.random.default_rng(seed)
    inputs = {n: draw.triangular(g.low, g.likely, g.high, draws) for n, g in guesses.items()}
    returns = np.asarray(model(**inputs), dtype=float)
    if returns.shape != (draws,) or not np.isfinite(returns).all():
        raise RoiError("The model must return one finite number for each draw.")
    return Simulation(inputs, returns)


def tornado(
    model: Callable[..., Any], guesses: Mapping[str, Guess]
) -> Sequence[tuple[str, float, float]]:
    """(name, return at its low, return at its high) for each guess, the greatest swing first.

    One input moves from low to high while the others stay at their likely values. So it misses
    what inputs do together; `Simulation.ranks` is the check. Built in view in chapter 30.
    """
    if not guesses:
        raise RoiError("There is no guess to vary; give at least one.")
    likely = {name: guess.likely for name, guess in guesses.items()}
    rows = [
        (n, float(model(**{**likely, n: g.low})), float(model(**{**likely, n: g.high})))
        for n, g in guesses.items()
    ]
    return sorted(rows, key=lambda row: -abs(row[2] - row[1]))
