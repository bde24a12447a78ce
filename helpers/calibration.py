"""Calibration: whether a probability of 0.8 comes true eight times in ten, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.checks import (
    EvaluationError,
    aligned,
    checked_labels,
    checked_probabilities,
    whole_number,
)

_TEMPERATURES = (0.01, 100.0)


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """The bins of a reliability diagram that hold examples, in order of confidence.

    confidence  mean predicted probability in each bin, float64 (used bins,)
    frequency   share of the bin's examples for which the prediction came true
    count       number of examples in each bin, int64
    """

    confidence: np.ndarray
    frequency: np.ndarray
    count: np.ndarray


def softmax(logits: Any, temperature: float = 1.0) -> np.ndarray:
    """Probabilities along the last axis, float64, from `logits` divided by `temperature`.

    Safe for large logits. Raises `EvaluationError` for NaN, for an empty array and for a
    temperature that is not positive. With two classes it is the sigmoid of chapter 01.
    """
    (array,) = aligned(logits=logits)
    if not temperature > 0:
        raise EvaluationError(f"The temperature is {temperature!r}; give a number above 0.")
    scaled = array.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _events(y: Any, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """(stated probability, whether it came true) of each example, see `reliability_curve`."""
    y, values = checked_probabilities(y, values)
    if values.ndim == 1:
        return values, (y == 1).astype(np.float64)
    return values.max(axis=1), (values.argmax(axis=1) == y).astype(np.float64)


def reliability_curve(y: Any, probabilities: Any, bins: int = 15) -> ReliabilityCurve:
    """The `ReliabilityCurve` of predictions: stated probability against observed frequency.

    y              class indices, shape (n,)
    probabilities  (n, classes): the event is "the most probable class is the true one";
                   (n,): the probability of class 1, and the event is "the class is 1"
    bins           number of bins of equal width over [0, 1], closed on the right

    Raises `EvaluationError` for labels and probabilities that do not fit together. Source: Guo et
    al. 2017, https://arxiv.org/abs/1706.04599. Built in view in chapter 01.
    """
    bins = whole_number(bins, "bins", 1)
    stated, true = _events(y, probabilities)
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], stated)
    count = np.bincount(place, minlength=bins)
    used = count > 0
    return ReliabilityCurve(
        confidence=np.bincount(place, stated, bins)[used] / count[used],
        frequency=np.bincount(place, true, bins)[used] / count[used],
        count=count[used],
    )


def expected_calibration_error(y: Any, probabilities: Any, bins: int = 15) -> float:
    """Mean gap between stated probability and observed frequency, weighted by bin size, in [0, 1].

    Arguments and errors as in `reliability_curve`. The value depends on the number of bins and is
    biased upwards on small samples, so compare it only at equal `bins` and equal sample size.
    Source: Guo et al. 2017, equation 3, https://arxiv.org/abs/1706.04599. Built in view in
    chapter 01.
    """
    curve = reliability_curve(y, probabilities, bins)
    gap = np.abs(curve.confidence - curve.frequency)
    return float(np.sum(curve.count * gap) / np.sum(curve.count))


def negative_log_likelihood(logits: Any, y: Any, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood in nats of the labels `y` under softmax(logits / temperature).

    Computed from the logits (n, classes), so it is exact where a probability underflows.
    """
    logits, y = aligned(logits=logits, y=y)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise EvaluationError(
            f"'logits' has the shape {logits.shape}; give (n, classes) with at least two classes."
        )
    y = checked_labels(y, logits.shape[1])
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    chosen = scaled[np.arange(len(y)), y]
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - chosen))


def fit_temperature(logits: Any, y: Any) -> float:
    """The temperature above 0 that minimises the negative log-likelihood of softmax(logits / T).

    logits  (n, classes), of examples that neither trained the model nor test it
    y       class indices, shape (n,)

    One number rescales all logits, so the order of the classes and the accuracy stay as they are.
    Log-probabilities will do for logits. Raises `EvaluationError` where no such temperature
    exists between 0.01 and 100: when every example is right, or when the logits say nothing about
    the labels. Source: Guo et al. 2017, section 4.2, https://arxiv.org/abs/1706.04599. Built in
    view in chapter 01.
    """
    from scipy.optimize import minimize_scalar

    logits, y = aligned(logits=logits, y=y)
    negative_log_likelihood(logits, y)  # refuses shapes and labels that do not fit
    # Convex in 1 / T, so a bounded search over log T has one minimum to find.
    found = minimize_scalar(
        lambda log_temperature: negative_log_likelihood(logits, y, np.exp(log_temperature)),
        bounds=np.log(_TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-9},
    )
    temperature = float(np.exp(found.x))
    # Without a mistake the likelihood grows for ever as the temperature falls.
    if (logits.argmax(axis=1) == y).all() or temperature > 0.99 * _TEMPERATURES[1]:
        raise EvaluationError(
            f"No temperature up to {_TEMPERATURES[1]:g} minimises the loss: the logits get every "
            "example right or say nothing about the labels; use more calibration examples, or "
            "logits of a trained model."
        )
    return temperature
