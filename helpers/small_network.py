"""A network with one hidden layer in NumPy whose gradients are known for each example.

Differential privacy bounds what one example does to the weights, so it needs the gradient of every
example, not their mean. For a dense layer that costs next to nothing. Built for chapter 25.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


class PrivacyError(ValueError):
    """Bad input to a privacy helper; one sentence."""


@dataclass(frozen=True)
class Noise:
    """Settings of DP-SGD: `clip` is the largest norm of one example's gradient, `sigma` the noise.

    The noise added to the sum of the clipped gradients has the standard deviation `sigma * clip`.
    """

    clip: float
    sigma: float


def new_weights(features: int, hidden: int, classes: int, seed: int) -> list[np.ndarray]:
    """Weights `[w1, b1, w2, b2]`, float64, scaled as He et al. 2015 propose."""
    if min(features, hidden, classes) < 1:
        raise PrivacyError("Every layer needs at least one unit: give sizes of 1 or more.")
    draw = np.random.default_rng([seed, 1])
    first = draw.normal(0, np.sqrt(2 / features), (features, hidden))
    second = draw.normal(0, np.sqrt(1 / hidden), (hidden, classes))
    return [first, np.zeros(hidden), second, np.zeros(classes)]


def forward(weights: list[np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hidden values (n, hidden) and class probabilities (n, classes) for `x` (n, features)."""
    hidden = np.maximum(x @ weights[0] + weights[1], 0)
    scores = hidden @ weights[2] + weights[3]
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, scores / scores.sum(axis=1, keepdims=True)


def losses(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Cross-entropy of each row, in nats, float64 (n,)."""
    probabilities = forward(weights, x)[1][np.arange(len(y)), y]
    return -np.log(np.maximum(probabilities, 1e-30))


def accuracy_of(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
    """Share of rows whose most probable class is `y`."""
    return float((forward(weights, x)[1].argmax(axis=1) == y).mean())


def errors_at_layers(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray):
    """Hidden values and the loss's derivative at both layers: (n, h), (n, h), (n, classes)."""
    hidden, above = forward(weights, x)
    above[np.arange(len(y)), y] -= 1
    return hidden, (above @ weights[2].T) * (hidden > 0), above


def example_gradients(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gradient of each example's loss, flat, float64 (n, parameters), in the order of `weights`."""
    hidden, below, above = errors_at_layers(weights, x, y)
    first = np.einsum("ni,nj->nij", x, below).reshape(len(x), -1)
    second = np.einsum("ni,nj->nij", hidden, above).reshape(len(x), -1)
    return np.concatenate([first, below, second, above], axis=1)


def clipped_sum(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray, clip: float):
    """Sum over the examples of their gradients, each scaled to a norm of at most `clip`.

    The gradient of a dense layer for one example is the outer product of input and error, so its
    norm is the product of their norms: no example's gradient is ever written out. Goodfellow 2015,
    https://arxiv.org/abs/1510.01799. `clip=np.inf` gives the plain sum.
    """
    if not clip > 0:
        raise PrivacyError(f"The clipping norm is {clip}; give a number above 0.")
    hidden, below, above = errors_at_layers(weights, x, y)
    squares = (1 + (x**2).sum(1)) * (below**2).sum(1) + (1 + (hidden**2).sum(1)) * (above**2).sum(1)
    scale = np.minimum(1, clip / np.maximum(np.sqrt(squares), 1e-12))[:, None]
    below, above = below * scale, above * scale
    return [x.T @ below, below.sum(0), hidden.T @ above, above.sum(0)]


def train(
    weights: list[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    steps: int,
    rate: float,
    learning_rate: float,
    seed: int,
    noise: Noise | None = None,
) -> list[np.ndarray]:
    """New weights after `steps` of SGD; each step draws every row with probability `rate`.

    With `noise` this is DP-SGD (Abadi et al. 2016, https://arxiv.org/abs/1607.00133): gradients are
    clipped one by one, summed, blurred with Gaussian noise and divided by the expected batch size.
    Without it there is neither clipping nor noise. `weights` stay as they are. Raises
    `PrivacyError` when rows and labels do not match or the rate is no probability.
    """
    if len(x) != len(y) or len(y) == 0:
        raise PrivacyError(f"There are {len(x)} rows and {len(y)} labels: give one label a row.")
    if not 0 < rate <= 1:
        raise PrivacyError(f"The sampling rate is {rate}; give a share above 0 and at most 1.")
    draw, weights = np.random.default_rng([seed, 2]), [part.copy() for part in weights]
    clip = noise.clip if noise else np.inf
    for _ in range(steps):
        rows = np.flatnonzero(draw.random(len(y)) < rate)
        total = clipped_sum(weights, x[rows], y[rows], clip)
        for part, gradient in zip(weights, total, strict=True):
            if noise:
                gradient = gradient + draw.normal(0, noise.sigma * clip, gradient.shape)
            part -= learning_rate * gradient / (rate * len(y))
    return weights
