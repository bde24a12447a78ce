"""What a search for hyperparameters needs: a space of levels, a meter of epochs, honest scores."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class TuningError(ValueError):
    """A space, a budget or a set of scores that cannot be used; one sentence."""


@dataclass(frozen=True)
class Space:
    """A grid of settings: `levels` maps the name of a hyperparameter to its values, in order."""

    levels: dict[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        if not self.levels:
            raise TuningError("The search space is empty; name at least one hyperparameter.")
        for name, values in self.levels.items():
            if len(values) == 0:
                raise TuningError(f"'{name}' has no values; give at least one.")
            if len(set(values)) < len(values):
                raise TuningError(f"'{name}' has a value twice; give every value once.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each hyperparameter."""
        return tuple(len(values) for values in self.levels.values())

    def __len__(self) -> int:
        return math.prod(self.shape)

    def places(self) -> np.ndarray:
        """int64 (settings, hyperparameters): the level of each, the last one changing fastest."""
        return np.array(list(np.ndindex(*self.shape)))

    def columns(self) -> dict[str, np.ndarray]:
        """Hyperparameter -> float64 (settings,): its value in each setting."""
        places = self.places().T
        return {
            name: np.asarray(values, float)[place]
            for (name, values), place in zip(self.levels.items(), places, strict=True)
        }

    def number(self, places: Iterable[int]) -> int:
        """The number of the setting at these levels."""
        try:
            return int(np.ravel_multi_index(tuple(places), self.shape))
        except ValueError as error:
            raise TuningError(
                f"There is no setting at the levels {tuple(places)}: the space has "
                f"{self.shape} levels, counted from 0."
            ) from error


@dataclass
class Meter:
    """Counts trained epochs against a budget, and keeps the score of every finished training.

    `spent` never exceeds `budget`: an order that does not fit is not trained, and `open` is then
    False. `best` has one entry an epoch of the budget, the best finished score so far, `floor`
    before the first.
    """

    budget: int
    floor: float = 0.0
    spent: int = 0
    open: bool = True
    best: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.budget, bool) or not isinstance(self.budget, int | np.integer):
            raise TuningError(f"The budget is {self.budget!r}; give a whole number of epochs.")
        if self.budget < 1:
            raise TuningError(f"The budget is {self.budget} epochs; give 1 or more.")
        self.best = np.full(self.budget + 1, float(self.floor))

    def train(self, epochs: int) -> bool:
        """True when `epochs` more epochs fit the budget; they are then counted."""
        if epochs < 0:
            raise TuningError(f"{epochs} epochs cannot be trained; give 0 or more.")
        self.open = self.open and self.spent + epochs <= self.budget
        self.spent += epochs if self.open else 0
        return self.open

    def finish(self, score: float) -> None:
        """Keeps the score of a training that has just ended."""
        self.best[self.spent :] = np.maximum(self.best[self.spent :], score)


def main_effects(scores: Any) -> np.ndarray:
    """float64 (axes,): share of the variance of a full grid that each axis explains alone.

    scores: finite numbers, one axis a hyperparameter. What is missing to 1 is interaction. Source:
    functional ANOVA (Hutter, Hoos and Leyton-Brown 2014), exact because the grid is full.
    """
    scores = np.asarray(scores, float)
    if scores.size < 2 or not np.isfinite(scores).all() or scores.var() == 0:
        raise TuningError("Importance needs a grid of finite scores that are not all equal.")
    others = [tuple(o for o in range(scores.ndim) if o != axis) for axis in range(scores.ndim)]
    return np.array([scores.mean(axis=rest).var() / scores.var() for rest in others])


def expected_improvement(mean: np.ndarray, deviation: np.ndarray, best: float) -> np.ndarray:
    """By how much each setting is expected to exceed `best`, 0 where it falls short.

    mean, deviation: of a normal distribution for each setting. Source: Jones, Schonlau and Welch
    1998, equation 15. Raises `TuningError` for a negative deviation.
    """
    from scipy.stats import norm

    mean, deviation = np.asarray(mean, float), np.asarray(deviation, float)
    if (deviation < 0).any():
        raise TuningError("A deviation is negative; give 0 or more for each setting.")
    gain = mean - best
    with np.errstate(divide="ignore", invalid="ignore"):
        z = gain / deviation
        hoped = gain * norm.cdf(z) + deviation * norm.pdf(z)
    return np.where(deviation > 0, hoped, np.maximum(gain, 0))


def bootstrap_corrected(right: Any, draws: int = 200, seed: int = 0) -> float:
    """The score of the best of several settings, corrected for having chosen it.

    right: (settings, rows), 1 or True where the setting was right on a row that it had not learned
    from. Each draw takes rows with replacement, chooses the setting that is best on them, and
    scores it on the rows that were not drawn; the mean of these is returned. Nothing is trained
    again. Source: BBC-CV, Tsamardinos, Greasidou and Borboudakis 2018. Raises `TuningError`.
    """
    right = np.asarray(right, float)
    if right.ndim != 2 or right.shape[0] < 1 or right.shape[1] < 2:
        raise TuningError(
            f"The table of answers has the shape {right.shape}; give settings x rows, two rows "
            "or more."
        )
    if draws < 1:
        raise TuningError(f"{draws} draws give no mean; give 1 or more.")
    generator, rows, scores = np.random.default_rng(seed), right.shape[1], []
    while len(scores) < draws:
        times = np.bincount(generator.integers(0, rows, rows), minlength=rows)
        if (times == 0).any():  # with very few rows a draw can hold them all
            scores.append(right[(right @ times).argmax()][times == 0].mean())
    return float(np.mean(scores))
