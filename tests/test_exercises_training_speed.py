"""The checkers of chapter 13: stub, solutions, and mistakes that meet their own hints."""

from __future__ import annotations

import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises.training_speed import (
    check_epoch_seconds,
    check_overall_speedup,
    check_utilization,
)


def stub(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("check", [check_overall_speedup, check_epoch_seconds, check_utilization])
@pytest.mark.parametrize("untouched", [stub, None, ...])
def test_the_untouched_stub_is_open(check, untouched):
    assert check(untouched).status == OPEN


def simulated(steps, input_seconds, compute_seconds, prefetch):
    """Another solution: plays the two workers through, step by step."""
    made, trained = 0.0, 0.0
    for _ in range(steps):
        made = (made if prefetch else trained) + input_seconds
        trained = max(made, trained) + compute_seconds
    return trained


@pytest.mark.parametrize(
    ("check", "solution"),
    [
        (check_overall_speedup, lambda s, k: 1 / ((1 - s) + s / k)),
        (check_overall_speedup, lambda share, factor: 1 / (1 - share * (1 - 1 / factor))),
        (
            check_epoch_seconds,
            lambda n, i, c, p: i + (n - 1) * max(i, c) + c if p else n * (i + c),
        ),
        (check_utilization, lambda n, t, d, p: 6 * n * t / (d * p)),
        (check_utilization, lambda n, t, d, p: (2 + 4) * n * (t / d) / p),
    ],
)
def test_solutions_are_right(check, solution):
    assert check(solution).status == RIGHT


def test_a_solution_that_simulates_is_right():
    assert check_epoch_seconds(simulated).status == RIGHT


@pytest.mark.parametrize(
    ("check", "mistake", "hint"),
    [
        (check_overall_speedup, lambda s, k: (1 - s) + s / k, "reciprocal"),
        (check_overall_speedup, lambda s, k: s * k, "Times add up"),
        (check_overall_speedup, lambda s, k: (1 - s) + s * k, "Times add up"),
        (check_overall_speedup, lambda s, k: k / s, "still takes its time"),
        (check_overall_speedup, lambda s, k: 1 / (s + (1 - s) / k), "the other part"),
        (check_overall_speedup, lambda s, k: 2.5, "without any share"),
        (check_overall_speedup, lambda s, k: "2.5", "Return one number"),
        (check_epoch_seconds, lambda n, i, c, p: n * (i + c), "changes nothing"),
        (check_epoch_seconds, lambda n, i, c, p: n * max(i, c), "Without prefetching"),
        (
            check_epoch_seconds,
            lambda n, i, c, p: n * (min(i, c) if p else i + c),
            "take the greater",
        ),
        (
            check_epoch_seconds,
            lambda n, i, c, p: n * (max(i, c) if p else i + c),
            "Nothing overlaps with making the first",
        ),
        (
            check_epoch_seconds,
            lambda n, i, c, p: i * n + c if p else n * (i + c),
            "computing is the slower",
        ),
        (check_utilization, lambda n, t, d, p: 2 * n * t / (d * p), "the forward pass"),
        (check_utilization, lambda n, t, d, p: 6 * n * t / p, "number of devices"),
        (check_utilization, lambda n, t, d, p: d * p / (6 * n * t), "Turn it round"),
        (check_utilization, lambda n, t, d, p: 600 * n * t / (d * p), "not per cent"),
        (check_utilization, lambda n, t, d, p: 0.3, "all four arguments"),
    ],
)
def test_each_mistake_meets_its_hint(check, mistake, hint):
    feedback = check(mistake)
    assert feedback.status == WRONG
    assert hint in feedback.message


def test_an_exception_of_the_learner_is_reported():
    assert "ZeroDivisionError" in check_overall_speedup(lambda s, k: 1 / 0).message
