"""Five tasks one after another, for several seeds: new classes, or permuted inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.incremental import IncrementalError, Networks

WORLDS = ("class by class", "permuted")
TASKS = 5


class TaskStream:
    """The tasks of a world: `tasks` holds (x, y) with x (seeds, rows, inputs), y (seeds, rows).

    x (n, inputs) and y (n,) of ten classes; two thirds are trained on, of the others up to `held`
    are tested on. "class by class": two classes a task, in an order that each seed draws.
    "permuted": all classes in each task, the inputs in an order that task and seed have to
    themselves; the first task leaves them as they are. Raises `IncrementalError`. Chapter 17.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        world: str,
        seeds: Sequence[int],
        rows: int,
        held: int = 2000,
    ) -> None:
        if world not in WORLDS:
            raise IncrementalError(f"The world is {world!r}; give one of {', '.join(WORLDS)}.")
        self._x, self._y, self._world, self._seeds = x, y, world, tuple(seeds)
        draws = [np.random.default_rng([seed, 4]) for seed in seeds]
        plain = np.arange(x.shape[1])
        self._classes = [draw.permutation(10).reshape(TASKS, 2) for draw in draws]
        self._orders = [[plain] + [d.permutation(plain) for _ in range(TASKS - 1)] for d in draws]
        cut = 2 * len(y) // 3
        self._held = np.arange(cut, min(len(y), cut + held))
        self.tasks = []
        for task in range(TASKS):
            parts = [self._part(s, task, d.permutation(cut)) for s, d in enumerate(draws)]
            if min(len(part[1]) for part in parts) < rows:
                raise IncrementalError(
                    f"A task has fewer than {rows} rows to learn from; ask for fewer."
                )
            self.tasks.append(tuple(np.stack([part[k][:rows] for part in parts]) for k in (0, 1)))

    def _part(self, seed: int, task: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._world == "permuted":
            return self._x[rows][:, self._orders[seed][task]], self._y[rows]
        rows = rows[np.isin(self._y[rows], self._classes[seed][task])]
        return self._x[rows], self._y[rows]

    def accuracy(self, network: Networks) -> np.ndarray:
        """float64 (seeds, tasks): each network's share of right answers on held-out rows."""
        return np.array(
            [
                [network.accuracy(*self._part(s, t, self._held))[s] for t in range(TASKS)]
                for s in range(len(self._seeds))
            ]
        )
