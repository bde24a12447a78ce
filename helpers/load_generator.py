"""Load on a server: requests that arrive when they want to, and what each of them waited.

An *open* load sends at times drawn beforehand, whether the server keeps up or not, as independent
users do. A *closed* load has a fixed number of clients who wait for their answer before they ask
again: when the server stalls, they stop asking, and the stall is counted once for each client
instead of once for each request that would have come (coordinated omission). `open_load` counts
each request from the time it was due. Built in view in chapter 21.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class LoadError(ValueError):
    """A load that cannot be sent as asked; one sentence."""


@dataclass(frozen=True, eq=False)
class LoadResult:
    """What a load found: one entry for each request, in the order of sending.

    latency_ms  milliseconds from the time a request was due until its answer; NaN if it failed
    late_ms     milliseconds that the generator itself sent it too late (0 in a closed load)
    seconds     from the first request being due to the last answer
    offered     requests per second that were asked for (in a closed load: the throughput)
    errors      the exceptions of the requests that failed
    """

    latency_ms: np.ndarray
    late_ms: np.ndarray
    seconds: float
    offered: float
    errors: tuple[BaseException, ...] = field(default=(), repr=False)

    def percentile(self, percent: float) -> float:
        """Milliseconds that `percent` of the answered requests did not exceed; NaN without any."""
        found = self.latency_ms[np.isfinite(self.latency_ms)]
        return float(np.percentile(found, percent)) if len(found) else float("nan")

    @property
    def p50_ms(self) -> float:
        """Median latency in milliseconds."""
        return self.percentile(50)

    @property
    def p99_ms(self) -> float:
        """Latency in milliseconds that one request in a hundred exceeds."""
        return self.percentile(99)

    @property
    def mean_ms(self) -> float:
        """Mean latency in milliseconds of the answered requests."""
        found = self.latency_ms[np.isfinite(self.latency_ms)]
        return float(found.mean()) if len(found) else float("nan")

    @property
    def failed(self) -> int:
        """Number of requests that got no answer."""
        return len(self.errors)

    @property
    def throughput(self) -> float:
        """Answers per second, from the first request being due to the last answer."""
        return (len(self.latency_ms) - self.failed) / self.seconds


def poisson_arrivals(rate: float, requests: int, seed: int = 0) -> np.ndarray:
    """float64 (requests,): seconds after the start at which requests are due, the first at 0.

    Gaps are exponential with the mean 1 / `rate`: arrivals of many independent users. Raises
    `LoadError` for a rate that is not above 0 and for fewer than 1 request.
    """
    if not rate > 0 or not np.isfinite(rate):
        raise LoadError(f"The rate is {rate!r}; give requests per second, a number above 0.")
    if isinstance(requests, bool) or int(requests) != requests or requests < 1:
        raise LoadError(f"requests is {requests!r}; give a whole number of 1 or more.")
    gaps = np.random.default_rng(seed).exponential(1 / rate, int(requests))
    return np.cumsum(gaps) - gaps[0]


def even_arrivals(rate: float, requests: int) -> np.ndarray:
    """float64 (requests,): as `poisson_arrivals`, one every 1 / `rate` seconds exactly."""
    poisson_arrivals(rate, requests)  # The same demands on the arguments.
    return np.arange(int(requests)) / rate


def open_load(
    send: Callable[[int], Future], arrivals: Sequence[float] | np.ndarray, timeout: float = 60.0
) -> LoadResult:
    """The `LoadResult` of requests sent at `arrivals`, whatever the server does meanwhile.

    send      gets the number of the request (from 0), returns a `Future` at once: the `submit` of a
              `DynamicBatcher`, or of an executor around a blocking call, with as many threads as
              requests may be under way. What it raises counts as the failure of that request
    arrivals  seconds after the start, ascending: `poisson_arrivals(rate, requests, seed)`
    timeout   seconds to wait for the last answers after the last arrival

    A latency runs from the time a request was *due*, so neither a slow server nor a late generator
    hides a wait. Raises `LoadError` for arrivals that are empty or not ascending, and when answers
    are missing after the timeout.
    """
    due = np.asarray(arrivals, dtype=np.float64)
    if due.ndim != 1 or len(due) == 0 or not (np.diff(due) >= 0).all() or not due[0] >= 0:
        raise LoadError("The arrivals must be ascending seconds from 0 on, at least one of them.")
    answered, sent = np.full(len(due), np.nan), np.zeros(len(due))
    errors: list[BaseException] = []
    left, finished, guard = [len(due)], threading.Event(), threading.Lock()

    def note(number: int, error: BaseException | None) -> None:
        now = time.perf_counter()
        with guard:
            if error is None:
                answered[number] = now
            else:
                errors.append(error)
            left[0] -= 1
            if left[0] == 0:
                finished.set()

    begin = time.perf_counter()
    for number, moment in enumerate(due):
        wait = begin + moment - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        sent[number] = time.perf_counter()
        try:
            future = send(number)
        except Exception as error:
            note(number, error)
        else:
            future.add_done_callback(lambda done, n=number: note(n, _error(done)))
    if not finished.wait(timeout):
        raise LoadError(
            f"{left[0]} of {len(due)} requests have no answer {timeout:g} seconds after the last "
            "was sent; lower the rate, or allow more time."
        )
    ends = answered[np.isfinite(answered)]
    seconds = float((ends.max() if len(ends) else time.perf_counter()) - begin - due[0])
    spread = float(due[-1] - due[0])
    offered = (len(due) - 1) / spread if spread > 0 else float("inf")
    latency, late = 1e3 * (answered - begin - due), 1e3 * np.maximum(sent - begin - due, 0)
    return LoadResult(latency, late, seconds, offered, tuple(errors))


def _error(done: Future) -> BaseException | None:
    return LoadError("The request was cancelled.") if done.cancelled() else done.exception()


def closed_load(call: Callable[[int], Any], clients: int, requests: int) -> LoadResult:
    """The `LoadResult` of `clients` threads that each wait for `call(number)` before the next.

    `requests` is the number for all clients together. It measures the greatest throughput at a
    given concurrency; its latencies are blind to stalls (see the module). Raises `LoadError` for
    counts below 1.
    """
    for name, count in (("clients", clients), ("requests", requests)):
        if isinstance(count, bool) or int(count) != count or count < 1:
            raise LoadError(f"{name} is {count!r}; give a whole number of 1 or more.")
    latency, errors = np.full(requests, np.nan), []
    numbers, guard = iter(range(requests)), threading.Lock()

    def client() -> None:
        while True:
            with guard:
                number = next(numbers, None)
            if number is None:
                return
            begin = time.perf_counter()
            try:
                call(number)
            except Exception as error:
                errors.append(error)
            else:
                latency[number] = 1e3 * (time.perf_counter() - begin)

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin
    return LoadResult(latency, np.zeros(requests), seconds, requests / seconds, tuple(errors))
