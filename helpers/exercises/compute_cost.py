"""Checkers for the exercises on compute and cost: micro-batches, autoscaler, energy report."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.exercises import Mistake, checker, expect


@checker("15.1", "Each micro-batch weighs as much as it has tokens.")
def whole_gradient(answer: Callable) -> None:
    """Tries `answer(parts)` on micro-batches of equal, unequal and no size."""
    first, second = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 0.0], [-1.0, 8.0]])
    parts = [(first.copy(), 1), (second.copy(), 3)]
    found = np.asarray(answer(parts), float)
    expect(found.shape == (2, 2), "Return an array of the shape of one gradient.")
    same = all((a[0] == b).all() for a, b in zip(parts, (first, second), strict=True))
    expect(same, "The gradients of the parts were changed: compute a new array.")
    expect(
        not np.allclose(found, (first + second) / 2),
        "That is the mean of the means: a micro-batch with three tokens must weigh three times as "
        "much as one with a single token.",
    )
    expect(not np.allclose(found, first + 3 * second), "That is the sum: divide by all tokens.")
    expect(
        not np.allclose(found, (first + 3 * second) / 2),
        "The sum was divided by the number of micro-batches, not by that of the tokens.",
    )
    expect(np.allclose(found, (first + 3 * second) / 4), "The weighted mean is another one.")
    empty = np.asarray(answer([(first, 2), (second, 0)]), float)
    expect(np.allclose(empty, first), "A micro-batch without tokens must not change the mean.")


@checker("15.2", "Rounded up, tolerant, and within its bounds.")
def replicas(answer: Callable) -> None:
    """Tries `answer(current, utilization, target, least, most)` around every edge of the rule."""

    def ask(*case: float) -> int:
        found = answer(*case)
        if isinstance(found, bool) or int(found) != found:
            raise Mistake(f"The number of replicas is whole; you returned {found!r}.")
        return int(found)

    found = ask(4, 0.9, 0.6, 1, 50)
    expect(found != 3, "The ratio is upside down: more utilization than the target needs more.")
    expect(found == 6, f"4 replicas at 90 % with a target of 60 % become 6, not {found}.")
    found = ask(5, 0.75, 0.6, 1, 50)
    expect(found != 6, "Five times 1.25 is 6.25: round up, or the target is missed.")
    expect(found == 7, f"5 replicas at 75 % with a target of 60 % become 7, not {found}.")
    found = ask(20, 0.63, 0.6, 1, 50)
    expect(found == 20, "The ratio 1.05 lies within the tolerance: nothing changes.")
    expect(ask(20, 0.57, 0.6, 1, 50) == 20, "The tolerance holds below the target as well.")
    expect(ask(10, 0.3, 0.6, 1, 50) == 5, "Half the utilization wants half the replicas.")
    expect(ask(10, 0.9, 0.3, 1, 12) == 12, "The result must not exceed `most`.")
    expect(ask(10, 0.0, 0.6, 2, 12) == 2, "The result must not fall below `least`.")
    expect(ask(1, 0.6, 0.6, 3, 12) == 3, "The bounds hold within the tolerance, too.")


@checker("15.3", "Four units, none taken for another.")
def report(answer: Callable) -> None:
    """Tries `answer(watts, hours, pue, price, intensity)` on a machine with round numbers."""
    found = answer(500, 10, 1.2, 0.5, 0.4)
    try:
        energy, money, carbon = (float(value) for value in found)
    except (TypeError, ValueError) as error:
        raise Mistake("Return three numbers: kWh, money, kg.") from error
    expect(abs(energy - 6000) > 1e-6, "That is watt-hours: a kWh is a thousand of them.")
    expect(abs(energy - 5) > 1e-9, "The PUE is missing: cooling needs energy as well.")
    expect(abs(energy - 5 / 1.2) > 1e-9, "The hall needs more than its machines: multiply by PUE.")
    expect(abs(energy - 3) > 1e-9, "That is the energy times its price: energy is no money.")
    expect(abs(energy - 6) < 1e-9, f"500 W for 10 hours at a PUE of 1.2 are 6 kWh, not {energy}.")
    expect(abs(carbon - 1.2) > 1e-9, "The carbon was computed from the money: use the energy.")
    expect(abs(money - 3) < 1e-9, "The money is the energy times the price of one kWh.")
    expect(abs(carbon - 2.4) < 1e-9, "The carbon is the energy times the intensity of one kWh.")
