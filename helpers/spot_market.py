"""Training on machines that may be taken away: expected time, best interval, simulation.

Built in view in chapter 15.
"""

from __future__ import annotations

import math

import numpy as np

from helpers.training_memory import CostError, _positive


def young_interval(checkpoint: float, between_failures: float) -> float:
    """Work between two checkpoints, in the unit of the arguments: sqrt(2 C M).

    checkpoint        C, time to write one checkpoint
    between_failures  M, mean time between failures

    Young 1974, doi:10.1145/361147.361115; good while C is much smaller than M. Raises `CostError`
    for numbers that are not above 0.
    """
    _positive(checkpoint=checkpoint, between_failures=between_failures)
    return math.sqrt(2 * checkpoint * between_failures)


def expected_time(
    work: float, interval: float, checkpoint: float, restart: float, between_failures: float
) -> float:
    """Expected wall time of `work`, failures coming at random with an exponential distance.

    All in one unit of time. M exp(R / M) (exp((t + C) / M) - 1) for each piece of work t
    (Daly 2006, doi:10.1016/j.future.2004.11.016); failures during a restart are counted.
    """
    names = {"work": work, "interval": interval, "checkpoint": checkpoint, "restart": restart}
    _positive(**names, between_failures=between_failures)
    mean, pieces = between_failures, work / interval
    one = math.expm1((interval + checkpoint) / mean)
    return mean * math.exp(restart / mean) * one * pieces


def simulated_times(
    work: float,
    interval: float,
    checkpoint: float,
    restart: float,
    between_failures: float,
    runs: int = 200,
    seed: int = 0,
) -> np.ndarray:
    """Wall times of `runs` simulated trainings, float64 (runs,), in the unit of the arguments.

    A failure throws away what was done since the last checkpoint, then `restart` passes, in which
    the next failure may already come. The last piece may be shorter and is saved as well. Raises
    `CostError` for numbers that are not above 0, and when a run would not end.
    """
    names = {"work": work, "interval": interval, "checkpoint": checkpoint, "restart": restart}
    _positive(**names, between_failures=between_failures, runs=runs)
    if (interval + checkpoint + restart) / between_failures > 12:
        raise CostError(
            "A piece of work is so long that it hardly ever ends between two failures: "
            "give a shorter interval."
        )
    rng = np.random.default_rng(seed)
    clock, left = np.zeros(runs), np.full(runs, float(work))
    failure, fresh = rng.exponential(between_failures, runs), np.ones(runs, bool)
    while (open_runs := left > 1e-9).any():
        piece = np.minimum(interval, left) + checkpoint
        need = piece + np.where(fresh, 0.0, restart)
        done = open_runs & (clock + need <= failure)
        lost = open_runs & ~done
        clock = np.where(done, clock + need, np.where(lost, failure, clock))
        left = np.where(done, left - (piece - checkpoint), left)
        fresh = np.where(done, True, np.where(lost, False, fresh))
        failure = np.where(lost, failure + rng.exponential(between_failures, runs), failure)
    return clock
