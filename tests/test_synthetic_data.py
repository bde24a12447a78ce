"""Augmentation, measures of generated rows and votes, against independent truths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.linalg import sqrtm
from sklearn.metrics import cohen_kappa_score

from helpers import augmentation, crowdsourcing, generative
from helpers.adversarial import noise_and_class


class Fixed:
    """A generator whose uniform draws are given."""

    def __init__(self, *values):
        self.values = list(values)

    def uniform(self, low, high, shape):
        return np.full(shape, self.values.pop(0))


IMAGES = np.random.default_rng(0).random((3, 9, 9))


def test_without_a_change_the_images_come_back():
    warped = augmentation.warp(IMAGES, np.random.default_rng(0))
    np.testing.assert_allclose(warped, IMAGES, atol=1e-7)


def test_a_shift_is_scipys():
    warped = augmentation.warp(IMAGES, Fixed(0.0, 0.0, 0.75), shift=1)
    for image, found in zip(IMAGES, warped, strict=True):
        # SciPy's "constant" mode cuts at the border, "grid-constant" interpolates across it.
        truth = ndimage.shift(image, (-0.75, -0.75), order=1, mode="grid-constant")
        np.testing.assert_allclose(found, truth, atol=1e-7)


def test_a_turn_is_scipys():
    warped = augmentation.warp(IMAGES, Fixed(30.0, 0.0, 0.0), degrees=30)
    for image, found in zip(IMAGES, warped, strict=True):
        turns = [
            ndimage.rotate(image, sign * 30, reshape=False, order=1, mode="grid-constant")
            for sign in (1, -1)
        ]
        assert min(np.abs(found - turn).max() for turn in turns) < 1e-6


def test_flip_mirrors_left_and_right():
    draw = np.random.default_rng(0)
    np.testing.assert_array_equal(augmentation.flip(IMAGES, draw, 1.0), IMAGES[:, :, ::-1])
    np.testing.assert_array_equal(augmentation.flip(IMAGES, draw, 0.0), IMAGES)


def test_copies_keep_rows_and_labels_together():
    rows, labels = augmentation.with_copies(IMAGES, [4, 5, 6], lambda x: x + 1, 2)
    np.testing.assert_array_equal(rows[6:], IMAGES + 1)
    assert labels.tolist() == [4, 5, 6] * 3


def test_mixed_rows_lie_between_and_weights_add_up():
    x, y = np.arange(8.0).reshape(4, 2), np.array([0, 0, 1, 1])
    rows, labels, weights = augmentation.mixup(x, y, np.random.default_rng(0), copies=3)
    np.testing.assert_allclose(weights[:12] + weights[12:], 1)
    np.testing.assert_array_equal(rows[:12], rows[12:])
    ends = np.array([x[y == 0].mean(0), x[y == 1].mean(0)])
    assert rows.min() >= x.min()
    assert rows.max() <= x.max()
    assert set(labels) == {0, 1}
    assert ends.shape == (2, 2)


def test_words_are_deleted_shuffled_and_reversed():
    draw, text = np.random.default_rng(0), "one two three four"
    assert sorted(augmentation.edit_words(text, draw, "shuffle").split()) == sorted(text.split())
    assert augmentation.edit_words(text, draw, "reverse", 1.0) == "eno owt eerht ruof"
    assert augmentation.edit_words(text, draw, "delete", 1.0) == "one"
    assert augmentation.first_words(["A b C", ""], 2) == ["a b", "empty"]


def test_few_of_each_class_are_drawn():
    labels = np.array([0, 1, 0, 1, 1, 0, 2, 2])
    rows = augmentation.few_of_each(labels, 2, np.random.default_rng(0))
    assert labels[rows].tolist() == [0, 0, 1, 1, 2, 2]
    assert len(set(rows.tolist())) == 6


def test_text_gains_compare_with_the_reader_without_copies():
    texts = ["red apple tree", "blue sea wave", "green apple leaf", "deep sea fish"] * 3
    labels = np.array([0, 1, 0, 1] * 3)
    gains = augmentation.text_gains(texts, labels, texts, labels, np.random.default_rng(0))
    assert gains == dict.fromkeys(augmentation.EDITS, 0.0)


def test_the_frechet_distance_is_the_formula():
    draw = np.random.default_rng(1)
    a, b = draw.normal(size=(80, 5)), draw.normal(size=(60, 5)) @ draw.normal(size=(5, 5)) + 1
    p, q = np.cov(a.T), np.cov(b.T)
    truth = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(p + q - 2 * sqrtm(p @ q)).real
    assert generative.frechet_distance(a, b) == pytest.approx(truth, rel=1e-8)
    assert generative.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    line = generative.frechet_between([1.0], np.array([[4.0]]), [3.0], np.array([[9.0]]))
    assert line == pytest.approx((1 - 3) ** 2 + (2 - 3) ** 2)


def test_spread_and_nearest_rows():
    x, y = np.array([[0.0], [2.0], [5.0], [5.0]]), np.array([0, 0, 1, 1])
    assert generative.spread_within_classes(x, y) == pytest.approx(1.0)
    np.testing.assert_allclose(generative.nearest_distances([[1.5], [9.0]], x), [0.5, 4.0])


def test_the_sheet_has_a_column_for_each_class():
    x = np.arange(20)[:, None, None] * np.ones((20, 2, 3))
    picture = generative.sheet(x, np.arange(20) % 10, rows=2)
    assert picture.shape == (4, 30)
    assert picture[0, ::3].tolist() == list(range(10))
    assert picture[2, ::3].tolist() == list(range(10, 20))


def test_variances_shrink_as_calculated():
    found = generative.resampled_moments(20, 10, 4000, 0)
    assert found.shape == (21, 4000)
    assert found[1].mean() == pytest.approx(0.9, abs=0.03)
    kept = generative.resampled_moments(20, 10, 500, 0, keep=True)
    assert kept[-1].mean() > 3 * found[-1].mean()


def test_features_come_from_the_hidden_units():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    extract, network = generative.classifier_features(x / 16, y, units=32)
    scores = extract(x / 16) @ network.coefs_[1] + network.intercepts_[1]
    np.testing.assert_array_equal(scores.argmax(1), network.predict(x / 16))


def test_kappa_is_the_librarys():
    draw = np.random.default_rng(2)
    a, b = draw.integers(0, 3, (2, 200))
    assert crowdsourcing.cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))
    assert crowdsourcing.cohen_kappa(a, a) == pytest.approx(1)


def test_skills_are_found_and_votes_weighed():
    y, skills = np.arange(3000) % 4, [0.95, 0.5, 0.5, 0.4, 0.4]
    votes = crowdsourcing.simulated_votes(y, skills, 4, 0)
    np.testing.assert_allclose(np.mean(votes == y[:, None], axis=0), skills, atol=0.04)
    guessed = crowdsourcing.estimated_skills(votes, 4)
    np.testing.assert_allclose(guessed, skills, atol=0.06)
    by_skill = np.mean(crowdsourcing.weighted_vote(votes, guessed, 4) == y)
    by_count = np.mean(crowdsourcing.weighted_vote(votes, [0.5] * 5, 4) == y)
    assert by_skill > by_count + 0.05


def test_noise_has_its_length_and_the_class():
    rows = noise_and_class(np.random.default_rng(0), np.arange(10).repeat(50), noise=16)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:, 16:].argmax(1), np.arange(10).repeat(50))
    assert np.linalg.norm(rows[:, :16], axis=1).mean() == pytest.approx(8, rel=0.05)


DRAW = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("error", "call", "words"),
    [
        (augmentation, lambda: augmentation.warp(np.zeros((0, 8, 8)), DRAW), "at least one grey"),
        (augmentation, lambda: augmentation.warp(IMAGES, DRAW, shift=-1), "shift is -1"),
        (augmentation, lambda: augmentation.flip(IMAGES[0], DRAW), "(images, height, width)"),
        (augmentation, lambda: augmentation.with_copies([], [], np.copy, 1), "0 rows"),
        (augmentation, lambda: augmentation.with_copies([1], [1], np.copy, 0), "copies is 0"),
        (augmentation, lambda: augmentation.mixup(IMAGES, [1, 1, 1], DRAW), "two classes"),
        (augmentation, lambda: augmentation.mixup(IMAGES, [1, 0, 1], DRAW, 0), "alpha is 0"),
        (augmentation, lambda: augmentation.edit_words(" ", DRAW), "no words"),
        (augmentation, lambda: augmentation.edit_words("a", DRAW, "turn"), "no edit 'turn'"),
        (augmentation, lambda: augmentation.few_of_each([0, 1, 1], 2, DRAW), "class has 1"),
        (augmentation, lambda: augmentation.few_of_each([], 2, DRAW), "class has 0"),
        (augmentation, lambda: augmentation.first_words(["a"], 0), "count is 0"),
        (augmentation, lambda: augmentation.read_texts(["a"], [1], ["a"], [1]), "two classes"),
        (generative, lambda: generative.frechet_distance([[1.0]], [[1.0]]), "at least 2"),
        (generative, lambda: generative.frechet_distance(np.eye(3), np.eye(2)), "same extractor"),
        (generative, lambda: generative.frechet_distance(np.eye(2) / 0, np.eye(2)), "NaN"),
        (generative, lambda: generative.spread_within_classes([[1.0]], [0]), "one row only"),
        (generative, lambda: generative.spread_within_classes([], []), "0 rows"),
        (generative, lambda: generative.nearest_distances(np.eye(2), np.eye(3)), "alike"),
        (generative, lambda: generative.sheet(IMAGES, [0, 0, 0]), "A class has 0 images"),
        (generative, lambda: generative.classifier_features(np.eye(2), [1, 1]), "two classes"),
        (generative, lambda: generative.resampled_moments(0, 5, 1, 0), "0 generations"),
        (generative, lambda: noise_and_class(DRAW, [10]), "from 0 to 9"),
        (crowdsourcing, lambda: crowdsourcing.cohen_kappa([1, 1], [1, 1]), "two classes"),
        (crowdsourcing, lambda: crowdsourcing.cohen_kappa([], []), "at least one item"),
        (crowdsourcing, lambda: crowdsourcing.simulated_votes([], [0.5], 2, 0), "one item"),
        (crowdsourcing, lambda: crowdsourcing.simulated_votes([1], [2.0], 2, 0), "0 and 1"),
        (crowdsourcing, lambda: crowdsourcing.weighted_vote([[0]], [1.0], 2), "finite weight"),
        (crowdsourcing, lambda: crowdsourcing.weighted_vote([[0]], [0.5, 0.5], 2), "shape"),
        (crowdsourcing, lambda: crowdsourcing.weighted_vote([[3]], [0.5], 2), "outside"),
        (crowdsourcing, lambda: crowdsourcing.estimated_skills([], 2), "shape"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_input_gets_one_sentence(error, call, words):
    kinds = {augmentation: "AugmentationError", generative: "GenerativeError"}
    expected = getattr(error, kinds.get(error, "CrowdError"))
    with pytest.raises(expected) as caught:
        call()
    assert words in str(caught.value)
