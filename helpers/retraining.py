"""A model in production: predictions come first, labels arrive, and a trigger decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.drift import DriftError, flat, turned


@dataclass(frozen=True)
class Life:
    """How it went: share of right answers, number of retrainings, rows trained on in them."""

    accuracy: float
    retrainings: int
    rows: int


def camera(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray, count: int = 4000
) -> tuple[np.ndarray, np.ndarray]:
    """(count, features) and labels: pictures drawn with repetition, upright, turned, upright.

    x (n, height, width), y (n,). The camera turns between a quarter and a third of the stream and
    is put right between 0.6 and 0.7 of it. Chapter 17 uses it.
    """
    chosen = rng.integers(0, len(y), count)
    begin = rng.integers(count // 4, count // 3)
    end = rng.integers(6 * count // 10, 7 * count // 10)
    place = np.arange(count)
    tilted = ((place >= begin) & (place < end))[:, None, None]
    return flat(np.where(tilted, turned(x[chosen]), x[chosen])), y[chosen]


def live(
    model: Any,
    x: np.ndarray,
    y: np.ndarray,
    *,
    trigger: Callable[[], Callable] | None = None,
    refit: Callable | None = None,
    online: bool = False,
    batch: int = 50,
    window: int = 300,
) -> Life:
    """The `Life` of a classifier on the stream x (n, features) with labels y (n,).

    After each batch is predicted its labels arrive. `online` models take one `partial_fit` with
    them. `trigger()` makes a function of (errors of the batch, rows so far) that says whether to
    retrain; `refit(x, y)` gets the last `window` rows and returns the new model and the number of
    rows it trained on. After a retraining there is a new trigger. Raises `DriftError` when only
    one of `trigger` and `refit` is given.
    """
    if (trigger is None) != (refit is None) or len(x) < batch:
        raise DriftError(
            f"Give trigger and refit, or neither, and at least {batch} rows; there are {len(x)}."
        )
    ask, right, bill = trigger and trigger(), [], []
    for end in range(batch, len(x) + 1, batch):
        now = slice(end - batch, end)
        right.append(model.predict(x[now]) == y[now])
        if online:
            model.partial_fit(x[now], y[now])
        elif ask and ask(~right[-1], end):
            last = slice(max(0, end - window), end)
            model, rows = refit(x[last], y[last])
            bill.append(rows)
            ask = trigger()
    return Life(float(np.mean(right)), len(bill), sum(bill))
