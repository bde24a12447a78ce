"""Data contracts: what every row of a table must satisfy, and rows that break it on purpose.

A contract comes from the meaning of the columns (a code book, the producer of the data), not from
the smallest and largest value seen so far. Chapter 06 turns one into a pandera schema in view.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers import data

if TYPE_CHECKING:
    import pandas as pd

KINDS = (
    "missing",
    "text for a number",
    "sentinel",
    "age in months",
    "misspelt category",
    "repeated key",
    "contradiction",
    "swapped columns",
)
BELIEVABLE = "believable"  # a wrong value that breaks no rule

# The pairs of the census code book: position in this list + 1 is education_num.
_EDUCATION = (
    *("Preschool", "1st-4th", "5th-6th", "7th-8th", "9th", "10th", "11th", "12th", "HS-grad"),
    *("Some-college", "Assoc-voc", "Assoc-acdm", "Bachelors", "Masters", "Prof-school"),
    "Doctorate",
)


class ContractError(ValueError):
    """A table, a name or a count that the contract cannot work with; one sentence."""


@dataclass(frozen=True)
class Rule:
    """What one column holds: a number from `low` to `high`, or one of `values`."""

    column: str
    low: float = 0.0
    high: float = 0.0
    values: tuple[str, ...] = ()
    may_be_empty: bool = False


_DIABETES = (
    Rule("age", 0, 120),
    Rule("sex", values=("1", "2")),
    Rule("bmi", 5, 100),
    Rule("bp", 20, 250),
    Rule("s1", 10, 1000),
    Rule("s2", 1, 900),
    Rule("s3", 1, 300),
    Rule("s4", 0.5, 30),
    Rule("s5", 1, 10),
    Rule("s6", 10, 1000),
)
_ADULT_NUMBERS = {
    "age": (0, 120),
    "fnlwgt": (1000, 10_000_000),
    "education_num": (1, 16),
    "capital_gain": (0, 99_999),
    "capital_loss": (0, 99_999),
    "hours_per_week": (0, 168),
}
_MAY_BE_EMPTY = ("workclass", "occupation", "native_country")


def _whole(name: str) -> pd.DataFrame:
    """All rows of the table, training part first, with the columns' own types."""
    import pandas as pd

    split = data.load(name)
    if name == "adult":
        return pd.concat([split.x_train, split.x_test], ignore_index=True)
    table = pd.DataFrame(np.r_[split.x_train, split.x_test], columns=list(split.feature_names))
    return table.assign(sex=table["sex"].astype(int).astype(str).astype("category"))


def _known(name: str) -> None:
    if name not in ("diabetes", "adult"):
        raise ContractError(f"There is no contract for '{name}'; use diabetes or adult.")


def rules(name: str) -> tuple[Rule, ...]:
    """The rules of the table "diabetes" or "adult", one a column, in the order of its columns.

    Limits are what the column can mean (an age, hours of a week), wider than what was seen; the
    categories of adult are those of its catalogue files. `ContractError` for another name.
    """
    _known(name)
    if name == "diabetes":
        return _DIABETES
    found = []
    for column, values in _whole(name).items():
        if column in _ADULT_NUMBERS:
            found.append(Rule(column, *_ADULT_NUMBERS[column]))
        else:
            allowed = tuple(str(value) for value in values.cat.categories)
            empty = column in _MAY_BE_EMPTY
            found.append(Rule(column, values=allowed, may_be_empty=empty))
    return tuple(found)


def arriving(name: str) -> pd.DataFrame:
    """The table as it arrives, untyped: columns of dtype object, `None` where empty, and `key`.

    `key` is a text that no two rows share. Names: "diabetes" (442 rows, offline) and "adult"
    (48,842 rows). `ContractError` for another name.
    """
    _known(name)
    table = _whole(name).astype(object)
    table = table.where(table.notna(), None)
    table.insert(0, "key", [f"row-{number:06d}" for number in range(len(table))])
    return table.astype(object)


