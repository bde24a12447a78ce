"""Checkers for the exercises on baselines and ensembles: scaled kNN, out-of-fold, early votes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.exercises import Mistake, checker, expect


def _neighbours(x: np.ndarray, y: np.ndarray, new: np.ndarray, k: int, scaled: bool) -> np.ndarray:
    """Majority label of the k nearest rows, columns scaled by `x` where `scaled`."""
    if scaled:
        spread = np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
        x, new = (x - x.mean(axis=0)) / spread, (new - x.mean(axis=0)) / spread
    nearest = np.argsort(((new[:, None] - x) ** 2).sum(axis=2), axis=1, kind="stable")[:, :k]
    return np.array([np.bincount(y[row]).argmax() for row in nearest])


def _two_units() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y, new: a share that decides beside a large number that does not, and a constant."""
    draw = np.random.default_rng(2)
    y = np.repeat([0, 1], 40)
    share = y + draw.normal(0, 0.25, 80)
    x = np.column_stack([share, draw.normal(0, 5000, 80), np.full(80, 7.0)])
    # All new rows are on one side and further apart: their own mean and deviation are others.
    new = np.column_stack([draw.normal(1, 0.4, 60), draw.normal(0, 20000, 60), np.full(60, 7.0)])
    return x, y, new


@checker("02.1", "The scale comes from the training rows, so no row depends on its neighbours.")
def scaled_neighbours(answer: Callable) -> None:
    """Tries `answer(x, y, new, k)` on columns of two units, one of them useless, one constant."""
    x, y, new = _two_units()
    found = np.asarray(answer(x.copy(), y.copy(), new.copy(), 5))
    expect(
        found.shape == (60,),
        f"Return one label for each new row, an array of shape (60,), not {found.shape}.",
    )
    without = np.asarray(answer(x[:, :2].copy(), y.copy(), new[:, :2].copy(), 5))
    expect(
        np.array_equal(found, without),
        "A column that never varies changes the answers: its deviation is 0, and dividing by it "
        "gives NaN; divide by 1 there.",
    )
    expect(
        not np.array_equal(found, _neighbours(x, y, new, 5, scaled=False)),
        "These are the answers without scaling: the column of thousands fills the distance.",
    )
    single = [answer(x.copy(), y.copy(), row[None].copy(), 5) for row in new]
    expect(
        np.array_equal(np.ravel(single), found),
        "A row is answered differently in other company: mean and deviation must come from the "
        "training rows alone.",
    )
    expect(
        np.array_equal(found, _neighbours(x, y, new, 5, scaled=True)),
        "The labels differ from those of the five nearest scaled rows: subtract the training "
        "mean, divide by the training deviation, then let the k nearest vote.",
    )
    expect(
        np.array_equal(answer(x.copy(), y.copy(), new.copy(), 1), _neighbours(x, y, new, 1, True)),
        "With k = 1 the answers must be the labels of the single nearest row: use the given k.",
    )


class _Diary:
    """A model that knows learnt rows by heart and gives other rows the mean label."""

    def fit(self, x: Any, y: Any) -> _Diary:
        self.mean = float(np.mean(y))
        self.known = {tuple(row): int(label) for row, label in zip(x, y, strict=True)}
        return self

    def predict_proba(self, x: Any) -> np.ndarray:
        yes = np.array([self.known.get(tuple(row), self.mean) for row in x], dtype=float)
        return np.column_stack([1 - yes, yes])

    def predict(self, x: Any) -> np.ndarray:
        return (self.predict_proba(x)[:, 1] >= 0.5).astype(int)


@checker("02.2", "Every row was predicted by a model that had not seen it, and kept its place.")
def out_of_fold(answer: Callable) -> None:
    """Tries `answer(model, x, y, fold)` with a model that knows every row it has learnt."""
    fold = np.array([2, 0, 1, 1, 2, 0, 0, 2, 1, 1, 0])
    y = np.array([1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0])
    x = np.arange(22, dtype=float).reshape(11, 2)
    found = np.asarray(answer(_Diary(), x.copy(), y.copy(), fold.copy()), dtype=float)
    expect(
        found.shape == (11, 2),
        "Return one row of probabilities for each row of x, an array of shape (11, 2), not "
        f"{found.shape}; predict_proba gives them, predict gives labels.",
    )
    expect(
        not np.array_equal(found[:, 1], y),
        "The model is always right and sure: it predicts rows it has learnt. Fit it without the "
        "fold that it predicts.",
    )
    means = {number: y[fold != number].mean() for number in range(3)}
    truth = np.array([means[number] for number in fold])
    swapped = np.array([y[fold == number].mean() for number in fold])
    expect(
        not np.allclose(found[:, 1], swapped),
        "The folds are exchanged: fit on the rows of all other folds, predict this one.",
    )
    expect(
        np.allclose(found[:, 1], truth) or not np.allclose(found[:, 1], truth[fold.argsort()]),
        "The rows come out fold after fold: write each prediction to the place of its row.",
    )
    if not np.allclose(found, np.column_stack([1 - truth, truth])):
        raise Mistake(
            "The probabilities are not those of a model fitted on all rows outside the fold; fit "
            "once for each number in `fold`."
        )


@checker("02.3", "A vote may end as soon as nothing that is still to come can change it.")
def answers_needed(answer: Callable) -> None:
    """Tries `answer(answers)` on yes-or-no votes, on many values, and on ties to come."""
    found = int(answer(["a", "a", "a", "b", "b"]))
    expect(found != 5, "You read all five answers; after three times 'a' the other two are idle.")
    expect(found == 3, f"a, a, a, b, b is decided after 3 answers, not after {found}.")
    found = int(answer(["a", "b", "a", "a", "c", "a"]))
    expect(
        found != 3,
        "You stop at a majority of the answers read so far; those to come could still turn it.",
    )
    expect(
        found != 4,
        "After a, b, a, a two answers are left and 'a' leads by two: they could make a tie, so "
        "the lead must be larger than what is left.",
    )
    expect(
        found != 6,
        "You wait for more than half of all answers; the lead over the runner-up decides: after "
        "a, b, a, a, c it is two, and one answer is left.",
    )
    expect(found == 5, f"a, b, a, a, c, a is decided after 5 answers, not after {found}.")
    scattered = ["a", "b", "a", "c", "a", "d", "e"]
    found = int(answer(scattered))
    expect(found == 6, f"{', '.join(scattered)} is decided after 6 answers, not after {found}.")
    tied = int(answer(["a", "b"]))
    expect(tied == 2, f"A tie is never decided early: read both answers, not {tied}.")
    expect(int(answer(["a"])) == 1, "One answer alone is decided after 1.")
