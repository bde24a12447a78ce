"""Attacks, corruptions, the prediction boundary and behaviour tests against independent truths."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from helpers import attacks, behaviour_tests, corruptions
from helpers.input_validation import Boundary, InputError, Reply, read_pixels, request


@pytest.fixture(scope="module")
def task():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    return x[:1200], y[:1200], x[1200:], y[1200:]


@pytest.fixture(scope="module")
def model(task):
    return attacks.train(task[0], task[1], seed=1, epochs=12, hidden=32)


def doubled(model):
    return tuple([part.astype(float) for part in network] for network in model)


def test_training_learns_and_repeats_itself(task, model):
    again = attacks.train(task[0], task[1], seed=1, epochs=12, hidden=32)
    assert all(np.array_equal(a, b) for a, b in zip(model[0], again[0], strict=True))
    assert model[0][0].dtype == np.float32
    assert attacks.accuracy(model, task[2], task[3]) > 0.85


def test_the_gradient_of_an_ensemble_is_the_slope(task, model):
    second = attacks.train(task[0], task[1], seed=2, epochs=3, hidden=16)
    both = doubled((*model, *second))
    row, label = task[2][:1].astype(float), task[3][:1]
    found = attacks.input_gradient(both, row, label)[0]
    small = 1e-6 * np.eye(64)
    losses = [
        -np.log(attacks.probabilities(both, row + sign * small)[:, label[0]]) for sign in (1, -1)
    ]
    assert np.allclose((losses[0] - losses[1]) / 2e-6, found, atol=1e-6)


def test_the_attacks_are_the_toolbox_s(task, model):
    network, x, y = attacks.art_classifier(model), task[2][:60], task[3][:60]
    from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentNumpy

    labels = np.eye(10)[y]
    theirs = FastGradientMethod(network, eps=0.1).generate(x, labels)
    assert np.abs(attacks.fgsm(model, x, y, 0.1) - theirs).max() <= 1e-5
    attack = ProjectedGradientDescentNumpy(
        network, eps=0.1, eps_step=0.025, max_iter=10, verbose=False
    )
    theirs = attack.generate(x, labels)
    assert np.abs(attacks.pgd(model, x, y, 0.1) - theirs).max() <= 1e-5


def test_an_attack_keeps_its_limits_and_hurts(task, model):
    x, y = task[2], task[3]
    for found in (attacks.fgsm(model, x, y, 0.1), attacks.pgd(model, x, y, 0.1)):
        assert np.abs(found - x).max() <= 0.1 + 1e-6
        assert found.min() >= 0
        assert found.max() <= 1
        assert found.dtype == x.dtype
        assert attacks.accuracy(model, found, y) < attacks.accuracy(model, x, y) - 0.2
    assert np.array_equal(attacks.fgsm(model, x, y, 0), x)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m, x, y: attacks.fgsm(m, x[:, :9], y, 0.1), "one row of 64"),
        (lambda m, x, y: attacks.fgsm(m, x, y[:3], 0.1), "for 3 labels"),
        (lambda m, x, y: attacks.fgsm(m, x, y + 5, 0.1), "from 0 to 9"),
        (lambda m, x, y: attacks.fgsm(m, x, y, -1), "epsilon is -1"),
        (lambda m, x, y: attacks.pgd(m, x, y, 0.1, 0), "at least one step"),
        (lambda m, x, y: attacks.train(x, y, 0, 0), "one epoch"),
        (lambda m, x, y: attacks.art_classifier(m).fit(x, y), "only attacked"),
    ],
)
def test_bad_input_to_an_attack_meets_one_sentence(task, model, call, sentence):
    with pytest.raises(attacks.AttackError, match=sentence):
        call(model, task[2], task[3])


@pytest.mark.parametrize("kind", corruptions.KINDS)
def test_a_corruption_repeats_itself_and_grows(task, kind):
    x = task[2]
    found = [corruptions.corrupt(x, kind, s, 3) for s in (1, 5)]
    assert np.array_equal(found[0], corruptions.corrupt(x, kind, 1, 3))
    assert found[1].shape == x.shape
    assert found[1].dtype == x.dtype
    assert found[1].min() >= 0
    assert found[1].max() <= 1
    near, far = (np.abs(part - x).mean() for part in found)
    assert 0 < near < far


def test_contrast_and_occlusion_do_what_they_say(task):
    x = task[2]
    flat = corruptions.corrupt(x, "contrast", 5, 0)
    assert np.allclose(flat, 0.5 + 0.1 * (x - 0.5), atol=1e-6)
    gone = corruptions.corrupt(np.ones_like(x), "occlusion", 5, 0).reshape(-1, 8, 8)
    assert np.all((gone == 0).sum(axis=(1, 2)) == 25)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.zeros((2, 10)), "noise", 1, 0), "flat square"),
        ((np.zeros((2, 64)), "fog", 1, 0), "no corruption 'fog'"),
        ((np.zeros((2, 64)), "noise", 6, 0), "severity is 6"),
    ],
)
def test_bad_input_to_a_corruption_meets_one_sentence(arguments, sentence):
    with pytest.raises(corruptions.CorruptionError, match=sentence):
        corruptions.corrupt(*arguments)


GOOD = [0.0, 1.0, 0.25, 1]


def test_a_good_request_comes_through_unchanged():
    found = read_pixels(json.dumps({"pixels": GOOD}).encode(), 4)
    assert found.tolist() == GOOD
    assert found.dtype == np.float32
    assert read_pixels(request(GOOD), 4).tolist() == GOOD


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("text", "not bytes"),
        (b" " * 100_001, "longer than"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b"", "not JSON"),
        (b"[1]", "another form"),
        (b'{"pixels": [0,1,0,1], "x": 1}', "another form"),
        (b'{"pixels": [0], "pixels": [0,1,0,1]}', "stands twice"),
        (b'{"pixels": [0,1,NaN,1]}', "NaN"),
        (b'{"pixels": [0,1,1e999,1]}', "Pixel 2 is outside"),
        (b'{"pixels": [0,1,' + b"1" * 5000 + b",1]}", "not JSON"),
        (b'{"pixels": [0,1,-0.1,1]}', "Pixel 2 is outside"),
        (b'{"pixels": [0,1,true,1]}', "Pixel 2 is not a number"),
        (b'{"pixels": [0,1,"0",1]}', "Pixel 2 is not a number"),
        (b'{"pixels": [0,1]}', "not a list of 4"),
        (b'{"pixels": [1,1,1,1]}', "no contrast"),
    ],
)
def test_a_bad_request_is_refused_with_one_sentence(body, sentence):
    with pytest.raises(InputError, match=sentence) as refusal:
        read_pixels(body, 4)
    assert str(refusal.value).endswith(".")
    assert "\n" not in str(refusal.value)


def test_the_boundary_hides_no_bug_as_a_refusal():
    def broken(rows):
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        Boundary(broken, 4).answer(request(GOOD))
    with pytest.raises(FloatingPointError):
        Boundary(lambda rows: np.full((1, 3), math.nan), 4).answer(request(GOOD))
    assert Boundary(lambda rows: np.array([[0.1, 0.9]]), 4).answer(request(GOOD)).label == 1


def constant(rows):
    return np.array([[0.25, 0.75]])


PICTURES = np.random.default_rng(0).random((20, 16))


def test_the_judge_agrees_with_cases_known_by_hand():
    assert behaviour_tests.deserves(json.dumps({"pixels": GOOD}).encode(), 4)
    for body in (
        b'{"pixels": [0,1,NaN,1]}',
        b'{"pixels": [0,1,true,1]}',
        b'{"pixels": [0,1,2,1]}',
        b'{"pixels": [1,1,1,1]}',
        b'{"pixels": [0], "pixels": [0,1,0,1]}',
        b"\xff",
        b"[" * 60_000,
    ):
        assert not behaviour_tests.deserves(body, 4)


def test_the_fuzzer_passes_the_boundary_and_repeats_itself():
    answer = Boundary(constant, 16).answer
    report = behaviour_tests.fuzz(answer, PICTURES, 700, 5)
    assert (report.accepted, report.turned_away, report.crashed) == ([], [], [])
    assert report == behaviour_tests.fuzz(answer, PICTURES, 700, 5)
    assert set(report.kinds) == set(behaviour_tests.KINDS)
    assert report.wrong < report.tried


@pytest.mark.parametrize("kind", behaviour_tests.BREAKS)
def test_the_fuzzer_notices_when_any_kind_gets_a_prediction(kind):
    report = behaviour_tests.fuzz(lambda body: Reply(1, 0.9), PICTURES, 60, 0)
    assert kind in {found for found, _, _ in report.accepted}


def test_the_fuzzer_notices_refusing_everything_and_crashes_and_long_refusals():
    closed = behaviour_tests.fuzz(lambda body: Reply(refused="No."), PICTURES, 60, 0)
    assert "valid" in {kind for kind, _, _ in closed.turned_away}

    def raises(body):
        raise MemoryError

    assert len(behaviour_tests.fuzz(raises, PICTURES, 60, 0).crashed) == 60
    rude = behaviour_tests.fuzz(lambda body: Reply(refused="Traceback\n..."), PICTURES, 60, 0)
    assert len(rude.crashed) == 60


def test_the_load_test_notices_an_answer_that_depends_on_the_others():
    steady = behaviour_tests.load(lambda body: body, list(range(40)), 8)
    assert (steady.different, steady.requests, steady.callers) == (0, 40, 8)
    assert steady.p50_ms <= steady.p99_ms
    count = iter(range(1000))
    assert behaviour_tests.load(lambda body: next(count), list(range(40)), 8).different == 40


def test_negative_flips_count_what_was_right_before():
    assert behaviour_tests.negative_flips([0, 1, 1, 0], [0, 1, 0, 1], [1, 1, 1, 1]) == 0.25
    with pytest.raises(behaviour_tests.BehaviourError, match="one length"):
        behaviour_tests.negative_flips([0, 1], [0], [1, 1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: behaviour_tests.fuzz(len, np.zeros((0, 16)), 5, 0),
        lambda: behaviour_tests.fuzz(len, PICTURES, 0, 0),
        lambda: behaviour_tests.load(len, [], 1),
        lambda: behaviour_tests.load(len, [b""], 0),
    ],
)
def test_bad_input_to_a_behaviour_test_meets_one_sentence(call):
    with pytest.raises(behaviour_tests.BehaviourError, match="at least one"):
        call()


@pytest.mark.slow
def test_the_gradient_is_the_one_of_keras(task, model):
    """Another route to the same gradient: TensorFlow's tape on a Keras copy of the network."""
    tf = pytest.importorskip("tensorflow")
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("The tape is TensorFlow's.")
    hidden, last = keras.layers.Dense(32, "relu"), keras.layers.Dense(10)
    copy = keras.Sequential([keras.Input((64,)), hidden, last])
    hidden.set_weights(model[0][:2])
    last.set_weights(model[0][2:])
    x, y = tf.constant(task[2][:50]), task[3][:50]
    with tf.GradientTape() as tape:
        tape.watch(x)
        losses = keras.losses.sparse_categorical_crossentropy(y, copy(x), from_logits=True)
    theirs = tape.gradient(losses, x).numpy()
    assert np.abs(attacks.input_gradient(model, x.numpy(), y) - theirs).max() <= 1e-5


