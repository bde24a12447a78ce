"""All-reduce by a parameter server, and the bytes that a way of reducing sends.

Functions for `WorkerGroup.run`; the ring that they are compared with is built in chapter 14.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from helpers.peers import Peer
from helpers.worker_group import WorkerGroup


def to_the_first(vector: np.ndarray, peer: Peer) -> np.ndarray:
    """The sum over all workers, by way of worker 0: it adds up and sends the sum back."""
    if peer.rank:
        peer.send(0, vector)
        return peer.receive(0)
    total = vector + sum(peer.receive(other) for other in range(1, peer.workers))
    for other in range(1, peer.workers):
        peer.send(other, total)
    return total


def count_bytes(peer: Peer, length: int, ways: Sequence[str]) -> tuple:
    """(bytes sent by each way, bytes received in all, the same by the system's count or None).

    `ways` names functions `way(vector, peer)` that were sent along; each must give the sum.
    """
    mine, counts = np.full(length, 1.0 + peer.rank, np.float32), []
    truth = peer.workers * (peer.workers + 1) / 2
    for name in ways:
        before = peer.bytes_sent
        if not (globals()[name](mine, peer) == truth).all():
            raise ValueError(f"{name} does not give the sum over all workers")
        counts.append(peer.bytes_sent - before)
    return counts, peer.bytes_received, peer.kernel_received()


def sent_by_busiest(
    groups: Sequence[int], length: int, ring: Sequence[Callable]
) -> tuple[list[dict], int]:
    """(a row for each group size, bytes by which the system's own count differs in all).

    A row holds what the busiest worker sent for a float32 vector of `length`, in vectors: by the
    `ring` (functions to send along, the last one the all-reduce), in theory, and by way of the
    first worker. Where the system does not count, the difference is 0.
    """
    rows, odd, ways = [], 0, (ring[-1].__name__, to_the_first.__name__)
    for workers in groups:
        with WorkerGroup(workers) as group:
            sent = group.run(count_bytes, length, ways, using=[*ring, to_the_first])
        busiest = np.max([counts for counts, *_ in sent], axis=0) / (4 * length)
        theory = 2 * (workers - 1) / workers
        named = {"ring": float(busiest[0]), "theory": theory, "first": float(busiest[1])}
        rows.append({"workers": str(workers), **named})
        odd += sum(abs(kernel - counted) for _, counted, kernel in sent if kernel is not None)
    return rows, odd
