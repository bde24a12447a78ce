"""The networks and pictures of chapter 17, against automatic truth: differences, Keras, shapes."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.drift import DriftError, blocks, flat, pictures, turned
from helpers.incremental import Anchor, IncrementalError, Networks

SEEDS = (3, 4)


def rows(n=48, inputs=6, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((len(SEEDS), n, inputs), dtype=np.float32)
    return x, rng.integers(0, classes, (len(SEEDS), n))


def cross_entropy(network, x, y, anchor=None, strength=0.0):
    """float64 (seeds,): the loss that `learn` descends, written down a second time."""
    parts = []
    for seed in range(len(x)):
        one, two = (w[seed].astype(np.float64) for w in network.weights)
        z = np.maximum(x[seed] @ one[:-1] + one[-1], 0) @ two[:-1] + two[-1]
        parts.append(np.mean(np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), y[seed]]))
        if anchor is not None:
            for weight, old, held in zip(
                network.weights, anchor.weights, anchor.importance, strict=True
            ):
                gap = weight[seed].astype(np.float64) - old[seed]
                parts[-1] += strength / 2 * np.sum(held[seed] * gap**2)
    return np.array(parts)


def nudged(network, depth, place, by):
    weights = [w.copy() for w in network.weights]
    weights[depth][place] += by
    network.weights = tuple(weights)


@pytest.mark.parametrize("penalty", [False, True])
def test_one_step_follows_the_numerical_gradient(penalty):
    x, y = rows()
    network = Networks(6, 5, 3, SEEDS, learning_rate=0.1, batch=48)
    anchor = None
    if penalty:
        rng = np.random.default_rng(1)
        moved = tuple(w + rng.normal(0, 0.3, w.shape).astype("f4") for w in network.weights)
        anchor = Anchor(moved, tuple(rng.random(w.shape, dtype="f4") for w in network.weights))
    before = network.weights
    network.learn(x, y, epochs=1, anchor=anchor, strength=2.0)
    step = [(a - b) / -0.1 for a, b in zip(network.weights, before, strict=True)]
    for depth, place in ((0, (0, 2, 1)), (0, (1, 6, 3)), (1, (0, 4, 2)), (1, (1, 5, 0))):
        network.weights = before
        loss = []
        for by in (1e-3, -2e-3):
            nudged(network, depth, place, by)
            loss.append(cross_entropy(network, x, y, anchor, 2.0)[place[0]])
        assert step[depth][place] == pytest.approx((loss[0] - loss[1]) / 2e-3, abs=2e-3)


def test_a_network_does_not_depend_on_its_neighbours():
    x, y = rows()
    both = Networks(6, 5, 3, SEEDS)
    alone = Networks(6, 5, 3, SEEDS[1:])
    both.learn(x, y, epochs=3)
    alone.learn(x[1:], y[1:], epochs=3)
    np.testing.assert_allclose(both.weights[0][1], alone.weights[0][0], atol=1e-6)


def test_it_learns_what_can_be_learned():
    x, _ = rows(200)
    y = (x[:, :, 0] > x[:, :, 1]).astype(int)
    network = Networks(6, 16, 2, SEEDS, learning_rate=0.2)
    network.learn(x, y, epochs=40)
    assert network.accuracy(x[0], y[0])[0] > 0.95


def test_the_fisher_information_is_the_expected_squared_gradient():
    x, _ = rows(3)
    network = Networks(6, 4, 3, SEEDS)
    found = network.fisher(x)
    depth, place, by = 0, (1, 2, 1), 1e-3
    logits = network.logits(x)[1].astype(np.float64)
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    expected = 0.0
    for row in range(3):
        for label in range(3):
            loss = []
            start = network.weights
            for step in (by, -2 * by):
                nudged(network, depth, place, step)
                one = x[:, row : row + 1], np.full((2, 1), label)
                loss.append(cross_entropy(network, *one)[1])
            network.weights = start
            expected += p[row, label] * ((loss[0] - loss[1]) / (2 * by)) ** 2 / 3
    assert found[depth][place] == pytest.approx(expected, rel=0.02, abs=1e-6)


@pytest.mark.slow
def test_keras_takes_the_same_steps():
    x, y = rows()
    ends = []
    for framework in ("numpy", "keras"):
        network = Networks(6, 5, 3, SEEDS, framework=framework, batch=20)
        network.learn(x, y, epochs=2)
        anchor = Anchor(network.weights, network.fisher(x))
        network.learn(x[:, ::-1], y, epochs=2, anchor=anchor, strength=3)
        ends.append(network.weights)
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.zeros((2, 48, 5))}, "The rows have shape"),
        ({"y": np.full((2, 48), 3)}, "Labels must lie from 0 to 2"),
        ({"epochs": 0}, "epochs be 1 or more"),
        ({"strength": -1.0}, "strength 0 or more"),
    ],
)
def test_bad_rows_get_one_sentence(change, words):
    x, y = rows()
    asked = {"x": x, "y": y} | change
    with pytest.raises(IncrementalError, match=words):
        Networks(6, 5, 3, SEEDS).learn(**asked)


def test_bad_networks_get_one_sentence():
    with pytest.raises(IncrementalError, match="give one of numpy, keras"):
        Networks(6, 5, 3, SEEDS, framework="torch")
    with pytest.raises(IncrementalError, match="must be 1 or more"):
        Networks(6, 0, 3, SEEDS)


def test_pictures_are_scaled_and_can_be_changed():
    x, y = pictures("digits", most=90)
    assert x.shape == (90, 8, 8)
    assert len(y) == 90
    assert x.dtype == np.float32
    assert x.min() == 0
    assert x.max() == 1
    coarse = blocks(x, 4)
    np.testing.assert_allclose(coarse[5, 1, 0], x[5, 4:, :4].mean(), rtol=1e-6)
    np.testing.assert_array_equal(turned(turned(turned(turned(x)))), x)
    np.testing.assert_array_equal(turned(x)[0, 0], x[0, :, -1])
    assert flat(x).shape == (90, 64)


def test_bad_pictures_get_one_sentence():
    with pytest.raises(DriftError, match="one-channel pictures"):
        pictures("wine")
    with pytest.raises(DriftError, match="do not tile"):
        blocks(np.zeros((2, 8, 8)), 3)
    with pytest.raises(DriftError, match=r"give \(n, height, width\)"):
        turned(np.zeros((2, 64)))
