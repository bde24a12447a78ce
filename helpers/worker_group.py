"""Worker processes on this machine that hold sockets to each other and count every byte.

`WorkerGroup` starts Python processes that import NumPy and nothing heavier, and runs functions of
the notebook in all of them at once. Each gets a `Peer`: its rank, and a socket to every other
worker, on 127.0.0.1 only. No worker outlives the process that started it. Built for chapter 14.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import pickle
import queue
import secrets
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np

from helpers.peers import LINK_CLOSED, Peer, WorkerError, connect, free_ports

__all__ = ["WorkerError", "WorkerGroup", "free_ports"]

_LENGTH = struct.Struct("<q")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _source(function: Callable) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise WorkerError(
            f"The source of {function!r} cannot be read: give a function written with def."
        ) from error


def _write(stream: BinaryIO, message: Any) -> None:
    body = pickle.dumps(message, protocol=5)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def _read(stream: BinaryIO) -> Any:
    """The next message; raises `EOFError` when the other side has gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    return pickle.loads(stream.read(_LENGTH.unpack(head)[0]))


def _stop(processes: list[subprocess.Popen], files: list[BinaryIO]) -> None:
    """Ends the workers: by closing what they read from, then, if need be, by force."""
    for process in processes:
        with contextlib.suppress(OSError):
            process.stdin.close()
    for process in processes:
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
    for file in files:
        file.close()


class WorkerGroup:
    """`workers` processes of one compute thread each; a context manager that ends them.

    They end as well when the group is forgotten, when this process exits, and when it is killed:
    each of them leaves as soon as its standard input is closed. `timeout` is the longest that one
    `run` may take, in seconds.
    """

    def __init__(self, workers: int, timeout: float = 120.0):
        if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= 64:
            raise WorkerError(f"workers is {workers!r}; give a whole number from 1 to 64.")
        environment = os.environ | dict.fromkeys(_ONE_THREAD, "1")
        self.workers, self.timeout = workers, timeout
        self._answers: queue.Queue = queue.Queue()
        self._processes: list[subprocess.Popen] = []
        self._errors: list[BinaryIO] = []
        self._end = weakref.finalize(self, _stop, self._processes, self._errors)
        try:
            for rank in range(workers):
                self._errors.append(tempfile.TemporaryFile())  # noqa: SIM115
                process = subprocess.Popen(
                    [sys.executable, "-m", "helpers.worker_group", str(rank), str(workers)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors[-1],
                    env=environment,
                )
                self._processes.append(process)
                arguments = (process.stdout, rank, self._answers)
                threading.Thread(target=_listen, args=arguments, daemon=True).start()
            ports, token = self._collect("starting"), secrets.token_bytes(16)
            self._send((ports, token))
            self._collect("connecting")
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """Process ids by rank."""
        return [process.pid for process in self._processes]

    def run(self, function: Callable, *arguments: Any, using: Sequence[Callable] = ()) -> list:
        """What `function(peer, *arguments)` returned in each worker, by rank.

        The sources of the functions in `using` are sent along; `np` is there, other imports belong
        inside the functions. Arguments and results are pickled. Raises `WorkerError` with the
        first worker's reason when one fails; the group is closed then, since the others may wait
        for it for ever.
        """
        if self.closed:
            raise WorkerError("The group is closed: start a new WorkerGroup.")
        sources = [_source(one) for one in (*using, function)]
        try:
            self._send((sources, function.__name__, arguments))
            return self._collect(f"running {function.__name__}")
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """True when the workers have been ended."""
        return not self._end.alive

    def close(self) -> None:
        """Ends all workers and waits until they are gone; may be called twice."""
        self._end()

    def __enter__(self) -> WorkerGroup:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, message: Any) -> None:
        for rank, process in enumerate(self._processes):
            try:
                _write(process.stdin, message)
            except OSError as error:
                raise WorkerError(f"Worker {rank} has gone: {self._last_words(rank)}") from error

    def _collect(self, doing: str) -> list:
        """One answer of every worker; raises at the first that failed."""
        values: dict[int, Any] = {}
        deadline = time.monotonic() + self.timeout
        while len(values) < self.workers:
            try:
                rank, kind, value = self._answers.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                silent = sorted(set(range(self.workers)) - set(values))
                raise WorkerError(
                    f"No answer from the workers {silent} within {self.timeout:.0f} s of {doing}."
                ) from None
            if kind == "error" and LINK_CLOSED in value:
                rank, kind, value = self._cause(rank, kind, value)
            if kind == "gone":
                raise WorkerError(f"Worker {rank} ended while {doing}: {self._last_words(rank)}")
            if kind == "error":
                raise WorkerError(f"Worker {rank} failed while {doing}: {value}")
            values[rank] = value
        return [values[rank] for rank in range(self.workers)]

    def _cause(self, *told: Any) -> tuple[int, str, Any]:
        """Who ended and so closed the link that `told` complains of; `told` itself if nobody did.

        The neighbour's complaint and the news of the end come from two threads, in either order.
        """
        with contextlib.suppress(queue.Empty):
            while True:
                answer = self._answers.get(timeout=2)
                if answer[1] == "gone":
                    return answer
        return told

    def _last_words(self, rank: int) -> str:
        self._errors[rank].seek(0)
        lines = self._errors[rank].read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it gave no reason."


def _listen(stream: BinaryIO, rank: int, answers: queue.Queue) -> None:
    """Puts what a worker says into `answers` until it has gone."""
    with contextlib.suppress(EOFError, OSError, ValueError):
        while True:
            answers.put((rank, *_read(stream)))
    answers.put((rank, "gone", None))


def _follow(stream: BinaryIO, orders: queue.Queue) -> None:
    """Hands orders on; ends the whole process at once when the parent has gone."""
    try:
        while True:
            orders.put(_read(stream))
    except BaseException:
        os._exit(0)


def _serve(rank: int) -> None:
    """A worker's life: say the port, connect, then run one order after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's business
    # What libraries print must not get between the answers: those have the real output alone.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    orders: queue.Queue = queue.Queue()
    threading.Thread(target=_follow, args=(sys.stdin.buffer, orders), daemon=True).start()
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        _write(answers, ("ready", door.getsockname()[1]))
        peer = Peer(rank, connect(rank, door, *orders.get()))
    _write(answers, ("ready", None))
    space: dict[str, Any] = {"np": np, "__name__": "worker"}
    while True:
        sources, name, arguments = orders.get()
        try:
            for source in sources:
                exec(compile(source, name, "exec"), space)
            answer = ("value", space[name](peer, *arguments))
            _write(answers, answer)
        except Exception as error:
            _write(answers, ("error", f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
