"""Tests of what a service answers: a fuzzer with its own idea of what is right, load, regressions.

The fuzzer decides by an independent route whether a request deserves a prediction: it breaks good
requests in ways that are wrong by construction, and judges random damage with a JSON schema
(https://json-schema.org/) instead of the code under test. Built for chapter 24.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np


class BehaviourError(ValueError):
    """Bad input to a behaviour test; one sentence."""


def _swap(draw: np.random.Generator, pixels: list, value: Any) -> bytes:
    changed = list(pixels)
    changed[int(draw.integers(len(pixels)))] = value
    return json.dumps({"pixels": changed}).encode()


def _raw(draw: np.random.Generator, pixels: list, text: str) -> bytes:
    parts = [repr(value) for value in pixels]
    parts[int(draw.integers(len(pixels)))] = text
    return ('{"pixels": [' + ", ".join(parts) + "]}").encode()


# Every entry breaks a good request so that it is wrong whatever the random numbers are.
BREAKS: dict[str, Callable[[np.random.Generator, list], Any]] = {
    "not a number": lambda d, p: _raw(d, p, str(d.choice(["NaN", "Infinity", "-Infinity"]))),
    "overflow": lambda d, p: _raw(d, p, f"1e{d.integers(309, 9999)}"),
    "huge integer": lambda d, p: _raw(d, p, "1" * int(d.integers(20, 6000))),
    "too large": lambda d, p: _swap(d, p, 1 + float(d.exponential(10)) + 1e-6),
    "negative": lambda d, p: _swap(d, p, -float(d.exponential(1)) - 1e-6),
    "truth value": lambda d, p: _swap(d, p, bool(d.integers(2))),
    "text pixel": lambda d, p: _swap(d, p, str(d.random())),
    "null pixel": lambda d, p: _swap(d, p, None),
    "nested pixel": lambda d, p: _swap(d, p, [0.5] * int(d.integers(1, 4))),
    "too few": lambda d, p: json.dumps({"pixels": p[: int(d.integers(0, len(p)))]}).encode(),
    "too many": lambda d, p: json.dumps({"pixels": p + [0.5] * int(d.integers(1, 9))}).encode(),
    "other name": lambda d, p: json.dumps({str(d.choice(["pixel", "Pixels", ""])): p}).encode(),
    "more names": lambda d, p: json.dumps({"pixels": p, "x": float(d.random())}).encode(),
    "name twice": lambda d, p: b'{"pixels": [], "pixels": ' + json.dumps(p).encode() + b"}",
    "bare list": lambda d, p: json.dumps(p).encode(),
    "no contrast": lambda d, p: json.dumps({"pixels": [float(d.random())] * len(p)}).encode(),
    "cut off": lambda d, p: json.dumps({"pixels": p}).encode()[: -int(d.integers(1, 200))],
    "not UTF-8": lambda d, p: b"\xff\xfe" + d.bytes(int(d.integers(1, 300))),
    "deep nesting": lambda d, p: b"[" * int(d.integers(1_000, 50_000)),
    "too long": lambda d, p: json.dumps({"pixels": p}).encode() + b" " * 100_001,
    "not bytes": lambda d, p: {"pixels": p},
}
KINDS = (*BREAKS, "random damage", "valid")


def deserves(body: bytes, count: int) -> bool:
    """Whether `body` is a request for `count` pixels, decided without the code under test.

    The form by a JSON schema, numbers as decimals, repeated names and constants by Python's
    decoder. Used first in chapter 24.
    """
    import jsonschema

    number = {"type": "number", "minimum": 0, "maximum": 1}
    form = {"type": "array", "items": number, "minItems": count, "maxItems": count}
    schema = {
        "type": "object",
        "properties": {"pixels": form},
        "required": ["pixels"],
        "additionalProperties": False,
    }
    constants, names = [], []
    try:
        content = json.loads(
            body,
            parse_constant=constants.append,
            parse_float=Decimal,
            object_pairs_hook=lambda pairs: names.extend(k for k, _ in pairs) or dict(pairs),
        )
        jsonschema.Draft202012Validator(schema).validate(content)
    except (ValueError, RecursionError, jsonschema.ValidationError):
        return False
    pixels = content["pixels"]
    return not constants and len(names) == 1 and max(pixels) - min(pixels) >= Decimal("0.1")


def any_request() -> Any:
    """A Hypothesis strategy for requests that hold any JSON value, UTF-8 bytes.

    https://hypothesis.readthedocs.io/. Used first in chapter 24.
    """
    from hypothesis import strategies as st

    names = st.sampled_from(["pixels", "x"])
    values = st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(names, inner),
    )
    return values.map(lambda value: json.dumps(value).encode())


def odd_pixel(count: int) -> Any:
    """A Hypothesis strategy: requests for `count` pixels, every second one odd but readable.

    Odd are truth values, numbers from -9 to 9 and texts of digits. Used first in chapter 24.
    """
    from hypothesis import strategies as st

    odd = st.booleans() | st.floats(-9, 9) | st.text("01", min_size=1, max_size=2)
    return odd.map(lambda value: json.dumps({"pixels": [0.5, value] * (count // 2)}).encode())


@dataclass(frozen=True)
class FuzzReport:
    """What a fuzzer found; each list holds (kind, first bytes of the request, what happened)."""

    tried: int
    wrong: int
    kinds: dict[str, int]
    accepted: list[tuple[str, str, str]]
    turned_away: list[tuple[str, str, str]]
    crashed: list[tuple[str, str, str]]


def fuzz(answer: Callable, pictures: Any, tries: int, seed: int) -> FuzzReport:
    """Sends `tries` requests made from `pictures` (n, count) to `answer` and reports what is wrong.

    `wrong` counts the requests that deserve no prediction. `accepted`: such a request got one.
    `turned_away`: a good request was refused, or got a label that is no label. `crashed`: an
    exception came through, or a refusal is not one sentence of up to 200 characters. Same seed,
    same requests. Raises `BehaviourError` for no pictures or no tries. Used first in chapter 24.
    """
    rows = np.asarray(pictures, float)
    if rows.ndim != 2 or len(rows) == 0 or tries < 1:
        raise BehaviourError("The fuzzer needs pictures (n, count) and at least one try.")
    draw, kinds, wrong = np.random.default_rng([seed, 7]), Counter(), 0
    accepted, turned_away, crashed = [], [], []
    for number in range(tries):
        kind = KINDS[number % len(KINDS)]
        pixels = rows[draw.integers(len(rows))].round(6).tolist()
        body = json.dumps({"pixels": pixels}).encode()
        good = kind == "valid"
        if kind in BREAKS:
            body = BREAKS[kind](draw, pixels)
        elif kind == "random damage":
            body = _damage(draw, body)
            good = deserves(body, rows.shape[1])
        kinds[kind] += 1
        wrong += not good
        sample = str(body if len(body) < 60 else (str(body)[:60] + "..."))
        try:
            reply = answer(body)
        except Exception as error:  # whatever comes through is the finding
            crashed.append((kind, sample, repr(error)[:80]))
            continue
        said = reply.refused
        if not good and not said:
            accepted.append((kind, sample, f"predicted {reply.label}"))
        elif good and (said or reply.label is None):
            turned_away.append((kind, sample, said))
        if said and not (said.endswith(".") and "\n" not in said and len(said) <= 200):
            crashed.append((kind, sample, "the refusal is not one sentence"))
    return FuzzReport(tries, wrong, dict(kinds), accepted, turned_away, crashed)


def _damage(draw: np.random.Generator, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(int(draw.integers(1, 4))):
        place = int(draw.integers(len(changed)))
        if draw.random() < 0.5:
            changed[place] = int(draw.integers(256))
        else:
            changed[place:place] = draw.choice([b"-", b"e9", b",", b"0", b"]", b'"', b" "])
    return bytes(changed)


@dataclass(frozen=True)
class LoadReport:
    """One load level: callers at once, requests, answers that differ, seconds of each request."""

    callers: int
    requests: int
    different: int
    per_second: float
    p50_ms: float
    p99_ms: float


def load(answer: Callable, bodies: Sequence[Any], callers: int) -> LoadReport:
    """Sends `bodies` by `callers` threads at once; compares each answer with the one given alone.

    A closed loop: a caller sends its next request when it has its answer. Raises `BehaviourError`
    for no requests or callers. Used first in chapter 24.
    """
    if callers < 1 or not bodies:
        raise BehaviourError("A load test needs at least one caller and one request.")
    alone = [answer(body) for body in bodies]

    def timed(body: Any) -> tuple[Any, float]:
        begin = time.perf_counter()
        return answer(body), time.perf_counter() - begin

    begin = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        found = list(pool.map(timed, bodies))
    elapsed = time.perf_counter() - begin
    different = sum(reply != known for (reply, _), known in zip(found, alone, strict=True))
    p50, p99 = np.percentile([1000 * seconds for _, seconds in found], [50, 99])
    rate = len(bodies) / elapsed
    return LoadReport(callers, len(bodies), different, rate, float(p50), float(p99))


def negative_flips(y: Any, old: Any, new: Any) -> float:
    """Share of all rows that the old model had right and the new one has wrong.

    Yan et al. 2020, https://arxiv.org/abs/2011.09161. Raises `BehaviourError` for unequal lengths.
    Used first in chapter 24.
    """
    y, old, new = map(np.asarray, (y, old, new))
    if not len(y) or not y.shape == old.shape == new.shape:
        raise BehaviourError("Labels, old and new predictions must be lists of one length.")
    return float(((old == y) & (new != y)).mean())
