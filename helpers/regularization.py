"""Regularisation: many networks trained side by side, each with a recipe of its own.

Built in view in chapter 04.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


class RegularizationError(ValueError):
    """Recipes or sizes that cannot be trained as asked; one sentence."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """How one network is kept from overfitting.

    l1, l2   coefficients of the sum of absolute and of squared weights, biases left out
    dropout  share of hidden units that are dropped at each training step, below 1
    units    hidden units, 0 for all that the program has
    rows     numbers of the rows to train on, None for the first block of rows
    """

    name: str
    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    units: int = 0
    rows: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Trained networks, one along the first axis: copy 0 of every recipe, then copy 1, ...

    weights, best_weights: kernel (networks, inputs, units), bias, kernel (networks, units,
    classes), bias after the last epoch, and after each network's epoch of least validation loss.
    validation_loss: (networks, epochs), mean cross-entropy in nats, penalties left out.
    """

    names: tuple[str, ...]
    weights: tuple[np.ndarray, ...]
    best_weights: tuple[np.ndarray, ...]
    validation_loss: np.ndarray

    def logits(self, x: np.ndarray, name: str = "", best: bool = False) -> np.ndarray:
        """float32 (networks, n, classes) for x (n, inputs).

        Of the networks of the recipe `name`, or of all; from `best_weights` if `best`.
        """
        places = self.places(name) if name else slice(None)
        kept = self.best_weights if best else self.weights
        return forward([part[places] for part in kept], x)

    def accuracy(self, x: np.ndarray, y: Any, name: str = "", best: bool = False) -> float:
        """Share of the rows of x answered as y says, mean over the networks; see `logits`."""
        return float((self.logits(x, name, best).argmax(axis=-1) == np.asarray(y)).mean())

    def places(self, name: str) -> np.ndarray:
        """Places of the networks of the recipe `name`; `RegularizationError` without one."""
        found = np.flatnonzero([name == known for known in self.names])
        if not len(found):
            raise RegularizationError(
                f"No network was trained as '{name}': the recipes are "
                f"{', '.join(dict.fromkeys(self.names))}."
            )
        return found


def forward(weights: Sequence[np.ndarray], x: np.ndarray) -> np.ndarray:
    """float32 (networks, n, classes): logits of one-hidden-layer ReLU networks in NumPy."""
    kernel, bias, last, last_bias = weights
    networks, inputs, units = kernel.shape
    # One large product for all networks: many small ones would wait for their threads.
    hidden = np.asarray(x, np.float32) @ kernel.transpose(1, 0, 2).reshape(inputs, -1)
    hidden = hidden.reshape(len(x), networks, units).transpose(1, 0, 2)
    return np.maximum(hidden + bias[:, None], 0) @ last + last_bias[:, None]


def cross_entropy(logits: np.ndarray, y: Any) -> np.ndarray:
    """Mean cross-entropy in nats over the last-but-one axis of logits (..., n, classes)."""
    z = logits - logits.max(axis=-1, keepdims=True)
    right = np.take_along_axis(z, np.broadcast_to(y, z.shape[:-1])[..., None], -1)[..., 0]
    return (np.log(np.exp(z).sum(axis=-1)) - right).mean(axis=-1)


def _check(recipes: Sequence[Recipe], x, y, block: int, sizes: dict[str, int]) -> None:
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RegularizationError(f"{name} is {value!r}; give a whole number of 1 or more.")
    if np.ndim(x) != 2 or len(x) != len(y) or not sizes["batch_size"] <= block <= len(x):
        raise RegularizationError(
            f"x has the shape {np.shape(x)}, with {len(y)} labels and a first block of {block} "
            "rows; give (rows, inputs), one label a row, and a block of a batch or more."
        )
    if not recipes or len({recipe.name for recipe in recipes}) != len(recipes):
        raise RegularizationError("Give at least one recipe, each with a name of its own.")
    for recipe in recipes:
        if min(recipe.l1, recipe.l2) < 0 or not 0 <= recipe.dropout < 1:
            raise RegularizationError(
                f"The recipe '{recipe.name}' has the penalties {recipe.l1} and {recipe.l2} and "
                f"drops {recipe.dropout}; give penalties of 0 or more and a share below 1."
            )
        if not 0 <= recipe.units <= sizes["units"]:
            raise RegularizationError(
                f"The recipe '{recipe.name}' asks for {recipe.units} hidden units; there are "
                f"{sizes['units']}."
            )
        rows = np.arange(block) if recipe.rows is None else np.asarray(recipe.rows)
        if rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= len(x):
            raise RegularizationError(
                f"The rows of the recipe '{recipe.name}' do not fit; give at least one of the "
                f"rows from 0 to {len(x) - 1}."
            )


def _starts(recipes, inputs: int, units: int, classes: int, copies: int, seed) -> list[np.ndarray]:
    """Glorot-uniform weights; within a copy all recipes begin with the same random numbers."""
    first, last = [], []
    for copy in range(copies):
        generator = np.random.default_rng([seed, 0, copy])
        shapes = ((inputs, units), (units, classes))
        one, two = (generator.uniform(-1, 1, shape).astype(np.float32) for shape in shapes)
        for recipe in recipes:
            own = recipe.units or units  # the others get no weights, and so no gradient
            used = np.arange(units) < own
            first.append(one * used * np.float32(np.sqrt(6 / (inputs + own))))
            last.append(two * used[:, None] * np.float32(np.sqrt(6 / (own + classes))))
    count = len(first)
    zeros = (np.zeros((count, size), np.float32) for size in (units, classes))
    return [np.stack(first), next(zeros), np.stack(last), next(zeros)]


