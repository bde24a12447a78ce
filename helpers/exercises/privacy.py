"""Checkers for the exercises on privacy: clipping each example, masks that cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.exercises import checker, expect


def _like(found: Any, shape: tuple[int, ...]) -> np.ndarray:
    expect(found is not None, "The function returns nothing; return an array.")
    values = np.asarray(found)
    expect(values.shape == shape, f"The result has the shape {values.shape} instead of {shape}.")
    return values


@checker("25.1", "No example can move the sum by more than the limit.")
def clip_rows(answer: Callable) -> None:
    """Tries `answer(gradients, clip)` on rows shorter and longer than the limit, and on zeros."""
    rows = np.array([[3.0, 4.0], [0.3, 0.4], [-6.0, 8.0], [0.0, 0.0]])
    given = rows.copy()
    found = _like(answer(given, 2.0), rows.shape)
    expect(np.array_equal(given, rows), "The gradients given were changed; return a new array.")
    expect(np.all(np.isfinite(found)), "A row of zeros has become NaN: do not divide by its norm.")
    expect(
        not np.allclose(found, np.clip(rows, -2, 2)),
        "That limits each coordinate. Limit the norm of the row, so that its direction stays.",
    )
    whole = rows * min(1, 2 / np.linalg.norm(rows))
    expect(
        not np.allclose(found, whole),
        "That is one factor for the whole batch: a long row then shrinks the others. Take the norm "
        "of each row.",
    )
    expect(
        np.allclose(found[1], rows[1]),
        "A row shorter than the limit must stay as it is; only longer ones are scaled.",
    )
    norms = np.linalg.norm(found, axis=1)
    expect(np.all(norms <= 2 + 1e-9), "A row is still longer than the limit.")
    right = np.array([[1.2, 1.6], [0.3, 0.4], [-1.2, 1.6], [0.0, 0.0]])
    expect(np.allclose(found, right), "A long row must keep its direction and have the norm 2.")


@checker("25.2", "Each mask is added once and subtracted once, so the sum is exact.")
def add_masks(answer: Callable) -> None:
    """Tries `answer(values, me, shared)` on four clients whose sum is known."""
    draw = np.random.default_rng(0)
    values = draw.integers(0, 2**64, (4, 6), dtype=np.uint64)
    pair = {(a, b): draw.integers(0, 2**64, 6, dtype=np.uint64) for a in range(4) for b in range(a)}
    sent = []
    for me in range(4):
        shared = {other: pair[max(me, other), min(me, other)] for other in range(4) if other != me}
        given = values[me].copy()
        row = _like(answer(given, me, {k: v.copy() for k, v in shared.items()}), (6,))
        expect(np.array_equal(given, values[me]), "The values given were changed; return a copy.")
        expect(
            row.dtype == np.uint64,
            f"The result has the type {row.dtype}: stay in uint64, where sums wrap around exactly.",
        )
        expect(not np.array_equal(row, values[me]), "A client's values are sent in the clear.")
        sent.append(row)
    total, wanted = np.sum(sent, axis=0, dtype=np.uint64), values.sum(axis=0, dtype=np.uint64)
    twice = wanted + 2 * np.sum(list(pair.values()), axis=0, dtype=np.uint64)
    expect(
        not np.array_equal(total, twice),
        "Every client adds: then nothing cancels. Of two clients one adds, the other subtracts.",
    )
    expect(np.array_equal(total, wanted), "The masks do not cancel in the sum over all clients.")
    first = sent[0] - values[0]
    both = pair[1, 0] + pair[2, 0] + pair[3, 0]
    expect(
        np.array_equal(first, both) or np.array_equal(first, np.uint64(0) - both),
        "The sum is right, but client 0 does not use the masks of all three others.",
    )
