"""How an event loop feels while it works: a heartbeat beside the jobs.

Built in view in chapter 21.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Beaten:
    """Jobs beside a heartbeat: wall `seconds`, `beats` counted meanwhile, `results` in order."""

    seconds: float
    beats: int
    results: tuple[Any, ...]


async def with_heartbeat(
    job: Callable[[], Awaitable[Any]], count: int, every_seconds: float = 1e-3
) -> Beaten:
    """`Beaten`: `count` times what `job()` gives, gathered, while a coroutine beats.

    job  a coroutine function, or a function that returns a future, such as that of an executor

    The heart wants to beat each `every_seconds`, and stands for all others whom the event loop
    serves: a job that blocks the loop stops it. What a job raises is passed on, and the heart ends
    in any case. Raises `ValueError` for a pause that is not above 0.
    """
    if not every_seconds > 0:
        raise ValueError(f"every_seconds is {every_seconds!r}; give seconds, a number above 0.")
    beats = 0

    async def heart() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(every_seconds)
            beats += 1

    pulse, begin = asyncio.create_task(heart()), time.perf_counter()
    try:
        results = await asyncio.gather(*(job() for _ in range(count)))
        return Beaten(time.perf_counter() - begin, beats, tuple(results))
    finally:
        pulse.cancel()


def summary(runs: Sequence[Beaten]) -> Beaten:
    """One `Beaten` of several: the shortest seconds, the most beats, the greatest result.

    Raises `ValueError` for no runs.
    """
    if not runs:
        raise ValueError("There are no runs to sum up; give at least one.")
    greatest = max(max(run.results) for run in runs)
    return Beaten(min(r.seconds for r in runs), max(r.beats for r in runs), (greatest,))
