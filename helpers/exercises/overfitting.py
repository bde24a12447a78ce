"""Checkers for the exercises on overfitting: patience, dropout, exact zeros from L1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.exercises import Mistake, checker, expect


def _pair(found: Any) -> tuple[int, int]:
    try:
        run, best = found
    except TypeError as error:
        raise Mistake("Return two whole numbers: epochs run, then the best epoch.") from error
    return int(run), int(best)


@checker("04.1", "Patience counts epochs in a row, and the best epoch is the one you keep.")
def early_stopping(answer: Callable) -> None:
    """Tries `answer(losses, patience)` on curves that improve, dip, tie and never stop."""
    run, best = _pair(answer([5.0, 4.0, 3.0, 4.0, 5.0, 6.0, 7.0], 2))
    expect(
        best != run - 1 and best != run,
        "You return the last epoch as the best one: keep the epoch of the lowest loss.",
    )
    expect(
        best != 3,
        "Epochs are numbered from 0 here: the lowest loss of this curve stands at place 2.",
    )
    expect(
        run != 6,
        "You wait one epoch too long: with patience 2 the second epoch in a row without a new "
        "lowest loss is the last one.",
    )
    expect(run != 4, "You stop at the first epoch that does not improve: wait `patience` epochs.")
    expect(
        run != 7,
        "You run to the end: stop after `patience` epochs in a row without a new lowest loss.",
    )
    expect(
        (run, best) == (5, 2),
        "For the losses 5, 4, 3, 4, 5, 6, 7 and patience 2 five epochs run and epoch 2 is best; "
        f"you return {run} and {best}.",
    )
    run, best = _pair(answer([5.0, 6.0, 4.0, 5.0, 3.0, 4.0, 2.0], 2))
    expect(
        run == 7,
        "The epochs without improvement must come in a row: start counting again at every new "
        "lowest loss.",
    )
    expect(best == 6, "The curve that never stops is best at its last epoch, place 6.")
    run, best = _pair(answer([3.0, 4.0, 3.5, 3.2, 1.0], 3))
    expect(
        run == 4,
        "Falling is not improving: compare with the lowest loss so far, not with the last one.",
    )
    expect(best == 0, "The best epoch is the lowest loss among the epochs that ran.")
    run, best = _pair(answer([2.0, 2.0, 2.0, 2.0], 2))
    expect(
        (run, best) == (3, 0),
        "An equal loss is no improvement: take only a lower one as new best.",
    )


@checker("04.2", "Kept units grow by what the dropped ones leave, and inference changes nothing.")
def dropout(answer: Callable) -> None:
    """Tries `answer(x, rate, generator, training)` in training and at inference."""
    x = np.random.default_rng(4).uniform(1, 2, size=(400, 300))
    kept = x.copy()
    found = np.asarray(answer(x, 0.3, np.random.default_rng(0), True))
    expect(np.array_equal(x, kept), "Your function changes its input; work on a new array.")
    expect(found.shape == x.shape, f"The shape must stay {x.shape}, yours is {found.shape}.")
    dropped = found == 0
    share = float(dropped.mean())
    expect(
        not (dropped.all(axis=0) | ~dropped.any(axis=0)).all(),
        "All rows lose the same units: draw for every row and unit.",
    )
    expect(
        not (dropped.all(axis=1) | ~dropped.any(axis=1)).all(),
        "Whole rows are dropped: draw for every row and unit.",
    )
    expect(
        abs(share - 0.7) > 0.02,
        "You drop the share that should stay: `rate` is the share of zeros.",
    )
    expect(abs(share - 0.3) < 0.02, f"The share of zeros is {share:.2f}; with rate 0.3 it is 0.3.")
    ratio = found[~dropped] / x[~dropped]
    expect(
        not np.allclose(ratio, 1),
        "The kept values are not scaled: the layer's mean would fall by the share dropped.",
    )
    expect(
        not np.allclose(ratio, 1 / 0.3),
        "You divide by `rate`: divide by the share that is kept.",
    )
    expect(
        np.allclose(ratio, 1 / 0.7),
        "The kept values must be divided by the share that is kept, 1 - rate.",
    )
    still = np.asarray(answer(x, 0.3, np.random.default_rng(0), False))
    expect(
        np.allclose(still, x),
        "At inference (training=False) nothing is dropped and nothing is scaled.",
    )
    again = np.asarray(answer(x, 0.3, np.random.default_rng(1), True))
    expect(
        not np.array_equal(again == 0, dropped),
        "Another generator drops the same units: draw from the generator that is given.",
    )


@checker("04.3", "Shrink, and stop at zero: that is how L1 makes a weight exactly zero.")
def soft_threshold(answer: Callable) -> None:
    """Tries `answer(weights, amount)` on weights above, below and at the amount."""
    weights = np.array([[2.0, -3.0, 0.5], [-0.25, 1.0, 0.0]])
    kept, truth = weights.copy(), np.array([[1.0, -2.0, 0.0], [0.0, 0.0, 0.0]])
    found = np.asarray(answer(weights, 1.0), dtype=float)
    expect(np.array_equal(weights, kept), "Your function changes its input; work on a new array.")
    expect(found.shape == truth.shape, f"The shape must stay (2, 3), yours is {found.shape}.")
    expect(
        not np.allclose(found, weights - np.sign(weights)),
        "Small weights are pushed past zero to the other side: they must stop at zero.",
    )
    expect(
        not np.allclose(found, np.where(np.abs(weights) > 1, weights, 0)),
        "Large weights keep their size: L1 pulls every weight towards zero by the same amount.",
    )
    expect(
        not np.allclose(found, np.abs(truth)),
        "Negative weights lose their sign: shrink the size, then give the sign back.",
    )
    expect(
        not np.allclose(found, np.maximum(weights - 1, 0)),
        "Negative weights vanish: shrink the size of a weight, whatever its sign.",
    )
    expect(
        np.allclose(found, truth),
        "With the amount 1, the weights 2, -3 and 0.5 become 1, -2 and 0; "
        f"yours become {np.round(found[0], 3).tolist()}.",
    )
    expect(
        np.count_nonzero(found) == 2,
        "The small weights are nearly zero; they must be zero exactly.",
    )
    expect(
        np.allclose(answer(weights, 0.25), [[1.75, -2.75, 0.25], [0.0, 0.75, 0.0]]),
        "It works for the amount 1 only: use the argument `amount`.",
    )
