"""What the generalization experiments need: rows in groups, class attributes, small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_BLOCK = 130  # images in a row of the digits file; 13 people wrote 1,797 digits


class GeneralizationError(ValueError):
    """A table, a data set or a group that the experiment cannot use; one sentence."""


@dataclass(frozen=True, eq=False)
class GroupedRows:
    """Rows that belong together in groups: float64 x (n, columns), int64 y and groups (n,).

    `unit` says in words what a row is and what a group is.
    """

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    unit: str

    def describe(self) -> str:
        """One line: rows, groups, classes and what they are."""
        return (
            f"{len(self.y):,} rows in {len(np.unique(self.groups)):,} groups, "
            f"{len(np.unique(self.y))} classes: {self.unit}."
        )


def grouped_rows(name: str) -> GroupedRows:
    """The `GroupedRows` of the data set `name`: "digits" or "japanese_vowels".

    digits: all 1,797 images in the order of the file. 13 people wrote them one after the other,
    and who wrote which is not recorded, so the groups are blocks of 130 neighbouring images: a
    stand-in for the writer, not the writer. Alpaydin and Kaynak 1998,
    https://doi.org/10.24432/C50P49. The image order is lost in `helpers.data.load`, which shuffles.
    japanese_vowels: one row for each frame of speech (12 cepstrum coefficients), the group is the
    utterance it was cut from, the class is the speaker. Raises `GeneralizationError` for another
    name. Built for chapter 03.
    """
    if name == "digits":
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        y = labels.astype(np.int64)
        groups = np.minimum(np.arange(len(y)) // _BLOCK, len(y) // _BLOCK - 1)
        unit = "a row is a handwritten digit, a group is a block of neighbours in the file"
        return GroupedRows(images / 16.0, y, groups, unit)
    if name == "japanese_vowels":
        from helpers import data

        split = data.load(name)
        series = np.concatenate([split.x_train, split.x_test]).astype(np.float64)
        speakers = np.concatenate([split.y_train, split.y_test])
        # A series shorter than the longest is filled up with NaN: those frames do not exist.
        utterance, frame = np.nonzero(np.isfinite(series).all(axis=2))
        unit = "a row is a frame of speech, a group is the utterance it was cut from"
        return GroupedRows(series[utterance, frame], speakers[utterance], utterance, unit)
    raise GeneralizationError(
        f"'{name}' has no groups here; use 'digits' or 'japanese_vowels', or build GroupedRows "
        "from your own x, y and groups."
    )


@dataclass(frozen=True, eq=False)
class Attributes:
    """What each class looks like in words: `table` is float64 of 0 and 1, (classes, names)."""

    names: tuple[str, ...]
    table: np.ndarray


# Written down from the shapes before the first experiment, and not changed after one: a table that
# is tuned until zero-shot accuracy is high has seen the unseen classes.
_DIGIT_NAMES = (
    "closed loop above|closed loop below|one large loop|flat top|flat bottom|upright stroke|"
    "bow open to the left above|bow open to the left below|slanted stroke|crossbar"
)
_DIGITS = (
    "0010000000 0000010000 0000101010 0000001100 0000000011 "
    "0001000100 0100000010 0001000011 1100000000 1000000100"
)
_FASHION_NAMES = (
    "worn on the upper body|has sleeves|long sleeves|two legs|skirt|footwear|covers the ankle|"
    "open straps|has a handle|opens in front|long and narrow"
)
_FASHION = (
    "11000000000 00010000001 11100000000 10001000001 11100000010 "
    "00000101000 11000000010 00000100000 00000000100 00000110000"
)
_TABLES = {
    "digits": (_DIGIT_NAMES, _DIGITS),
    "mnist": (_DIGIT_NAMES, _DIGITS),
    "fashion_mnist": (_FASHION_NAMES, _FASHION),
}


def class_attributes(name: str) -> Attributes:
    """The `Attributes` of the classes of "digits", "mnist" or "fashion_mnist", in class order.

    The tables are written by hand from how the classes look. Raises `GeneralizationError` for a
    data set without one. Built for chapter 03.
    """
    if name not in _TABLES:
        raise GeneralizationError(
            f"Nobody has described the classes of '{name}'; use one of {', '.join(_TABLES)}, or "
            "build Attributes from your own table."
        )
    names, rows = _TABLES[name]
    table = np.array([[int(mark) for mark in row] for row in rows.split()], dtype=np.float64)
    return Attributes(tuple(names.split("|")), table)


def pixels(images: Any, side: int = 14) -> np.ndarray:
    """float64 (n, columns): images (n, height, width, 1) flattened, larger ones averaged down.

    Blocks of `height // side` by `width // side` pixels become their mean where an image has more
    than `side` pixels a side; a 28 x 28 image becomes 196 columns, a third of the training time.
    Raises `GeneralizationError` for an empty array, another shape, and a size that `side` does not
    divide.
    """
    array = np.asarray(images, dtype=np.float64)
    if array.ndim != 4 or array.shape[3] != 1 or not array.size:
        raise GeneralizationError(
            f"The images have the shape {array.shape}; give grey images as (n, height, width, 1) "
            "with at least one image."
        )
    count, height, width, _ = array.shape
    if height <= side and width <= side:
        return array.reshape(count, -1)
    if height % side or width % side:
        raise GeneralizationError(
            f"Images of {height} x {width} pixels cannot be averaged down to {side} a side; give "
            "a side that divides both."
        )
    blocks = array.reshape(count, side, height // side, side, width // side)
    return blocks.mean(axis=(2, 4)).reshape(count, -1)
