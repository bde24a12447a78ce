"""Pruning: masks that choose weights, training that keeps them zero, units cut out for good.

The schedule, the gradual callback and the rebuilding of a smaller model are in
`helpers.compression` and offered here as well, so that a chapter on pruning imports one module.
Kernels are laid out (..., inputs, outputs), as Keras keeps them. Built in view in chapter 18.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers import compression
from helpers.compression import CompressionError, magnitude_mask, zero_fraction

if TYPE_CHECKING:
    import keras

# The other half of the subject, under the names that `helpers.compression` gives it.
cubic_sparsity = compression.cubic_sparsity
gradual_pruning = compression.gradual_pruning
prune_magnitude = compression.prune_magnitude
prune_units = compression.prune_units


def kernels(model: keras.Model) -> list[Any]:
    """The weight variables that pruning acts on: Dense and Conv kernels, in the model's order.

    Biases, embeddings and normalization stay as they are: they are few, and they matter much.
    Raises `CompressionError` if there is none, or if the model has not been built.
    """
    import keras

    kinds = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, kinds)]
    if not layers:
        raise CompressionError("The model has no Dense or Conv layer whose weights can be pruned.")
    if not all(layer.built for layer in layers):
        raise CompressionError("The model has no weights yet: call it once on data, then prune.")
    return [layer.kernel for layer in layers]


def model_masks(model: keras.Model, sparsity: float, shared: bool = False) -> list[np.ndarray]:
    """A float32 mask for each of `kernels(model)`, with `sparsity` of the weights at 0.

    shared  False: each kernel loses the same share. True: one threshold for all kernels, so that
            a layer of many small weights loses more and a sensitive one less.
    """
    arrays = [np.asarray(kernel) for kernel in kernels(model)]
    if not shared:
        return [magnitude_mask(array, sparsity) for array in arrays]
    flat = magnitude_mask(np.concatenate([array.ravel() for array in arrays]), sparsity)
    ends = np.cumsum([array.size for array in arrays])[:-1]
    parts = zip(np.split(flat, ends), arrays, strict=True)
    return [part.reshape(array.shape) for part, array in parts]


def n_of_m_mask(weights: Any, n: int = 2, m: int = 4) -> np.ndarray:
    """Float32 mask that keeps the `n` largest of every `m` neighbours along the inputs axis.

    weights  (..., inputs, outputs), the number of inputs a multiple of `m`. Of equal magnitudes
             the first stays. 2 of 4 is the pattern that sparse tensor cores run: Mishra et al.
             2021, https://arxiv.org/abs/2104.08378.
    """
    array = np.abs(np.asarray(weights))
    if not (isinstance(n, int) and isinstance(m, int) and 0 < n < m):
        raise CompressionError(f"Cannot keep {n!r} of {m!r}; give whole numbers with 0 < n < m.")
    if array.ndim < 2 or array.shape[-2] % m:
        raise CompressionError(
            f"Weights of the shape {array.shape} cannot be cut into groups of {m} along the "
            "inputs, the axis before the last; leave this layer dense."
        )
    rows = np.moveaxis(array, -2, -1)
    groups = rows.reshape(*rows.shape[:-1], -1, m)
    order = np.argsort(-groups, axis=-1, kind="stable")
    mask = np.zeros(groups.shape, dtype=np.float32)
    np.put_along_axis(mask, order[..., :n], 1, axis=-1)
    return np.ascontiguousarray(np.moveaxis(mask.reshape(rows.shape), -1, -2))


def wanda_mask(
    kernel: Any, inputs: Any, sparsity: float | None = None, n_of_m: tuple[int, int] | None = None
) -> np.ndarray:
    """Float32 mask (inputs, outputs) by magnitude times the size of the input that meets it.

    kernel    (inputs, outputs); inputs  (examples, inputs), what the layer sees on a small sample
    sparsity  share of each output's weights that goes; or `n_of_m` = (n, m), not both

    The score is |w| times the L2 norm of the weight's input, compared among the weights of one
    output. Source: Wanda, Sun et al. 2023, https://arxiv.org/abs/2306.11695.
    """
    kernel, inputs = np.asarray(kernel), np.asarray(inputs)
    if (
        kernel.ndim != 2
        or inputs.ndim != 2
        or inputs.shape[1] != kernel.shape[0]
        or not len(inputs)
    ):
        raise CompressionError(
            f"A kernel of the shape {kernel.shape} and inputs of the shape {inputs.shape} do not "
            "belong together; give (inputs, outputs) and (examples, inputs)."
        )
    if (sparsity is None) == (n_of_m is None):
        raise CompressionError("Give either a sparsity or n_of_m, one of the two.")
    score = np.abs(kernel) * np.linalg.norm(inputs.astype(np.float64), axis=0)[:, None]
    if n_of_m is not None:
        return n_of_m_mask(score, *n_of_m)
    return np.stack([magnitude_mask(column, sparsity) for column in score.T], axis=1)


def apply_masks(model: keras.Model, masks: Sequence[np.ndarray]) -> float:
    """The zero share of `model` after each kernel was multiplied by its mask, in place."""
    found = kernels(model)
    if len(found) != len(masks):
        raise CompressionError(
            f"There are {len(masks)} masks for {len(found)} kernels; give one mask for each."
        )
    for kernel, mask in zip(found, masks, strict=True):
        if tuple(kernel.shape) != np.shape(mask):
            raise CompressionError(
                f"The mask has the shape {np.shape(mask)} and its kernel {tuple(kernel.shape)}."
            )
    for kernel, mask in zip(found, masks, strict=True):
        kernel.assign(np.asarray(kernel) * mask)
    return zero_fraction(model)


def hold_masks(masks: Sequence[np.ndarray]):
    """A Keras callback that multiplies the kernels by `masks` after every batch.

    Adam moves a weight that is zero as it moves any other: without the callback, or a mask inside
    the layer, training on fills the zeros again. Works on every Keras backend.
    """
    import keras

    class HoldMasks(keras.callbacks.Callback):
        """Keeps the pruned weights of the model it is fitted with at zero."""

        def on_train_begin(self, logs=None):
            apply_masks(self.model, masks)
            self.masks = [keras.ops.convert_to_tensor(mask) for mask in masks]

        def on_train_batch_end(self, batch, logs=None):
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()  # On JAX the weights live in the training loop.
            for kernel, mask in zip(kernels(self.model), self.masks, strict=True):
                kernel.assign(kernel * mask)

    return HoldMasks()


def parameters_kept(model: keras.Model, keep: float) -> int:
    """The number of weights, biases included, that `prune_units(model, keep)` leaves."""
    import keras

    kinds = keras.layers.Dense | keras.layers.Conv2D
    layers = [layer for layer in model.layers if isinstance(layer, kinds)]
    kernels(model)  # raises for a model that has none or is not built
    total, before, before_kept = 0, 1, 1
    for layer in layers:
        *window, size_in, size_out = layer.kernel.shape
        inputs = size_in if layer is layers[0] else size_in // before * before_kept
        kept = size_out if layer is layers[-1] else max(1, round(keep * size_out))
        total += int(np.prod(window, dtype=int)) * inputs * kept + kept * bool(layer.use_bias)
        before, before_kept = size_out, kept
    return total


def keep_for_sparsity(model: keras.Model, sparsity: float) -> float:
    """The share of units for `prune_units` that removes at least `sparsity` of the weights.

    The largest such share: cutting half of the units on both sides of a matrix removes three
    quarters of its weights, so the share falls more slowly than the number of weights.
    """
    target = (1 - sparsity) * parameters_kept(model, 1.0)
    if not 0 <= sparsity < 1 or parameters_kept(model, 1e-9) > target:
        raise CompressionError(
            f"No share of units removes {sparsity!r} of the weights; give a smaller sparsity."
        )
    low, high = 0.0, 1.0
    if parameters_kept(model, high) <= target:
        return high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if parameters_kept(model, middle) <= target else (low, middle)
    return low


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Copies of all values of a compiled model: its weights and those of its optimizer."""

    weights: list[np.ndarray]
    optimizer: list[np.ndarray]


