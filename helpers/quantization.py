"""Quantization by hand: integers on a grid, rounding that corrects itself, and its gradient.

One definition serves all of it. A grid has a step (the `scale`) and an integer that stands for
zero (the `zero_point`); a number x becomes the integer

    q = clip(round(x / scale) + zero_point, lowest, highest)

and stands for (q - zero_point) * scale. Weights and activations use the same formula.

Chapter 19 builds these functions in view and compares them with a real integer runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MIN_BITS, MAX_BITS = 2, 8


class QuantizationError(ValueError):
    """Numbers or settings that cannot be quantized; one sentence."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """Integers and the grid they live on.

    values      int8, the shape of the quantized array
    scale       float32, the step of the grid; broadcasts against `values`
    zero_point  int32, the integer that stands for zero; broadcasts against `values`
    bits        width of one integer, 2 to 8 (smaller ones are kept in an int8 here, unpacked)
    """

    values: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray
    bits: int

    def dequantize(self) -> np.ndarray:
        """The numbers that the integers stand for, float32."""
        steps = self.values.astype(np.int32) - self.zero_point
        return (steps * self.scale).astype(np.float32)

    @property
    def bits_per_value(self) -> float:
        """Stored bits per number, with a float16 scale and, if used, a zero point per group."""
        overhead = 16 + (self.bits if np.any(self.zero_point) else 0)
        return self.bits + overhead * self.scale.size / self.values.size


def integer_range(bits: int, symmetric: bool = True) -> tuple[int, int]:
    """Least and greatest integer of `bits` bits; symmetric grids give up the most negative one."""
    whole = isinstance(bits, int | np.integer) and not isinstance(bits, bool)
    if not whole or not MIN_BITS <= bits <= MAX_BITS:
        raise QuantizationError(
            f"The number of bits is {bits!r}; give a whole number from {MIN_BITS} to {MAX_BITS}."
        )
    highest = 2 ** (int(bits) - 1) - 1
    return (-highest if symmetric else -highest - 1), highest


def _checked(x: Any, name: str) -> np.ndarray:
    array = np.asarray(x, dtype=np.float32)
    if array.size == 0:
        raise QuantizationError(f"The {name} are empty; give at least one number.")
    if not np.isfinite(array).all():
        raise QuantizationError(
            f"The {name} hold NaN or infinity, which no integer can stand for; repair them first."
        )
    return array


def _other_axes(array: np.ndarray, axis: int | None) -> tuple[int, ...]:
    """The axes over which a scale is shared, when `axis` keeps scales of its own."""
    if axis is None:
        return tuple(range(array.ndim))
    if not -array.ndim <= axis < array.ndim:
        raise QuantizationError(
            f"There is no axis {axis}: the array has the shape {array.shape}; give the axis of "
            "the output channels, or None for one scale for the whole array."
        )
    return tuple(place for place in range(array.ndim) if place != axis % array.ndim)


def _grid(x: np.ndarray, bits: int, shared: tuple[int, ...], symmetric: bool):
    """(scale, zero_point) from the least and greatest numbers over the `shared` axes."""
    lowest, highest = integer_range(bits, symmetric)
    # In float64: with a step rounded to float32, a few weights per million land next door.
    x = x.astype(np.float64)
    if symmetric:
        scale = np.abs(x).max(axis=shared, keepdims=True) / highest
        scale = np.where(scale > 0, scale, 1)
        return scale, np.zeros_like(scale, dtype=np.int32)
    # Zero must lie on the grid: padding and ReLU produce it exactly, so its error would add up.
    low = np.minimum(x.min(axis=shared, keepdims=True), 0)
    high = np.maximum(x.max(axis=shared, keepdims=True), 0)
    scale = (high - low) / (highest - lowest)
    scale = np.where(scale > 0, scale, 1)
    return scale, np.round(lowest - low / scale).astype(np.int32)


def quantize(x: Any, bits: int = 8, axis: int | None = None, symmetric: bool = True) -> Quantized:
    """`x` as integers on a grid: a `Quantized`.

    x          array of any shape, finite
    bits       2 to 8
    axis       the axis whose entries get a scale each (per channel); None: one scale for all
    symmetric  True: zero_point 0, as runtimes want weights; False: the grid runs from the least
               to the greatest number and holds zero, as runtimes want activations

    Raises `QuantizationError`. Source: Jacob et al. 2018, https://arxiv.org/abs/1712.05877, and
    the LiteRT specification of 8-bit quantization. Built in view in chapter 19.
    """
    array = _checked(x, "numbers")
    lowest, highest = integer_range(bits, symmetric)
    scale, zero_point = _grid(array, bits, _other_axes(array, axis), symmetric)
    values = np.clip(np.round(array / scale) + zero_point, lowest, highest).astype(np.int8)
    return Quantized(values, scale.astype(np.float32), zero_point, int(bits))


def _cut_into_blocks(weights: Any, block: int) -> np.ndarray:
    """`weights` (inputs, outputs) as (inputs / block, block, outputs)."""
    array = _checked(weights, "weights")
    if array.ndim != 2 or block < 1 or array.shape[0] % block:
        raise QuantizationError(
            f"Weights of the shape {array.shape} cannot be cut into blocks of {block} inputs; "
            "give a matrix (inputs, outputs) whose number of inputs is a multiple of the block."
        )
    return array.reshape(-1, block, array.shape[1])


def quantize_blocks(weights: Any, bits: int = 4, block: int = 32) -> Quantized:
    """`weights` (inputs, outputs) with one scale for every `block` inputs of an output.

    The result keeps blocks apart: its arrays have the shape (inputs / block, block, outputs).
    Reshape what `dequantize` gives to the shape of the weights. Raises `QuantizationError` when
    `block` does not divide the number of inputs.
    """
    lowest, highest = integer_range(bits)
    blocks = _cut_into_blocks(weights, block)
    scale, zero_point = _grid(blocks, bits, (1,), True)
    values = np.clip(np.round(blocks / scale), lowest, highest).astype(np.int8)
    return Quantized(values, scale.astype(np.float32), zero_point, int(bits))


def round_to_nearest(weights: Any, bits: int, axis: int | None = -1) -> np.ndarray:
    """`weights` after rounding to `bits` bits and back, float32: every weight on its own.

    The grid is asymmetric, one for each entry of `axis` (the output channels); None: one for all.
    """
    return quantize(weights, bits, axis, symmetric=False).dequantize()


def round_in_blocks(weights: Any, bits: int, block: int) -> np.ndarray:
    """`weights` (inputs, outputs) after rounding to `bits` bits and back, float32.

    As `round_to_nearest`, with a grid for every `block` inputs of an output: a weight takes
    bits + (16 + bits) / block bits. Raises `QuantizationError` when the block does not divide.
    """
    array = _cut_into_blocks(weights, block)
    lowest, highest = integer_range(bits, symmetric=False)
    scale, zero_point = _grid(array, bits, (1,), False)
    integers = np.clip(np.round(array / scale) + zero_point, lowest, highest)
    return ((integers - zero_point) * scale).reshape(-1, array.shape[-1]).astype(np.float32)


def gptq(
    weights: Any, inputs: Any, bits: int, damping: float = 0.01, block: int | None = None
) -> np.ndarray:
    """`weights` (inputs, outputs) on the grid of `round_to_nearest`, with compensated errors.

    Rounds the rows one after another. What rounding a row did to the layer's output is corrected
    in the rows that are still free, as `inputs` (examples, inputs), a sample of what the layer
    sees, says they can. With `block`, every `block` inputs of an output have a grid of their own,
    set when their turn comes, from the corrected weights. Returns float32. Raises
    `QuantizationError` when the shapes do not fit.

    Source: GPTQ, Frantar et al. 2023, https://arxiv.org/abs/2210.17323, without its blocking,
    which changes the speed and not the result. Built in view in chapter 19.
    """
    array, sample = _checked(weights, "weights"), _checked(inputs, "inputs")
    if array.ndim != 2 or sample.ndim != 2 or sample.shape[1] != array.shape[0]:
        raise QuantizationError(
            f"Weights of the shape {array.shape} and inputs of the shape {sample.shape} do not "
            "fit; give weights (inputs, outputs) and inputs (examples, inputs)."
        )
    lowest, highest = integer_range(bits, symmetric=False)
    length = len(array) if block is None else _cut_into_blocks(array, block).shape[1]
    sample = sample.astype(np.float64)
    hessian = sample.T @ sample / len(sample)
    mean = float(np.mean(np.diag(hessian))) or 1.0
    hessian += damping * mean * np.eye(len(hessian))
    upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
    free, rounded = array.astype(np.float64), np.empty_like(array)
    for row in range(len(free)):
        if row % length == 0:
            scale, zero_point = _grid(free[row : row + length], bits, (0,), False)
            scale, zero_point = scale[0], zero_point[0]
        integers = np.clip(np.round(free[row] / scale) + zero_point, lowest, highest)
        rounded[row] = (integers - zero_point) * scale
        error = (free[row] - rounded[row]) / upper[row, row]
        free[row + 1 :] -= np.outer(upper[row, row + 1 :], error)
    return rounded


def fake_quantize(weights: Any, bits: int) -> Any:
    """A Keras tensor: `weights` (..., outputs) rounded as `round_to_nearest` does, differentiable.

    Forward, the weights lie on the grid; backward, rounding counts as the identity (the
    straight-through estimator, Bengio et al. 2013, https://arxiv.org/abs/1308.3432). Train with it
    and the weights settle where rounding hurts least. Works on every Keras backend. Built in view
    in chapter 19.
    """
    from keras import ops

    lowest, highest = integer_range(bits, symmetric=False)
    shared = tuple(range(len(weights.shape) - 1))
    low = ops.minimum(ops.min(weights, axis=shared, keepdims=True), 0.0)
    high = ops.maximum(ops.max(weights, axis=shared, keepdims=True), 0.0)
    scale = (high - low) / (highest - lowest)
    scale = ops.where(scale > 0, scale, ops.ones_like(scale))
    zero_point = ops.round(lowest - low / scale)
    integers = ops.clip(ops.round(weights / scale) + zero_point, lowest, highest)
    rounded = (integers - zero_point) * scale
    return weights + ops.stop_gradient(rounded - weights)
