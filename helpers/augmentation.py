"""Augmentation: moved, turned and mirrored images, mixed rows, edited words.

Every function takes the labelled rows of the training part alone; none looks at a test row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class AugmentationError(ValueError):
    """Rows or settings that cannot be augmented; one sentence."""


def _images(x: Any) -> np.ndarray:
    array = np.asarray(x, dtype=np.float64)
    if array.ndim != 3 or 0 in array.shape:
        raise AugmentationError(
            f"The images have the shape {array.shape}; give at least one grey image, as an array "
            "of shape (images, height, width)."
        )
    return array


def _between(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise AugmentationError(f"{name} is {value!r}; give a number from {low:g} to {high:g}.")
    return float(value)


def warp(
    x: Any,
    generator: np.random.Generator,
    degrees: float = 0.0,
    shift: float = 0.0,
    scale: float = 0.0,
) -> np.ndarray:
    """The images, each turned, moved and resized at random; float64 (images, height, width).

    degrees  each angle is uniform between minus and plus this, in degrees
    shift    each move is uniform between minus and plus this, in pixels, in both directions
    scale    each size factor is exp(u), u uniform between minus and plus this

    Every pixel of the result is read from the input by bilinear interpolation; outside the image
    there is 0. All three at 0 give the input back. Raises `AugmentationError` for another shape,
    no images, or a setting out of range. Used first in chapter 08, which shows what it does.
    """
    images = _images(x)
    count, rows, columns = images.shape
    degrees = _between("degrees", degrees, 0, 180)
    shift = _between("shift", shift, 0, max(rows, columns))
    scale = _between("scale", scale, 0, 1)
    angle = np.deg2rad(generator.uniform(-degrees, degrees, count))[:, None, None]
    factor = np.exp(generator.uniform(-scale, scale, count))[:, None, None]
    move = generator.uniform(-shift, shift, (2, count, 1, 1))
    middle = (rows - 1) / 2, (columns - 1) / 2
    down, right = np.meshgrid(
        np.arange(rows) - middle[0], np.arange(columns) - middle[1], indexing="ij"
    )
    cosine, sine = np.cos(angle) / factor, np.sin(angle) / factor
    # From where each pixel of the result is read; a frame of one empty pixel stands for outside.
    i = np.clip(cosine * down - sine * right + middle[0] + move[0] + 1, 0, rows + 1 - 1e-9)
    j = np.clip(sine * down + cosine * right + middle[1] + move[1] + 1, 0, columns + 1 - 1e-9)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    i0, j0 = i.astype(int), j.astype(int)
    di, dj, which = i - i0, j - j0, np.arange(count)[:, None, None]
    upper = padded[which, i0, j0] * (1 - dj) + padded[which, i0, j0 + 1] * dj
    lower = padded[which, i0 + 1, j0] * (1 - dj) + padded[which, i0 + 1, j0 + 1] * dj
    return upper * (1 - di) + lower * di


def flip(x: Any, generator: np.random.Generator, share: float = 0.5) -> np.ndarray:
    """The images, the share `share` of them (at random) mirrored left to right; float64.

    Raises `AugmentationError` like `warp`. Used first in chapter 08.
    """
    images = _images(x)
    chosen = generator.random(len(images)) < _between("share", share, 0, 1)
    return np.where(chosen[:, None, None], images[:, :, ::-1], images)


def with_copies(
    x: Any, y: Any, change: Callable[[Any], np.ndarray], copies: int
) -> tuple[np.ndarray, np.ndarray]:
    """(rows, labels): `x` as it is, followed by `copies` changed versions `change(x)`.

    Raises `AugmentationError` for no rows, unequal lengths, or less than one copy. Used first in
    chapter 08.
    """
    rows, labels = np.asarray(x), np.asarray(y)
    if len(rows) == 0 or len(rows) != len(labels):
        raise AugmentationError(
            f"There are {len(rows)} rows and {len(labels)} labels; give equally many, at least one."
        )
    if copies < 1:
        raise AugmentationError(f"copies is {copies!r}; give a whole number of 1 or more.")
    return np.concatenate([rows, *(change(rows) for _ in range(copies))]), np.tile(
        labels, copies + 1
    )


def mixup(
    x: Any, y: Any, generator: np.random.Generator, alpha: float = 0.2, copies: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, labels, weights) of mixed rows, for any learner that takes weights.

    A pair of rows becomes one row, the share s of the first plus 1 - s of the second, with s from
    a Beta(alpha, alpha) distribution. It is listed twice: with the first label and the weight s,
    and with the second label and the weight 1 - s, which for a cross-entropy is the same as one
    row with a soft label. Source: Zhang et al. 2017, https://arxiv.org/abs/1710.09412. Raises
    `AugmentationError` for labels of one class only, unequal lengths or alpha of 0 or less. Used
    first in chapter 08.
    """
    rows, labels = np.asarray(x, dtype=np.float64), np.asarray(y)
    if len(rows) != len(labels) or len(np.unique(labels)) < 2:
        raise AugmentationError(
            f"Mixing needs rows of at least two classes; there are {len(rows)} rows, "
            f"{len(labels)} labels and {len(np.unique(labels))} classes."
        )
    if not alpha > 0 or copies < 1:
        raise AugmentationError(f"alpha is {alpha!r} and copies {copies!r}; both must be above 0.")
    first = np.tile(np.arange(len(rows)), copies)
    second = generator.permutation(first)
    part = generator.beta(alpha, alpha, len(first))
    wide = part.reshape(-1, *(1,) * (rows.ndim - 1))
    mixed = wide * rows[first] + (1 - wide) * rows[second]
    both = np.concatenate([labels[first], labels[second]])
    return np.concatenate([mixed, mixed]), both, np.concatenate([part, 1 - part])


