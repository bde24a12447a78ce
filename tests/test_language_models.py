"""The small GPT against hand formulas, NumPy, its own cache, and the other backend."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from helpers import generation, language_models, language_training, ngrams
from helpers.language_models import LanguageModelError

TEXT = b"the cat sat on the mat and the dog sat on the log; " * 40


@pytest.fixture(scope="module")
def model():
    return language_models.build_gpt(256, context=24, width=16, layers=2, heads=2, seed=1)


def softmax(scores):
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def forward_by_hand(model, tokens):
    """Logits of the whole model in NumPy, from its weights alone."""
    sizes = language_models.gpt_sizes(model)

    def weights(name):
        return [np.asarray(w, np.float64) for w in model.get_layer(name).get_weights()]

    def norm(x, name):
        gamma, beta = weights(name)
        centred = x - x.mean(axis=-1, keepdims=True)
        return gamma * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) + beta

    def gelu(x):
        error_function = np.vectorize(__import__("math").erf)
        return x * 0.5 * (1 + error_function(x / np.sqrt(2)))

    n = len(tokens)
    distance = np.subtract.outer(np.arange(n), np.arange(n))
    x = weights("token_embedding")[0][tokens]
    size = sizes.width // sizes.heads
    for block in range(1, sizes.layers + 1):
        normed, parts = norm(x, f"block_{block}_norm_1"), []
        q, k, v = (
            normed @ weights(f"block_{block}_{part}")[0] for part in ("query", "key", "value")
        )
        for head in range(sizes.heads):
            h = slice(head * size, (head + 1) * size)
            scores = q[:, h] @ k[:, h].T / np.sqrt(size)
            scores -= 2.0 ** (-8 * (head + 1) / sizes.heads) * distance
            scores[np.triu_indices(n, 1)] = -np.inf
            parts.append(softmax(scores) @ v[:, h])
        x = x + np.concatenate(parts, axis=-1) @ weights(f"block_{block}_output")[0]
        up, up_bias = weights(f"block_{block}_mlp_up")
        down, down_bias = weights(f"block_{block}_mlp_down")
        x = x + gelu(norm(x, f"block_{block}_norm_2") @ up + up_bias) @ down + down_bias
    return norm(x, "final_norm") @ weights("logits")[0]


def test_the_model_is_what_numpy_computes_from_its_weights(model):
    tokens = np.random.default_rng(0).integers(0, 256, 20)
    found = np.asarray(model(tokens[None]))[0]
    np.testing.assert_allclose(found, forward_by_hand(model, tokens), atol=1e-5)


def test_parameters_follow_the_hand_formula(model):
    block = 4 * 16 * 16 + (16 * 64 + 64) + (64 * 16 + 16) + 2 * 2 * 16
    by_hand = 256 * 16 + 2 * block + 2 * 16 + 16 * 256
    assert model.count_params() == by_hand == language_models.gpt_sizes(model).parameters


def test_no_future_token_changes_a_past_logit(model):
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 256, (1, 24))
    before = np.asarray(model(tokens))
    for place in range(1, 24):
        changed = tokens.copy()
        changed[0, place:] = (tokens[0, place:] + rng.integers(1, 256, 24 - place)) % 256
        after = np.asarray(model(changed))
        np.testing.assert_array_equal(after[0, :place], before[0, :place])
        assert not np.allclose(after[0, place], before[0, place])


def test_seed_alone_decides_the_initial_weights(model):
    again = language_models.build_gpt(256, 24, 16, 2, 2, seed=1)
    other = language_models.build_gpt(256, 24, 16, 2, 2, seed=2)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    pairs = zip(model.get_weights(), other.get_weights(), strict=True)
    assert sum(not np.array_equal(a, b) for a, b in pairs) == 2 + 2 * 6
    matrices = [w.ravel()[:200] for w in model.get_weights() if w.ndim == 2]
    correlations = np.corrcoef(matrices)[np.triu_indices(len(matrices), 1)]
    assert np.abs(correlations).max() < 0.35  # Two layers with one seed would give 1.


def test_saving_and_loading_keeps_every_logit(model, tmp_path):
    import keras

    tokens = np.arange(20)[None]
    model.save(tmp_path / "gpt.keras")
    loaded = keras.models.load_model(tmp_path / "gpt.keras")
    np.testing.assert_array_equal(np.asarray(loaded(tokens)), np.asarray(model(tokens)))
    assert language_models.gpt_sizes(loaded) == language_models.gpt_sizes(model)
    first = generation.generate(loaded, b"the", 8)
    np.testing.assert_array_equal(first, generation.generate(model, b"the", 8))


def test_quantized_and_saved_it_is_the_same_model(tmp_path):
    import keras

    model = language_models.build_gpt(256, 24, 16, 2, 2, seed=1)
    tokens, before = np.arange(20)[None], None
    before = np.asarray(model(tokens))
    model.quantize("int8")
    after = np.asarray(model(tokens))
    assert 0 < np.abs(after - before).max() < 0.1
    model.save(tmp_path / "int8.keras")
    loaded = keras.models.load_model(tmp_path / "int8.keras")
    np.testing.assert_array_equal(np.asarray(loaded(tokens)), after)
    decoder = generation.Decoder(loaded)
    np.testing.assert_allclose(decoder.feed(tokens[0]), after[0], atol=2e-2)


def test_lora_trains_its_small_matrices_and_nothing_else():
    model = language_models.build_gpt(256, 24, 16, 2, 2, seed=1)
    frozen = {v.path: np.asarray(v) for v in model.trainable_variables}
    for layer in model.layers:
        layer.trainable = False
    for block in (1, 2):
        for name in language_models.block_layers(block):
            layer = model.get_layer(name)
            layer.trainable = True
            layer.enable_lora(2)
            if layer.use_bias:
                layer.bias.trainable = False
    trained = language_training.train_language_model(
        model, TEXT, steps=4, batch=4, reports=1, optimizer="adamw"
    )
    assert trained.tokens == 4 * 4 * 24
    changed = [v.path for v in model.trainable_variables]
    assert changed
    assert all("lora" in path for path in changed)
    kept = {v.path: np.asarray(v) for v in model.variables if v.path in frozen}
    assert set(kept) == set(frozen)
    for path, value in kept.items():
        np.testing.assert_array_equal(value, frozen[path])


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_cached_and_uncached_generation_write_the_same_tokens(model, temperature):
    cached, plain = (
        generation.generate(model, b"the cat", 18, temperature, cache=cache, seed=3)
        for cache in (True, False)
    )
    np.testing.assert_array_equal(cached, plain)
    assert cached.shape == (18,)
    assert cached.dtype == np.int64


def test_the_cache_gives_the_model_s_logits_token_by_token_and_after_rewinding(model):
    tokens = np.random.default_rng(2).integers(0, 256, 24)
    whole = np.asarray(model(tokens[None]))[0]
    decoder = generation.Decoder(model)
    one_by_one = np.concatenate([decoder.feed([token]) for token in tokens])
    np.testing.assert_allclose(one_by_one, whole, atol=1e-5)
    decoder.rewind(10)
    assert decoder.position == 10
    np.testing.assert_allclose(decoder.feed(tokens[10:14]), whole[10:14], atol=1e-5)
    assert decoder.cache_bytes == 2 * 2 * 24 * 16 * 4


def test_sampling_depends_on_the_seed_and_follows_the_probabilities(model):
    one, same, other = (
        generation.generate(model, b"a", 12, temperature=1.0, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    rng = np.random.default_rng(0)
    logits = np.log(np.array([0.5, 0.3, 0.2]))
    drawn = np.bincount([generation.choose(logits, 1.0, rng) for _ in range(4000)]) / 4000
    np.testing.assert_allclose(drawn, [0.5, 0.3, 0.2], atol=0.03)


def test_training_learns_and_repeats():
    runs = []
    for _ in range(2):
        model = language_models.build_gpt(256, 24, 16, 2, 2, seed=1)
        before = language_training.bits_per_byte_of(model, TEXT[:200])
        trained = language_training.train_language_model(
            model, TEXT, steps=60, batch=8, learning_rate=1e-2, reports=3
        )
        runs.append((trained.losses, language_training.bits_per_byte_of(model, TEXT[:200])))
        assert runs[-1][1] < before / 2
        assert trained.steps == (20, 40, 60)
    assert runs[0] == runs[1]


def test_a_time_budget_ends_training_early():
    model = language_models.build_gpt(256, 24, 16, 1, 2, seed=1)
    done = language_training.train_language_model(
        model, TEXT, steps=40, batch=2, reports=20, seconds=1e-3
    )
    assert done.steps == (2,)
    assert done.tokens == 2 * 2 * 24


def test_every_token_is_scored_once_with_the_context_it_was_promised(model):
    text = np.random.default_rng(3).integers(0, 256, 60)
    bits = language_training.token_bits(model, text, window=12, stride=5)
    assert bits.shape == (59,)
    starts = [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 47]
    covered = 0
    for start in starts:
        logits = forward_by_hand(model, text[start : start + 12])
        chance = softmax(logits)[np.arange(12), text[start + 1 : start + 13]]
        fresh = slice(covered - start, 12)
        np.testing.assert_allclose(bits[covered : start + 12], -np.log2(chance)[fresh], atol=1e-4)
        covered = start + 12
    mean = (bits.sum() + 8) / 60
    found = language_training.bits_per_byte_of(model, text, window=12, stride=5)
    assert found == pytest.approx(mean)


def test_windows_are_cut_from_the_text_with_targets_one_later():
    x, y = language_training.token_windows(bytes(range(256)), 7, 500, seed=4)
    np.testing.assert_array_equal(y, x + 1)
    np.testing.assert_array_equal(np.diff(x, axis=1), np.ones((500, 6)))
    assert x.min() == 0
    assert y.max() == 255


def test_trigram_probabilities_add_up_and_follow_witten_bell():
    trigram = ngrams.count_trigrams(b"abcabdabc")
    ends = [trigram.probabilities(b"ab" + bytes([last]))[2] for last in range(256)]
    assert sum(ends) == pytest.approx(1)
    # "ab" was followed by c, d, c: 3 seen, 2 kinds; "b" the same; "c" is 2 of 9 single bytes, with
    # 4 kinds, over the uniform 1/256.
    single = (2 + 4 / 256) / 13
    pair = (2 + 2 * single) / 5
    assert trigram.probabilities(b"abc")[2] == pytest.approx((2 + 2 * pair) / 5)
    bits = -np.log2(trigram.probabilities(b"abcz")[1:]).sum() + 8
    assert trigram.bits_per_byte(b"abcz") == pytest.approx(bits / 4)
    assert np.isfinite(trigram.bits_per_byte(bytes(range(256))))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m: language_models.build_gpt(width=30, heads=4), "width 30 cannot be divided"),
        (lambda m: language_models.build_gpt(layers=0), "layers is 0"),
        (lambda m: language_models.build_gpt(context=8.5), "context is 8.5"),
        (lambda m: language_training.token_windows(b"", 4, 1), "text is empty"),
        (lambda m: language_training.token_windows(b"abcd", 4, 1), "too few for a context of 4"),
        (lambda m: language_training.bits_per_byte_of(m, b""), "text is empty"),
        (lambda m: language_training.bits_per_byte_of(m, TEXT, window=99), "longer than the model"),
        (lambda m: language_training.token_bits(m, TEXT, 8, 9), "stride of 9 leaves out"),
        (
            lambda m: language_training.train_language_model(m, TEXT, steps=0),
            "steps is 0",
        ),
        (
            lambda m: language_training.train_language_model(m, TEXT, steps=1, learning_rate=0),
            "learning_rate is 0",
        ),
        (
            lambda m: language_training.train_language_model(m, TEXT, steps=1, optimizer="sgd"),
            "no optimizer 'sgd'",
        ),
        (lambda m: generation.generate(m, b"", 4), "prompt is empty"),
        (lambda m: generation.generate(m, b"x" * 30, 1), "do not fit the context of 24"),
        (lambda m: generation.generate(m, b"x" * 20, 6), "do not fit the context of 24"),
        (lambda m: generation.generate(m, b"x", 0), "tokens is 0"),
        (lambda m: generation.generate(m, b"x", 4, temperature=-1), "temperature is -1"),
        (lambda m: generation.generate(m, np.array([300]), 4), "the model knows 0 to 255"),
        (lambda m: generation.generate(m, np.array([0.5]), 4), "whole numbers"),
        (lambda m: generation.Decoder(m).feed(bytes(25)), "no room for 25 more"),
        (lambda m: generation.Decoder(m).rewind(1), "going back to 1 is not possible"),
        (lambda m: generation.Decoder(m, length=99), "give 1 to 24"),
        (lambda m: ngrams.count_trigrams(b"ab"), "has 2 tokens; give at least 3"),
    ],
)
def test_bad_input_gets_one_sentence(model, call, sentence):
    with pytest.raises(LanguageModelError, match=sentence) as caught:
        call(model)
    assert "\n" not in str(caught.value)


def test_a_foreign_model_is_named_as_such():
    from helpers.models import dense_network

    with pytest.raises(LanguageModelError, match="not built by build_gpt"):
        language_models.gpt_sizes(dense_network((4,), 2))


def test_a_prompt_that_fills_the_context_may_write_one_token(model):
    assert len(generation.generate(model, b"x" * 24, 1)) == 1


JAX_RUN = """
import numpy as np, keras
from helpers import generation, language_models, language_training
assert keras.backend.backend() == "jax"
text = b"the cat sat on the mat and the dog sat on the log; " * 40
model = language_models.build_gpt(256, 24, 16, 2, 2, seed=1)
before = language_training.bits_per_byte_of(model, text[:200])
decoder = generation.Decoder(model)
decoder.feed(b"the")
language_training.train_language_model(model, text, steps=60, batch=8, learning_rate=1e-2)
assert language_training.bits_per_byte_of(model, text[:200]) < before / 2
decoder.rewind()
logits = np.asarray(model(np.frombuffer(b"the cat", np.uint8)[None].astype("int32")))[0]
np.testing.assert_allclose(decoder.feed(b"the cat"), logits, atol=1e-4)  # sees trained weights
cached, plain = (generation.generate(model, b"the", 20, cache=c) for c in (True, False))
np.testing.assert_array_equal(cached, plain)
print(generation.to_text(cached))
"""


@pytest.mark.slow
def test_training_and_generation_run_on_jax():
    pytest.importorskip("jax")
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", JAX_RUN],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()


def test_the_import_stays_cheap():
    code = "import sys, helpers.generation, helpers.language_training, helpers.ngrams;"
    code += "assert not {'keras', 'tensorflow', 'jax', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
