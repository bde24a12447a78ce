"""Checks of the exercises of the chapter on quantization."""

from __future__ import annotations

import numpy as np

from helpers.exercises import checker, expect


def _pair(result, names: str):
    expect(
        isinstance(result, tuple | list) and len(result) == 2,
        f"Return two things: {names}.",
    )
    return result


@checker("19.1", "Each column uses all 127 steps of its own scale.")
def check_per_channel(per_channel) -> None:
    """`Feedback` on int8 integers and one scale for each output of a kernel (inputs, outputs)."""
    kernel = np.array(
        [[0.50, -4.0, 0.0], [-1.00, 1.3, 0.0], [0.26, 2.9, 0.0], [0.755, 0.1, 0.0]], np.float32
    )
    integers, scales = _pair(per_channel(kernel.copy()), "the integers and the scales")
    integers, scales = np.asarray(integers), np.asarray(scales)
    expect(
        integers.shape == kernel.shape,
        f"The integers have the shape {integers.shape}; keep that of the kernel, {kernel.shape}.",
    )
    expect(
        scales.size > 1,
        "There is a single scale for the whole matrix; give one for each output column.",
    )
    expect(
        scales.shape != (4,) and scales.shape != (4, 1),
        "There is a scale for each input row; a scale belongs to an output column: take the "
        "maximum over axis 0.",
    )
    expect(scales.size == 3, f"There are {scales.size} scales for 3 output columns.")
    expect(
        bool(np.isfinite(scales).all()) and bool((scales > 0).all()),
        "A column of zeros has no largest weight; give it the scale 1 instead of dividing by zero.",
    )
    expect(
        integers.dtype == np.int8,
        f"The integers are of type {integers.dtype}; convert them to int8 after rounding.",
    )
    largest = np.abs(kernel).max(axis=0)
    expect(
        not np.allclose(scales.ravel()[:2] * 128, largest[:2], rtol=1e-4),
        "The scale divides by 128; the greatest int8 is 127, so the largest weight would not fit.",
    )
    expect(
        np.allclose(scales.ravel()[:2] * 127, largest[:2], rtol=1e-4),
        "The largest weight of a column should become 127: scale = max|w| / 127.",
    )
    steps = kernel / scales.ravel()
    expect(
        bool((np.abs(integers - steps) <= 0.5 + 1e-4).all()),
        "Some integers are more than half a step away: `astype` cuts the fraction off, so round "
        "first.",
    )


@checker("19.2", "Your grid is the one in the exported file.")
def check_activation_grid(activation_grid, logits, grid) -> None:
    """`Feedback` on the affine grid of activations; `grid` is the runtime's for `logits`."""
    for values in (np.array([-1.0, 3.0]), np.array([2.0, 6.0]), np.array([-5.0, -1.0])):
        scale, zero_point = _pair(activation_grid(values.copy()), "the scale and the zero point")
        scale = float(scale)
        low, high = min(values.min(), 0.0), max(values.max(), 0.0)
        expect(
            float(zero_point).is_integer(),
            f"The zero point is {zero_point}; it is an integer: round it.",
        )
        expect(
            not np.isclose(scale, np.abs(values).max() / 127),
            "This grid is symmetric around zero and wastes half of its integers on one-sided "
            "values; let it run from the least to the greatest value.",
        )
        expect(
            (low != 0 and high != 0) or not np.isclose(scale, (values.max() - values.min()) / 255),
            f"For values from {values.min():g} to {values.max():g} the grid leaves zero out; "
            "padding and ReLU need it: include zero in the range.",
        )
        expect(
            not np.isclose(scale, (high - low) / 256),
            "There are 256 integers and 255 steps between them: divide by 255.",
        )
        expect(
            np.isclose(scale, (high - low) / 255),
            f"For values from {values.min():g} to {values.max():g} the scale is {scale:.4g}; "
            f"expected {(high - low) / 255:.4g}.",
        )
        expect(
            -128 <= zero_point <= 127,
            f"The zero point {zero_point} does not fit into int8: it is where zero falls when the "
            "least value falls on -128.",
        )
        expect(
            abs(int(zero_point) - round(-128 - low / scale)) <= 1,
            f"With zero point {int(zero_point)} the least value does not fall on -128: "
            "zero_point = -128 - low / scale.",
        )
    scale, zero_point = activation_grid(np.asarray(logits))
    expect(
        abs(float(scale) / grid[0] - 1) < 0.01 and abs(int(zero_point) - grid[1]) <= 1,
        f"For the logits the file holds scale {grid[0]:.5f} and zero point {grid[1]}; yours are "
        f"{float(scale):.5f} and {int(zero_point)}.",
    )


@checker("19.3", "That is the arithmetic of an integer runtime.")
def check_integer_dense(integer_dense) -> None:
    """`Feedback` on a dense layer computed in integers."""
    generator = np.random.default_rng(0)
    x = generator.integers(-128, 128, (5, 300)).astype(np.int8)
    w = generator.integers(-127, 128, (300, 4)).astype(np.int8)
    x_scale, x_zero, w_scales = 0.02, -128, np.array([0.001, 0.002, 0.004, 0.008])
    kept = x.copy()
    found = np.asarray(integer_dense(x, x_scale, x_zero, w, w_scales))
    expect(bool((x == kept).all()), "The function changed its input; work on a copy.")
    expect(found.shape == (5, 4), f"The output has the shape {found.shape}; expected (5, 4).")
    exact = (x.astype(np.int64) + 128) @ w.astype(np.int64)
    truth = exact * x_scale * w_scales
    scale = np.abs(truth).max(axis=0)

    def like(other) -> bool:
        return bool((np.abs(found - other) <= 1e-4 * scale).all())

    without_zero = x.astype(np.int64) @ w.astype(np.int64) * x_scale * w_scales
    expect(
        not like(without_zero),
        "The zero point is missing: an activation stands for (x - x_zero) * x_scale.",
    )
    expect(
        not like(exact * x_scale) and not like(exact * w_scales) and not like(exact),
        "A scale is missing: the output is the integer sum times x_scale times w_scales.",
    )
    expect(
        like(truth),
        "The sums are wrong, as they are when int8 or int16 overflows: convert both operands to "
        "int32 before you subtract and multiply.",
    )
