"""The checkers of chapter 09: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import cnn as check


def stub(*_, **__):
    raise NotImplementedError


def padded(x, padding):
    return np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def by_products(x, kernel, stride=1, padding=0):
    k, x = kernel.shape[0], padded(x, padding)
    rows, columns = ((side - k) // stride + 1 for side in x.shape[1:3])
    total = np.zeros((len(x), rows, columns, kernel.shape[3]))
    for r, s in np.ndindex(k, k):
        window = x[:, r : r + stride * rows : stride, s : s + stride * columns : stride]
        total += window[:, :rows, :columns] @ kernel[r, s]
    return total


def by_windows(x, kernel, stride=1, padding=0):
    k = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(padded(x, padding), (k, k), axis=(1, 2))
    return np.einsum("nhwcij,ijco->nhwo", windows[:, ::stride, ::stride], kernel)


def by_scipy(x, kernel, stride=1, padding=0):
    full = [
        [correlate(image, kernel[..., o], mode="valid")[..., 0] for o in range(kernel.shape[3])]
        for image in padded(x, padding)
    ]
    return np.moveaxis(np.array(full), 1, -1)[:, ::stride, ::stride]


def forwards(layers):
    size, jump = 1, 1
    for kernel, stride, dilation in layers:
        size += (kernel - 1) * dilation * jump
        jump *= stride
    return size, jump


def backwards(layers):
    """From the last layer to the first: how many inputs a stretch of outputs needs."""
    size, jump = 1, 1
    for kernel, stride, dilation in reversed(layers):
        size = (size - 1) * stride + (kernel - 1) * dilation + 1
        jump *= stride
    return np.array([size, jump])


def images(rows, side):
    rows = np.atleast_2d(rows)
    if rows.shape[1] != side * side:
        raise ValueError(f"{rows.shape[1]} numbers")
    return rows.reshape(-1, side, side, 1).astype("float32") / 255


def images_by_loop(rows, side):
    table = rows[np.newaxis] if rows.ndim == 1 else rows
    grids = [np.float32(row).reshape(side, side) / np.float32(255) for row in table]
    return np.expand_dims(np.stack(grids), -1)


CHECKERS = [check.strided_convolution, check.receptive_field, check.rows_to_images]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.strided_convolution, by_products),
        (check.strided_convolution, by_windows),
        (check.strided_convolution, by_scipy),
        (check.receptive_field, forwards),
        (check.receptive_field, backwards),
        (check.rows_to_images, images),
        (check.rows_to_images, images_by_loop),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def in_place(x, kernel, stride=1, padding=0):
    found = by_windows(x, kernel, stride, padding)
    x[:] = 0 if (stride, padding) == (3, 2) else x
    return found


def edges_repeated(x, kernel, stride=1, padding=0):
    around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    return by_windows(np.pad(x, around, mode="edge"), kernel, stride)


def blocks(x, kernel, stride=1, padding=0):
    """Moves the whole result's first rows and columns in place of every second one."""
    k = kernel.shape[0]
    full = by_windows(x, kernel, 1, padding)
    rows, columns = ((side + 2 * padding - k) // stride + 1 for side in x.shape[1:3])
    return full[:, :rows, :columns]


def strided_before_padding(x, kernel, stride=1, padding=0):
    found = by_windows(x, kernel, stride, padding)
    return found[:, ::-1] if stride > 1 and padding else found


def added(layers):
    return 1 + sum(kernel for kernel, _, _ in layers), 1


def multiplied(layers):
    return int(np.prod([kernel for kernel, _, _ in layers])), 1


def strides_added(layers):
    return forwards(layers)[0], 1 + sum(stride - 1 for _, stride, _ in layers)


def strides_ignored(layers):
    return forwards([(k, 1, d) for k, _, d in layers])[0], forwards(layers)[1]


def jump_first(layers):
    size, jump = 1, 1
    for kernel, stride, dilation in layers:
        jump *= stride
        size += (kernel - 1) * dilation * jump
    return size, jump


def dilation_ignored(layers):
    return forwards([(k, s, 1) for k, s, _ in layers])


def dilation_in_jump(layers):
    return forwards(layers)[0], int(np.prod([s * d for _, s, d in layers]))


def reshaped(rows, *shape):
    return np.atleast_2d(rows).reshape(shape)


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (
            check.strided_convolution,
            lambda x, k, stride=1, padding=0: by_windows(x, k[::-1, ::-1], stride, padding),
            "turned round",
        ),
        (
            check.strided_convolution,
            lambda x, k, stride=1, padding=0: by_windows(x, k.swapaxes(0, 1), stride, padding),
            "Rows and columns of the kernel",
        ),
        (
            check.strided_convolution,
            lambda x, k, stride=1, padding=0: by_windows(x[..., :1], k[:, :, :1], stride, padding),
            "first channel",
        ),
        (
            check.strided_convolution,
            lambda x, k, stride=1, padding=0: by_windows(x, k, 1, padding),
            "stride=2 changes nothing",
        ),
        (
            check.strided_convolution,
            lambda x, k, stride=1, padding=0: by_windows(x, k, stride, 0),
            "padding=1 changes nothing",
        ),
        (check.strided_convolution, blocks, "take the positions"),
        (check.strided_convolution, edges_repeated, "repeats the edge"),
        (check.strided_convolution, strided_before_padding, "not together"),
        (check.strided_convolution, in_place, "changes its input"),
        (
            check.strided_convolution,
            lambda x, k, stride=1, padding=0: by_windows(x, k, stride, padding + 1),
            "Without stride and padding the result must have the shape (2, 5, 4, 4)",
        ),
        (check.receptive_field, lambda layers: forwards(layers)[0], "two whole numbers"),
        (check.receptive_field, lambda layers: (0, 1), "a unit is a pixel"),
        (check.receptive_field, added, "kernel - 1, not kernel"),
        (check.receptive_field, multiplied, "do not multiply"),
        (check.receptive_field, strides_added, "their product"),
        (check.receptive_field, strides_ignored, "strides before a layer"),
        (check.receptive_field, jump_first, "update the size before the jump"),
        (check.receptive_field, dilation_ignored, "Dilation is ignored"),
        (check.receptive_field, dilation_in_jump, "does not change the jump"),
        (check.rows_to_images, lambda r, s: reshaped(r, -1, s, s) / 255, "channel axis is missing"),
        (check.rows_to_images, lambda r, s: reshaped(r, -1, 1, s, s) / 255, "last axis"),
        (check.rows_to_images, lambda r, s: images(r, s) * 255, "run to 255"),
        (check.rows_to_images, lambda r, s: images(r, s).swapaxes(1, 2), "row by row"),
        (
            check.rows_to_images,
            lambda r, s: (r.T.reshape(-1, s, s, 1) / 255).astype("float32"),
            "mixed with one another",
        ),
        (check.rows_to_images, lambda r, s: reshaped(r, -1, s, s, 1) // 255, "whole numbers"),
        (check.rows_to_images, lambda r, s: images(r, s).astype("float64"), "of type float64"),
        (
            check.rows_to_images,
            lambda r, s: (r.reshape(len(r), s, s, 1) / 255).astype("float32"),
            "table of one row",
        ),
        (
            check.rows_to_images,
            lambda r, s: images(r, s) if r.ndim > 1 else images(r, s)[0],
            "batch of one",
        ),
        (
            check.rows_to_images,
            lambda r, s: (reshaped(r, -1, s, s, 1) / 255).astype("float32"),
            "Rows of 32 numbers",
        ),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint.lower() in feedback.message.lower()
