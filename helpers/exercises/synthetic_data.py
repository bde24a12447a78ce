"""Checkers for the exercises on synthetic data: Frechet distance, kappa, augmenting one part."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from helpers.exercises import checker, expect
from helpers.generative import frechet_distance


@checker("08.1", "Means, covariances and the cross term are all in it.")
def frechet(answer: Callable) -> None:
    """Tries `answer(a, b)` on samples that differ in mean, in spread and in correlation."""
    draw = np.random.default_rng(5)
    a = draw.normal(size=(200, 3)) @ np.array([[1.0, 0.8, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    b = draw.normal(size=(150, 3)) @ np.diag([2.0, 1.0, 0.5]) + 1.0
    found, truth = answer(a, b), frechet_distance(a, b)
    expect(found is not None, "The function returns nothing; return one number.")
    expect(np.ndim(found) == 0, "Return one number: the cross term is a trace, that is a sum.")
    expect(not isinstance(found, complex), "The result is complex: keep the real part.")
    found = float(found)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    means = float(np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2))
    traces = float(np.trace(cov_a) + np.trace(cov_b))
    expect(not math.isclose(found, means, rel_tol=1e-6), "Only the means are compared so far.")
    expect(
        not math.isclose(found, means + traces, rel_tol=1e-6),
        "The cross term is missing: subtract twice the trace of the root of A B.",
    )
    single = means + traces - (means + traces - truth) / 2
    expect(
        not math.isclose(found, single, rel_tol=1e-6),
        "The cross term counts twice: the formula has -2 (A B)^(1/2).",
    )
    expect(
        not math.isclose(found, truth - means, rel_tol=1e-6),
        "The distance of the means is missing.",
    )
    parts = np.sqrt(np.diag(cov_a) * np.diag(cov_b)).sum()
    expect(
        not math.isclose(found, means + traces - 2 * parts, rel_tol=1e-6),
        "That takes the root of each variance alone: the eigenvalues of A @ B are needed, since "
        "the features are correlated.",
    )
    product = np.trace(cov_a @ cov_b)
    expect(
        not math.isclose(found, means + traces - 2 * product, rel_tol=1e-6),
        "The root is missing: sum the square roots of the eigenvalues of A @ B.",
    )
    expect(
        math.isclose(found, truth, rel_tol=1e-3),
        f"The distance of the two samples is {truth:.4f}, not {found:.4f}.",
    )
    same = float(answer(a, a))
    expect(math.isfinite(same), "A sample and itself give NaN: clip the eigenvalues at zero.")
    expect(abs(same) < 1e-3, "A sample is at distance 0 from itself.")


@checker("08.2", "Agreement by chance is subtracted, and perfect agreement is still 1.")
def kappa(answer: Callable) -> None:
    """Tries `answer(a, b)` on labels whose agreement can be counted by hand."""
    a = np.array([0] * 8 + [1] * 2)
    b = np.array([0] * 7 + [1] * 2 + [0])
    observed, expected = 0.8, 0.8 * 0.8 + 0.2 * 0.2
    truth = (observed - expected) / (1 - expected)
    found = answer(a, b)
    expect(found is not None, "The function returns nothing; return one number.")
    found = float(found)
    expect(not math.isclose(found, observed), "That is the raw agreement; subtract the chance.")
    expect(
        not math.isclose(found, observed - expected),
        "Divide by 1 - expected, so that perfect agreement gives 1.",
    )
    expect(
        not math.isclose(found, (observed - 0.5) / 0.5),
        "The chance is not one over the number of classes: it follows from how often each person "
        "gives each label.",
    )
    expect(
        math.isclose(found, truth, rel_tol=1e-9),
        f"With 8 of 10 agreeing and shares of 0.8 and 0.2 kappa is {truth:.3f}, not {found:.3f}.",
    )
    letters = np.array(list("aabbccabca")), np.array(list("aabbcbabcc"))
    shares = [(np.mean(letters[0] == c), np.mean(letters[1] == c)) for c in "abc"]
    chance = sum(p * q for p, q in shares)
    value = float(answer(*letters))
    expect(
        math.isclose(value, (np.mean(letters[0] == letters[1]) - chance) / (1 - chance)),
        "Three classes with names must work as well: go through the labels that occur.",
    )
    value = float(answer(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])))
    expect(value < 0, "Agreement below chance gives a negative kappa; do not clip it.")


@checker("08.3", "Only training rows have copies, and the test rows are as they were.")
def augment_split(answer: Callable) -> None:
    """Tries `answer(x, y, test, change)` with a change that leaves a mark on each row."""
    x, y = np.arange(24, dtype=np.float64).reshape(12, 2), np.arange(12) % 3
    test, kept = np.array([1, 4, 10]), x.copy()
    result = answer(x, y, test, lambda rows: np.asarray(rows) + 1000)
    expect(result is not None, "The function returns nothing; return four arrays.")
    expect(len(result) == 4, f"Return (x_train, y_train, x_test, y_test), not {len(result)} parts.")
    x_train, y_train, x_test, y_test = (np.asarray(part) for part in result)
    expect(np.array_equal(x, kept), "The rows of x themselves were changed; work on a copy.")
    expect(
        not np.any(x_test >= 1000) and len(x_test) == 3,
        "The test rows were augmented: they must be as they are, once each.",
    )
    expect(np.array_equal(x_test, x[test]), "The test rows are not the rows that `test` names.")
    expect(np.array_equal(y_test, y[test]), "The test labels do not belong to the test rows.")
    origin = x_train[:, 0] % 1000
    leaked = np.isin(origin, x[test, 0])
    expect(not leaked.any(), "Copies of test rows are in the training part: split first.")
    expect(
        len(x_train) == 18,
        f"There are 9 training rows and 9 copies, but you return {len(x_train)} rows.",
    )
    expect(
        np.sum(x_train[:, 0] >= 1000) == 9,
        "Keep the unchanged training rows beside their changed copies.",
    )
    labels = y[(origin / 2).astype(int)]
    expect(
        len(y_train) == 18 and np.array_equal(y_train, labels),
        "A training label does not belong to its row: repeat the labels in the order of the rows.",
    )
