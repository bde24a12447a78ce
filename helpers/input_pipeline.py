"""From arrays to batches: checked, shuffled by seed and epoch, prepared while the model computes.

On TensorFlow `make_dataset` gives a `tf.data.Dataset`, on other backends a `keras.utils.PyDataset`.
Built in view in chapter 13.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class TrainingError(ValueError):
    """Training asked for in a way that cannot work; one sentence."""


def check_arrays(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """`x` and `y` as arrays fit for training.

    Raises `TrainingError` when one is empty, when their lengths differ, or when a floating-point
    array holds NaN or infinity.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) == 0 or len(y) == 0:
        raise TrainingError(
            f"There is nothing to train on: x has shape {x.shape} and y has shape {y.shape}; "
            "give at least one example and its label."
        )
    if len(x) != len(y):
        raise TrainingError(
            f"x has {len(x)} examples and y has {len(y)}: give one label for each example."
        )
    for name, array in (("x", x), ("y", y)):
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            bad = int(np.count_nonzero(~np.isfinite(array)))
            raise TrainingError(
                f"{name} holds {bad} values that are NaN or infinite: clean or drop these "
                "examples before training."
            )
    return x, y


def check_count(name: str, value: Any) -> int:
    """`value` as an int; raises `TrainingError` unless it is a whole number of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise TrainingError(f"{name} is {value!r}; give a whole number of 1 or more.")
    return int(value)


def as_photographs(images: Any, side: int) -> np.ndarray:
    """Each image enlarged to `side` x `side` pixels and compressed as JPEG: bytes, shape (n,).

    images: (n, height, width, 1), values in [0, 1]. What a product has on disk, as opposed to the
    arrays that a network reads.
    """
    import io

    from PIL import Image

    side = check_count("side", side)
    files = np.empty(len(images), dtype=object)
    for place, image in enumerate(np.asarray(images)):
        picture = Image.fromarray(np.round(image[..., 0] * 255).astype("uint8"))
        picture.resize((side, side)).save(file := io.BytesIO(), "JPEG")
        files[place] = file.getvalue()
    return files


def epoch_order(count: int, epoch: int, seed: int) -> np.ndarray:
    """The order of `count` examples in `epoch` (from 0): int64 permutation of (seed, epoch) alone.

    Because nothing else enters, training that resumes at an epoch sees the same order.
    """
    return np.random.default_rng([seed, epoch]).permutation(count)


def make_dataset(
    x: Any,
    y: Any,
    batch_size: int = 128,
    shuffle: bool = True,
    cache: bool = True,
    seed: int = 0,
    preprocess: Callable[[Any], Any] | None = None,
) -> Any:
    """A data set of batches (x, y) for `fit`, `evaluate` and `fit_timed`, one epoch a pass.

    x           (n, ...) any numeric dtype; y (n, ...)
    shuffle     a new order every pass, fixed by `seed` and the number of the pass
    preprocess  function of one batch of x, written with `keras.ops`; None keeps x as it is
    cache       True runs `preprocess` once for all examples and keeps the result in memory;
                False runs it on every batch of every epoch (random augmentation needs that)

    The last batch may be smaller. The result has the attributes `examples` (n) and `batch_size`,
    and `start_epoch(number)`, which sets the pass that comes next. Raises `TrainingError` for
    arrays or sizes that cannot be trained on. Built in view in chapter 13.
    """
    import keras

    x, y = check_arrays(x, y)
    batch_size = check_count("batch_size", batch_size)
    if preprocess is not None and cache:
        parts = [
            keras.ops.convert_to_numpy(preprocess(x[start : start + batch_size]))
            for start in range(0, len(x), batch_size)
        ]
        x, preprocess = np.concatenate(parts), None
    orders = _Orders(len(x), seed if shuffle else None)
    if keras.backend.backend() == "tensorflow":
        return _tensorflow_dataset(x, y, batch_size, orders, preprocess)
    return _batches_class()(x, y, batch_size, orders, preprocess)


def python_batches(
    x: Any,
    y: Any,
    batch_size: int = 128,
    shuffle: bool = True,
    seed: int = 0,
    preprocess: Callable[[Any], Any] | None = None,
    **options: Any,
) -> Any:
    """A `keras.utils.PyDataset` whose batches are made by Python code, on every backend.

    x may be an array of any objects, such as file contents; `preprocess` is any Python function of
    one batch of x, called for every batch of every epoch. `options` are those of PyDataset:
    `workers`, `use_multiprocessing`, `max_queue_size`. The other arguments and the attributes are
    those of `make_dataset`, and so is the order of the examples. Built in view in chapter 13.
    """
    x, y = check_arrays(x, y)
    orders = _Orders(len(x), seed if shuffle else None)
    size = check_count("batch_size", batch_size)
    return _batches_class()(x, y, size, orders, preprocess, **options)


class _Orders:
    """The orders of the passes over a data set: counts them, and can be set to any of them."""

    def __init__(self, count: int, seed: int | None):
        self.count, self.seed, self.epoch = count, seed, 0

    def current(self) -> np.ndarray:
        if self.seed is None:
            return np.arange(self.count)
        return epoch_order(self.count, self.epoch, self.seed)

    def next_pass(self) -> Iterator[np.ndarray]:
        order = self.current()
        self.epoch += 1
        yield order

    def start_epoch(self, number: int) -> None:
        self.epoch = number


def _tensorflow_dataset(x, y, batch_size: int, orders: _Orders, preprocess) -> Any:
    import tensorflow as tf

    features, labels = tf.constant(x), tf.constant(y)

    def batch(rows):
        # One gather per batch, not one slice per example: the work stays in compiled code.
        taken = tf.gather(features, rows)
        return (taken if preprocess is None else preprocess(taken)), tf.gather(labels, rows)

    # Python is asked once per pass, for the order; everything after it runs without the GIL.
    order = tf.data.Dataset.from_generator(
        orders.next_pass, output_signature=tf.TensorSpec((orders.count,), tf.int64)
    )
    rows = order.unbatch().batch(batch_size)
    dataset = rows.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    size = -(-orders.count // batch_size)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
    dataset.examples, dataset.batch_size = orders.count, batch_size
    dataset.start_epoch = orders.start_epoch
    return dataset


@functools.cache
def _batches_class() -> type:
    """The class `ArrayBatches`; made on first use, since its base class needs Keras."""
    import keras

    class ArrayBatches(keras.utils.PyDataset):
        """Batches of arrays in an order fixed by seed and epoch, on any backend."""

        def __init__(self, x, y, batch_size: int, orders: _Orders, preprocess=None, **options):
            super().__init__(**options)
            self.x, self.y, self.batch_size = x, y, batch_size
            self.examples, self.preprocess = len(x), preprocess
            self._orders, self._order = orders, orders.current()

        def __len__(self) -> int:
            return -(-self.examples // self.batch_size)

        def __getitem__(self, number: int):
            rows = self._order[number * self.batch_size : (number + 1) * self.batch_size]
            x = self.x[rows] if self.preprocess is None else self.preprocess(self.x[rows])
            return x, self.y[rows]

        def on_epoch_end(self) -> None:
            self.start_epoch(self._orders.epoch + 1)

        def start_epoch(self, number: int) -> None:
            self._orders.start_epoch(number)
            self._order = self._orders.current()

    return ArrayBatches
