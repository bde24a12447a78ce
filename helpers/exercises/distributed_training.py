"""Checkers for the exercises on distributed training: shards, unequal shares, memory."""

from __future__ import annotations

from collections.abc import Callable

from helpers.exercises import Mistake, checker, expect


@checker("14.1", "Disjoint, complete, even, and shuffled alike on every worker.")
def shard(answer: Callable) -> None:
    """Tries `answer(rows, rank, workers, seed)` with rows that the workers cannot share evenly."""
    import numpy as np

    for rows, workers in ((103, 4), (10, 1), (3, 5)):
        shares = [np.asarray(answer(rows, rank, workers, 7)) for rank in range(workers)]
        for rank, share in enumerate(shares):
            expect(
                share.ndim == 1 and (share.size == 0 or share.dtype.kind in "iu"),
                f"Worker {rank} got {share!r}; return an array of whole row numbers.",
            )
        if workers > 1 and rows > workers:
            expect(
                sorted(shares[0]) != sorted(shares[1]),
                "Two workers got the same rows: `rank` has to decide which rows are whose.",
            )
        everything = np.concatenate(shares)
        expect(
            len(set(everything.tolist())) == len(everything),
            "Some rows are read by two workers. Does every worker make the same permutation?",
        )
        expect(
            len(everything) == rows,
            f"With {rows} rows on {workers} workers, {len(everything)} are read: the rows that are "
            "left over when the shares are equal are lost, or some are too many.",
        )
        expect(
            set(everything.tolist()) == set(range(rows)),
            f"The row numbers do not go from 0 to {rows - 1}.",
        )
        lengths = [len(share) for share in shares]
        expect(
            max(lengths) - min(lengths) <= 1,
            f"The shares have {lengths} rows; they may differ by one at most, or all workers wait "
            "for the largest.",
        )
    first, again = (np.asarray(answer(200, 1, 2, 3)) for _ in range(2))
    expect(
        np.array_equal(first, again),
        "The same seed gave another order the second time: workers would not agree.",
    )
    other = np.asarray(answer(200, 1, 2, 4))
    expect(
        set(first.tolist()) != set(other.tolist()),
        "Another seed left the worker with the same rows: shuffle before the rows are dealt out.",
    )


@checker("14.2", "Means weighted by their rows are the mean of all rows.")
def combine(answer: Callable) -> None:
    """Tries `answer(gradients, rows)` on equal, unequal and empty shares."""
    import numpy as np

    rows = np.random.default_rng(14).normal(size=(12, 2, 3))
    equal = [rows[:6].mean(axis=0), rows[6:].mean(axis=0)]
    unequal = [rows[:9].mean(axis=0), rows[9:].mean(axis=0)]
    copies = [part.copy() for part in unequal]
    found = np.asarray(answer(equal, [6, 6]), dtype=float)
    truth = rows.mean(axis=0)
    expect(found.shape == truth.shape, f"The shape is {found.shape}, expected {truth.shape}.")
    expect(
        not np.allclose(found, 2 * truth),
        "The result is twice the mean for two workers: add up, then divide.",
    )
    expect(np.allclose(found, truth), "For equal shares the plain mean must come out.")
    found = np.asarray(answer(unequal, [9, 3]), dtype=float)
    expect(
        not np.allclose(found, (copies[0] + copies[1]) / 2),
        "With nine rows on one worker and three on the other, the plain mean of both gradients "
        "counts the rows of the second three times: weight by the number of rows.",
    )
    expect(np.allclose(found, truth), "For nine and three rows this is not the mean of all rows.")
    expect(
        all(np.array_equal(a, b) for a, b in zip(unequal, copies, strict=True)),
        "The gradients that came in were changed; workers may still need them.",
    )
    empty = [truth, np.full((2, 3), np.nan)]
    found = np.asarray(answer(empty, [12, 0]), dtype=float)
    expect(
        not np.isnan(found).any(),
        "A worker without rows spoiled the result: zero times NaN is NaN, so leave it out.",
    )
    expect(np.allclose(found, truth), "With all rows on one worker its gradient is the result.")


_CASES = [
    ((7e9, 80e9, 3), 2),
    ((70e9, 80e9, 3), 16),
    ((405e9, 80e9, 3), 128),
    ((7e9, 80e9, 1), 2),
    ((7e9, 30e9, 2), 8),
    ((1e9, 80e9, 0), 1),
]


@checker("14.3", "Each stage shards one thing more, and the rest stays on every GPU.")
def gpus_needed(answer: Callable) -> None:
    """Tries `answer(parameters, memory, stage)` on models that fit, that need shards, and not."""
    found = answer(7e9, 80e9, 0)
    expect(
        found is None,
        f"Stage 0 shards nothing: 7 billion parameters take 112 GB on every GPU, so no number of "
        f"GPUs with 80 GB will do. Expected None, not {found!r}.",
    )
    expect(
        answer(40e9, 80e9, 2) is None,
        "Stage 2 leaves the weights on every GPU: for 40 billion parameters these are 80 GB "
        "already, and what is sharded comes on top.",
    )
    expect(
        answer(20e9, 80e9, 1) is None,
        "Stage 1 shards the optimizer only: weights and gradients of 20 billion parameters are "
        "80 GB on every GPU, and what is sharded comes on top.",
    )
    for arguments, truth in _CASES:
        found = answer(*arguments)
        if found is None or isinstance(found, bool) or int(found) != found:
            raise Mistake(f"For {arguments} expected {truth} GPUs, not {found!r}.")
        number = int(found)
        expect(
            number >= 1 and number & (number - 1) == 0,
            f"{number} is no power of two; clusters come in powers of two here.",
        )
        expect(
            number >= truth,
            f"For {arguments} you say {number} GPUs, but the state does not fit into each of them "
            "yet. Is anything divided that this stage leaves whole? All 16 bytes counted?",
        )
        expect(
            number <= truth,
            f"For {arguments} fewer GPUs than {number} are enough. Which parts does this stage "
            "shard?",
        )
    expect(
        answer(10e9, 160e9, 0) == 1,
        "State that fits exactly does fit: compare with <=.",
    )