def _orders(recipes, block: int, length: int, copies: int, seed) -> np.ndarray:
    """(length, networks) row numbers: each network's rows again and again, in a new order."""
    orders = []
    for copy in range(copies):
        for recipe in recipes:
            rows = np.arange(block) if recipe.rows is None else np.asarray(recipe.rows)
            generator = np.random.default_rng([seed, 1, copy])
            passes = [generator.permutation(rows) for _ in range(-(-length // len(rows)))]
            orders.append(np.concatenate(passes)[:length])
    return np.stack(orders, axis=1)


def _program(recipes, table, units: int, classes: int, copies: int, seed) -> keras.Model:
    """Keras model: row numbers (batch, networks) -> logits (batch, networks, classes)."""
    import keras
    from keras import layers, ops

    l1, l2, rate = (
        np.tile(np.array([getattr(r, name) for r in recipes], np.float32), copies)
        for name in ("l1", "l2", "dropout")
    )
    count = len(rate)

    class Rows(layers.Layer):
        """The inputs of the rows that each network trains on next."""

        def call(self, rows):
            return ops.take(ops.convert_to_tensor(table), rows, axis=0)

    class Dropout(layers.Layer):
        """Dropout with a rate of its own for each network."""

        def __init__(self):
            super().__init__(dtype="float32")
            self.draw = keras.random.SeedGenerator(seed)

        def call(self, h, training=False):
            if not training or not rate.any():
                return h
            kept = keras.random.uniform(ops.shape(h), seed=self.draw) >= rate[:, None]
            return h * ops.cast(kept, h.dtype) / (1 - rate[:, None])

    def penalty(kernel):
        each = l1[:, None, None] * ops.abs(kernel) + l2[:, None, None] * ops.square(kernel)
        return ops.sum(each)

    options = {"bias_axes": "no", "kernel_regularizer": penalty, "dtype": "float32"}
    rows = keras.Input((count,), dtype="int32")
    hidden = layers.EinsumDense("bni,nio->bno", (count, units), activation="relu", **options)
    h = Dropout()(hidden(Rows()(rows)))
    return keras.Model(rows, layers.EinsumDense("bni,nio->bno", (count, classes), **options)(h))


def train_side_by_side(
    recipes: Sequence[Recipe],
    x: np.ndarray,
    y: Any,
    validation: tuple[np.ndarray, Any],
    *,
    block: int,
    units: int = 128,
    classes: int = 10,
    epochs: int = 40,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    copies: int = 1,
    seed: int = 0,
) -> SideBySide:
    """`SideBySide`: one-hidden-layer ReLU networks, one per recipe and copy, trained with Adam.

    x (rows, inputs) and y (rows,) hold everything that any recipe trains on; its first `block` rows
    are the training set of recipes without `rows`. An epoch is block // batch_size steps for every
    network, so that all take equally many steps. Within a copy all networks begin with the same
    random weights and see equal rows in equal order. The loss is the sum over the networks, so that
    each gets the gradient that it would get alone. Raises `RegularizationError`. Built in view in
    chapter 04.
    """
    import keras
    from keras import ops

    x, y = np.asarray(x, np.float32), np.asarray(y, np.int64)
    sizes = {"units": units, "epochs": epochs, "batch_size": batch_size, "copies": copies}
    _check(recipes, x, y, block, sizes)
    steps = block // batch_size
    orders = _orders(recipes, block, epochs * steps * batch_size, copies, seed)
    model = _program(recipes, x, units, classes, copies, seed)
    starts = _starts(recipes, x.shape[1], units, classes, copies, seed)
    for variable, value in zip(model.trainable_variables, starts, strict=True):
        variable.assign(value)

    def loss(truth, logits):
        one = keras.losses.sparse_categorical_crossentropy(truth, logits, from_logits=True)
        return ops.sum(one, axis=-1)

    model.compile(keras.optimizers.Adam(learning_rate), loss, jit_compile=False)
    watch = _watch(*validation)
    options = {"batch_size": batch_size, "epochs": epochs, "steps_per_epoch": steps, "verbose": 0}
    model.fit(orders, y[orders], shuffle=False, callbacks=[watch], **options)
    names = tuple(recipe.name for recipe in recipes) * copies
    return SideBySide(names, watch.weights, watch.best, np.stack(watch.losses, axis=1))


def _watch(x: np.ndarray, y: Any) -> Any:
    """Callback that keeps validation losses, the last weights, and each network's best ones."""
    import keras

    class Watch(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.losses: list[np.ndarray] = []
            self.weights = self.best = ()

        def on_epoch_end(self, epoch, logs=None):
            variables = self.model.trainable_variables
            self.weights = tuple(keras.ops.convert_to_numpy(value) for value in variables)
            found = cross_entropy(forward(self.weights, x), y)
            better = found < np.min(self.losses, axis=0) if self.losses else found < np.inf
            self.losses.append(found)
            if not self.best:
                self.best = tuple(value.copy() for value in self.weights)
            for best, value in zip(self.best, self.weights, strict=True):
                best[better] = value[better]

    return Watch()
