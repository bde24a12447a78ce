"""Checkers for the exercises on fault tolerance: back-off, intact checkpoints, intervals."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

from helpers.exercises import checker, expect


@checker("16.1", "It doubles, it is capped, and it is drawn from the whole range.")
def wait_before(answer: Callable) -> None:
    """Tries `answer(attempt, first, longest, draw)` with draws that tell what was asked."""
    asked: list[tuple[float, float]] = []

    def highest(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    found = [answer(attempt, 0.5, 6.0, highest) for attempt in range(1, 7)]
    expect(found[0] is not None, "The function returns nothing; return the seconds.")
    expect(bool(asked), "draw is never called: without jitter all clients come back together.")
    expect(
        found[0] != 1.0,
        "The first retry waits up to `first`, not twice that: attempt counts from 1.",
    )
    expect(
        not math.isclose(found[2], 1.5), "The limit grows by `first` each time; it has to double."
    )
    expect(found[5] <= 6.0, "The limit of a late attempt is above `longest`: cap it.")
    expect(
        all(low == 0 for low, _ in asked), "Full jitter draws from 0 on, so that calls spread out."
    )
    want = [0.5, 1.0, 2.0, 4.0, 6.0, 6.0]
    expect(found == want, f"The limits are {want}, not {found}.")
    expect(
        answer(3, 0.5, 6.0, lambda low, high: (low + high) / 4) == 0.5,
        "Return what draw gives, unchanged: it is the waiting time.",
    )


def _named(step: int, content: bytes) -> str:
    return f"step-{step:08d}-{hashlib.sha256(content).hexdigest()[:16]}.npz"


@checker("16.2", "Damaged files are refused, and the newest intact one is found.")
def newest_intact(answer: Callable) -> None:
    """Tries `answer(files)` on intact, truncated and altered files in no particular order."""
    good = {_named(step, b"state %d" % step): b"state %d" % step for step in (100, 25, 75)}
    newest, before = _named(100, b"state 100"), _named(75, b"state 75")
    expect(answer(dict(good)) is not None, "All files are intact and the answer is None.")
    expect(
        answer(dict(good)) == newest,
        "All files are intact: the highest step wins, wherever it stands in the dictionary.",
    )
    cut = good | {newest: b"state"}
    expect(
        answer(dict(cut)) != newest,
        "A truncated file was accepted: compare the digest of its content with its name.",
    )
    flipped = good | {newest: b"state 101"}
    expect(answer(dict(flipped)) != newest, "An altered file of the same length was accepted.")
    expect(
        answer(dict(cut)) == before == answer(dict(flipped)),
        "The newest file is damaged: go on to the one before it.",
    )
    other = good | {"zz-notes.txt": b"", "step-00000200.part": b"half"}
    expect(answer(other) == newest, "A file with another kind of name is no checkpoint.")
    expect(answer({newest: b""}) is None, "Every file is damaged: the answer is None.")


@checker("16.3", "Twice the square root of the GPUs, half the interval.")
def save_every(answer: Callable) -> None:
    """Tries `answer(write, gpu_years, gpus)` on sizes with intervals computed by hand."""
    year = 365 * 86_400
    found = answer(2.0, 1.0, 1)
    expect(found is not None, "The function returns nothing; return the seconds.")
    expect(
        not math.isclose(found, math.sqrt(4.0)), "That is in root years: turn years into seconds."
    )
    expect(
        not math.isclose(found, math.sqrt(2.0 * year)),
        "A factor is missing under the root: Young's interval is the root of two C M.",
    )
    expect(math.isclose(found, math.sqrt(4 * year)), f"One GPU: {math.sqrt(4 * year):.1f} seconds.")
    many = answer(2.0, 1.0, 100)
    expect(
        not math.isclose(many, found),
        "More GPUs fail more often: the mean time between failures is divided by their number.",
    )
    expect(
        not math.isclose(many, found / 100),
        "A hundred GPUs shorten the interval by the root of a hundred: divide under the root.",
    )
    expect(not many > found, "With more GPUs the interval becomes shorter, not longer.")
    expect(
        math.isclose(many, found / 10), f"A hundred GPUs: {found / 10:.1f} seconds, not {many:.1f}."
    )
