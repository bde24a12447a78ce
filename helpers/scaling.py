"""What a training step costs on many workers: time of compute and all-reduce, memory, bubbles.

The linear ("alpha-beta") model of Hockney 1994 with the all-reduce costs of Thakur et al. 2005
(https://doi.org/10.1177/1094342005051521). Built in view in chapter 14.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class ScalingError(ValueError):
    """Costs or sizes that no cluster can have; one sentence."""


def _count(name: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or int(value) != value or value < least:
        raise ScalingError(f"{name} is {value!r}; give a whole number of at least {least}.")
    return int(value)


@dataclass(frozen=True)
class StepCosts:
    """Costs of one worker and its link, all in seconds.

    per_step  what every step costs, whatever its batch
    per_row   compute for one row of the batch
    latency   what every message costs, however small
    per_byte  one byte on the link; its inverse is the bandwidth

    `per_step` and `latency` are intercepts of fitted lines and may come out below zero, for example
    where small batches use the caches better; a time never counts below zero.
    """

    per_step: float
    per_row: float
    latency: float
    per_byte: float

    def __post_init__(self) -> None:
        if not self.per_row > 0 or not self.per_byte >= 0:
            raise ScalingError(
                f"per_row is {self.per_row!r} and per_byte {self.per_byte!r}; give seconds above 0 "
                "(a fit that gives less needs larger sizes or a quieter machine)."
            )

    def compute(self, rows: float) -> float:
        """Seconds one worker needs for the gradient of `rows` rows."""
        return max(0.0, self.per_step + self.per_row * rows)

    def all_reduce(self, size: float, workers: int, algorithm: str = "ring") -> float:
        """Seconds of an all-reduce of `size` bytes over `workers`.

        Both algorithms move 2 (N - 1) / N of the bytes per worker. `ring` needs 2 (N - 1) messages
        one after the other, `halving` (recursive halving and doubling) 2 log2 N, rounded up.
        """
        workers = _count("workers", workers)
        if algorithm not in ("ring", "halving"):
            raise ScalingError(f"There is no algorithm {algorithm!r}; use 'ring' or 'halving'.")
        ring = algorithm == "ring"
        messages = 2 * (workers - 1) if ring else 2 * math.ceil(math.log2(workers))
        moved = 2 * (workers - 1) / workers * size
        return messages * max(0.0, self.latency) + moved * self.per_byte


def fit_costs(
    rows: Sequence[float],
    compute_seconds: Sequence[float],
    sizes: Sequence[float],
    reduce_seconds: Sequence[float],
) -> StepCosts:
    """`StepCosts` fitted to compute over `rows` and two-worker all-reduces over `sizes` in bytes.

    Straight lines by least squares; at least two different sizes each. With two workers, an
    all-reduce is two messages and moves `size` bytes. Where the times of short vectors do not rise
    with their size, a byte counts as free.
    """
    import numpy as np

    for name, places in (("rows", rows), ("sizes", sizes)):
        if len(set(places)) < 2:
            raise ScalingError(f"{name} is {list(places)}; a line needs two different values.")
    per_row, per_step = np.polyfit(rows, compute_seconds, 1)
    per_byte, two_messages = np.polyfit(sizes, reduce_seconds, 1)
    latency = float(two_messages) / 2
    return StepCosts(float(per_step), float(per_row), latency, max(0.0, float(per_byte)))


def simulated_step(
    costs: StepCosts,
    rows: float,
    size: float,
    workers: int,
    generator: np.random.Generator,
    jitter: float = 0.0,
    algorithm: str = "ring",
    steps: int = 200,
) -> float:
    """Mean seconds of a synchronous step: the slowest of `workers`, then the all-reduce.

    rows    rows of one worker
    size    bytes of the gradient
    jitter  each worker's compute is multiplied by exp(jitter * z), z standard normal and
            independent from step to step; 0 for workers that are always equally fast
    """
    workers = _count("workers", workers)
    if jitter < 0:
        raise ScalingError(f"jitter is {jitter!r}; give 0 or more.")
    slowest = 1.0
    if jitter:
        draws = generator.standard_normal((_count("steps", steps), workers)).max(axis=1)
        slowest = float((math.e ** (jitter * draws)).mean())
    return costs.compute(rows) * slowest + costs.all_reduce(size, workers, algorithm)


def efficiency(
    costs: StepCosts,
    rows: float,
    size: float,
    workers: int,
    seed: int = 0,
    *,
    whole: bool = False,
    **options: Any,
) -> float:
    """Simulated time of one worker over `workers` times theirs, for the same rows in all.

    `rows` are those of each worker (weak scaling), or with `whole` those of the whole batch (strong
    scaling); `options` go to `simulated_step`.
    """
    import numpy as np

    mine = rows / workers if whole else rows
    step = simulated_step(costs, mine, size, workers, np.random.default_rng(seed), **options)
    return costs.compute(rows) / step / (workers if whole else 1)


def pipeline_idle(stages: int, microbatches: int) -> float:
    """Share of time in which a stage of a pipeline is idle, from a schedule played tick by tick.

    All stages take equally long, backward included (GPipe, https://arxiv.org/abs/1811.06965): a
    microbatch enters a stage when it has left the one before and the stage is free.
    """
    stages, microbatches = _count("stages", stages), _count("microbatches", microbatches)
    free = [0] * stages  # tick at which each stage is free again
    for _ in range(microbatches):
        arrives = 0
        for stage in range(stages):
            arrives = max(arrives, free[stage]) + 1
            free[stage] = arrives
    return 1 - microbatches / max(free)


# Bytes a parameter in mixed precision with Adam: weights, gradients, and what the optimizer keeps
# in float32 (master weights, two moments): Rajbhandari et al. 2020, section 3.1.
WEIGHTS, GRADIENTS, OPTIMIZER = 2, 2, 12


def state_bytes(parameters: float, workers: int, stage: int) -> float:
    """Bytes of training state on each of `workers` GPUs; `stage` of ZeRO from 0 to 3.

    Stage 1 shards the optimizer's state, 2 the gradients too, 3 the weights too (what PyTorch calls
    FSDP with full sharding). Activations and buffers come on top. Mixed precision with Adam:
    16 bytes a parameter. https://arxiv.org/abs/1910.02054
    """
    workers = _count("workers", workers)
    if stage not in (0, 1, 2, 3):
        raise ScalingError(f"stage is {stage!r}; ZeRO has the stages 0, 1, 2 and 3.")
    parts = ((WEIGHTS, 3), (GRADIENTS, 2), (OPTIMIZER, 1))
    return parameters * sum(part / (workers if stage >= since else 1) for part, since in parts)
