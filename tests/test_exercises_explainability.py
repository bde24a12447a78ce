"""The checkers of chapter 22: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

from itertools import combinations, permutations
from math import factorial

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import explainability as check


def stub(*_):
    raise NotImplementedError


def shuffle(loss, x, group, repeats, seed, *, each=False, outside=False, once=False):
    rng, base, losses = np.random.default_rng(seed), loss(x), []
    order = rng.permutation(len(x))
    for _ in range(repeats):
        order = order if once else rng.permutation(len(x))
        rows = x[order] if outside else x.copy()
        for column in group:
            rows[:, column] = x[rng.permutation(len(x)) if each else order, column]
        losses.append(loss(rows))
    return np.mean(losses) - base


def shuffle_in_blocks(loss, x, group, repeats, seed):
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(len(x)), (repeats, 1)), axis=1)
    grown = []
    for order in orders:
        rows = x.copy()
        rows[:, group] = rows[order][:, group]
        grown.append(loss(rows))
    return sum(grown) / repeats - loss(x)


def shuffle_in_place(loss, x, group, repeats, seed):
    base = loss(x)
    x[:, group] = x[np.random.default_rng(seed).permutation(len(x))][:, group]
    return loss(x) - base


def without_base(loss, x, group, repeats, seed):
    return shuffle(loss, x, group, repeats, seed) + (loss(x) if len(group) == 1 else 0)


def unseeded(loss, x, group, repeats, seed):
    return shuffle(loss, x, group, repeats, None)


def by_orders(worth, players):
    found = {player: 0.0 for player in players}
    for order in permutations(players):
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            found[player] += worth(before | {player}) - worth(before)
    return {player: value / factorial(len(players)) for player, value in found.items()}


def by_coalitions(worth, players):
    n, found = len(players), {}
    for player in players:
        rest, total = [other for other in players if other != player], 0.0
        for k in range(n):
            for part in map(frozenset, combinations(rest, k)):
                gain = worth(part | {player}) - worth(part)
                total += factorial(k) * factorial(n - k - 1) / factorial(n) * gain
        found[player] = total
    return found


def one_order(worth, players):
    found = {}
    for place, player in enumerate(players):
        before = frozenset(players[:place])
        found[player] = worth(before | {player}) - worth(before)
    return found


def without_nobody(worth, players):
    def valued(part):
        return worth(part) if part else 0.0

    return by_orders(valued, players)


def summed(worth, players):
    return {p: v * factorial(len(players)) for p, v in by_orders(worth, players).items()}


def fit(masks, outputs, distances, width, *, weigh=lambda d, w: np.exp(-((d / w) ** 2) / 2)):
    root = weigh(distances, width)
    design = np.column_stack([np.ones(len(masks)), masks]) * root[:, None]
    return np.linalg.lstsq(design, outputs * root, rcond=None)[0][1:]


def fit_by_library(masks, outputs, distances, width):
    from sklearn.linear_model import LinearRegression

    weights = np.exp(-(distances**2) / width**2)
    return LinearRegression().fit(masks, outputs, sample_weight=weights).coef_


def no_intercept(masks, outputs, distances, width):
    root = np.exp(-(distances**2) / width**2 / 2)
    return np.linalg.lstsq(masks * root[:, None], outputs * root, rcond=None)[0]


CHECKERS = [check.shuffled_loss, check.shapley_by_orders, check.local_fit]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.shuffled_loss, shuffle),
        (check.shuffled_loss, shuffle_in_blocks),
        (check.shapley_by_orders, by_orders),
        (check.shapley_by_orders, by_coalitions),
        (check.local_fit, fit),
        (check.local_fit, fit_by_library),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.shuffled_loss, lambda *a: shuffle(*a, each=True), "came apart"),
        (check.shuffled_loss, lambda *a: shuffle(*a, outside=True), "outside the group"),
        (check.shuffled_loss, lambda *a: shuffle(*a, once=True), "draw anew"),
        (check.shuffled_loss, shuffle_in_place, "changed x itself"),
        (check.shuffled_loss, without_base, "subtract the loss"),
        (check.shuffled_loss, lambda *a: -shuffle(*a), "sign is turned"),
        (check.shuffled_loss, lambda *a: a[3] * shuffle(*a), "sum over the shuffles"),
        (check.shuffled_loss, unseeded, "same seed"),
        (check.shuffled_loss, lambda *a: 0.0, "never asked"),
        (check.shuffled_loss, lambda *a: None, "returns nothing"),
        (check.shapley_by_orders, summed, "divide by their number"),
        (check.shapley_by_orders, one_order, "every order counts"),
        (check.shapley_by_orders, without_nobody, "worth(nobody)"),
        (
            check.shapley_by_orders,
            lambda w, p: {i: w(frozenset([i])) - w(frozenset()) for i in p},
            "comes first",
        ),
        (
            check.shapley_by_orders,
            lambda w, p: {i: w(frozenset(p)) - w(frozenset(p) - {i}) for i in p},
            "comes last",
        ),
        (check.shapley_by_orders, lambda w, p: w(list(p)), "give it a frozenset"),
        (check.shapley_by_orders, lambda w, p: list(by_orders(w, p).values()), "a dictionary"),
        (check.local_fit, no_intercept, "is there an intercept"),
        (check.local_fit, lambda *a: fit(*a, weigh=lambda d, w: np.ones(len(d))), "width changes"),
        (
            check.local_fit,
            lambda *a: fit(*a, weigh=lambda d, w: np.exp(-((d / w) ** 2))),
            "count twice",
        ),
        (
            check.local_fit,
            lambda *a: fit(*a, weigh=lambda d, w: np.exp(-d / w / 2)),
            "Square the distance",
        ),
        (
            check.local_fit,
            lambda *a: fit(*a, weigh=lambda d, w: np.exp((d / w) ** 2 / 2)),
            "exponent is negative",
        ),
        (check.local_fit, lambda *a: np.append(0, fit(*a)), "Leave the intercept out"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message
