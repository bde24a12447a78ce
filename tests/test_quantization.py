"""Quantization by hand: against the definition in exact arithmetic, and against its gradient."""

from fractions import Fraction

import numpy as np
import pytest

from helpers.quantization import (
    QuantizationError,
    fake_quantize,
    gptq,
    integer_range,
    quantize,
    quantize_blocks,
    round_to_nearest,
)


@pytest.fixture(scope="module")
def weights():
    generator = np.random.default_rng(3)
    return generator.normal(size=(64, 12)).astype(np.float32) * np.linspace(0.1, 3, 12)


def test_symmetric_integers_in_exact_arithmetic(weights):
    """Python's fractions know no rounding error: the integers must be theirs."""
    quantized = quantize(weights, axis=1)
    for column in range(weights.shape[1]):
        exact = [Fraction(float(w)) for w in np.float32(weights)[:, column]]
        scale = max(abs(w) for w in exact) / 127
        assert quantized.values[:, column].tolist() == [round(w / scale) for w in exact]
        assert quantized.scale[0, column] == np.float32(float(scale))


@pytest.mark.parametrize("bits", range(2, 9))
def test_half_a_step_is_the_largest_error(weights, bits):
    for symmetric in (True, False):
        quantized = quantize(weights, bits, axis=1, symmetric=symmetric)
        lowest, highest = integer_range(bits, symmetric)
        assert quantized.values.min() >= lowest
        assert quantized.values.max() <= highest
        error = np.abs(quantized.dequantize() - weights) / quantized.scale
        # An affine grid is shifted to hold zero, which can cut half a step off one end.
        assert error.max() <= (0.5 if symmetric else 1.0) + 1e-4


def test_zero_is_on_an_affine_grid():
    for values in ([2.0, 6.0], [-5.0, -1.0], [-1.0, 3.0], [0.0, 0.0]):
        quantized = quantize(np.array([*values, 0.0]), symmetric=False)
        assert quantized.dequantize()[-1] == 0


def test_a_scale_per_channel_is_never_worse(weights):
    def error(axis):
        return np.mean((quantize(weights, axis=axis).dequantize() - weights) ** 2)

    assert error(1) < error(None)


def test_blocks_keep_a_scale_each(weights):
    blocks = quantize_blocks(weights, bits=4, block=16)
    assert blocks.values.shape == (4, 16, 12)
    expected = np.abs(np.float32(weights).reshape(4, 16, 12)).max(axis=1) / 7
    np.testing.assert_allclose(blocks.scale[:, 0], expected, rtol=1e-6)
    assert blocks.bits_per_value == 4 + 16 / 16


def test_zeros_stay_zeros():
    column = np.zeros((5, 2), np.float32)
    assert (quantize(column, axis=1).dequantize() == 0).all()
    assert (gptq(column, np.ones((3, 5)), 2) == 0).all()


def test_compensation_on_independent_inputs_is_plain_rounding(weights):
    """With uncorrelated inputs no other weight can help, so nothing may move."""
    inputs = np.eye(64, dtype=np.float32)
    np.testing.assert_allclose(gptq(weights, inputs, 3), round_to_nearest(weights, 3), atol=1e-6)


def test_compensation_against_all_grid_points():
    """Two inputs, one output: the best pair on the grid is known by trying all sixteen."""
    generator = np.random.default_rng(0)
    totals = np.zeros(3)
    for _ in range(50):
        kernel = generator.normal(size=(2, 1)).astype(np.float32)
        shared = generator.normal(size=(40, 1))
        inputs = shared + 0.3 * generator.normal(size=(40, 2))
        quantized = quantize(kernel, 2, axis=1, symmetric=False)
        levels = (np.arange(-2, 2) - quantized.zero_point[0, 0]) * quantized.scale[0, 0]
        tried = [np.array([[a], [b]]) for a in levels for b in levels]
        tried += [round_to_nearest(kernel, 2), gptq(kernel, inputs, 2, damping=1e-6)]
        losses = [float(np.sum((inputs @ (other - kernel)) ** 2)) for other in tried]
        best, plain, smart = min(losses[:16]), losses[16], losses[17]
        assert min(plain, smart) >= best * (1 - 1e-4)
        totals += best, plain, smart
    best, plain, smart = totals
    # Greedy in the order of the rows: it need not be the best, but it wins back most of the gap.
    assert plain - smart > (plain - best) / 2


def test_compensation_lowers_the_error_of_the_output(weights):
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(500, 8)) @ generator.normal(size=(8, 64))
    for bits in (2, 3, 4):
        plain = np.mean((inputs @ (round_to_nearest(weights, bits) - weights)) ** 2)
        smart = np.mean((inputs @ (gptq(weights, inputs, bits) - weights)) ** 2)
        assert smart < plain / 2


def test_compensation_stays_on_the_grid(weights):
    inputs = np.random.default_rng(2).normal(size=(100, 64))
    grid = quantize(weights, 3, axis=1, symmetric=False)
    steps = gptq(weights, inputs, 3) / grid.scale + grid.zero_point
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    assert steps.min() > -4.5
    assert steps.max() < 3.5


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_fake_quantization_is_rounding_forward(weights, bits):
    import keras

    found = np.asarray(fake_quantize(keras.ops.convert_to_tensor(np.float32(weights)), bits))
    expected = round_to_nearest(weights, bits)
    # In float32 a weight on the boundary between two steps may fall to the other side.
    step = np.broadcast_to(quantize(weights, bits, axis=1, symmetric=False).scale, weights.shape)
    assert (np.abs(found - expected) <= 1.01 * step).all()
    assert np.mean(np.abs(found - expected) > 1e-5) < 0.01


def test_fake_quantization_is_the_identity_backward(weights):
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("the gradient is taken with TensorFlow's tape")
    import tensorflow as tf

    variable, sensitivity = tf.Variable(np.float32(weights)), tf.constant(np.float32(weights) * 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(fake_quantize(variable, 3) * sensitivity)
    np.testing.assert_array_equal(tape.gradient(loss, variable), sensitivity)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: quantize([1.0], 9), "from 2 to 8"),
        (lambda: quantize([1.0], 1), "from 2 to 8"),
        (lambda: quantize([1.0], True), "from 2 to 8"),
        (lambda: quantize([1.0], 4.0), "from 2 to 8"),
        (lambda: quantize([]), "are empty"),
        (lambda: quantize([np.nan]), "NaN or infinity"),
        (lambda: quantize(np.ones((2, 2)), axis=2), "no axis 2"),
        (lambda: quantize_blocks(np.ones((10, 2)), 4, 3), "blocks of 3"),
        (lambda: gptq(np.ones((4, 2)), np.ones((5, 3)), 4), "do not fit"),
        (lambda: fake_quantize(np.ones((2, 2), np.float32), 16), "from 2 to 8"),
    ],
)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(QuantizationError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
