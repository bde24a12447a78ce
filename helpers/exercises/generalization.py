"""Checkers for the exercises on generalization: grouped folds, no leak, a limit for the unknown."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.exercises import Mistake, checker, expect


def _parts(found: Any, k: int, rows: int) -> list[np.ndarray]:
    """The learner's folds as arrays of row numbers, refused with a hint when they are not."""
    try:
        parts = [np.asarray(part) for part in found]
    except TypeError as error:
        raise Mistake(f"Return a list of {k} arrays of row numbers.") from error
    if any(part.dtype == bool for part in parts):
        raise Mistake("A part holds True and False; np.flatnonzero turns them into row numbers.")
    expect(len(parts) == k, f"There must be {k} parts, not {len(parts)}.")
    held = np.concatenate(parts) if parts else np.array([])
    expect(len(held) > 0, "All parts are empty; give the numbers of the rows, not of the groups.")
    expect(
        np.issubdtype(held.dtype, np.number) and set(held.tolist()) <= set(range(rows)),
        "A part holds something that is no row number; give row numbers, not names of groups.",
    )
    return parts


@checker("03.1", "No group is on both sides, so the test asks for new groups.")
def group_folds(answer: Callable) -> None:
    """Tries `answer(groups, k)` on groups of very unequal size, with numbers and with names."""
    names = np.repeat(["anna", "bo", "chen", "dara", "eli", "fay", "gus"], [9, 7, 5, 4, 3, 1, 1])
    groups = np.random.default_rng(7).permutation(names)
    parts = _parts(answer(groups, 3), 3, len(groups))
    held = np.concatenate(parts)
    expect(
        len(np.unique(held)) == len(held), "A row is in two parts: each row is tested exactly once."
    )
    split = [name for name in np.unique(groups) if sum(name in groups[part] for part in parts) > 1]
    expect(
        not split,
        f"The group '{split[0] if split else ''}' is in more than one part: deal out whole groups, "
        "not rows.",
    )
    expect(len(held) == len(groups), f"{len(groups) - len(held)} rows are in no part.")
    sizes = sorted(len(part) for part in parts)
    expect(
        sizes == [10, 10, 10],
        f"The parts have {sizes} rows, but {[10, 10, 10]} is possible: the largest group first, "
        "always to the part that has the fewest rows so far.",
    )
    parts = _parts(answer(np.repeat([30, 10, 20], [4, 4, 2]), 2), 2, 10)
    sizes = sorted(len(part) for part in parts)
    expect(sizes == [4, 6], f"Groups of 4, 4 and 2 rows give parts of 4 and 6 rows, not {sizes}.")


