"""How good generated rows are: Frechet distance, spread within classes, distance to training rows.

All of it is NumPy on arrays of features, so it serves a network, a table or a simulation.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class GenerativeError(ValueError):
    """Samples that cannot be compared; one sentence."""


def _features(values: Any, name: str, least: int = 2) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or len(array) < least or array.shape[1] == 0:
        raise GenerativeError(
            f"'{name}' has the shape {array.shape}; give features of shape (samples, features) "
            f"with at least {least} samples."
        )
    if not np.isfinite(array).all():
        raise GenerativeError(f"'{name}' holds NaN or infinity; look at the model that made it.")
    return array


def frechet_between(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """The squared Frechet distance of two Gaussians, in squared units of the features.

    |m_a - m_b|^2 + trace(A + B - 2 (A B)^(1/2)). The trace of the root is the sum of the roots of
    the eigenvalues of A^(1/2) B A^(1/2), a symmetric matrix, so nothing turns complex. Source:
    Dowson and Landau 1982, https://doi.org/10.1016/0047-259X(82)90077-X. Built in view in
    chapter 08.
    """
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance_a))
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ np.atleast_2d(covariance_b) @ root)
    cross = np.sqrt(np.clip(inner, 0, None)).sum()
    apart = np.sum((np.atleast_1d(mean_a) - np.atleast_1d(mean_b)) ** 2)
    return float(apart + np.trace(np.atleast_2d(covariance_a + covariance_b)) - 2 * cross)


def frechet_distance(a: Any, b: Any) -> float:
    """The squared Frechet distance of two samples of features (n, features), each as a Gaussian.

    With the features of an Inception network this is the FID of Heusel et al. 2017,
    https://arxiv.org/abs/1706.08500. It is too large on small samples: state the sample size and
    the extractor with it. Raises `GenerativeError` for less than two samples or different numbers
    of features. Built in view in chapter 08.
    """
    first, second = _features(a, "a"), _features(b, "b")
    if first.shape[1] != second.shape[1]:
        raise GenerativeError(
            f"The samples have {first.shape[1]} and {second.shape[1]} features; use the same "
            "extractor for both."
        )
    moments = [(s.mean(axis=0), np.atleast_2d(np.cov(s, rowvar=False))) for s in (first, second)]
    return frechet_between(*moments[0], *moments[1])


def spread_within_classes(x: Any, y: Any) -> float:
    """The mean over classes of the total variance within the class, in squared units of `x`.

    Rows may have any shape. Raises `GenerativeError` when a class has fewer than two rows. Built
    for chapter 08: a generator that draws one picture per class has nearly none.
    """
    rows, labels = np.asarray(x, dtype=np.float64), np.asarray(y)
    if len(rows) == 0 or len(rows) != len(labels):
        raise GenerativeError(
            f"There are {len(rows)} rows and {len(labels)} labels; give equally many, at least two."
        )
    flat, spreads = rows.reshape(len(rows), -1), []
    for label in np.unique(labels):
        members = flat[labels == label]
        if len(members) < 2:
            raise GenerativeError(f"Class {label} has one row only; a spread needs two.")
        spreads.append(members.var(axis=0, ddof=1).sum())
    return float(np.mean(spreads))


def nearest_distances(x: Any, among: Any) -> np.ndarray:
    """For each row of `x` the Euclidean distance to its nearest row of `among`; float64 (n,).

    Raises `GenerativeError` for empty or unequal shapes. Built for chapter 08: copies of training
    rows lie much nearer to them than new real rows do.
    """
    rows = _features(np.reshape(x, (len(x), -1)), "x", 1)
    known = _features(np.reshape(among, (len(among), -1)), "among", 1)
    if rows.shape[1] != known.shape[1]:
        raise GenerativeError(
            f"The rows have {rows.shape[1]} and {known.shape[1]} values; they must be alike."
        )
    squares = (rows**2).sum(1)[:, None] + (known**2).sum(1) - 2 * rows @ known.T
    return np.sqrt(np.clip(squares.min(axis=1), 0, None))


def resampled_moments(
    generations: int, size: int, chains: int, seed: int, keep: bool = False
) -> np.ndarray:
    """Variances (generations + 1, chains) of Gaussians, each fitted to samples of the one before.

    Starts at variance 1. Every generation draws `size` values from the last Gaussian and fits mean
    and variance (divided by the number of values, maximum likelihood) to them; with `keep` to them
    and to all values that were drawn before. Raises `GenerativeError` for less than one generation
    or chain, or less than two values. Source: Shumailov et al. 2024,
    https://doi.org/10.1038/s41586-024-07566-y. Built for chapter 08.
    """
    if generations < 1 or chains < 1 or size < 2:
        raise GenerativeError(
            f"There are {generations} generations, {chains} chains and {size} values; give at "
            "least one, one and two."
        )
    generator = np.random.default_rng(seed)
    mean, variance = np.zeros(chains), np.ones(chains)
    kept, history = [], [variance]
    for _ in range(generations):
        drawn = mean + np.sqrt(variance) * generator.normal(size=(size, chains))
        kept = [*kept, drawn] if keep else [drawn]
        values = np.concatenate(kept)
        mean, variance = values.mean(axis=0), values.var(axis=0)
        history.append(variance)
    return np.array(history)


def sheet(x: Any, y: Any, rows: int = 8, classes: int = 10) -> np.ndarray:
    """One picture of images side by side, (rows * height, classes * width): a column for a class.

    x is (n, height, width), y (n,). Raises `GenerativeError` when a class has fewer than `rows`
    images. Built for chapter 08.
    """
    images, labels = np.asarray(x, dtype=np.float64), np.asarray(y)
    if images.ndim != 3 or len(images) != len(labels):
        raise GenerativeError(
            f"The images have the shape {images.shape} and there are {len(labels)} labels; give "
            "grey images (n, height, width) and one label for each."
        )
    least = min(np.sum(labels == label) for label in range(classes))
    if least < rows:
        raise GenerativeError(f"A class has {least} images; the sheet needs {rows} of each.")
    columns = [np.concatenate(images[labels == label][:rows]) for label in range(classes)]
    return np.concatenate(columns, axis=1)


def classifier_features(x: Any, y: Any, units: int = 64, seed: int = 0) -> tuple[Any, Any]:
    """(extract, network): a function from rows to features float64 (n, units), and the classifier.

    The features are the hidden ReLU units of a network with one hidden layer that learned to
    classify `x`, 20 passes of Adam; rows may have any shape. Raises `GenerativeError` for labels
    of one class only. Built for chapter 08, as the extractor of its Frechet distances.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    rows, labels = np.reshape(x, (len(x), -1)), np.asarray(y)
    if len(rows) != len(labels) or len(np.unique(labels)) < 2:
        raise GenerativeError(
            f"An extractor learns from rows of at least two classes; there are {len(rows)} rows, "
            f"{len(labels)} labels and {len(np.unique(labels))} classes."
        )
    network = MLPClassifier(
        (units,), alpha=0.01, learning_rate_init=3e-3, max_iter=20, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 20 passes are what is wanted
        network.fit(rows, labels)
    hidden, bias = network.coefs_[0], network.intercepts_[0]

    def extract(images: Any) -> np.ndarray:
        return np.maximum(np.reshape(images, (len(images), -1)) @ hidden + bias, 0)

    return extract, network
