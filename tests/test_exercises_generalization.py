"""The checkers of chapter 03: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import generalization as check


def stub(*_):
    raise NotImplementedError


def greedy(groups, k):
    names, counts = np.unique(groups, return_counts=True)
    parts, load = [[] for _ in range(k)], np.zeros(k)
    for name, count in sorted(zip(names, counts, strict=True), key=lambda pair: -pair[1]):
        lightest = load.argmin()
        parts[lightest].append(name)
        load[lightest] += count
    return [np.flatnonzero(np.isin(groups, part)) for part in parts]


def by_library(groups, k):
    return [test for _, test in GroupKFold(k).split(groups, groups=groups)]


def honest(prepare, model, x, y, folds):
    scores = []
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(y)), fold)
        prepare.fit(x[rest], y[rest])
        model.fit(prepare.transform(x[rest]), y[rest])
        scores.append(model.score(prepare.transform(x[fold]), y[fold]))
    return scores


def honest_by_masks(prepare, model, x, y, folds):
    scores = np.zeros(len(folds))
    for place, fold in enumerate(folds):
        test = np.zeros(len(y), dtype=bool)
        test[fold] = True
        ready = prepare.fit_transform(x[~test], y[~test])
        scores[place] = model.fit(ready, y[~test]).score(prepare.transform(x[test]), y[test])
    return scores


def limit(known, unknown, accept=0.95):
    return float(np.mean(np.asarray(unknown) < np.quantile(known, 1 - accept)))


def limit_by_sorting(known, unknown, accept=0.95):
    ordered = sorted(known, reverse=True)
    lowest = ordered[round(accept * len(ordered)) - 1]
    return sum(score < lowest for score in unknown) / len(unknown)


@pytest.mark.parametrize("checker", [check.group_folds, check.honest_scores, check.refused])
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.group_folds, greedy),
        (check.group_folds, by_library),
        (check.honest_scores, honest),
        (check.honest_scores, honest_by_masks),
        (check.refused, limit),
        (check.refused, limit_by_sorting),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def rows_dealt_out(groups, k):
    return np.array_split(np.arange(len(groups)), k)


def groups_by_name(groups, k):
    return [np.flatnonzero(np.isin(groups, part)) for part in np.array_split(np.unique(groups), k)]


def prepared_on_all(prepare, model, x, y, folds):
    ready, scores = prepare.fit_transform(x, y), []
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(y)), fold)
        scores.append(model.fit(ready[rest], y[rest]).score(ready[fold], y[fold]))
    return scores


def prepared_again_on_the_test(prepare, model, x, y, folds):
    scores = []
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(y)), fold)
        model.fit(prepare.fit_transform(x[rest], y[rest]), y[rest])
        scores.append(model.score(prepare.fit_transform(x[fold], y[fold]), y[fold]))
    return scores


def model_on_all(prepare, model, x, y, folds):
    scores = []
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(y)), fold)
        prepare.fit(x[rest], y[rest])
        model.fit(prepare.transform(x), y)
        scores.append(model.score(prepare.transform(x[fold]), y[fold]))
    return scores


def test_not_prepared(prepare, model, x, y, folds):
    scores = []
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(y)), fold)
        model.fit(prepare.fit_transform(x[rest], y[rest]), y[rest])
        scores.append(model.score(x[fold], y[fold]))
    return scores


def scored_on_training(prepare, model, x, y, folds):
    scores = []
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(y)), fold)
        ready = prepare.fit_transform(x[rest], y[rest])
        scores.append(model.fit(ready, y[rest]).score(ready, y[rest]))
    return scores


def trained_on_the_fold_before(prepare, model, x, y, folds):
    scores = []
    for place, fold in enumerate(folds):
        other = folds[place - 1]
        model.fit(prepare.fit_transform(x[other], y[other]), y[other])
        scores.append(model.score(prepare.transform(x[fold]), y[fold]))
    return scores


test_not_prepared.__test__ = False


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.group_folds, rows_dealt_out, "more than one part"),
        (check.group_folds, groups_by_name, "largest group first"),
        (check.group_folds, lambda g, k: greedy(g, k)[:-1], "must be 3 parts"),
        (check.group_folds, lambda g, k: [*greedy(g, k)[:-1], np.array([], int)], "in no part"),
        (check.group_folds, lambda g, k: [greedy(g, k)[0]] * k, "in two parts"),
        (check.group_folds, lambda g, k: [g[part] for part in greedy(g, k)], "no row number"),
        (
            check.group_folds,
            lambda g, k: [np.isin(np.arange(len(g)), part) for part in greedy(g, k)],
            "flatnonzero",
        ),
        (check.group_folds, lambda g, k: len(g), "list of 3 arrays"),
        (check.honest_scores, prepared_on_all, "`prepare` had been fitted on its test rows"),
        (check.honest_scores, prepared_again_on_the_test, "`prepare` had been fitted on its test"),
        (check.honest_scores, model_on_all, "the model had been fitted on its test rows"),
        (check.honest_scores, test_not_prepared, "test rows were not prepared"),
        (check.honest_scores, scored_on_training, "its test rows are"),
        (check.honest_scores, trained_on_the_fold_before, "has not learned from the rows"),
        (check.honest_scores, lambda *a: np.mean(honest(*a)), "score of each fold"),
        (check.honest_scores, lambda *a: honest(*a)[::-1], "in the order of folds"),
        (check.honest_scores, lambda p, m, x, y, f: honest(p, m, x, 1 - y, f), "labels"),
        (check.honest_scores, lambda p, m, x, y, f: [0.0] * len(f), "scored 0 times"),
        (check.refused, lambda k, u, a: 1 - limit(k, u, a), "refused"),
        (check.refused, lambda k, u, a: limit(k, u, 1 - a), "quantile 1 - accept"),
        (check.refused, lambda k, u, a: limit(u, u, a), "comes from the unknown"),
        (check.refused, lambda k, u, a: limit(k, u, 0.9), "use the argument"),
        (check.refused, lambda k, u, a: 8 * limit(k, u, a), "between 0 and 1"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message
