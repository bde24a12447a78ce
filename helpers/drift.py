"""Pictures whose distribution can be changed on purpose: load, coarsen, turn, mix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


class DriftError(ValueError):
    """Pictures that cannot be used as asked; one sentence."""


def pictures(name: str, most: int = 18000) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, height, width) as float32 from 0 to 1, and their int64 class numbers (n,).

    `name` is a data set of one-channel images or "digits"; training rows come first, and at most
    `most` rows are kept, two thirds of them from the training part where it is that large. Raises
    `DriftError` for a set without pictures and `DataError` for one that cannot be loaded.
    Chapter 17 uses it.
    """
    from helpers.data import load

    split = load(name)
    first = 2 * most // 3
    x = [split.x_train[:first], split.x_test[: most - first]]
    y = np.concatenate([split.y_train[:first], split.y_test[: most - first]])
    if name == "digits":
        x = [np.reshape(part, (len(part), 8, 8)) for part in x]
    joined = np.concatenate([np.asarray(part, np.float32) for part in x])
    if joined.ndim == 4 and joined.shape[3] == 1:
        joined = joined[..., 0]
    if joined.ndim != 3:
        raise DriftError(
            f"'{name}' has rows of shape {joined.shape[1:]}; give a set of one-channel pictures."
        )
    return joined / joined.max(), y


def _checked(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    if x.ndim != 3:
        raise DriftError(f"The pictures have shape {x.shape}; give (n, height, width).")
    return x


def blocks(x: np.ndarray, size: int) -> np.ndarray:
    """(n, height / size, width / size): means over square blocks of (n, height, width) pictures.

    Raises `DriftError` when height or width is no multiple of `size`.
    """
    x = _checked(x)
    n, height, width = x.shape
    if size < 1 or height % size or width % size:
        raise DriftError(
            f"Blocks of {size} do not tile pictures of {height} by {width}; give a divisor of both."
        )
    return x.reshape(n, height // size, size, width // size, size).mean(axis=(2, 4))


def turned(x: np.ndarray) -> np.ndarray:
    """The pictures (n, height, width), each a quarter turn counter-clockwise."""
    return np.rot90(_checked(x), 1, axes=(1, 2))


def flat(x: np.ndarray) -> np.ndarray:
    """(n, height * width): one row of features for each picture (n, height, width)."""
    x = _checked(x)
    return x.reshape(len(x), -1)


def mixed(
    x: np.ndarray, rng: np.random.Generator, rows: np.ndarray, share: float, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(`count`, features) of the pictures x, each turned with probability `share`.

    Drawn without repetition from the numbers `rows`; the second array (bool) says which ones are
    turned, the third holds their numbers. Raises `DriftError` for too few rows or a wrong share.
    """
    if count > len(rows) or not 0 <= share <= 1:
        raise DriftError(
            f"Asked for {count} of {len(rows)} rows, share {share}; give a count that the rows "
            "have and a share from 0 to 1."
        )
    chosen = rng.choice(rows, count, replace=False)
    is_turned = rng.random(count) < share
    return flat(np.where(is_turned[:, None, None], turned(x[chosen]), x[chosen])), is_turned, chosen


def alarms(detector: Any, errors: Iterable[int]) -> list[int]:
    """Places at which one of River's detectors raised its flag, read after every update."""
    found = []
    for place, error in enumerate(errors):
        detector.update(int(error))
        if detector.drift_detected:
            found.append(place)
    return found


def judged(
    make: Callable[[], Any],
    before: np.ndarray,
    after: np.ndarray,
    rngs: Iterable[np.random.Generator],
    half: int = 1000,
) -> dict[str, Any]:
    """Counts of a detector over streams: "false_alarms", "alarms_after", and the list "delays".

    A stream has `half` errors (0 or 1) drawn from `before`, then as many from `after`; each
    generator of `rngs` draws one. A false alarm is a stream with any alarm in its first half. The
    delay is the number of rows from the change to the first alarm after it, that row included.
    """
    false, delays = 0, []
    for rng in rngs:
        found = alarms(make(), np.concatenate([rng.choice(part, half) for part in (before, after)]))
        false += any(place < half for place in found)
        delays += [place - half + 1 for place in found if place >= half][:1]
    return {"false_alarms": false, "alarms_after": len(delays), "delays": delays}
