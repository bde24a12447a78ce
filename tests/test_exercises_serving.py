"""The checkers of the chapter on serving: stub, solutions, planted mistakes by their hints."""

import math
import zlib

import pytest

from helpers.exercises import serving as check


def stub(*_):
    raise NotImplementedError


@pytest.mark.parametrize("unfinished", [stub, None, ...])
def test_the_stub_is_not_an_error(unfinished):
    for one in (check.read_rows, check.canary, check.replicas):
        assert one(unfinished).status == "open"


def read_rows(
    body,
    width,
    kind=lambda v: type(v) in (int, float),
    finite=lambda v: abs(v) < 1e300,
    every=True,
    look=True,
):
    if look and not isinstance(body, dict):
        return 400, "Send an object."
    rows = body.get("instances")
    if not isinstance(rows, list) or not rows:
        return 400, "Send a list of rows."
    for row in rows if every else rows[:1]:
        if not isinstance(row, list) or len(row) != width:
            return 400, "Send rows of the right width."
    for row in rows:
        if not all(kind(value) and finite(value) for value in row):
            return 400, "Send finite numbers."
    return 200, rows


def read_rows_by_try(body, width):
    """Another way: build what is allowed, and treat every surprise as a refusal."""
    try:
        rows = body["instances"]
        assert type(rows) is list
        assert rows
        assert all(type(row) is list and len(row) == width for row in rows)
        assert all(type(v) in (int, float) and math.isfinite(v) for row in rows for v in row)
    except (AssertionError, KeyError, TypeError, OverflowError):
        return 400, "Send lists of finite numbers."
    return 200, [tuple(row) for row in rows]


@pytest.mark.parametrize("answer", [read_rows, read_rows_by_try])
def test_right_rows(answer):
    assert check.read_rows(answer).status == "right"


def converting(body, width):
    if not isinstance(body, dict) or not isinstance(body.get("instances"), list):
        return 400, "Send an object."
    try:
        rows = [[float(value) for value in row] for row in body["instances"]]
    except (ValueError, TypeError, OverflowError):
        return 400, "Send numbers."
    good = rows and all(len(row) == width for row in rows)
    return (200, rows) if good else (400, "Send rows of the right width.")


def numbers(value):
    return isinstance(value, int | float)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (converting, "float('1') works"),
        (lambda b, w: read_rows(b, w, kind=numbers), "subclass of int"),
        (lambda b, w: read_rows(b, w, finite=lambda v: True), "math.isfinite"),
        (lambda b, w: read_rows(b, w, finite=math.isfinite), "would answer 500"),
        (lambda b, w: read_rows(b, w, every=False), "Check every row"),
        (lambda b, w: read_rows(b, w, look=False), "would answer 500"),
        (lambda b, w: read_rows(b, w)[1], "return two things"),
        (lambda b, w: (400, "No, thank you."), "deserves 200"),
        (
            lambda b, w: read_rows(b, w) if read_rows(b, w)[0] == 200 else (400, None),
            "without a reason",
        ),
    ],
)
def test_wrong_rows(answer, hint):
    feedback = check.read_rows(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def position(user):
    return zlib.crc32(user.encode()) / 2**32


def by_digest(user, share):
    import hashlib

    return int(hashlib.sha256(user.encode()).hexdigest()[:8], 16) < share * 2**32


@pytest.mark.parametrize("answer", [lambda user, share: position(user) < share, by_digest])
def test_right_canary(answer):
    assert check.canary(answer).status == "right"


def by_coin(user, share):
    import random

    return random.random() < share


def with_share(user, share):
    return position(f"{user}-{share}") < share


def by_builtin_hash(user, share):
    return hash(user) % 10_000 < 10_000 * share


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (by_coin, "draw nothing"),
        (with_share, "sent back when it grows"),
        (by_builtin_hash, "differs from process to process"),
        (lambda user, share: position(user) <= share + 0.2, "share of 0"),
        (lambda user, share: position(user) < min(share, 0.9), "share of 1"),
        (lambda user, share: position(user) ** 2 < share, "evenly"),
    ],
)
def test_wrong_canary(answer, hint):
    feedback = check.canary(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def replicas(rate, per_server, utilisation, spare):
    return max(math.ceil(round(rate / (per_server * utilisation), 9)), 1) + spare


def replicas_by_counting(rate, per_server, utilisation, spare):
    count = 1
    while count * per_server * utilisation < rate - 1e-6:
        count += 1
    return count + spare


@pytest.mark.parametrize("answer", [replicas, replicas_by_counting])
def test_right_replicas(answer):
    assert check.replicas(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda r, p, u, s: max(int(r / (p * u)), 1) + s, "round up"),
        (lambda r, p, u, s: max(math.ceil(r / p), 1) + s, "utilisation"),
        (lambda r, p, u, s: max(math.ceil(round(r / (p * u), 9)), 1), "spare"),
        (lambda r, p, u, s: math.ceil(round(r / (p * u), 9)) + s, "one server stays"),
        (lambda r, p, u, s: max(math.ceil(r / (p * u)), 1) + s, "rounding of floats"),
        (lambda r, p, u, s: r / (p * u) + s, "whole number"),
    ],
)
def test_wrong_replicas(answer, hint):
    feedback = check.replicas(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message
