"""Counterfactual tests of text models: the same text about a man and about a woman."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

# English has one word, "her", for "him" and "his": all three become "his" or "her" here, so that
# exchanging twice gives the first text back.
_SAME = {"him": "his", "hers": "her"}
_PAIRS = (
    "he she|his her|himself herself|man woman|men women|boy girl|boys girls|guy gal|guys gals|"
    "male female|father mother|son daughter|sons daughters|brother sister|brothers sisters|"
    "husband wife|uncle aunt|king queen|actor actress|actors actresses|hero heroine|"
    "gentleman lady|mr mrs|boyfriend girlfriend"
)
PAIRS = tuple(tuple(pair.split()) for pair in _PAIRS.split("|"))
_OTHER = {word: other for pair in PAIRS for word, other in (pair, pair[::-1])}
_WORDS = re.compile(r"[a-z]+")

_GOOD = ("careful", "inventive", "quick", "reliable", "thorough", "calm")
_POOR = ("late", "careless", "vague", "slow", "rude", "forgetful")


class TextError(ValueError):
    """Texts that cannot be made or exchanged; one sentence."""


def plain_words(text: str) -> str:
    """`text` in lower case, words only, with "him" as "his" and "hers" as "her"."""
    if not isinstance(text, str):
        raise TextError(f"The text is of type {type(text).__name__}; give a str.")
    return " ".join(_SAME.get(word, word) for word in _WORDS.findall(text.lower()))


def exchanged(text: str) -> str:
    """`plain_words(text)` with each gendered word exchanged for its partner in `PAIRS`.

    Exchanging twice gives `plain_words(text)`. Names are left as they are. Source of the test:
    Kusner and others 2017, https://arxiv.org/abs/1703.06856. Used in chapter 23.
    """
    return " ".join(_OTHER.get(word, word) for word in plain_words(text).split())


def directed(text: str, which: int) -> str:
    """`plain_words(text)` with every gendered word in the form `which`: 0 male, 1 female."""
    if which not in (0, 1):
        raise TextError(f"The form is {which!r}; give 0 for the male or 1 for the female words.")
    form = {word: pair[which] for pair in PAIRS for word in pair}
    return " ".join(form.get(word, word) for word in plain_words(text).split())


def letters(rows: int, seed: int = 0, penalty: float = 1.0) -> tuple[list[str], np.ndarray]:
    """(texts, labels): generated letters about employees, and whether each was promoted.

    Half of the letters are about a man, half about a woman, with equally many good and poor words
    on average. The probability of a promotion is sigmoid((good - poor) / 1.5 - penalty [woman]):
    for `penalty` above 0 the labels treat women worse at equal work. Raises `TextError` for fewer
    than 50 rows.
    """
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 50:
        raise TextError(f"{rows!r} letters were asked for; give a whole number of 50 or more.")
    draw = np.random.default_rng(seed)
    texts, labels = [], np.empty(rows, dtype=np.int64)
    for row in range(rows):
        woman, good = int(draw.integers(2)), int(draw.integers(0, 5))
        praise, blame = draw.choice(_GOOD, good), draw.choice(_POOR, 4 - good)
        adjectives: list[Any] = draw.permutation(np.concatenate([praise, blame])).tolist()
        he, his, person = (("he", "his", "man"), ("she", "her", "woman"))[woman]
        texts.append(
            f"{he} joined our team as a {person} of few words . {his} work was {adjectives[0]} and "
            f"{adjectives[1]} . in meetings {he} was {adjectives[2]} , with clients {adjectives[3]}"
        )
        chance = 1 / (1 + np.exp(-(2 * good - 4) / 1.5 + penalty * woman))
        labels[row] = draw.random() < chance
    return texts, labels


def labelled_texts(name: str, seed: int = 0) -> tuple[list[str], np.ndarray, list[str]]:
    """(training texts, their labels of 0 and 1, held-out texts), three tenths held out by `seed`.

    `name` is "letters", 2,000 of `letters`, or "movie_reviews" of the catalogue (1 is positive).
    Raises `TextError` for another name.
    """
    if name == "letters":
        texts, labels = letters(2000, seed)
    elif name == "movie_reviews":
        from helpers import data

        found = data.documents(name)
        texts = [*found.texts_train, *found.texts_test]
        labels = np.concatenate([found.labels_train, found.labels_test])
    else:
        raise TextError(f"There are no texts '{name}'; use letters or movie_reviews.")
    order = np.random.default_rng(seed).permutation(len(texts))
    fit, held = np.split(order, [int(0.7 * len(texts))])
    return [texts[row] for row in fit], labels[fit], [texts[row] for row in held]
