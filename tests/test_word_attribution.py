"""Words hidden from the small GPT, and its attention, against the model's own numbers."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.language_models import LanguageModelError, build_gpt
from helpers.word_attribution import (
    Passage,
    attention_to_words,
    attention_weights,
    continuation_nats,
    hiding_study,
    leave_one_out,
    passages,
)

TEXT = b"The quick brown fox jumps over the lazy dog and then it sleeps. " * 4


@pytest.fixture(scope="module")
def gpt():
    return build_gpt(context=64, width=16, layers=2, heads=2, seed=1)


@pytest.fixture
def passage():
    return passages(TEXT, 1, prompt=40, last=6, seed=3, words=4)[0]


def test_passages_are_pieces_of_the_text_with_their_words(passage):
    assert bytes(passage.tokens.astype(np.uint8)) in TEXT
    assert passage.last == 6
    assert len(passage.words) >= 4
    assert all(word.isalpha() and len(word) >= 2 for word in passage.words)
    assert max(end for _, end in passage.spans) <= 40
    first, second = (passages(TEXT, 3, 40, 6, seed=5, words=4) for _ in range(2))
    assert all(np.array_equal(a.tokens, b.tokens) for a, b in zip(first, second, strict=True))


def test_a_text_without_words_is_refused():
    with pytest.raises(LanguageModelError, match="give a longer text"):
        passages(b"1234 5678 " * 20, 1, prompt=40, last=6, words=4)


def test_a_hidden_word_is_blank_and_the_rest_stays(passage):
    hidden = passage.hide([1])
    start, end = passage.spans[1]
    assert set(hidden[start:end]) == {32}
    rest = np.r_[0:start, end : len(hidden)]
    np.testing.assert_array_equal(hidden[rest], passage.tokens[rest])


def test_the_score_is_that_of_one_byte_at_a_time(gpt, passage):
    tokens = passage.tokens
    total = 0.0
    for place in range(len(tokens) - 6, len(tokens)):
        logits = np.asarray(gpt(tokens[None, :place], training=False))[0, -1].astype(float)
        total += logits[tokens[place]] - np.log(np.exp(logits).sum())
    assert continuation_nats(gpt, tokens[None], 6)[0] == pytest.approx(total, abs=1e-4)
    with pytest.raises(LanguageModelError, match="longer than that"):
        continuation_nats(gpt, tokens, 6)


def test_leaving_out_is_a_difference_of_scores(gpt, passage):
    found = leave_one_out(gpt, passage)
    base, without = continuation_nats(gpt, np.stack([passage.tokens, passage.hide([2])]), 6)
    assert found.shape == (len(passage.spans),)
    assert found[2] == pytest.approx(base - without, abs=1e-5)


def test_attention_is_that_of_the_model(gpt, passage):
    weights, logits = attention_weights(gpt, passage.tokens[:-1])
    n = len(passage.tokens) - 1
    assert weights.shape == (2, 1, 2, n, n)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert np.triu(weights[0, 0, 0], 1).max() == 0
    own = np.asarray(gpt(passage.tokens[None, :-1], training=False))
    np.testing.assert_allclose(logits, own, atol=1e-4)
    found = attention_to_words(gpt, passage)
    assert found.shape == (len(passage.spans),)
    assert 0 < found.sum() < 1


def test_the_study_orders_leaving_out_above_chance(gpt):
    found = passages(TEXT, 3, prompt=40, last=6, seed=0, words=5)
    lost, same = hiding_study(gpt, found, hidden=1, draws=20, seed=0)
    assert lost["leave-one-out"] >= lost["attention"]
    assert lost["leave-one-out"] >= lost["random words"]
    assert -1 <= same <= 1


def test_hiding_everything_a_rule_names_is_what_is_counted(gpt):
    tokens = np.frombuffer(b"one two three four end", np.uint8).astype(np.int32)
    spans = ((0, 3), (4, 7), (8, 13))
    passage = Passage(tokens, 4, spans)
    lost, _ = hiding_study(gpt, [passage], hidden=3, draws=2, seed=0)
    both = continuation_nats(gpt, np.stack([tokens, passage.hide([0, 1, 2])]), 4)
    assert set(np.round(list(lost.values()), 4)) == {round(float(both[0] - both[1]), 4)}
