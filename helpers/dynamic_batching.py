"""Dynamic batching: single requests that arrive together are answered by one call of the model.

A thread collects requests until there are `max_size` of them or the oldest has waited
`max_delay_ms`, calls the model once, and hands each request its row. What waits while the model
works goes into the next batch, so batches grow with the load. Works in one process, from threads
(`submit`, `predict`) and from asyncio (`predict_async`). Built in view in chapter 21.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np


class BatchingError(RuntimeError):
    """A batcher used wrongly, closed, or a model whose answer does not fit; one sentence."""


class QueueFull(BatchingError):
    """More requests wait than `max_waiting` allows: tell the client to come back later (503)."""


class DynamicBatcher:
    """Answers single requests by calling `function` on batches of them, in a thread of its own.

    function      takes an array (n, ...) of n stacked examples, returns n rows
    max_size      most examples in a call; 1 means no batching
    max_delay_ms  milliseconds the oldest request waits for company; 0 takes what is there
    max_waiting   most requests that may wait; further ones raise `QueueFull`; None: no limit

    `sizes` counts the calls by batch size. A context manager: leaving it, or `close`, answers what
    still waits and stops the thread. What `function` raises reaches every request of that batch,
    and no other. `function` is only ever called from the one thread, so it need not be
    thread-safe. Raises `BatchingError` for settings out of range.
    """

    def __init__(
        self,
        function: Callable[[np.ndarray], Any],
        max_size: int = 32,
        max_delay_ms: float = 2.0,
        max_waiting: int | None = None,
    ):
        if not callable(function):
            raise BatchingError(
                f"A batcher needs a function of a batch and got {type(function).__name__}; give "
                "for example model.predict_on_batch."
            )
        for name, value in (("max_size", max_size), ("max_waiting", max_waiting)):
            if name == "max_waiting" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise BatchingError(f"{name} is {value!r}; give a whole number of 1 or more.")
        if not 0 <= max_delay_ms < float("inf"):
            raise BatchingError(
                f"max_delay_ms is {max_delay_ms!r}; give milliseconds, 0 or more of them."
            )
        self.function, self.max_size = function, max_size
        self.max_delay_ms, self.max_waiting = max_delay_ms, max_waiting
        self.sizes: Counter[int] = Counter()
        self._waiting: deque[tuple[Any, Future, float]] = deque()
        self._changed, self._closed = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, example: Any) -> Future:
        """A `Future` of the row that belongs to `example`, an array (...) without a batch axis.

        Raises `QueueFull` when too many wait already, and `BatchingError` after `close`.
        """
        future: Future = Future()
        with self._changed:
            if self._closed:
                raise BatchingError("The batcher is closed; make a new one.")
            if self.max_waiting is not None and len(self._waiting) >= self.max_waiting:
                raise QueueFull(
                    f"{len(self._waiting)} requests are waiting already and no more are taken; "
                    "try again later."
                )
            self._waiting.append((np.asarray(example), future, time.perf_counter()))
            # Waking the thread for every request would cost more than a small model does.
            if len(self._waiting) in (1, self.max_size):
                self._changed.notify()
        return future

    def predict(self, example: Any, timeout: float | None = None) -> Any:
        """The row that belongs to `example`; blocks the calling thread until it is there."""
        return self.submit(example).result(timeout)

    async def predict_async(self, example: Any) -> Any:
        """As `predict`, for asyncio: the event loop serves others meanwhile."""
        return await asyncio.wrap_future(self.submit(example))

    @property
    def calls(self) -> int:
        """Number of calls of the function so far."""
        return sum(self.sizes.values())

    @property
    def mean_size(self) -> float:
        """Mean number of examples in a call so far; 0 before the first."""
        total = sum(size * count for size, count in self.sizes.items())
        return total / self.calls if self.calls else 0.0

    def close(self) -> None:
        """Answers what still waits, then stops; closing twice does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> DynamicBatcher:
        return self

    def __exit__(self, *problem: Any) -> None:
        self.close()

    def _collect(self) -> list[tuple[Any, Future, float]]:
        """The next batch, empty when the batcher is closed and nothing waits."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._waiting:
                deadline = self._waiting[0][2] + self.max_delay_ms / 1e3
                while len(self._waiting) < self.max_size and not self._closed:
                    left = deadline - time.perf_counter()
                    if left <= 0:
                        break
                    self._changed.wait(left)
            count = min(len(self._waiting), self.max_size)
            return [self._waiting.popleft() for _ in range(count)]

    def _work(self) -> None:
        while batch := self._collect():
            # A request that was cancelled while it waited is not computed.
            batch = [entry for entry in batch if entry[1].set_running_or_notify_cancel()]
            if not batch:
                continue
            try:
                rows = self.function(np.stack([example for example, _, _ in batch]))
                if len(rows) != len(batch):
                    raise BatchingError(
                        f"The function got {len(batch)} examples and returned {len(rows)} rows; "
                        "it must return one for each example."
                    )
            except Exception as error:
                for _, future, _ in batch:
                    future.set_exception(error)
            else:
                self.sizes[len(batch)] += 1
                for (_, future, _), row in zip(batch, rows, strict=True):
                    future.set_result(row)
