"""Checkers for the exercises on large data: row groups to read, merged means, a watermark."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from helpers.exercises import Mistake, checker, expect

_RANGES = [(0, 9), (10, 19), (20, 29), None, (20, 20), (35, 60), (60, 70)]


@checker("07.1", "What cannot match is skipped, and nothing that can match is.")
def groups_to_read(answer: Callable) -> None:
    """Tries `answer(ranges, low, high)` on ranges that touch the borders, and on none at all."""
    found = answer(list(_RANGES), 20, 60)
    try:
        found = [int(number) for number in found]
    except (TypeError, ValueError) as error:
        raise Mistake("Return a list of the numbers of the groups.") from error
    expect(3 in found, "Group 3 has no statistics: nothing is known of it, so it must be read.")
    expect(
        5 in found,
        "Group 5 reaches from 35 to 60. It begins inside and ends outside of [20, 60): a group "
        "that matches in part must be read too.",
    )
    expect(
        {2, 4} <= set(found),
        "A group whose values start at `low` is missing: `low` itself belongs to the range.",
    )
    expect(6 not in found, "Group 6 starts at 60, and `high` itself does not belong to the range.")
    expect(
        not {0, 1} & set(found),
        "A group whose largest value is below `low` was read: compare its largest value too.",
    )
    expect(found == [2, 3, 4, 5], f"Expected the groups [2, 3, 4, 5] in order, not {found}.")
    inside = [int(number) for number in answer([(0, 100), (101, 200)], 40, 50)]
    expect(
        inside == [0],
        "The range [40, 50) lies inside the group that reaches from 0 to 100: it must be read, "
        "although neither of its borders lies in the range.",
    )
    border = [int(number) for number in answer([(0, 20), (21, 30)], 20, 21)]
    expect(
        border == [0],
        "A group whose largest value is `low` itself can match, and one above `high` cannot.",
    )


@checker("07.2", "Sums and counts travel, and the mean is taken once, at the end.")
def merged_means(answer: Callable) -> None:
    """Tries `answer(parts)` on parts of unequal size, with keys that some of them have not seen."""
    parts = [{"a": (10.0, 1), "b": (6.0, 3)}, {"a": (20.0, 9)}, {}, {"c": (5.0, 2), "b": (2.0, 1)}]
    copies = [dict(part) for part in parts]
    found = answer(parts)
    expect(isinstance(found, Mapping), "Return a dictionary from key to mean.")
    expect(parts == copies, "The parts were changed; workers may send them again after a failure.")
    expect(
        set(found) == {"a", "b", "c"},
        f"The keys are {sorted(map(str, found))}; a key belongs to the result if any part has it.",
    )
    means = {key: float(mean) for key, mean in found.items()}
    expect(
        means["a"] != (10 / 1 + 20 / 9) / 2,
        "That is the mean of the means: a part with nine rows must weigh nine times as much as "
        "one with a single row. Add up sums and counts first.",
    )
    expect(means["a"] != 30.0, "That is the sum; divide it by the number of rows.")
    expect(
        means["a"] != 30 / 2, "The sum was divided by the number of parts, not by that of the rows."
    )
    expect(
        means["a"] not in (10.0, 20 / 9),
        "The last or the first part wins: add to what is known of a key, do not replace it.",
    )
    truth = {"a": 3.0, "b": 2.0, "c": 2.5}
    expect(
        all(abs(means[key] - truth[key]) < 1e-9 for key in truth),
        f"The means are {means}; over all rows they are {truth}.",
    )
    empty = answer([{"a": (0.0, 0)}, {"a": (4.0, 2)}, {"b": (0.0, 0)}])
    expect(
        abs(float(empty["a"]) - 2.0) < 1e-9,
        "A part with no rows of a key must not change its mean.",
    )
    expect(
        "b" not in empty or empty["b"] is None or empty["b"] != empty["b"],
        "A key without a single row has no mean: leave it out.",
    )


def _stream(times: list[int], width: int, lateness: int) -> tuple[dict[int, int], int]:
    counts: dict[int, int] = {}
    late, watermark = 0, float("-inf")
    for time in times:
        start = time // width * width
        if start + width <= watermark:
            late += 1
        else:
            counts[start] = counts.get(start, 0) + 1
        watermark = max(watermark, time - lateness)
    return counts, late


@checker("07.3", "Late means: the window was closed. The watermark only moves forward.")
def tumbling(answer: Callable) -> None:
    """Tries `answer(times, width, lateness)` on streams that tell the usual mistakes apart."""

    def ask(times: list[int], width: int, lateness: int) -> tuple[dict[int, int], int]:
        found = answer(list(times), width, lateness)
        try:
            counts, late = found
            counts = {int(start): int(count) for start, count in dict(counts).items() if count}
            return counts, int(late)
        except (TypeError, ValueError) as error:
            raise Mistake("Return a pair: the counts by start of the window, the late.") from error

    counts, late = ask([1, 4, 12, 25], 10, 0)
    expect(
        set(counts) == {0, 10, 20},
        f"The windows start at {sorted(counts)}; for the width 10 they start at multiples of 10.",
    )
    expect(
        (counts, late) == ({0: 2, 10: 1, 20: 1}, 0),
        "A stream in order has no late event, and each event counts once.",
    )
    counts, late = ask([1, 18, 12, 11, 19], 10, 0)
    expect(
        late == 0,
        "The watermark stands at 18, and 12 and 11 are behind it. But their window ends at 20 and "
        "is still open: compare the end of the window, not the time of the event.",
    )
    counts, late = ask([5, 42, 3, 13], 10, 30)
    expect(
        late == 1,
        "With 42 seen and a lateness of 30 the watermark is 12: the window of 3 has ended, that "
        f"of 13 has not. So 1 event is late, not {late}.",
    )
    counts, late = ask([35, 2, 4], 10, 5)
    expect(
        late == 2,
        "After a late event the watermark went back: it is the maximum so far, so 2 and 4 are "
        "both late.",
    )
    expect(0 not in counts, "A late event was counted in its window, too: it is one or the other.")
    counts, late = ask([0, 1000], 10, 0)
    expect(
        late == 0 and counts.get(1000) == 1,
        "An event that moves the watermark is judged by the watermark before it.",
    )
    for times, width, lateness in (([9, 20, 15, 9, 31, 10], 10, 0), ([7, 3, 29, 8, 30, 55], 6, 12)):
        truth = _stream(times, width, lateness)
        found = ask(times, width, lateness)
        expect(
            found == truth,
            f"For the times {times}, width {width}, lateness {lateness} the answer is {truth}, "
            f"not {found}. A window that ends exactly at the watermark is closed.",
        )
