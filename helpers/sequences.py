"""Sequence models: the adding problem, recurrent networks, padding, gradients through time.

All of it runs on every Keras backend. Built in view in chapter 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

CELLS = ("simple RNN", "LSTM", "GRU")


class SequenceError(ValueError):
    """A series or a recurrent network that cannot be; one sentence."""


def _whole(name: str, value: int, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise SequenceError(f"{name} is {value!r}; give a whole number of {least} or more.")
    return int(value)


def adding_problem(examples: int, length: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """x of shape (examples, length, 2) and y of shape (examples,), both float32.

    x[..., 0] is noise, uniform on [0, 1); x[..., 1] marks two steps with 1, one in the first tenth
    and one later in the first half; y is the sum of the two marked values. Always answering 1
    leaves a mean squared error of 1/6. Needs a length of at least 4 (`SequenceError`). Source:
    Hochreiter and Schmidhuber 1997, section 5.4, https://doi.org/10.1162/neco.1997.9.8.1735, with
    the places of the marks as a share of the length. Built in view in chapter 10.
    """
    _whole("examples", examples)
    _whole("length", length, 4)
    rng = np.random.default_rng(seed)
    x = np.zeros((examples, length, 2), dtype="float32")
    x[:, :, 0] = rng.random((examples, length), dtype="float32")
    tenth, row = max(1, length // 10), np.arange(examples)
    first, second = rng.integers(0, tenth, examples), rng.integers(tenth, length // 2, examples)
    x[row, first, 1] = x[row, second, 1] = 1
    return x, x[row, first, 0] + x[row, second, 0]


def recurrent_layer(cell: str, units: int, **options) -> keras.Layer:
    """The Keras layer of `cell`: "simple RNN", "LSTM" or "GRU"; `options` go to it.

    Raises `SequenceError` for another name. Built in view in chapter 10.
    """
    from keras import layers

    if cell not in CELLS:
        raise SequenceError(f"There is no cell {cell!r}: use one of {', '.join(CELLS)}.")
    kinds = (layers.SimpleRNN, layers.LSTM, layers.GRU)
    return kinds[CELLS.index(cell)](_whole("units", units), **options)


def recurrent_network(
    input_shape: Sequence[int | None],
    outputs: int,
    cell: str = "LSTM",
    units: int = 32,
    *,
    convolution: int = 0,
    pooling: int = 2,
    bidirectional: bool = False,
    mask_value: float | None = None,
    **options,
) -> keras.Model:
    """A recurrent network that reads a series and gives `outputs` numbers (logits, or a value).

    input_shape    (steps, features) of one series; steps may be None for any length
    convolution    filters of a ReLU convolution over five steps before the cell, halved (or cut by
                   `pooling`) in time by max pooling; 0 for none
    bidirectional  a second cell reads backwards; each of the two has units // 2
    mask_value     steps in which every feature has this value are skipped; None skips none
    options        go to the recurrent layer, such as dropout or activation

    Raises `SequenceError` for sizes that make no model, and for a mask before a convolution, which
    would drop it without a word. Built in view in chapter 10.
    """
    import keras
    from keras import layers

    shape = tuple(input_shape)
    if len(shape) != 2 or shape[1] is None:
        raise SequenceError(
            f"The input shape is {input_shape!r}; give (steps, features) of one series: a series "
            "of single numbers has one feature."
        )
    if convolution and mask_value is not None:
        raise SequenceError(
            "A convolution and its pooling do not pass a mask on: use mask_value without "
            "convolution, or give series of one length."
        )
    stack = [keras.Input(shape)]
    if mask_value is not None:
        stack.append(layers.Masking(mask_value))
    if convolution:
        filters = _whole("convolution", convolution)
        stack.append(layers.Conv1D(filters, 5, padding="same", activation="relu"))
        stack.append(layers.MaxPooling1D(_whole("pooling", pooling)))
    width = _whole("units", units, 2 if bidirectional else 1) // (2 if bidirectional else 1)
    layer = recurrent_layer(cell, width, **options)
    stack.append(layers.Bidirectional(layer) if bidirectional else layer)
    # 16-bit outputs spoil the loss, so the last layer is float32 under every dtype policy.
    stack.append(layers.Dense(_whole("outputs", outputs), dtype="float32", name="outputs"))
    return keras.Sequential(stack)


def remember_for(layer: keras.Layer, steps: int, seed: int = 0) -> keras.Layer:
    """The built LSTM or GRU `layer`, its gate biases set to remember for up to `steps` steps.

    Unit by unit a time t is drawn uniformly from [1, steps - 1]; the forget bias of an LSTM becomes
    log t and its input bias -log t, the update bias of a GRU log t: a gate that keeps t / (1 + t)
    of the old state each step. Source: Tallec and Ollivier 2018, https://arxiv.org/abs/1804.11188.
    Raises `SequenceError` for a layer that is not built or has no such gate. Built in view in
    chapter 10.
    """
    import keras

    kind = type(layer).__name__
    if kind not in ("LSTM", "GRU") or getattr(layer.cell, "bias", None) is None:
        raise SequenceError(f"A {kind} has no gate bias to set: give a built LSTM or GRU layer.")
    time = np.random.default_rng(seed).uniform(1, _whole("steps", steps, 3) - 1, layer.units)
    bias = np.array(keras.ops.convert_to_numpy(layer.cell.bias))
    units = layer.units
    if kind == "LSTM":  # Keras keeps the gates in the order input, forget, candidate, output.
        bias[:units], bias[units : 2 * units] = -np.log(time), np.log(time)
    else:  # Order update, reset, candidate; with reset_after one row for inputs, one for states.
        np.atleast_2d(bias)[:, :units] = 0
        np.atleast_2d(bias)[0, :units] = np.log(time)
    layer.cell.bias.assign(bias)
    return layer


def pad_series(series: np.ndarray, length: int, value: float) -> np.ndarray:
    """`series` (n, steps, features) lengthened to `length` steps, NaN and new steps set to `value`.

    Raises `SequenceError` if a series is longer than `length` or holds `value` in a whole real
    step, which a mask would then drop. Built in view in chapter 10.
    """
    x = np.asarray(series)
    if x.ndim != 3 or x.shape[1] > length:
        raise SequenceError(
            f"Series of the shape {x.shape} do not fit into {length} steps: give an array "
            "(n, steps, features) and a length of at least its steps."
        )
    if (x == value).all(axis=2).any():
        raise SequenceError(
            f"A real step holds {value} in every feature and would be masked: choose a value that "
            "no series contains."
        )
    padded = np.full((len(x), length, x.shape[2]), value, dtype=x.dtype)
    padded[:, : x.shape[1]] = np.where(np.isnan(x), value, x)
    return padded


def gradient_norms(layer: keras.Layer, x: np.ndarray, seed: int = 0) -> np.ndarray:
    """Root mean square size of d h_T / d x_t for every step t: float64 of shape (steps,).

    layer  a Keras layer or model that gives one vector per series, such as the last state
    x      float32 of shape (n, steps, features)

    For each series the last state is projected on its own random direction with unit variance, and
    the gradient of that number is averaged over the series: the expected square is the squared
    Frobenius norm of the Jacobian. Works on TensorFlow, JAX and PyTorch. Raises `SequenceError`
    for another shape. Built in view in chapter 10.
    """
    import keras

    x = np.asarray(x, dtype="float32")
    if x.ndim != 3:
        raise SequenceError(f"The series have the shape {x.shape}; give (n, steps, features).")
    width = layer.compute_output_shape(x.shape)[-1]
    direction = np.random.default_rng(seed).standard_normal((len(x), width)).astype("float32")

    def projected(inputs):
        return keras.ops.sum(layer(inputs) * direction)

    backend, inputs = keras.backend.backend(), keras.ops.convert_to_tensor(x)
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = projected(inputs)
        slope = tape.gradient(total, inputs)
    elif backend == "jax":
        import jax

        slope = jax.grad(projected)(inputs)
    else:
        inputs.requires_grad_(True)
        projected(inputs).backward()
        slope = inputs.grad
    square = np.square(keras.ops.convert_to_numpy(slope), dtype="float64")
    return np.sqrt(square.sum(axis=2).mean(axis=0))
