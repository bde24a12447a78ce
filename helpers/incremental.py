"""Networks of several seeds that learn tasks one after another, in NumPy or in Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FRAMEWORKS = ("numpy", "keras")


class IncrementalError(ValueError):
    """Networks, rows or an anchor that cannot be used as asked; one sentence."""


@dataclass(frozen=True, eq=False)
class Anchor:
    """What elastic weight consolidation keeps: `weights` and their `importance`, layer by layer.

    Both hold arrays of the shapes of `Networks.weights`; the importance is not negative.
    """

    weights: tuple[np.ndarray, ...]
    importance: tuple[np.ndarray, ...]


class Networks:
    """One network with a hidden ReLU layer for each seed; all of them take each step together.

    weights: two float32 arrays (seeds, inputs + 1, hidden) and (seeds, hidden + 1, classes), the
    last row being the bias. Training is stochastic gradient descent with momentum 0.9 on the mean
    cross-entropy. `framework` is "numpy" or "keras": the same arithmetic, the second through
    `keras.Model.fit`. Raises `IncrementalError`. Chapter 17 uses it.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        classes: int,
        seeds: Sequence[int],
        framework: str = "numpy",
        *,
        learning_rate: float = 0.05,
        batch: int = 32,
    ) -> None:
        if framework not in FRAMEWORKS:
            raise IncrementalError(
                f"The framework is {framework!r}; give one of {', '.join(FRAMEWORKS)}."
            )
        if min(inputs, hidden, classes, batch, len(seeds)) < 1 or not learning_rate > 0:
            raise IncrementalError(
                "Inputs, hidden units, classes, batch and the number of seeds must be 1 or more, "
                "and the learning rate above 0."
            )
        self.seeds, self.batch, self.rate = tuple(seeds), batch, learning_rate
        self.draws = [np.random.default_rng([17, seed]) for seed in self.seeds]
        shapes = [((inputs, hidden), np.sqrt(2 / inputs)), ((hidden, classes), np.sqrt(1 / hidden))]
        layers = []
        for (rows, columns), scale in shapes:
            drawn = [draw.normal(0, scale, (rows, columns)) for draw in self.draws]
            layers.append(np.pad(np.array(drawn), ((0, 0), (0, 1), (0, 0))).astype(np.float32))
        self.weights = tuple(layers)
        self._model = None
        if framework == "keras":
            from helpers.incremental_keras import seeded_model

            self._model = seeded_model(self.weights, learning_rate)

    def logits(self, x: np.ndarray) -> np.ndarray:
        """float32 (seeds, n, classes): answers on x, (n, inputs) or (seeds, n, inputs)."""
        return self._states(x)[1]

    def accuracy(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """float64 (seeds,): share of right answers on x (n, inputs) with labels y (n,)."""
        return (self.logits(x).argmax(axis=2) == y).mean(axis=1)

    def learn(
        self,
        x: np.ndarray,
        y: np.ndarray,
        *,
        epochs: int = 5,
        anchor: Anchor | None = None,
        strength: float = 0.0,
    ) -> None:
        """Trains on x (seeds, n, inputs) with class numbers y (seeds, n); the momentum starts at 0.

        With an `anchor` the loss has the penalty strength / 2 * sum(importance * (weight -
        anchored weight)^2), equation 3 of Kirkpatrick et al. 2017.
        """
        x, y = np.asarray(x, np.float32), np.asarray(y)
        inputs, classes = self.weights[0].shape[1] - 1, self.weights[1].shape[2]
        if x.shape != (len(self.seeds), *y.shape[1:], inputs) or x.size == 0:
            raise IncrementalError(
                f"The rows have shape {x.shape} and the labels {y.shape}; give rows as "
                f"({len(self.seeds)}, n, {inputs}) and labels as ({len(self.seeds)}, n)."
            )
        if y.min() < 0 or y.max() >= classes or epochs < 1 or strength < 0:
            raise IncrementalError(
                f"Labels must lie from 0 to {classes - 1}, epochs be 1 or more, strength 0 or more."
            )
        n, at = y.shape[1], np.arange(len(self.seeds))[:, None]
        orders = np.array([[draw.permutation(n) for _ in range(epochs)] for draw in self.draws])
        if self._model is not None:
            fit = self._model.fit_in_order
            self.weights = fit(x, y, orders, self.batch, self.weights, anchor, strength)
            return
        weights = [weight.copy() for weight in self.weights]
        speed, hot = [np.zeros_like(w) for w in weights], np.eye(classes, dtype=np.float32)
        for epoch in range(epochs):
            for start in range(0, n, self.batch):
                rows = orders[:, epoch, start : start + self.batch]
                slopes = _gradients(weights, x[at, rows], hot[y[at, rows]])
                for depth, (weight, slope) in enumerate(zip(weights, slopes, strict=True)):
                    if anchor is not None:
                        gap = weight - anchor.weights[depth]
                        slope += np.float32(strength) * anchor.importance[depth] * gap
                    speed[depth] = np.float32(0.9) * speed[depth] - np.float32(self.rate) * slope
                    weight += speed[depth]
        self.weights = tuple(weights)

    def fisher(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Shaped like `weights`: the diagonal of the Fisher information, a mean over x.

        x (seeds, n, inputs). The expectation over the classes that the network itself finds
        probable is taken exactly: the sum over classes of p(class) * gradient^2.
        """
        x = np.asarray(x, np.float32)
        hidden, logits = self._states(x)
        p = _softmax(logits)
        first, second = _with_bias(x) ** 2, _with_bias(hidden) ** 2
        parts = [np.zeros_like(weight) for weight in self.weights]
        for label in range(p.shape[2]):
            slope = p.copy()
            slope[:, :, label] -= 1
            below = (slope @ self.weights[1][:, :-1].transpose(0, 2, 1)) * (hidden > 0)
            share = p[:, :, label : label + 1] / x.shape[1]
            parts[0] += first.transpose(0, 2, 1) @ (share * below**2)
            parts[1] += second.transpose(0, 2, 1) @ (share * slope**2)
        return tuple(parts)

    def _states(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.asarray(x, np.float32)
        return _forward(self.weights, x if x.ndim == 3 else x[None])


def _with_bias(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, np.ones((*x.shape[:-1], 1), np.float32)], axis=-1)


def _softmax(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def _forward(weights: Sequence[np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hidden = np.maximum(x @ weights[0][:, :-1] + weights[0][:, -1:], 0)
    return hidden, hidden @ weights[1][:, :-1] + weights[1][:, -1:]


def _gradients(weights: Sequence[np.ndarray], x: np.ndarray, hot: np.ndarray) -> list[np.ndarray]:
    """Gradients of the mean cross-entropy of each network."""
    hidden, logits = _forward(weights, x)
    slope = (_softmax(logits) - hot) / x.shape[1]
    below = (slope @ weights[1][:, :-1].transpose(0, 2, 1)) * (hidden > 0)
    return [
        _with_bias(x).transpose(0, 2, 1) @ below,
        _with_bias(hidden).transpose(0, 2, 1) @ slope,
    ]


def joined(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """One (x, y) from several: rows joined along the second axis, after the seeds."""
    return tuple(np.concatenate([pair[k] for pair in pairs], axis=1) for k in (0, 1))


def grown(known: Anchor | None, network: Networks, x: np.ndarray) -> Anchor:
    """The `Anchor` after a further task with rows x (seeds, n, inputs): its first 200 count.

    The weights are the network's present ones; the Fisher information is added to what is known.
    """
    fisher = network.fisher(x[:, :200])
    if known is not None:
        fisher = tuple(a + b for a, b in zip(known.importance, fisher, strict=True))
    return Anchor(network.weights, fisher)