def take_snapshot(model: keras.Model) -> Snapshot:
    """The `Snapshot` of a compiled `model`, so that many trainings can begin at one point.

    Tracing a model takes longer than training a small one: `restore` reuses the compiled model.
    """
    if getattr(model, "optimizer", None) is None:
        raise CompressionError("The model is not compiled; compile it, then take the snapshot.")
    optimizer = [np.array(variable) for variable in model.optimizer.variables]
    return Snapshot([np.array(weight) for weight in model.get_weights()], optimizer)


def restore(model: keras.Model, snapshot: Snapshot) -> keras.Model:
    """`model` with the values of `snapshot`, which must be its own or that of an equal model."""
    variables = model.optimizer.variables
    if len(variables) != len(snapshot.optimizer):
        raise CompressionError("The snapshot is that of another optimizer; take it anew.")
    model.set_weights(snapshot.weights)
    for variable, value in zip(variables, snapshot.optimizer, strict=True):
        variable.assign(value)
    return model


def retrainer(model: keras.Model, x: Any, y: Any, batch_size: int) -> Callable[..., list]:
    """A function that trains `model` from given weights and returns the weights it ends with.

    train(weights, epochs, learning_rate, *callbacks) forgets what the optimizer knew. The model is
    compiled once, here, so that many contestants of one shape share one compiled step.
    """
    from helpers.training import compile_classifier

    compile_classifier(model, metrics=None)
    untouched = take_snapshot(model).optimizer

    def train(weights, epochs, learning_rate, *callbacks):
        restore(model, Snapshot(weights, untouched))
        model.optimizer.learning_rate = learning_rate
        model.fit(x, y, batch_size, epochs, verbose=0, callbacks=list(callbacks))
        return model.get_weights()

    return train
