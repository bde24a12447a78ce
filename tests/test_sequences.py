"""Sequence helpers against formulas worked out by hand, on TensorFlow and on JAX."""

import os
import subprocess
import sys

import numpy as np
import pytest

from helpers import sequences
from helpers.evidence import ROOT


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("keras")


def test_the_adding_problem_marks_two_steps_and_sums_them():
    x, y = sequences.adding_problem(2000, 40, seed=3)
    assert x.shape == (2000, 40, 2)
    assert x.dtype == y.dtype == np.float32
    np.testing.assert_array_equal(x[:, :, 1].sum(axis=1), 2)
    np.testing.assert_allclose((x[:, :, 0] * x[:, :, 1]).sum(axis=1), y, atol=1e-6)
    places = np.argsort(-x[:, :, 1], axis=1, kind="stable")[:, :2]
    assert places.min(axis=1).max() == 3  # The first tenth of 40 steps.
    assert places.max() == 19
    assert abs(np.mean((y - 1) ** 2) - 1 / 6) < 0.02
    np.testing.assert_array_equal(x, sequences.adding_problem(2000, 40, seed=3)[0])
    assert not np.array_equal(x, sequences.adding_problem(2000, 40, seed=4)[0])


@pytest.mark.parametrize(("examples", "length"), [(0, 10), (5, 3), (5, 10.0), (True, 10)])
def test_an_adding_problem_that_cannot_be_is_one_sentence(examples, length):
    with pytest.raises(sequences.SequenceError, match="give a whole number"):
        sequences.adding_problem(examples, length)


def test_padding_fills_and_keeps_real_steps():
    series = np.array([[[1.0], [2.0], [np.nan]], [[3.0], [4.0], [5.0]]])
    padded = sequences.pad_series(series, 5, -9.0)
    np.testing.assert_array_equal(padded[:, :, 0], [[1, 2, -9, -9, -9], [3, 4, 5, -9, -9]])
    with pytest.raises(sequences.SequenceError, match="do not fit into 2 steps"):
        sequences.pad_series(series, 2, -9.0)
    with pytest.raises(sequences.SequenceError, match="would be masked"):
        sequences.pad_series(series, 5, 4.0)


@pytest.mark.parametrize("cell", sequences.CELLS)
def test_a_mask_makes_padding_harmless_and_without_one_it_is_not(keras, cell):
    x = np.random.default_rng(0).standard_normal((4, 6, 2)).astype("float32")
    for mask_value, same in ((-9.0, True), (None, False)):
        model = sequences.recurrent_network((None, 2), 3, cell, 5, mask_value=mask_value)
        short, long = (
            keras.ops.convert_to_numpy(model(sequences.pad_series(x, n, -9.0))) for n in (6, 15)
        )
        assert short.shape == (4, 3)
        assert bool(np.abs(short - long).max() < 1e-6) is same


def test_a_convolution_shortens_and_two_directions_share_the_units(keras):
    plain = sequences.recurrent_network((16, 2), 3, units=8)
    mixed = sequences.recurrent_network((16, 2), 3, units=8, convolution=4, pooling=4)
    both = sequences.recurrent_network((16, 2), 3, units=8, bidirectional=True)
    assert plain.count_params() == 4 * 8 * (2 + 8 + 1) + 3 * 9
    assert mixed.count_params() == 4 * (5 * 2 + 1) + 4 * 8 * (4 + 8 + 1) + 3 * 9
    assert both.count_params() == 2 * 4 * 4 * (2 + 4 + 1) + 3 * 9
    assert mixed.layers[1].output.shape == (None, 4, 4)


@pytest.mark.parametrize(
    ("arguments", "named", "words"),
    [
        (((5,), 2), {}, "steps, features"),
        (((5, None), 2), {}, "steps, features"),
        (((5, 2), 0), {}, "outputs is 0"),
        (((5, 2), 2, "LSTN"), {}, "There is no cell 'LSTN'"),
        (((5, 2), 2), {"units": 1, "bidirectional": True}, "units is 1"),
        (((5, 2), 2), {"convolution": 4, "mask_value": 0.0}, "do not pass a mask on"),
    ],
)
def test_a_network_that_cannot_be_is_one_sentence(keras, arguments, named, words):
    with pytest.raises(sequences.SequenceError, match=words):
        sequences.recurrent_network(*arguments, **named)


def test_remembering_sets_the_gates_that_keep(keras):
    time = np.random.default_rng(5).uniform(1, 49, 6)
    lstm, gru = (sequences.recurrent_layer(cell, 6) for cell in ("LSTM", "GRU"))
    for layer in (lstm, gru):
        layer.build((None, 50, 2))
        assert sequences.remember_for(layer, 50, seed=5) is layer
    bias = keras.ops.convert_to_numpy(lstm.cell.bias)
    np.testing.assert_allclose(1 / (1 + np.exp(-bias[6:12])), time / (1 + time), rtol=1e-5)
    np.testing.assert_allclose(bias[:6], -np.log(time), rtol=1e-5)
    np.testing.assert_array_equal(bias[12:], 0)
    # On zero input a GRU with a zero candidate keeps z of its state.
    state = keras.ops.ones((1, 6))
    gru.cell.recurrent_kernel.assign(np.zeros((6, 18)))
    kept = keras.ops.convert_to_numpy(gru.cell(keras.ops.zeros((1, 2)), [state])[0])
    np.testing.assert_allclose(kept[0], time / (1 + time), rtol=1e-5)
    with pytest.raises(sequences.SequenceError, match="no gate bias"):
        sequences.remember_for(keras.layers.SimpleRNN(3), 50)


PROGRAM = """
import numpy as np
from helpers import profiles, sequences, training

class Run:
    seed = 0
    profile = profiles.Profile("quick", "cpu", "float32")

training.prepare_keras(Run)
import keras

layer = sequences.recurrent_layer("simple RNN", 3)
x = np.random.default_rng(1).standard_normal((5, 6, 2)).astype("float32")
found = sequences.gradient_norms(layer, x, seed=2)
W, R, b = [keras.ops.convert_to_numpy(w).astype("float64") for w in layer.weights]
direction = np.random.default_rng(2).standard_normal((5, 3)).astype("float32")
h, states = np.zeros((5, 3)), []
for t in range(6):
    h = np.tanh(x[:, t] @ W + h @ R + b)
    states.append(h)
slope, wanted = direction.astype("float64"), []
for h in reversed(states):
    inner = slope * (1 - h**2)
    wanted.append(np.sqrt(((inner @ W.T) ** 2).sum(axis=1).mean()))
    slope = inner @ R.T
np.testing.assert_allclose(found, wanted[::-1], rtol=1e-4)
print(keras.backend.backend())
"""


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.slow)])
def test_gradient_norms_are_those_of_backpropagation_by_hand(backend):
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"KERAS_BACKEND": backend},
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == backend


def test_gradient_norms_need_three_axes(keras):
    with pytest.raises(sequences.SequenceError, match="n, steps, features"):
        sequences.gradient_norms(sequences.recurrent_layer("LSTM", 3), np.zeros((4, 2)))
