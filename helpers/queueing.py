"""What queueing theory says about waiting: one server in order of arrival, and Little's law.

Built in view in chapter 21; the arrivals come from `helpers.load_generator`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
