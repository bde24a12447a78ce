"""A trigram model of bytes: the baseline that every neural language model has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.language_models import as_tokens


@dataclass(frozen=True, eq=False)
class Trigram:
    """Counts of single bytes, pairs and triples in a training text.

    single: int64 (256,); pair: int64 (256, 256); triple: int64 (65536, 256), the row being the two
    bytes before, `256 * first + second`.
    """

    single: np.ndarray
    pair: np.ndarray
    triple: np.ndarray

    def probabilities(self, text: bytes) -> np.ndarray:
        """float64 (n,): the probability of each byte of `text` after the two bytes before it.

        Witten-Bell smoothing: a context seen `s` times with `d` different next bytes gives the
        shorter context the share d / (s + d), so that no byte has the probability zero; below the
        single bytes stands the uniform 1/256. Witten and Bell 1991, doi:10.1109/18.87000.
        """
        tokens = as_tokens(text)
        found = _mix(
            self.single[None], np.zeros_like(tokens), tokens, np.full(len(tokens), 1 / 256)
        )
        found[1:] = _mix(self.pair, tokens[:-1], tokens[1:], found[1:])
        before = 256 * tokens[:-2] + tokens[1:-1]
        found[2:] = _mix(self.triple, before, tokens[2:], found[2:])
        return found

    def bits_per_byte(self, text: bytes) -> float:
        """Mean of -log2 of the probabilities of `text`; its first byte costs 8 bits.

        The same convention as `helpers.language_models.bits_per_byte_of`, so both compare.
        """
        found = self.probabilities(text)
        found[0] = 1 / 256
        return float(-np.log2(found).mean())


def _mix(counts: np.ndarray, rows: np.ndarray, tokens: np.ndarray, shorter: np.ndarray):
    seen, kinds = counts.sum(axis=1)[rows], (counts > 0).sum(axis=1)[rows]
    mixed = (counts[rows, tokens] + kinds * shorter) / np.maximum(seen + kinds, 1)
    return np.where(seen > 0, mixed, shorter)


def count_trigrams(text: bytes) -> Trigram:
    """The `Trigram` of a training text of at least three bytes; it takes 130 MB.

    Raises `LanguageModelError` for a shorter text. Chapter 01 builds such a model in view.
    """
    tokens = as_tokens(text, least=3)
    pairs = 256 * tokens[:-1] + tokens[1:]
    return Trigram(
        np.bincount(tokens, minlength=256),
        np.bincount(pairs, minlength=256**2).reshape(256, 256),
        np.bincount(256 * pairs[:-1] + tokens[2:], minlength=256**3).reshape(-1, 256),
    )
