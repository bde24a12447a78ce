"""The course's data: `load` arrays and tables, `text`, `documents`, and where they come from.

Data sets embedded in installed packages need no network. The others are found in a local mirror
(`COURSE_DATA_DIR`), in the cache, or downloaded; each file is verified (`helpers.data_sources`).
Splits are fixed: the official one where there is one, else a stratified one with seed 0 that the
data card in `data/cards/` documents. Chapter 06 builds content hashes and data cards in view.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from helpers.data_catalog import DataError, DataFile, Entry, catalogue, entry
from helpers.data_sources import bytes_downloaded, fetch, mirror, where

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = [
    "DataError",
    "DataFile",
    "Documents",
    "Entry",
    "Split",
    "bytes_downloaded",
    "catalogue",
    "documents",
    "entry",
    "fetch",
    "load",
    "mirror",
    "text",
    "where",
]

ARRAYS = ("image", "table", "series")


@dataclass(frozen=True, eq=False)
class Split:
    """A data set split into a training and a test part.

    x: float32 (n, height, width, channels) in [0, 1] for images; float64 (n, features) for numeric
    tables, a DataFrame where columns are mixed (int64 and category); float32 (n, length, channels)
    for time series, NaN where a series is shorter than the longest. y: int64 class indices into
    `class_names`; float64 targets where `class_names` is empty (regression).
    """

    name: str
    x_train: np.ndarray | pd.DataFrame
    y_train: np.ndarray
    x_test: np.ndarray | pd.DataFrame
    y_test: np.ndarray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str
    licence: str

    def describe(self) -> str:
        """One line: sizes, shape of one example, classes, source."""
        task = f"{len(self.class_names)} classes" if self.class_names else "a numeric target"
        shape = " x ".join(str(axis) for axis in self.x_train.shape[1:])
        return (
            f"{self.name}: {len(self.y_train):,} training and {len(self.y_test):,} test examples, "
            f"{shape} values each, {task}. Source: {self.source}"
        )

    def subset(self, train: int | None = None, test: int | None = None, seed: int = 0) -> Split:
        """A Split with `train` and `test` examples (None: all), in their original order.

        Classification keeps the class proportions, with at least one example of every class; the
        same seed gives the same examples. `DataError` if more is asked for than there is.
        """
        kept = {}
        for part, count in (("train", train), ("test", test)):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            if count is not None:
                rows = _sample(self, part, y, count, seed)
                x = x[rows] if not hasattr(x, "iloc") else x.iloc[rows].reset_index(drop=True)
                kept |= {f"x_{part}": x, f"y_{part}": y[rows]}
        return replace(self, **kept)


@dataclass(frozen=True)
class Documents:
    """Labelled texts, split and in shuffled order; labels are int64 indices into class_names."""

    name: str
    texts_train: tuple[str, ...]
    labels_train: np.ndarray
    texts_test: tuple[str, ...]
    labels_test: np.ndarray
    class_names: tuple[str, ...]
    source: str
    licence: str


def load(name: str) -> Split:
    """The data set `name` as a Split; `DataError` if it is unknown, damaged or out of reach.

    Names: digits, breast_cancer, wine, iris, diabetes (embedded in scikit-learn), fashion_mnist,
    mnist, cifar10, adult, compas, italy_power_demand, japanese_vowels, basic_motions.
    """
    from helpers.data_readers import READERS

    item = entry(name, ARRAYS)
    x_train, y_train, x_test, y_test, feature_names, class_names = READERS[name](item)
    origin = (item.source, item.licence)
    return Split(name, x_train, y_train, x_test, y_test, feature_names, class_names, *origin)


def text(name: str) -> str:
    """One long English text: "python_docs" (embedded in Python) or "tiny_shakespeare"."""
    item = entry(name, ("text",))
    if name == "python_docs":
        from helpers.data_text import python_docs

        return python_docs()
    return fetch(item.name)[0].read_text(encoding="utf-8")


def documents(name: str) -> Documents:
    """Labelled documents: "docstrings" (by package, embedded) or "movie_reviews" (by polarity).

    docstrings: 1,800 and 600, split by source file, package names masked (`helpers.data_text`).
    movie_reviews: folds 1 to 8 of the authors' ten are the 1,600 training texts, 9 and 10 the 400
    test texts. The order is shuffled with seed 0.
    """
    import numpy as np

    item = entry(name, ("documents",))
    if name == "docstrings":
        from helpers.data_text import PACKAGES as class_names
        from helpers.data_text import docstrings

        train, test = docstrings()
    else:
        from helpers.data_formats import read_reviews

        class_names = ("negative", "positive")
        reviews = sorted(read_reviews(fetch(item.name)[0]).items())
        labelled = [(path[6], (body, int(path.startswith("pos/")))) for path, body in reviews]
        train = [pair for fold, pair in labelled if fold < "8"]
        test = [pair for fold, pair in labelled if fold >= "8"]
    parts = []
    for pairs in (train, test):
        order = np.random.default_rng(0).permutation(len(pairs))
        parts.append(tuple(pairs[index][0] for index in order))
        parts.append(np.array([pairs[index][1] for index in order], dtype=np.int64))
    return Documents(name, *parts, tuple(class_names), item.source, item.licence)


def _sample(split: Split, part: str, y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Ascending row numbers of a sample of `count`, stratified by class if there are classes."""
    import numpy as np

    try:
        count = operator.index(count)
    except TypeError:
        raise DataError(
            f"{part}={count!r} is no whole number: give a number of examples."
        ) from None
    least = max(1, len(np.unique(y)) if split.class_names else 1)
    if not least <= count <= len(y):
        raise DataError(
            f"{split.name} cannot give {count:,} {part} examples: ask for {least:,} to {len(y):,}, "
            "or None for all."
        )
    rng = np.random.default_rng([seed, part == "test"])
    if not split.class_names:
        return np.sort(rng.choice(len(y), count, replace=False))
    sizes = np.unique(y, return_counts=True)[1]
    shares = count * sizes / len(y)
    take = np.maximum(1, np.floor(shares)).astype(int)
    while (
        take.sum() != count
    ):  # Largest remainder: the class furthest from its share gives or gets.
        step = 1 if take.sum() < count else -1
        gap = np.where(take + step >= 1, step * (shares - take), -np.inf)
        take[np.argmax(gap)] += step
    groups = [np.flatnonzero(y == label) for label in np.unique(y)]
    chosen = [rng.choice(rows, n, replace=False) for rows, n in zip(groups, take, strict=True)]
    return np.sort(np.concatenate(chosen))
