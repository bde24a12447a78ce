"""Latency: how long one call takes, in the median and in the tail."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.checks import EvaluationError, whole_number


@dataclass(frozen=True)
class Latency:
    """Wall-clock milliseconds for each call: percentiles and mean over `repeats` calls."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float
    repeats: int


def latency(function: Callable[[], Any], repeats: int = 200, warmup: int = 20) -> Latency:
    """The `Latency` of `function()`, called `repeats` times after `warmup` calls that do not count.

    The garbage collector stays off inside the loop, so the percentiles are those of the function;
    in a server the collector adds to the tail (chapter 21 measures how much). With fewer than 100
    repeats the p99 is close to the slowest call. Raises `EvaluationError` for something that cannot
    be called and for counts that are not whole numbers; what `function` raises is passed on.
    Chapter 01 uses it first.
    """
    if not callable(function):
        raise EvaluationError(
            f"Latency needs a function without arguments and got {type(function).__name__}; wrap "
            "the call: latency(lambda: model(x))."
        )
    repeats = whole_number(repeats, "repeats", 1)
    for _ in range(whole_number(warmup, "warmup", 0)):
        function()
    milliseconds = np.empty(repeats)
    was_on = gc.isenabled()
    gc.disable()
    try:
        for turn in range(repeats):
            begin = time.perf_counter_ns()
            function()
            milliseconds[turn] = (time.perf_counter_ns() - begin) / 1e6
    finally:
        if was_on:
            gc.enable()
    p50, p95, p99 = (float(value) for value in np.percentile(milliseconds, [50, 95, 99]))
    return Latency(p50, p95, p99, float(milliseconds.mean()), repeats)
