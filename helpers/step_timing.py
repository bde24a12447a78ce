"""Times of jobs that several workers do together, taken in turns, without the disturbed ones.

On a machine that does other work, a step of two workers is as slow as the one that lost its
processor for a moment. The operating system counts such moments, so they can be left out, not
averaged in. Built for chapter 14.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.flat_network import gradient
from helpers.peers import Peer, WorkerError
from helpers.scaling import StepCosts, fit_costs
from helpers.worker_group import WorkerGroup


def timed_turns(peer: Peer, jobs: Sequence[tuple], turns: int, name: str, arguments: tuple) -> Any:
    """Runs in a worker: seconds and interruptions of every job in every turn, (2, turns, jobs).

    `name` is the function that does a job: `name(*job, peer, *arguments)`. All workers begin a job
    together. An interruption is an involuntary context switch (getrusage; always 0 on Windows,
    which has no such count).
    """
    import os
    import time

    try:
        import resource
    except ImportError:
        resource = None
    found, work = np.zeros((2, turns, len(jobs))), globals()[name]
    peer.spin = 0.01
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if cores:  # a core for each worker, so that two of them never take turns on one
        os.sched_setaffinity(0, {cores[peer.rank % len(cores)]})
    for turn in range(turns):
        for place, job in enumerate(jobs):
            peer.wait_for_all()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource else 0
            begin = time.perf_counter()
            work(*job, peer, *arguments)
            found[0, turn, place] = time.perf_counter() - begin
            after = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource else 0
            found[1, turn, place] = after - before
    peer.spin = 0.0
    if cores:
        os.sched_setaffinity(0, cores)
    return found


def alternate_jobs(
    group: WorkerGroup,
    work: Callable,
    jobs: Sequence[tuple],
    *arguments: Any,
    using: Sequence[Callable] = (),
    clean: int = 7,
    patience: float = 5.0,
) -> np.ndarray:
    """Median seconds of each job of `jobs`, done by all workers of `group` in turns.

    work   function of the notebook: `work(*job, peer, *arguments)`
    clean  turns wanted for each job in which no worker was interrupted; the median is over these,
           each counted as its slowest worker took. The first turn warms up and is left out
    patience  seconds after which it stops all the same; a job without clean turns then counts with
           the fastest of its interrupted ones

    Raises `WorkerError` for no jobs and for `clean` below 1.
    """
    if not jobs or clean < 1:
        raise WorkerError(f"Got {len(jobs)} jobs and clean={clean}; give at least one of each.")
    import time

    deadline = time.monotonic() + patience
    seconds, broken = np.empty((0, len(jobs))), np.empty((0, len(jobs)))
    sent = (list(jobs), clean + 1, work.__name__, arguments)
    while not len(seconds) or (
        (broken == 0).sum(axis=0).min() < clean and time.monotonic() < deadline
    ):
        turns = np.array(group.run(timed_turns, *sent, using=[*using, work]))[:, :, 1:]
        seconds = np.vstack([seconds, turns[:, 0].max(axis=0)])
        broken = np.vstack([broken, turns[:, 1].sum(axis=0)])
    return np.array(
        [
            np.median(column[rare == 0]) if (rare == 0).any() else column.min()
            for column, rare in zip(seconds.T, broken.T, strict=True)
        ]
    )


def part_of_a_step(
    who: list[int], rows: int, length: int, peer: Peer, flat, long, x, y, layers, reduce: str
) -> None:
    """Runs in the workers `who`: a gradient of `rows` rows, then an all-reduce of `length` values.

    The gradient itself is reduced when it has that length, else the beginning of `long`; nothing
    for a length of 0. `reduce` names the function `reduce(vector, peer)` that was sent along.
    """
    if peer.rank in who:
        slope = gradient(flat, x[:rows], y[:rows], layers)
        if length:
            slope = globals()[reduce](slope if length == len(slope) else long[:length], peer)
        if len(slope) == len(flat):
            flat - np.float32(0.1) * slope


@dataclass(frozen=True)
class TwoWorkers:
    """Seconds of a step by one worker `alone` and by two (`step`); `costs` from other sizes."""

    alone: float
    step: float
    costs: StepCosts


def measure_two_workers(
    ring: Sequence[Callable],
    flat: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    layers: tuple[int, int, int],
    rows: int,
    patience: float = 5.0,
) -> TwoWorkers:
    """`TwoWorkers` for a batch of twice `rows`, measured in two processes of one thread each.

    The costs are fitted to compute on 3/4 and 3/2 of `rows`, and to all-reduces of a quarter of
    the gradient's length and of four times it, right after compute as in training (a message costs
    more when the caches hold something else). Neither the step's rows nor its length is among them.
    `ring` are functions to send along; the last one is the all-reduce.
    """
    both, less, more = [0, 1], 3 * rows // 4, 3 * rows // 2
    short, long = flat.size // 4, 4 * flat.size
    jobs = [([0], 2 * rows, 0), (both, rows, flat.size), (both, less, 0), (both, more, 0)]
    jobs += [(both, less, short), (both, less, long)]
    many = np.tile(flat, 4), np.resize(x, (2 * rows, x.shape[1])), np.resize(y, 2 * rows)
    arguments = (flat, *many, layers, ring[-1].__name__)
    with WorkerGroup(2) as group:
        times = alternate_jobs(
            group, part_of_a_step, jobs, *arguments, using=ring, patience=patience
        )
    wire = times[4:] - times[2]
    costs = fit_costs((less, more), times[2:4], (4 * short, 4 * long), wire)
    return TwoWorkers(float(times[0]), float(times[1]), costs)
