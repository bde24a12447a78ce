"""Plain tables: what comes out, against pandas, and one sentence for everything that cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers import data
from helpers.data import Split
from helpers.plain_table import PlainTable, TableError, plain_table


@pytest.fixture
def mixed():
    """A split with a numeric and a categorical column, one category missing."""
    kinds = pd.CategoricalDtype(["red", "blue"])
    train = pd.DataFrame(
        {"age": [30, 40, 50], "colour": pd.Series(["red", None, "blue"], dtype=kinds)}
    )
    test = pd.DataFrame({"age": [60], "colour": pd.Series(["blue"], dtype=kinds)})
    y_train, y_test = np.array([0, 1, 0]), np.array([1])
    names = ("age", "colour")
    return Split("mixed", train, y_train, test, y_test, names, ("no", "yes"), "made here", "CC0")


def test_categories_become_columns_and_nothing_is_scaled(mixed):
    table = plain_table(mixed)
    assert table.columns == ("age", "colour_red", "colour_blue")
    assert table.x_train.tolist() == [[30, 1, 0], [40, 0, 0], [50, 0, 1]]
    assert table.x_test.tolist() == [[60, 0, 1]]
    assert (table.classes, table.target) == (("no", "yes"), "class")
    assert table.x_train.dtype == np.float64


def test_a_numeric_column_can_be_the_target(mixed):
    table = plain_table(mixed, "age")
    assert table.columns == ("colour_red", "colour_blue")
    assert table.y_train.tolist() == [30, 40, 50]
    assert table.classes == ()
    assert "'age'" in table.describe()


def test_an_array_keeps_its_column_names():
    split = data.load("wine")
    table = plain_table(split)
    assert table.columns == split.feature_names
    assert np.array_equal(table.x_train, split.x_train)
    without = plain_table(split, "proline")
    place = split.feature_names.index("proline")
    assert np.array_equal(without.y_test, split.x_test[:, place])
    # The names must still stand above the right columns once one of them is gone.
    named = dict(zip(without.columns, without.x_train.T, strict=True))
    for other, column in zip(split.feature_names, split.x_train.T, strict=True):
        assert other == "proline" or np.array_equal(named[other], column)


def test_a_regression_data_set_and_images():
    diabetes = plain_table(data.load("diabetes"))
    assert (diabetes.classes, diabetes.target) == ((), "target")
    assert diabetes.y_train.dtype == np.float64
    assert plain_table(data.load("digits")).x_train.shape == (1297, 64)


def empty(split: Split) -> PlainTable:
    return plain_table(replace(split, x_train=split.x_train.iloc[:0], y_train=split.y_train[:0]))


def other_categories(split: Split) -> PlainTable:
    return plain_table(replace(split, x_test=split.x_test.assign(colour="green")))


def one_class(split: Split) -> PlainTable:
    return plain_table(replace(split, y_train=np.zeros(3, dtype=int)))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (empty, "The training part of 'mixed' is empty; give at least one row."),
        (lambda s: plain_table(s, "agee"), "'mixed' has no column 'agee'; its columns are: age, "),
        (lambda s: plain_table(s, "colour"), "holds categories; give a numeric column."),
        (one_class, "are of the class 'no'; a classifier needs rows of at least two classes."),
        (other_categories, "have different categories"),
        (lambda _: plain_table(data.load("digits"), "pixel"), "its columns have no names"),
    ],
)
def test_what_cannot_be_a_table_gets_one_sentence(make, sentence, mixed):
    with pytest.raises(TableError) as caught:
        make(mixed)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
