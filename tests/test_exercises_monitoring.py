"""The checkers of chapter 29: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import bisect
import re

import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import monitoring as check


def stub(*_):
    raise NotImplementedError


def pages(long, short, objective, threshold):
    limit = threshold * (1 - objective)
    return all(asked > 0 and failed / asked > limit for failed, asked in (long, short))


def pages_by_rates(long, short, objective, threshold):
    rates = [bad / max(asked, 1) / (1 - objective) for bad, asked in (long, short)]
    return min(rates) > threshold


def either_window(long, short, objective, threshold):
    return any(n and e / n > threshold * (1 - objective) for e, n in (long, short))


def long_only(long, short, objective, threshold):
    return long[1] > 0 and long[0] / long[1] > threshold * (1 - objective)


def short_only(long, short, objective, threshold):
    return short[1] > 0 and short[0] / short[1] > threshold * (1 - objective)


def above_objective(long, short, objective, threshold):
    return all(n and e / n > 1 - objective for e, n in (long, short))


def fixed_budget(long, short, objective, threshold):
    return all(n and e / n > threshold * 0.001 for e, n in (long, short))


def divides_by_nothing(long, short, objective, threshold):
    return min(long[0] / long[1], short[0] / short[1]) > threshold * (1 - objective)


def quantile(q, bounds, cumulative):
    wanted = q * cumulative[-1]
    place = next(k for k, reached in enumerate(cumulative) if reached >= wanted)
    low = bounds[place - 1] if place else 0.0
    if place == len(bounds) - 1:
        return low
    below = cumulative[place - 1] if place else 0
    return low + (bounds[place] - low) * (wanted - below) / (cumulative[place] - below)


def quantile_by_bisection(q, bounds, cumulative):
    wanted = q * cumulative[-1]
    edges, counts = [0.0, *bounds], [0, *cumulative]
    place = max(1, bisect.bisect_left(counts, wanted))
    if place == len(bounds):
        return edges[-2]
    share = (wanted - counts[place - 1]) / (counts[place] - counts[place - 1])
    return edges[place - 1] * (1 - share) + edges[place] * share


def upper_bound(q, bounds, cumulative):
    return next(b for b, c in zip(bounds, cumulative, strict=True) if c >= q * cumulative[-1])


def not_cumulative(q, bounds, cumulative):
    wanted = q * cumulative[-1]
    place = next(k for k, reached in enumerate(cumulative) if reached >= wanted)
    low = bounds[place - 1] if place else 0.0
    below = cumulative[place - 1] if place else 0
    return low + (bounds[place] - low) * (wanted - below) / cumulative[place]


def no_first_bucket(q, bounds, cumulative):
    found = quantile(q, bounds, cumulative)
    return bounds[0] if found < bounds[0] else found


def into_infinity(q, bounds, cumulative):
    wanted = q * cumulative[-1]
    place = next(k for k, reached in enumerate(cumulative) if reached >= wanted)
    return quantile(q, bounds, cumulative) if place < len(bounds) - 1 else bounds[-1]


def luhn(digits):
    twice = [sum(divmod(2 * one, 10)) for one in digits[-2::-2]]
    return (sum(twice) + sum(digits[-1::-2])) % 10 == 0


def masker(pattern, test=luhn, count=0):
    def mask(text):
        def replaced(match):
            digits = [int(one) for one in match[0] if one.isdigit()]
            return "[card]" if test(digits) else match[0]

        return re.sub(pattern, replaced, text, count=count)

    return mask


RUN = r"(?<!\d)\d(?:[ -]?\d){15}(?!\d)"
mask = masker(RUN)


def mask_by_hand(text):
    for match in reversed(list(re.finditer(r"\d(?:[ -]?\d)*", text))):
        digits = [int(one) for one in match[0] if one.isdigit()]
        if len(digits) == 16 and luhn(digits):
            text = text[: match.start()] + "[card]" + text[match.end() :]
    return text


CASES = [
    (check.page_decision, stub, OPEN, ""),
    (check.page_decision, pages, RIGHT, ""),
    (check.page_decision, pages_by_rates, RIGHT, ""),
    (check.page_decision, either_window, WRONG, "ask for both"),
    (check.page_decision, long_only, WRONG, "ask for both"),
    (check.page_decision, short_only, WRONG, "spike"),
    (check.page_decision, above_objective, WRONG, "five times"),
    (check.page_decision, fixed_budget, WRONG, "1 - objective"),
    (check.page_decision, divides_by_nothing, WRONG, "no requests"),
    (check.page_decision, lambda *_: None, WRONG, "returns nothing"),
    (check.from_buckets, stub, OPEN, ""),
    (check.from_buckets, quantile, RIGHT, ""),
    (check.from_buckets, quantile_by_bisection, RIGHT, ""),
    (check.from_buckets, upper_bound, WRONG, "upper bound"),
    (check.from_buckets, not_cumulative, WRONG, "cumulative"),
    (check.from_buckets, no_first_bucket, WRONG, "begins at 0"),
    (check.from_buckets, into_infinity, WRONG, "no upper bound"),
    (check.card_mask, stub, OPEN, ""),
    (check.card_mask, mask, RIGHT, ""),
    (check.card_mask, mask_by_hand, RIGHT, ""),
    (check.card_mask, lambda text: text, WRONG, "still there"),
    (check.card_mask, masker(r"(?<!\d)\d{16}(?!\d)"), WRONG, "hyphens"),
    (check.card_mask, masker(RUN, lambda _: True), WRONG, "no card"),
    (check.card_mask, masker(r"\d(?:[ -]?\d){15}"), WRONG, "17 digits"),
    (check.card_mask, masker(RUN, count=1), WRONG, "every card"),
    (check.card_mask, lambda text: 7, WRONG, "Return the text"),
]


@pytest.mark.parametrize(("checker", "answer", "status", "hint"), CASES)
def test_checker(checker, answer, status, hint):
    found = checker(answer)
    assert found.status == status, found.message
    assert hint in found.message
