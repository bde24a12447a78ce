"""The networks of `helpers.incremental` as one Keras model: an axis of seeds in every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.backend import quiet_native_output

if TYPE_CHECKING:
    from helpers.incremental import Anchor


def seeded_model(weights: Sequence[np.ndarray], learning_rate: float) -> SeededModel:
    """A `SeededModel` of layers shaped like `weights`, (seeds, inputs + 1, outputs) each."""
    with quiet_native_output():  # TensorFlow reports its devices when it is loaded and first used
        return SeededModel(weights, learning_rate)


def _layer_class() -> type:
    """The layer, made on first use so that importing this module does not import Keras."""
    import keras
    from keras import ops

    class SeededDense(keras.layers.Layer):
        """A dense layer for each seed, with the penalty of elastic weight consolidation."""

        def __init__(self, shape: tuple[int, ...], relu: bool) -> None:
            super().__init__()
            self.relu = relu
            self.kernel = self.add_weight(shape=shape, initializer="zeros", name="kernel")
            fixed = {"shape": shape, "initializer": "zeros", "trainable": False}
            self.anchor = self.add_weight(name="anchor", **fixed)
            self.importance = self.add_weight(name="importance", **fixed)

        def call(self, x: Any) -> Any:  # x (n, seeds, inputs)
            z = ops.einsum("nsi,sio->nso", x, self.kernel[:, :-1]) + self.kernel[:, -1]
            gap = self.kernel - self.anchor
            self.add_loss(0.5 * ops.sum(self.importance * gap * gap))
            return ops.relu(z) if self.relu else z

        def compute_output_shape(self, input_shape: tuple) -> tuple:
            return (*input_shape[:2], self.kernel.shape[2])

    return SeededDense


class SeededModel:
    """A compiled Keras model that trains the networks of all seeds with one `fit`.

    The loss is the sum over seeds of each network's mean cross-entropy, so that a network's
    gradient does not depend on how many others there are. Chapter 17 uses it in `full`.
    """

    def __init__(self, weights: Sequence[np.ndarray], learning_rate: float) -> None:
        import keras

        layer, seeds = _layer_class(), weights[0].shape[0]
        self.layers = [layer(w.shape, depth == 0) for depth, w in enumerate(weights)]
        entry = keras.Input((seeds, weights[0].shape[1] - 1))
        end = entry
        for part in self.layers:
            end = part(end)
        self.model = keras.Model(entry, end)

        def loss(truth: Any, logits: Any) -> Any:
            rows = keras.losses.sparse_categorical_crossentropy(truth, logits, from_logits=True)
            return seeds * keras.ops.mean(rows)

        self.model.compile(
            optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9),
            loss=loss,
            jit_compile=False,
        )

    def fit_in_order(
        self,
        x: np.ndarray,
        y: np.ndarray,
        orders: np.ndarray,
        batch: int,
        weights: Sequence[np.ndarray],
        anchor: Anchor | None,
        strength: float,
    ) -> tuple[np.ndarray, ...]:
        """The weights after training from `weights`; `orders` (seeds, epochs, n) are row numbers.

        x (seeds, n, inputs), y (seeds, n). Each epoch is one `fit` without shuffling.
        """
        for variable in self.model.optimizer.variables:
            if len(variable.shape) == 3:  # the momentum, not the counters
                variable.assign(np.zeros(variable.shape, np.float32))
        for depth, layer in enumerate(self.layers):
            layer.kernel.assign(weights[depth])
            layer.anchor.assign(weights[depth] if anchor is None else anchor.weights[depth])
            held = np.zeros_like(weights[depth])
            if anchor is not None:
                held = np.float32(strength) * anchor.importance[depth]
            layer.importance.assign(held)
        at = np.arange(len(x))[:, None]
        for epoch in range(orders.shape[1]):
            rows = orders[:, epoch]
            # Seeds come second: Keras batches along the first axis.
            turned = x[at, rows].transpose(1, 0, 2), y[at, rows].T
            self.model.fit(*turned, batch_size=batch, shuffle=False, verbose=0)
        return tuple(np.array(layer.kernel) for layer in self.layers)
