"""The checkers of chapter 05: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import hyperparameter_tuning as check


def stub(*_):
    raise NotImplementedError


def by_array(curves, rungs, factor):
    alive, spent = np.arange(len(curves)), 0
    for before, rung in pairwise((0, *rungs)):
        spent += len(alive) * (rung - before)
        order = alive[np.argsort(-curves[alive, rung - 1])]
        alive = order[: max(1, len(order) // factor)]
    return order[0], spent


def by_list(curves, rungs, factor):
    alive, trained = list(range(len(curves))), dict.fromkeys(range(len(curves)), 0)
    for rung in rungs:
        trained |= dict.fromkeys(alive, rung)
        alive.sort(key=lambda one: curves[one][rung - 1], reverse=True)
        alive = alive[: len(alive) // factor or 1]
    return [alive[0], sum(trained.values())]


def from_the_start(curves, rungs, factor):
    spent, alive = 0, len(curves)
    for rung in rungs:
        spent, alive = spent + alive * rung, max(1, alive // factor)
    return by_array(curves, rungs, factor)[0], spent


def all_to_the_end(curves, rungs, factor):
    return curves[:, -1].argmax(), curves.size


def sees_the_end(curves, rungs, factor):
    return curves[:, -1].argmax(), by_array(curves, rungs, factor)[1]


def keeps_the_worst(curves, rungs, factor):
    return by_array(1 - curves, rungs, factor)


def never_compares_again(curves, rungs, factor):
    return curves[:, rungs[0] - 1].argmax(), by_array(curves, rungs, factor)[1]


def always_three(curves, rungs, factor):
    return by_array(curves, rungs, 3)


def honest(right, choose, report):
    return right[right[:, choose].sum(axis=1).argmax(), report].mean()


def honest_by_loop(right, choose, report):
    best = max(range(len(right)), key=lambda one: sum(right[one][row] for row in choose))
    return sum(right[best][row] for row in report) / len(report)


@pytest.mark.parametrize("checker", [check.halving, check.honest_best])
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.halving, by_array),
        (check.halving, by_list),
        (check.honest_best, honest),
        (check.honest_best, honest_by_loop),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.halving, from_the_start, "from the start again"),
        (check.halving, all_to_the_end, "trained to the end"),
        (check.halving, sees_the_end, "nobody has seen that score"),
        (check.halving, keeps_the_worst, "keep the highest"),
        (check.halving, never_compares_again, "compare again at every rung"),
        (check.halving, always_three, "`rungs` and `factor`"),
        (check.halving, lambda c, r, f: by_array(c, r, f)[0], "Return two values"),
        (check.halving, lambda c, r, f: (by_array(c, r, f)[0], 20), "21 epochs, not 20"),
        (check.honest_best, lambda t, c, r: honest(t, r, r), "chosen by the rows that report"),
        (check.honest_best, lambda t, c, r: honest(t, c, c), "rows that chose"),
        (check.honest_best, lambda t, c, r: honest(t, c, np.r_[c, r]), "on all rows"),
        (check.honest_best, lambda t, c, r: t[:, r].mean(), "mean of all settings"),
        (check.honest_best, lambda t, c, r: 8 * honest(t, c, r), "between 0 and 1"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message
