"""The checkers of chapter 11 meet each planted mistake with its own hint."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises.attention import check_causal_attention, check_kv_cache_bytes


def softmax(scores, axis=-1):
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def attention(query, key, value, *, scale=np.sqrt, above=1, after=False, fill=-np.inf, axis=-1):
    scores = query @ key.T / scale(query.shape[1])
    hidden = np.triu(np.ones_like(scores, bool), above)
    if after:
        return np.where(hidden, 0, softmax(scores)) @ value
    return softmax(np.where(hidden, fill, scores), axis) @ value


def by_rows(query, key, value):
    rows = []
    for place, one in enumerate(query):
        scores = key[: place + 1] @ one / len(one) ** 0.5
        weights = np.exp(scores - scores.max())
        rows.append(weights / weights.sum() @ value[: place + 1])
    return np.array(rows)


def stub(*_):
    raise NotImplementedError


def in_place(query, key, value):
    result = attention(query, key, value)
    query *= 0
    return result


@pytest.mark.parametrize("solution", [attention, by_rows])
def test_causal_attention_accepts_solutions(solution):
    assert check_causal_attention(solution).status == RIGHT


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda q, k, v: attention(q, k, v, above=9), "see later tokens"),
        (lambda q, k, v: attention(q, k, v, scale=lambda w: 1), "scale is missing"),
        (lambda q, k, v: attention(q, k, v, scale=lambda w: w), "divided by the width"),
        (lambda q, k, v: attention(q, k, v, after=True), "after the softmax"),
        (lambda q, k, v: attention(q, k, v, fill=0.0), "score of zero hides nothing"),
        (lambda q, k, v: attention(q, k, v, axis=0), "wrong axis"),
        (lambda q, k, v: softmax(q @ k.T / 2, axis=0) @ v, "wrong axis, and later tokens"),
        (lambda q, k, v: attention(k, q, v), "swapped"),
        (lambda q, k, v: attention(q, k, v, above=2), "later token still changes"),
        (lambda q, k, v: attention(q, k, v).sum(axis=0), "one row per query"),
        (lambda q, k, v: attention(q, k, v) + 0.5, "The values differ"),
        (in_place, "changes its inputs"),
        (lambda q, k, v: attention(q, k), "stopped with TypeError"),
    ],
)
def test_causal_attention_names_the_mistake(mistake, hint):
    feedback = check_causal_attention(mistake)
    assert feedback.status == WRONG
    assert hint in feedback.message


def cache(layers, kv_heads, head_size, tokens, bytes_per_value):
    return 2 * layers * kv_heads * head_size * tokens * bytes_per_value


@pytest.mark.parametrize("solution", [cache, lambda *sizes: float(2 * np.prod(sizes))])
def test_cache_bytes_accept_solutions(solution):
    assert check_kv_cache_bytes(solution).status == RIGHT


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda *s: cache(*s) // 2, "keys or values, not both"),
        (lambda *s: cache(*s[:4], 1), "numbers, not bytes"),
        (lambda *s: cache(1, *s[1:]), "Every layer"),
        (lambda *s: cache(s[0], 1, *s[2:]), "Every key-value head"),
        (lambda *s: cache(*s[:3], 1, s[4]), "cache of one token"),
        (lambda *s: cache(*s) * s[3], "not with their square"),
        (lambda *s: cache(*s) * 8, "bits"),
        (lambda *s: cache(*s) + 1, "expected"),
        (lambda *s: "many", "one number of bytes"),
        (lambda *s: cache(7, 3, *s[2:]), "must take 2 bytes"),
    ],
)
def test_cache_bytes_name_the_mistake(mistake, hint):
    feedback = check_kv_cache_bytes(mistake)
    assert feedback.status == WRONG
    assert hint in feedback.message


@pytest.mark.parametrize("check", [check_causal_attention, check_kv_cache_bytes])
def test_the_untouched_stub_is_open(check):
    assert check(stub).status == OPEN
    assert check(None).status == OPEN