EDITS = ("delete", "shuffle", "reverse")


def edit_words(
    text: str, generator: np.random.Generator, how: str = "delete", share: float = 0.3
) -> str:
    """The words of `text` with about the share `share` of them edited.

    delete   those words are left out (at least one word stays)
    shuffle  all words change places, whatever `share` says
    reverse  those words are spelled backwards, a recipe that circulates and that chapter 08 refutes

    Raises `AugmentationError` for a text without words or an unknown edit. Deletion is one of the
    edits of Wei and Zou 2019, https://arxiv.org/abs/1901.11196. Used first in chapter 08.
    """
    words: Sequence[str] = text.split()
    if not words:
        raise AugmentationError("The text has no words; give one with at least one word.")
    if how not in EDITS:
        raise AugmentationError(f"There is no edit '{how}'; use one of {', '.join(EDITS)}.")
    if how == "shuffle":
        return " ".join(words[place] for place in generator.permutation(len(words)))
    hit = generator.random(len(words)) < _between("share", share, 0, 1)
    if how == "delete":
        kept = [word for word, gone in zip(words, hit, strict=True) if not gone]
        return " ".join(kept or words[:1])
    return " ".join(word[::-1] if turn else word for word, turn in zip(words, hit, strict=True))


def first_words(texts: Sequence[str], count: int) -> list[str]:
    """Each text in lower case, cut to its first `count` words; "empty" where there are none.

    Raises `AugmentationError` for a count below 1. Used first in chapter 08.
    """
    if count < 1:
        raise AugmentationError(f"count is {count!r}; give a whole number of 1 or more.")
    return [" ".join(text.lower().split()[:count]) or "empty" for text in texts]


def read_texts(known: Sequence[str], labels: Any, texts: Sequence[str], truth: Any) -> float:
    """Accuracy on `texts` of a reader that learned from `known`: TF-IDF, logistic regression.

    Raises `AugmentationError` for labels of one class only. Used first in chapter 08.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    if len(known) != len(labels) or len(np.unique(labels)) < 2:
        raise AugmentationError(
            f"There are {len(known)} texts and {len(labels)} labels of {len(np.unique(labels))} "
            "classes; give one label for each text, of at least two classes."
        )
    words = TfidfVectorizer(token_pattern=r"[a-z]+", sublinear_tf=True)
    model = LogisticRegression(C=10, tol=1e-2).fit(words.fit_transform(known), labels)
    return float(model.score(words.transform(texts), truth))


def few_of_each(labels: Any, count: int, generator: np.random.Generator) -> np.ndarray:
    """Row numbers of `count` rows of each class, drawn at random without repetition; int64.

    Raises `AugmentationError` when a class has fewer rows. Used first in chapter 08.
    """
    array = np.asarray(labels)
    names, sizes = np.unique(array, return_counts=True)
    if len(names) == 0 or count < 1 or sizes.min() < count:
        raise AugmentationError(
            f"{count} rows of each class are asked for, and the smallest class has "
            f"{sizes.min() if len(names) else 0}; ask for at least 1 and at most that many."
        )
    order = generator.permutation(len(array))
    return np.concatenate([order[array[order] == name][:count] for name in names])


def text_gains(
    known: Sequence[str],
    labels: Any,
    texts: Sequence[str],
    truth: Any,
    generator: np.random.Generator,
) -> dict[str, float]:
    """For each of `EDITS` the accuracy gained by two edited copies of each known text.

    The reader is that of `read_texts`; deletion takes 3 words in 10 and reversal 5 in 10. Raises
    like `read_texts` and `edit_words`. Used first in chapter 08.
    """
    plain, gains = read_texts(known, labels, texts, truth), {}
    for how in EDITS:
        share = 0.5 if how == "reverse" else 0.3
        copies = [edit_words(text, generator, how, share) for text in [*known, *known]]
        more = read_texts([*known, *copies], np.tile(labels, 3), texts, truth)
        gains[how] = more - plain
    return gains
