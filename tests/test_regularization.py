"""Side-by-side training against plain Keras, and bad recipes."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.regularization import (
    Recipe,
    RegularizationError,
    cross_entropy,
    forward,
    train_side_by_side,
)

RATE, EPOCHS, UNITS = 0.01, 4, 12


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(5)
    x = generator.normal(size=(80, 6)).astype(np.float32)
    return x, generator.integers(0, 3, 80)


@pytest.fixture(scope="module")
def trained(rows):
    x, y = rows
    recipes = [
        Recipe("plain"),
        Recipe("both", l1=0.01, l2=0.02),
        Recipe("dropout", dropout=0.5),
        Recipe("small", units=3),
        Recipe("more", rows=np.arange(60)),
    ]
    options = {"block": 32, "units": UNITS, "classes": 3, "epochs": EPOCHS, "batch_size": 16}
    held = (x[60:], y[60:])
    return train_side_by_side(
        recipes, x[:60], y[:60], held, learning_rate=RATE, copies=2, seed=1, **options
    )


def alone(rows, l1, l2, units, count, start):
    """The last weights of one plain Keras network that sees the same rows in the same order."""
    import keras
    from keras import layers

    x, y = rows
    penalty = keras.regularizers.L1L2(l1, l2)
    hidden = layers.Dense(units, activation="relu", kernel_regularizer=penalty)
    model = keras.Sequential(
        [keras.Input((6,)), hidden, layers.Dense(3, kernel_regularizer=penalty)]
    )
    model.set_weights(start)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss, jit_compile=False)
    generator, length = np.random.default_rng([1, 1, 0]), EPOCHS * 2 * 16
    passes = [generator.permutation(np.arange(count)) for _ in range(-(-length // count))]
    order = np.concatenate(passes)[:length]
    model.fit(x[order], y[order], batch_size=16, shuffle=False, epochs=1, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize(
    ("name", "l1", "l2", "units", "count"),
    [
        ("plain", 0, 0, UNITS, 32),
        ("both", 0.01, 0.02, UNITS, 32),
        ("small", 0, 0, 3, 32),
        ("more", 0, 0, UNITS, 60),
    ],
)
def test_a_network_ends_as_it_would_alone(rows, trained, name, l1, l2, units, count):
    generator = np.random.default_rng([1, 0, 0])
    one = generator.uniform(-1, 1, (6, UNITS)).astype(np.float32)[:, :units]
    two = generator.uniform(-1, 1, (UNITS, 3)).astype(np.float32)[:units]
    start = [one * np.sqrt(6 / (6 + units)), np.zeros(units)]
    start += [two * np.sqrt(6 / (units + 3)), np.zeros(3)]
    truth = alone(rows, l1, l2, units, count, start)
    kernel, bias, last, last_bias = (part[trained.places(name)[0]] for part in trained.weights)
    found = [kernel[:, :units], bias[:units], last[:units], last_bias]
    for mine, keras_own in zip(found, truth, strict=True):
        np.testing.assert_allclose(mine, keras_own, atol=1e-4)
    assert not kernel[:, units:].any()
    assert not last[units:].any()


def test_dropout_changes_training_and_nothing_else(trained, rows):
    plain, dropped = (trained.logits(rows[0], name) for name in ("plain", "dropout"))
    assert plain.shape == dropped.shape == (2, 80, 3)
    assert np.abs(plain - dropped).max() > 1e-3
    np.testing.assert_array_equal(dropped, trained.logits(rows[0], "dropout"))


def test_copies_start_apart_and_best_weights_are_those_of_the_best_epoch(trained, rows):
    assert trained.names == ("plain", "both", "dropout", "small", "more") * 2
    assert trained.validation_loss.shape == (10, EPOCHS)
    first, second = trained.places("plain")
    assert not np.allclose(trained.weights[0][first], trained.weights[0][second])
    x, y = rows[0][60:], rows[1][60:]
    lowest = cross_entropy(trained.logits(x, best=True), y)
    np.testing.assert_allclose(lowest, trained.validation_loss.min(axis=1), rtol=1e-6)
    last = cross_entropy(trained.logits(x), y)
    np.testing.assert_allclose(last, trained.validation_loss[:, -1], rtol=1e-6)
    right = trained.logits(x, "more").argmax(axis=-1) == y
    assert trained.accuracy(x, y, "more") == pytest.approx(right.mean())
    with pytest.raises(RegularizationError, match="No network was trained as 'L3'"):
        trained.places("L3")


def test_forward_and_loss_agree_with_scipy():
    from scipy.special import log_softmax

    generator = np.random.default_rng(2)
    shapes = [(2, 5, 4), (2, 4), (2, 4, 3), (2, 3)]
    weights = [generator.normal(size=shape) for shape in shapes]
    x, y = generator.normal(size=(7, 5)), generator.integers(0, 3, 7)
    logits = forward(weights, x)
    for place in range(2):
        kernel, bias, last, last_bias = (part[place] for part in weights)
        truth = np.maximum(x @ kernel + bias, 0) @ last + last_bias
        np.testing.assert_allclose(logits[place], truth, rtol=1e-5, atol=1e-5)
        loss = -log_softmax(truth, axis=1)[np.arange(7), y].mean()
        assert cross_entropy(logits, y)[place] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize(
    ("recipes", "options", "said"),
    [
        ([], {}, "at least one recipe"),
        ([Recipe("a"), Recipe("a")], {}, "a name of its own"),
        ([Recipe("a", l2=-1)], {}, "penalties of 0 or more"),
        ([Recipe("a", dropout=1)], {}, "share below 1"),
        ([Recipe("a", units=99)], {}, "asks for 99 hidden units"),
        ([Recipe("a", rows=np.array([90]))], {}, "rows from 0 to 79"),
        ([Recipe("a")], {"epochs": 0}, "epochs is 0"),
        ([Recipe("a")], {"block": 4}, "a block of a batch or more"),
    ],
)
def test_bad_recipes_get_one_sentence(rows, recipes, options, said):
    x, y = rows
    with pytest.raises(RegularizationError, match=said):
        train_side_by_side(recipes, x, y, (x, y), **({"block": 32, "units": 8} | options))
