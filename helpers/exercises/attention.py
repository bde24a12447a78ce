"""Checkers of chapter 11: causal attention, and the memory of a key-value cache."""

from __future__ import annotations

import numpy as np

from helpers.exercises import Mistake, checker, expect


def _softmax(scores: np.ndarray, axis: int = -1) -> np.ndarray:
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def _close(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and bool(np.allclose(found, expected, atol=1e-5))


@checker("11.1", "No row looks ahead, every row of weights adds up to one, and the scale is right.")
def check_causal_attention(answer) -> None:
    """Judges `answer(query, key, value)`: causal attention for arrays of shape (n, width)."""
    rng = np.random.default_rng(0)
    n, width = 6, 4
    query, key = rng.normal(size=(2, n, width)) * 2
    value = rng.normal(size=(n, 3))
    kept = query.copy(), key.copy(), value.copy()
    found = answer(query, key, value)
    if not isinstance(found, np.ndarray) or found.shape != (n, 3):
        shape = getattr(found, "shape", type(found).__name__)
        raise Mistake(f"The result is {shape}; expected an array with one row per query, {(n, 3)}.")
    expect(
        all(np.array_equal(a, b) for a, b in zip(kept, (query, key, value), strict=True)),
        "Your function changes its inputs: work on a copy.",
    )
    raw = query @ key.T
    scores, future = raw / np.sqrt(width), np.triu_indices(n, 1)

    def masked(scores, above=future):
        hidden = scores.copy()
        hidden[above] = -np.inf
        return hidden

    if _close(found, _softmax(masked(scores)) @ value):
        again = answer(query[:1], key[:1], value[:1])
        expect(_close(again, value[:1]), "A text of a single token has to give back its value.")
        return
    zeroed = np.tril(_softmax(scores))
    dropped = scores.copy()
    dropped[future] = 0
    hints = (
        (_softmax(scores) @ value, "Rows see later tokens: hide them before the softmax."),
        (
            _softmax(masked(raw)) @ value,
            "The scale is missing: divide the scores by the square root of the width.",
        ),
        (
            _softmax(masked(raw / width)) @ value,
            "You divided by the width; it is the square root of the width.",
        ),
        (
            zeroed @ value,
            "You hid the future after the softmax, so the rows of weights no longer add up to "
            "one: put minus infinity into the scores before it.",
        ),
        (
            _softmax(dropped) @ value,
            "A score of zero hides nothing, its exponential is one: use minus infinity.",
        ),
        (
            _softmax(scores.T).T @ value,
            "The softmax runs over the wrong axis, and later tokens are visible: each query "
            "spreads one unit of attention over the keys.",
        ),
        (
            np.tril(_softmax(masked(scores), axis=0)) @ value,
            "The softmax runs over the wrong axis: each query (row) spreads one unit of attention "
            "over the keys (last axis).",
        ),
        (
            _softmax(masked(scores.T)) @ value,
            "Queries and keys are swapped: the scores are query @ key.T.",
        ),
    )
    for wrong, hint in hints:
        expect(not _close(found, wrong), hint)
    later = value.copy()
    later[-1] += 100
    expect(
        _close(answer(query, key, later)[:-1], found[:-1]),
        "A later token still changes an earlier row: hide every key behind the query.",
    )
    raise Mistake("The values differ from softmax(query @ key.T / sqrt(width), masked) @ value.")


@checker("11.2", "Two tensors, for each layer, each key-value head and each token.")
def check_kv_cache_bytes(answer) -> None:
    """Judges `answer(layers, kv_heads, head_size, tokens, bytes_per_value)`: bytes, one text."""
    layers, heads, size, tokens, width = 7, 3, 5, 11, 4
    found = answer(layers, heads, size, tokens, width)
    if isinstance(found, bool) or not isinstance(found, int | float | np.number):
        raise Mistake(f"The result is a {type(found).__name__}; give one number of bytes.")
    right = 2 * layers * heads * size * tokens * width
    if found == right:
        expect(
            answer(1, 1, 1, 1, 1) == 2,
            "One layer, head, channel, token and byte must take 2 bytes: a key and a value.",
        )
        return
    hints = {
        right / 2: "You counted keys or values, not both: each token leaves one of each.",
        right / width: "This counts numbers, not bytes: multiply by the bytes of a value.",
        right / layers: "Every layer keeps keys and values of its own.",
        right / heads: "Every key-value head keeps its own channels.",
        right / tokens: "This is the cache of one token: multiply by the tokens.",
        right * tokens: (
            "The cache grows with the tokens, not with their square: the table of scores is "
            "quadratic, and it is not stored."
        ),
        right * 8: "This looks like bits: give bytes.",
    }
    for wrong, hint in hints.items():
        expect(found != wrong, hint)
    raise Mistake(f"For {layers} layers the result is {found}, expected {right}.")
