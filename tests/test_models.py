"""Models and costs against hand formulas and TensorFlow's own counts."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import costs, models


def test_dense_network_has_the_parameters_of_its_formula():
    model = models.dense_network((28, 28, 1), 10)
    assert model.output_shape == (None, 10)
    assert model.count_params() == 785 * 512 + 513 * 512 + 513 * 10
    assert models.dense_network((64,), 3, hidden=()).count_params() == 65 * 3


def test_convolutional_network_has_the_parameters_of_its_formula():
    model = models.convolutional_network((28, 28, 1), 10)
    convolutions = 16 * (9 * 1 + 1) + 32 * (9 * 16 + 1)
    assert model.count_params() == convolutions + (7 * 7 * 32 + 1) * 64 + 65 * 10


def test_outputs_are_logits():
    model = models.dense_network((8, 8, 1), 10, hidden=(16,), seed=0)
    out = np.asarray(model(np.random.default_rng(0).random((64, 8, 8, 1), dtype="float32") * 9))
    assert out.min() < 0
    assert not np.allclose(out.sum(axis=1), 1, atol=0.1)


@pytest.mark.parametrize("build", [models.dense_network, models.convolutional_network])
def test_seed_alone_decides_the_initial_weights(build):
    first, again, other = (build((8, 8, 1), 10, seed=seed) for seed in (3, 3, 4))
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(first.get_weights(), other.get_weights(), strict=True)
    )


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: models.dense_network((8, 8, 1), 1), "classes is 1"),
        (lambda: models.dense_network((None,), 10), "input shape"),
        (lambda: models.dense_network((8,), 10, hidden=(0,)), "width in hidden is 0"),
        (lambda: models.convolutional_network((8, 8), 10), "input shape"),
        (lambda: models.convolutional_network((2, 2, 1), 10), "cannot be halved 2 times"),
        (lambda: models.convolutional_network((8, 8, 1), 10, dense=2.5), "dense is 2.5"),
    ],
)
def test_impossible_sizes_get_one_sentence(call, sentence):
    with pytest.raises(models.ModelError, match=sentence):
        call()


def _counted_by_tensorflow(model) -> int:
    """Multiplications, additions and biases in TensorFlow's graph of one forward pass."""
    import tensorflow as tf
    from tensorflow.python.profiler import model_analyzer, option_builder

    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec).graph
    options = option_builder.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    total = 0
    for kind in ("MatMul", "Conv2D", "BiasAdd", "AddV2", "Add"):
        chosen = option_builder.ProfileOptionBuilder(options)
        chosen = chosen.account_displayed_op_only(True)
        chosen = chosen.with_accounted_types([kind]).build()
        total += model_analyzer.profile(graph, options=chosen).total_float_ops
    return total


@pytest.mark.parametrize(
    "build",
    [
        lambda: models.dense_network((28, 28, 1), 10),
        lambda: models.convolutional_network((28, 28, 1), 10),
        lambda: models.convolutional_network((9, 8, 3), 4, filters=(5, 6, 7), dense=11),
    ],
)
def test_flops_agree_with_the_counter_of_tensorflow(build):
    from helpers.training import quiet_native_output

    model = build()
    with quiet_native_output():
        counted = _counted_by_tensorflow(model)
    assert costs.flops(model) == counted


def test_flops_of_a_dense_network_by_hand():
    model = models.dense_network((4,), 2, hidden=(3,))
    assert costs.flops(model) == (2 * 4 * 3 + 3) + (2 * 3 * 2 + 2)


def test_flops_count_strides_and_groups():
    import keras

    layer = keras.layers.Conv2D(6, 3, strides=2, padding="same", groups=2, use_bias=False)
    model = keras.Sequential([keras.Input((8, 8, 4)), layer])
    assert costs.flops(model) == 4 * 4 * 6 * 2 * 9 * 2


def test_flops_refuse_what_they_cannot_count():
    import keras

    recurrent = keras.Sequential([keras.Input((5, 2)), keras.layers.LSTM(3, name="memory")])
    with pytest.raises(models.ModelError, match="'memory' is a LSTM"):
        costs.flops(recurrent)
    with pytest.raises(models.ModelError, match="no shapes yet"):
        costs.flops(keras.Sequential([keras.layers.Dense(3)]))


def test_cost_rows_name_every_layer_and_add_up():
    model = models.convolutional_network((8, 8, 1), 10, filters=(4,), dense=16, seed=0)
    rows = costs.cost_rows(model, model)
    assert len(rows) == 2 * len(model.layers)
    # By hand: 8 * 8 positions, 4 kernels of 3 * 3 weights and a bias each.
    first = {"layer": "convolution_1", "output": (8, 8, 4), "weights": 40}
    assert rows[0] == first | {"operations": 8 * 8 * 4 * (2 * 9 + 1)}
    assert sum(row["operations"] for row in rows) == 2 * costs.flops(model)
    assert sum(row["weights"] for row in rows) == 2 * model.count_params()


def test_cost_rows_need_shapes():
    keras = pytest.importorskip("keras")
    with pytest.raises(models.ModelError, match="no shapes yet"):
        costs.cost_rows(keras.Sequential([keras.layers.Dense(2)]))
