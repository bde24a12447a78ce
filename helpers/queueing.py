"""What queueing theory says about waiting: one server in order of arrival, and Little's law.

Built in view in chapter 21; the arrivals come from `helpers.load_generator`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from helpers.load_generator import LoadResult


class QueueingError(ValueError):
    """Arrivals or times that do not fit together; one sentence."""


def single_server_latency(
    arrivals: Sequence[float] | np.ndarray, service: float | Sequence[float] | np.ndarray
) -> np.ndarray:
    """float64 (n,): seconds each request spends with one server that works in order of arrival.

    arrivals  ascending seconds (n,); service  seconds of work, one number for all or one for each

    What queueing theory predicts for a server without batching. Raises `QueueingError` for arrivals
    that are empty or not ascending and for service times that are negative or do not fit. Source:
    Lindley 1952, doi:10.1017/S0305004100027638, solved in one step with a running maximum.
    """
    due = np.asarray(arrivals, dtype=np.float64)
    if due.ndim != 1 or len(due) == 0 or not (np.diff(due) >= 0).all():
        raise QueueingError("The arrivals must be ascending seconds, at least one of them.")
    try:
        work = np.broadcast_to(np.asarray(service, dtype=np.float64), due.shape)
    except ValueError as error:
        raise QueueingError(
            f"There are {np.size(service)} service times for {len(due)} arrivals; give one number, "
            "or one for each arrival."
        ) from error
    if not (work >= 0).all():
        raise QueueingError("The service times must be seconds, 0 or more.")
    done = np.cumsum(work)
    # The server was last idle before the request that makes arrival minus work done the greatest.
    return np.maximum.accumulate(due - done + work) + done - due


def inside_at(
    arrivals: Sequence[float] | np.ndarray,
    latency: Sequence[float] | np.ndarray,
    moments: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """int64, for each of `moments`: how many requests had arrived and were not answered yet.

    `arrivals` and `latency` in the unit of `moments`, one entry for each request. Raises
    `QueueingError` when they differ in length.
    """
    due, spent = np.asarray(arrivals, np.float64), np.asarray(latency, np.float64)
    if due.shape != spent.shape:
        raise QueueingError(
            f"There are {due.size} arrivals and {spent.size} latencies; give one each."
        )
    came = np.searchsorted(np.sort(due), moments, side="right")
    return came - np.searchsorted(np.sort(due + spent), moments, side="right")


def against_load(
    serve: Callable[[str, np.ndarray, int], tuple[LoadResult, float]],
    rows: Sequence[Mapping[str, Any]],
    loads: Sequence[float],
    max_size: int,
    seconds: float,
    seed: int = 0,
) -> dict[tuple[str, int], list[LoadResult]]:
    """(way, largest batch) -> one `LoadResult` for each load, without and with batching in turn.

    serve    (way, arrivals, largest batch) -> (`LoadResult`, requests in a call)
    rows     with `way` and its capacity without batching, `one_by_one`, as `batching_gain` gives
    loads    shares of that capacity; arrivals are Poisson, for `seconds`, at most 3,000 of them
    """
    from helpers.load_generator import poisson_arrivals

    found: dict[tuple[str, int], list[LoadResult]] = {}
    for row in rows:
        for load in loads:
            rate = load * row["one_by_one"]
            due = poisson_arrivals(rate, int(min(rate * seconds, 3000)) + 10, seed)
            for size in (1, max_size):
                found.setdefault((row["way"], size), []).append(serve(row["way"], due, size)[0])
    return found


def draw_loads(
    plots: Sequence[Any], loads: Sequence[float], found: Mapping[tuple[str, int], Sequence[Any]]
) -> None:
    """Adds p50 and p99 of what `against_load` found to one axes for each way, in its order."""
    ways = list(dict.fromkeys(way for way, _ in found))
    for (way, size), results in found.items():
        axes, name = plots[ways.index(way)], "one by one" if size == 1 else "batched"
        axes.set(title=way, xlabel="share of unbatched capacity", ylabel="milliseconds")
        draw_latency(axes, loads, results, name)
    plots[0].legend(fontsize=7)


def draw_latency(
    axes: Any, loads: Sequence[float], results: Sequence[LoadResult], name: str
) -> None:
    """Adds p50 and p99 of `results`, one for each of `loads`, to logarithmic axes as two lines."""
    for label, values in (
        ("p50", [result.p50_ms for result in results]),
        ("p99", [result.p99_ms for result in results]),
    ):
        axes.semilogy(loads, values, marker="o", markersize=4, label=f"{name}, {label}")
