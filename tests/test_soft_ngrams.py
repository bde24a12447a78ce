"""The soft trigram against counting by hand, and its refusals."""

from collections import Counter

import numpy as np
import pytest

from helpers.language_models import LanguageModelError
from helpers.soft_ngrams import fit_soft_trigram

TEXT = np.frombuffer(b"abracadabra, abracadabra and abra", np.uint8).astype(int)
BEFORE = np.stack([TEXT[:-2], TEXT[1:-1]], axis=1)
ONE_HOT = np.eye(256)[TEXT[2:]]


def by_counting(text, prior):
    """P(c | a, b) with the shorter contexts mixed in, from plain counts."""
    next_bytes = Counter(text[2:].tolist())
    pairs = Counter(zip(text[1:-1].tolist(), text[2:].tolist(), strict=True))
    triples = Counter(zip(text[:-2].tolist(), text[1:-1].tolist(), text[2:].tolist(), strict=True))
    ones, twos = Counter(), Counter()
    for (b, _), n in pairs.items():
        ones[b] += n
    for (a, b, _), n in triples.items():
        twos[a, b] += n

    def single(c):
        return (next_bytes[c] + prior / 256) / (len(text) - 2 + prior)

    def pair(b, c):
        return (pairs[b, c] + prior * single(c)) / (ones[b] + prior)

    def triple(a, b, c):
        return (triples[a, b, c] + prior * pair(b, c)) / (twos[a, b] + prior)

    return triple


@pytest.mark.parametrize("prior", [0.1, 1, 5])
def test_one_hot_targets_count(prior):
    fit, expected = fit_soft_trigram(BEFORE, ONE_HOT, prior), by_counting(TEXT, prior)
    other = np.frombuffer(b"bra, zab and cadabr", np.uint8).astype(int)
    costs = [-np.log2(expected(*map(int, other[i : i + 3]))) for i in range(len(other) - 2)]
    assert fit.bits_per_byte(bytes(other.astype(np.uint8))) == pytest.approx(np.mean(costs), 1e-5)


def test_rows_are_distributions():
    draw = np.random.default_rng(0)
    targets = draw.dirichlet(np.ones(256), len(BEFORE))
    fit = fit_soft_trigram(BEFORE, targets, 0.5)
    for table in (fit.single[None], fit.pair, fit.triple):
        np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-4)
    assert (np.diff(fit.contexts) > 0).all()


def test_the_mean_has_the_least_cross_entropy():
    """With hardly any prior the table beats every nudged one on its own targets."""
    draw = np.random.default_rng(1)
    targets = draw.dirichlet(np.ones(256), 40)
    before = np.tile([[97, 98]], (40, 1))
    table = fit_soft_trigram(before, targets, 1e-6).triple[0]

    def cost(q):
        return -(targets * np.log(q)).sum(axis=1).mean()

    for _ in range(5):
        nudged = table * np.exp(draw.normal(0, 0.1, 256))
        assert cost(table) < cost(nudged / nudged.sum())


@pytest.mark.parametrize(
    ("before", "targets", "prior", "words"),
    [
        (BEFORE[:, :1], ONE_HOT, 1, "contexts have the shape"),
        (BEFORE, ONE_HOT[:-1], 1, "contexts have the shape"),
        (BEFORE[:0], ONE_HOT[:0], 1, "at least one position"),
        (BEFORE + 200, ONE_HOT, 1, "bytes from 0 to 255"),
        (BEFORE, ONE_HOT, 0, "above 0"),
    ],
)
def test_bad_input_gets_a_sentence(before, targets, prior, words):
    with pytest.raises(LanguageModelError, match=words):
        fit_soft_trigram(before, targets, prior)
