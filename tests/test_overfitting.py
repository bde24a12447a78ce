"""Wrong labels, shifted copies and random features against what they should be; bad input."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.overfitting import OverfittingError, flip_labels, random_features, shifted_copies


def test_wrong_labels_are_wrong_and_as_many_as_asked():
    y = np.arange(20_000) % 10
    found = flip_labels(y, 0.2, 10, seed=3)
    assert np.mean(found != y) == pytest.approx(0.2, abs=0.01)
    # Every other class is as likely as the next.
    counts = np.bincount((found - y)[found != y] % 10, minlength=10)
    assert counts[0] == 0
    assert counts[1:].min() > 0.8 * counts[1:].mean()
    assert np.array_equal(found, flip_labels(y, 0.2, 10, seed=3))
    assert np.array_equal(flip_labels(y, 0, 10), y)
    assert not np.any(flip_labels(y, 1, 10) == y)


def test_shifted_copies_hold_the_image_and_an_empty_border():
    images = np.random.default_rng(0).uniform(0.5, 1, (3, 4, 5, 1))
    found = shifted_copies(images, 40, 1, seed=1)
    assert found.shape == (120, 4, 5, 1)
    seen = set()
    for place, image in enumerate(found):
        ways = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        wide = np.pad(images[place % 3], ((1, 1), (1, 1), (0, 0)))
        match = [
            way for way in ways if np.array_equal(wide[1 - way[0] :, 1 - way[1] :][:4, :5], image)
        ]
        assert len(match) == 1
        seen.add(match[0])
    assert len(seen) == 9


def test_random_features_are_the_formula_and_start_alike():
    x = np.random.default_rng(1).normal(size=(9, 4))
    generator = np.random.default_rng(6)
    weights, biases = generator.normal(size=(4, 2000)) / 2, generator.normal(size=2000)
    found = random_features(x, 2000, seed=6)
    np.testing.assert_allclose(found, np.maximum(x @ weights + biases, 0))
    # A unit sees x @ w + b with variance |x|^2 / 4 + 1, and half of it is cut off.
    expected = (np.square(x).sum(axis=1) / 4 + 1) / 2
    np.testing.assert_allclose(np.square(found).mean(axis=1), expected, rtol=0.2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: random_features(np.ones(3), 5), "give .n, inputs."),
        (lambda: random_features(np.ones((3, 2)), 0), "whole number of 1 or more"),
        (lambda: flip_labels([0, 1], 1.2, 2), "share from 0 to 1"),
        (lambda: flip_labels([0, 0], 0.2, 1), "two classes or more"),
        (lambda: shifted_copies(np.ones((3, 4)), 1, 1), "height, width, channels"),
        (lambda: shifted_copies(np.ones((3, 4, 4, 1)), 0, 1), "counts of 1 or more"),
    ],
)
def test_bad_data_get_one_sentence(call, said):
    with pytest.raises(OverfittingError, match=said):
        call()
