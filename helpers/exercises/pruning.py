"""Checks of the exercises of the chapter on pruning."""

from __future__ import annotations

import numpy as np

from helpers.exercises import checker, expect


def _weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


@checker("18.1", "Exactly the smallest weights are gone, and the others are untouched.")
def check_prune(prune) -> None:
    """`Feedback` on magnitude pruning of a matrix to an exact number of zeros."""
    for kernel, sparsity in ((_weights(12, 5), 0.8), (_weights(6, 4), 0.25), (_weights(5, 3), 0)):
        given = kernel.copy()
        result = prune(given, sparsity)
        expect(bool((given == kernel).all()), "The function changed its input; work on a copy.")
        found = np.asarray(result)
        expect(
            found.shape == kernel.shape,
            f"The result has the shape {found.shape}; keep that of the kernel, {kernel.shape}.",
        )
        wanted, zeros = round(sparsity * kernel.size), int((found == 0).sum())
        expect(
            zeros > 0 or wanted == 0,
            "Nothing became zero: scaling all weights down is not pruning.",
        )
        expect(
            zeros != kernel.size - wanted or 2 * wanted == kernel.size,
            f"{zeros} weights are zero, which is the share to keep: `sparsity` is the share to go.",
        )
        expect(
            zeros == wanted,
            f"{zeros} weights are zero; round(sparsity * size) is {wanted}.",
        )
        left = found != 0
        expect(
            bool((found[left] == kernel[left]).all()),
            "A weight that stays has changed; leave its value and its sign as they are.",
        )
        if wanted:
            expect(
                kernel[~left].max() >= kernel[left].min(),
                "The most negative weights went: the smallest in magnitude are near zero; compare "
                "absolute values.",
            )
            expect(
                np.abs(kernel[~left]).max() <= np.abs(kernel[left]).min(),
                "A weight went although a smaller one stayed; order all weights of the matrix by "
                "absolute value.",
            )
    ties = np.array([[0.5, -0.5, 0.5, -0.5], [0.5, 2.0, -3.0, 4.0]], np.float32)
    zeros = int((np.asarray(prune(ties.copy(), 0.25)) == 0).sum())
    expect(
        zeros == 2,
        f"Of five weights of equal magnitude {zeros} went instead of two: a threshold treats ties "
        "alike; order the weights and take the first ones.",
    )


@checker("18.2", "The smaller layers compute what the strong units computed.")
def check_cut_units(cut_units) -> None:
    """`Feedback` on removing units from a layer and from the layer that reads it."""
    kernel, bias, reader = _weights(6, 8), _weights(8), _weights(8, 3)
    kernel[:, 2] *= 4
    kernel[:, 5] *= 0.1
    kernel[:, 6] = -np.abs(kernel[:, 6]) * 3  # strong, although its sum is negative
    kept = [array.copy() for array in (kernel, bias, reader)]
    result = cut_units(kernel, bias, reader, 4)
    same = all(bool((a == b).all()) for a, b in zip(kept, (kernel, bias, reader), strict=True))
    expect(same, "The function changed its input; return new arrays.")
    expect(
        isinstance(result, tuple | list) and len(result) == 3,
        "Return three things: the kernel, the bias and the reader.",
    )
    small, offset, reads = map(np.asarray, result)
    expect(
        small.shape != (4, 8),
        "Rows of the kernel went; they are the inputs. A unit is a column.",
    )
    expect(
        small.shape == (6, 4),
        f"The kernel has the shape {small.shape}; expected (6, 4): four of eight units.",
    )
    expect(
        offset.shape == (4,),
        f"The bias has the shape {offset.shape}; a unit that goes takes its bias along.",
    )
    expect(
        reads.shape == (4, 3),
        f"The reader has the shape {reads.shape}; expected (4, 3): its rows are the units.",
    )

    def chosen(strength) -> np.ndarray:
        return np.sort(np.argsort(-strength, kind="stable")[:4])

    right, found = (
        chosen(np.abs(kernel).sum(axis=0)),
        [
            next((unit for unit in range(8) if np.array_equal(kernel[:, unit], column)), -1)
            for column in small.T
        ],
    )
    expect(-1 not in found, "A column of the new kernel is none of the old one.")
    expect(
        sorted(found) != sorted(chosen(-np.abs(kernel).sum(axis=0)).tolist()),
        "The weakest units stayed; sort in falling order of strength.",
    )
    expect(
        sorted(found) != sorted(chosen(kernel.sum(axis=0)).tolist()),
        "The strength adds signed weights, which cancel; take absolute values first.",
    )
    expect(
        sorted(found) == right.tolist(),
        f"The units {sorted(found)} stayed; by the L1 norm of the incoming weights they are "
        f"{right.tolist()}.",
    )
    expect(
        np.array_equal(offset, bias[found]) and np.array_equal(reads, reader[found]),
        "Kernel, bias and reader keep different units or another order; use the same positions "
        "for all three.",
    )
    expect(found == right.tolist(), "The units changed their order; sort the positions.")


@checker("18.3", "Two values and two places for every four weights.")
def check_pack(pack) -> None:
    """`Feedback` on packing a column of weights in the two-of-four format."""
    column = _weights(24)
    column[:4] = [0.1, -3.0, 0.2, 2.0]
    column[4:8] = [5.0, 0.0, 0.0, 0.0]
    given = column.copy()
    result = pack(given)
    expect(bool((given == column).all()), "The function changed its input; work on a copy.")
    expect(
        isinstance(result, tuple | list) and len(result) == 2,
        "Return two things: the values and the places.",
    )
    values, places = map(np.asarray, result)
    expect(
        values.shape == (6, 2) and places.shape == (6, 2),
        f"The shapes are {values.shape} and {places.shape}; expected (6, 2) for both: two of each "
        "of six groups.",
    )
    expect(
        places.dtype.kind in "iu",
        f"The places are of type {places.dtype}; positions are integers.",
    )
    expect(
        bool((places >= 0).all()) and bool((places < 4).all()),
        "A place is not between 0 and 3: count within the four, not within the column.",
    )
    expect(
        bool((places[:, 0] < places[:, 1]).all()),
        "The places must rise within a group; sort them, then fetch the values in that order.",
    )
    fours = column.reshape(-1, 4)
    expect(
        np.array_equal(np.take_along_axis(fours, places.astype(int), axis=1), values),
        "The values are not those at the places; keep their signs and fetch them with the sorted "
        "places.",
    )
    best = np.sort(np.abs(fours), axis=1)[:, 2:].sum(axis=1)
    expect(
        np.allclose(np.abs(values).sum(axis=1), best),
        "A larger weight of a group was left out; choose the two largest in magnitude.",
    )
