"""Python's garbage collector in the tail of a service: how long a full collection stops it.

Built in view in chapter 21.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from helpers.dynamic_batching import DynamicBatcher
from helpers.load_generator import open_load


def collection_ms(repeats: int = 2) -> float:
    """Milliseconds of a full collection: the shortest of `repeats`, after one that clears up.

    Raises `ValueError` for fewer than 1 repeat.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats!r}; give a whole number of 1 or more.")
    gc.collect()
    spent = []
    for _ in range(repeats):
        begin = time.perf_counter()
        gc.collect()
        spent.append(1e3 * (time.perf_counter() - begin))
    return min(spent)


def collecting(function: Callable[[Any], Any], every: int) -> Callable[[Any], Any]:
    """`function`, with a full collection before every `every`-th call: a service that tidies up.

    Raises `ValueError` for fewer than 1 call.
    """
    if every < 1:
        raise ValueError(f"every is {every!r}; give a whole number of calls, 1 or more.")
    turns = itertools.count(1)

    def tidy(batch: Any) -> Any:
        if next(turns) % every == 0:
            gc.collect()
        return function(batch)

    return tidy


@contextlib.contextmanager
def frozen_out() -> Iterator[int]:
    """Context in which the collector leaves all present objects alone; yields their number.

    A server freezes once, after loading, and stays so: `gc.collect(); gc.freeze()`. The context is
    for comparing both.
    """
    gc.freeze()
    try:
        yield gc.get_freeze_count()
    finally:
        gc.unfreeze()


def tails_with_collections(
    function: Callable[[np.ndarray], Any],
    x: np.ndarray,
    arrivals: np.ndarray,
    every: int = 100,
    rounds: int = 3,
) -> tuple[float, float]:
    """p99 in milliseconds under an open load: as it is, and with all objects frozen out.

    A server answers the examples `x` (n, ...) one by one and asks for a full collection before
    every `every`-th call. Both take turns; the medians over `rounds` come back.
    """

    def tail() -> float:
        with DynamicBatcher(collecting(function, every), max_size=1) as server:
            return open_load(lambda number: server.submit(x[number % len(x)]), arrivals).p99_ms

    found = []
    for _ in range(rounds):
        found.append([tail()])
        with frozen_out():
            found[-1].append(tail())
    as_is, frozen = np.median(found, axis=0)
    return float(as_is), float(frozen)
