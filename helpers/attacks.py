"""Attacks on a dense network in NumPy, training against them, and the same attacks by a library.

A model is a tuple of one or more networks (weights as `helpers.small_network` makes them). Several
are an ensemble, which answers with the mean probability. Fast gradient sign: Goodfellow et al.
2014, https://arxiv.org/abs/1412.6572. Projected gradient descent: Madry et al. 2017,
https://arxiv.org/abs/1706.06083. Built in view in chapter 24.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.small_network import forward, new_weights

Model = tuple[list[np.ndarray], ...]


class AttackError(ValueError):
    """Bad input to an attack; one sentence."""


def _checked(model: Model, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = np.asarray(x), np.asarray(y)
    features, classes = model[0][0].shape[0], model[0][2].shape[1]
    if rows.ndim != 2 or rows.shape[1] != features or len(rows) != len(labels):
        raise AttackError(
            f"The rows have the shape {rows.shape} for {len(labels)} labels; give one row of "
            f"{features} numbers for each label."
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        raise AttackError(f"The labels must be whole numbers from 0 to {classes - 1}.")
    return rows, labels


def probabilities(model: Model, x: np.ndarray) -> np.ndarray:
    """Class probabilities (n, classes) of rows `x` (n, features): the mean over the networks."""
    return np.mean([forward(network, x)[1] for network in model], axis=0)


def accuracy(model: Model, x: np.ndarray, y: np.ndarray) -> float:
    """Share of the rows whose most probable class is `y`."""
    return float((probabilities(model, x).argmax(axis=1) == y).mean())


def input_gradient(model: Model, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Derivative of each row's cross-entropy with respect to that row, shaped like `x`.

    Of an ensemble: the loss of the mean probability. Each network then counts with the share it
    has in the probability of the label. Raises `AttackError` for rows or labels that do not fit.
    Built in view in chapter 24.
    """
    x, y = _checked(model, x, y)
    rows, total, shares = np.arange(len(y)), 0.0, 0.0
    for network in model:
        hidden, error = forward(network, x)
        share = error[rows, y][:, None].copy()
        error[rows, y] -= 1
        below = (error @ network[2].T) * (hidden > 0) @ network[0].T
        total, shares = total + share * below, shares + share
    return total / shares if len(model) > 1 else below


def fgsm(model: Model, x: np.ndarray, y: np.ndarray, epsilon: float) -> np.ndarray:
    """`x` moved by `epsilon` along the sign of the loss's gradient, kept within 0 to 1.

    Raises `AttackError` for a negative `epsilon`. Built in view in chapter 24.
    """
    if not epsilon >= 0:
        raise AttackError(f"epsilon is {epsilon}; give the greatest change of a pixel, 0 or more.")
    return np.clip(x + epsilon * np.sign(input_gradient(model, x, y)), 0, 1).astype(x.dtype)


def pgd(
    model: Model, x: np.ndarray, y: np.ndarray, epsilon: float, steps: int = 10, step: float = 0
) -> np.ndarray:
    """`x` after `steps` small gradient-sign steps, each brought back to within `epsilon` of `x`.

    `step` is the size of one step; 0 means a quarter of `epsilon`. Raises `AttackError` for bad
    sizes. Built in view in chapter 24.
    """
    if steps < 1:
        raise AttackError(f"steps is {steps}; give at least one step.")
    found, size = x, step or epsilon / 4
    for _ in range(steps):
        found = np.clip(fgsm(model, found, y, size), x - epsilon, x + epsilon).astype(x.dtype)
    return found


def train(
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    epochs: int,
    hidden: int = 64,
    change: Callable[..., np.ndarray] | None = None,
    batch: int = 64,
    learning_rate: float = 2e-3,
) -> Model:
    """A model of one network, float32, trained with Adam on cross-entropy.

    `change(model, x, y, generator)` returns the rows to train on instead of a batch: rows with
    noise, or attacked rows (adversarial training). Raises `AttackError` for bad input.
    Adam: Kingma and Ba 2014, https://arxiv.org/abs/1412.6980. Used first in chapter 24.
    """
    from threadpoolctl import threadpool_limits

    if epochs < 1 or len(x) == 0:
        raise AttackError("Training needs at least one row and one epoch.")
    # The matrices of a batch are small: a second thread costs more than it brings.
    with threadpool_limits(1, user_api="blas"):
        return _train(x, y, seed, epochs, hidden, change, batch, learning_rate)


