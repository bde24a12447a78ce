"""Distillation: small networks that learn from a large one's answers, many of them side by side.

The loss for one student is `helpers.compression.distillation_loss`. Built in view in chapter 20.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class DistillationError(ValueError):
    """Targets, rows or sizes that do not make a student; one sentence."""


def soft_targets(logits: Any, temperature: float = 1.0) -> np.ndarray:
    """float32 (..., classes): softmax of `logits` / `temperature`; each row adds up to 1.

    Above 1 the temperature lets the small probabilities speak, at 1 they are what the model says.
    Source: Hinton et al. 2015, https://arxiv.org/abs/1503.02531.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise DistillationError(f"The temperature is {temperature!r}; give a number above 0.")
    z = np.asarray(logits, np.float64) / temperature
    z = np.exp(z - z.max(axis=-1, keepdims=True))
    return (z / z.sum(axis=-1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Targets:
    """What one kind of student is told about each input.

    probabilities  float32 (n, classes), one row an input; a label is a row with a single 1
    temperature    by which the student's logits are divided in training, as the teacher's were
    """

    probabilities: np.ndarray
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class Students:
    """Trained students of one hidden ReLU layer: for each kind of targets the same copies.

    kinds    names of the kinds of targets
    weights  kernel (copies, kinds, inputs, units), bias (copies, kinds, units), kernel (copies,
             kinds, units, classes) and bias (copies, kinds, classes), all float32
    """

    kinds: tuple[str, ...]
    weights: tuple[np.ndarray, ...]

    def network(self, kind: str, copy: int = 0) -> list[np.ndarray]:
        """The four weights of one student, as `set_weights` of a Keras model takes them."""
        if kind not in self.kinds:
            raise DistillationError(
                f"No student learned from '{kind}'; there are {', '.join(self.kinds)}."
            )
        return [part[copy, self.kinds.index(kind)] for part in self.weights]

    def logits(self, kind: str, x: Any) -> np.ndarray:
        """float32 (copies, n, classes): what the students of one kind answer on `x` (n, ...)."""
        x = np.asarray(x, np.float32).reshape(len(x), -1)
        found = []
        for copy in range(len(self.weights[0])):
            kernel, bias, last, last_bias = self.network(kind, copy)
            found.append(np.maximum(x @ kernel + bias, 0) @ last + last_bias)
        return np.stack(found)

    def accuracy(self, kind: str, x: Any, y: Any) -> np.ndarray:
        """float64 (copies,): the share of right answers of each student of one kind."""
        return (self.logits(kind, x).argmax(axis=-1) == np.asarray(y)).mean(axis=-1)

    def one_class(self, kind: str, x: Any, y: Any, label: int) -> tuple[float, float]:
        """How well the students of one kind know the class `label`, means over the copies.

        First the AUC of its probability against all other examples (one half is guessing), then
        the share of its examples that are given its name.
        """
        from helpers.evaluation import roc_auc

        logits, is_label = self.logits(kind, x), np.asarray(y) == label
        probabilities = soft_targets(logits)[..., label]
        area = np.mean([roc_auc(is_label.astype(int), one) for one in probabilities])
        return float(area), float(np.mean(logits[:, is_label].argmax(axis=-1) == label))


def student_trainer(
    x: Any,
    targets: Mapping[str, Targets],
    units: int,
    *,
    steps: int,
    copies: int = 5,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> Callable[[Sequence[Any]], Students]:
    """A function that trains `copies` students for each kind of `targets` on chosen rows of `x`.

    x              (n, ...) inputs; targets  for each kind, n rows of one number of classes
    learning_rate  of Adam at the first of `steps` batches; it falls to zero along half a cosine

    train(rows) -> `Students`; `rows` holds the row numbers of each copy, repeated as often as the
    steps need them. Within a copy all kinds begin with the same weights and see the same rows in
    the same order: only the targets differ, so that their differences are paired. One program
    trains all of them; it is built once, at the first call. Works on every Keras backend. Raises
    `DistillationError`.
    """
    import keras
    from keras import layers, ops

    x = np.asarray(x, np.float32).reshape(len(x), -1)
    sizes = {"units": units, "copies": copies, "steps": steps, "batch_size": batch_size}
    table, temperature = _checked(x, targets, sizes)
    kinds, classes = len(targets), table.shape[-1]
    draw = np.random.default_rng([seed, 20])
    first = draw.uniform(-1, 1, (copies, x.shape[1], units)) * np.sqrt(6 / x.shape[1])
    last = draw.uniform(-1, 1, (copies, units, classes)) * np.sqrt(6 / (units + classes))
    starts = [
        np.tile(first, (1, 1, kinds)),
        np.zeros((copies, kinds * units)),
        np.repeat(last[:, None], kinds, axis=1),
        np.zeros((copies, kinds, classes)),
    ]

    class Rows(layers.Layer):
        """The inputs of the rows that each copy sees next."""

        def call(self, rows):
            return ops.take(ops.convert_to_tensor(x), rows, axis=0)

    rows = keras.Input((copies,), dtype="int32")
    hidden = layers.EinsumDense(
        "bri,rik->brk", (copies, kinds * units), bias_axes="rk", activation="relu", dtype="float32"
    )(Rows(dtype="float32")(rows))
    hidden = layers.Reshape((copies, kinds, units))(hidden)
    output = layers.EinsumDense(
        "brku,rkuc->brkc", (copies, kinds, classes), bias_axes="rkc", dtype="float32"
    )
    model = keras.Model(rows, output(hidden))

    def loss(numbers, logits):
        wanted = ops.take(ops.convert_to_tensor(table), ops.cast(numbers, "int32"), axis=0)
        log = ops.log_softmax(logits / temperature[:, None])
        # T^2 keeps the gradient of a soft target the size of a label's.
        cost = -(temperature**2) * ops.sum(wanted * log, axis=-1)
        return ops.sum(cost, axis=(-2, -1))  # A sum: each student gets the gradient it gets alone.

    pace = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    # Several steps a call: a step of small networks takes less time than asking for it.
    together = math.gcd(steps, 20)
    options = {"jit_compile": False, "steps_per_execution": together}
    model.compile(keras.optimizers.Adam(pace), loss, **options)
    order_seed = int(draw.integers(2**31))

    def train(rows: Sequence[Any]) -> Students:
        order = _orders(rows, copies, len(x), steps * batch_size, order_seed)
        model.set_weights([part.astype(np.float32) for part in starts])
        for variable in model.optimizer.variables:  # the number of the step is one of them
            variable.assign(ops.zeros(variable.shape, variable.dtype))
        model.fit(order, order, batch_size, shuffle=False, verbose=0)
        kernel, bias, kernel_2, bias_2 = model.get_weights()
        shape = (copies, x.shape[1], kinds, units)
        kernel = kernel.reshape(shape).transpose(0, 2, 1, 3)
        bias = bias.reshape(copies, kinds, units)
        return Students(tuple(targets), (kernel, bias, kernel_2, bias_2))

    return train


def _checked(x, targets, sizes: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """The targets as (n, kinds, classes) and the temperatures (kinds,), or a sentence."""
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DistillationError(f"{name} is {value!r}; give a whole number of 1 or more.")
    if not targets:
        raise DistillationError("Give at least one kind of targets.")
    shapes = {np.shape(one.probabilities) for one in targets.values()}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 2 or shape[0] != len(x):
        raise DistillationError(
            f"The targets must all have the shape ({len(x)}, classes), one row for each input."
        )
    for name, one in targets.items():
        sums = np.sum(one.probabilities, axis=1)
        if np.min(one.probabilities) < 0 or not np.allclose(sums, 1, atol=1e-3):
            raise DistillationError(
                f"The targets '{name}' are no probabilities: each row must hold numbers from 0 "
                "that add up to 1; pass logits through soft_targets."
            )
        if not one.temperature > 0:
            raise DistillationError(
                f"The temperature of '{name}' is {one.temperature!r}; give a number above 0."
            )
    table = np.stack([one.probabilities for one in targets.values()], axis=1)
    temperature = np.array([one.temperature for one in targets.values()], np.float32)
    return table.astype(np.float32), temperature


def _orders(rows, copies: int, count: int, length: int, seed: int) -> np.ndarray:
    """(length, copies) int32: the rows of each copy again and again, each time in a new order."""
    rows = [np.asarray(one) for one in rows]
    if len(rows) != copies or any(one.ndim != 1 or not len(one) for one in rows):
        raise DistillationError(f"Give row numbers for each of the {copies} copies.")
    if min(one.min() for one in rows) < 0 or max(one.max() for one in rows) >= count:
        raise DistillationError(f"A row number is outside 0 to {count - 1}.")
    draw, orders = np.random.default_rng(seed), []
    for one in rows:
        passes = [draw.permutation(one) for _ in range(-(-length // len(one)))]
        orders.append(np.concatenate(passes)[:length])
    return np.stack(orders, axis=1).astype(np.int32)
