"""Rounding a GPT: what changes, what stays, and that compensation keeps the layers' outputs."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from helpers import language_quantization, language_training
from helpers.language_models import LanguageModelError, block_layers, build_gpt
from helpers.quantization import QuantizationError, gptq, round_in_blocks, round_to_nearest

TEXT = b"the cat sat on the mat and the dog sat on the log; " * 40


@pytest.fixture(scope="module")
def model():
    model = build_gpt(256, context=24, width=16, layers=2, heads=2, seed=1)
    language_training.train_language_model(model, TEXT, steps=40, batch=8)
    return model


@pytest.fixture(scope="module")
def tokens():
    return language_training.token_windows(TEXT, 24, 32, seed=2)[0]


def kernels(model):
    return {layer.name: layer.get_weights()[0] for layer in model.layers if layer.get_weights()}


def test_blocks_are_rounded_as_separate_matrices():
    weights = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32)
    whole = round_in_blocks(weights, 3, 8)
    for start in range(0, 32, 8):
        part = slice(start, start + 8)
        np.testing.assert_allclose(whole[part], round_to_nearest(weights[part], 3), atol=1e-6)
    assert whole.dtype == np.float32
    with pytest.raises(QuantizationError, match="cannot be cut into blocks of 5"):
        round_in_blocks(weights, 3, 5)


def test_compensation_in_blocks_without_correlation_is_plain_rounding():
    weights = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32)
    found = gptq(weights, np.eye(32, dtype=np.float32), 2, block=8)
    np.testing.assert_allclose(found, round_in_blocks(weights, 2, 8), atol=1e-5)
    inputs = np.random.default_rng(1).normal(size=(200, 4)) @ np.ones((4, 32))
    plain = np.sum((inputs @ (round_in_blocks(weights, 2, 8) - weights)) ** 2)
    assert np.sum((inputs @ (gptq(weights, inputs, 2, block=8) - weights)) ** 2) < plain / 4
    with pytest.raises(QuantizationError, match="blocks of 7"):
        gptq(weights, inputs, 2, block=7)


def test_only_the_named_matrices_change(model):
    before = kernels(model)
    rounded = language_quantization.round_matrices(model, partial(round_in_blocks, bits=4, block=8))
    for name, kernel in kernels(rounded).items():
        if name in {*block_layers(1), *block_layers(2)}:
            np.testing.assert_allclose(kernel, round_in_blocks(before[name], 4, 8), atol=1e-7)
            assert not np.array_equal(kernel, before[name])
        else:
            np.testing.assert_array_equal(kernel, before[name])
    for name, kernel in kernels(model).items():
        np.testing.assert_array_equal(kernel, before[name])
    biases = model.get_layer("block_1_mlp_up").get_weights()[1]
    np.testing.assert_array_equal(rounded.get_layer("block_1_mlp_up").get_weights()[1], biases)
    one = language_quantization.round_matrices(model, np.zeros_like, ("logits",))
    assert not kernels(one)["logits"].any()
    np.testing.assert_array_equal(kernels(one)["block_1_query"], before["block_1_query"])


def test_layer_inputs_are_what_the_layer_multiplies(model, tokens):
    seen = language_quantization.layer_inputs(model, "logits", tokens)
    assert seen.shape == (32 * 24, 16)
    by_hand = seen @ kernels(model)["logits"]
    logits = np.asarray(model(tokens)).reshape(-1, 256)
    np.testing.assert_allclose(by_hand, logits, atol=1e-4)


def test_compensated_rounding_sees_the_rounded_layers_before_it(model, tokens):
    calls = []

    def rounding(kernel, inputs):
        calls.append((kernel, inputs))
        return kernel * 0

    zeroed = language_quantization.compensate(model, tokens, rounding)
    assert len(calls) == 12
    names = [*block_layers(1), *block_layers(2)]
    for name, (kernel, _) in zip(names, calls, strict=True):
        np.testing.assert_array_equal(kernel, kernels(model)[name])
        assert not kernels(zeroed)[name].any()
    # Query, key and value read the same; the output layer sees values of a zeroed matrix.
    np.testing.assert_array_equal(calls[0][1], calls[2][1])
    assert not calls[3][1].any()
    assert not np.array_equal(calls[6][1], language_quantization.layer_inputs(
        model, "block_2_query", tokens))  # fmt: skip


def test_compensation_loses_fewer_bits_than_plain_rounding(model, tokens):
    def bits(candidate):
        return language_training.bits_per_byte_of(candidate, TEXT[:400])

    plain = language_quantization.round_matrices(model, partial(round_in_blocks, bits=2, block=16))
    better = language_quantization.compensate(model, tokens, partial(gptq, bits=2, block=16))
    assert bits(model) < bits(better) < bits(plain)


@pytest.mark.parametrize("sample", [np.zeros((2, 3)), np.zeros(5, int), np.zeros((0, 4), int)])
def test_a_sample_that_is_not_windows_of_tokens_is_named(model, sample):
    with pytest.raises(LanguageModelError, match="The sample has the shape"):
        language_quantization.layer_inputs(model, "logits", sample)
