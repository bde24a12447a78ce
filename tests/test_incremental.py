"""The networks and pictures of chapter 17, against automatic truth: differences, Keras, shapes."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.character_contexts import WIDTH, bits, codes, contexts, some_places, sources
from helpers.drift import DriftError, alarms, blocks, flat, judged, mixed, pictures, turned
from helpers.incremental import Anchor, IncrementalError, Networks, grown, joined
from helpers.retraining import Life, camera, live
from helpers.task_streams import TaskStream

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


def test_tasks_hold_two_classes_or_all():
    x, y = pictures("digits")
    stream = TaskStream(flat(x), y, "class by class", SEEDS, rows=100)
    found = [np.unique(task[1][0]).tolist() for task in stream.tasks]
    assert [len(classes) for classes in found] == [2] * 5
    assert sorted(c for classes in found for c in classes) == list(range(10))
    other = TaskStream(flat(x), y, "permuted", SEEDS, rows=100)
    assert other.tasks[0][0].shape == (2, 100, 64)
    assert (other.tasks[0][0][:, :, 0] == 0).all()  # the corner of a digit is empty
    assert len(np.unique(other.tasks[1][1][0])) == 10
    network = Networks(64, 8, 10, SEEDS)
    assert stream.accuracy(network).shape == (2, 5)
    with pytest.raises(IncrementalError, match="give one of"):
        TaskStream(flat(x), y, "random", SEEDS, rows=10)
    with pytest.raises(IncrementalError, match="fewer than 900 rows"):
        TaskStream(flat(x), y, "class by class", SEEDS, rows=900)


def test_the_anchor_adds_the_information_up():
    x, _ = rows()
    network = Networks(6, 5, 3, SEEDS)
    once = grown(None, network, x)
    twice = grown(once, network, x)
    np.testing.assert_allclose(twice.importance[0], 2 * once.importance[0], rtol=1e-6)
    joint = joined([(x, np.zeros((2, 48))), (x, np.ones((2, 48)))])
    assert joint[0].shape == (2, 96, 6)
    assert joint[1].mean() == 0.5


def test_mixed_pictures_say_which_are_turned():
    x, _ = pictures("digits", most=300)
    drawn, is_turned, chosen = mixed(x, np.random.default_rng(0), np.arange(300), 0.3, 200)
    assert len(set(chosen.tolist())) == 200
    assert 0.2 < is_turned.mean() < 0.4
    np.testing.assert_array_equal(drawn[~is_turned], flat(x[chosen[~is_turned]]))
    np.testing.assert_array_equal(drawn[is_turned], flat(turned(x[chosen[is_turned]])))
    with pytest.raises(DriftError, match="Asked for 400 of 300"):
        mixed(x, np.random.default_rng(0), np.arange(300), 0.3, 400)


def test_a_detector_is_judged_by_what_it_saw():
    class Third:  # fires at the third error in a row, flag up for one update
        def __init__(self):
            self.run, self.drift_detected = 0, False

        def update(self, error):
            self.run = self.run + 1 if error else 0
            self.drift_detected = self.run == 3

    assert alarms(Third(), [1, 1, 1, 1, 0, 1, 1, 1]) == [2, 7]
    rngs = [np.random.default_rng(k) for k in range(4)]
    seen = judged(Third, np.zeros(5, int), np.ones(5, int), rngs, half=50)
    assert seen == {"false_alarms": 0, "alarms_after": 4, "delays": [3] * 4}
    seen = judged(Third, np.ones(5, int), np.zeros(5, int), rngs, half=50)
    assert seen == {"false_alarms": 4, "alarms_after": 0, "delays": []}


def test_a_life_counts_answers_and_retrainings():
    class Says:
        def __init__(self, what):
            self.what = what

        def predict(self, x):
            return np.full(len(x), self.what)

    x, y = np.zeros((400, 2)), np.repeat([0, 1], 200)
    assert live(Says(0), x, y) == Life(0.5, 0, 0)
    wrong = live(
        Says(0),
        x,
        y,
        trigger=lambda: lambda errors, end: errors.all(),
        refit=lambda x, y: (Says(1), len(y)),
        window=80,
    )
    assert wrong == Life(1 - 50 / 400, 1, 80)
    with pytest.raises(DriftError, match="trigger and refit, or neither"):
        live(Says(0), x, y, trigger=lambda: None)
    pixels, labels = pictures("digits", most=300)
    stream, truth = camera(np.random.default_rng(0), pixels, labels, count=400)
    assert stream.shape == (400, 64)
    assert len(truth) == 400


def test_contexts_and_bits():
    text = codes("Hello, hello?")
    x, y = contexts(text, np.array([0, 1]))
    assert x.shape == (2, 4 * WIDTH)
    assert x.sum() == 8
    assert y.tolist() == [text[4], text[5]]
    assert codes("A")[0] == codes("a")[0]
    assert codes("?")[0] == 0
    network = Networks(4 * WIDTH, 8, WIDTH, SEEDS)
    network.weights = tuple(np.zeros_like(w) for w in network.weights)
    np.testing.assert_allclose(bits(network, text, np.array([0, 3])), np.log2(WIDTH), rtol=1e-6)
    assert "class ArgumentParser" in sources(("argparse",))
    spots = some_places(np.random.default_rng(0), np.zeros(1000, int), 500, held=True)
    assert spots.min() >= 820
    assert spots.max() <= 995
