"""The frontier of compressed models: what no other model beats in accuracy, bytes and latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite


class FrontierError(ValueError):
    """Measurements that cannot be compared; one sentence."""


@dataclass(frozen=True)
class Point:
    """One measured model.

    accuracy    share of right answers, 0 to 1, of the file that ships
    size        bytes of that file
    latency_ms  median time of one call, in milliseconds
    """

    name: str
    accuracy: float
    size: int
    latency_ms: float

    def __post_init__(self):
        if not 0 <= self.accuracy <= 1:
            raise FrontierError(
                f"The accuracy of '{self.name}' is {self.accuracy!r}; give a share from 0 to 1."
            )
        for what, value in (("size", self.size), ("latency", self.latency_ms)):
            if not (isfinite(value) and value > 0):
                raise FrontierError(
                    f"The {what} of '{self.name}' is {value!r}; give a finite number above 0."
                )


def dominates(a: Point, b: Point, clock: bool = True) -> bool:
    """True if `a` is nowhere worse than `b` and somewhere better.

    clock  False leaves the latency out, which another run would measure a little differently
    """
    worth = [(a.accuracy, b.accuracy), (-a.size, -b.size)]
    if clock:
        worth.append((-a.latency_ms, -b.latency_ms))
    return all(one >= other for one, other in worth) and any(one > other for one, other in worth)


def frontier(points: Sequence[Point], clock: bool = True) -> list[Point]:
    """The points that no other point dominates (the Pareto front), smallest file first.

    Raises `FrontierError` without points or with two of one name.
    """
    if not points or len({point.name for point in points}) != len(points):
        raise FrontierError("Give at least one point, each with a name of its own.")
    best = [p for p in points if not any(dominates(other, p, clock) for other in points)]
    return sorted(best, key=lambda point: (point.size, -point.accuracy))


def smallest_within(points: Sequence[Point], reference: Point, loss: float = 0.01) -> Point:
    """The point of the smallest file that loses at most `loss` in accuracy against `reference`.

    loss  in units of accuracy: 0.01 is one percentage point. Raises `FrontierError` if none does.
    """
    if not loss >= 0:
        raise FrontierError(f"The permitted loss is {loss!r}; give a number of 0 or more.")
    # A hair more than `loss`: 0.90 - 0.89 is not exactly 0.01 in binary.
    near = [point for point in points if reference.accuracy - point.accuracy <= loss + 1e-9]
    if not near:
        raise FrontierError(
            f"No model stays within {loss:g} of '{reference.name}' at {reference.accuracy:.4f}; "
            "permit a greater loss or add a model."
        )
    return min(near, key=lambda point: (point.size, -point.accuracy))
