"""Measuring a process and its children from outside: peak memory, and no process left behind."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType

import psutil


class Watch:
    """Samples the resident memory of a process tree until it is left; then `peak_mb` is final.

    The sum over the tree counts shared pages once per process, so it is an upper bound. On leaving,
    children of the tree that outlived it are ended: a chapter leaves no server running.
    """

    def __init__(self, pid: int, interval: float = 0.1) -> None:
        self.peak_mb = 0.0
        self._interval = interval
        self._root = psutil.Process(pid)
        self._seen: dict[int, psutil.Process] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        end(list(self._seen.values()))

    def kill(self) -> None:
        """Ends the watched process."""
        end([self._root])

    def _run(self) -> None:
        while True:
            with contextlib.suppress(psutil.Error):
                self._sample()
            if self._stop.wait(self._interval):
                return

    def _sample(self) -> None:
        children = self._root.children(recursive=True)
        self._seen |= {child.pid: child for child in children}
        total = 0
        for process in (self._root, *children):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        self.peak_mb = max(self.peak_mb, round(total / 1e6, 1))


def end(processes: list[psutil.Process]) -> None:
    """Ends `processes` that still run; psutil makes sure that a reused number is left alone."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def end_children() -> None:
    """Ends every process below this one."""
    end(psutil.Process().children(recursive=True))
