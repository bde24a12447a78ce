"""The checkers of chapter 25: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import privacy as check


def stub(*_):
    raise NotImplementedError


def clip(gradients, limit):
    length = np.sqrt((gradients**2).sum(axis=1, keepdims=True))
    return gradients * np.minimum(1, limit / np.maximum(length, 1e-30))


def clip_in_a_loop(gradients, limit):
    norms = [np.linalg.norm(row) for row in gradients]
    return [r * limit / s if s > limit else r for r, s in zip(gradients, norms, strict=True)]


def add(values, me, shared):
    total = np.array(values)
    for other, numbers in shared.items():
        total = total + numbers if other > me else total - numbers
    return total


def add_the_other_way(values, me, shared):
    lower = [m for k, m in shared.items() if k < me]
    upper = [np.uint64(0) - m for k, m in shared.items() if k > me]
    return np.sum([values, *lower, *upper], axis=0, dtype=np.uint64)


@pytest.mark.parametrize(
    ("checker", "solutions"),
    [(check.clip_rows, (clip, clip_in_a_loop)), (check.add_masks, (add, add_the_other_way))],
)
def test_stub_is_open_and_solutions_are_right(checker, solutions):
    assert checker(stub).status == OPEN
    for solution in solutions:
        assert checker(solution).status == RIGHT, str(checker(solution))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda g, c: np.clip(g, -c, c), "each coordinate"),
        (lambda g, c: g * min(1, c / np.linalg.norm(g)), "whole batch"),
        (lambda g, c: g * c / np.maximum(np.linalg.norm(g, axis=1)[:, None], 1e-9), "shorter"),
        (lambda g, c: g, "still longer"),
        (lambda g, c: clip(g, c).sum(axis=0), "shape"),
    ],
)
def test_mistakes_in_clipping_meet_their_hint(wrong, hint):
    found = check.clip_rows(wrong)
    assert found.status == WRONG
    assert hint in found.message


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda v, me, s: v + sum(s.values()), "Every client adds"),
        (lambda v, me, s: v.copy(), "in the clear"),
        (lambda v, me, s: add(v, me, s).astype(float), "uint64"),
        (lambda v, me, s: add(v, 0, s), "do not cancel"),
        (lambda v, me, s: add(v, 1, s), "do not cancel"),
    ],
)
def test_mistakes_in_masks_meet_their_hint(wrong, hint):
    found = check.add_masks(wrong)
    assert found.status == WRONG
    assert hint in found.message
