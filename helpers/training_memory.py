"""A dense network trained by hand, its memory foreseen: checkpointing, gradient accumulation.

NumPy only, so that every array that is alive can be named. Built in view in chapter 15.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Weights = list[tuple[np.ndarray, np.ndarray]]


class CostError(ValueError):
    """A cost asked for with numbers that cannot be; one sentence."""


@dataclass(frozen=True)
class Memory:
    """Bytes alive at the peak of a training step, by what they hold."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    working: int

    @property
    def total(self) -> int:
        """All of them, bytes."""
        parts = (self.weights, self.gradients, self.optimizer, self.activations, self.working)
        return sum(parts)


def _positive(**sizes: float) -> None:
    for name, value in sizes.items():
        if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
            raise CostError(f"'{name}' is {value!r}; give a number above 0.")


def parameters(widths: Sequence[int]) -> int:
    """Number of weights and biases of dense layers between `widths` (inputs, ..., classes)."""
    if len(widths) < 2 or min(widths) < 1:
        raise CostError(f"The widths are {list(widths)}; give two or more whole numbers above 0.")
    return sum((a + 1) * b for a, b in pairwise(widths))


def foreseen(widths: Sequence[int], batch: int, parts: int = 1, every: int = 1) -> Memory:
    """`Memory` of `training_step`, from the sizes alone (float32, Adam).

    widths  inputs, hidden layers, classes
    batch   rows of the step, cut into `parts` equal micro-batches
    every   inputs of one layer in `every` are kept; the others are computed again

    Four numbers a parameter: weight, gradient, two averages of Adam. Kept are the inputs of the
    layers; with `every` above 1, those of one segment come back at a time. Working memory: the
    gradient that travels back, at one layer's input and output.
    """
    _positive(batch=batch, parts=parts, every=every)
    if batch % parts:
        raise CostError(f"{parts} parts do not divide the batch of {batch} rows evenly.")
    size, rows = 4 * parameters(widths), batch // parts
    inputs = widths[:-1]
    kept = sum(inputs[::every])
    segments = (inputs[start + 1 : start + every] for start in range(0, len(inputs), every))
    again = max(sum(segment) for segment in segments)
    pair = max(a + b for a, b in pairwise(widths))
    # The sum over micro-batches and the gradient of the current one are alive together.
    gradients = size * (1 if parts == 1 else 2)
    return Memory(size, gradients, 2 * size, 4 * rows * (kept + again), 4 * rows * pair)


def new_weights(widths: Sequence[int], seed: int = 0) -> Weights:
    """Weights and biases, float32, normal with variance 2 / inputs (He et al. 2015)."""
    parameters(widths)
    rng = np.random.default_rng(seed)
    layers = pairwise(widths)
    return [
        (rng.standard_normal((a, b), np.float32) * np.float32((2 / a) ** 0.5), np.zeros(b, "f4"))
        for a, b in layers
    ]


def forward(layers: Weights, x: np.ndarray, last: bool = False) -> list[np.ndarray]:
    """Inputs of `layers` and the output; a ReLU after each layer, but not after the `last`."""
    values = [x]
    for number, (kernel, bias) in enumerate(layers):
        z = values[-1] @ kernel
        z += bias
        values.append(z if last and number == len(layers) - 1 else np.maximum(z, 0, out=z))
    return values


def gradients(weights: Weights, x: np.ndarray, y: np.ndarray, every: int = 1) -> Any:
    """(mean cross-entropy, gradients in the order of `weights`) of one batch.

    x, y   float32 (rows, inputs) and whole numbers (rows,)
    every  1 keeps the input of each layer; k keeps one in k and computes the others again, a
           segment at a time (Chen et al. 2016, arXiv:1604.06174)
    """
    starts = range(0, len(weights), every)
    kept = [x]
    if every == 1:
        kept = forward(weights, x, last=True)
        out = kept.pop()
    else:
        for start in starts:
            segment = weights[start : start + every]
            out = x = kept[-1]
            for number, (kernel, bias) in enumerate(segment, start):
                out = out @ kernel
                out += bias
                if number < len(weights) - 1:
                    np.maximum(out, 0, out=out)
            kept.append(out)
        kept.pop()
    out -= out.max(axis=1, keepdims=True)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = float(-np.log(np.maximum(out[rows, y], 1e-30)).mean())
    out[rows, y] -= 1
    out /= np.float32(len(y))
    found: Weights = []
    delta = out
    for start in reversed(starts):
        segment = weights[start : start + every]
        values = forward(segment[:-1], kept.pop())
        for kernel, _ in reversed(segment):
            value = values.pop()
            found.append((value.T @ delta, delta.sum(axis=0)))
            if start or values:
                delta = delta @ kernel.T
                delta *= value > 0
    return loss, found[::-1]


