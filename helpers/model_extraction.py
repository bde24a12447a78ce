"""Copying a model through its answers, and what a service's answers give away. Chapter 26.

The networks here are scikit-learn's `MLPClassifier` with one hidden layer, served as plain arrays.
Equation solving: Tramer et al. 2016 (https://arxiv.org/abs/1609.02943).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def three_parts(split: Any, counts: Sequence[int], rng: np.random.Generator) -> list[tuple]:
    """Pairs (x, y) for owner, thief and test: `counts` rows each, flat, drawn without overlap.

    `split` is a `helpers.data.Split` of images; its training and test rows are mixed. Raises
    `ValueError` if it has fewer rows than asked for.
    """
    x, y = (np.concatenate([a, b]) for a, b in _both(split))
    if sum(counts) > len(x):
        raise ValueError(f"{split.name} has {len(x)} rows, {sum(counts)} are asked for: ask less.")
    places = np.split(rng.permutation(len(x))[: sum(counts)], np.cumsum(counts)[:-1])
    return [(x[rows].reshape(len(rows), -1), y[rows]) for rows in places]


def _both(split: Any):
    return (split.x_train, split.x_test), (split.y_train, split.y_test)


def train_network(x, y, *, classes: int, hidden: int, steps: int, seed: int) -> Any:
    """A fitted `MLPClassifier` on rows `x` (n, features) and labels `y` of `classes` classes.

    `steps` is the number of gradient steps in batches of at most 200, so that few rows are trained
    on as long as many; 400 passes over the rows at most.

    Classes that are missing from `y` are known to the network nevertheless, so that all networks
    have the same outputs. Raises `ValueError` when rows and labels do not fit.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or len(x) != len(y) or len(x) == 0:
        raise ValueError(f"Rows {x.shape} and labels {y.shape} do not fit: give one label a row.")
    passes = min(400, -(-steps // -(-len(x) // 200)))
    model = MLPClassifier((hidden,), max_iter=passes, random_state=seed, alpha=1e-4)
    missing = np.setdiff1d(np.arange(classes), y)
    if missing.size:  # one grey row each: the class is known and hardly learned
        x = np.concatenate([x, np.full((missing.size, x.shape[1]), x.mean())])
        y = np.concatenate([y, missing])
    with warnings.catch_warnings(), _one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of steps is our choice
        return model.fit(x, y)


def _one_thread():
    """Matrix products in one thread: these are so small that threads only wait for each other."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def fit_logistic(x, y) -> Any:
    """A `LogisticRegression` fitted to rows `x` and labels `y`, 60 iterations at most."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings(), _one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number is our choice
        return LogisticRegression(max_iter=60, C=0.1).fit(x, y)


def fine_tuned(model: Any, x, y, passes: int) -> Any:
    """A copy of a fitted network, trained on for `passes` passes over new rows; `model` stays."""
    from copy import deepcopy

    tuned = deepcopy(model)
    with _one_thread():
        for _ in range(passes):
            tuned.partial_fit(x, y)
    return tuned


def network_weights(model: Any) -> dict[str, np.ndarray]:
    """Arrays `w0`, `b0`, `w1`, `b1` of a fitted one-layer `MLPClassifier`, as float32."""
    (w0, w1), (b0, b1) = model.coefs_, model.intercepts_
    named = {"w0": w0, "b0": b0, "w1": w1, "b1": b1}
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in named.items()}


def network_outputs(weights: dict[str, np.ndarray], x) -> np.ndarray:
    """Logits (n, classes) of the network for rows `x`: two matrix products and a ReLU."""
    hidden = np.maximum(np.asarray(x, np.float32) @ weights["w0"] + weights["b0"], 0)
    return hidden @ weights["w1"] + weights["b1"]


def solve_logistic(answer: Callable[[np.ndarray], np.ndarray], queries: np.ndarray) -> np.ndarray:
    """Weights (features + 1, classes) of a logistic regression, from its probabilities alone.

    `answer` gives probabilities (n, classes). The logarithm of p_k / p_0 is linear in the row, so
    features + 1 independent queries determine it; the last row holds the intercepts. Raises
    `ValueError` for fewer queries.
    """
    queries = np.asarray(queries, dtype=np.float64)
    if len(queries) <= queries.shape[1]:
        raise ValueError(
            f"{len(queries)} queries do not determine {queries.shape[1] + 1} unknowns: give more."
        )
    p = np.clip(answer(queries), 1e-300, None)
    ratios = np.log(p) - np.log(p[:, :1])
    system = np.column_stack([queries, np.ones(len(queries))])
    return np.linalg.lstsq(system, ratios, rcond=None)[0]


def agreement(first, second) -> float:
    """Share of equal entries of two label vectors of the same length."""
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(f"The labels have the shapes {first.shape} and {second.shape}.")
    return float((first == second).mean())
