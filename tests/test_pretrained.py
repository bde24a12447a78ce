"""The stored GPT: whole, the one the course was written with, and worth its bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from helpers import data, language_models, language_training, ngrams, pretrained, profiles, training

CPU = profiles.Profile("quick", "cpu", "float32")


@dataclass(frozen=True)
class SmallRun:
    seed: int = 0
    profile: profiles.Profile = CPU


@pytest.fixture(scope="module")
def stored():
    training.prepare_keras(SmallRun())
    return pretrained.language_model(SmallRun(), "tiny_shakespeare")


def test_the_stored_model_beats_a_trigram_model_on_bytes_that_it_has_not_seen(stored):
    model, seen, unseen = stored
    trigram = ngrams.count_trigrams(seen).bits_per_byte(unseen)
    assert language_training.bits_per_byte_of(model, unseen) < trigram - 0.1


def test_the_text_to_score_on_lies_after_the_text_of_the_training(stored):
    _, seen, unseen = stored
    text = data.text("python_docs").encode()
    assert text.startswith(seen)
    assert text.find(unseen) >= len(text) * 9 // 10 > len(seen)


def test_the_weights_come_back_as_they_were_stored(stored, tmp_path):
    model, _, _ = stored
    digest = pretrained.store(model, path := tmp_path / "models" / "gpt.npz")
    pairs = zip(model.get_weights(), pretrained.small_gpt(path, digest).get_weights(), strict=True)
    assert all(np.array_equal(before, after) for before, after in pairs)
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("content", [None, b"not a model"])
def test_a_missing_or_another_file_is_one_sentence(content, tmp_path):
    path = tmp_path / "gpt.npz"
    if content:
        path.write_bytes(content)
    with pytest.raises(language_models.LanguageModelError, match="restore the file") as caught:
        pretrained.small_gpt(path)
    assert "\n" not in str(caught.value)
