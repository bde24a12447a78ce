"""The checkers of chapter 02: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import ensembles as check


def stub(*_):
    raise NotImplementedError


def vote(x, y, new, k):
    nearest = np.argsort(((new[:, None] - x) ** 2).sum(axis=2), axis=1)[:, :k]
    return np.array([np.bincount(y[row]).argmax() for row in nearest])


def safe(spread):
    return np.where(spread > 0, spread, 1)


def by_hand(x, y, new, k):
    mean, spread = x.mean(axis=0), safe(x.std(axis=0))
    return vote((x - mean) / spread, y, (new - mean) / spread, k)


def by_library(x, y, new, k):
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(k))
    return model.fit(x, y).predict(new)


def folds_by_hand(model, x, y, fold):
    found = np.empty((len(x), 2))
    for number in np.unique(fold):
        inside = fold == number
        found[inside] = model.fit(x[~inside], y[~inside]).predict_proba(x[inside])
    return found


def folds_row_by_row(model, x, y, fold):
    rows = []
    for place in range(len(x)):
        other = fold != fold[place]
        rows.append(model.fit(x[other], y[other]).predict_proba(x[place : place + 1])[0])
    return rows


def lead(answers):
    for read in range(1, len(answers) + 1):
        (_, most), *others = Counter(answers[:read]).most_common(2)
        second = others[0][1] if others else 0
        if most - second > len(answers) - read:
            return read
    return len(answers)


def lead_by_trying(answers):
    """Decided when even all remaining answers for any one rival do not reach the leader."""
    rivals = {*answers, "none of them"}
    for read in range(1, len(answers)):
        seen = Counter(answers[:read])
        leader = max(seen, key=seen.get)
        left = len(answers) - read
        if all(seen[rival] + left < seen[leader] for rival in rivals - {leader}):
            return read
    return len(answers)


CHECKERS = [check.scaled_neighbours, check.out_of_fold, check.answers_needed]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.scaled_neighbours, by_hand),
        (check.scaled_neighbours, by_library),
        (check.out_of_fold, folds_by_hand),
        (check.out_of_fold, folds_row_by_row),
        (check.answers_needed, lead),
        (check.answers_needed, lead_by_trying),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def own_scale(x, y, new, k):
    scale = [(part - part.mean(axis=0)) / safe(part.std(axis=0)) for part in (x, new)]
    return vote(scale[0], y, scale[1], k)


def pooled_scale(x, y, new, k):
    both = np.vstack([x, new])
    mean, spread = both.mean(axis=0), safe(both.std(axis=0))
    return vote((x - mean) / spread, y, (new - mean) / spread, k)


def divides_by_zero(x, y, new, k):
    with np.errstate(all="ignore"):
        mean, spread = x.mean(axis=0), x.std(axis=0)
        return vote((x - mean) / spread, y, (new - mean) / spread, k)


def smallest_to_one(x, y, new, k):
    low, spread = x.min(axis=0), safe(np.ptp(x, axis=0)) * np.array([1, 9, 1])[: x.shape[1]]
    return vote((x - low) / spread, y, (new - low) / spread, k)


def in_sample(model, x, y, fold):
    return model.fit(x, y).predict_proba(x)


def exchanged(model, x, y, fold):
    found = np.empty((len(x), 2))
    for number in np.unique(fold):
        model.fit(x[fold == number], y[fold == number])
        model.known = {}
        found[fold == number] = model.predict_proba(x[fold == number])
    return found


def in_fold_order(model, x, y, fold):
    parts = [
        model.fit(x[fold != number], y[fold != number]).predict_proba(x[fold == number])
        for number in np.unique(fold)
    ]
    return np.vstack(parts)


def labels(model, x, y, fold):
    return folds_by_hand(model, x, y, fold).argmax(axis=1)


def one_model(model, x, y, fold):
    return model.fit(x[fold != 0], y[fold != 0]).predict_proba(-x - 1)


def stops_early(answers, enough):
    for read in range(1, len(answers) + 1):
        counts = [count for _, count in Counter(answers[:read]).most_common(2)] + [0]
        if enough(counts[0], counts[1], read, len(answers)):
            return read
    return len(answers)


def majority_so_far(answers):
    return stops_early(answers, lambda most, second, read, n: read >= 3 and most > read / 2)


def tie_is_enough(answers):
    return stops_early(answers, lambda most, second, read, n: most - second >= n - read)


def half_of_all(answers):
    return stops_early(answers, lambda most, second, read, n: most > n / 2)


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.scaled_neighbours, vote, "without scaling"),
        (check.scaled_neighbours, own_scale, "other company"),
        (check.scaled_neighbours, pooled_scale, "other company"),
        (check.scaled_neighbours, divides_by_zero, "never varies"),
        (check.scaled_neighbours, smallest_to_one, "differ from those of the five nearest"),
        (check.scaled_neighbours, lambda x, y, new, k: by_hand(x, y, new, 5), "use the given k"),
        (check.scaled_neighbours, lambda x, y, new, k: by_hand(x, y, new, k)[:3], "one label"),
        (check.out_of_fold, in_sample, "rows it has learnt"),
        (check.out_of_fold, exchanged, "folds are exchanged"),
        (check.out_of_fold, in_fold_order, "fold after fold"),
        (check.out_of_fold, labels, "predict gives labels"),
        (check.out_of_fold, one_model, "once for each number"),
        (check.answers_needed, len, "read all five"),
        (check.answers_needed, majority_so_far, "read so far"),
        (check.answers_needed, tie_is_enough, "could make a tie"),
        (check.answers_needed, half_of_all, "more than half of all"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG, feedback
    assert hint in feedback.message, feedback


def test_the_two_ways_of_ending_a_vote_agree_on_random_votes():
    draw = np.random.default_rng(0)
    for _ in range(500):
        answers = list(draw.choice(list("abcd"), size=draw.integers(1, 12)))
        assert lead(answers) == lead_by_trying(answers), answers
