"""The flat network against finite differences and scikit-learn; ways of reducing, counted."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.collectives import sent_by_busiest
from helpers.flat_network import accuracy, gradient, starting_weights, unpack
from helpers.step_timing import measure_two_workers
from helpers.worker_group import WorkerError

LAYERS = (5, 7, 3)


def loss(flat, x, y):
    from sklearn.metrics import log_loss

    first, first_bias, second, second_bias = unpack(flat, LAYERS)
    scores = np.maximum(x @ first + first_bias, 0) @ second + second_bias
    chance = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return log_loss(y, chance, labels=range(LAYERS[2]))


def test_the_gradient_is_the_slope_of_the_loss():
    generator = np.random.default_rng(0)
    flat = starting_weights(LAYERS, 1).astype(float)
    x, y = generator.normal(size=(11, 5)), generator.integers(0, 3, 11)
    found = gradient(flat, x, y, LAYERS)
    assert found.shape == flat.shape == (5 * 7 + 7 + 7 * 3 + 3,)
    for place in range(0, flat.size, 5):
        step = np.zeros_like(flat)
        step[place] = 1e-5
        slope = (loss(flat + step, x, y) - loss(flat - step, x, y)) / 2e-5
        assert found[place] == pytest.approx(slope, abs=1e-7)


def test_the_gradient_is_float32_for_float32_and_large_scores_do_not_overflow():
    flat = 200 * starting_weights(LAYERS, 1)
    found = gradient(flat, np.ones((4, 5), np.float32), np.array([0, 1, 2, 0]), LAYERS)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_starting_weights_follow_the_seed():
    assert np.array_equal(starting_weights(LAYERS, 3), starting_weights(LAYERS, 3))
    assert not np.array_equal(starting_weights(LAYERS, 3), starting_weights(LAYERS, 4))
    first, first_bias, *_ = unpack(starting_weights((400, 300, 3), 0), (400, 300, 3))
    assert first.std() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert (first_bias == 0).all()


def test_accuracy_takes_images():
    # Identity twice: the class is the largest of the inputs.
    eye = np.eye(4, dtype=np.float32).ravel()
    flat = np.concatenate([eye, np.zeros(4), eye, np.zeros(4)])
    images = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 2]], [[0, 3], [0, 0]]])
    assert accuracy(flat, images, np.array([0, 3, 2]), (4, 4, 4)) == pytest.approx(2 / 3)


def whole_vectors(vector, peer):
    total, passing = vector.copy(), vector
    for _ in range(peer.workers - 1):
        passing = peer.pass_on(passing)
        total = total + passing
    return total


def nothing(vector, peer):
    return vector


def test_what_the_busiest_worker_sends_is_counted():
    rows, odd = sent_by_busiest([3], 5000, [whole_vectors])
    # Passing whole vectors on sends 2 of them, and the first of three sends 2 as well.
    assert rows[0]["ring"] == pytest.approx(2 + 2 * 16 / 20_000)
    assert rows[0]["first"] == pytest.approx(2 + 2 * 16 / 20_000)
    assert rows[0]["theory"] == pytest.approx(4 / 3)
    assert odd == 0


def test_a_way_that_gives_no_sum_is_refused():
    with pytest.raises(WorkerError, match="nothing does not give the sum"):
        sent_by_busiest([2], 10, [nothing])


def test_two_workers_are_measured():
    generator = np.random.default_rng(0)
    flat = starting_weights((20, 8, 3), 0)
    x, y = generator.random((50, 20)).astype(np.float32), generator.integers(0, 3, 50)
    send = [unpack, gradient, whole_vectors]
    found = measure_two_workers(send, flat, x, y, (20, 8, 3), 2000, patience=1.0)
    assert found.alone > 0
    assert found.step > 0
    assert found.costs.per_row > 0
