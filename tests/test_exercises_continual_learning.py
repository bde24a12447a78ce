"""The checkers of chapter 17: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

from collections import deque
from itertools import islice

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import continual_learning as check


def stub(*_):
    raise NotImplementedError


def ratio(p_field, old_rows, field_rows):
    return p_field / (1 - p_field) * old_rows / field_rows


def ratio_by_logits(p_field, old_rows, field_rows):
    logit = np.log(p_field) - np.log1p(-p_field)
    return list(np.exp(logit - np.log(field_rows / old_rows)))


def verdict(alarms, change):
    after = [row for row in alarms if row >= change]
    return len(alarms) - len(after), after[0] - change + 1 if after else None


def verdict_by_numpy(alarms, change):
    place = int(np.searchsorted(alarms, change))
    return [place, alarms[place] - change + 1 if place < len(alarms) else None]


def reservoir(rows, size, rng):
    kept = []
    for count, row in enumerate(rows):
        if count < size:
            kept.append(row)
        elif (seat := int(rng.integers(count + 1))) < size:
            kept[seat] = row
    return kept


def by_random_keys(rows, size, rng):
    return [row for _, row in sorted((rng.random(), row) for row in rows)[:size]]


@pytest.mark.parametrize("checker", [check.weights, check.verdict, check.reservoir])
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.weights, ratio),
        (check.weights, ratio_by_logits),
        (check.verdict, verdict),
        (check.verdict, verdict_by_numpy),
        (check.reservoir, reservoir),
        (check.reservoir, by_random_keys),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def last_alarm(alarms, change):
    after = [row for row in alarms if row >= change]
    return len(alarms) - len(after), after[-1] - change + 1 if after else None


def any_alarm(alarms, change):
    return sum(row < change for row in alarms), alarms[0] - change + 1 if alarms else None


def short_by_one(alarms, change):
    false, delay = verdict(alarms, change)
    return false, delay if delay is None else delay - 1


def miss_as_zero(alarms, change):
    false, delay = verdict(alarms, change)
    return false, delay or 0


def strictly_after(alarms, change):
    false = sum(row <= change for row in alarms)
    after = [row for row in alarms if row > change]
    return false, after[0] - change + 1 if after else None


def always_enters(rows, size, rng):
    kept = []
    for count, row in enumerate(rows):
        if count < size:
            kept.append(row)
        else:
            kept[int(rng.integers(size))] = row
    return kept


def rarely_enters(rows, size, rng):
    kept = []
    for count, row in enumerate(rows):
        if count < size:
            kept.append(row)
        elif rng.random() < 0.5 * size / (count + 1):
            kept[int(rng.integers(size))] = row
    return kept


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.weights, lambda p, a, b: None, "returns nothing"),
        (check.weights, lambda p, a, b: p, "These are the probabilities"),
        (check.weights, lambda p, a, b: (1 - p) / p, "upside down"),
        (check.weights, lambda p, a, b: ratio(p, a, b) / ratio(p, a, b).mean(), "divided by their"),
        (check.weights, lambda p, a, b: p / (1 - p), "sizes of the samples must go in"),
        (check.weights, lambda p, a, b: p / (1 - p) * b / a, "the other way round"),
        (check.weights, lambda p, a, b: 1.0, "one weight for each"),
        (check.verdict, lambda a, c: len(a), "Return two values"),
        (check.verdict, lambda a, c: (len(a), verdict(a, c)[1]), "are not false"),
        (check.verdict, last_alarm, "not with the last"),
        (check.verdict, any_alarm, "negative delay"),
        (check.verdict, short_by_one, "One row too short"),
        (check.verdict, miss_as_zero, "the delay is None"),
        (check.verdict, strictly_after, "first changed one"),
        (check.reservoir, lambda rows, size, rng: None, "returns nothing"),
        (check.reservoir, lambda rows, size, rng: list(islice(rows, size)), "the first rows"),
        (check.reservoir, lambda rows, size, rng: list(deque(rows, size)), "newest rows"),
        (check.reservoir, lambda rows, size, rng: list(rows), "8 places"),
        (check.reservoir, always_enters, "New rows are kept too often"),
        (check.reservoir, rarely_enters, "Old rows are kept too often"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message, feedback
