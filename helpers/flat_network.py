"""A network with one hidden layer whose weights are one flat vector: what a worker sends.

NumPy only, so that worker processes start at once. Built for chapter 14.
"""

from __future__ import annotations

import numpy as np


def starting_weights(layers: tuple[int, int, int], seed: int) -> np.ndarray:
    """Flat float32 weights by He's rule, biases zero; `layers` is (inputs, hidden, classes)."""
    generator = np.random.default_rng(seed)
    inputs, hidden, classes = layers
    first = generator.normal(0, (2 / inputs) ** 0.5, inputs * hidden)
    second = generator.normal(0, (2 / hidden) ** 0.5, hidden * classes)
    parts = [first, np.zeros(hidden), second, np.zeros(classes)]
    return np.concatenate(parts).astype(np.float32)


def unpack(flat: np.ndarray, layers: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    """Views of `flat`: weights (inputs, hidden), biases, weights (hidden, classes), biases."""
    inputs, hidden, classes = layers
    ends = np.cumsum([inputs * hidden, hidden, hidden * classes])
    first, first_bias, second, second_bias = np.split(flat, ends)
    return first.reshape(inputs, hidden), first_bias, second.reshape(hidden, classes), second_bias


def gradient(
    flat: np.ndarray, x: np.ndarray, y: np.ndarray, layers: tuple[int, int, int]
) -> np.ndarray:
    """Mean gradient of the cross-entropy over the rows, flat like the weights.

    x float32 (n, inputs), y class indices (n,). ReLU between the layers, softmax at the end.
    """
    first, first_bias, second, second_bias = unpack(flat, layers)
    hidden = np.maximum(x @ first + first_bias, 0)
    scores = hidden @ second + second_bias
    chance = np.exp(scores - scores.max(axis=1, keepdims=True))
    error = chance / chance.sum(axis=1, keepdims=True)
    error[np.arange(len(y)), y] -= 1
    error /= np.float32(len(y))
    back = (error @ second.T) * (hidden > 0)
    parts = [(x.T @ back).ravel(), back.sum(axis=0), (hidden.T @ error).ravel(), error.sum(axis=0)]
    return np.concatenate(parts)


def accuracy(flat: np.ndarray, x: np.ndarray, y: np.ndarray, layers: tuple[int, int, int]) -> float:
    """Share of the rows of `x` whose class the network finds; `x` may be images, (n, ...)."""
    first, first_bias, second, second_bias = unpack(flat, layers)
    rows = np.asarray(x).reshape(len(x), -1)
    scores = np.maximum(rows @ first + first_bias, 0) @ second + second_bias
    return float((scores.argmax(axis=1) == y).mean())
