"""Tables as they are: unscaled float columns, and one class or one number to predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.tabular import as_columns

if TYPE_CHECKING:
    from helpers.data import Split


class TableError(ValueError):
    """A data set that is no table with the target that was asked for; one sentence."""


@dataclass(frozen=True, eq=False)
class PlainTable:
    """Unscaled float64 arrays x_* (n, columns) and targets y_* (n,).

    y holds int64 indices into `classes`; where `classes` is empty it holds float64 numbers, in the
    unit of the column `target`.
    """

    name: str
    target: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    columns: tuple[str, ...]
    classes: tuple[str, ...]

    def describe(self) -> str:
        """One line: name, sizes, columns, and what is to be predicted."""
        what = f"one of {len(self.classes)} classes" if self.classes else f"'{self.target}'"
        return (
            f"{self.name}: {len(self.y_train):,} rows to learn from, {len(self.y_test):,} to test, "
            f"{len(self.columns)} columns, to predict {what}."
        )


def plain_table(split: Split, target: str = "") -> PlainTable:
    """The `PlainTable` of `split`: pixels flattened, categories as 0/1 columns, nothing scaled.

    `target` names a numeric column to predict instead of the split's own label; it is taken out of
    the inputs. Empty means the split's label (a class, or a number for a regression data set).
    Raises `TableError` for a part without rows, a column that does not exist or holds categories, a
    label of one class only, and categories that differ between the parts. Built for chapter 02.
    """
    parts: dict[str, tuple[Any, np.ndarray]] = {
        "training": (_named(split, split.x_train), split.y_train),
        "test": (_named(split, split.x_test), split.y_test),
    }
    for part, (_, y) in parts.items():
        if len(y) == 0:
            raise TableError(f"The {part} part of '{split.name}' is empty; give at least one row.")
    if target:
        parts = {part: _taken_out(split, x, target) for part, (x, _) in parts.items()}
    (x_train, columns), (x_test, test_columns) = (as_columns(x) for x, _ in parts.values())
    if columns != test_columns:
        raise TableError(
            f"The training and the test part of '{split.name}' have different categories; give "
            "both columns the same category type."
        )
    y_train, y_test = (y for _, y in parts.values())
    classes = () if target else split.class_names
    if classes and len(np.unique(y_train)) < 2:
        raise TableError(
            f"All training rows of '{split.name}' are of the class '{classes[int(y_train[0])]}'; a "
            "classifier needs rows of at least two classes."
        )
    named = target or ("class" if classes else "target")
    return PlainTable(split.name, named, x_train, y_train, x_test, y_test, columns, classes)


def _named(split: Split, x: Any) -> Any:
    """`x` as a DataFrame where it is a table whose columns have names, else as it is."""
    import pandas as pd

    if hasattr(x, "columns") or not split.feature_names or x.ndim != 2:
        return x
    return pd.DataFrame(x, columns=list(split.feature_names))


def _taken_out(split: Split, x: Any, target: str) -> tuple[Any, np.ndarray]:
    """(x without the column `target`, that column as float64)."""
    names = [str(name) for name in getattr(x, "columns", ())]
    if target not in names:
        listed = ", ".join(names) if names else "none, its columns have no names"
        raise TableError(f"'{split.name}' has no column '{target}'; its columns are: {listed}.")
    if x[target].dtype.kind not in "iuf":
        raise TableError(
            f"The column '{target}' of '{split.name}' holds categories; give a numeric column."
        )
    return x.drop(columns=target), x[target].to_numpy(dtype=np.float64)
