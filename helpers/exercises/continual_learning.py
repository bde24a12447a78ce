"""Checkers for the exercises on drift: weights from odds, a detector's verdict, a replay memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.exercises import checker, expect


@checker("17.1", "The odds, corrected for the sizes of the two samples, are the density ratio.")
def weights(answer: Callable) -> None:
    """Tries `answer(p_field, old_rows, field_rows)` on probabilities with known ratios."""
    p = np.array([0.5, 0.8, 0.2, 0.9])
    found = answer(p.copy(), 300, 300)
    expect(found is not None, "The function returns nothing; return one weight for each row.")
    found = np.asarray(found, dtype=float)
    expect(found.shape == p.shape, "Return one weight for each probability, in their order.")
    odds = p / (1 - p)
    expect(
        not np.allclose(found, p),
        "These are the probabilities; the density ratio is the odds p / (1 - p).",
    )
    expect(
        not np.allclose(found, 1 / odds),
        "That is the ratio upside down: rows that look like the field must weigh more.",
    )
    expect(
        not np.allclose(found, odds / odds.mean()),
        "The weights are divided by their mean; return the ratio itself.",
    )
    expect(np.allclose(found, odds), f"For equal samples the weights are {odds}, not {found}.")
    found = np.asarray(answer(p.copy(), 100, 400), dtype=float)
    expect(
        not np.allclose(found, odds),
        "With four times as many field rows the classifier's odds are four times too large: "
        "the sizes of the samples must go in.",
    )
    expect(
        not np.allclose(found, odds * 4),
        "The sizes go in the other way round: more field rows make the odds too large.",
    )
    expect(np.allclose(found, odds / 4), f"With 100 and 400 rows expected {odds / 4}, not {found}.")


@checker("17.2", "Alarms before the change are false; the delay runs to the first one after it.")
def verdict(answer: Callable) -> None:
    """Tries `answer(alarms, change)` on lists of row numbers."""

    def ask(alarms: list[int], change: int) -> tuple:
        found = answer(list(alarms), change)
        expect(
            isinstance(found, tuple | list) and len(found) == 2,
            "Return two values: the number of false alarms, and the delay or None.",
        )
        return tuple(found)

    false, delay = ask([40, 70, 130, 160], 100)
    expect(false != 4, "Alarms after the change are not false.")
    expect(
        delay not in (60, 61),
        "The delay ends with the first alarm after the change, not with the last.",
    )
    expect(
        delay is None or delay >= 0,
        "A negative delay: an alarm before the change has found nothing.",
    )
    expect(
        delay != 30,
        "One row too short: an alarm on the first changed row has seen one row, so its delay is 1.",
    )
    expect(
        (false, delay) == (2, 31),
        f"Expected 2 false alarms and a delay of 31, not {false} and {delay}.",
    )
    false, delay = ask([100], 100)
    expect(false == 0, "The row `change` is the first changed one; an alarm on it is not false.")
    expect(delay == 1, f"An alarm on the first changed row has a delay of 1, not {delay}.")
    false, delay = ask([20], 100)
    expect(
        delay is None,
        "No alarm after the change: the delay is None. A number would make a miss look like a hit.",
    )
    expect(false == 1, "The alarm of a missed stream is still false.")
    expect(ask([], 100) == (0, None), "Without alarms return 0 and None.")


@checker("17.3", "Every row seen so far has the same chance to be in the memory.")
def reservoir(answer: Callable) -> None:
    """Tries `answer(rows, size, rng)` on numbered rows, many times."""
    kept = answer(iter(range(3)), 5, np.random.default_rng(0))
    expect(kept is not None, "The function returns nothing; return the list of kept rows.")
    expect(sorted(kept) == [0, 1, 2], "Fewer rows than places: keep them all.")
    counts = np.zeros(40)
    for seed in range(1500):
        kept = list(answer(iter(range(40)), 8, np.random.default_rng(seed)))
        expect(len(kept) == 8, f"The memory has 8 places, and {len(kept)} rows came back.")
        expect(len(set(kept)) == 8, "A row is in the memory twice.")
        counts[kept] += 1
    share = counts / 1500  # expected 0.2 with a deviation of 0.0103
    expect(share[:8].mean() < 0.9, "These are the first rows; later ones need a chance, too.")
    expect(share[-8:].mean() < 0.9, "These are the newest rows: a memory of the present forgets.")
    expect(
        share[-10:].mean() < 0.24,
        "New rows are kept too often: row number n (from 1) must enter with probability size / n.",
    )
    expect(
        share[:10].mean() < 0.24,
        "Old rows are kept too often: row number n (from 1) must enter with probability size / n.",
    )
    expect(
        bool(np.all(abs(share - 0.2) < 0.055)),
        "Some rows are kept far more often than others; each of 40 rows should be in 8 places "
        "one time in five.",
    )
