"""The exercises' checkers: stub, solution, another solution, planted mistakes by their hints."""

import numpy as np
import pytest

from helpers.exercises.transfer_learning import (
    check_batch_norm,
    check_largest_rank,
    check_lora_layer,
)


def stub(*_):
    raise NotImplementedError


def lora(x, kernel, a, b, alpha):
    return x @ kernel + alpha / a.shape[1] * ((x @ a) @ b)


def lora_scaled_first(x, kernel, a, b, alpha):
    return np.dot(x, kernel) + np.dot(np.dot(x * (alpha / len(b)), a), b)


@pytest.mark.parametrize("answer", [lora, lora_scaled_first])
def test_right_layer(answer):
    assert check_lora_layer(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x, w, a, b, s: s / 2 * (x @ a @ b), "frozen part is missing"),
        (lambda x, w, a, b, s: x @ w, "adapter is missing"),
        (lambda x, w, a, b, s: x @ w + x @ a @ b, "scale is missing"),
        (lambda x, w, a, b, s: x @ w + s * (x @ a @ b), "divide by the rank"),
        (lambda x, w, a, b, s: s / 2 * (x @ w + x @ a @ b), "adapter's part alone"),
        (lambda x, w, a, b, s: x @ (w + s / a.shape[1] * (a @ b)), "a b was formed"),
        (lambda x, w, a, b, s: lora(x, w, a, b, s).T, "expected (5, 4)"),
        (lambda x, w, a, b, s: x @ np.add(w, 1, out=w), "frozen"),
        (lambda x, w, a, b, s: lora(x, w, a, b, -s), "are not x W"),
    ],
)
def test_wrong_layer(answer, hint):
    feedback = check_lora_layer(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def rank(shapes, share):
    one = sum(a + b for a, b in shapes)
    return int(share * sum(a * b for a, b in shapes) / one)


def rank_by_search(shapes, share):
    found, budget = 0, share * sum(a * b for a, b in shapes)
    while (found + 1) * sum(a + b for a, b in shapes) <= budget:
        found += 1
    return found


@pytest.mark.parametrize("answer", [rank, rank_by_search])
def test_right_rank(answer):
    assert check_largest_rank(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda shapes, share: rank(shapes, share) + 1, "round down"),
        (lambda shapes, share: rank(shapes[:1], share / 2), "compare the sums"),
        (lambda shapes, share: share * 10, "whole number"),
        (lambda shapes, share: int(share * sum(a * b for a, b in shapes)), "not one number"),
        (lambda shapes, share: max(1, rank(shapes, share)), "round down"),
    ],
)
def test_wrong_rank(answer, hint):
    feedback = check_largest_rank(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def norm(x, mean, variance, training, trainable, momentum=0.9, ddof=0, epsilon=1e-3):
    used = mean, variance
    if training and trainable:
        used = x.mean(axis=0), x.var(axis=0)
        mean = momentum * mean + (1 - momentum) * used[0]
        variance = momentum * variance + (1 - momentum) * x.var(axis=0, ddof=ddof)
    return (x - used[0]) / np.sqrt(used[1] + epsilon), mean, variance


def norm_by_keras(x, mean, variance, training, trainable, momentum=0.9):
    keras = pytest.importorskip("keras")
    layer = keras.layers.BatchNormalization(momentum=momentum, dtype="float64")
    layer.build(x.shape)
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
    layer.trainable = trainable
    outputs = keras.ops.convert_to_numpy(layer(x, training=training))
    if not (training and trainable):
        return outputs, mean, variance
    return outputs, np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)


@pytest.mark.parametrize("answer", [norm, norm_by_keras])
def test_right_norm(answer):
    assert check_batch_norm(answer).status == "right"


def test_keras_s_frozen_layer_keeps_its_statistics():
    keras = pytest.importorskip("keras")
    layer = keras.layers.BatchNormalization()
    layer.build((4, 3))
    layer.trainable = False
    before = layer.get_weights()
    layer(np.random.default_rng(0).normal(5, 2, (4, 3)).astype("float32"), training=True)
    for one, other in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x, m, v, t, f: norm(x, m, v, t, True), "running statistics changed"),
        (lambda x, m, v, t, f: norm(x, m, v, t, f, momentum=0.1), "wrong way round"),
        (lambda x, m, v, t, f: norm(x, m, v, t, f, momentum=1.0), "has to move"),
        (lambda x, m, v, t, f: norm(x, m, v, t, f, ddof=1), "divides by n - 1"),
        (lambda x, m, v, t, f: norm(x, m, v, t, f, epsilon=0), "epsilon"),
        (lambda x, m, v, t, f: (norm(x, m, v, True, True)[0], m, v), "batch's own statistics"),
        (lambda x, m, v, t, f: norm(x, m, v, t, f)[0], "Return three things"),
    ],
)
def test_wrong_norm(answer, hint):
    feedback = check_batch_norm(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


@pytest.mark.parametrize("unfinished", [stub, None, ...])
def test_the_stub_is_not_an_error(unfinished):
    for check in (check_lora_layer, check_largest_rank, check_batch_norm):
        assert check(unfinished).status == "open"
