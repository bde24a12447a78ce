"""Checkers of chapter 13: Amdahl's law, prefetching, model FLOPs utilization."""

from __future__ import annotations

import math

from helpers.exercises import checker, expect


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6)


@checker("13.1", "You can price an optimization before building it.")
def check_overall_speedup(overall_speedup) -> None:
    """Feedback on `overall_speedup(share, factor)`; Amdahl 1967."""
    got = overall_speedup(0.8, 4)
    expect(isinstance(got, int | float), f"Return one number, not {type(got).__name__}.")
    expect(
        not _near(got, 0.4),
        "That is the share of the time that remains; the speed-up is its reciprocal.",
    )
    expect(
        not _near(got, 4 * 0.8) and not _near(got, 4 * 0.8 + 0.2),
        "Times add up and speeds do not: first work out the time that remains.",
    )
    expect(
        not _near(got, 1 / (0.8 / 4)),
        "The part that was not made faster still takes its time: add 1 - share.",
    )
    expect(
        not _near(got, 1 / (0.8 + 0.2 / 4)),
        "You sped up the other part: it is `share` that becomes `factor` times faster.",
    )
    expect(
        _near(got, 2.5),
        f"With a share of 0.8 made 4 times faster, the time falls from 1 to 0.2 + 0.8 / 4, so the "
        f"answer is 2.5; you returned {got:.4g}.",
    )
    expect(_near(overall_speedup(0.0, 10), 1.0), "A part without any share cannot change anything.")
    expect(
        _near(overall_speedup(0.5, math.inf), 2.0),
        "With an infinite factor the answer is 1 / (1 - share); divide share by factor.",
    )


@checker("13.2", "Overlap hides the shorter of the two parts, never the longer.")
def check_epoch_seconds(epoch_seconds) -> None:
    """Feedback on `epoch_seconds(steps, input_seconds, compute_seconds, prefetch)`."""
    plain = epoch_seconds(10, 3.0, 1.0, False)
    expect(isinstance(plain, int | float), f"Return one number, not {type(plain).__name__}.")
    expect(
        _near(plain, 40.0),
        f"Without prefetching each of the 10 steps takes 3 + 1 seconds, 40 in all; you returned "
        f"{plain:.4g}.",
    )
    ahead = epoch_seconds(10, 3.0, 1.0, True)
    expect(not _near(ahead, 40.0), "Prefetching changes nothing in your answer: use the argument.")
    expect(
        not _near(ahead, 10.0) and not _near(ahead, 13.0),
        "The step waits for the slower of the two parts: take the greater one, not the lesser.",
    )
    expect(
        not _near(ahead, 30.0) and not _near(epoch_seconds(10, 1.0, 3.0, True), 30.0),
        "Nothing overlaps with making the first batch nor with training on the last: add them.",
    )
    expect(
        _near(ahead, 31.0),
        f"With 3 and 1 seconds, 10 steps take 3 + 9 * 3 + 1 = 31; you returned {ahead:.4g}.",
    )
    expect(
        _near(epoch_seconds(10, 1.0, 3.0, True), 31.0),
        "When computing is the slower part, it sets the pace: 1 + 9 * 3 + 3 = 31 seconds.",
    )
    expect(
        _near(epoch_seconds(1, 2.0, 5.0, True), 7.0),
        "A single step has nothing to overlap with: its two parts add up.",
    )


@checker("13.3", "That is the number to ask for when a monitor says that the GPU is busy.")
def check_utilization(utilization) -> None:
    """Feedback on `utilization(parameters, tokens_per_second, devices, peak)`; Kaplan 2020."""
    got = utilization(1e9, 1e4, 2, 1e14)
    expect(isinstance(got, int | float), f"Return one number, not {type(got).__name__}.")
    expect(
        not _near(got, 0.1),
        "Two operations per parameter and token are the forward pass; training needs six.",
    )
    expect(not _near(got, 0.6), "Each device adds its peak: divide by the number of devices too.")
    expect(not _near(got, 1 / 0.3), "Turn it round: operations done, divided by those possible.")
    expect(not _near(got, 30.0), "Return a share of 1, not per cent.")
    expect(
        _near(got, 0.3),
        f"6 * 1e9 * 1e4 operations per second of 2 * 1e14 are 0.3; you returned {got:.4g}.",
    )
    expect(
        _near(utilization(4e9, 5e3, 8, 1e14), 0.15),
        "It is right for one model and wrong for another: use all four arguments.",
    )
