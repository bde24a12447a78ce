"""Pictures whose distribution can be changed on purpose: load, coarsen, turn."""

from __future__ import annotations

import numpy as np


class DriftError(ValueError):
    """Pictures that cannot be used as asked; one sentence."""


def pictures(name: str, most: int = 18000) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, height, width) as float32 from 0 to 1, and their int64 class numbers (n,).

    `name` is a data set of one-channel images or "digits"; training rows come first, and at most
    `most` rows are kept, two thirds of them from the training part where it is that large. Raises
    `DriftError` for a set without pictures and `DataError` for one that cannot be loaded.
    Chapter 17 uses it.
    """
    from helpers.data import load

    split = load(name)
    first = 2 * most // 3
    x = [split.x_train[:first], split.x_test[: most - first]]
    y = np.concatenate([split.y_train[:first], split.y_test[: most - first]])
    if name == "digits":
        x = [np.reshape(part, (len(part), 8, 8)) for part in x]
    joined = np.concatenate([np.asarray(part, np.float32) for part in x])
    if joined.ndim == 4 and joined.shape[3] == 1:
        joined = joined[..., 0]
    if joined.ndim != 3:
        raise DriftError(
            f"'{name}' has rows of shape {joined.shape[1:]}; give a set of one-channel pictures."
        )
    return joined / joined.max(), y


def _checked(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    if x.ndim != 3:
        raise DriftError(f"The pictures have shape {x.shape}; give (n, height, width).")
    return x


def blocks(x: np.ndarray, size: int) -> np.ndarray:
    """(n, height / size, width / size): means over square blocks of (n, height, width) pictures.

    Raises `DriftError` when height or width is no multiple of `size`.
    """
    x = _checked(x)
    n, height, width = x.shape
    if size < 1 or height % size or width % size:
        raise DriftError(
            f"Blocks of {size} do not tile pictures of {height} by {width}; give a divisor of both."
        )
    return x.reshape(n, height // size, size, width // size, size).mean(axis=(2, 4))


def turned(x: np.ndarray) -> np.ndarray:
    """The pictures (n, height, width), each a quarter turn counter-clockwise."""
    return np.rot90(_checked(x), 1, axes=(1, 2))


def flat(x: np.ndarray) -> np.ndarray:
    """(n, height * width): one row of features for each picture (n, height, width)."""
    x = _checked(x)
    return x.reshape(len(x), -1)
