"""The checkers of chapter 30: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import business as check

SIDE, POWER = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(0.8)


def stub(*_):
    raise NotImplementedError


def raw(base, lift, side=SIDE, power=POWER):
    p, q = base, base + lift
    m = (p + q) / 2
    return (side * (2 * m * (1 - m)) ** 0.5 + power * (p * (1 - p) + q * (1 - q)) ** 0.5) / lift


def sample(base, lift):
    return math.ceil(raw(base, lift) ** 2)


def by_statsmodels(base, lift):
    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail as size

    low = min(base, base + lift)
    return int(np.ceil(size(abs(lift), low, 0.8, alpha=0.025, alternative="larger")))


def cost(pace, hourly, busy):
    return 1000 * hourly / (3600 * pace * busy)


def cost_by_time(pace, hourly, busy):
    seconds_paid = 1000 / pace / busy
    return seconds_paid * hourly / 3600


def interval(customers, rate, profit, cost):
    each = (customers * rate * profit - cost) / cost
    return tuple(np.quantile(each, (0.05, 0.5, 0.95)))


def interval_by_sorting(customers, rate, profit, cost):
    each = sorted(customers * rate * profit / cost - 1)
    return [each[round(share * (len(each) - 1))] for share in (0.05, 0.5, 0.95)]


@pytest.mark.parametrize("checker", [check.visitors, check.thousand, check.returns])
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.visitors, sample),
        (check.visitors, by_statsmodels),
        (check.thousand, cost),
        (check.thousand, cost_by_time),
        (check.returns, interval),
        (check.returns, interval_by_sorting),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def quantiles(values):
    return tuple(np.quantile(values, (0.05, 0.5, 0.95)))


ONE_SIDE = NormalDist().inv_cdf(0.95)


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.visitors, lambda p, d: 2 * sample(p, d), "both arms together"),
        (check.visitors, lambda p, d: math.ceil(raw(p, d, ONE_SIDE) ** 2), "one-sided"),
        (check.visitors, lambda p, d: math.ceil(raw(p, d, power=0) ** 2), "power is missing"),
        (check.visitors, lambda p, d: raw(p, d) ** 2 * d, "lift included"),
        (check.visitors, lambda p, d: raw(p, d) ** 2, "Round up"),
        (check.visitors, lambda p, d: 5, "visitors, not 5"),
        (check.visitors, lambda p, d: None, "returns nothing"),
        (check.thousand, lambda v, h, u: cost(v, h, 1), "left out the idle time"),
        (check.thousand, lambda v, h, u: cost(v, h, 1 / u), "do not multiply"),
        (check.thousand, lambda v, h, u: cost(v, h, u) / 1000, "one prediction"),
        (check.thousand, lambda v, h, u: cost(v, h, u) * 3600, "3,600 seconds"),
        (check.thousand, lambda v, h, u: 7.0, "not 7"),
        (check.returns, lambda n, r, p, c: quantiles(r * p / c - 1), "multiply by the customers"),
        (check.returns, lambda n, r, p, c: quantiles(n * r * p / c), "subtracts the cost"),
        (check.returns, lambda n, r, p, c: quantiles(n * r * p - c), "profit in money"),
        (check.returns, lambda n, r, p, c: quantiles(1 - c / (n * r * p)), "divide by the benefit"),
        (check.returns, lambda *a: interval(*a)[::-1], "in the order"),
        (check.returns, lambda *a: interval(*(np.mean(x) for x in a)), "draw by draw"),
        (check.returns, lambda *a: 0.3, "three numbers"),
    ],
)
def test_each_mistake_meets_its_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG, feedback
    assert hint in feedback.message
