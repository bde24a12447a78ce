"""What one worker process sees: its rank and counted sockets to the other workers.

Built for chapter 14, which runs its own ring all-reduce over these links.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import sys
import time
from typing import Any

import numpy as np

_FRAME = struct.Struct("<8sq")  # dtype and number of values of the array that follows
LINK_CLOSED = "closed its link"


class WorkerError(RuntimeError):
    """A worker that failed, fell silent or was asked for what it cannot do; one sentence."""


class Peer:
    """One worker as its own code sees it: `rank`, `workers`, and its links to the others.

    `bytes_sent` and `bytes_received` are what `socket.send` and `socket.recv_into` reported, the
    16 bytes that head each array included. Arrays travel flat: a receiver gets shape (n,).
    `kept` is the worker's own memory from one run to the next. For `spin` seconds an exchange asks
    again and again before it goes to sleep, as MPI does: waking up costs more than a short message.
    """

    def __init__(self, rank: int, links: dict[int, socket.socket], patience: float = 60.0):
        self.rank, self.workers = rank, len(links) + 1
        self.bytes_sent = self.bytes_received = 0
        self.kept: dict[str, Any] = {}
        self.spin = 0.0
        self._links, self._patience = links, patience
        for link in links.values():
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.setblocking(False)
        self._kernel_before = self._kernel_count()

    def send(self, to: int, array: np.ndarray) -> None:
        """Sends `array` to the worker `to`."""
        self._exchange(self._link(to), np.ascontiguousarray(array), None)

    def receive(self, source: int) -> np.ndarray:
        """The next array from the worker `source`, shape (n,)."""
        return self._exchange(None, None, self._link(source))

    def pass_on(self, array: np.ndarray) -> np.ndarray:
        """What the left neighbour passed on, while `array` goes to the right one.

        Both directions run at once: two workers that first send and then receive would wait for
        each other for ever as soon as the arrays no longer fit into the socket's buffers.
        """
        if self.workers == 1:
            return np.array(array).ravel()
        right, left = (self.rank + 1) % self.workers, (self.rank - 1) % self.workers
        return self._exchange(self._link(right), np.ascontiguousarray(array), self._link(left))

    def wait_for_all(self) -> None:
        """Returns when every worker has called it (a token goes round the ring)."""
        for _ in range(self.workers - 1):
            self.pass_on(np.zeros(1, np.int8))

    def kernel_received(self) -> int | None:
        """Bytes received on all links as the operating system counts them; None if it does not."""
        now = self._kernel_count()
        return None if now is None or self._kernel_before is None else now - self._kernel_before

    def _kernel_count(self) -> int | None:
        if not sys.platform.startswith("linux"):
            return None
        total = 0
        for link in self._links.values():
            # struct tcp_info of <linux/tcp.h>: tcpi_bytes_received is the u64 at byte 128.
            info = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
            if len(info) < 136:
                return None
            total += struct.unpack_from("<Q", info, 128)[0]
        return total

    def _link(self, other: int) -> socket.socket:
        if other not in self._links:
            raise WorkerError(
                f"Worker {self.rank} has no link to {other!r}: the others are "
                f"{sorted(self._links)}."
            )
        return self._links[other]

    def _exchange(self, to, array, source) -> np.ndarray | None:
        """Sends and receives at the same time until both are complete."""
        outgoing: list[memoryview] = []
        if to is not None:
            head = _FRAME.pack(array.dtype.str.encode(), array.size)
            outgoing = [memoryview(head)] + [memoryview(array).cast("B")] * bool(array.size)
        head, received = bytearray(_FRAME.size), None
        missing = memoryview(head) if source is not None else None
        now = time.monotonic()
        deadline, awake = now + self._patience, now + self.spin
        while outgoing or missing is not None:
            now = time.monotonic()
            wait = max(0.0, deadline - now) if now >= awake else 0.0
            readers, writers = [source] * (missing is not None), [to] * bool(outgoing)
            readable, writable, _ = select.select(readers, writers, [], wait)
            if not readable and not writable and now >= awake:
                raise WorkerError(f"Worker {self.rank} heard nothing for {self._patience:.0f} s.")
            if writable:
                with contextlib.suppress(BlockingIOError):
                    done = to.send(outgoing[0])
                    self.bytes_sent += done
                    outgoing[0] = outgoing[0][done:]
                outgoing = [part for part in outgoing if len(part)]
            if readable:
                got = source.recv_into(missing)
                if got == 0:
                    raise WorkerError(f"A neighbour of worker {self.rank} {LINK_CLOSED}.")
                self.bytes_received += got
                missing = missing[got:]
                if not len(missing) and received is None:
                    kind, count = _FRAME.unpack(head)
                    received = np.empty(count, np.dtype(kind.rstrip(b"\0").decode()))
                    missing = memoryview(received).cast("B") if count else memoryview(b"")
                if not len(missing):
                    missing = None
        return received


def free_ports(count: int) -> list[int]:
    """`count` different ports of 127.0.0.1 that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def connect(rank: int, door: socket.socket, ports: list[int], token: bytes) -> dict:
    """A socket to every other worker by rank; this worker calls those of lower rank.

    `door` listens on this worker's own port, `ports` are those of all workers by rank, `token` is a
    secret of the group: whoever calls without it is not let in.
    """
    links = {}
    for other in range(rank):
        links[other] = socket.create_connection(("127.0.0.1", ports[other]), timeout=60)
        links[other].sendall(token + bytes([rank]))
    door.settimeout(60)
    while len(links) < len(ports) - 1:
        caller = door.accept()[0]
        caller.settimeout(60)
        hello = b""
        while len(hello) < len(token) + 1:
            more = caller.recv(len(token) + 1 - len(hello))
            if not more:
                break
            hello += more
        if hello[:-1] == token:  # anyone on this machine can call; only workers know the token
            links[hello[-1]] = caller
        else:
            caller.close()
    return links
