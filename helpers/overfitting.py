"""What the experiments on overfitting need: wrong labels, shifted copies, random features.

Built in view in chapter 04.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class OverfittingError(ValueError):
    """Labels, images or sizes that the experiment cannot use; one sentence."""


def flip_labels(y: Any, share: float, classes: int, seed: int | Sequence[int] = 0) -> np.ndarray:
    """int64 labels (n,), of which about `share` are replaced by another class, drawn evenly.

    Every label is replaced with the probability `share`, independently of the others. Raises
    `OverfittingError` for a share outside 0 to 1 or fewer than two classes. Built in view in
    chapter 04.
    """
    y = np.asarray(y, dtype=np.int64)
    if not 0 <= share <= 1 or classes < 2:
        raise OverfittingError(
            f"The share is {share!r} with {classes!r} classes; give a share from 0 to 1 and two "
            "classes or more."
        )
    generator = np.random.default_rng(seed)
    chosen = generator.random(len(y)) < share
    return np.where(chosen, (y + generator.integers(1, classes, len(y))) % classes, y)


def shifted_copies(
    images: np.ndarray, copies: int, pixels: int, seed: int | Sequence[int] = 0
) -> np.ndarray:
    """(copies * n, height, width, channels): images moved by up to `pixels` in each direction.

    What moves in from the border is empty (0). Raises `OverfittingError` for arrays that are
    not images, or counts below 1. Built in view in chapter 04.
    """
    if np.ndim(images) != 4 or copies < 1 or pixels < 1:
        raise OverfittingError(
            f"The array has {np.ndim(images)} axes, with {copies!r} copies and {pixels!r} pixels; "
            "give (images, height, width, channels) and two counts of 1 or more."
        )
    height, width = images.shape[1:3]
    wide = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    corners = np.random.default_rng(seed).integers(0, 2 * pixels + 1, (copies * len(images), 2))
    return np.stack(
        [
            wide[place % len(images), top : top + height, left : left + width]
            for place, (top, left) in enumerate(corners)
        ]
    )


def random_features(x: np.ndarray, count: int, seed: int | Sequence[int] = 0) -> np.ndarray:
    """float64 (n, count): ReLU units with random weights and biases, for x (n, inputs).

    Weights are normal with variance 1 / inputs, biases normal with variance 1. Random features are
    a network whose first layer is never trained (Rahimi and Recht 2007,
    https://papers.nips.cc/paper/3182). Raises `OverfittingError`. Built in view in chapter 04.
    """
    if np.ndim(x) != 2 or isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise OverfittingError(
            f"x has {np.ndim(x)} axes and count is {count!r}; give (n, inputs) and a whole number "
            "of 1 or more."
        )
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(np.shape(x)[1], count)) / np.sqrt(np.shape(x)[1])
    return np.maximum(x @ weights + generator.normal(size=count), 0)
