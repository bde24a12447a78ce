"""Data contracts and planted faults: every kind against a check that shares no code with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

from helpers import data
from helpers.contracts import (
    BELIEVABLE,
    KINDS,
    ContractError,
    Rule,
    agree,
    arriving,
    faulty,
    rules,
)
from helpers.data import Split


@pytest.fixture(scope="module")
def clean():
    return arriving("diabetes")


@pytest.fixture(scope="module")
def contract():
    return rules("diabetes")


def test_the_table_holds_the_values_of_scikit_learn(clean, contract):
    published = load_diabetes(scaled=False).data
    columns = [rule.column for rule in contract]
    ours = clean[columns].astype(float).to_numpy()
    assert np.array_equal(ours[np.lexsort(ours.T)], published[np.lexsort(published.T)])
    assert clean["key"].is_unique
    assert {kind.name for kind in clean.dtypes} == {"object"}


def test_the_good_rows_keep_the_contract(clean, contract):
    for rule in contract:
        values = clean[rule.column]
        if rule.values:
            assert set(values) <= set(rule.values)
        else:
            assert values.astype(float).between(rule.low, rule.high).all()
    assert agree(clean).all()


def breaks(rows, clean, kind):
    """Whether each row shows the fault `kind`, told from the values alone."""
    columns = rows.drop(columns="key")
    if kind == "missing":
        return columns.isna().sum(axis=1) == 1
    if kind == "sentinel":
        return (columns == -999).sum(axis=1) == 1
    if kind == "age in months":
        return rows["age"].astype(float) > 120
    if kind == "repeated key":
        return rows["key"].isin(clean["key"])
    if kind == "misspelt category":
        return ~rows["sex"].isin(["1", "2"])
    if kind == "text for a number":
        numbers = columns.drop(columns="sex")
        return numbers.map(lambda value: isinstance(value, str)).sum(axis=1) == 1
    return (
        rows["s4"].astype(float) - rows["s1"].astype(float) / rows["s3"].astype(float)
    ).abs() > 1


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_is_in_every_row_that_should_have_it(clean, contract, kind):
    rows, made = faulty(clean, contract, 300, seed=3, kinds=(kind,))
    assert set(made) == {kind}
    assert breaks(rows, clean, kind).all()
    if kind != "repeated key":
        assert rows["key"].is_unique
        assert not rows["key"].isin(clean["key"]).any()


def test_kinds_take_turns_and_the_seed_repeats(clean, contract):
    rows, made = faulty(clean, contract, 500, seed=1)
    assert set(np.unique(made, return_counts=True)[1].tolist()) == {62, 63}
    again, _ = faulty(clean, contract, 500, seed=1)
    pd.testing.assert_frame_equal(rows, again)
    other, _ = faulty(clean, contract, 500, seed=2)
    assert not rows.equals(other)


def test_a_believable_row_breaks_nothing(clean, contract):
    rows, _ = faulty(clean, contract, 100, kinds=(BELIEVABLE,))
    assert rows["age"].isin(clean["age"]).all()
    assert agree(rows).all()


def test_the_clean_table_is_not_changed(contract):
    table = arriving("diabetes")
    before = table.copy()
    faulty(table, contract, 100)
    pd.testing.assert_frame_equal(table, before)


def census():
    numbers = {"capital_gain": 0, "capital_loss": 0, "hours_per_week": [40, 38, 60]}
    table = pd.DataFrame(
        {"age": [17, 39, 90], "fnlwgt": [77516, 83311, 20000], "education_num": [13, 9, 14]}
        | numbers
        | {"education": ["Bachelors", "HS-grad", "Masters"], "workclass": ["Private", None, "Gov"]}
    )
    kinds = {name: "category" for name in ("education", "workclass")}
    return table.astype(kinds)


def test_the_census_table_keeps_empty_cells_and_pairs_of_codes(monkeypatch):
    part = census()
    y = np.zeros(3, dtype=np.int64)
    split = Split("adult", part, y, part, y, tuple(part), ("no", "yes"), "", "")
    monkeypatch.setattr(data, "load", lambda name: split)
    table, contract = arriving("adult"), rules("adult")
    assert len(table) == 6
    assert table["workclass"].iloc[1] is None
    empty = {rule.column for rule in contract if rule.may_be_empty}
    assert empty == {"workclass"}
    assert agree(table).all()
    swapped, _ = faulty(table, contract, 20, kinds=("swapped columns",))
    assert (swapped["age"].astype(float) > 120).all()
    wrong, _ = faulty(table, contract, 20, kinds=("contradiction",))
    assert not agree(wrong).any()


@pytest.mark.parametrize("call", [arriving, rules])
def test_a_table_without_a_contract_is_refused(call):
    with pytest.raises(ContractError, match="no contract for 'wine'; use diabetes or adult"):
        call("wine")


def test_columns_that_cannot_be_compared_are_refused(clean):
    with pytest.raises(ContractError, match="no columns to compare"):
        agree(clean[["age", "bmi"]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": 0}, "count is 0; give at least one"),
        ({"count": -5}, "count is -5"),
        ({"count": 2.5}, "count is 2.5; give a whole number"),
        ({"kinds": ("typo",)}, "name 'typo'; use some of missing"),
        ({"kinds": ()}, "name no kind"),
        ({"contract": (Rule("height", 0, 3),)}, "no column 'height'"),
    ],
)
def test_bad_input_gets_one_clear_sentence(clean, contract, change, words):
    arguments = {"clean": clean, "contract": contract, "count": 5} | change
    with pytest.raises(ContractError, match=words) as caught:
        faulty(**arguments)
    assert str(caught.value).count(". ") == 0


def test_an_empty_table_is_refused(clean, contract):
    with pytest.raises(ContractError, match="table is empty"):
        faulty(clean.iloc[:0], contract, 5)
