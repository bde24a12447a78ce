"""The exercises' checkers: stub, solution, another solution, planted mistakes by their hints."""

import numpy as np
import pytest

from helpers.exercises.quantization import (
    check_activation_grid,
    check_integer_dense,
    check_per_channel,
)

LOGITS = np.random.default_rng(0).normal(size=(50, 10)) * 3
LOW, HIGH = LOGITS.min(), LOGITS.max()
GRID = ((HIGH - LOW) / 255, round(-128 - LOW / ((HIGH - LOW) / 255)))


def stub(*_):
    raise NotImplementedError


def per_channel(kernel, axis=0, steps=127, rounding=np.round, safe=True, dtype=np.int8):
    largest = np.abs(kernel).max(axis=axis, keepdims=axis == 1)
    with np.errstate(all="ignore"):
        scales = np.where(largest > 0, largest / steps, 1) if safe else largest / steps
        return rounding(np.nan_to_num(kernel / scales)).astype(dtype), scales


def per_channel_loop(kernel):
    integers, scales = np.zeros(kernel.shape, np.int8), []
    for column in range(kernel.shape[1]):
        scales.append(max(map(abs, kernel[:, column].tolist())) / 127 or 1.0)
        integers[:, column] = np.rint(kernel[:, column] / scales[-1])
    return integers, scales


@pytest.mark.parametrize("answer", [per_channel, per_channel_loop])
def test_right_scales(answer):
    assert check_per_channel(answer).status == "right"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"axis": None}, "single scale"),
        ({"axis": 1}, "each input row"),
        ({"steps": 128}, "divides by 128"),
        ({"rounding": np.trunc}, "cuts the fraction off"),
        ({"safe": False}, "column of zeros"),
        ({"dtype": np.int32}, "convert them to int8"),
    ],
)
def test_wrong_scales(options, hint):
    feedback = check_per_channel(lambda kernel: per_channel(kernel, **options))
    assert feedback.status == "wrong"
    assert hint in feedback.message


def grid(values, zero=True, steps=255, whole=True):
    low, high = (
        (min(values.min(), 0), max(values.max(), 0)) if zero else (values.min(), values.max())
    )
    scale = (high - low) / steps
    zero_point = -128 - low / scale
    return scale, round(zero_point) if whole else zero_point


def grid_by_library(values):
    from helpers.quantization import quantize

    found = quantize(values, symmetric=False)
    return found.scale.item(), found.zero_point.item()


@pytest.mark.parametrize("answer", [grid, grid_by_library])
def test_right_grid(answer):
    assert check_activation_grid(answer, LOGITS, GRID).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda values: grid(values, zero=False), "leaves zero out"),
        (lambda values: grid(values, steps=256), "divide by 255"),
        (lambda values: grid(values, whole=False), "is an integer"),
        (lambda values: (np.abs(values).max() / 127, 0), "symmetric"),
        (lambda values: (grid(values)[0], 0), "does not fall on -128"),
        (lambda values: (grid(values)[0], grid(values)[1] + 300), "does not fit into int8"),
        (lambda values: grid(values)[0], "Return two things"),
    ],
)
def test_wrong_grid(answer, hint):
    feedback = check_activation_grid(answer, LOGITS, GRID)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def test_the_grid_is_compared_with_the_file():
    feedback = check_activation_grid(grid, LOGITS, (GRID[0] * 2, GRID[1]))
    assert feedback.status == "wrong"
    assert "the file holds" in feedback.message


def integer_dense(x, x_scale, x_zero, w, w_scales, dtype=np.int32):
    return ((x.astype(dtype) - dtype(x_zero)) @ w.astype(dtype)) * x_scale * w_scales


def integer_dense_split(x, x_scale, x_zero, w, w_scales):
    """The runtime's own order: the zero point leaves through the column sums."""
    x, w = x.astype(np.int64), w.astype(np.int64)
    return (x @ w - x_zero * w.sum(axis=0)) * (x_scale * w_scales)


@pytest.mark.parametrize("answer", [integer_dense, integer_dense_split])
def test_right_layer(answer):
    assert check_integer_dense(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x, s, z, w, t: integer_dense(x, s, 0, w, t), "zero point is missing"),
        (lambda x, s, z, w, t: integer_dense(x, 1.0, z, w, t), "scale is missing"),
        (lambda x, s, z, w, t: integer_dense(x, s, z, w, 1.0), "scale is missing"),
        (lambda x, s, z, w, t: integer_dense(x, s, z, w, t, np.int16), "overflows"),
        (lambda x, s, z, w, t: (x @ w) * s * t, "overflows"),
        (lambda x, s, z, w, t: integer_dense(x, s, z, w, t).T, "expected (5, 4)"),
        (lambda x, s, z, w, t: integer_dense(np.negative(x, out=x), s, z, w, t), "changed its in"),
    ],
)
def test_wrong_layer(answer, hint):
    feedback = check_integer_dense(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


@pytest.mark.parametrize("unfinished", [stub, None, ...])
def test_the_stub_is_not_an_error(unfinished):
    for check in (check_per_channel, check_integer_dense):
        assert check(unfinished).status == "open"
    assert check_activation_grid(unfinished, LOGITS, GRID).status == "open"