def _train(
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    epochs: int,
    hidden: int,
    change: Callable[..., np.ndarray] | None,
    batch: int,
    learning_rate: float,
) -> Model:
    weights = new_weights(x.shape[1], hidden, int(y.max()) + 1, seed)
    network = [np.asarray(part, np.float32) for part in weights]
    _checked((network,), x, y)
    generator = np.random.default_rng([seed, 24])
    first, second = ([np.zeros_like(part) for part in network] for _ in range(2))
    total, done = epochs * -(-len(x) // batch), 0
    for _ in range(epochs):
        order = generator.permutation(len(x))
        for begin in range(0, len(x), batch):
            chosen = order[begin : begin + batch]
            rows, labels = x[chosen], y[chosen]
            if change is not None:
                rows = change((network,), rows, labels, generator)
            gradients = _weight_gradients(network, rows, labels)
            rate = learning_rate * (1 - done / total)
            done += 1
            for k, gradient in enumerate(gradients):
                first[k] = 0.9 * first[k] + 0.1 * gradient
                second[k] = 0.999 * second[k] + 0.001 * gradient**2
                scale = np.sqrt(second[k] / (1 - 0.999**done)) + 1e-8
                network[k] = network[k] - rate * first[k] / (1 - 0.9**done) / scale
    return (network,)


def _weight_gradients(network: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    hidden, error = forward(network, x)
    error[np.arange(len(y)), y] -= 1
    error /= len(y)
    below = (error @ network[2].T) * (hidden > 0)
    return [x.T @ below, below.sum(axis=0), hidden.T @ error, error.sum(axis=0)]


def art_classifier(model: Model) -> Any:
    """`model` as a classifier that the adversarial-robustness-toolbox attacks.

    The toolbox asks for predictions and loss gradients and runs its own attack code on them.
    https://github.com/Trusted-AI/adversarial-robustness-toolbox. Used first in chapter 24.
    """
    with warnings.catch_warnings():
        # The toolbox warns about parts of it that need PyTorch; none of them is used.
        warnings.simplefilter("ignore")
        import art.attacks.evasion  # noqa: F401 - warns once, here
        from art.estimators import BaseEstimator, LossGradientsMixin
        from art.estimators.classification.classifier import ClassifierMixin

    features, classes = model[0][0].shape[0], model[0][2].shape[1]

    class Classifier(ClassifierMixin, LossGradientsMixin, BaseEstimator):
        """The model's answers and gradients under the toolbox's names."""

        def __init__(self) -> None:
            super().__init__(model=model, clip_values=(0.0, 1.0))
            self.nb_classes = classes

        @property
        def input_shape(self) -> tuple[int, ...]:
            return (features,)

        def predict(self, x: np.ndarray, **_: Any) -> np.ndarray:
            return probabilities(model, x)

        def loss_gradient(self, x: np.ndarray, y: np.ndarray, **_: Any) -> np.ndarray:
            return input_gradient(model, x, y.argmax(axis=1))

        def fit(self, x: np.ndarray, y: np.ndarray, **_: Any) -> None:
            raise AttackError("This classifier is only attacked; train the model before.")

    return Classifier()


def art_pictures(
    model: Model, x: np.ndarray, y: np.ndarray, epsilon: float, steps: int = 0
) -> np.ndarray:
    """`x` attacked by the toolbox: FGSM for no `steps`, else PGD with steps of a quarter epsilon.

    The toolbox's own code; only gradients and predictions are ours. Used first in chapter 24.
    """
    network = art_classifier(model)
    from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentNumpy

    if steps:
        sizes = {"eps_step": epsilon / 4, "max_iter": steps, "verbose": False}
        attack = ProjectedGradientDescentNumpy(network, eps=epsilon, **sizes)
    else:
        attack = FastGradientMethod(network, eps=epsilon)
    return attack.generate(x, np.eye(network.nb_classes)[y])
