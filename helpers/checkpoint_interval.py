"""How often to write a checkpoint: Young's and Daly's formulas and a simulation to check them.

Built in view in chapter 16. Sources: Young 1974, https://doi.org/10.1145/361147.361115, and
Daly 2006, https://doi.org/10.1016/j.future.2004.11.016.
"""

from __future__ import annotations

import math

import numpy as np

from helpers.resumable import FaultError


def _check(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise FaultError(f"{name} is {value!r}; give a number above 0.")


def young(write: float, mtbf: float) -> float:
    """Young's interval sqrt(2 C M): work between two checkpoints, in the unit of the arguments.

    write  time of one checkpoint, C; mtbf  mean time between failures of the whole job, M
    """
    _check(write=write, mtbf=mtbf)
    return math.sqrt(2 * write * mtbf)


def waste(interval: float, write: float, mtbf: float, restart: float = 0.0) -> float:
    """Expected share of the time that is no progress, for failures at random (exponential).

    Daly's complete model: the expected time for one interval of work with its checkpoint is
    M exp(R / M) (exp((interval + C) / M) - 1).
    """
    _check(interval=interval, write=write, mtbf=mtbf)
    needed = mtbf * math.exp(restart / mtbf) * math.expm1((interval + write) / mtbf)
    return 1 - interval / needed


def simulate_waste(
    interval: float, write: float, mtbf: float, restart: float, work: float, seed: int = 0
) -> float:
    """Share of the time that was no progress in one simulated job of `work` units of progress.

    Failures come at random with mean `mtbf`, also during a checkpoint and a restart.
    """
    _check(interval=interval, write=write, mtbf=mtbf, work=work)
    random = np.random.default_rng(seed)
    done = clock = 0.0
    failure = random.exponential(mtbf)
    while done < work:
        end = clock + interval + write
        if end <= failure:
            clock, done = end, done + interval
            continue
        clock = failure
        failure = clock + random.exponential(mtbf)
        while clock + restart > failure:
            clock, failure = failure, failure + random.exponential(mtbf)
        clock += restart
    return 1 - done / clock
