"""The checkers of chapter 14: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import distributed_training as check


def stub(*_):
    raise NotImplementedError


def shard(rows, rank, workers, seed):
    return np.random.default_rng(seed).permutation(rows)[rank::workers]


def shard_in_blocks(rows, rank, workers, seed):
    everyone = np.arange(rows)
    np.random.default_rng(seed).shuffle(everyone)
    return np.array_split(everyone, workers)[rank]


def combine(gradients, rows):
    shares = [(g, n) for g, n in zip(gradients, rows, strict=True) if n]
    return sum(n * g for g, n in shares) / sum(n for _, n in shares)


def combine_by_average(gradients, rows):
    kept = np.asarray(rows) > 0
    return np.average(np.stack(gradients)[kept], axis=0, weights=np.asarray(rows)[kept])


def needed(parameters, memory, stage, parts=((12, 1), (2, 2), (2, 3)), fits=lambda a, b: a <= b):
    for gpus in (2**power for power in range(17)):
        each = sum(size / (gpus if stage >= since else 1) for size, since in parts)
        if fits(parameters * each, memory):
            return gpus
    return None


def needed_by_doubling(parameters, memory, stage):
    whole = {0: 16, 1: 4, 2: 2, 3: 0}[stage] * parameters
    sharded, gpus = 16 * parameters - whole, 1
    while whole + sharded / gpus > memory:
        gpus *= 2
        if gpus > 65_536:
            return None
    return gpus


CHECKERS = [check.shard, check.combine, check.gpus_needed]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.shard, shard),
        (check.shard, shard_in_blocks),
        (check.combine, combine),
        (check.combine, combine_by_average),
        (check.gpus_needed, needed),
        (check.gpus_needed, needed_by_doubling),
    ],
)
def test_right_answers_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


def first_slice(rows, rank, workers, seed):
    return np.random.default_rng(seed).permutation(rows)[: rows // workers]


def own_permutation(rows, rank, workers, seed):
    return np.random.default_rng(seed + rank).permutation(rows)[rank::workers]


def equal_shares_only(rows, rank, workers, seed):
    return np.random.default_rng(seed).permutation(rows)[: rows // workers * workers][rank::workers]


def rest_to_the_last(rows, rank, workers, seed):
    everyone, size = np.random.default_rng(seed).permutation(rows), rows // workers
    return everyone[rank * size : None if rank == workers - 1 else (rank + 1) * size]


def unseeded(rows, rank, workers, seed, calls=None):
    calls = unseeded.__dict__.setdefault("calls", [])
    calls.append(rank)
    order = np.random.default_rng(seed + (len(calls) > 11)).permutation(rows)
    return order[rank::workers]


def never_shuffled(rows, rank, workers, seed):
    return np.arange(rows)[rank::workers]


def from_one(rows, rank, workers, seed):
    return shard(rows, rank, workers, seed) + 1


def mutating(gradients, rows):
    shares = [(g, n) for g, n in zip(gradients, rows, strict=True) if n]
    for gradient, count in shares:
        gradient *= count
    result = sum(g for g, _ in shares) / sum(n for _, n in shares)
    return result


def gpus(parts, fits=lambda a, b: a <= b):
    return lambda parameters, memory, stage: needed(parameters, memory, stage, parts, fits)


@pytest.mark.parametrize(
    ("checker", "mistake", "hint"),
    [
        (check.shard, first_slice, "the same rows"),
        (check.shard, own_permutation, "the same permutation"),
        (check.shard, equal_shares_only, "left over"),
        (check.shard, rest_to_the_last, "differ by one"),
        (check.shard, unseeded, "The same seed"),
        (check.shard, never_shuffled, "shuffle before"),
        (check.shard, from_one, "from 0 to"),
        (check.shard, lambda *_: [[1, 2]], "array of whole row numbers"),
        (check.combine, lambda gradients, rows: sum(gradients), "then divide"),
        (check.combine, lambda gradients, rows: sum(gradients) / len(gradients), "weight by"),
        (
            check.combine,
            lambda g, n: sum(a * b for a, b in zip(g, n, strict=True)) / sum(n),
            "without rows",
        ),
        (check.combine, mutating, "were changed"),
        (check.combine, lambda gradients, rows: gradients[0].sum(), "shape"),
        (check.gpus_needed, gpus(((16, 0),)), "Stage 0 shards nothing"),
        (check.gpus_needed, gpus(((12, 1), (4, 2))), "leaves the weights"),
        (check.gpus_needed, gpus(((14, 1), (2, 3))), "optimizer only"),
        (check.gpus_needed, gpus(((4, 1), (2, 2), (2, 3))), "Expected None"),
        (check.gpus_needed, gpus(((12, 3), (2, 3), (2, 3))), "7000000000.0"),
        (check.gpus_needed, gpus(((12, 1), (2, 2), (2, 3)), lambda a, b: a < b), "exactly"),
        (check.gpus_needed, lambda p, m, s: needed(p, m, s) and 3, "no power of two"),
    ],
)
def test_planted_mistakes_meet_their_hint(checker, mistake, hint):
    feedback = checker(mistake)
    assert feedback.status == WRONG
    assert hint in feedback.message, feedback.message
