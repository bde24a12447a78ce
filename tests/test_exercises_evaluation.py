"""The checkers of chapter 01: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import evaluation as check


def stub(*_):
    raise NotImplementedError


def counts(y, predicted):
    hits = int(np.sum((y == 1) & (predicted == 1)))
    return hits, int(np.sum(predicted == 1)), int(np.sum(y == 1))


def precision_recall(y, predicted):
    hits, alarms, real = counts(y, predicted)
    return (hits / alarms if alarms else 0.0), (hits / real if real else 0.0)


def by_library(y, predicted):
    return (
        precision_score(y, predicted, zero_division=0),
        recall_score(y, predicted, zero_division=0),
    )


def bits(text, log_probabilities):
    return -sum(log_probabilities) / np.log(2) / len(text.encode("utf-8"))


def bits_by_log2(text, log_probabilities):
    probabilities = np.exp(log_probabilities)
    return float(-np.log2(probabilities).sum() / len(bytes(text, "utf-8")))


def both_orders(judge, a, b):
    won = sum((judge(x, y) == "first") + (judge(y, x) == "second") for x, y in zip(a, b))  # noqa: B905
    return won / (2 * len(a))


def mean_of_orders(judge, a, b):
    first = np.mean([judge(x, y) == "first" for x, y in zip(a, b, strict=True)])
    second = np.mean([judge(y, x) == "second" for x, y in zip(a, b, strict=True)])
    return (first + second) / 2


@pytest.mark.parametrize("checker", [check.precision_and_recall, check.bits_of, check.win_rate])
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.precision_and_recall, precision_recall),
        (check.precision_and_recall, by_library),
        (check.bits_of, bits),
        (check.bits_of, bits_by_log2),
        (check.win_rate, both_orders),
        (check.win_rate, mean_of_orders),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def accuracy_as_precision(y, predicted):
    return float(np.mean(y == predicted)), recall_score(y, predicted)


def unguarded(y, predicted):
    hits, alarms, real = counts(y, predicted)
    return hits / alarms, hits / real


def numpy_nan(y, predicted):
    hits, alarms, real = counts(y, predicted)
    with np.errstate(all="ignore"):
        return np.float64(hits) / alarms, np.float64(hits) / real


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.precision_and_recall, lambda y, p: precision_recall(y, p)[::-1], "exchanged"),
        (check.precision_and_recall, lambda y, p: precision_recall(y, p)[0], "two numbers"),
        (check.precision_and_recall, accuracy_as_precision, "accuracy"),
        (check.precision_and_recall, unguarded, "divide by zero"),
        (check.precision_and_recall, numpy_nan, "NaN"),
        (check.bits_of, lambda t, p: -bits(t, p), "negative"),
        (check.bits_of, lambda t, p: bits(t, p) * math.log(2), "nats per byte"),
        (check.bits_of, lambda t, p: -sum(p) / math.log(2) / len(p), "bits per token"),
        (check.bits_of, lambda t, p: -sum(p) / math.log(2) / len(t), "bits per character"),
        (
            check.win_rate,
            lambda j, a, b: np.mean([j(x, y) == "first" for x, y in zip(a, b, strict=True)]),
            "other order",
        ),
        (check.win_rate, lambda j, a, b: 1 - both_orders(j, a, b), "counted for B"),
        (check.win_rate, lambda j, a, b: both_orders(j, a[:5], b[:5]), "20 verdicts"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message


def only_agreed(judge, a, b):
    verdicts = [
        (judge(x, y) == "first", judge(y, x) == "second") for x, y in zip(a, b, strict=True)
    ]
    agreed = [one for one, other in verdicts if one == other]
    return np.mean(agreed) if agreed else 0.5


def test_a_judge_asked_in_both_orders_but_ties_dropped_is_wrong():
    feedback = check.win_rate(only_agreed)
    assert feedback.status == WRONG
    assert "Ties" in feedback.message
