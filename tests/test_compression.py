"""Pruning against its schedule and against the masked network; distillation against its formula."""

import keras
import numpy as np
import pytest

from helpers.compression import (
    CompressionError,
    cubic_sparsity,
    distillation_loss,
    gradual_pruning,
    magnitude_mask,
    prune_magnitude,
    prune_units,
    zero_fraction,
)
from helpers.models import convolutional_network, dense_network
from helpers.training import compile_classifier


@pytest.fixture(scope="module")
def digits():
    generator = np.random.default_rng(0)
    return generator.random((96, 8, 8, 1), dtype=np.float32), generator.integers(0, 10, 96)


def test_the_schedule_is_the_paper_s():
    """Zhu and Gupta 2017, equation 1, evaluated by hand at a quarter of the way."""
    assert cubic_sparsity(25, 0, 100, 0.8) == pytest.approx(0.8 - 0.8 * 0.75**3)
    assert cubic_sparsity(5, 10, 20, 0.9, initial=0.5) == 0.5
    assert cubic_sparsity(20, 10, 20, 0.9, initial=0.5) == pytest.approx(0.9)
    assert cubic_sparsity(999, 10, 20, 0.9) == 0.9
    steps = [cubic_sparsity(step, 0, 50, 0.95) for step in range(60)]
    assert steps == sorted(steps)


def test_the_mask_takes_the_smallest_and_counts_exactly():
    weights = np.array([[0.1, -5.0, 0.3], [0.0, 2.0, -0.2]])
    assert magnitude_mask(weights, 0.5).tolist() == [[0, 1, 1], [0, 1, 0]]
    assert magnitude_mask(np.ones(10), 0.3).sum() == 7


def test_zeros_follow_the_schedule_while_training(digits):
    model = compile_classifier(dense_network((8, 8, 1), 10, (32,), seed=0))
    callback = gradual_pruning(final=0.75, begin=2, end=10, every=2)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(zero_fraction(self.model))

    model.fit(*digits, batch_size=8, epochs=1, verbose=0, callbacks=[callback, Watch()])
    size = 64 * 32 + 32 * 10
    for step, target in callback.history:
        exact = (round(target * 64 * 32) + round(target * 320)) / size
        assert seen[step] == exact, "the masks hold exactly what the schedule says"
    assert [step for step, _ in callback.history] == [2, 4, 6, 8, 10]
    assert zero_fraction(model) == 0.75, "pruned weights stay zero while training goes on"


def test_one_shot_zero_fraction(digits):
    model = convolutional_network((8, 8, 1), 10, (4, 8), dense=16, seed=0)
    assert prune_magnitude(model, 0.5) == 0.5
    assert prune_magnitude(model, 0.0) == 0.5


def silence(model, keep):
    """`model` with the units that `prune_units` will drop set to zero: the masked network."""
    hidden = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D)
    ][:-1]
    generator = np.random.default_rng(5)
    for layer in hidden:
        kernel, bias = (np.array(w) for w in layer.get_weights())
        bias = generator.normal(size=bias.shape)
        size = kernel.shape[-1]
        dropped = generator.permutation(size)[: size - max(1, round(keep * size))]
        kernel[..., dropped], bias[dropped] = 0, 0
        layer.set_weights([kernel, bias])


@pytest.mark.parametrize("keep", [0.5, 0.25])
@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_the_rebuilt_network_equals_the_masked_one(digits, kind, keep):
    if kind == "dense":
        model = dense_network((8, 8, 1), 10, (32, 16), seed=1)
    else:
        model = convolutional_network((8, 8, 1), 10, (8, 16), dense=12, seed=1)
    silence(model, keep)
    small = prune_units(model, keep)
    assert small.count_params() < model.count_params() * keep
    masked, rebuilt = (np.asarray(network(digits[0])) for network in (model, small))
    np.testing.assert_allclose(rebuilt, masked, atol=2e-6)
    assert np.abs(masked).max() > 0.1


