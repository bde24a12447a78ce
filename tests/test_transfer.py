"""Transfer learning and low-rank adapters, against NumPy, SciPy and Keras's own layers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import low_rank, transfer

keras = pytest.importorskip("keras")
ROOT = Path(__file__).resolve().parents[1]


def network(seed=0):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, "relu", name="low"),
            layers.LayerNormalization(name="norm"),
            layers.Dense(3, name="high"),
        ]
    )


def compiled(model, optimizer=None):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss)
    return model


@pytest.fixture(scope="module")
def examples():
    generator = np.random.default_rng(0)
    return generator.normal(size=(40, 6)).astype("float32"), generator.integers(0, 3, 40)


def test_few_labels_are_balanced_nested_and_repeat():
    y = np.random.default_rng(1).integers(0, 4, 300)
    small, large = transfer.few_labels(y, 5, 3), transfer.few_labels(y, 20, 3)
    np.testing.assert_array_equal(np.bincount(y[large]), [20] * 4)
    np.testing.assert_array_equal(large[:20], small)
    assert len(set(large)) == 80
    np.testing.assert_array_equal(small, transfer.few_labels(y, 5, 3))
    assert not np.array_equal(small, transfer.few_labels(y, 5, 4))


def test_a_restarted_model_learns_what_a_freshly_compiled_one_learns(examples):
    first, second = compiled(network()), compiled(network())
    weights = first.get_weights()
    first.fit(*examples, batch_size=8, epochs=2, verbose=0)
    transfer.restart(first, weights, 0.01)
    assert transfer.changed_weights(weights, first.get_weights()) == 0
    for model in (first, second):
        model.fit(*examples, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_linear_probe_is_trained_on_few_and_tested_on_the_rest():
    from sklearn.linear_model import RidgeClassifierCV

    generator = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], 30)
    features = generator.normal(size=(90, 4)) + 2 * np.eye(4)[labels]
    truth = []
    for draw in range(2):
        rows = transfer.few_labels(labels, 5, [7, draw])
        rest = [row for row in range(90) if row not in set(rows)]
        model = RidgeClassifierCV(10.0 ** np.arange(-4, 4)).fit(features[rows], labels[rows])
        truth.append(np.mean(model.predict(features[rest]) == labels[rest]))
    assert transfer.linear_probe(features, labels, 5, 2, seed=7) == pytest.approx(np.mean(truth))
    assert np.mean(truth) > 0.7
    assert transfer.linear_probe(features, generator.permutation(labels), 5, 4) < 0.5


def test_the_order_of_training_holds_whole_passes():
    rows = np.array([3, 5, 8, 13, 21])
    order = transfer.training_order(rows, steps=4, batch_size=3, seed=1)
    assert order.shape == (12,)
    for part in (order[:5], order[5:10]):
        np.testing.assert_array_equal(np.sort(part), rows)
    assert not np.array_equal(order[:5], order[5:10])
    np.testing.assert_array_equal(order, transfer.training_order(rows, 4, 3, 1))


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_many_trainings_in_one_fit_are_what_single_trainings_give(examples, steps_per_execution):
    x, y = examples
    model, single = compiled(network()), compiled(network())
    model.steps_per_execution = steps_per_execution
    starts = [network(seed).get_weights() for seed in (1, 2, 1)]
    orders = [transfer.training_order(range(n), 8, 5, n) for n in (10, 40, 10)]
    found = transfer.fit_each(model, starts, examples, orders, 0.01, batch_size=5)
    for start, order, weights in zip(starts, orders, found, strict=True):
        transfer.restart(single, start, 0.01)
        for batch in order.reshape(8, 5):
            single.train_on_batch(x[batch], y[batch])
        for one, other in zip(weights, single.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
    assert transfer.changed_weights(found[0], found[2]) == 0
    assert transfer.changed_weights(found[0], found[1]) > 0


def test_a_factor_of_one_is_adam_and_a_factor_scales_the_first_step(examples):
    plain = compiled(network())
    same = compiled(network(), transfer.layerwise_adam(0.01, {"low": 1.0}))
    scaled = compiled(network(), transfer.layerwise_adam(0.01, {"low": 0.25, "norm": 0.0}))
    start = plain.get_weights()
    for model in (plain, same, scaled):
        model.fit(*examples, batch_size=40, epochs=1, verbose=0)
    steps = [
        [after - before for before, after in zip(start, model.get_weights(), strict=True)]
        for model in (plain, same, scaled)
    ]
    factors = [0.25, 0.25, 0, 0, 1, 1]
    for one, equal, part, factor in zip(*steps, factors, strict=True):
        np.testing.assert_allclose(equal, one, atol=1e-7)
        np.testing.assert_allclose(part, factor * one, atol=1e-6)


def test_changed_weights_compares_bits():
    before = [np.array([1.0, 0.0, np.nan], "float32"), np.array(2.0, "float32")]
    assert transfer.changed_weights(before, [part.copy() for part in before]) == 0
    after = [np.array([np.nextafter(np.float32(1), 2), -0.0, np.nan], "float32"), before[1]]
    assert transfer.changed_weights(before, after) == 2


def test_the_interval_is_scipy_s():
    from scipy import stats

    values = [0.81, 0.84, 0.80, 0.86, 0.83]
    found = transfer.mean_interval(values)
    truth = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high), (truth.low, truth.high))
    assert found.estimate == pytest.approx(np.mean(values))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: transfer.few_labels([0, 0, 1], 2), "ask for at most 1"),
        (lambda: transfer.few_labels([0, 1], 0), "whole number of 1"),
        (lambda: transfer.restart(network(), [], 0.1), "not compiled"),
        (lambda: transfer.linear_probe(np.eye(4), [0, 0, 1, 1], 2, 1), "more rows than"),
        (lambda: transfer.training_order([], 2, 2), "at least one row"),
        (lambda: transfer.training_order([1], 2, 0), "batch_size is 0"),
        (lambda: transfer.fit_each(None, [[]], (), [], 0.1), "1 starts and 0 orders"),
        (lambda: transfer.fit_each(None, [[]], (), [[1, 2, 3]], 0.1, 2), "whole batches of 2"),
        (lambda: transfer.fit_each(None, [[]], (), [[1, 2, 3]], 0.1, 0), "batch_size is 0"),
        (lambda: transfer.layerwise_adam(0.1, {"low": -1}), "number of 0 or more"),
        (lambda: transfer.layerwise_adam(0.1, {"low": "0.1"}), "number of 0 or more"),
        (lambda: transfer.changed_weights([np.zeros(2)], [np.zeros(3)]), "different shapes"),
        (lambda: transfer.mean_interval([0.5]), "two or more"),
        (lambda: transfer.mean_interval([0.5, 0.6], 95), "between 0 and 1"),
    ],
)
def test_bad_input_gets_one_sentence(call, sentence):
    with pytest.raises(transfer.TransferError, match=sentence) as caught:
        call()
    assert str(caught.value).endswith(".")


def with_random_adapter(rank=2, alpha=6.0):
    model = network()
    low_rank.add_lora(model, rank, ["low", "high"], alpha)
    generator = np.random.default_rng(5)
    arrays = {
        name: generator.normal(size=array.shape).astype("float32")
        for name, array in low_rank.adapter_weights(model).items()
    }
    low_rank.set_adapter(model, arrays)
    return model, arrays


def test_the_new_adapter_changes_nothing_and_trains_its_own_weights_only(examples):
    plain, model = network(), network()
    count = low_rank.add_lora(model, 2, ["low", "high"])
    assert count == low_rank.lora_parameters(6, 8, 2) + low_rank.lora_parameters(8, 3, 2) == 50
    assert low_rank.trained_share(model) == pytest.approx(50 / plain.count_params())
    np.testing.assert_array_equal(model(examples[0]), plain(examples[0]))
    frozen = {v.path: np.asarray(v) for v in model.non_trainable_variables}
    compiled(model).fit(*examples, batch_size=8, epochs=2, verbose=0)
    assert len(frozen) == 6
    now = {v.path: np.asarray(v) for v in model.non_trainable_variables}
    assert transfer.changed_weights(list(frozen.values()), [now[path] for path in frozen]) == 0
    assert all(np.any(array) for array in low_rank.adapter_weights(model).values())


def test_the_adapted_model_is_what_numpy_computes(examples):
    model, arrays = with_random_adapter()
    (kernel, bias), (gamma, beta), (top, top_bias) = (
        layer.get_weights() for layer in network().layers
    )
    x = np.maximum(examples[0] @ (kernel + arrays["low/a"] @ arrays["low/b"]) + bias, 0)
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3) * gamma + beta
    x = x @ (top + arrays["high/a"] @ arrays["high/b"]) + top_bias
    np.testing.assert_allclose(model(examples[0]), x, atol=1e-4)


def test_merged_weights_make_the_plain_model_answer_alike(examples):
    model, _ = with_random_adapter()
    plain = network(seed=9)
    plain.set_weights(low_rank.merged_weights(model))
    np.testing.assert_allclose(plain(examples[0]), model(examples[0]), atol=1e-4)
    bare = low_rank.base_weights(model)
    assert transfer.changed_weights(network().get_weights(), bare) == 0


def test_an_adapter_file_moves_the_adapter(examples, tmp_path):
    model, arrays = with_random_adapter()
    size = low_rank.save_adapter(model, tmp_path / "one" / "adapter.npz")
    assert size == (tmp_path / "one" / "adapter.npz").stat().st_size
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["adapter.npz"]
    other = network()
    low_rank.add_lora(other, 2, ["low", "high"])
    low_rank.set_adapter(other, low_rank.load_adapter(tmp_path / "one" / "adapter.npz"))
    np.testing.assert_allclose(other(examples[0]), model(examples[0]), atol=1e-5)
    for name, array in low_rank.adapter_weights(other).items():
        np.testing.assert_allclose(array, arrays[name], atol=1e-6)


def adapted(rank=2):
    model = network()
    low_rank.add_lora(model, rank, ["low"])
    return model


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: low_rank.lora_parameters(4, 4, 0), "rank is 0"),
        (lambda: low_rank.add_lora(network(), 1, []), "name at least one"),
        (lambda: low_rank.add_lora(network(), 1, ["lower"]), "no layer 'lower'"),
        (lambda: low_rank.add_lora(network(), 1, ["norm"]), "LayerNormalization"),
        (lambda: low_rank.add_lora(adapted(), 1, ["low"]), "already"),
        (lambda: low_rank.merged_weights(network()), "no LoRA adapter"),
        (
            lambda: low_rank.set_adapter(adapted(1), low_rank.adapter_weights(adapted(2))),
            "does not fit",
        ),
    ],
)
def test_bad_adapters_get_one_sentence(call, sentence):
    with pytest.raises(low_rank.LowRankError, match=sentence):
        call()


def test_a_refused_adapter_changes_nothing():
    model = network()
    with pytest.raises(low_rank.LowRankError):
        low_rank.add_lora(model, 2, ["low", "norm"])
    assert len(model.trainable_variables) == 6
    assert not model.get_layer("low").lora_enabled


def test_a_foreign_file_is_no_adapter(tmp_path):
    path = tmp_path / "notes.npz"
    for content in (b"", b"hello", b"PK\x03\x04 and no archive"):
        path.write_bytes(content)
        with pytest.raises(low_rank.LowRankError, match=r"notes\.npz is no adapter .*save_adapter"):
            low_rank.load_adapter(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(low_rank.LowRankError, match="single array"):
        low_rank.load_adapter(tmp_path / "one.npy")
    with pytest.raises(low_rank.LowRankError, match=r"none\.npz is no adapter"):
        low_rank.load_adapter(tmp_path / "none.npz")


PROGRAM = """
import keras, numpy as np
from helpers import data, language_models, language_training, low_rank, models, training, transfer
assert keras.backend.backend() == "{backend}"
# Few labels, restarts, frozen weights and layer-wise rates on real digits.
images = data.load("digits")
net = models.dense_network(images.x_train.shape[1:], 10, (32,), seed=0)
rate = transfer.layerwise_adam(3e-3, {{"hidden_1": 0.1}})
training.compile_classifier(net, optimizer=rate, metrics=None)
pretrained = net.get_weights()
rows = transfer.few_labels(images.y_train, 20, 0)
x, y = images.x_train[rows], images.y_train[rows]
orders = [transfer.training_order(range(len(x)), 100, 20, seed) for seed in (0, 0)]
one, two = transfer.fit_each(net, [pretrained, pretrained], (x, y), orders, 1e-2, 20)
assert transfer.changed_weights(one, two) == 0
assert transfer.changed_weights(pretrained, one) > 0
for turn in range(2):
    transfer.restart(net, pretrained, 1e-2)
    result = training.fit_timed(net, (x, y), epochs=10, batch_size=20)