def test_pictures_are_split_without_overlap():
    x, y, x_test, y_test = corruptions.pictures("digits", 1000, 797, 3)
    assert x.shape == (1000, 64)
    assert x_test.shape == (797, 64)
    assert x.dtype == np.float32
    assert x.max() == 1.0
    counts = np.bincount(np.append(y, y_test))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    with pytest.raises(corruptions.CorruptionError, match="has 1797 pictures"):
        corruptions.pictures("digits", 1797, 1, 3)


def test_the_library_s_pictures_are_ours(task, model):
    x, y = task[2][:40], task[3][:40]
    assert (
        np.abs(attacks.art_pictures(model, x, y, 0.1) - attacks.fgsm(model, x, y, 0.1)).max()
        <= 1e-5
    )
    theirs = attacks.art_pictures(model, x, y, 0.1, steps=5)
    assert np.abs(theirs - attacks.pgd(model, x, y, 0.1, 5)).max() <= 1e-5


def test_the_strategies_reach_what_they_promise():
    from hypothesis import find, settings

    quietly = settings(derandomize=True, database=None)
    odd = find(
        behaviour_tests.odd_pixel(4),
        lambda body: isinstance(json.loads(body)["pixels"][1], str),
        settings=quietly,
    )
    assert set(json.loads(odd)["pixels"][1]) <= {"0", "1"}
    whole = find(behaviour_tests.any_request(), lambda body: b"pixels" in body, settings=quietly)
    assert "pixels" in json.loads(whole)
