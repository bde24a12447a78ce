"""Checkers for the exercises on security: a hash chain, a watermark's p-value, a token bucket."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

from helpers.exercises import Mistake, checker, expect


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _chain(texts: list[str]) -> list[dict[str, str]]:
    entries, before = [], ""
    for text in texts:
        entries.append({"text": text, "previous": before, "hash": _digest(before + text)})
        before = entries[-1]["hash"]
    return entries


@checker("26.1", "Edited, cut out, put in: the chain shows each of them at its place.")
def first_broken(answer: Callable) -> None:
    """Tries `answer(entries, digest)` on a whole chain and on four broken ones."""

    def ask(entries: list[dict[str, str]]) -> Any:
        return answer([dict(entry) for entry in entries], _digest)

    whole = _chain(["train", "evaluate", "sign", "release", "withdraw"])
    expect(ask(whole) is None, "This chain is whole: return None.")
    expect(ask([]) is None, "A log without entries is not broken: return None.")
    edited = [dict(entry) for entry in whole]
    edited[2]["text"] = "skip"
    found = ask(edited)
    expect(
        found is not None,
        "The text of entry 2 was edited and you did not notice: compute its hash.",
    )
    expect(found != 3, "You named the entry after the edited one: places count from 0.")
    expect(found == 2, f"Entry 2 was edited; you say {found}.")
    forged = [dict(entry) for entry in edited]
    forged[2]["hash"] = _digest(forged[2]["previous"] + "skip")
    found = ask(forged)
    expect(
        found is not None,
        "The forger computed the hash of entry 2 anew; entry 3 still names the old one. Compare "
        "`previous` with the hash of the entry before.",
    )
    expect(found == 3, f"Entry 3 does not follow entry 2 any more; you say {found}.")
    found = ask(whole[:1] + whole[2:])
    expect(found == 1, f"Entry 1 was cut out, so place 1 is the first that is wrong, not {found}.")
    found = ask(whole[1:])
    expect(
        found == 0,
        "The first entry was cut off: the new first one has a `previous` that is not empty.",
    )


@checker("26.2", "A binomial tail: the evidence is as strong as the luck it would take.")
def chance(answer: Callable) -> None:
    """Compares `answer(hits, count, classes)` with sums by hand and with the exact tail."""

    def ask(hits: int, count: int, classes: int) -> float:
        found = answer(hits, count, classes)
        expect(found is not None, "The function returns nothing; return a probability.")
        try:
            return float(found)
        except (TypeError, ValueError) as error:
            raise Mistake("Return one number, a probability.") from error

    def tail(hits: int, count: int, classes: int) -> float:
        q = 1 / classes
        return math.fsum(
            math.comb(count, k) * q**k * (1 - q) ** (count - k) for k in range(hits, count + 1)
        )

    found = ask(2, 3, 2)
    expect(
        not math.isclose(found, 3 / 8),
        "That is the probability of exactly two hits of three; at least two means two or three.",
    )
    expect(
        not math.isclose(found, 1 / 8),
        "That is more than two hits; at least two includes two.",
    )
    expect(math.isclose(found, 1 / 2), f"Two or three hits of three coins: 1/2, not {found:.4g}.")
    found = ask(0, 5, 10)
    expect(math.isclose(found, 1), f"At least zero hits is certain: 1, not {found:.4g}.")
    found = ask(3, 4, 10)
    expect(
        not math.isclose(found, 5 / 16),
        "You take every class with probability one half; it is one over the number of classes.",
    )
    expect(math.isclose(found, tail(3, 4, 10)), f"3 of 4 with 10 classes: 0.0037, not {found:.4g}.")
    found = ask(30, 40, 10)
    expect(
        found > 0 and math.isclose(found, tail(30, 40, 10), rel_tol=1e-6),
        "For 30 of 40 with 10 classes the answer is tiny but not zero: add the upper terms instead "
        "of subtracting the lower ones from one.",
    )


@checker("26.3", "Bursts pass up to the bucket's size, the long run at the rate.")
def admitted(answer: Callable) -> None:
    """Tries `answer(times, rate, burst)` on bursts, pauses and refused requests."""

    def ask(times: list[float], rate: float, burst: int) -> list[bool]:
        found = answer(list(times), rate, burst)
        expect(found is not None, "The function returns nothing; return True or False a request.")
        found = [bool(one) for one in found]
        expect(len(found) == len(times), "Return one True or False for each request.")
        return found

    expect(ask([], 1, 3) == [], "No requests, no answers: return an empty list.")
    found = ask([0, 0, 0, 0], 1, 3)
    expect(any(found), "The bucket is full at the first request; yours starts empty.")
    expect(found == [True] * 3 + [False], "With burst 3, three of four requests at once pass.")
    found = ask([0, 0, 100, 100, 100, 100], 1, 2)
    expect(
        found != [True] * 6,
        "After a long pause more passed than the bucket holds: cap the tokens at `burst`.",
    )
    expect(found == [True] * 4 + [False] * 2, "After a long pause the bucket holds `burst` again.")
    found = ask([0, 0.5, 1.0, 1.5, 2.0], 1, 1)
    expect(
        found != [True, False, False, False, False],
        "Refused requests must not take tokens, nor throw away the part that flowed in.",
    )
    expect(
        found == [True, False, True, False, True],
        "At one token a second, of requests each half second every second one passes.",
    )
    found = ask([7.0, 7.0, 7.25, 7.5], 4, 1)
    expect(
        found == [True, False, True, True],
        "With rate 4 a token is back after a quarter of a second; the first time is not zero.",
    )
