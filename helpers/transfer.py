"""Transfer learning: few labels, restarted training, layer-wise learning rates, frozen weights.

Low-rank adapters are in `helpers.low_rank`. Built in view in chapter 12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.intervals import Interval

if TYPE_CHECKING:
    import keras


class TransferError(ValueError):
    """Labels, weights or layers that cannot be transferred as asked; one sentence."""


def few_labels(y: Any, per_class: int, seed: int | Sequence[int] = 0) -> np.ndarray:
    """int64 row numbers of `per_class` examples of every class in `y`, classes taking turns.

    With the same seed a smaller set is the beginning of a larger one, so that a curve over the
    number of labels adds examples and replaces none. Raises `TransferError` when a class has fewer
    examples. Built in view in chapter 12.
    """
    y = np.asarray(y)
    if isinstance(per_class, bool) or not isinstance(per_class, int) or per_class < 1:
        raise TransferError(f"per_class is {per_class!r}; give a whole number of 1 or more.")
    generator = np.random.default_rng(seed)
    drawn = [generator.permutation(np.flatnonzero(y == label)) for label in np.unique(y)]
    least = min((len(rows) for rows in drawn), default=0)
    if per_class > least:
        raise TransferError(
            f"There are {per_class} labels per class to draw and only {least} examples of one "
            f"class; ask for at most {least}."
        )
    return np.stack([rows[:per_class] for rows in drawn], axis=1).ravel().astype(np.int64)


def restart(model: keras.Model, weights: Sequence[np.ndarray], learning_rate: float) -> None:
    """Puts `weights` into a compiled model and its optimizer back to the start.

    Compiling anew would do as well, and would build the training program again, which takes longer
    than training a small model. The optimizer's moments and step count become zero; only Adam and
    other optimizers whose state starts at zero are restarted truly. Raises `TransferError` for a
    model that was not compiled, or compiled with a schedule as learning rate.
    """
    from keras import ops

    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise TransferError("The model is not compiled; compile it before you restart it.")
    model.set_weights(weights)
    for variable in optimizer.variables:
        variable.assign(ops.zeros(variable.shape, variable.dtype))
    try:
        optimizer.learning_rate = learning_rate
    except TypeError as error:
        raise TransferError(
            "The learning rate of this optimizer is a schedule; compile with a number."
        ) from error


def linear_probe(
    features: np.ndarray, labels: Any, per_class: int, draws: int, seed: int = 0
) -> float:
    """Accuracy of a linear classifier trained on few labels, tested on all other examples.

    features   numbers (examples, n); labels  classes (examples,)
    per_class  labels of each class to train on, drawn by `few_labels`
    draws      how often they are drawn anew, with [seed, 0], [seed, 1], ...; the mean is returned

    The classifier is scikit-learn's ridge classifier, its penalty chosen by leave-one-out on the
    labelled examples alone. It says what features know, whatever made them (Alain and Bengio 2016,
    https://arxiv.org/abs/1610.01644). Raises `TransferError` when rows and labels are not equally
    many, or nothing is left to test on. Built in view in chapter 12.
    """
    from sklearn.linear_model import RidgeClassifierCV

    features, labels = np.asarray(features), np.asarray(labels)
    used = per_class * len(np.unique(labels))
    if len(features) != len(labels) or len(labels) <= used or draws < 1:
        raise TransferError(
            f"There are {len(features)} rows of features and {len(labels)} labels, {used} of them "
            f"to train on, and {draws} draws; give one row for each label, more rows than those "
            "to train on, and at least one draw."
        )
    scores = []
    for draw in range(draws):
        rows = few_labels(labels, per_class, [seed, draw])
        rest = np.setdiff1d(np.arange(len(labels)), rows)
        classifier = RidgeClassifierCV(10.0 ** np.arange(-4, 4)).fit(features[rows], labels[rows])
        scores.append(classifier.score(features[rest], labels[rest]))
    return float(np.mean(scores))


def training_order(
    rows: Sequence[int] | np.ndarray, steps: int, batch_size: int, seed: int | Sequence[int] = 0
) -> np.ndarray:
    """int64 (steps * batch_size,): `rows` again and again, each pass in a new order.

    So few examples fill whole batches: a batch may hold the end of one pass and the beginning of
    the next. Raises `TransferError` without rows or for sizes below 1.
    """
    rows = np.asarray(rows, dtype=np.int64)
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise TransferError(f"{name} is {value!r}; give a whole number of 1 or more.")
    if rows.ndim != 1 or not len(rows):
        raise TransferError("There are no examples to train on; give at least one row number.")
    generator, size = np.random.default_rng(seed), steps * batch_size
    passes = [generator.permutation(rows) for _ in range(-(-size // len(rows)))]
    return np.concatenate(passes)[:size]


def fit_each(
    model: keras.Model,
    starts: Sequence[Sequence[np.ndarray]],
    data: tuple[np.ndarray, np.ndarray],
    orders: Sequence[np.ndarray],
    learning_rate: float,
    batch_size: int = 32,
) -> list[list[np.ndarray]]:
    """The weights after training the compiled `model` once from each of `starts`.

    data    (x, y), from which each training takes its own rows
    orders  row numbers of each training in the order of use, as `training_order` gives them, all of
            one length, a multiple of `batch_size`

    Every training begins with its own weights and a fresh optimizer (`restart`), and takes the same
    number of steps. They are the epochs of a single `fit`: to build the input pipeline and the
    training program for each would take longer than training a small model. Raises `TransferError`
    for lists that do not fit together. Built in view in chapter 12.
    """
    import keras

    lengths = {len(order) for order in orders}
    if not orders or len(starts) != len(orders) or len(lengths) != 1:
        raise TransferError(
            f"There are {len(starts)} starts and {len(orders)} orders of {len(lengths)} lengths; "
            "give equally many, at least one, all orders of the same length."
        )
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise TransferError(f"batch_size is {batch_size!r}; give a whole number of 1 or more.")
    steps, rest = divmod(lengths.pop(), batch_size)
    if rest or not steps:
        raise TransferError(
            f"The orders do not make whole batches of {batch_size}; give a multiple of it."
        )
    found: list[list[np.ndarray]] = []

    class Restart(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            restart(model, starts[epoch], learning_rate)

        def on_epoch_end(self, epoch, logs=None):
            found.append(model.get_weights())

    rows = np.concatenate(orders)
    options = {"batch_size": batch_size, "epochs": len(starts), "steps_per_epoch": steps}
    model.fit(
        data[0][rows], data[1][rows], shuffle=False, verbose=0, callbacks=[Restart()], **options
    )
    return found


def layerwise_adam(
    learning_rate: float, factors: Mapping[str, float], default: float = 1.0
) -> keras.optimizers.Optimizer:
    """Adam whose learning rate is multiplied by a factor of each layer.

    factors  layer name -> factor of 0 or more; `default` for the layers not named

    Scaling the gradients instead would do nothing, because Adam divides by their size. Smaller
    rates for lower layers are discriminative fine-tuning (Howard and Ruder 2018,
    https://arxiv.org/abs/1801.06146). Raises `TransferError` for a negative factor. Built in view
    in chapter 12.
    """
    import keras

    chosen = dict(factors)
    for name, factor in [*chosen.items(), ("default", default)]:
        if isinstance(factor, str) or not factor >= 0:
            raise TransferError(
                f"The factor of '{name}' is {factor!r}; give a number of 0 or more."
            )

    class LayerwiseAdam(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            # On TensorFlow a bare variable arrives here, which does not know its layer.
            path = self._trainable_variables[self._get_variable_index(variable)].path
            layer = path.split("/")[-2]
            super().update_step(gradient, variable, learning_rate * chosen.get(layer, default))

    return LayerwiseAdam(learning_rate)


def changed_weights(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> int:
    """How many numbers differ between two lists of arrays, compared bit by bit.

    -0.0 and 0.0 differ, and a NaN equals itself. Raises `TransferError` when shapes or types
    differ. Built in view in chapter 12.
    """
    kinds = [[(np.shape(a), np.asarray(a).dtype) for a in part] for part in (before, after)]
    if kinds[0] != kinds[1]:
        raise TransferError("The two lists hold arrays of different shapes or types.")
    total = 0
    for one, other in zip(before, after, strict=True):
        one, other = (np.ascontiguousarray(a).reshape(-1) for a in (one, other))
        size = one.dtype.itemsize
        bits = (a.view(np.uint8).reshape(-1, size) for a in (one, other))
        total += int(np.any(np.not_equal(*bits), axis=1).sum())
    return total


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """The `Interval` of the mean of repeated runs: Student's t, for a handful of seeds.

    It speaks of the luck in whatever the runs drew anew, and assumes that they are independent and
    roughly normal. Raises `TransferError` for fewer than two values or a level outside (0, 1).
    Built in view in chapter 12.
    """
    from scipy.stats import t

    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2 or not np.isfinite(array).all():
        raise TransferError("An interval needs two or more finite values, one for each run.")
    if not 0 < level < 1:
        raise TransferError(f"The level is {level!r}; give a share between 0 and 1.")
    half = t.ppf((1 + level) / 2, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return Interval(float(array.mean()), float(array.mean() - half), float(array.mean() + half))
