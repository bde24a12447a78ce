"""Checkers for the exercises on convolution: stride and padding, receptive field, shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.exercises import Mistake, checker, expect


def _convolved(x: np.ndarray, kernel: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """The cross-correlation, one output number at a time: slow, and plainly the definition."""
    k = kernel.shape[0]
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = ((side - k) // stride + 1 for side in x.shape[1:3])
    out = np.empty((len(x), rows, columns, kernel.shape[3]))
    for image, row, column, channel in np.ndindex(out.shape):
        top, left = row * stride, column * stride
        covered = x[image, top : top + k, left : left + k]
        out[image, row, column, channel] = np.sum(covered * kernel[..., channel])
    return out


def _array(found: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    found = np.asarray(found)
    expect(
        found.shape == shape,
        f"{what} the result must have the shape {shape}, yours has {found.shape}.",
    )
    return found


def _same(found: np.ndarray, truth: np.ndarray) -> bool:
    return bool(np.allclose(found, truth, rtol=1e-5, atol=1e-6))


@checker("09.1", "Every output is one product of the kernel with what it covers.")
def strided_convolution(answer: Callable) -> None:
    """Tries `answer(x, kernel, stride, padding)` plain, strided, padded and with both."""
    generator = np.random.default_rng(9)
    x, kernel = generator.normal(size=(2, 7, 6, 3)), generator.normal(size=(3, 3, 3, 4))
    kept = x.copy()

    def call(**options: int) -> np.ndarray:
        result = answer(x, kernel, **options)
        expect(np.array_equal(x, kept), "Your function changes its input; work on a padded copy.")
        return np.asarray(result)

    found = _array(call(), (2, 5, 4, 4), "Without stride and padding")
    expect(
        not _same(found, _convolved(x, kernel[::-1, ::-1], 1, 0)),
        "The kernel is turned round: deep learning does not flip it.",
    )
    expect(
        not _same(found, _convolved(x, kernel.swapaxes(0, 1), 1, 0)),
        "Rows and columns of the kernel are exchanged.",
    )
    expect(
        not _same(found, _convolved(x[..., :1], kernel[:, :, :1], 1, 0)),
        "Only the first channel counts: add up the products over all input channels.",
    )
    expect(
        _same(found, _convolved(x, kernel, 1, 0)),
        "Without stride and padding the numbers are wrong: compare with the convolution by hand.",
    )
    strided = call(stride=2)
    expect(
        strided.shape != found.shape,
        "stride=2 changes nothing: move the kernel by `stride` pixels at a time.",
    )
    strided = _array(strided, (2, 3, 2, 4), "With stride 2, 7 rows and 6 columns:")
    expect(
        _same(strided, _convolved(x, kernel, 2, 0)),
        "With stride 2 the shape is right and the numbers are not: take the positions "
        "0, stride, 2 * stride, ... of the image.",
    )
    padded = call(padding=1)
    expect(
        padded.shape != found.shape,
        "padding=1 changes nothing: put zeros round the image first.",
    )
    padded = _array(padded, (2, 7, 6, 4), "With padding 1")
    around = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    expect(
        not _same(padded, _convolved(around, kernel, 1, 0)),
        "The border repeats the edge of the image; it should be zeros.",
    )
    expect(
        _same(padded, _convolved(x, kernel, 1, 1)),
        "With padding 1 the numbers are wrong: zeros belong on all four sides, not into the "
        "batch or the channels.",
    )
    both = _array(call(stride=3, padding=2), (2, 3, 3, 4), "With stride 3 and padding 2")
    expect(
        _same(both, _convolved(x, kernel, 3, 2)),
        "Stride and padding work alone but not together: pad first, then move.",
    )


def _numbers(found: Any) -> tuple[int, int]:
    try:
        size, jump = found
    except TypeError as error:
        raise Mistake("Return two whole numbers: the size of the field, then the jump.") from error
    return int(size), int(jump)


@checker("09.2", "Kernels add, strides multiply, dilation stretches the kernel.")
def receptive_field(answer: Callable) -> None:
    """Tries `answer(layers)` on no layer, plain, strided and dilated layers."""
    expect(
        _numbers(answer([])) == (1, 1),
        "Without any layer a unit is a pixel: size 1 and jump 1.",
    )
    size, jump = _numbers(answer([(3, 1, 1), (3, 1, 1)]))
    expect(size != 9, "Fields do not multiply: two 3x3 kernels see 5 pixels in a row, not 9.")
    expect(
        size not in (6, 7),
        "Each layer adds kernel - 1, not kernel: the steps lie between the pixels.",
    )
    expect((size, jump) == (5, 1), f"Two 3x3 kernels with stride 1 give (5, 1), not {size, jump}.")
    size, jump = _numbers(answer([(3, 1, 1), (2, 2, 1), (3, 1, 1), (2, 2, 1)]))
    expect(
        jump != 3,
        "Strides are added up; the jump is their product.",
    )
    expect(
        size != 7,
        "The strides before a layer are ignored: a step of a later layer is worth `jump` pixels.",
    )
    expect(
        size != 13,
        "The stride of a layer counts for the layers after it: update the size before the jump.",
    )
    expect(
        (size, jump) == (10, 4),
        f"The chapter's four layers have the field 10 and the jump 4, not {size, jump}.",
    )
    size, jump = _numbers(answer([(3, 1, 1), (3, 1, 2), (3, 1, 4)]))
    expect(size != 7, "Dilation is ignored: its weights lie `dilation` pixels apart.")
    expect(
        jump == 1,
        "Dilation does not change the jump: neighbouring units still look at neighbouring pixels.",
    )
    expect(size == 15, f"Dilations 1, 2 and 4 with 3x3 kernels see 15 pixels, not {size}.")
    size, jump = _numbers(answer([(7, 2, 1), (3, 2, 1), (3, 1, 2), (5, 3, 1)]))
    expect(
        (size, jump) == (43, 12),
        f"Stride and dilation together: [(7, 2, 1), (3, 2, 1), (3, 1, 2), (5, 3, 1)] gives "
        f"(43, 12), not {size, jump}.",
    )


@checker("09.3", "That is a batch a CNN can take, one image or many.")
def rows_to_images(answer: Callable) -> None:
    """Tries `answer(rows, side)` on several rows, on one row, and on rows of a wrong length."""
    rows = np.random.default_rng(9).integers(0, 256, (5, 16), dtype=np.uint8)
    rows[0, :2] = 0, 255
    truth = rows.astype("float64").reshape(5, 4, 4, 1) / 255
    found = np.asarray(answer(rows, 4))
    expect(found.shape != (5, 4, 4), "The channel axis is missing: grey images have one channel.")
    expect(
        found.shape != (5, 1, 4, 4),
        "The channel stands before the rows; Keras expects it as the last axis.",
    )
    found = _array(found, (5, 4, 4, 1), "For five rows and side 4")
    expect(
        found.max() <= 1 or not _same(found, 255 * truth),
        "The values still run to 255: divide, so that they lie from 0 to 1.",
    )
    expect(
        not _same(found, truth.swapaxes(1, 2)),
        "Rows and columns of the images are exchanged; the table is written row by row.",
    )
    expect(
        not _same(found, rows.T.reshape(5, 4, 4, 1) / 255),
        "The images are mixed with one another: a table of rows needs no transposition.",
    )
    expect(
        found.dtype.kind == "f" or not _same(found, np.floor(truth)),
        "Whole numbers were divided to whole numbers; turn them into floats first.",
    )
    expect(_same(found, truth), "The values are wrong: 0 must become 0 and 255 must become 1.")
    expect(
        found.dtype == np.float32,
        f"The values are right, but of type {found.dtype}; convert them to float32.",
    )
    try:
        single = np.asarray(answer(rows[0], 4))
    except (ValueError, IndexError) as error:
        raise Mistake(
            f"A single row of shape (16,) fails ({error}); make it a table of one row first."
        ) from error
    expect(
        single.shape == (1, 4, 4, 1),
        f"A single row must become a batch of one, (1, 4, 4, 1), not {single.shape}.",
    )
    expect(
        _same(single, truth[:1]), "A single row gives other values than it gives inside a table."
    )
    for wrong in (np.zeros((4, 15)), np.zeros((4, 32))):
        try:
            answer(wrong, 4)
        except ValueError:
            continue
        raise Mistake(
            f"Rows of {wrong.shape[1]} numbers pass for images of 16: compare the length with "
            "side * side and raise a ValueError."
        )
