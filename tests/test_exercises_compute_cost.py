"""The checkers of chapter 15: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import compute_cost as check


def stub(*_):
    raise NotImplementedError


def weighted(parts):
    return np.average([g for g, _ in parts], axis=0, weights=[n for _, n in parts])


def summed(parts):
    return sum(g * n for g, n in parts) / sum(n for _, n in parts)


def wish(current, utilization, target, least, most):
    ratio = utilization / target
    if abs(ratio - 1) > 0.1:
        current = math.ceil(current * ratio - 1e-9)
    return min(max(current, least), most)


def wish_in_other_order(current, utilization, target, least, most):
    near = 0.9 * target <= utilization <= 1.1 * target
    found = current if near else -int(-(current * utilization / target - 1e-9) // 1)
    return int(np.clip(found, least, most))


def three(watts, hours, pue, price, intensity):
    kwh = watts / 1000 * hours * pue
    return kwh, kwh * price, kwh * intensity


def three_by_list(watts, hours, pue, price, intensity):
    return [watts * hours * pue / 1e3 * factor for factor in (1, price, intensity)]


CHECKERS = [check.whole_gradient, check.replicas, check.report]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.whole_gradient, weighted),
        (check.whole_gradient, summed),
        (check.replicas, wish),
        (check.replicas, wish_in_other_order),
        (check.report, three),
        (check.report, three_by_list),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def in_place(parts):
    total = parts[0][0]
    total *= parts[0][1]
    for gradient, tokens in parts[1:]:
        total += gradient * tokens
    return total / sum(n for _, n in parts)


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.whole_gradient, lambda p: sum(g for g, _ in p) / len(p), "mean of the means"),
        (check.whole_gradient, lambda p: sum(g * n for g, n in p), "That is the sum"),
        (check.whole_gradient, lambda p: sum(g * n for g, n in p) / len(p), "number of micro"),
        (check.whole_gradient, in_place, "were changed"),
        (check.whole_gradient, lambda p: 3.0, "shape of one gradient"),
        (check.replicas, lambda c, u, t, a, b: wish(c, t, u, a, b), "upside down"),
        (check.replicas, lambda c, u, t, a, b: c * u / t + 0.3, "whole"),
        (check.replicas, lambda c, u, t, a, b: int(c * u / t + 1e-9), "round up"),
        (
            check.replicas,
            lambda c, u, t, a, b: min(max(math.ceil(c * u / t - 1e-9), a), b),
            "within the tolerance",
        ),
        (check.replicas, lambda c, u, t, a, b: max(wish(c, u, t, 0, 99), a), "exceed"),
        (check.replicas, lambda c, u, t, a, b: min(wish(c, u, t, 0, 99), b), "fall below"),
        (check.report, lambda w, h, p, m, i: three(w * 1000, h, p, m, i), "watt-hours"),
        (check.report, lambda w, h, p, m, i: three(w, h, 1, m, i), "PUE is missing"),
        (check.report, lambda w, h, p, m, i: three(w * m, h, p, 1, i), "energy is no money"),
        (
            check.report,
            lambda w, h, p, m, i: (6, 6 * m, 6 * m * i),
            "computed from the money",
        ),
        (check.report, lambda w, h, p, m, i: w, "three numbers"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message, feedback.message
