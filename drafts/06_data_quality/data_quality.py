"""Checkers for the exercises on data quality: copies, suspect labels, a split that never moves."""

from __future__ import annotations

import builtins
import math
import random
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np

from helpers.exercises import Mistake, checker, expect


def _row_numbers(found: Any, count: int) -> list[int]:
    """The learner's answer as a list of row numbers, refused with a hint when it is none."""
    expect(found is not None, "The function returns nothing; return the row numbers.")
    try:
        values = np.asarray(list(found))
    except (TypeError, ValueError) as error:
        raise Mistake("Return a list of row numbers.") from error
    expect(
        values.dtype != bool,
        "That is True and False for each row; np.flatnonzero turns it into row numbers.",
    )
    expect(
        values.size == 0 or np.issubdtype(values.dtype, np.integer),
        "Return row numbers, not the rows themselves.",
    )
    numbers = values.tolist()
    expect(
        all(0 <= number < count for number in numbers),
        f"A row number lies outside 0 to {count - 1}.",
    )
    return numbers


@checker("06.1", "One copy of each text stays, however it was typed.")
def keep_rows(answer: Callable) -> None:
    """Tries `answer(texts)` on texts that differ in nothing but case and blanks."""
    texts = ["The cat", "a dog", "the  cat", "The cat", " A DOG ", "a bird", "the cat\n", "ab ird"]
    found = _row_numbers(answer(list(texts)), len(texts))
    expect(len(set(found)) == len(found), "A row number occurs twice in the answer.")
    chosen = sorted(found)
    expect(
        chosen != [2, 3, 4, 6] and chosen != [3],
        "These are the copies: you kept what should go. Keep the rows that were not seen before.",
    )
    expect(
        chosen != [5, 7] and chosen != [1, 2, 4, 5, 6, 7],
        "A text with copies has vanished altogether; its first row stays.",
    )
    expect(
        chosen != [0, 1, 2, 4, 5, 6, 7],
        "'the  cat' and 'The cat' are one text: compare without case and with single blanks.",
    )
    expect(
        chosen != [4, 5, 6, 7],
        "You kept the last copy; keep the first one, so that a later copy changes nothing.",
    )
    expect(7 in chosen, "'ab ird' is no copy of 'a bird': blanks separate words, do not drop them.")
    expect(chosen == [0, 1, 5, 7], f"The rows to keep are 0, 1, 5 and 7, not {chosen}.")
    expect(found == chosen, "Return the row numbers in ascending order.")
    expect(_row_numbers(answer([]), 1) == [], "No texts, no rows: return an empty list.")


@checker("06.2", "Each class has its own threshold, as confident learning asks.")
def suspects(answer: Callable) -> None:
    """Tries `answer(labels, p)` on rows whose class thresholds can be computed by hand."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    of_one = np.array([0.05, 0.1, 0.45, 0.7, 0.55, 0.3, 0.6, 0.25])
    p = np.column_stack([1 - of_one, of_one])
    # Thresholds: class 0: 1 - 0.325 = 0.675; class 1: 0.425.
    found = sorted(_row_numbers(answer(labels.copy(), p.copy()), len(labels)))
    expect(
        found != [3, 5, 7],
        "Row 2 is missing: that is what the largest probability, or one limit for all classes, "
        "finds; each class has a threshold of its own.",
    )
    expect(
        found != [0, 1, 4, 6],
        "These rows are confidently of their own label; suspects are confidently of another.",
    )
    expect(
        found == [2, 3, 5, 7],
        f"The suspects are the rows 2, 3, 5 and 7, not {found}: thresholds are 0.675 and 0.425.",
    )
    labels = np.array([0, 0, 1, 1, 2, 2, 1])
    p = np.array(
        [
            [0.60, 0.35, 0.05],
            [0.20, 0.30, 0.50],  # reaches 1 and 2: the more probable one, 2, is not its label
            [0.10, 0.26, 0.64],
            [0.70, 0.25, 0.05],
            [0.10, 0.42, 0.48],  # reaches 1 and 2: the more probable one is its label
            [0.35, 0.25, 0.40],
            [0.38, 0.30, 0.32],  # 0.38 is above the mean of column 0, not above its threshold
        ]
    )
    found = sorted(_row_numbers(answer(labels, p), len(labels)))
    expect(
        4 not in found,
        "Row 4 of three classes reaches two thresholds; take the class with the larger "
        "probability, which is its label.",
    )
    expect(
        6 not in found,
        "Row 6 of three classes is no suspect: the threshold of a class is the mean over the rows "
        "with that label, not over all rows.",
    )
    expect(found == [1, 2, 3], f"With three classes the suspects are 1, 2 and 3, not {found}.")


@contextmanager
def _without_builtin_hash():
    """Replaces `hash` while the learner's function runs: it differs from one process to the next.

    Dictionaries and sets do not look up the name, so they go on working.
    """
    original = builtins.hash

    def refuse(_: Any) -> int:
        raise Mistake(
            "Python's hash() of a text differs from run to run; use hashlib or zlib.crc32."
        )

    builtins.hash = refuse
    try:
        yield
    finally:
        builtins.hash = original


@checker("06.3", "A row's side depends on its key and on nothing else.")
def in_test(answer: Callable) -> None:
    """Tries `answer(keys, share)` on keys in another order, and on more of them."""

    def ask(keys: list[str], share: float) -> np.ndarray:
        with _without_builtin_hash():
            found = answer(list(keys), share)
        expect(found is not None, "The function returns nothing; return True or False a key.")
        found = np.asarray(found)
        expect(
            found.shape == (len(keys),) and found.dtype == bool,
            f"Return True or False for each of the {len(keys)} keys, in their order.",
        )
        return found

    keys = [f"person-{number}" for number in range(4000)]
    first = ask(keys, 0.25)
    expect(
        np.array_equal(first, ask(keys, 0.25)),
        "Asked twice, the function gives two answers; use no random numbers.",
    )
    order = list(range(len(keys)))
    random.Random(5).shuffle(order)
    shuffled = ask([keys[place] for place in order], 0.25)
    expect(
        np.array_equal(shuffled, first[order]),
        "In another order the same key changes sides: use the key, not the place of the row.",
    )
    fewer = ask(keys[:1000], 0.25)
    expect(
        np.array_equal(fewer, first[:1000]),
        "When rows are added, an old key changes sides: no key may depend on the others.",
    )
    part = first.mean()
    expect(
        not math.isclose(part, 0.75, abs_tol=0.04),
        "Three quarters are True with share 0.25: True means test.",
    )
    expect(abs(part - 0.25) < 0.04, f"With share 0.25, {part:.0%} of the keys are in the test.")
    half = ask(keys, 0.5)
    expect(abs(half.mean() - 0.5) < 0.04, "Another share must change the answer: use `share`.")
    expect(
        bool(np.all(half[first])),
        "With a larger share, test rows became training rows: compare one number with `share`.",
    )
