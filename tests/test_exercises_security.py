"""The checkers of chapter 26: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import math

import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import security as check


def stub(*_):
    raise NotImplementedError


def chain(entries, digest):
    expected = ""
    for place, item in enumerate(entries):
        if item["previous"] != expected or item["hash"] != digest(expected + item["text"]):
            return place
        expected = item["hash"]
    return None


def chain_by_comprehension(entries, digest):
    before = ["", *[entry["hash"] for entry in entries]]
    bad = [
        place
        for place, entry in enumerate(entries)
        if entry["previous"] != before[place]
        or entry["hash"] != digest(entry["previous"] + entry["text"])
    ]
    return bad[0] if bad else None


def links_only(entries, digest):
    expected = ""
    for place, entry in enumerate(entries):
        if entry["previous"] != expected:
            return place
        expected = entry["hash"]
    return None


def hashes_only(entries, digest):
    for place, entry in enumerate(entries):
        if entry["hash"] != digest(entry["previous"] + entry["text"]):
            return place
    return None


def first_unlinked(entries, digest):
    expected = None
    for place, entry in enumerate(entries):
        linked = expected is None or entry["previous"] == expected
        if not linked or entry["hash"] != digest(entry["previous"] + entry["text"]):
            return place
        expected = entry["hash"]
    return None


def counted_from_one(entries, digest):
    place = chain(entries, digest)
    return None if place is None else place + 1


def tail(hits, count, classes):
    q = 1 / classes
    return sum(math.comb(count, k) * q**k * (1 - q) ** (count - k) for k in range(hits, count + 1))


def tail_by_scipy(hits, count, classes):
    from scipy.stats import binomtest

    return binomtest(hits, count, 1 / classes, alternative="greater").pvalue


def exactly(hits, count, classes):
    return math.comb(count, hits) * (1 / classes) ** hits * (1 - 1 / classes) ** (count - hits)


def more_than(hits, count, classes):
    return tail(hits + 1, count, classes)


def by_subtraction(hits, count, classes):
    q = 1 / classes
    below = [math.comb(count, k) * q**k * (1 - q) ** (count - k) for k in range(hits)]
    return 1 - sum(below)


def bucket(times, rate, burst):
    tokens, last, verdicts = burst, None, []
    for moment in times:
        passed = 0 if last is None else moment - last
        tokens, last = min(burst, tokens + rate * passed), moment
        enough = tokens >= 1
        tokens -= enough
        verdicts.append(enough)
    return verdicts


def by_arrival_times(times, rate, burst):
    """The same rule without tokens: the virtual-scheduling form of ITU-T I.371."""
    due, verdicts = -math.inf, []
    for moment in times:
        due = max(due, moment)
        verdicts.append(due - moment <= (burst - 1) / rate + 1e-12)
        if verdicts[-1]:
            due += 1 / rate
    return verdicts


def variant(start=None, cap=True, keep_part=True, from_zero=False, charge_refused=False):
    def answer(times, rate, burst):
        tokens = burst if start is None else start
        last = 0 if from_zero else (times[0] if times else 0)
        verdicts = []
        for moment in times:
            gained = tokens + rate * (moment - last)
            tokens = min(burst, gained) if cap else gained
            last = moment
            verdicts.append(tokens >= 1)
            if verdicts[-1] or charge_refused:
                tokens -= 1
            elif not keep_part:
                tokens = 0
        return verdicts

    return answer


@pytest.mark.parametrize("checker", [check.first_broken, check.chance, check.admitted])
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.first_broken, chain),
        (check.first_broken, chain_by_comprehension),
        (check.chance, tail),
        (check.chance, tail_by_scipy),
        (check.admitted, bucket),
        (check.admitted, by_arrival_times),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.first_broken, links_only, "compute its hash"),
        (check.first_broken, hashes_only, "Compare `previous`"),
        (check.first_broken, first_unlinked, "not empty"),
        (check.first_broken, counted_from_one, "count from 0"),
        (check.first_broken, lambda e, d: 0, "return None"),
        (check.chance, exactly, "exactly two hits"),
        (check.chance, more_than, "includes two"),
        (check.chance, lambda h, n, c: tail(h, n, 2), "one over the number of classes"),
        (check.chance, by_subtraction, "tiny but not zero"),
        (check.chance, lambda h, n, c: None, "returns nothing"),
        (check.admitted, variant(start=0), "starts empty"),
        (check.admitted, variant(cap=False), "cap the tokens"),
        (check.admitted, variant(keep_part=False), "Refused requests"),
        (check.admitted, variant(charge_refused=True), "Refused requests"),
        (check.admitted, lambda t, r, b: bucket(t, 1, b), "rate 4"),
        (check.admitted, lambda t, r, b: [True], "one True or False for each"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message, feedback.message
