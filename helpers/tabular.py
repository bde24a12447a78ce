"""Tables and images as plain columns: a yes-or-no task with parts to fit, to tune and to test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from helpers.data import Split


# A rare category has a tiny deviation: unlimited, one such column would outweigh all the others.
_DEVIATIONS = 3.0


class TaskError(ValueError):
    """A data set that cannot be turned into the task that was asked for; one sentence."""


@dataclass(frozen=True, eq=False)
class Task:
    """A yes-or-no task: float64 arrays x_* (n, columns), int64 labels y_* (n,) of 0 and 1."""

    x_fit: np.ndarray
    y_fit: np.ndarray
    x_tune: np.ndarray
    y_tune: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    columns: tuple[str, ...]
    positive: str

    def describe(self) -> str:
        """One line: the question, the sizes of the three parts, the share of positives."""
        sizes = f"{len(self.y_fit):,} rows to fit, {len(self.y_tune):,} to tune, "
        return (
            f"Is the class '{self.positive}'? {sizes}{len(self.y_test):,} to test, "
            f"{len(self.columns)} columns, {self.y_test.mean():.1%} of the test rows positive."
        )

    def repeated(self) -> float:
        """Share of the test rows that also occur, value for value, among the fit rows."""
        known = {row.tobytes() for row in self.x_fit}
        return float(np.mean([row.tobytes() in known for row in self.x_test]))


def as_columns(x: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """(float64 array (n, columns), column names): pixels flattened, categories as 0/1 columns.

    A missing category has 0 in all columns of its feature.
    """
    import pandas as pd

    if isinstance(x, pd.DataFrame):
        encoded = pd.get_dummies(x, dtype=float)
        return encoded.to_numpy(dtype=np.float64), tuple(str(name) for name in encoded.columns)
    flat = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    return flat, tuple(f"column_{place}" for place in range(flat.shape[1]))


def yes_or_no(split: Split, positive: str = "", seed: int = 0, tune: float = 0.3) -> Task:
    """The `Task` "is it the class `positive`?" of `split`, with scaled columns.

    `positive` is one of the split's class names; empty means the last one. The share `tune` of the
    training part is held out, stratified, by `seed`; the test part stays whole. Means and
    deviations are those of x_fit alone, so nothing leaks from tune or test; values beyond three
    deviations are set to three.
    Raises `TaskError` for a data set without classes, an unknown class and a share outside 0 to 1.
    """
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    if not split.class_names:
        raise TaskError(
            f"The data set '{split.name}' has a numeric target; a yes-or-no task needs classes."
        )
    if not 0 < tune < 1:
        raise TaskError(f"The share to tune on is {tune!r}; give a number between 0 and 1.")
    positive = positive or split.class_names[-1]
    if positive not in split.class_names:
        raise TaskError(
            f"'{split.name}' has no class '{positive}'; use one of {', '.join(split.class_names)}."
        )
    yes = split.class_names.index(positive)
    y, y_test = ((part == yes).astype(np.int64) for part in (split.y_train, split.y_test))
    x, columns = as_columns(split.x_train)
    x_test, test_columns = as_columns(split.x_test)
    if columns != test_columns:
        raise TaskError(
            f"The training and the test part of '{split.name}' have different categories; give "
            "both columns the same category type."
        )
    x_fit, x_tune, y_fit, y_tune = train_test_split(
        x, y, test_size=tune, stratify=y, random_state=seed
    )
    scale = StandardScaler().fit(x_fit)
    limit = _DEVIATIONS
    x_fit, x_tune, x_test = (
        np.clip(scale.transform(part), -limit, limit) for part in (x_fit, x_tune, x_test)
    )
    return Task(x_fit, y_fit, x_tune, y_tune, x_test, y_test, columns, positive)
