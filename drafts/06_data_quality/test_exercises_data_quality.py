"""The checkers of chapter 06: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import hashlib
import random
import zlib

import numpy as np
import pandas as pd
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import data_quality as check


def stub(*_):
    raise NotImplementedError


def plain(texts):
    return pd.Series([" ".join(text.lower().split()) for text in texts], dtype=object)


def keep(texts):
    seen, rows = set(), []
    for row, text in enumerate(texts):
        form = " ".join(text.lower().split())
        if form not in seen:
            seen.add(form)
            rows.append(row)
    return rows


def keep_by_pandas(texts):
    return np.flatnonzero(~plain(texts).duplicated())


def suspects(labels, p):
    thresholds = np.array([p[labels == k, k].mean() for k in range(p.shape[1])])
    confident = np.where(p >= thresholds, p, -1)
    return np.flatnonzero((confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != labels))


def suspects_in_loops(labels, p):
    classes, found = range(p.shape[1]), []
    limits = [
        np.mean([row[k] for row, y in zip(p, labels, strict=True) if y == k]) for k in classes
    ]
    for number, row in enumerate(p):
        reached = [(row[k], k) for k in classes if row[k] >= limits[k]]
        if reached and max(reached)[1] != labels[number]:
            found.append(number)
    return found


def by_sha(keys, share):
    return np.array(
        [int(hashlib.sha256(k.encode()).hexdigest()[:8], 16) < share * 2**32 for k in keys]
    )


def by_crc(keys, share):
    return [zlib.crc32(key.encode("utf-8")) / 2**32 < share for key in keys]


CHECKERS = [check.keep_rows, check.suspects, check.in_test]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.keep_rows, keep),
        (check.keep_rows, keep_by_pandas),
        (check.suspects, suspects),
        (check.suspects, suspects_in_loops),
        (check.in_test, by_sha),
        (check.in_test, by_crc),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def one_threshold(labels, p):
    limit = p[np.arange(len(labels)), labels].mean()
    confident = np.where(p >= limit, p, -1)
    return np.flatnonzero((confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != labels))


def over_all_rows(labels, p):
    confident = np.where(p >= p.mean(axis=0), p, -1)
    return np.flatnonzero((confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != labels))


def own_label(labels, p):
    thresholds = np.array([p[labels == k, k].mean() for k in range(p.shape[1])])
    return np.flatnonzero(p[np.arange(len(labels)), labels] >= thresholds[labels])


def any_other_class(labels, p):
    thresholds = np.array([p[labels == k, k].mean() for k in range(p.shape[1])])
    reached = p >= thresholds
    reached[np.arange(len(labels)), labels] = False
    return np.flatnonzero(reached.any(axis=1))


def by_seed(keys, share):
    return np.random.default_rng(0).random(len(keys)) < share


def by_rank(keys, share):
    ranks = np.argsort(np.argsort([zlib.crc32(key.encode()) for key in keys]))
    return ranks < share * len(keys)


def by_builtin(keys, share):
    return [hash(key) % 1000 < 1000 * share for key in keys]


def by_shifted(keys, share):
    return [(zlib.crc32(key.encode()) / 2**32 + 7 * share) % 1 < share for key in keys]


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.keep_rows, lambda t: np.flatnonzero(plain(t).duplicated()), "kept what should go"),
        (
            check.keep_rows,
            lambda t: np.flatnonzero(~plain(t).duplicated(keep=False)),
            "vanished altogether",
        ),
        (
            check.keep_rows,
            lambda t: np.flatnonzero(~pd.Series(t, dtype=object).duplicated()),
            "without case",
        ),
        (
            check.keep_rows,
            lambda t: np.flatnonzero(~plain(t).duplicated(keep="last")),
            "keep the first one",
        ),
        (
            check.keep_rows,
            lambda t: np.flatnonzero(~plain(t).str.replace(" ", "").duplicated()),
            "do not drop them",
        ),
        (check.keep_rows, lambda t: ~plain(t).duplicated(), "np.flatnonzero"),
        (check.keep_rows, lambda t: [t[row] for row in keep(t)], "not the rows themselves"),
        (check.keep_rows, lambda t: keep(t)[::-1], "ascending"),
        (check.keep_rows, lambda t: None, "returns nothing"),
        (check.suspects, lambda y, p: np.flatnonzero(p.argmax(axis=1) != y), "Row 2 is missing"),
        (check.suspects, own_label, "their own label"),
        (check.suspects, one_threshold, "one limit for all classes"),
        (check.suspects, over_all_rows, "not over all rows"),
        (check.suspects, any_other_class, "reaches two thresholds"),
        (check.suspects, lambda y, p: np.isin(np.arange(len(y)), suspects(y, p)), "flatnonzero"),
        (check.in_test, by_builtin, "differs from run to run"),
        (check.in_test, lambda k, s: [random.random() < s for _ in k], "two answers"),
        (check.in_test, by_seed, "not the place of the row"),
        (check.in_test, by_rank, "depend on the others"),
        (check.in_test, lambda k, s: ~by_sha(k, s), "True means test"),
        (check.in_test, lambda k, s: by_sha(k, 0.25), "use `share`"),
        (check.in_test, by_shifted, "compare one number"),
        (check.in_test, lambda k, s: np.flatnonzero(by_sha(k, s)), "True or False for each"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message


def test_hash_is_put_back():
    original = hash
    check.in_test(by_builtin)
    assert hash is original
