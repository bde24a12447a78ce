"""Checkers for the exercises on evaluation: precision and recall, bits per byte, a fair judge."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.exercises import Mistake, checker, expect


def _same(found: Any, truth: float) -> bool:
    return math.isclose(float(found), truth, rel_tol=1e-9, abs_tol=1e-12)


def _pair(found: Any) -> tuple[float, float]:
    try:
        first, second = found
    except TypeError as error:
        raise Mistake("Return two numbers: precision first, then recall.") from error
    return float(first), float(second)


@checker("01.1", "Recall asks about the real positives, precision about the alarms.")
def precision_and_recall(answer: Callable) -> None:
    """Tries `answer(y, predicted)` where precision and recall differ, then without any alarm."""
    y = np.array([1] * 8 + [0] * 13)
    predicted = np.array([1] * 6 + [0] * 2 + [1] * 3 + [0] * 10)
    precision, recall = _pair(answer(y, predicted))
    swapped = _same(precision, 6 / 8) and _same(recall, 6 / 9)
    expect(
        not swapped,
        "Precision and recall are exchanged: precision divides by the alarms, recall by the real "
        "positives.",
    )
    expect(
        not (_same(precision, 16 / 21) or _same(recall, 16 / 21)),
        "One of them is accuracy: true negatives belong in neither precision nor recall.",
    )
    expect(
        _same(precision, 6 / 9),
        "Precision is wrong: divide the true positives by all predicted positives.",
    )
    expect(
        _same(recall, 6 / 8), "Recall is wrong: divide the true positives by all real positives."
    )
    try:
        silent = _pair(answer(y, np.zeros(21, dtype=int)))
    except ZeroDivisionError as error:
        raise Mistake(
            "A model that raises no alarm makes your code divide by zero; return 0 for precision."
        ) from error
    expect(
        not any(math.isnan(value) for value in silent),
        "Without any alarm your code returns NaN, because it divides by zero; return 0 instead.",
    )
    expect(_same(silent[0], 0) and _same(silent[1], 0), "Without any alarm both must be 0.")


@checker("01.2", "Bytes, not characters or tokens, make language models comparable.")
def bits_of(answer: Callable) -> None:
    """Tries `answer(text, log_probabilities)` on English and on Chinese text."""
    text, nats = "precision", [math.log(0.5)] * 18
    found = float(answer(text, nats))
    expect(found >= 0, "The result is negative: log-probabilities are, so turn the sign round.")
    expect(
        not _same(found, 18 * math.log(2) / 9),
        "That is nats per byte: divide by the natural logarithm of 2 to get bits.",
    )
    expect(
        not _same(found, 1),
        "That is bits per token: divide the sum by the bytes of the text, not by the tokens.",
    )
    expect(
        _same(found, 2), f"18 tokens of one bit over 9 bytes are 2 bits per byte, not {found:g}."
    )
    chinese = float(answer("精确率", nats))
    expect(
        not _same(chinese, 6),
        "That is bits per character: a Chinese character takes three bytes in UTF-8, so encode the "
        "text before counting.",
    )
    expect(
        _same(chinese, 2), f"18 bits over 9 bytes of Chinese are 2 bits per byte, not {chinese:g}."
    )


def _biased_judge(first: str, second: str) -> str:
    """A simulated judge: the longer answer wins, and the first place wins when they are close."""
    return "first" if len(first) + 3 >= len(second) else "second"


@checker("01.3", "In both orders the preference for the first place cancels.")
def win_rate(answer: Callable) -> None:
    """Tries `answer(judge, answers_a, answers_b)` with a judge that prefers the first place."""
    equal = ["same length"] * 10
    asked: list[tuple[str, str]] = []

    def judge(first: str, second: str) -> str:
        asked.append((first, second))
        return _biased_judge(first, second)

    found = float(answer(judge, equal, equal))
    expect(
        not _same(found, 1),
        "A wins every verdict although the answers are equal: every pair was judged with A first "
        "only, so judge it in the other order too.",
    )
    expect(
        len(asked) == 20, f"10 pairs in both orders are 20 verdicts; the judge saw {len(asked)}."
    )
    expect(_same(found, 0.5), f"Equal answers must share the verdicts: 0.5, not {found:g}.")
    better, worse = (
        ["a much longer answer", "short", "equal"],
        ["short", "a much longer one", "equal"],
    )
    better.append("one more long answer")
    worse.append("brief")
    found = float(answer(_biased_judge, better, worse))
    expect(
        not _same(found, 1 - 5 / 8),
        "The verdicts are counted for B: in the second order A stands second, so count 'second'.",
    )
    expect(
        not _same(found, 2 / 3),
        "Ties were thrown away: count every verdict and divide by twice the number of pairs.",
    )
    expect(_same(found, 5 / 8), f"A wins 5 of these 8 verdicts, a rate of 0.625, not {found:g}.")
