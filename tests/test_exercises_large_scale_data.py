"""The checkers of chapter 07: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import large_scale_data as check


def stub(*_):
    raise NotImplementedError


def groups(ranges, low, high):
    found = []
    for number, pair in enumerate(ranges):
        if pair is None or (pair[1] >= low and pair[0] < high):
            found.append(number)
    return found


def groups_by_exclusion(ranges, low, high):
    skipped = {n for n, pair in enumerate(ranges) if pair and (pair[1] < low or pair[0] >= high)}
    return [n for n in range(len(ranges)) if n not in skipped]


def means(parts):
    totals = {}
    for part in parts:
        for key, (total, rows) in part.items():
            old_total, old_rows = totals.get(key, (0, 0))
            totals[key] = old_total + total, old_rows + rows
    return {key: total / rows for key, (total, rows) in totals.items() if rows}


def means_in_two_tables(parts):
    sums, rows = defaultdict(float), Counter()
    for part in parts:
        for key, (total, count) in part.items():
            sums[key] += total
            rows[key] += count
    return {key: sums[key] / rows[key] for key in sums if rows[key] > 0}


def stream(times, width, lateness):
    counts, late, watermark = {}, 0, float("-inf")
    for time in times:
        start = time // width * width
        if start + width <= watermark:
            late += 1
        else:
            counts[start] = counts.get(start, 0) + 1
        watermark = max(watermark, time - lateness)
    return counts, late


def stream_with_latest(times, width, lateness):
    counts, late, latest = Counter(), 0, None
    for time in times:
        end = (time // width + 1) * width
        if latest is not None and end <= latest - lateness:
            late += 1
        else:
            counts[end - width] += 1
        latest = time if latest is None else max(latest, time)
    return counts, late


CHECKERS = [check.groups_to_read, check.merged_means, check.tumbling]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.groups_to_read, groups),
        (check.groups_to_read, groups_by_exclusion),
        (check.merged_means, means),
        (check.merged_means, means_in_two_tables),
        (check.tumbling, stream),
        (check.tumbling, stream_with_latest),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def chosen(rule, unknown=True):
    def answer(ranges, low, high):
        return [
            n
            for n, pair in enumerate(ranges)
            if (unknown if pair is None else rule(*pair, low, high))
        ]

    return answer


def mean_of_means(parts):
    found = defaultdict(list)
    for part in parts:
        for key, (total, rows) in part.items():
            found[key].append(total / rows)
    return {key: sum(values) / len(values) for key, values in found.items()}


def sums_only(parts):
    return {key: sum(p[key][0] for p in parts if key in p) for key in {k for p in parts for k in p}}


def by_parts(parts):
    keys = {key for part in parts for key in part}
    seen = {key: [part[key][0] for part in parts if key in part] for key in keys}
    return {key: sum(values) / len(values) for key, values in seen.items()}


def last_wins(parts):
    return {key: total / rows for part in parts for key, (total, rows) in part.items()}


def only_common(parts):
    common = set.intersection(*(set(part) for part in parts if part))
    return {key: mean for key, mean in means(parts).items() if key in common}


def changes_its_input(parts):
    first = parts[0]
    for part in parts[1:]:
        for key, (total, rows) in part.items():
            known = first.get(key, (0, 0))
            first[key] = known[0] + total, known[1] + rows
    return {key: total / rows for key, (total, rows) in first.items()}


def empty_key_is_zero(parts):
    keys = {key for part in parts for key in part}
    return {key: means(parts).get(key, 0.0) for key in keys}


def variant(late_rule=None, start_rule=None, forward=True, own=False, both=False):
    def answer(times, width, lateness):
        counts, late, watermark = {}, 0, float("-inf")
        for time in times:
            start = (start_rule or (lambda t, w: t // w * w))(time, width)
            if own:
                watermark = max(watermark, time - lateness)
            is_late = (late_rule or (lambda t, end, mark: end <= mark))(
                time, start + width, watermark
            )
            late += is_late
            if both or not is_late:
                counts[start] = counts.get(start, 0) + 1
            if not own:
                mark = time - lateness
                watermark = max(watermark, mark) if forward else mark
        return counts, late

    return answer


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (
            check.groups_to_read,
            chosen(lambda a, b, lo, h: b >= lo and a < h, False),
            "no statistics",
        ),
        (
            check.groups_to_read,
            chosen(lambda a, b, lo, h: a >= lo and b < h),
            "matches in part must be read",
        ),
        (
            check.groups_to_read,
            chosen(lambda a, b, lo, h: b > lo and a < h),
            "`low` itself belongs",
        ),
        (
            check.groups_to_read,
            chosen(lambda a, b, lo, h: b >= lo and a <= h),
            "`high` itself does",
        ),
        (check.groups_to_read, chosen(lambda a, b, lo, h: a < h), "below `low` was read"),
        (check.groups_to_read, chosen(lambda a, b, lo, h: lo <= a < h), "neither of its borders"),
        (check.groups_to_read, lambda r, lo, h: groups(r, lo, h)[::-1], "in order"),
        (check.groups_to_read, lambda r, lo, h: len(r), "list of the numbers"),
        (check.merged_means, mean_of_means, "mean of the means"),
        (check.merged_means, sums_only, "divide it by the number of rows"),
        (check.merged_means, by_parts, "number of parts"),
        (check.merged_means, last_wins, "do not replace it"),
        (check.merged_means, only_common, "if any part has it"),
        (check.merged_means, changes_its_input, "parts were changed"),
        (check.merged_means, empty_key_is_zero, "has no mean"),
        (check.merged_means, lambda parts: list(means(parts).items()), "Return a dictionary"),
        (check.tumbling, variant(late_rule=lambda t, end, mark: t < mark), "end of the window"),
        (check.tumbling, variant(late_rule=lambda t, end, mark: end < mark), "exactly at"),
        (check.tumbling, variant(late_rule=lambda t, end, mark: False), "So 1 event is late"),
        (check.tumbling, variant(start_rule=lambda t, w: t // w), "multiples of 10"),
        (check.tumbling, variant(forward=False), "watermark went back"),
        (check.tumbling, variant(both=True), "counted in its window, too"),
        (check.tumbling, lambda *a: stream(*a)[0], "Return a pair"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message, feedback.message