def counted_products(weights: Weights, x: np.ndarray, y: np.ndarray, every: int = 1) -> int:
    """Operations of all matrix products while `gradients` runs, counted as they happen.

    A product of (a, b) with (b, c) counts 2abc.
    """
    counts: list[int] = []

    def plain(value: Any) -> Any:
        return value.view(np.ndarray) if isinstance(value, Counting) else value

    class Counting(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, out=None, **named):
            inputs = [plain(value) for value in inputs]
            if ufunc is np.matmul:
                counts.append(2 * inputs[0].size * inputs[1].shape[-1])
            if out is not None:
                getattr(ufunc, method)(*inputs, out=tuple(map(plain, out)), **named)
                return out[0]
            result = getattr(ufunc, method)(*inputs, **named)
            return result.view(Counting) if isinstance(result, np.ndarray) else result

    watched = [(kernel.view(Counting), bias.view(Counting)) for kernel, bias in weights]
    gradients(watched, x.view(Counting), y, every)
    return sum(counts)


def accumulated(weights: Weights, x: np.ndarray, y: np.ndarray, parts: int = 1, every: int = 1):
    """(loss, gradients) of the whole batch, computed in `parts` micro-batches of equal size.

    Raises `CostError` when the parts do not divide the batch: means of unequal parts must not be
    averaged without weights.
    """
    if parts < 1 or len(y) % parts:
        raise CostError(f"{parts} parts do not divide the batch of {len(y)} rows evenly.")
    size = len(y) // parts
    loss, total = gradients(weights, x[:size], y[:size], every)
    for start in range(size, len(y), size):
        more, found = gradients(weights, x[start : start + size], y[start : start + size], every)
        loss += more
        for mine, theirs in zip(total, found, strict=True):
            mine[0][...] += theirs[0]
            mine[1][...] += theirs[1]
        del found  # or it would stay alive beside the next one
    for kernel, bias in total:
        kernel /= parts
        bias /= parts
    return loss / parts, total


class Adam:
    """Adam (Kingma and Ba 2015), which changes weights in place; two averages a weight."""

    def __init__(self, weights: Weights, learning_rate: float = 1e-3) -> None:
        _positive(learning_rate=learning_rate)
        self.learning_rate, self.steps = learning_rate, 0
        self.averages = [[(a * 0, a * 0) for a in layer] for layer in weights]

    def update(self, weights: Weights, found: Weights) -> None:
        """One step along the gradients `found`; both lists keep their shapes."""
        self.steps += 1
        rate = self.learning_rate * (1 - 0.999**self.steps) ** 0.5 / (1 - 0.9**self.steps)
        for layer, slopes, means in zip(weights, found, self.averages, strict=True):
            for weight, slope, (mean, square) in zip(layer, slopes, means, strict=True):
                mean += np.float32(0.1) * (slope - mean)
                square += np.float32(0.001) * (slope * slope - square)
                weight -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(1e-7))


def training_peak(widths, batch, parts=1, every=1, seed=0, steps=1):
    """Largest resident bytes of this process during `steps` of training, beyond those before.

    Meant for a process of its own (`helpers.own_process`), where nothing else is alive.
    """
    import gc

    import psutil

    from helpers.own_process import high_water_mb

    rng = np.random.default_rng(seed)
    x = rng.random((batch, widths[0]), np.float32)
    y = rng.integers(0, widths[-1], batch)
    (np.ones((512, 512), "f4") @ np.ones((512, 512), "f4")).sum()  # the library's own buffers
    gc.collect()
    before = psutil.Process().memory_info().rss
    weights = new_weights(widths, seed)
    optimizer = Adam(weights)
    for _ in range(steps):
        _, found = accumulated(weights, x, y, parts, every)
        optimizer.update(weights, found)
        del found
    return high_water_mb() * 1e6 - before
