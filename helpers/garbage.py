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


def collection_ms(repeats: int = 3) -> float:
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