assert result.history["loss"][-1] < 0.6 * result.history["loss"][0]
net.get_layer("hidden_1").trainable = False
training.compile_classifier(net, 3e-3, metrics=None)
kept = net.get_layer("hidden_1").get_weights()
training.fit_timed(net, (x, y), epochs=2, batch_size=20)
assert transfer.changed_weights(kept, net.get_layer("hidden_1").get_weights()) == 0
# LoRA on the small GPT.
text = b"the cat sat on the mat and the dog sat on the log; " * 40
gpt = language_models.build_gpt(256, 24, 16, 2, 2, seed=1)
base = gpt.get_weights()
before = language_training.bits_per_byte_of(gpt, text[:200])
low_rank.add_lora(gpt, 2, [*language_models.block_layers(1), "logits"])
language_training.train_language_model(
    gpt, text, steps=40, batch=8, learning_rate=3e-2, optimizer="adamw", reports=1)
after = language_training.bits_per_byte_of(gpt, text[:200])
assert after < before - 1, (before, after)
plain = language_models.build_gpt(256, 24, 16, 2, 2, seed=2)
plain.set_weights(low_rank.merged_weights(gpt))
assert abs(language_training.bits_per_byte_of(plain, text[:200]) - after) < 1e-3
print("done")
"""


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.slow)])
def test_the_chapter_s_training_code_runs_on_either_backend(backend):
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(backend=backend)],
        env=os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["done"]


def test_the_imports_stay_cheap():
    code = "import sys; from helpers import low_rank, transfer; "
    code += "assert not {'keras', 'tensorflow', 'jax', 'scipy', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
