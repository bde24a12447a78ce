"""The checkers of chapter 04: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import overfitting as check


def stub(*_):
    raise NotImplementedError


def by_loop(losses, patience):
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best >= patience:
            return epoch + 1, best
    return len(losses), best


def by_minima(losses, patience):
    lowest = np.minimum.accumulate(losses)
    best = np.array([int(np.argmin(losses[: place + 1])) for place in range(len(lowest))])
    late = np.flatnonzero(np.arange(len(losses)) - best >= patience)
    last = int(late[0]) if len(late) else len(losses) - 1
    return np.array([last + 1, best[last]])


def drop(x, rate, generator, training):
    if not training:
        return x
    return x * (generator.random(x.shape) >= rate) / (1 - rate)


def drop_by_choice(x, rate, generator, training):
    share = rate if training else 0.0
    kept = generator.binomial(1, 1 - share, size=x.shape)
    return np.where(kept == 1, x / (1 - share), 0.0)


def shrink(weights, amount):
    return np.sign(weights) * np.maximum(np.abs(weights) - amount, 0)


def shrink_by_clip(weights, amount):
    return weights - np.clip(weights, -amount, amount)


CHECKERS = [check.early_stopping, check.dropout, check.soft_threshold]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "solution"),
    [
        (check.early_stopping, by_loop),
        (check.early_stopping, by_minima),
        (check.dropout, drop),
        (check.dropout, drop_by_choice),
        (check.soft_threshold, shrink),
        (check.soft_threshold, shrink_by_clip),
    ],
)
def test_solutions_are_right(checker, solution):
    assert checker(solution).status == RIGHT


def keeps_the_last(losses, patience):
    run = by_loop(losses, patience)[0]
    return run, run - 1


def counts_from_one(losses, patience):
    run, best = by_loop(losses, patience)
    return run, best + 1


def waits_too_long(losses, patience):
    return by_loop(losses, patience + 1)


def stops_at_once(losses, patience):
    return by_loop(losses, 1)


def never_stops(losses, patience):
    return len(losses), int(np.argmin(losses))


def counts_all(losses, patience):
    best = bad = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        elif epoch:
            bad += 1
        if bad >= patience:
            return epoch + 1, best
    return len(losses), best


def against_the_last(losses, patience):
    bad = 0
    for epoch in range(1, len(losses)):
        bad = 0 if losses[epoch] < losses[epoch - 1] else bad + 1
        if bad >= patience:
            return epoch + 1, int(np.argmin(losses[: epoch + 1]))
    return len(losses), int(np.argmin(losses))


def takes_ties(losses, patience):
    best = 0
    for epoch, loss in enumerate(losses):
        if loss <= losses[best]:
            best = epoch
        if epoch - best >= patience:
            return epoch + 1, best
    return len(losses), best


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (keeps_the_last, "the last epoch as the best"),
        (counts_from_one, "numbered from 0"),
        (waits_too_long, "one epoch too long"),
        (stops_at_once, "first epoch that does not improve"),
        (never_stops, "run to the end"),
        (counts_all, "in a row"),
        (against_the_last, "Falling is not improving"),
        (takes_ties, "equal loss is no improvement"),
        (lambda losses, patience: 5, "two whole numbers"),
    ],
)
def test_mistakes_with_patience_meet_their_hint(mistake, hint):
    feedback = check.early_stopping(mistake)
    assert feedback.status == WRONG
    assert hint in feedback.message


def unscaled(x, rate, generator, training):
    return drop(x, rate, generator, training) * ((1 - rate) if training else 1)


def by_rate(x, rate, generator, training):
    return x * (generator.random(x.shape) >= rate) / rate if training else x


def keeps_the_rate(x, rate, generator, training):
    return drop(x, 1 - rate, generator, training)


def always(x, rate, generator, training):
    return drop(x, rate, generator, True)


def scales_at_inference(x, rate, generator, training):
    return drop(x, rate, generator, True) if training else x * (1 - rate)


def one_mask(x, rate, generator, training):
    return x * (generator.random(x.shape[1]) >= rate) / (1 - rate) if training else x


def whole_rows(x, rate, generator, training):
    return x * (generator.random((len(x), 1)) >= rate) / (1 - rate) if training else x


def own_generator(x, rate, generator, training):
    return drop(x, rate, np.random.default_rng(7), training)


def in_place(x, rate, generator, training):
    x[generator.random(x.shape) < rate] = 0
    return x / (1 - rate)


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (unscaled, "not scaled"),
        (by_rate, "divide by `rate`"),
        (keeps_the_rate, "the share that should stay"),
        (always, "At inference"),
        (scales_at_inference, "At inference"),
        (one_mask, "the same units"),
        (whole_rows, "Whole rows"),
        (own_generator, "Another generator"),
        (in_place, "changes its input"),
    ],
)
def test_mistakes_with_dropout_meet_their_hint(mistake, hint):
    feedback = check.dropout(mistake)
    assert feedback.status == WRONG
    assert hint in feedback.message


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda w, amount: w - amount * np.sign(w), "past zero"),
        (lambda w, amount: np.where(np.abs(w) > amount, w, 0), "keep their size"),
        (lambda w, amount: np.maximum(np.abs(w) - amount, 0), "lose their sign"),
        (lambda w, amount: np.maximum(w - amount, 0), "Negative weights vanish"),
        (lambda w, amount: shrink(w, 1.0), "argument `amount`"),
        (lambda w, amount: shrink(w, amount) + 1e-9, "zero exactly"),
        (lambda w, amount: w * (1 - amount), "become 1, -2 and 0"),
    ],
)
def test_mistakes_with_shrinking_meet_their_hint(mistake, hint):
    feedback = check.soft_threshold(mistake)
    assert feedback.status == WRONG
    assert hint in feedback.message
