"""Checks of the exercises of the chapter on inference optimization."""

from __future__ import annotations

import numpy as np

from helpers.exercises import checker, expect


@checker("21.1", "Each request waits from the moment it is due.")
def check_answer_times(answer_times) -> None:
    """`Feedback` on the latencies of requests that one server handles in order."""
    due, work = [0.0, 1.0, 2.0, 10.0, 10.5], [4.0, 2.0, 1.0, 1.0, 3.0]
    found = answer_times(list(due), list(work))
    expect(
        hasattr(found, "__len__") and len(found) == len(due),
        f"Return one latency for each of the {len(due)} requests, as a list or array.",
    )
    found, truth = np.asarray(found, float), np.array([4.0, 5.0, 5.0, 1.0, 3.5])
    expect(
        not np.allclose(found, work),
        "These are the service times: a request that finds the server busy waits first, and is "
        "counted from the time it was due.",
    )
    expect(
        not np.allclose(found, truth - np.array(work)),
        "These are the waits until the work begins; a latency ends with the answer.",
    )
    expect(
        not np.allclose(found, np.cumsum(work) - np.array(due)),
        "The server works before requests have come: when it is idle, the next request starts at "
        "the moment it is due.",
    )
    expect(
        not np.allclose(found, np.array(due) + truth),
        "These are the moments of the answers; subtract the moment at which each was due.",
    )
    expect(
        np.allclose(found, truth),
        f"For due={due} and work={work} the latencies are {truth.tolist()}, and yours are "
        f"{np.round(found, 3).tolist()}.",
    )


@checker("21.2", "A batch leaves when it is full or its oldest request has waited enough.")
def check_cut(cut) -> None:
    """`Feedback` on the sizes of batches cut from a stream of arrivals."""
    due = [0.0, 1.5, 2.0, 3.5, 10.0, 10.1, 10.2, 10.3, 10.4, 20.0]
    found = cut(list(due), 3, 2.0)
    expect(
        hasattr(found, "__len__") and all(float(size) == int(size) for size in found),
        "Return the sizes of the batches, a list of whole numbers.",
    )
    found = [int(size) for size in found]
    expect(
        sum(found) != len(due) - 1,
        "The last batch is missing: it leaves too, when its time is up.",
    )
    expect(
        sum(found) == len(due),
        f"{len(due)} requests came and {sum(found)} are in batches; each belongs to exactly one.",
    )
    expect(max(found) <= 3, f"There is a batch of {max(found)}; at most 3 were allowed.")
    expect(
        found != [2, 2, 3, 2, 1],
        "A request that arrives exactly when the deadline ends still joins the batch.",
    )
    slow = [int(size) for size in cut([0.0, 1.5, 3.0, 4.5], 10, 2.0)]
    expect(
        slow != [4],
        "The delay counts from the newest request, so a steady trickle never leaves; count from "
        "the oldest.",
    )
    expect(
        found == [3, 1, 3, 2, 1] and slow == [2, 2],
        f"For due={due}, at most 3 and a delay of 2.0 the sizes are [3, 1, 3, 2, 1], and yours are "
        f"{found}.",
    )


@checker("21.3", "The text is the target's own, token for token.")
def check_kept(kept) -> None:
    """`Feedback` on the tokens that one checking call of speculative decoding writes."""
    cases = [
        ([5, 6, 7], [5, 6, 7, 8], [5, 6, 7, 8]),
        ([5, 6, 7], [5, 9, 7, 8], [5, 9]),
        ([5, 6, 7], [4, 6, 7, 8], [4]),
        ([5], [5, 6], [5, 6]),
    ]
    for guesses, wanted, truth in cases:
        found = kept(list(guesses), list(wanted))
        expect(hasattr(found, "__len__"), "Return a list of tokens.")
        found, told = [int(token) for token in found], f"guesses={guesses} and wanted={wanted}"
        expect(
            found != truth[:-1],
            f"For {told} you return {found}: the target's own token after the last right guess is "
            "written too; it costs nothing.",
        )
        wrong_ones = len(truth) <= len(guesses) and found[: len(truth)] == guesses[: len(truth)]
        expect(
            not wrong_ones,
            f"For {told} a wrong guess is written; what counts is the token that the target wants.",
        )
        expect(
            not (len(found) > len(truth) and found[: len(truth)] == truth),
            f"For {told} you go on after the first wrong guess; what the target said there follows "
            "a text that will not be written.",
        )
        agreeing = [g for g, w in zip(guesses, wanted, strict=False) if g == w]
        expect(
            found != [*agreeing, wanted[-1]] or found == truth,
            f"For {told} you keep every guess that agrees, also behind a wrong one; stop at the "
            "first wrong guess.",
        )
        expect(found == truth, f"For {told} the tokens are {truth}, and yours are {found}.")
