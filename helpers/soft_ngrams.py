"""A trigram model of bytes that learns from probabilities as well as from counts.

With one-hot targets it counts, as every n-gram model does. With the answers of a language model as
targets it is that model's student, and the averages that it stores are its best weights. Built in
view in chapter 20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.language_models import LanguageModelError, as_tokens


@dataclass(frozen=True, eq=False)
class SoftTrigram:
    """The probabilities of the next byte after no, one and two known bytes.

    single: float32 (256,). pair: float32 (256, 256), a row for each byte before. contexts: int64
    (c,), rising, the pairs of bytes that were seen, as 256 * first + second. triple: float32
    (c, 256), a row for each of them.
    """

    single: np.ndarray
    pair: np.ndarray
    contexts: np.ndarray
    triple: np.ndarray

    def bits_per_byte(self, text: bytes | str | np.ndarray) -> float:
        """Mean of -log2 of the probability of each byte of `text` after the two before it.

        The first two bytes are not scored. A pair that was never seen falls back on one byte.
        """
        tokens = as_tokens(text, least=3).astype(np.int64)
        before, after = 256 * tokens[:-2] + tokens[1:-1], tokens[2:]
        place = np.minimum(np.searchsorted(self.contexts, before), len(self.contexts) - 1)
        known = self.contexts[place] == before
        found = np.where(known, self.triple[place, after], self.pair[before % 256, after])
        return float(-np.log2(found).mean())


def fit_soft_trigram(before: Any, targets: Any, prior: float = 1.0) -> SoftTrigram:
    """The `SoftTrigram` of positions in a text and what is to be predicted at each of them.

    before   int (n, 2), the two bytes before each position
    targets  (n, 256), a distribution for each position: one-hot for the byte that stands there,
             or a teacher's answer
    prior    weight of the shorter context, as a number of observations, above 0

    Each table is the mean of its targets, with `prior` observations of the table below mixed in;
    that mean minimises the cross-entropy with the targets. Raises `LanguageModelError`.
    """
    before, targets = np.asarray(before, np.int64), np.asarray(targets, np.float32)
    if before.ndim != 2 or before.shape[1] != 2 or targets.shape != (len(before), 256):
        raise LanguageModelError(
            f"The contexts have the shape {before.shape} and the targets {targets.shape}; give "
            "(n, 2) bytes and (n, 256) probabilities."
        )
    if not len(before) or before.min() < 0 or before.max() > 255:
        raise LanguageModelError("Give at least one position, with bytes from 0 to 255 before it.")
    if not prior > 0:
        raise LanguageModelError(f"The prior is {prior!r}; give a number above 0.")
    single = _mixed(targets.sum(axis=0), np.float32(1 / 256), prior)
    pair = _mixed(_sums(before[:, 1], targets, 256), single, prior)
    contexts, place = np.unique(256 * before[:, 0] + before[:, 1], return_inverse=True)
    triple = _sums(place.ravel(), targets, len(contexts))
    return SoftTrigram(single, pair, contexts, _mixed(triple, pair[contexts % 256], prior))


def _sums(groups: np.ndarray, targets: np.ndarray, count: int) -> np.ndarray:
    """float32 (count, 256): the targets added up within each group."""
    from scipy.sparse import csr_array

    ones, rows = np.ones(len(groups), np.float32), np.arange(len(groups))
    return csr_array((ones, (groups, rows)), shape=(count, len(groups))) @ targets


def _mixed(sums: np.ndarray, shorter: Any, prior: float) -> np.ndarray:
    return (sums + prior * shorter) / (sums.sum(axis=-1, keepdims=True) + prior)
