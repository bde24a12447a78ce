"""The checkers of chapter 16: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import hashlib
import math
import re

import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import fault_tolerance as check


def stub(*_):
    raise NotImplementedError


def wait(attempt, first, longest, draw):
    return draw(0, min(longest, first * 2 ** (attempt - 1)))


def wait_in_a_loop(attempt, first, longest, draw):
    limit = first
    for _ in range(attempt - 1):
        limit = min(longest, limit + limit)
    return draw(0.0, limit)


def intact(name, content):
    return name.endswith(f"-{hashlib.sha256(content).hexdigest()[:16]}.npz")


def newest(files):
    return max((n for n, c in files.items() if intact(n, c)), default=None)


def newest_by_pattern(files):
    good = []
    for name, content in files.items():
        match = re.fullmatch(r"step-(\d+)-(\w{16})\.npz", name)
        if match and hashlib.sha256(content).hexdigest().startswith(match[2]):
            good.append((int(match[1]), name))
    return sorted(good)[-1][1] if good else None


def last_name(files):
    return max(n for n in files if n.endswith(".npz"))


def only_newest(files):
    name = last_name(files)
    return name if intact(name, files[name]) else None


def every(write, gpu_years, gpus):
    return math.sqrt(2 * write * gpu_years * 31_536_000 / gpus)


def every_by_power(write, gpu_years, gpus):
    return (2 * write) ** 0.5 * (gpu_years * 365 * 24 * 3600) ** 0.5 / gpus**0.5


CHECKERS = [check.wait_before, check.newest_intact, check.save_every]


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_stub_is_open(checker):
    assert checker(stub).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.wait_before, wait),
        (check.wait_before, wait_in_a_loop),
        (check.newest_intact, newest),
        (check.newest_intact, newest_by_pattern),
        (check.save_every, every),
        (check.save_every, every_by_power),
    ],
)
def test_a_solution_is_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.wait_before, lambda a, f, g, d: min(g, f * 2 ** (a - 1)), "never called"),
        (check.wait_before, lambda a, f, g, d: d(0, min(g, f * 2**a)), "counts from 1"),
        (check.wait_before, lambda a, f, g, d: d(0, min(g, f * a)), "has to double"),
        (check.wait_before, lambda a, f, g, d: d(0, f * 2 ** (a - 1)), "cap it"),
        (check.wait_before, lambda a, f, g, d: d(f, min(g, f * 2 ** (a - 1))), "from 0"),
        (check.newest_intact, last_name, "truncated file was accepted"),
        (check.newest_intact, only_newest, "go on to the one before"),
        (check.newest_intact, lambda files: next(iter(files)) and min(files), "highest step"),
        (check.save_every, lambda c, m, n: (2 * c * m / n) ** 0.5, "years into seconds"),
        (check.save_every, lambda c, m, n: every(c / 2, m, n), "factor is missing"),
        (check.save_every, lambda c, m, n: every(c, m, 1), "fail more often"),
        (check.save_every, lambda c, m, n: every(c, m, 1) / n, "divide under the root"),
        (check.save_every, lambda c, m, n: every(c, m, 1 / n), "shorter, not longer"),
    ],
)
def test_a_mistake_meets_its_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message
