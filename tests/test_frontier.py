"""The frontier of compressed models, against a brute-force definition."""

import numpy as np
import pytest

from helpers.frontier import FrontierError, Point, dominates, frontier, smallest_within

BIG = Point("big", 0.90, 1000, 2.0)
SMALL = Point("small", 0.89, 100, 1.0)
TINY = Point("tiny", 0.80, 10, 0.5)
BAD = Point("bad", 0.85, 500, 3.0)


def test_the_beaten_point_is_left_out():
    assert frontier([BIG, BAD, SMALL, TINY]) == [TINY, SMALL, BIG]
    assert dominates(SMALL, BAD)
    assert not dominates(SMALL, BIG)
    assert not dominates(BIG, BIG)


def test_without_the_clock_speed_saves_nobody():
    quick = Point("quick", 0.85, 500, 0.1)
    assert quick in frontier([SMALL, quick])
    assert quick not in frontier([SMALL, quick], clock=False)


def test_random_points_follow_the_definition():
    draw = np.random.default_rng(0)
    rows = np.column_stack([draw.random(60), draw.integers(1, 9, 60), draw.integers(1, 9, 60)])
    points = [Point(str(n), a, int(s), float(t)) for n, (a, s, t) in enumerate(rows)]
    worth = rows * [1, -1, -1]
    at_least = (worth[:, None] >= worth[None]).all(axis=2)
    above = (worth[:, None] > worth[None]).any(axis=2)
    beaten = (at_least & above).any(axis=0)
    assert {p.name for p in frontier(points)} == set(np.flatnonzero(~beaten).astype(str))


def test_the_smallest_within_a_point():
    assert smallest_within([BIG, SMALL, TINY, BAD], BIG) == SMALL
    assert smallest_within([BIG, SMALL, TINY], BIG, loss=0.2) == TINY
    with pytest.raises(FrontierError, match="permit a greater loss"):
        smallest_within([TINY, BAD], BIG)
    with pytest.raises(FrontierError, match="0 or more"):
        smallest_within([BIG], BIG, loss=-1)


@pytest.mark.parametrize("points", [[], [BIG, BIG]])
def test_names_are_needed(points):
    with pytest.raises(FrontierError, match="a name of its own"):
        frontier(points)


@pytest.mark.parametrize(
    ("values", "word"),
    [((90, 1, 1), "share"), ((0.9, 0, 1), "size"), ((0.9, 1, float("nan")), "latency")],
)
def test_a_bad_measurement_is_one_sentence(values, word):
    with pytest.raises(FrontierError, match=word):
        Point("a", *values)
