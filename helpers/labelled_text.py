"""Texts with two labels: film reviews by polarity, or paragraphs of the Python documentation.

The paragraphs are a task that needs no download: each says either "class" or "string", that word is
blanked out, and the label is the word. Chapter 22 uses it first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.data import Documents

HIDDEN, SHORTEST, TEST_SHARE = ("class", "string"), 10, 0.25


def blanked(paragraphs: list[str], words: tuple[str, str] = HIDDEN) -> list[tuple[str, int]]:
    """(paragraph with its word blanked, which word) of those that hold just one of `words`.

    Whole words count, in any case, with a plural s. Paragraphs of fewer than `SHORTEST` words are
    left out.
    """
    patterns = [re.compile(rf"\b{word}(?:e?s)?\b", re.IGNORECASE) for word in words]
    found = []
    for paragraph in paragraphs:
        plain = " ".join(paragraph.split())
        holds = [bool(pattern.search(plain)) for pattern in patterns]
        if sum(holds) == 1 and len(plain.split()) >= SHORTEST:
            found.append((patterns[holds.index(True)].sub("[...]", plain), holds.index(True)))
    return found


def two_classes(name: str) -> Documents:
    """The texts `name` as `Documents` with two classes: "python_docs" or "movie_reviews".

    Raises `DataError` for another name. The split is fixed: every fourth paragraph is a test text.
    """
    import numpy as np

    from helpers import data

    if name == "movie_reviews":
        return data.documents(name)
    if name != "python_docs":
        raise data.DataError(f"There is no text task '{name}': use python_docs or movie_reviews.")
    rows = blanked(re.split(r"\n\s*\n", data.text(name)))
    every = round(1 / TEST_SHARE)
    train = [row for place, row in enumerate(rows) if place % every]
    test = rows[::every]
    parts = []
    for part in (train, test):
        parts += [tuple(text for text, _ in part), np.array([label for _, label in part])]
    source = data.entry(name, ("text",))
    return data.Documents(name, *parts, HIDDEN, source.source, source.licence)


def word_model(texts: Documents) -> Any:
    """A linear model on weighted word counts (TF-IDF), fitted on the training texts: a pipeline."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(min_df=2), LogisticRegression(C=10, max_iter=500))
    return model.fit(texts.texts_train, texts.labels_train)


@dataclass(frozen=True)
class WordStudy:
    """LIME on some texts, one entry a text.

    named           the words that LIME names first for the predicted class
    lost            probability lost when these words are deleted
    lost_by_chance  the same for as many random words of the text, a mean
    match           rank correlation of LIME's weights and the linear model's own
    """

    named: tuple[tuple[str, ...], ...]
    lost: tuple[float, ...]
    lost_by_chance: tuple[float, ...]
    match: tuple[float, ...]


def word_study(
    model: Any,
    texts: Documents,
    count: int,
    samples: int,
    seed: int,
    words: int = 5,
    draws: int = 10,
) -> WordStudy:
    """The `WordStudy` of `model` (from `word_model`) on `count` test texts that it gets right.

    Texts with at least 20 different words are taken, the first ones; LIME draws `samples` texts for
    each. Raises `ExplanationError` when there are fewer such texts.
    """
    import numpy as np
    from scipy.stats import spearmanr

    from helpers.explainers import ExplanationError, lime_words

    labels = model.predict(texts.texts_test)
    chosen = [
        place
        for place, text in enumerate(texts.texts_test)
        if labels[place] == texts.labels_test[place] and len(set(re.findall(r"\w+", text))) >= 20
    ][:count]
    if len(chosen) < count:
        raise ExplanationError(
            f"The model gets {len(chosen)} long enough texts right, not {count}: ask for fewer."
        )
    names, weighed = model[0].get_feature_names_out(), model[0].idf_ * model[1].coef_[0]
    own = dict(zip(names, weighed, strict=True))
    rng, rows = np.random.default_rng(seed), []
    for place in chosen:
        text, label = texts.texts_test[place], int(labels[place])
        weights = lime_words(model.predict_proba, text, label, samples, seed)
        known = [(2 * label - 1) * own.get(word.lower(), 0.0) for word in weights]
        top = tuple(weights)[:words]
        deleted = [top, *(rng.choice(list(weights), words, replace=False) for _ in range(draws))]
        left = [text, *(without(text, part) for part in deleted)]
        chances = model.predict_proba(left)[:, label]
        losses = chances[0] - chances[1:]
        match = spearmanr(known, list(weights.values())).statistic
        rows.append((top, float(losses[0]), float(losses[1:].mean()), float(match)))
    return WordStudy(*zip(*rows, strict=True))


def without(text: str, words: Any) -> str:
    """`text` with each occurrence of the given words deleted; case counts."""
    gone = set(words)
    return re.sub(r"\w+", lambda found: "" if found[0] in gone else found[0], text)
