"""Checks of labels, probabilities and logits: what is wrong with them, in one sentence each."""

from __future__ import annotations

from typing import Any

import numpy as np


class EvaluationError(ValueError):
    """Labels, predictions or counts that cannot be evaluated; one sentence."""


def aligned(**arrays: Any) -> tuple[np.ndarray, ...]:
    """The named arrays as NumPy arrays with equally many rows, at least one.

    Raises `EvaluationError` for an array that is a single number or empty, that holds NaN or
    infinity, or whose length differs from the first one's.
    """
    checked: list[np.ndarray] = []
    first = next(iter(arrays))
    for name, values in arrays.items():
        array = np.asarray(values)
        if array.ndim == 0:
            raise EvaluationError(
                f"'{name}' is the single value {values!r}; give one value for each example."
            )
        if len(array) == 0:
            raise EvaluationError(f"'{name}' is empty; give at least one example.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).sum())
            raise EvaluationError(
                f"'{name}' holds NaN or infinity ({bad} of {array.size} values); remove or repair "
                "those examples first."
            )
        if checked and len(array) != len(checked[0]):
            raise EvaluationError(
                f"'{first}' has {len(checked[0])} examples and '{name}' has {len(array)}; they "
                "must describe the same examples in the same order."
            )
        checked.append(array)
    return tuple(checked)


def checked_labels(y: Any, classes: int, name: str = "y") -> np.ndarray:
    """`y` as int64 class indices in [0, `classes`), shape (n,); `EvaluationError` if it is not."""
    array = np.asarray(y)
    if array.ndim != 1:
        raise EvaluationError(
            f"'{name}' has the shape {array.shape}; give class indices of shape (n,), not one-hot "
            "rows (use argmax over the last axis)."
        )
    whole = array.dtype.kind in "biu" or (array.dtype.kind == "f" and (array % 1 == 0).all())
    if not whole:
        raise EvaluationError(f"'{name}' is of type {array.dtype}; give whole class indices.")
    array = array.astype(np.int64)
    if array.min() < 0 or array.max() >= classes:
        raise EvaluationError(
            f"'{name}' has class indices from {array.min()} to {array.max()}, but there are "
            f"{classes} classes; number the classes from 0 to {classes - 1}."
        )
    return array


def both_classes(y: Any) -> np.ndarray:
    """`y` as int64 of 0 and 1, both present; `EvaluationError` when one class is missing."""
    array = checked_labels(y, 2)
    if array.min() == array.max():
        raise EvaluationError(
            f"'y' holds only class {array[0]}; a ranking metric compares positives with negatives "
            "and needs at least one of each."
        )
    return array


def checked_probabilities(y: Any, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """(labels int64 (n,), probabilities float64) after all checks.

    `values` of shape (n, classes) must have rows that sum to 1 within 1e-3 (float16 and int8
    runtimes round); of shape (n,) it is the probability of class 1. Raises `EvaluationError`.
    """
    y, array = aligned(y=y, probabilities=values)
    if array.ndim > 2:
        raise EvaluationError(
            f"'probabilities' has the shape {array.shape}; give (n, classes), or (n,) for the "
            "probability of class 1."
        )
    array = array.astype(np.float64)
    if array.min() < -1e-6 or array.max() > 1 + 1e-6:
        raise EvaluationError(
            f"'probabilities' reaches from {array.min():.4g} to {array.max():.4g}, outside 0 to 1; "
            "these look like logits: apply softmax first."
        )
    if array.ndim == 2:
        furthest = float(array.sum(axis=1)[np.argmax(np.abs(array.sum(axis=1) - 1))])
        if abs(furthest - 1) > 1e-3:
            raise EvaluationError(
                f"A row of 'probabilities' sums to {furthest:.4g}; every row must sum to 1."
            )
    array = np.clip(array, 0, 1)
    return checked_labels(y, array.shape[1] if array.ndim == 2 else 2), array


def whole_number(value: Any, name: str, at_least: int) -> int:
    """`value` as an int of `at_least` or more; `EvaluationError` if it is anything else."""
    number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not number or value < at_least:
        raise EvaluationError(f"'{name}' is {value!r}; give a whole number of {at_least} or more.")
    return int(value)
