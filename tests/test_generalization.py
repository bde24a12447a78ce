"""Groups, attributes, small images and error slices: against scikit-learn and statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from statsmodels.stats.proportion import proportion_confint

from helpers import data
from helpers.data import Split
from helpers.generalization import (
    GeneralizationError,
    class_attributes,
    grouped_rows,
    pixels,
)
from helpers.slices import SliceError, error_slices, thirds, wilson_interval


def test_digits_keep_the_order_of_the_file_and_their_groups_are_blocks():
    found = grouped_rows("digits")
    images, labels = load_digits(return_X_y=True)
    assert np.array_equal(found.x * 16, images)
    assert np.array_equal(found.y, labels)
    assert (np.diff(found.groups) >= 0).all()
    assert len(np.unique(found.groups)) == 13
    assert np.bincount(found.groups).min() == 130
    assert "1,797 rows in 13 groups, 10 classes" in found.describe()


def test_frames_of_speech_belong_to_their_utterance(monkeypatch):
    series = np.arange(3 * 4 * 2, dtype=np.float32).reshape(3, 4, 2)
    series[0, 2:], series[2, 3:] = np.nan, np.nan  # utterances of 2, 4 and 3 frames
    y = np.array([1, 0, 1])
    split = Split("japanese_vowels", series[:2], y[:2], series[2:], y[2:], (), ("a", "b"), "", "")
    monkeypatch.setattr(data, "load", lambda name: split)
    found = grouped_rows("japanese_vowels")
    assert found.groups.tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2]
    assert found.y.tolist() == [1, 1, 0, 0, 0, 0, 1, 1, 1]
    assert np.array_equal(found.x, series[np.isfinite(series).all(axis=2)])


def test_a_data_set_without_groups_is_refused():
    with pytest.raises(GeneralizationError, match=r"'wine' has no groups.*'japanese_vowels'"):
        grouped_rows("wine")


@pytest.mark.parametrize("name", ["digits", "mnist", "fashion_mnist"])
def test_attributes_tell_all_classes_apart(name):
    found = class_attributes(name)
    assert found.table.shape == (10, len(found.names))
    assert set(np.unique(found.table)) == {0.0, 1.0}
    assert len(np.unique(found.table, axis=0)) == 10
    assert (found.table.sum(axis=0) > 0).all()


def test_attributes_of_an_undescribed_data_set_are_refused():
    with pytest.raises(GeneralizationError, match=r"described the classes of 'wine'.*digits"):
        class_attributes("wine")


def test_pixels_are_block_means():
    images = np.random.default_rng(0).random((3, 28, 28, 1)).astype(np.float32)
    found = pixels(images)
    assert found.shape == (3, 196)
    assert found.dtype == np.float64
    assert found[1, 14 * 2 + 5] == pytest.approx(images[1, 4:6, 10:12, 0].mean())
    assert np.array_equal(pixels(images[:, :8, :8]), images[:, :8, :8, 0].reshape(3, 64))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((0, 28, 28, 1)), "at least one image"),
        (np.zeros((5, 64)), r"shape \(5, 64\)"),
        (np.zeros((2, 32, 32, 3)), "grey images"),
        (np.zeros((2, 30, 30, 1)), "30 x 30 pixels cannot be averaged down to 14"),
    ],
)
def test_other_images_are_refused(images, words):
    with pytest.raises(GeneralizationError, match=words):
        pixels(images)


@pytest.mark.parametrize(("hits", "total"), [(0, 7), (3, 40), (40, 40), (1234, 5000)])
def test_wilson_is_that_of_statsmodels(hits, total):
    expected = proportion_confint(hits, total, method="wilson")
    assert wilson_interval(hits, total) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("hits", "total"), [(0, 0), (5, 4), (-1, 4)])
def test_no_share_no_interval(hits, total):
    with pytest.raises(SliceError, match="is no share"):
        wilson_interval(hits, total)


def table(rows=400):
    generator = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "device": generator.choice(["camera", "phone", "scanner"], rows, p=[0.5, 0.45, 0.05]),
            "night": generator.integers(0, 2, rows),
        }
    )


def test_slices_are_those_of_pandas():
    properties = table()
    wrong = (properties["device"] == "phone") & (np.arange(400) % 3 == 0)
    found = error_slices(properties, wrong.to_numpy(), least=1)
    for column in properties:
        expected = wrong.groupby(properties[column]).agg(["size", "sum", "mean"])
        ours = {one.value: one for one in found if one.column == column}
        assert set(ours) == {str(value) for value in expected.index}
        for value, row in expected.iterrows():
            one = ours[str(value)]
            assert (one.rows, one.wrong) == (row["size"], row["sum"])
            assert one.error == pytest.approx(row["mean"])
            assert one.low <= one.error <= one.high
    assert (found[0].column, found[0].value) == ("device", "phone")
    assert [one.error for one in found] == sorted((one.error for one in found), reverse=True)


def test_small_slices_are_left_out_and_columns_can_be_chosen():
    properties, wrong = table(), np.arange(400) % 5 == 0
    assert {one.value for one in error_slices(properties, wrong, ["device"])} == {
        "camera",
        "phone",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"properties": {}}, "table is empty"),
        ({"properties": table(0), "wrong": np.array([])}, "table is empty"),
        ({"columns": ["devise"]}, "no property 'devise'; use some of device, night"),
        ({"wrong": np.zeros(400, bool)}, "wrong on none of the 400 rows"),
        ({"wrong": np.ones(400, bool)}, "wrong on all of the 400 rows"),
        ({"wrong": np.arange(400) % 3}, "True or False"),
        ({"wrong": np.arange(300) % 2}, "there are 300 rows"),
        ({"least": 1000}, "No slice has 1000 rows"),
    ],
)
def test_bad_tables_get_one_clear_sentence(change, words):
    arguments = {"properties": table(), "wrong": np.arange(400) % 2} | change
    with pytest.raises(SliceError, match=words) as caught:
        error_slices(**arguments)
    assert str(caught.value).count(". ") == 0


def test_thirds_cut_where_a_third_of_the_rows_end():
    found = thirds(np.arange(300.0)[::-1])
    assert [np.sum(found == name) for name in ("low", "middle", "high")] == [100, 100, 100]
    assert (found[0], found[-1]) == ("high", "low")


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, np.nan, 2.0], np.zeros((4, 2)), []])
def test_thirds_need_numbers(values):
    with pytest.raises(SliceError, match="at least three numbers"):
        thirds(values)
