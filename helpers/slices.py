"""Errors by slice: where a model fails, with intervals that know how small the slice is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class SliceError(ValueError):
    """A table of properties or of mistakes that cannot be sliced; one sentence."""


@dataclass(frozen=True)
class Slice:
    """The rows where the property `column` has the value `value`: how many, how many wrong.

    `error` is the share of wrong rows, `low` and `high` its 95 % Wilson interval, all in [0, 1].
    """

    column: str
    value: str
    rows: int
    wrong: int
    error: float
    low: float
    high: float


def wilson_interval(hits: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """(low, high) of the Wilson interval of a share `hits / total`; `z` 1.96 means 95 %.

    Unlike estimate plus or minus 1.96 standard errors it is usable at shares of 0 and 1 and on few
    rows. Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953. Raises `SliceError` unless
    0 <= hits <= total and total is at least 1. Built in view in chapter 03.
    """
    if total < 1 or not 0 <= hits <= total:
        raise SliceError(
            f"{hits} of {total} is no share; give a count from 0 to the number of rows, and at "
            "least one row."
        )
    share, square = hits / total, z * z / total
    middle = (share + square / 2) / (1 + square)
    half = z * np.sqrt(share * (1 - share) / total + square / (4 * total)) / (1 + square)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def error_slices(
    properties: Mapping[str, Any],
    wrong: Any,
    columns: Sequence[str] = (),
    least: int = 30,
) -> tuple[Slice, ...]:
    """Every `Slice` of at least `least` rows, the highest error first.

    properties  name of a property -> its value for each row, shape (n,), such as a class, a region
                or a third of the brightness; a DataFrame of such columns will do
    wrong       whether the model erred on the row, bool or 0/1, shape (n,)
    columns     the properties to slice by; empty means all of them

    Raises `SliceError` for an empty table, an unknown column, columns of unequal length, mistakes
    that are not 0 and 1, a model that is never or always wrong (then no slice is worse than
    another), and slices that are all too small. Built in view in chapter 03.
    """
    mistakes = np.asarray(wrong)
    if not len(properties) or mistakes.ndim != 1 or len(mistakes) == 0:
        raise SliceError(
            "The table is empty; give at least one property, and 'wrong' of shape (n,) with rows."
        )
    unknown = [name for name in columns if name not in properties]
    if unknown:
        raise SliceError(
            f"There is no property '{unknown[0]}'; use some of {', '.join(map(str, properties))}."
        )
    if not np.isin(mistakes, (0, 1)).all():
        raise SliceError("'wrong' must hold True or False (1 or 0) for each row, and nothing else.")
    mistakes = mistakes.astype(bool)
    if mistakes.all() or not mistakes.any():
        amount = "all" if mistakes.all() else "none"
        raise SliceError(
            f"The model is wrong on {amount} of the {len(mistakes)} rows, so no slice differs from "
            "another; use rows of which it gets some right and some wrong."
        )
    found = []
    for name in columns or list(properties):
        values = np.asarray(properties[name])
        if values.shape != mistakes.shape:
            raise SliceError(
                f"The property '{name}' has the shape {values.shape}, but there are "
                f"{len(mistakes)} rows; give one value for each row."
            )
        for value in np.unique(values):
            inside = mistakes[values == value]
            if len(inside) >= least:
                count = int(inside.sum())
                interval = wilson_interval(count, len(inside))
                share = count / len(inside)
                found.append(Slice(name, str(value), len(inside), count, share, *interval))
    if not found:
        raise SliceError(
            f"No slice has {least} rows; lower 'least', or slice by properties with fewer values."
        )
    return tuple(sorted(found, key=lambda one: -one.error))


def thirds(values: Any) -> np.ndarray:
    """ "low", "middle" or "high" for each of `values`, (n,): cut where a third of the rows end.

    A property with few different values gives unequal parts, because equal values stay together.
    Raises `SliceError` for fewer than three numbers and for NaN. Used in chapter 03.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 3 or not np.isfinite(array).all():
        raise SliceError(
            "Thirds need at least three numbers of shape (n,), none of them NaN; drop or repair "
            "the other rows first."
        )
    cuts = np.quantile(array, [1 / 3, 2 / 3])
    return np.array(["low", "middle", "high"])[np.digitize(array, cuts)]
