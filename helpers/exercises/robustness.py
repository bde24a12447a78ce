"""Checkers for the exercises on robustness: projection, what zero failures mean, a boundary."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.exercises import Mistake, checker, expect


def _numbers(found: Any, what: str) -> np.ndarray:
    expect(found is not None, f"The function returns nothing; return {what}.")
    try:
        return np.asarray(found, float)
    except (TypeError, ValueError) as error:
        raise Mistake(f"Return numbers: {what}.") from error


@checker("24.1", "The picture stays in both boxes: near the original, and a picture.")
def project(answer: Callable) -> None:
    """Tries `answer(moved, original, epsilon)` on pixels whose place is known."""
    original = np.array([[0.5, 0.5, 0.02, 0.97, 0.4]])
    moved = np.array([[0.9, 0.1, -0.5, 1.5, 0.43]])
    kept = moved.copy(), original.copy()
    found = _numbers(answer(moved, original, 0.1), "the projected pixels")
    expect(
        np.array_equal(moved, kept[0]) and np.array_equal(original, kept[1]),
        "You changed the caller's arrays; return a new one.",
    )
    expect(found.shape == moved.shape, f"The shape is {found.shape}, not {moved.shape}.")
    expect(
        not np.allclose(found, np.clip(moved, 0, 1)),
        "The pixels stay in 0 to 1, but some lie further than epsilon from the original.",
    )
    expect(
        not np.allclose(found, np.clip(moved, original - 0.1, original + 0.1)),
        "Each pixel is within epsilon of the original, but some left 0 to 1.",
    )
    change = moved - original
    scaled = original + change * min(1.0, 0.1 / float(np.linalg.norm(change)))
    expect(
        not np.allclose(found, np.clip(scaled, 0, 1)),
        "You shortened the whole change (the Euclidean ball); here each pixel has its own limit.",
    )
    expect(
        np.isclose(found[0, 4], 0.43),
        "A pixel that was allowed already has changed; only those outside are brought back.",
    )
    expect(
        np.allclose(found, [[0.6, 0.4, 0.0, 1.0, 0.43]]),
        f"From {moved[0].tolist()} it should come to 0.6, 0.4, 0, 1, 0.43, not {found[0]}.",
    )


@checker("24.2", "No failure among n tries still leaves room for a rate of about 3 / n.")
def failure_bound(answer: Callable) -> None:
    """Tries `answer(tries, confidence)` against the exact bound for zero failures."""
    found = _numbers(answer(100, 0.95), "the bound")
    expect(found.ndim == 0, "Return one number: the largest failure rate.")
    expect(found > 0, "Zero failures were seen, but the rate need not be zero.")
    expect(
        not math.isclose(found, 0.95 ** (1 / 100)) and not math.isclose(found, 0.05 ** (1 / 100)),
        "That is the share of good answers; the failure rate is one minus it.",
    )
    expect(
        not math.isclose(found, 1 - 0.95 ** (1 / 100)),
        "You solved (1 - p)^n = confidence; no failure must be improbable: 1 - confidence.",
    )
    expect(
        not math.isclose(found, 0.05**100, abs_tol=1e-12),
        "Take the n-th root, not the n-th power.",
    )
    expect(math.isclose(found, 1 - 0.05 ** (1 / 100), rel_tol=0.02), f"Not {float(found):.4g}.")
    for tries, confidence in ((10_000, 0.95), (50, 0.99), (2000, 0.9)):
        exact = 1 - (1 - confidence) ** (1 / tries)
        expect(
            math.isclose(float(answer(tries, confidence)), exact, rel_tol=0.03),
            f"For {tries} tries at confidence {confidence} the bound is {exact:.4g}; use both "
            "arguments.",
        )


@checker("24.3", "Every bad temperature is refused, every good one comes through unchanged.")
def read_temperature(answer: Callable) -> None:
    """Tries `answer(value)` on values that must pass and values that must raise ValueError."""
    for good in (0, 0.7, 2, 2.0):
        try:
            found = answer(good)
        except ValueError as error:
            raise Mistake(f"{good!r} is allowed, but it is refused.") from error
        expect(found is not None, "The function returns nothing; return the temperature.")
        expect(float(found) == good, f"From {good!r} comes {found!r}; return it unchanged.")
    hints = {
        "nan": (math.nan, "NaN comes through: every comparison with it is false."),
        "inf": (math.inf, "Infinity comes through; the largest allowed value is 2."),
        "true": (True, "True comes through: in Python a bool is an int, so refuse it by name."),
        "text": ("0.7", "The text '0.7' comes through; do not convert, refuse what is no number."),
        "none": (None, "None comes through; a missing value needs a refusal, too."),
        "list": ([0.7], "A list comes through; one number is expected."),
        "low": (-0.1, "A negative value comes through; the least allowed value is 0."),
        "high": (2.01, "A value above 2 comes through."),
    }
    for bad, hint in hints.values():
        try:
            answer(bad)
        except ValueError as refusal:
            expect(str(refusal).strip() != "", "A refusal needs a sentence that says what to do.")
        except NotImplementedError:
            raise
        except Exception as error:
            raise Mistake(
                f"{bad!r} ends in {type(error).__name__}; raise ValueError with a sentence."
            ) from error
        else:
            raise Mistake(hint)
