"""Checkers of chapter 10: windows, one GRU step, the last real output."""

from __future__ import annotations

import numpy as np

from helpers.exercises import checker, expect


def _same(found: np.ndarray, wanted: np.ndarray) -> bool:
    return found.shape == wanted.shape and bool(np.allclose(found, wanted, atol=1e-6))


@checker("10.1", "Windows in order, the last one included, with a feature axis even for one value.")
def check_windows(windows) -> None:
    """Checks `windows(series, steps)` on a numbered recording with and without a feature axis."""
    series = np.arange(14.0).reshape(7, 2)
    found = np.asarray(windows(series.copy(), 3))
    wanted = np.stack([series[k : k + 3] for k in range(5)])
    expect(found.ndim == 3, f"The result has {found.ndim} axes: give (windows, steps, features).")
    expect(
        found.shape != (4, 3, 2),
        "The last window is missing: a recording of 7 steps has 7 - 3 + 1 = 5 windows of 3.",
    )
    expect(
        found.shape != (2, 3, 2),
        "Your windows do not overlap: a new one starts at every step, not after the one before.",
    )
    expect(
        found.shape != (5, 2, 3),
        "Steps and features have changed places: the steps are the second axis.",
    )
    expect(
        found.shape == wanted.shape,
        f"The shape is {found.shape}, expected {wanted.shape} for 7 steps of 2 features, 3 a time.",
    )
    expect(
        _same(found, wanted),
        "The shape is right, the values are not: window k holds the steps k, k + 1, k + 2. "
        "A reshape would mix them.",
    )
    single = np.asarray(windows(np.arange(5.0), 2))
    expect(
        single.shape == (4, 2, 1),
        f"For single numbers the shape is {single.shape}, expected (4, 2, 1): the feature axis "
        "is there even if it has one entry.",
    )
    expect(_same(single[:, 0, 0], np.arange(4.0)), "For single numbers the windows are wrong.")


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def _gru(
    x,
    h,
    kernel,
    recurrent,
    bias,
    swapped=False,
    before=False,
    bias_outside=False,
    reset=True,
    squash=np.tanh,
):
    """Keras's GRU step, and on request what it becomes with one of the usual mistakes."""
    a_z, a_r, a_g = np.split(x @ kernel + bias[0], 3, axis=-1)
    r_z, r_r, r_g = np.split(h @ recurrent + bias[1], 3, axis=-1)
    z, r = _sigmoid(a_z + r_z), _sigmoid(a_r + r_r)
    matrix, own_bias = np.split(recurrent, 3, axis=-1)[2], np.split(bias[1], 3)[2]
    inner = r * r_g if reset else r_g
    if before:
        inner = (r * h) @ matrix + own_bias
    elif bias_outside:
        inner = r * (h @ matrix) + own_bias
    candidate = squash(a_g + inner)
    return (1 - z) * h + z * candidate if swapped else z * h + (1 - z) * candidate


@checker("10.2", "Your step is the one that Keras computes.")
def check_gru_step(gru_step) -> None:
    """Checks `gru_step(x, h, kernel, recurrent, bias)` on random weights."""
    rng = np.random.default_rng(10)
    units, features = 4, 3
    weights = (
        rng.normal(size=(features, 3 * units)),
        rng.normal(size=(units, 3 * units)),
        rng.normal(size=(2, 3 * units)),
    )
    x, h = rng.normal(size=(5, features)), rng.normal(size=(5, units))
    found = np.asarray(gru_step(x.copy(), h.copy(), *[weight.copy() for weight in weights]))
    expect(
        found.shape == h.shape,
        f"The new state has the shape {found.shape}, expected that of the old one, {h.shape}.",
    )
    expect(
        not _same(found, _gru(x, h, *weights, swapped=True)),
        "The update gate is the wrong way round: here z keeps the OLD state and 1 - z takes the "
        "candidate.",
    )
    expect(
        not _same(found, _gru(x, h, *weights, before=True)),
        "The reset gate multiplies h before the matrix product; here it multiplies the recurrent "
        "part of the candidate after it, bias included.",
    )
    expect(
        not _same(found, _gru(x, h, *weights, bias_outside=True)),
        "The reset gate multiplies the recurrent part of the candidate with its bias, not the "
        "matrix product alone.",
    )
    expect(
        not _same(found, _gru(x, h, *weights, reset=False)),
        "The reset gate is never used: it multiplies the recurrent part of the candidate.",
    )
    expect(
        not _same(found, _gru(x, h, *weights, squash=_sigmoid)),
        "The candidate is no gate: it goes through tanh, not through the sigmoid.",
    )
    without = _gru(x, h, weights[0], weights[1], np.stack([weights[2][0], 0 * weights[2][1]]))
    expect(
        not _same(found, without),
        "The second row of the bias is missing: it belongs to the recurrent part.",
    )
    expect(
        _same(found, _gru(x, h, *weights)),
        "The shape is right, the numbers are not: check the order update, reset, candidate, "
        "and that both gates go through the sigmoid.",
    )


@checker("10.3", "Each series answers at its own end, whatever the padding.")
def check_last_real(last_real) -> None:
    """Checks `last_real(outputs, lengths)` on numbered outputs."""
    outputs = np.arange(24.0).reshape(3, 4, 2)
    lengths = np.array([2, 4, 1])
    rows = np.arange(3)
    found = np.asarray(last_real(outputs.copy(), lengths.copy()))
    wanted = outputs[rows, lengths - 1]
    expect(
        not _same(found, outputs[:, -1]),
        "That is the last step of the rectangle: for a short series it is padding.",
    )
    expect(
        not _same(found, outputs[rows, lengths % 4])
        and not _same(found, outputs[rows, lengths - 2]),
        "Off by one: a series of length 2 has its last real step at index 1.",
    )
    expect(
        found.shape != (3, 3, 2),
        "outputs[:, lengths - 1] takes all those steps of all series: pair each row with its own.",
    )
    expect(
        found.shape == wanted.shape,
        f"The shape is {found.shape}, expected {wanted.shape}: one output per series.",
    )
    expect(_same(found, wanted), "The shape is right, but these are not the last real outputs.")
