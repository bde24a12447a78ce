"""Which words a language model's next text rests on: by hiding words, and by attention.

For the small GPT of `helpers.language_models`, whose tokens are bytes. A word is hidden by blanks
of the same length, so that every other byte keeps its place. Chapter 22 uses it first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.language_models import LanguageModelError, as_tokens, gpt_sizes, transformer, whole

if TYPE_CHECKING:
    import keras

BLANK = 32


@dataclass(frozen=True, eq=False)
class Passage:
    """A prompt, its continuation, and the words of the prompt.

    tokens  int32 (n,): prompt and continuation; last  how many of them are the continuation;
    spans   (start, end) of each word of at least two letters in the prompt.
    """

    tokens: np.ndarray
    last: int
    spans: tuple[tuple[int, int], ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the prompt, in order."""
        return tuple(bytes(self.tokens[a:b].astype(np.uint8)).decode() for a, b in self.spans)

    def hide(self, words: Sequence[int]) -> np.ndarray:
        """int32 (n,): the tokens with the words of these numbers replaced by blanks."""
        hidden = self.tokens.copy()
        for word in words:
            hidden[slice(*self.spans[word])] = BLANK
        return hidden


def passages(
    text: bytes | str, count: int, prompt: int = 120, last: int = 12, seed: int = 0, words: int = 10
) -> list[Passage]:
    """`count` passages of `prompt` + `last` bytes at random places of `text`.

    Only places with at least `words` words in the prompt are taken, and they depend on `seed`
    alone. Raises `LanguageModelError` for a text too short or too poor in words.
    """
    for name, value in (("count", count), ("prompt", prompt), ("last", last), ("words", words)):
        whole(name, value)
    length = prompt + last
    tokens = as_tokens(text, least=length, what="text to explain").astype(np.int32)
    found: list[Passage] = []
    rng = np.random.default_rng(seed)
    for start in rng.permutation(len(tokens) - length + 1):
        part = tokens[start : start + length]
        letters = bytes(part[:prompt].astype(np.uint8))
        spans = tuple(match.span() for match in re.finditer(rb"[A-Za-z]{2,}", letters))
        if len(spans) >= words:
            found.append(Passage(part, last, spans))
        if len(found) == count:
            return found
    raise LanguageModelError(
        f"The text has {len(found)} passages with {words} words, not {count}: give a longer text "
        "or ask for fewer."
    )


def continuation_nats(model: keras.Model, tokens: np.ndarray, last: int) -> np.ndarray:
    """float64 (batch,): log-probability of the `last` tokens given all before, in nats.

    tokens is int32 (batch, n), n - 1 no longer than the model's context. One forward pass a row.
    """
    from keras import ops

    tokens = np.asarray(tokens)
    if tokens.ndim != 2 or not 0 < last < tokens.shape[1]:
        raise LanguageModelError(
            f"The tokens have the shape {tokens.shape} and the last {last} are to be scored: give "
            "rows of tokens that are longer than that."
        )
    logits = model(tokens[:, :-1], training=False)[:, -last:]
    logs = ops.convert_to_numpy(ops.log_softmax(logits, axis=-1))
    return np.take_along_axis(logs, tokens[:, -last:, None], 2)[..., 0].sum(1, dtype=np.float64)


def leave_one_out(model: keras.Model, passage: Passage) -> np.ndarray:
    """float64 (words,): nats that the continuation loses when one word is hidden."""
    rows = [passage.tokens, *(passage.hide([word]) for word in range(len(passage.spans)))]
    scores = continuation_nats(model, np.stack(rows), passage.last)
    return scores[0] - scores[1:]


def attention_weights(model: keras.Model, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(attention (layers, batch, heads, n, n), logits (batch, n, vocabulary)) of a GPT.

    Each row of attention adds up to 1 over the tokens up to its own. The logits come from the same
    pass, so that they can be compared with the model's own.
    """
    from keras import ops

    from helpers.language_models import distance_bias

    sizes, kept = gpt_sizes(model), []
    tokens = np.atleast_2d(tokens).astype(np.int32)
    positions = np.arange(tokens.shape[1], dtype=np.int32)[None]
    past = np.tril(np.ones((tokens.shape[1],) * 2, bool))

    def attend(block, query, key, value):
        scores = ops.einsum("bnhd,bmhd->bhnm", query, key) / np.float32(np.sqrt(query.shape[-1]))
        scores = ops.where(past, scores + distance_bias(sizes, positions, positions), -1e9)
        weights = ops.softmax(scores, axis=-1)
        kept.append(ops.convert_to_numpy(weights))
        return ops.einsum("bhnm,bmhd->bnhd", weights, value)

    logits = transformer(model.get_layer, sizes, tokens, attend)
    return np.stack(kept), ops.convert_to_numpy(logits)


def attention_to_words(model: keras.Model, passage: Passage) -> np.ndarray:
    """float64 (words,): attention of the last block to each word, mean over heads and positions.

    The positions are those that predict the continuation.
    """
    weights, _ = attention_weights(model, passage.tokens[:-1])
    to_tokens = weights[-1, 0].mean(0)[-passage.last :].mean(0, dtype=np.float64)
    return np.array([to_tokens[start:end].sum() for start, end in passage.spans])


def hiding_study(
    model: keras.Model, found: Sequence[Passage], hidden: int = 2, draws: int = 10, seed: int = 0
) -> tuple[dict[str, float], float]:
    """(rule -> nats lost when the words it names are hidden, rank agreement), means over `found`.

    Rules: leave-one-out, attention, the last words, and random words (mean over `draws`); each
    names `hidden` words. The rank agreement is Spearman's, between attention and leave-one-out.
    """
    from scipy.stats import spearmanr

    rng, lost, alike = np.random.default_rng(seed), [], []
    for passage in found:
        effect, looked = leave_one_out(model, passage), attention_to_words(model, passage)
        rules = [np.argsort(-effect), np.argsort(-looked), np.arange(len(effect))[::-1]]
        chosen = [rule[:hidden] for rule in rules]
        chosen += [rng.choice(len(effect), hidden, replace=False) for _ in range(draws)]
        rows = np.stack([passage.tokens, *(passage.hide(words) for words in chosen)])
        scores = continuation_nats(model, rows, passage.last)
        losses = scores[0] - scores[1:]
        lost.append([*losses[:3], losses[3:].mean()])
        alike.append(spearmanr(effect, looked).statistic)
    names = ("leave-one-out", "attention", "the last words", "random words")
    return dict(zip(names, np.mean(lost, axis=0).tolist(), strict=True)), float(np.mean(alike))
