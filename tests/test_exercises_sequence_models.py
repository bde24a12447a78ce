"""The checkers of chapter 10 accept every right answer and name each planted mistake."""

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import sequence_models as checks


def stub(*_):
    raise NotImplementedError


@pytest.mark.parametrize(
    "check", [checks.check_windows, checks.check_gru_step, checks.check_last_real]
)
def test_a_stub_is_open_and_a_crash_is_reported(check):
    assert check(stub).status == OPEN
    crash = check(lambda *_: 1 / 0)
    assert crash.status == WRONG
    assert "ZeroDivisionError" in crash.message


def columns(series):
    series = np.asarray(series)
    return series[:, None] if series.ndim == 1 else series


def windows_by_index(series, steps):
    x = columns(series)
    return x[np.arange(len(x) - steps + 1)[:, None] + np.arange(steps)]


def windows_by_view(series, steps):
    view = np.lib.stride_tricks.sliding_window_view(columns(series), steps, axis=0)
    return view.transpose(0, 2, 1)


@pytest.mark.parametrize("answer", [windows_by_index, windows_by_view])
def test_right_windows(answer):
    assert checks.check_windows(answer).status == RIGHT


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda s, n: windows_by_index(s, n)[:-1], "last window is missing"),
        (lambda s, n: windows_by_index(s, n)[::n][: len(s) // n], "do not overlap"),
        (lambda s, n: windows_by_index(s, n).transpose(0, 2, 1), "changed places"),
        (lambda s, n: windows_by_index(s, n).transpose(0, 2, 1).reshape(-1, n, 2), "reshape"),
        (lambda s, n: windows_by_index(s, n)[:, :, 0], "2 axes"),
        (
            lambda s, n: windows_by_index(s, n)[..., 0] if s.ndim == 1 else windows_by_index(s, n),
            "feature axis",
        ),
    ],
)
def test_wrong_windows_meet_their_hint(answer, hint):
    feedback = checks.check_windows(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def gru_by_split(x, h, kernel, recurrent, bias):
    a, b = np.split(x @ kernel + bias[0], 3, axis=-1), np.split(h @ recurrent + bias[1], 3, axis=-1)
    z, r = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
    return z * h + (1 - z) * np.tanh(a[2] + r * b[2])


def gru_by_slices(x, h, kernel, recurrent, bias):
    n = h.shape[1]
    a, b = x @ kernel + bias[0], h @ recurrent + bias[1]
    gates = 0.5 + 0.5 * np.tanh((a + b)[:, : 2 * n] / 2)
    candidate = np.tanh(a[:, 2 * n :] + gates[:, n:] * b[:, 2 * n :])
    return candidate + gates[:, :n] * (h - candidate)


@pytest.mark.parametrize("answer", [gru_by_split, gru_by_slices])
def test_right_gru_steps(answer):
    assert checks.check_gru_step(answer).status == RIGHT


def test_the_checker_s_step_is_the_one_of_keras():
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    layer = keras.layers.GRU(4, bias_initializer="random_normal")
    x = rng.standard_normal((5, 3, 2)).astype("float32")
    wanted = keras.ops.convert_to_numpy(layer(x))
    weights = [keras.ops.convert_to_numpy(weight) for weight in layer.weights]
    h = np.zeros((5, 4))
    for t in range(3):
        h = checks._gru(x[:, t], h, *weights)
    np.testing.assert_allclose(h, wanted, atol=1e-5)


def gru_with_its_bias_outside(x, h, kernel, recurrent, bias):
    n = h.shape[1]
    a, b = x @ kernel + bias[0], h @ recurrent
    z = sigmoid(a[:, :n] + b[:, :n] + bias[1, :n])
    r = sigmoid(a[:, n : 2 * n] + b[:, n : 2 * n] + bias[1, n : 2 * n])
    return z * h + (1 - z) * np.tanh(a[:, 2 * n :] + r * b[:, 2 * n :] + bias[1, 2 * n :])


def gru_without_reset(x, h, kernel, recurrent, bias):
    a, b = np.split(x @ kernel + bias[0], 3, axis=-1), np.split(h @ recurrent + bias[1], 3, axis=-1)
    z = sigmoid(a[0] + b[0])
    return z * h + (1 - z) * np.tanh(a[2] + b[2])


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda *a: checks._gru(*a, swapped=True), "wrong way round"),
        (lambda *a: checks._gru(*a, before=True), "before the matrix product"),
        (lambda *a: checks._gru(*a, squash=sigmoid), "candidate is no gate"),
        (gru_with_its_bias_outside, "not the matrix product alone"),
        (gru_without_reset, "never used"),
        (lambda x, h, k, r, b: gru_by_split(x, h, k, r, b * [[1], [0]]), "second row of the bias"),
        (lambda x, h, k, r, b: gru_by_split(x, h, np.roll(k, 4, 1), r, b), "check the order"),
        (lambda x, h, k, r, b: gru_by_split(x, h, k, r, b)[0], "shape"),
    ],
)
def test_wrong_gru_steps_meet_their_hint(answer, hint):
    feedback = checks.check_gru_step(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message


@pytest.mark.parametrize(
    "answer",
    [
        lambda o, n: o[np.arange(len(o)), n - 1],
        lambda o, n: np.stack([row[:k][-1] for row, k in zip(o, n, strict=True)]),
    ],
)
def test_right_last_outputs(answer):
    assert checks.check_last_real(answer).status == RIGHT


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda o, n: o[:, -1], "rectangle"),
        (lambda o, n: o[np.arange(len(o)), n - 2], "Off by one"),
        (lambda o, n: o[np.arange(len(o)), n % o.shape[1]], "Off by one"),
        (lambda o, n: o[:, n - 1], "pair each row"),
        (lambda o, n: o.mean(axis=1), "not the last real"),
    ],
)
def test_wrong_last_outputs_meet_their_hint(answer, hint):
    feedback = checks.check_last_real(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message