def test_keeping_all_is_a_copy(digits):
    model = convolutional_network((8, 8, 1), 10, (4, 4), dense=8, seed=2)
    copy = prune_units(model, 1.0)
    np.testing.assert_array_equal(copy(digits[0]), model(digits[0]))
    copy.layers[0].kernel.assign(copy.layers[0].kernel * 0)
    assert np.abs(np.asarray(model.layers[0].kernel)).max() > 0


def test_layers_without_bias_and_global_pooling(digits):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(6, 3, use_bias=False),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(3, use_bias=False),
        ]
    )
    kernel = np.array(model.layers[0].kernel)
    kernel[..., [1, 4, 5]] = 0
    model.layers[0].set_weights([kernel])
    np.testing.assert_allclose(prune_units(model, 0.5)(digits[0]), model(digits[0]), atol=1e-6)


def hinton(teacher, student, temperature):
    """Hinton et al. 2015 in float64: T^2 times the Kullback-Leibler divergence of the softmaxes."""

    def softmax(logits):
        powers = np.exp(logits / temperature - np.max(logits / temperature, axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    p, q = softmax(teacher.astype(float)), softmax(student.astype(float))
    return temperature**2 * np.sum(p * np.log(p / q), axis=1)


@pytest.mark.parametrize("temperature", [1.0, 3.0, 10.0])
def test_the_distillation_loss_is_hinton_s(temperature):
    generator = np.random.default_rng(0)
    teacher, student = generator.normal(size=(2, 6, 10)).astype(np.float32) * 4
    found = np.asarray(distillation_loss(temperature)(teacher, student))
    np.testing.assert_allclose(found, hinton(teacher, student, temperature), rtol=2e-4, atol=1e-5)
    labels = generator.integers(0, 10, 6)
    both = np.column_stack([labels, teacher]).astype(np.float32)
    mixed = np.asarray(distillation_loss(temperature, alpha=0.7)(both, student))
    hard = np.log(np.exp(student.astype(float)).sum(axis=1)) - student[np.arange(6), labels]
    soft = hinton(teacher, student, temperature)
    np.testing.assert_allclose(mixed, 0.7 * soft + 0.3 * hard, rtol=2e-4)


def test_a_perfect_student_has_no_loss():
    logits = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(distillation_loss(2.0)(logits, logits + 5), 0, atol=1e-5)


def test_a_student_learns_from_logits(digits):
    teacher = dense_network((8, 8, 1), 10, (32,), seed=0)
    student = dense_network((8, 8, 1), 10, (8,), seed=1)
    logits = np.asarray(teacher(digits[0]))
    compile_classifier(student, 0.01, loss=distillation_loss(3.0), metrics=None)
    losses = student.fit(digits[0], logits, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2


def functional():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs))


def normalized():
    layers = [keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((4,)), *layers])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cubic_sparsity(0, 0, 10, 1.0), "from 0 to below 1"),
        (lambda: cubic_sparsity(0, 10, 10, 0.5), "end after that"),
        (lambda: magnitude_mask([1.0], -0.1), "from 0 to below 1"),
        (lambda: prune_magnitude(functional(), 1.5), "from 0 to below 1"),
        (lambda: gradual_pruning(0.5, 0, 10, every=0), "1 or more"),
        (lambda: zero_fraction(keras.Sequential([keras.layers.Flatten()])), "no Dense or Conv"),
        (lambda: prune_units(functional(), 0.5), "not Sequential"),
        (lambda: prune_units(normalized(), 0.5), "BatchNormalization"),
        (lambda: prune_units(dense_network((4,), 2, (3,)), 0), "above 0"),
        (lambda: distillation_loss(0), "above 0"),
        (lambda: distillation_loss(2.0, alpha=0), "above 0"),
        (lambda: distillation_loss(2.0)(np.ones((2, 4)), np.ones((2, 3))), "teacher's logits"),
    ],
)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(CompressionError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
