"""The checkers of chapter 21 accept right answers and name the mistake in wrong ones."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.exercises.inference import check_answer_times, check_cut, check_kept
from helpers.queueing import single_server_latency


def stub(*arguments):
    raise NotImplementedError("to do")


@pytest.mark.parametrize("check", [check_answer_times, check_cut, check_kept])
@pytest.mark.parametrize("unfinished", [stub, None, ...])
def test_the_stub_is_not_an_error(check, unfinished):
    assert check(unfinished).status == "open"


def answer_times(due, work):
    free, found = 0.0, []
    for moment, seconds in zip(due, work, strict=True):
        free = max(free, moment) + seconds
        found.append(free - moment)
    return found


@pytest.mark.parametrize("answer", [answer_times, single_server_latency])
def test_right_times(answer):
    assert check_answer_times(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda due, work: work, "service times"),
        (lambda due, work: np.subtract(answer_times(due, work), work), "until the work begins"),
        (lambda due, work: np.cumsum(work) - due, "when it is idle"),
        (lambda due, work: np.add(answer_times(due, work), due), "moments of the answers"),
        (lambda due, work: answer_times(due, work)[:-1], "one latency for each"),
        (lambda due, work: np.add(answer_times(due, work), 1), "the latencies are"),
    ],
)
def test_wrong_times(answer, hint):
    feedback = check_answer_times(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def cut(due, max_size, max_delay, joins=True, newest=False, last=True, above=0):
    sizes, start = [], None
    for moment in due:
        late = start is not None and (
            moment > start + max_delay if joins else moment >= start + max_delay
        )
        if start is None or late or sizes[-1] == max_size + above:
            sizes.append(0)
            start = moment
        elif newest:
            start = moment
        sizes[-1] += 1
    return sizes if last else sizes[:-1]


def cut_by_index(due, max_size, max_delay):
    due, sizes = np.asarray(due), []
    while len(due):
        size = min(max_size, int(np.searchsorted(due, due[0] + max_delay, side="right")))
        sizes, due = [*sizes, size], due[size:]
    return np.array(sizes)


@pytest.mark.parametrize("answer", [cut, cut_by_index])
def test_right_batches(answer):
    assert check_cut(answer).status == "right"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"last": False}, "last batch is missing"),
        ({"above": 1}, "at most 3 were allowed"),
        ({"joins": False}, "still joins"),
        ({"newest": True}, "from the newest request"),
    ],
)
def test_wrong_batches(options, hint):
    feedback = check_cut(lambda *arguments: cut(*arguments, **options))
    assert feedback.status == "wrong"
    assert hint in feedback.message


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda *a: [10], "the sizes are"),
        (lambda *a: [1, 1], "exactly one"),
        (lambda *a: [0.5], "whole numbers"),
    ],
)
def test_wrong_sizes(answer, hint):
    feedback = check_cut(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message or "at most 3" in feedback.message


def kept(guesses, wanted):
    written = [wanted[0]]
    for guess, wish in zip(guesses, wanted[1:], strict=True):
        if guess != written[-1]:
            break
        written.append(wish)
    return written


def kept_by_count(guesses, wanted):
    right = int(np.cumprod(np.equal(guesses, wanted[:-1])).sum())
    return np.array([*guesses[:right], wanted[right]])


@pytest.mark.parametrize("answer", [kept, kept_by_count])
def test_right_tokens(answer):
    assert check_kept(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda guesses, wanted: kept(guesses, wanted)[:-1], "the target's own token"),
        (lambda guesses, wanted: guesses[: len(kept(guesses, wanted))], "own token"),
        (lambda guesses, wanted: [*guesses, wanted[-1]], "a wrong guess is written"),
        (lambda guesses, wanted: wanted, "go on after the first wrong guess"),
        (
            lambda guesses, wanted: (
                [g for g, w in zip(guesses, wanted, strict=False) if g == w] + [wanted[-1]]
            ),
            "every guess that agrees",
        ),
        (lambda guesses, wanted: [0], "the tokens are"),
    ],
)
def test_wrong_tokens(answer, hint):
    feedback = check_kept(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message
