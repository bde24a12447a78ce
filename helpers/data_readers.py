"""One reader per data set: from its files, or from scikit-learn, to a training and a test part.

Each reader takes the catalogue's entry and returns x_train, y_train, x_test, y_test, feature names
and class names, as the fields of `helpers.data.Split` describe them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helpers.data_catalog import Entry
from helpers.data_sources import fetch

if TYPE_CHECKING:
    import numpy as np


def _held_out(x: Any, y: np.ndarray, test: int, classes: bool) -> tuple:
    """x_train, y_train, x_test, y_test with `test` rows held out: stratified, seed 0, shuffled."""
    from sklearn.model_selection import train_test_split

    strata = y if classes else None
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=test, random_state=0, stratify=strata
    )
    if hasattr(x, "iloc"):
        x_train, x_test = (part.reset_index(drop=True) for part in (x_train, x_test))
    return x_train, y_train, x_test, y_test


def _scikit_learn(test: int) -> Callable[[Entry], tuple]:
    """A reader of the data set embedded in scikit-learn, with `test` examples held out."""

    def read(item: Entry) -> tuple:
        from sklearn import datasets

        # Unscaled: scikit-learn's scaled diabetes table has seen the test rows.
        options = {"scaled": False} if item.name == "diabetes" else {}
        bunch = getattr(datasets, f"load_{item.name}")(**options)
        classes = tuple(str(label) for label in getattr(bunch, "target_names", ()))
        if item.name == "digits":
            x, names = (bunch.images[..., None] / 16).astype("float32"), ()
        else:
            x, names = bunch.data, tuple(str(name) for name in bunch.feature_names)
        y = bunch.target.astype("int64" if classes else "float64")
        return *_held_out(x, y, test, bool(classes)), names, classes

    return read


def _unit_images(x_train, y_train, x_test, y_test, classes: str) -> tuple:
    """uint8 images as float32 in [0, 1] with a channel axis, labels as int64."""
    images = [x.reshape(*x.shape[:3], -1).astype("float32") / 255 for x in (x_train, x_test)]
    labels = [y.astype("int64") for y in (y_train, y_test)]
    return images[0], labels[0], images[1], labels[1], (), tuple(classes.split("|"))


def _fashion_mnist(item: Entry) -> tuple:
    from helpers.data_formats import read_idx

    classes = "T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|Bag|Ankle boot"
    return _unit_images(*(read_idx(path) for path in fetch(item.name)), classes)


def _mnist(item: Entry) -> tuple:
    import numpy as np

    with np.load(fetch(item.name)[0], allow_pickle=False) as arrays:
        parts = [arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")]
    return _unit_images(*parts, "0|1|2|3|4|5|6|7|8|9")


def _cifar10(item: Entry) -> tuple:
    from helpers.data_formats import read_cifar

    classes = "airplane|automobile|bird|cat|deer|dog|frog|horse|ship|truck"
    return _unit_images(*read_cifar(fetch(item.name)[0]), classes)


def _adult(item: Entry) -> tuple:
    from helpers.data_formats import read_adult

    parts = read_adult(*fetch(item.name))
    return *parts, tuple(parts[0].columns), ("<=50K", ">50K")


def _compas(item: Entry) -> tuple:
    from helpers.data_formats import read_compas

    x, y = read_compas(fetch(item.name)[0])
    return *_held_out(x, y, 1852, True), tuple(x.columns), ("no new charge", "new charge")


def _series(item: Entry) -> tuple:
    import numpy as np

    from helpers.data_formats import pad, read_ts

    (train, labels_train, classes), (test, labels_test, _) = map(read_ts, fetch(item.name))
    padded = pad(train + test)
    y = np.array([classes.index(label) for label in labels_train + labels_test], dtype=np.int64)
    names = tuple(f"channel_{number}" for number in range(1, padded.shape[2] + 1))
    cut = len(train)
    return padded[:cut], y[:cut], padded[cut:], y[cut:], names, classes


READERS: dict[str, Callable[[Entry], tuple]] = {
    "digits": _scikit_learn(500),
    "breast_cancer": _scikit_learn(189),
    "wine": _scikit_learn(59),
    "iris": _scikit_learn(50),
    "diabetes": _scikit_learn(147),
    "fashion_mnist": _fashion_mnist,
    "mnist": _mnist,
    "cifar10": _cifar10,
    "adult": _adult,
    "compas": _compas,
    "italy_power_demand": _series,
    "japanese_vowels": _series,
    "basic_motions": _series,
}
