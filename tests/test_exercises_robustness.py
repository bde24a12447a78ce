"""The checkers of chapter 24: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import robustness as check


def stub(*_):
    raise NotImplementedError


def near(moved, original, epsilon):
    return np.clip(np.clip(moved, original - epsilon, original + epsilon), 0, 1)


def near_by_limits(moved, original, epsilon):
    low, high = np.maximum(original - epsilon, 0), np.minimum(original + epsilon, 1)
    return np.minimum(np.maximum(moved, low), high)


def bound(tries, confidence):
    return 1 - (1 - confidence) ** (1 / tries)


def bound_by_logarithm(tries, confidence):
    return -math.expm1(math.log1p(-confidence) / tries)


def read(value):
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise ValueError("Send a temperature from 0 to 2.")
    return value


def read_by_type(value):
    if type(value) not in (int, float):
        raise ValueError("The temperature is no number: send one from 0 to 2.")
    if math.isnan(value) or value < 0 or value > 2:
        raise ValueError("The temperature is outside 0 to 2.")
    return value


CHECKERS = [check.project, check.failure_bound, check.read_temperature]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.project, near),
        (check.project, near_by_limits),
        (check.failure_bound, bound),
        (check.failure_bound, bound_by_logarithm),
        (check.read_temperature, read),
        (check.read_temperature, read_by_type),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def in_place(moved, original, epsilon):
    moved[:] = near(moved, original, epsilon)
    return moved


def euclidean(moved, original, epsilon):
    change = moved - original
    return np.clip(original + change * epsilon / np.linalg.norm(change), 0, 1)


def only_range(value):
    if isinstance(value, Real) and not isinstance(value, bool) and (value < 0 or value > 2):
        raise ValueError("Outside.")
    return value


def bools_pass(value):
    if not isinstance(value, int | float) or not 0 <= value <= 2:
        raise ValueError("Outside.")
    return value


def converts(value):
    if isinstance(value, bool) or not 0 <= float(value) <= 2:
        raise ValueError("Outside.")
    return float(value)


def raises_type_error(value):
    if type(value) not in (int, float):
        raise TypeError("No number.")
    return read(value)


def silent(value):
    try:
        return read(value)
    except ValueError:
        raise ValueError from None


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.project, lambda m, o, e: np.clip(m, 0, 1), "further than epsilon"),
        (check.project, lambda m, o, e: np.clip(m, o - e, o + e), "left 0 to 1"),
        (check.project, lambda m, o, e: np.clip(o + e * np.sign(m - o), 0, 1), "allowed already"),
        (check.project, euclidean, "Euclidean ball"),
        (check.project, in_place, "caller's arrays"),
        (check.failure_bound, lambda n, c: 0, "need not be zero"),
        (check.failure_bound, lambda n, c: (1 - c) ** (1 / n), "one minus it"),
        (check.failure_bound, lambda n, c: 1 - c ** (1 / n), "must be improbable"),
        (check.failure_bound, lambda n, c: (1 - c) ** n, "n-th root"),
        (check.failure_bound, lambda n, c: bound(n, 0.95), "use both"),
        (check.read_temperature, only_range, "NaN comes through"),
        (check.read_temperature, bools_pass, "True comes through"),
        (check.read_temperature, converts, "The text"),
        (check.read_temperature, raises_type_error, "raise ValueError"),
        (check.read_temperature, silent, "needs a sentence"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message, feedback
