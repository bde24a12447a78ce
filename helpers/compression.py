"""Pruning and distillation: networks with fewer weights, fewer units, or a smaller pupil.

Quantization is in `helpers.quantization`, export in `helpers.runtimes`. Built in view in
chapters 18 (pruning) and 20 (distillation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


class CompressionError(ValueError):
    """A model or a setting that cannot be compressed; one sentence."""


def _share(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise CompressionError(f"The {name} is {value!r}; give a share from 0 to below 1.")
    return float(value)


def cubic_sparsity(step: int, begin: int, end: int, final: float, initial: float = 0.0) -> float:
    """Share of weights that are zero at `step`: fast at first, slow towards `end`.

    s(t) = final + (initial - final) * (1 - (t - begin) / (end - begin))^3 between `begin` and
    `end`, constant outside. Source: Zhu and Gupta 2017, https://arxiv.org/abs/1710.01878.
    """
    final, initial = _share(final, "final sparsity"), _share(initial, "initial sparsity")
    if not 0 <= begin < end:
        raise CompressionError(
            f"The schedule runs from step {begin} to {end}; begin at 0 or later, end after that."
        )
    progress = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return final + (initial - final) * (1 - progress) ** 3


def _kernels(model: keras.Model) -> list[Any]:
    """The weight matrices and convolution kernels; biases and normalization are left alone."""
    import keras

    kinds = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, kinds)]
    if not layers:
        raise CompressionError("The model has no Dense or Conv layer whose weights can be pruned.")
    if not all(layer.built for layer in layers):
        raise CompressionError("The model has no weights yet: call it once on data, then prune.")
    return [layer.kernel for layer in layers]


def zero_fraction(model: keras.Model) -> float:
    """Share of exact zeros among the weights of all Dense and Conv kernels, 0 to 1."""
    arrays = [np.asarray(kernel) for kernel in _kernels(model)]
    return sum(int((array == 0).sum()) for array in arrays) / sum(array.size for array in arrays)


def magnitude_mask(weights: Any, sparsity: float) -> np.ndarray:
    """Float32 mask of the shape of `weights`: 0 for the `sparsity` smallest in magnitude, else 1.

    The number of zeros is round(sparsity * size) exactly, ties broken by position.
    """
    array = np.asarray(weights)
    count = round(_share(sparsity, "sparsity") * array.size)
    mask = np.ones(array.size, dtype=np.float32)
    mask[np.argsort(np.abs(array).ravel(), kind="stable")[:count]] = 0
    return mask.reshape(array.shape)


def prune_magnitude(model: keras.Model, sparsity: float) -> float:
    """Zero share of `model` after setting the smallest weights of each kernel to zero, in place.

    One shot: training on lets the zeros grow back. Gradual and lasting: `gradual_pruning`.
    """
    _share(sparsity, "sparsity")
    for kernel in _kernels(model):
        array = np.asarray(kernel)
        kernel.assign(array * magnitude_mask(array, sparsity))
    return zero_fraction(model)


def gradual_pruning(final: float, begin: int, end: int, every: int = 10, initial: float = 0.0):
    """A Keras callback that prunes while the model trains, by the schedule of `cubic_sparsity`.

    Steps are batches, counted from 0. Every `every` steps from `begin` on, and at `end`, each
    kernel's smallest weights are masked anew; the masks hold after every batch, so pruned weights
    stay zero unless a later mask frees them. Works on every Keras backend.
    """
    import keras

    cubic_sparsity(0, begin, end, final, initial)
    if every < 1:
        raise CompressionError(f"The interval between masks is {every} steps; give 1 or more.")

    class GradualPruning(keras.callbacks.Callback):
        """Masks the kernels of the model it is fitted with; `history` lists (step, sparsity)."""

        def __init__(self):
            super().__init__()
            self.step, self.masks, self.history = 0, [], []

        def on_train_batch_end(self, batch, logs=None):
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()  # On JAX the weights live in the training loop.
            kernels = _kernels(self.model)
            due = (self.step - begin) % every == 0 and begin <= self.step <= end
            if due or self.step == end:
                target = cubic_sparsity(self.step, begin, end, final, initial)
                masks = [magnitude_mask(np.asarray(kernel), target) for kernel in kernels]
                self.masks = [keras.ops.convert_to_tensor(mask) for mask in masks]
                self.history.append((self.step, target))
            for kernel, mask in zip(kernels, self.masks, strict=False):
                kernel.assign(kernel * mask)
            self.step += 1

    return GradualPruning()


def prune_units(model: keras.Model, keep: float) -> keras.Model:
    """A smaller, dense copy of `model` with the strongest `keep` of each hidden layer's units.

    The strength of a unit or filter is the L1 norm of its incoming weights; layers keep at least
    one, the last layer keeps all. `model` is Sequential of Dense, Conv2D, Flatten, Dropout,
    activation and pooling layers. The copy computes what `model` computes with the other units
    silenced. Raises `CompressionError` for another layer. Source: Li et al. 2017,
    https://arxiv.org/abs/1608.08710.
    """
    import keras

    if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 < keep <= 1:
        raise CompressionError(f"The share of units to keep is {keep!r}; give above 0, up to 1.")
    kinds = keras.layers
    passing = (kinds.Dropout, kinds.Activation, kinds.ReLU, kinds.MaxPooling2D)
    passing += (kinds.AveragePooling2D, kinds.GlobalAveragePooling2D, kinds.GlobalMaxPooling2D)
    if not isinstance(model, keras.Sequential):
        raise CompressionError(f"{model.name} is not Sequential; units are cut in those only.")
    last = [layer for layer in model.layers if isinstance(layer, kinds.Dense | kinds.Conv2D)][-1:]
    stack, weights, kept = [keras.Input(model.input_shape[1:])], [], None
    for layer in model.layers:
        settings = layer.get_config()
        if isinstance(layer, kinds.Dense | kinds.Conv2D):
            if getattr(layer, "groups", 1) != 1:
                raise CompressionError(f"The layer {layer.name} is a grouped convolution.")
            kernel = np.asarray(layer.kernel)
            if kept is not None:
                kernel = np.take(kernel, kept, axis=-2)
            size = kernel.shape[-1]
            strength = np.abs(kernel).reshape(-1, size).sum(axis=0)
            count = size if layer is last[0] else max(1, round(keep * size))
            kept = np.sort(np.argsort(-strength, kind="stable")[:count])
            settings["filters" if isinstance(layer, kinds.Conv2D) else "units"] = count
            bias = [np.asarray(layer.bias)[kept]] if layer.use_bias else []
            weights += [kernel[..., kept], *bias]
        elif isinstance(layer, kinds.Flatten):
            if kept is not None:
                # Flattening puts channel c of position p at p * channels + c.
                channels = layer.input.shape[-1]
                positions = int(np.prod(layer.input.shape[1:-1]))
                kept = (np.arange(positions)[:, None] * channels + kept).ravel()
        elif not isinstance(layer, passing):
            raise CompressionError(
                f"The layer {layer.name} is a {type(layer).__name__}, whose units cannot be cut "
                "here; use Dense, Conv2D, Flatten, Dropout, activation and pooling layers."
            )
        stack.append(type(layer).from_config(settings))
    smaller = keras.Sequential(stack, name=f"{model.name}_pruned")
    smaller.set_weights(weights)
    return smaller


def distillation_loss(temperature: float = 3.0, alpha: float = 1.0):
    """A Keras loss: `alpha` soft loss on the teacher's logits, the rest hard loss on labels.

    y_true  the teacher's logits (n, classes), computed beforehand; with `alpha` below 1 the labels
            (n, 1) in front of them: `np.column_stack([labels, logits])`
    y_pred  the student's logits (n, classes)

    The soft loss is T^2 * KL(softmax(teacher / T) || softmax(student / T)); T^2 keeps its gradient
    the size of the hard one's. Source: Hinton et al. 2015, https://arxiv.org/abs/1503.02531.
    """
    if not temperature > 0:
        raise CompressionError(f"The temperature is {temperature!r}; give a number above 0.")
    if not 0 < alpha <= 1:
        raise CompressionError(f"alpha is {alpha!r}; give a share above 0, at most 1.")

    def loss(y_true, y_pred):
        from keras import losses, ops

        teacher = y_true if alpha == 1 else y_true[:, 1:]
        if teacher.shape[-1] != y_pred.shape[-1]:
            raise CompressionError(
                f"The targets hold {teacher.shape[-1]} logits and the student gives "
                f"{y_pred.shape[-1]}; pass the teacher's logits, with labels in front of them "
                "only when alpha is below 1."
            )
        log_teacher = ops.log_softmax(teacher / temperature)
        log_student = ops.log_softmax(y_pred / temperature)
        soft = ops.sum(ops.exp(log_teacher) * (log_teacher - log_student), axis=-1)
        if alpha == 1:
            return temperature**2 * soft
        hard = losses.sparse_categorical_crossentropy(y_true[:, 0], y_pred, from_logits=True)
        return alpha * temperature**2 * soft + (1 - alpha) * hard

    return loss