def agree(table: pd.DataFrame) -> pd.Series:
    """Boolean Series: do the columns of each row agree with one another? True where unknown.

    adult: `education` and `education_num` are two codes of one fact. diabetes: `s4` is the ratio of
    total cholesterol `s1` to HDL `s3`, recorded with rounding, so a difference up to 1 is accepted.
    `ContractError` for a table with neither set of columns.
    """
    import pandas as pd

    def number(column: str) -> pd.Series:
        return pd.to_numeric(table[column], errors="coerce")

    if {"education", "education_num"} <= set(table.columns):
        codes = {text: place for place, text in enumerate(_EDUCATION, start=1)}
        expected = table["education"].map(codes).astype(float)
        off = (expected - number("education_num")).abs()
        return ~(off > 0)
    if {"s1", "s3", "s4"} <= set(table.columns):
        off = (number("s4") - number("s1") / number("s3")).abs()
        return ~(off > 1)
    raise ContractError(
        "The table has no columns to compare: education and education_num, or s1, s3 and s4."
    )


def faulty(
    clean: pd.DataFrame,
    contract: tuple[Rule, ...],
    count: int,
    seed: int = 0,
    kinds: tuple[str, ...] = KINDS,
) -> tuple[pd.DataFrame, np.ndarray]:
    """(rows, kinds): `count` copies of rows of `clean`, each with one fault, and what it is.

    The kinds take turns, so their counts differ by at most one. Every copy has a new key, except
    those whose fault is a repeated key. `BELIEVABLE` puts in the age of another row. Raises
    `ContractError` for an empty table, missing columns, a count below 1 and an unknown kind.
    """
    try:
        count = operator.index(count)
    except TypeError:
        raise ContractError(f"The count is {count!r}; give a whole number of faults.") from None
    if count < 1:
        raise ContractError(f"The count is {count}; give at least one fault.")
    if clean.empty:
        raise ContractError("The table is empty; faults are made from copies of its rows.")
    missing = [name for name in ("key", *(r.column for r in contract)) if name not in clean]
    if missing:
        raise ContractError(f"The table has no column '{missing[0]}', which the contract names.")
    unknown = [kind for kind in kinds if kind not in (*KINDS, BELIEVABLE)]
    if unknown or not kinds:
        word = f"'{unknown[0]}'" if unknown else "no kind"
        raise ContractError(f"The faults name {word}; use some of {', '.join(KINDS)}.")
    draw = np.random.default_rng([seed, count])
    rows = clean.iloc[draw.integers(0, len(clean), count)].reset_index(drop=True).copy()
    rows["key"] = [f"new-{number:06d}" for number in range(count)]
    made = np.array([kinds[place % len(kinds)] for place in range(count)])
    numbers = [rule.column for rule in contract if not rule.values]
    categories = [rule.column for rule in contract if rule.values and not rule.may_be_empty]
    required = [rule.column for rule in contract if not rule.may_be_empty]
    pair = ("age", "fnlwgt") if "fnlwgt" in rows else ("s1", "s3")
    for place, kind in enumerate(made):
        number, category = draw.choice(numbers), draw.choice(categories)
        if kind == "missing":
            rows.at[place, draw.choice(required)] = None
        elif kind == "text for a number":
            rows.at[place, number] = str(draw.choice(["n/a", "unknown", "see note", "?"]))
        elif kind == "sentinel":
            rows.at[place, number] = -999
        elif kind == "age in months":
            rows.at[place, "age"] = 12 * rows.at[place, "age"]
        elif kind == "misspelt category":
            rows.at[place, category] = rows.at[place, category] + str(draw.choice([" ", ".", "x"]))
        elif kind == "repeated key":
            rows.at[place, "key"] = clean["key"].iloc[draw.integers(len(clean))]
        elif kind == "contradiction" and "fnlwgt" in rows:
            rows.at[place, "education_num"] = rows.at[place, "education_num"] % 16 + 1
        elif kind == "contradiction":
            rows.at[place, "s4"] = rows.at[place, "s4"] + 3
        elif kind == "swapped columns":
            first, second = (rows.at[place, column] for column in pair)
            rows.at[place, pair[0]], rows.at[place, pair[1]] = second, first
        else:
            rows.at[place, "age"] = clean["age"].iloc[draw.integers(len(clean))]
    return rows, made
