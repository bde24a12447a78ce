"""Checkers for the exercises on business: visitors, cost of a thousand, a return's interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.exercises import Mistake, checker, expect
from helpers.experiment_design import sample_size


def _number(found: Any, what: str) -> float:
    """The learner's number as a float, refused with a hint when it is none."""
    expect(found is not None, f"The function returns nothing; return {what}.")
    try:
        return float(found)
    except (TypeError, ValueError) as error:
        raise Mistake(f"Return one number: {what}.") from error


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=2e-3)


def _visitors(base: float, lift: float, reach: float, power: float) -> float:
    """The formula with other z values, not rounded: what a mistake gives."""
    other = base + lift
    middle = (base + other) / 2
    null = reach * math.sqrt(2 * middle * (1 - middle))
    return ((null + power * math.sqrt(base * (1 - base) + other * (1 - other))) / lift) ** 2


@checker("30.1", "Each arm gets enough visitors for the promised power.")
def visitors(answer: Callable) -> None:
    """Tries `answer(base, lift)` on shares whose sample sizes are known."""
    for base, lift in ((0.05, 0.01), (0.3, -0.04), (0.02, 0.005)):
        right = sample_size(base, lift)
        found = _number(answer(base, lift), "the visitors in each arm")
        expect(
            not _near(found, 2 * right), "That is both arms together; return the visitors of each."
        )
        expect(
            not _near(found, _visitors(base, lift, 1.6449, 0.8416)),
            "That is a one-sided test: half of the 0.05 belongs to each side.",
        )
        expect(
            not _near(found, _visitors(base, lift, 1.96, 0.0)),
            "The power is missing: without its z value half of the real effects are missed.",
        )
        expect(
            not _near(abs(found), abs(right * lift)),
            "The whole fraction is squared, the lift included.",
        )
        expect(
            abs(found - right) <= 1.01,
            f"For {base} and {lift:+} each arm needs {right:,} visitors, not {found:,.1f}.",
        )
        expect(
            float(found).is_integer() and found >= right, "Round up: a part of a visitor is one."
        )


@checker("30.2", "The price counts the idle hours, too.")
def thousand(answer: Callable) -> None:
    """Tries `answer(pace, hourly, busy)` on machines whose price is known."""
    for pace, hourly, busy in ((50.0, 1.8, 0.25), (2000.0, 0.4, 0.6)):
        right = 1000 * hourly / (3600 * pace * busy)
        found = _number(answer(pace, hourly, busy), "the money for 1,000 predictions")
        mistakes = {
            "You left out the idle time: only the share `busy` of an hour makes predictions.": (
                right * busy
            ),
            "Idle time makes a prediction dearer: divide by `busy`, do not multiply.": (
                right * busy**2
            ),
            "That is the price of one prediction; return that of 1,000.": right / 1000,
            "The pace is per second and the price per hour: 3,600 seconds.": right * 3600,
        }
        for hint, value in mistakes.items():
            expect(not math.isclose(found, value, rel_tol=1e-6), hint)
        expect(
            math.isclose(found, right, rel_tol=1e-6),
            f"At {pace:g} a second, {hourly:g} an hour and {busy:g} busy it is {right:.4g}, "
            f"not {found:.4g}.",
        )


@checker("30.3", "The return is an interval over all draws, customers included.")
def returns(answer: Callable) -> None:
    """Tries `answer(customers, rate, profit, cost)` on draws whose quantiles are known."""
    draw = np.random.default_rng(4)
    customers = draw.integers(1_000, 9_000, 4_000).astype(float)
    rate, profit = draw.uniform(0.0, 0.05, 4_000), draw.uniform(50, 120, 4_000)
    cost = draw.uniform(5_000, 20_000, 4_000)
    found = answer(customers.copy(), rate.copy(), profit.copy(), cost.copy())
    expect(found is not None, "The function returns nothing; return (low, median, high).")
    try:
        low, middle, high = (float(value) for value in found)
    except (TypeError, ValueError) as error:
        raise Mistake("Return three numbers: low, median, high.") from error
    benefit, asked = customers * rate * profit, [0.05, 0.5, 0.95]
    right = np.quantile((benefit - cost) / cost, asked)

    def gives(values: np.ndarray) -> bool:
        return bool(np.allclose((low, middle, high), values, rtol=0.01))

    expect(
        not gives(np.quantile(rate * profit / cost - 1, asked)),
        "A rate times a profit is for one customer: multiply by the customers.",
    )
    expect(
        not gives(np.quantile(benefit / cost, asked)),
        "That is benefit over cost; the return subtracts the cost first.",
    )
    expect(
        not gives(np.quantile(benefit - cost, asked)),
        "That is profit in money; divide each draw by its cost.",
    )
    expect(
        not gives(np.quantile((benefit - cost) / benefit, asked)),
        "You divide by the benefit; the return is a share of what was spent.",
    )
    expect(low <= middle <= high, "Return them in the order low, median, high.")
    expect(
        gives(right),
        "The quantiles are not those of the return; compute it draw by draw, then take them.",
    )
