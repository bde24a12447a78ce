"""Erasing a person's rows from a model by shards (SISA), with a proof. Built for chapter 26.

Bourtoule et al. 2021 (https://arxiv.org/abs/1912.03817): each shard trains a model of its own on
its own people, the models vote, and an erasure trains one shard again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class ErasureError(ValueError):
    """An erasure that cannot be done as asked; one sentence."""


def shard_of(person: str, shards: int) -> int:
    """The shard of a person, decided by the name alone: it never moves when others come or go."""
    return int(hashlib.sha256(person.encode("utf-8")).hexdigest()[:12], 16) % shards


def with_people(xs: Sequence[Any], ys: Sequence[Any], rows_each: int) -> tuple:
    """Rows, labels and people: the arrays joined, each `rows_each` rows given to one person.

    The people are generated, as these data sets name none.
    """
    if rows_each < 1:
        raise ErasureError(f"A person has {rows_each} rows; give 1 or more.")
    x, y = np.concatenate(xs), np.concatenate(ys)
    return x, y, np.array([f"person-{number // rows_each}" for number in range(len(x))])


def without(person: str, x, y, people) -> tuple:
    """The same rows, labels and people, but for this person's."""
    stays = np.asarray(people) != person
    return x[stays], y[stays], np.asarray(people)[stays]


def by_position(people: Sequence[str], shards: int) -> np.ndarray:
    """The shard of each row by its number, in turn: the assignment that an erasure breaks."""
    return np.arange(len(people)) % shards


def by_person(people: Sequence[str], shards: int) -> np.ndarray:
    """The shard of each row by its person."""
    return np.array([shard_of(person, shards) for person in people])


@dataclass(frozen=True, eq=False)
class Ensemble:
    """One fitted logistic regression for each shard; `rows` is how many each was trained on."""

    models: tuple[Any, ...]
    rows: tuple[int, ...]

    def predict(self, x) -> np.ndarray:
        """The class with the largest mean probability, for each row of `x`."""
        mean = np.mean([model.predict_proba(x) for model in self.models], axis=0)
        return self.models[0].classes_[mean.argmax(axis=1)]

    def score(self, x, y) -> float:
        """Accuracy on rows `x` with labels `y`."""
        return float(np.mean(self.predict(x) == y))

    def digests(self) -> tuple[str, ...]:
        """SHA-256 of the parameters of each model, bit for bit."""
        return tuple(
            hashlib.sha256(model.coef_.tobytes() + model.intercept_.tobytes()).hexdigest()
            for model in self.models
        )


def differing(first: Ensemble, second: Ensemble) -> int:
    """Number of shards whose parameters are not the same bit for bit."""
    return sum(a != b for a, b in zip(first.digests(), second.digests(), strict=True))


def _fit(x, y, shard: int, classes: int):
    from helpers.model_extraction import fit_logistic

    missing = set(range(classes)) - set(np.unique(y).tolist())
    if missing:
        raise ErasureError(
            f"Shard {shard} has no row of class {min(missing)}: use fewer shards or more rows."
        )
    return fit_logistic(x, y)


def train_shards(
    x, y, people: Sequence[str], shards: int, assign: Callable = by_person
) -> Ensemble:
    """An `Ensemble` trained on rows `x`, labels `y` (0 to classes - 1) and their `people`."""
    if not len(x) == len(y) == len(people) or shards < 1:
        raise ErasureError("Give one label and one person for each row, and one shard or more.")
    places, classes = assign(people, shards), int(np.max(y)) + 1
    parts = [places == shard for shard in range(shards)]
    models = tuple(_fit(x[part], y[part], k, classes) for k, part in enumerate(parts))
    return Ensemble(models, tuple(int(part.sum()) for part in parts))


def erase(ensemble: Ensemble, x, y, people: Sequence[str], person: str) -> Ensemble:
    """The ensemble without `person`: the person's shard is trained again, the others stay.

    `x`, `y`, `people` are the rows as they were. Raises `ErasureError` for an unknown person.
    """
    keep = np.array([one != person for one in people])
    if keep.all():
        raise ErasureError("There is no row of this person: check the name, nothing was changed.")
    shards = len(ensemble.models)
    place = shard_of(person, shards)
    part = keep & (by_person(people, shards) == place)
    models, rows = list(ensemble.models), list(ensemble.rows)
    models[place] = _fit(x[part], y[part], place, int(np.max(y)) + 1)
    rows[place] = int(part.sum())
    return Ensemble(tuple(models), tuple(rows))
