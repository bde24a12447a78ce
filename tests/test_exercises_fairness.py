"""The checkers of chapter 23: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import fairness as check


def stub(*_):
    raise NotImplementedError


def ratio(decided, group):
    rates = [decided[group == name].mean() for name in np.unique(group)]
    return min(rates) / max(rates)


def ratio_by_pandas(decided, group):
    rates = pd.Series(decided).groupby(group).mean()
    return rates.min() / rates.max()


def limits(scores, group, rate):
    return {name: np.quantile(scores[group == name], 1 - rate) for name in np.unique(group)}


def limits_by_sorting(scores, group, rate):
    found = {}
    for name in set(group.tolist()):
        own = sorted(scores[group == name], reverse=True)
        found[name] = own[round(rate * len(own)) - 1]
    return found


def slice_(y, decided, first, second, least):
    found = []
    for one, two in itertools.product(np.unique(first), np.unique(second)):
        inside = (first == one) & (second == two) & (y == 1)
        if inside.sum() >= least:
            found.append((decided[inside].mean(), one, two))
    recall, one, two = min(found)
    return one, two, recall


def slice_by_pandas(y, decided, first, second, least):
    table = pd.DataFrame({"y": y, "d": decided, "one": first, "two": second})
    cells = table[table["y"] == 1].groupby(["one", "two"])["d"].agg(["size", "mean"])
    cells = cells[cells["size"] >= least]
    return (*cells["mean"].idxmin(), cells["mean"].min())


CHECKERS = [check.impact_ratio, check.thresholds_for, check.worst_slice]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.impact_ratio, ratio),
        (check.impact_ratio, ratio_by_pandas),
        (check.thresholds_for, limits),
        (check.thresholds_for, limits_by_sorting),
        (check.worst_slice, slice_),
        (check.worst_slice, slice_by_pandas),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def counts(decided, group):
    return pd.Series(decided).groupby(group).sum()


def rates(decided, group):
    return pd.Series(decided).groupby(group).mean()


def rows_count(y, decided, first, second, least):
    table = pd.DataFrame({"y": y, "d": decided, "one": first, "two": second})
    size = table.groupby(["one", "two"])["y"].size()
    recall = table[table["y"] == 1].groupby(["one", "two"])["d"].mean()[size >= least]
    return (*recall.idxmin(), recall.min())


def by_accuracy(y, decided, first, second, least):
    table = pd.DataFrame({"right": y == decided, "one": first, "two": second})
    share = table.groupby(["one", "two"])["right"].mean()
    return (*share.idxmin(), share.min())


def with_precision(y, decided, first, second, least):
    one, two, _ = slice_(y, decided, first, second, least)
    inside = (first == one) & (second == two) & (decided == 1)
    return one, two, y[inside].mean()


def with_accuracy(y, decided, first, second, least):
    one, two, _ = slice_(y, decided, first, second, least)
    inside = (first == one) & (second == two)
    return one, two, (y == decided)[inside].mean()


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.impact_ratio, lambda d, g: np.ptp(rates(d, g)), "difference of the rates"),
        (check.impact_ratio, lambda d, g: 1 / ratio(d, g), "lowest goes on top"),
        (check.impact_ratio, lambda d, g: min(counts(d, g)) / max(counts(d, g)), "head counts"),
        (check.impact_ratio, lambda d, g: rates(d, g)["b"] / rates(d, g)["a"], "only two"),
        (check.impact_ratio, lambda d, g: None, "returns nothing"),
        (check.impact_ratio, lambda d, g: rates(d, g), "one number"),
        (
            check.thresholds_for,
            lambda s, g, r: dict.fromkeys(np.unique(g), np.quantile(s, 1 - r)),
            "one threshold for all",
        ),
        (check.thresholds_for, lambda s, g, r: limits(s, g, 1 - r), "quantile at 1 - rate"),
        (check.thresholds_for, lambda s, g, r: np.quantile(s, 1 - r), "Return a dict"),
        (
            check.thresholds_for,
            lambda s, g, r: {n: s[g == n].max() * (1 - r) for n in np.unique(g)},
            "is selected at",
        ),
        (check.worst_slice, rows_count, "`least` counts those"),
        (check.worst_slice, by_accuracy, "looks at y = 1 only"),
        (check.worst_slice, with_precision, "That is precision"),
        (check.worst_slice, with_accuracy, "That is accuracy"),
        (check.worst_slice, lambda y, d, f, s, k: slice_(y, d, f, s, 30), "argument `least`"),
        (check.worst_slice, lambda y, d, f, s, k: slice_(y, 1 - d, f, s, k), "lowest recall"),
        (check.worst_slice, lambda y, d, f, s, k: slice_(y, d, f, s, k)[0], "three things"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message, feedback
