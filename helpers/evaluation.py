"""Evaluation: metrics of classifiers and language models, with intervals, size and latency.

The one import of the notebooks. Calibration, intervals and latency live in modules of their own
and are offered here under the same names.
"""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.calibration import (
    ReliabilityCurve,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability_curve,
    softmax,
)
from helpers.checks import (
    EvaluationError,
    aligned,
    both_classes,
    checked_probabilities,
    whole_number,
)
from helpers.intervals import Interval, McNemar, bootstrap_interval, mcnemar, paired_difference
from helpers.latency import Latency, latency

__all__ = [
    "ClassificationSummary",
    "EvaluationError",
    "Interval",
    "Latency",
    "McNemar",
    "ReliabilityCurve",
    "accuracy",
    "bits_per_byte",
    "bootstrap_interval",
    "classification_summary",
    "expected_calibration_error",
    "file_size",
    "fit_temperature",
    "latency",
    "mcnemar",
    "negative_log_likelihood",
    "paired_difference",
    "parameter_count",
    "pass_at_k",
    "reliability_curve",
    "roc_auc",
    "softmax",
]


@dataclass(frozen=True)
class ClassificationSummary:
    """Accuracy and macro F1 in [0, 1], log loss in nats, expected calibration error in [0, 1]."""

    accuracy: float
    macro_f1: float
    log_loss: float
    ece: float


def accuracy(y: Any, predictions: Any) -> float:
    """The share of `predictions` equal to `y`, in [0, 1].

    `predictions` are labels of shape (n,), or scores (logits, probabilities) of shape (n, classes)
    of which the largest counts. Raises `EvaluationError` for empty or unequal arrays. Built in
    view in chapter 01.
    """
    y, predictions = aligned(y=y, predictions=predictions)
    if predictions.ndim == 2 and predictions.shape[1] > 1 and y.ndim == 1:
        predictions = predictions.argmax(axis=1)
    if y.shape != predictions.shape:
        raise EvaluationError(
            f"'y' has the shape {y.shape} and 'predictions' {predictions.shape}; give labels (n,) "
            "and labels (n,) or scores (n, classes)."
        )
    if predictions.dtype.kind == "f" and (predictions % 1 != 0).any():
        raise EvaluationError(
            "'predictions' holds fractions in one column; turn probabilities into labels with a "
            "threshold first."
        )
    return float(np.mean(y == predictions))


def classification_summary(y: Any, probabilities: Any) -> ClassificationSummary:
    """The `ClassificationSummary` of `probabilities` (n, classes), or (n,) for class 1, against y.

    The label is the most probable class (class 1 above 0.5). Macro F1 is the mean over the classes
    that occur in `y` or in the labels; a class without true positives counts 0. Log loss is in
    nats with probabilities clipped at 1e-15; the calibration error uses 15 bins. Raises
    `EvaluationError` for probabilities that are none and for labels that do not fit them. Agrees
    with scikit-learn's `f1_score(average="macro")` and `log_loss`. Its parts, with F1 for the class
    "yes", are built in view in chapter 01.
    """
    y, values = checked_probabilities(y, probabilities)
    columns = np.column_stack([1 - values, values]) if values.ndim == 1 else values
    predicted = columns.argmax(axis=1)
    size = columns.shape[1]
    table = np.bincount(y * size + predicted, minlength=size * size).reshape(size, size)
    occurs = table.sum(axis=0) + table.sum(axis=1)
    f1 = 2 * np.diag(table)[occurs > 0] / occurs[occurs > 0]
    chosen = np.clip(columns[np.arange(len(y)), y], 1e-15, 1)
    return ClassificationSummary(
        accuracy=float(np.mean(predicted == y)),
        macro_f1=float(f1.mean()),
        log_loss=float(-np.log(chosen).mean()),
        ece=expected_calibration_error(y, values),
    )


def roc_auc(y: Any, scores: Any) -> float:
    """The probability that a random positive scores above a random negative; a tie counts half.

    `y` holds 0 and 1, `scores` is any number that grows with class 1; both have the shape (n,).
    Raises `EvaluationError` when a class is missing. It is the area under the ROC curve: Hanley and
    McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747. Built in view in chapter 01.
    """
    y, scores = aligned(y=y, scores=scores)
    y = both_classes(y)
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positives = int(y.sum())
    surplus = middle_rank[y == 1].sum() - positives * (positives + 1) / 2
    return float(surplus / (positives * (len(y) - positives)))


def bits_per_byte(negative_log_likelihood_nats: float, bytes: int) -> float:
    """Bits a language model needs for each byte of text: total nats / ln 2 / number of bytes.

    The likelihood is the sum over the whole text, the bytes those of its UTF-8 form, so models
    with different tokenizers can be compared. Raises `EvaluationError` for a negative or
    non-finite likelihood and for a text without bytes. Built in view in chapter 01.
    """
    size = whole_number(bytes, "bytes", 1)
    total = float(negative_log_likelihood_nats)
    if not math.isfinite(total) or total < 0:
        raise EvaluationError(
            f"The negative log-likelihood is {total}; give the finite, non-negative sum in nats."
        )
    return total / math.log(2) / size


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate of the chance that at least one of `k` samples is right.

    n  samples drawn for the problem, c of them right, k samples a user would draw (k <= n)

    It is the share of all k-element subsets of the n samples that hold a right one. Raises
    `EvaluationError` when the counts do not fit. Source: Chen et al. 2021, equation 1,
    https://arxiv.org/abs/2107.03374. Built in view in chapter 01.
    """
    n, c, k = whole_number(n, "n", 1), whole_number(c, "c", 0), whole_number(k, "k", 1)
    if c > n or k > n:
        raise EvaluationError(
            f"Of n={n} samples, c={c} cannot be right and k={k} cannot be drawn; c and k must be "
            "at most n."
        )
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def parameter_count(model: Any) -> int:
    """Number of parameters of a built Keras model, or of a fitted scikit-learn linear or MLP model.

    All weights count, trainable or not. Raises `EvaluationError` for a model that is not built or
    fitted, or whose size is no number of weights (a tree, for example).
    """
    if getattr(model, "weights", None) is not None and hasattr(model, "count_params"):
        if not model.weights:
            raise EvaluationError("The Keras model has no weights yet; build it or call it once.")
        return sum(math.prod(weight.shape) for weight in model.weights)
    if hasattr(model, "coefs_"):
        arrays = [*model.coefs_, *model.intercepts_]
    elif hasattr(model, "coef_"):
        arrays = [model.coef_, model.intercept_]
    else:
        raise EvaluationError(
            f"A {type(model).__name__} has no weights to count: give a built Keras model, or a "
            "fitted linear or multi-layer model of scikit-learn."
        )
    return sum(int(np.size(array)) for array in arrays)


def file_size(path: str | Path, gzipped: bool = False) -> int:
    """Bytes of the file at `path`, or of all files below it; `gzipped` as gzip would store them.

    Each file is compressed on its own at level 9. Raises `EvaluationError` when there is none.
    """
    path = Path(path)
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) or [path]
    if not files[0].is_file():
        raise EvaluationError(f"There is no file at '{path}'; save the model there first.")
    if not gzipped:
        return sum(file.stat().st_size for file in files)
    return sum(len(gzip.compress(file.read_bytes(), 9, mtime=0)) for file in files)
