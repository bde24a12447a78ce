"""The checkers of chapter 08: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.metrics import cohen_kappa_score

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import synthetic_data as check


def stub(*_):
    raise NotImplementedError


def moments(a, b):
    means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    return means, np.cov(a, rowvar=False), np.cov(b, rowvar=False)


def by_eigenvalues(a, b):
    means, p, q = moments(a, b)
    cross = np.sqrt(np.clip(np.linalg.eigvals(p @ q).real, 0, None)).sum()
    return means + np.trace(p) + np.trace(q) - 2 * cross


def by_root(a, b):
    means, p, q = moments(a, b)
    return means + np.trace(p + q - 2 * sqrtm(p @ q)).real


def by_hand(a, b):
    observed = np.mean(a == b)
    expected = sum(np.mean(a == c) * np.mean(b == c) for c in np.union1d(a, b))
    return (observed - expected) / (1 - expected)


def split(x, y, test, change):
    rest = np.setdiff1d(np.arange(len(y)), test)
    return np.append(x[rest], change(x[rest]), axis=0), np.tile(y[rest], 2), x[test], y[test]


def split_by_mask(x, y, test, change):
    mask = np.ones(len(y), bool)
    mask[test] = False
    both = [x[mask], change(x[mask])]
    return np.concatenate(both), np.concatenate([y[mask], y[mask]]), x[~mask], y[~mask]


def leaking(x, y, test, change):
    rest = np.setdiff1d(np.arange(len(y)), test)
    return np.append(x[rest], change(x), axis=0), np.append(y[rest], y), x[test], y[test]


def changed_test(x, y, test, change):
    rows, labels, held, held_labels = split(x, y, test, change)
    return rows, labels, change(held), held_labels


def only_copies(x, y, test, change):
    rest = np.setdiff1d(np.arange(len(y)), test)
    two = change(x[rest])
    return np.append(two, two, axis=0), np.tile(y[rest], 2), x[test], y[test]


def repeated_labels(x, y, test, change):
    rows, _, held, held_labels = split(x, y, test, change)
    rest = np.setdiff1d(np.arange(len(y)), test)
    return rows, np.repeat(y[rest], 2), held, held_labels


@pytest.mark.parametrize("exercise", [check.frechet, check.kappa, check.augment_split])
def test_a_stub_is_not_attempted(exercise):
    assert exercise(stub).status == OPEN


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (check.frechet, by_eigenvalues),
        (check.frechet, by_root),
        (check.kappa, by_hand),
        (check.kappa, cohen_kappa_score),
        (check.augment_split, split),
        (check.augment_split, split_by_mask),
    ],
)
def test_solutions_are_right(exercise, answer):
    feedback = exercise(answer)
    assert feedback.status == RIGHT, feedback


def half_cross(a, b):
    means, p, q = moments(a, b)
    return means + np.trace(p) + np.trace(q) - np.trace(sqrtm(p @ q)).real


def diagonal(a, b):
    means, p, q = moments(a, b)
    return means + np.trace(p) + np.trace(q) - 2 * np.sqrt(np.diag(p) * np.diag(q)).sum()


def without_root(a, b):
    means, p, q = moments(a, b)
    return means + np.trace(p) + np.trace(q) - 2 * np.trace(p @ q)


@pytest.mark.parametrize(
    ("exercise", "answer", "hint"),
    [
        (check.frechet, lambda a, b: moments(a, b)[0], "Only the means"),
        (check.frechet, lambda a, b: by_root(a, b) - moments(a, b)[0], "of the means is missing"),
        (check.frechet, half_cross, "counts twice"),
        (check.frechet, diagonal, "correlated"),
        (check.frechet, without_root, "root is missing"),
        (
            check.frechet,
            lambda a, b: moments(a, b)[0] + sum(map(np.trace, moments(a, b)[1:])),
            "cross term is missing",
        ),
        (check.kappa, lambda a, b: np.mean(a == b), "raw agreement"),
        (check.kappa, lambda a, b: by_hand(a, b) * (1 - 0.68), "Divide by"),
        (check.kappa, lambda a, b: 2 * np.mean(a == b) - 1, "number of classes"),
        (check.kappa, lambda a, b: max(0, by_hand(a, b)), "do not clip"),
        (check.augment_split, leaking, "split first"),
        (check.augment_split, changed_test, "were augmented"),
        (check.augment_split, only_copies, "Keep the unchanged"),
        (check.augment_split, repeated_labels, "order of the rows"),
    ],
)
def test_mistakes_meet_their_hint(exercise, answer, hint):
    feedback = exercise(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message