class _Watched:
    """A step or a model that remembers which rows it was given to learn from and to use."""

    def __init__(self, events: list[tuple[str, tuple[int, ...], bool]], kind: str) -> None:
        self.events, self.kind = events, kind

    def _note(self, what: str, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != 2:
            raise Mistake(f"{self.kind}.{what} was given rows of another shape than those of x.")
        self.events.append((f"{self.kind}.{what}", tuple(x[:, 0].astype(int)), bool(x[:, 1].all())))
        return x

    def fit(self, x: Any, y: Any) -> _Watched:
        x = self._note("fit", x)
        if not np.array_equal(np.asarray(y), x[:, 0].astype(int) % 2):
            raise Mistake(f"{self.kind}.fit was given labels that are not those of its rows.")
        return self

    def transform(self, x: Any) -> np.ndarray:
        x = self._note("transform", x).copy()
        x[:, 1] = 1.0  # The mark of a prepared row.
        return x

    def fit_transform(self, x: Any, y: Any) -> np.ndarray:
        return self.fit(x, y).transform(x)

    def score(self, x: Any, y: Any) -> float:
        x = self._note("score", x)
        if not np.array_equal(np.asarray(y), x[:, 0].astype(int) % 2):
            raise Mistake(f"{self.kind}.score was given labels that are not those of its rows.")
        return float(x[:, 0].sum())


@checker("03.2", "Neither the step nor the model has seen a test row before its score.")
def honest_scores(answer: Callable) -> None:
    """Tries `answer(prepare, model, x, y, folds)` with objects that remember their rows."""
    rows = 12
    x = np.column_stack([np.arange(rows), np.zeros(rows)]).astype(float)
    y = np.arange(rows) % 2
    folds = [np.array([0, 5, 7]), np.array([1, 2, 3, 4]), np.array([6, 8, 9, 10, 11])]
    events: list[tuple[str, tuple[int, ...], bool]] = []
    prepare, model = _Watched(events, "prepare"), _Watched(events, "model")
    found = answer(prepare, model, x, y, folds)
    expect(found is not None, "The function returns nothing; return the list of scores.")
    scored = [event for event in events if event[0] == "model.score"]
    expect(
        len(scored) == len(folds),
        f"There are {len(folds)} folds, but the model was scored {len(scored)} times.",
    )
    learned: dict[str, set[int]] = {"prepare": set(), "model": set()}
    done = 0
    for what, seen, prepared in events:
        kind, action = what.split(".")
        if action == "fit":
            learned[kind] = set(seen)
            expect(
                kind != "model" or prepared,
                "The model was fitted on rows that were not prepared; give it "
                "prepare.transform(...) of the training rows.",
            )
        if action != "score":
            continue
        test = set(folds[done].tolist())
        done += 1
        expect(
            prepared,
            "The test rows were not prepared; give model.score the result of "
            "prepare.transform(...).",
        )
        expect(
            set(seen) == test,
            f"Fold {done} was scored on the rows {sorted(set(seen))}; its test rows are "
            f"{sorted(test)}.",
        )
        for name, phrase in (("prepare", "the step `prepare`"), ("model", "the model")):
            leaked = sorted(learned[name] & test)
            expect(
                not leaked,
                f"Before fold {done} was scored, {phrase} had been fitted on its test rows "
                f"{leaked}; fit on the other rows only, again for each fold.",
            )
            missing = sorted(set(range(rows)) - test - learned[name])
            expect(
                not missing,
                f"In fold {done}, {phrase} has not learned from the rows {missing}, although they "
                "are not tested there.",
            )
    truth = [float(fold.sum()) for fold in folds]
    values = np.ravel(np.asarray(found, dtype=float)).tolist()
    expect(
        len(values) != 1,
        "That is one number; return the score of each fold, their spread matters too.",
    )
    expect(
        values == truth, "The scores are not those that model.score gave, in the order of folds."
    )


@checker("03.3", "The limit was set from known scores alone, as it must be in practice.")
def refused(answer: Callable) -> None:
    """Tries `answer(known, unknown, accept)` on scores whose quantiles can be counted."""
    known, unknown = np.arange(1.0, 101.0), np.array([1.0, 3.0, 8.0, 15.0, 30.0, 60.0, 97.0, 99.0])
    shuffled = np.random.default_rng(3).permutation(known)
    found = float(answer(shuffled, unknown, 0.9))
    expect(
        0 <= found <= 1, f"A share lies between 0 and 1, not at {found:g}: divide by the unknown."
    )
    expect(
        not math.isclose(found, 5 / 8),
        "That is the share of the unknown that pass; return the share that is refused.",
    )
    expect(
        not math.isclose(found, 6 / 8),
        "The limit accepts a tenth of the known scores instead of nine tenths: high scores are "
        "known, so take the quantile 1 - accept.",
    )
    expect(
        not math.isclose(found, 1 / 8) and not math.isclose(found, 7 / 8),
        "The limit comes from the unknown scores; nobody has them when the limit is set.",
    )
    expect(
        math.isclose(found, 3 / 8),
        f"Known scores 1 to 100 and accept=0.9 refuse 3 of these 8 unknown ones, not {found:g}.",
    )
    usual = float(answer(shuffled, unknown, 0.98))
    expect(
        math.isclose(usual, 1 / 8),
        "Another share to accept must move the limit: use the argument `accept`.",
    )
