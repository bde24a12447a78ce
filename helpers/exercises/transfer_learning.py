"""Checks of the exercises of the chapter on transfer learning."""

from __future__ import annotations

import tracemalloc

import numpy as np

from helpers.exercises import checker, expect


@checker("12.1", "That is what runs in every adapted layer.")
def check_lora_layer(lora_layer) -> None:
    """`Feedback` on the outputs of a frozen matrix with a low-rank adapter."""
    generator = np.random.default_rng(0)
    x, kernel = generator.normal(size=(5, 6)), generator.normal(size=(6, 4))
    a, b = generator.normal(size=(6, 2)), generator.normal(size=(2, 4))
    kept = kernel.copy()
    found = np.asarray(lora_layer(x, kernel, a, b, 8.0))
    expect(bool((kernel == kept).all()), "The function changed the kernel, which is frozen.")
    expect(found.shape == (5, 4), f"The output has the shape {found.shape}; expected (5, 4).")
    base, thin = x @ kernel, x @ a @ b
    expect(
        not np.allclose(found, 4 * thin),
        "The frozen part is missing: add x times the kernel.",
    )
    expect(not np.allclose(found, base), "The adapter is missing: add its part to x times kernel.")
    expect(
        not np.allclose(found, base + thin),
        "The scale is missing: the adapter's part is multiplied by alpha / rank.",
    )
    expect(
        not np.allclose(found, base + 8 * thin),
        "The adapter is multiplied by alpha; divide by the rank, the number of columns of a.",
    )
    expect(
        not np.allclose(found, 4 * (base + thin)),
        "The scale belongs to the adapter's part alone, not to the frozen part.",
    )
    expect(
        np.allclose(found, base + 4 * thin),
        "The outputs are not x W + (alpha / rank) (x A) B.",
    )
    # Forming a b takes as much memory as the kernel; the two products in turn take next to none.
    wide = np.zeros((1500, 1500))
    tracemalloc.start()
    lora_layer(np.ones((1, 1500)), wide, np.ones((1500, 1)), np.ones((1, 1500)), 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    expect(
        peak < wide.nbytes / 2,
        "The outputs are right, but a b was formed, which is as large as the kernel: multiply x "
        "by a first, then by b.",
    )


@checker("12.2", "So you can say which rank a budget allows.")
def check_largest_rank(largest_rank) -> None:
    """`Feedback` on the greatest rank whose LoRA stays within a share of the weights."""
    cases = [
        ([(100, 100)], 0.1, 5),
        ([(100, 100)], 0.05, 2),
        ([(64, 64)] * 4 + [(64, 256), (256, 64)], 0.04, 1),
        ([(64, 64)] * 4 + [(64, 256), (256, 64)], 0.01, 0),
        ([(4096, 4096)] * 4, 0.01, 20),
        ([(10, 1000), (500, 500)], 0.5, 64),
    ]
    for shapes, share, truth in cases:
        found = largest_rank(list(shapes), share)
        where = f"For the shapes {shapes} and the share {share:g}"
        expect(
            isinstance(found, int | np.integer) and not isinstance(found, bool),
            f"{where} you return {found!r}; a rank is a whole number.",
        )
        one = sum(inputs + outputs for inputs, outputs in shapes)
        weights = sum(inputs * outputs for inputs, outputs in shapes)
        if found != truth:
            expect(
                found < 0.5 * weights / one or truth > found,
                f"{where} you return {found}: rank 1 costs inputs + outputs numbers for a matrix, "
                "not one number.",
            )
            expect(
                found * one <= share * weights,
                f"{where} rank {found} trains {found * one / weights:.2%} of the weights, which is "
                "too much: round down.",
            )
            expect(
                truth <= found,
                f"{where} you return {found}, but rank {truth} trains only "
                f"{truth * one / weights:.2%}: compare the sums over all matrices.",
            )


@checker("12.3", "And that is why a frozen BatchNorm is safe in training mode.")
def check_batch_norm(batch_norm) -> None:
    """`Feedback` on batch normalization in training mode, in inference mode and frozen."""
    generator = np.random.default_rng(0)
    x = generator.normal(2.0, 3.0, (6, 4))
    mean, variance = np.array([0.0, 1.0, -1.0, 2.0]), np.array([1.0, 4.0, 0.25, 1.0])
    own = x.mean(axis=0), x.var(axis=0)
    for training, trainable in ((False, True), (True, True), (True, False), (False, False)):
        result = batch_norm(x.copy(), mean.copy(), variance.copy(), training, trainable)
        expect(
            isinstance(result, tuple | list) and len(result) == 3,
            "Return three things: the outputs, the mean and the variance.",
        )
        outputs, new_mean, new_variance = map(np.asarray, result)
        live = training and trainable
        case = f"With training={training} and trainable={trainable}"
        used = own if live else (mean, variance)
        if not live:
            expect(
                np.array_equal(new_mean, mean) and np.array_equal(new_variance, variance),
                f"{case} the running statistics changed; they move only in training mode and only "
                "if the layer is not frozen.",
            )
        else:
            swapped = 0.1 * mean + 0.9 * own[0]
            expect(
                not np.allclose(new_mean, swapped),
                "The momentum is the wrong way round: 0.9 of the old value stays.",
            )
            expect(
                not np.allclose(new_mean, mean),
                f"{case} the running mean has to move towards the batch's.",
            )
            sample = 0.9 * variance + 0.1 * x.var(axis=0, ddof=1)
            expect(
                not np.allclose(new_variance, sample),
                "The variance divides by n - 1; BatchNorm divides by n.",
            )
            expect(
                np.allclose(new_mean, 0.9 * mean + 0.1 * own[0])
                and np.allclose(new_variance, 0.9 * variance + 0.1 * own[1]),
                f"{case} the new value is momentum x old + (1 - momentum) x the batch's.",
            )
        wrong = (x - own[0]) / np.sqrt(own[1] + 1e-3)
        expect(
            live or not np.allclose(outputs, wrong),
            f"{case} the batch's own statistics were used; use the running ones.",
        )
        expect(
            not np.allclose(outputs, (x - used[0]) / np.sqrt(used[1])),
            "The epsilon of 1e-3 is missing under the root.",
        )
        expect(
            np.allclose(outputs, (x - used[0]) / np.sqrt(used[1] + 1e-3)),
            f"{case} the outputs are not (x - mean) / sqrt(variance + 1e-3).",
        )
