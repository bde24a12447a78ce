"""Training: set-up, input pipeline, timing and checkpoints, small enough for every run."""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from helpers import checkpoints, input_pipeline, models, profiles, training

ROOT = Path(__file__).resolve().parents[1]


CPU = profiles.Profile("quick", "cpu", "float32")


@dataclass(frozen=True)
class SmallRun:
    seed: int = 0
    profile: profiles.Profile = CPU


@pytest.fixture(scope="module")
def keras():
    training.prepare_keras(SmallRun())
    import keras

    return keras


@pytest.fixture(scope="module")
def data():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x[:300].astype("float32") / 16, y[:300]


def classifier(**options):
    model = models.dense_network((64,), 10, hidden=(16,), seed=0)
    return training.compile_classifier(model, 3e-3, **options)


def order_seen(dataset) -> list[list[int]]:
    return [np.asarray(labels).tolist() for _, labels in dataset]


# Set-up


def test_preparing_keras_says_what_trains_and_seeds(keras):
    line = training.prepare_keras(SmallRun(seed=7))
    assert keras.__version__ in line
    assert "tensorflow" in line
    assert "seed 7" in line
    first = keras.ops.convert_to_numpy(keras.random.normal((3,)))
    training.prepare_keras(SmallRun(seed=7))
    again = keras.ops.convert_to_numpy(keras.random.normal((3,)))
    np.testing.assert_array_equal(first, again)
    assert keras.config.dtype_policy().name == "float32"


def test_a_missing_gpu_is_one_sentence(keras):
    if profiles.gpu_count():
        pytest.skip("this machine has a GPU")
    run = SmallRun(profile=profiles.Profile("gpu", "gpu", "mixed_bfloat16"))
    with pytest.raises(training.TrainingError, match="sees none"):
        training.prepare_keras(run)


def test_a_thread_count_that_is_no_number_is_one_sentence(monkeypatch, keras):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "two")
    with pytest.raises(training.TrainingError, match="TF_NUM_INTRAOP_THREADS is 'two'"):
        training.prepare_keras(SmallRun())


def test_many_models_in_one_process_bring_no_warning_of_tensorflow(keras):
    class Kept(logging.Handler):
        def __init__(self):
            super().__init__()
            self.messages = []

        def emit(self, record):
            self.messages.append(record.getMessage())

    kept, logger = Kept(), logging.getLogger("tensorflow")
    x, y = np.zeros((5, 4), "float32"), np.zeros(5, "int64")
    logger.addHandler(kept)
    try:
        for seed in range(8):
            network = models.dense_network((4,), 3, (2,), seed=seed)
            model = training.compile_classifier(network)
            for count in (5, 3):  # The smaller last batch traces the step again.
                model.evaluate(x[:count], y[:count], batch_size=4, verbose=0)
    finally:
        logger.removeHandler(kept)
    assert kept.messages == []


def test_native_output_is_dropped_and_comes_back(capfd):
    with training.quiet_native_output():
        os.write(2, b"dropped")
    os.write(2, b"kept")
    assert capfd.readouterr().err == "kept"


PROGRAM = """
import json, sys
import numpy as np
from helpers import models, profiles, training

class Run:
    seed = 0
    profile = profiles.Profile("quick", "cpu", "float32")

line = training.prepare_keras(Run)
rng = np.random.default_rng(0)
x, y = rng.random((64, 8, 8, 1), dtype="float32"), rng.integers(0, 4, 64)
x[np.arange(64), y, 0, 0] += 3
data = training.make_dataset(x, y, batch_size=16)
model = training.compile_classifier(models.dense_network((8, 8, 1), 4, hidden=(8,)), 0.02)
result = training.fit_timed(model, data, epochs=4, validation=(x, y))
from helpers import checkpoints
path = checkpoints.save(model, sys.argv[1], 4, result.history)
checkpoints.restore(model, checkpoints.load(path))
threads = None
if "tensorflow" in line:
    import tensorflow as tf
    threads = tf.config.threading.get_inter_op_parallelism_threads()
unloaded = "tensorflow" in line and "jax" not in sys.modules
import jax
answer = {"line": line, "loss": result.history["loss"], "threads": threads}
print(json.dumps(answer | {"unloaded": unloaded}))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_fresh_process_trains_on_either_backend_without_noise(backend, tmp_path):
    pytest.importorskip(backend)
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": backend, "TF_NUM_INTEROP_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    # One inter-op thread can lock a training step and its data set; two are the least.
    assert answer["threads"] in (None, 2)
    assert f"on {backend} " in answer["line"]
    # TensorFlow does without JAX, which costs time to load, and whoever asks for it still gets it.
    assert answer["unloaded"] == (backend == "tensorflow")
    assert answer["loss"][-1] < 0.9 * answer["loss"][0]


# Input pipeline


def test_every_example_comes_once_a_pass_in_a_new_order_that_the_seed_fixes(keras):
    x, y = np.arange(10.0)[:, None], np.arange(10)
    dataset = training.make_dataset(x, y, batch_size=4, seed=5)
    first, second = order_seen(dataset), order_seen(dataset)
    assert [len(batch) for batch in first] == [4, 4, 2]
    for batches in (first, second):
        assert sorted(itertools.chain(*batches)) == list(range(10))
    assert first != second
    assert order_seen(training.make_dataset(x, y, batch_size=4, seed=5)) == first
    assert order_seen(training.make_dataset(x, y, batch_size=4, seed=6)) != first
    for features, labels in dataset:
        np.testing.assert_array_equal(np.asarray(features)[:, 0], np.asarray(labels))


def test_order_can_be_kept_and_set_to_an_epoch(keras):
    x, y = np.zeros((7, 1)), np.arange(7)
    assert order_seen(training.make_dataset(x, y, 3, shuffle=False)) == [[0, 1, 2], [3, 4, 5], [6]]
    dataset = training.make_dataset(x, y, 3, seed=1)
    epochs = [order_seen(dataset) for _ in range(3)]
    dataset.start_epoch(1)
    assert [order_seen(dataset) for _ in range(2)] == epochs[1:]
    expected = input_pipeline.epoch_order(7, 2, 1).tolist()
    assert list(itertools.chain(*epochs[2])) == expected


def test_both_kinds_of_data_set_give_the_same_batches(keras):
    x, y = np.arange(11.0)[:, None], np.arange(11)
    dataset = training.make_dataset(x, y, 4, seed=2)
    orders = input_pipeline._Orders(11, 2)
    batches = input_pipeline._batches_class()(x, y, 4, orders)
    for _ in range(3):
        mine = [batches[number][1].tolist() for number in range(len(batches))]
        batches.on_epoch_end()
        assert mine == order_seen(dataset)


@pytest.mark.parametrize("cache", [True, False])
def test_preprocessing_is_applied_and_cached_on_request(keras, cache):
    seen = []

    def double(batch):
        seen.append(1)
        return keras.ops.multiply(batch, 2)

    x = np.arange(6, dtype="float32")[:, None]
    dataset = training.make_dataset(x, np.arange(6), 2, cache=cache, preprocess=double)
    for _ in range(2):
        for features, labels in dataset:
            np.testing.assert_array_equal(np.asarray(features)[:, 0], 2.0 * np.asarray(labels))
    # Cached: three calls, one a batch. Otherwise it is traced once, into the graph.
    assert len(seen) == (3 if cache else 1)


@pytest.mark.parametrize(
    ("x", "y", "options", "sentence"),
    [
        (np.zeros((0, 2)), np.zeros(0), {}, "nothing to train on"),
        (np.zeros((3, 2)), np.zeros(2), {}, "x has 3 examples and y has 2"),
        (np.array([[1.0], [np.nan]]), np.zeros(2), {}, "x holds 1 values that are NaN"),
        (np.zeros((2, 1)), np.array([0, np.inf]), {}, "y holds 1 values"),
        (np.zeros((2, 1)), np.zeros(2), {"batch_size": 0}, "batch_size is 0"),
        (np.zeros((2, 1)), np.zeros(2), {"batch_size": 1.5}, "batch_size is 1.5"),
    ],
)
def test_arrays_that_cannot_be_trained_on_get_one_sentence(keras, x, y, options, sentence):
    with pytest.raises(training.TrainingError, match=sentence):
        training.make_dataset(x, y, **options)


# Fitting


def test_fitting_learns_and_is_timed(keras, data):
    dataset = training.make_dataset(*data, batch_size=32)
    result = training.fit_timed(classifier(), dataset, epochs=6, validation=data)
    assert result.history["loss"][-1] < 0.7 * result.history["loss"][0]
    assert len(result.history["val_accuracy"]) == len(result.epoch_seconds) == 6
    assert 0 < sum(result.epoch_seconds) < result.seconds
    assert result.first_epoch_seconds == result.epoch_seconds[0]
    assert result.examples == 300
    assert result.examples_per_second == pytest.approx(300 / np.median(result.epoch_seconds[1:]))


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone(keras, data):
    """The same on both kinds of data set, and whatever passes came before."""
    x, y = data
    used = training.make_dataset(x, y, 32, seed=4)
    order_seen(used)
    batches = input_pipeline._batches_class()(x, y, 32, input_pipeline._Orders(len(x), 4))
    losses = [
        training.fit_timed(classifier(), dataset, epochs=3).history["loss"]
        for dataset in (training.make_dataset(x, y, 32, seed=4), used, batches)
    ]
    np.testing.assert_allclose(losses[1], losses[0], atol=1e-6)
    np.testing.assert_allclose(losses[2], losses[0], atol=1e-6)


def test_validation_is_left_out_of_the_epochs_time(keras, data):
    import time

    class Slow(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            time.sleep(0.3)

    result = training.fit_timed(
        classifier(), data, epochs=2, validation=data, callbacks=[Slow()], batch_size=100
    )
    assert result.seconds - sum(result.epoch_seconds) > 0.6


def test_same_seed_same_weights(keras, data):
    ends = []
    for _ in range(2):
        model = classifier()
        training.fit_timed(model, training.make_dataset(*data, seed=3), epochs=2)
        ends.append(model.get_weights())
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_bar_stays_out_of_what_is_not_a_terminal(keras, data, capfd):
    training.fit_timed(classifier(), data, epochs=1, progress=True)
    captured = capfd.readouterr()
    assert captured.err == captured.out == ""


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda d: training.fit_timed(classifier(), d, epochs=0), "epochs is 0"),
        (lambda d: training.fit_timed(classifier(), d, epochs=True), "epochs is True"),
        (lambda d: training.fit_timed(classifier(), d[0], epochs=1), "a ndarray without"),
        (lambda d: training.fit_timed(classifier(), (d[0], d[1][:5]), epochs=1), "y has 5"),
        (lambda d: training.fit_timed(classifier(), d, epochs=2, initial_epoch=2), "from 0 to 1"),
        (lambda d: training.compile_classifier(classifier(), 0), "learning_rate is 0"),
    ],
)
def test_impossible_training_gets_one_sentence(keras, data, call, sentence):
    with pytest.raises(training.TrainingError, match=sentence):
        call(data)


# Checkpoints


def dropout_classifier(keras):
    """A model with state besides weights: dropout's generator and Adam's slots."""
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(16, activation="relu", kernel_initializer=_glorot(keras, 1)),
            keras.layers.Dropout(0.3, seed=5),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(10, kernel_initializer=_glorot(keras, 2)),
        ]
    )
    return training.compile_classifier(model)


def _glorot(keras, seed):
    return keras.initializers.GlorotUniform(seed=seed)


def test_interrupted_and_resumed_equals_uninterrupted(keras, data, tmp_path):
    whole = dropout_classifier(keras)
    expected = training.fit_timed(whole, training.make_dataset(*data, 32), epochs=5)
    for epochs in (2, 5):
        model = dropout_classifier(keras)
        got = checkpoints.fit_with_checkpoints(
            model, training.make_dataset(*data, 32), epochs=epochs, folder=tmp_path
        )
    assert len(got.epoch_seconds) == 3
    assert set(got.history) == set(expected.history) == {"loss", "accuracy"}
    for name, values in expected.history.items():
        np.testing.assert_allclose(got.history[name], values, atol=1e-6)
    for a, b in zip(whole.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert int(model.optimizer.iterations) == 5 * 10
    assert len(list(tmp_path.iterdir())) == 2


def test_finished_training_is_restored_and_not_repeated(keras, data, tmp_path):
    first = classifier()
    dataset = training.make_dataset(*data)
    checkpoints.fit_with_checkpoints(first, dataset, epochs=2, folder=tmp_path)
    second = classifier()
    result = checkpoints.fit_with_checkpoints(second, dataset, epochs=2, folder=tmp_path)
    assert result.epoch_seconds == ()
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty"])
def test_a_damaged_checkpoint_is_refused_and_the_previous_one_used(keras, data, tmp_path, damage):
    dataset = training.make_dataset(*data)
    checkpoints.fit_with_checkpoints(classifier(), dataset, epochs=2, folder=tmp_path)
    last = max(tmp_path.glob("*.npz"))
    content = bytearray(last.read_bytes())
    if damage == "altered":
        content[len(content) // 2] ^= 1
    last.write_bytes({"truncated": content[:-40], "altered": content, "empty": b""}[damage])
    with pytest.raises(checkpoints.CheckpointError, match="truncated or altered"):
        checkpoints.load(last)
    with pytest.warns(UserWarning, match="The one before it is used"):
        found = checkpoints.newest(tmp_path)
    assert found.epochs_done == 1


def test_a_checkpoint_of_another_model_is_refused_and_changes_nothing(keras, data, tmp_path):
    small = classifier()
    path = checkpoints.save(small, tmp_path, 1, {})
    other = training.compile_classifier(models.dense_network((64,), 10, hidden=(17,), seed=0))
    before = other.get_weights()
    with pytest.raises(checkpoints.CheckpointError, match="do not fit the model"):
        checkpoints.restore(other, checkpoints.load(path))
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_interrupted_write_leaves_no_checkpoint(keras, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints.os, "replace", lambda *names: (_ for _ in ()).throw(OSError))
    with pytest.raises(OSError):  # noqa: PT011
        checkpoints.save(classifier(), tmp_path, 1, {})
    assert checkpoints.newest(tmp_path) is None


def test_checkpoints_need_data_that_can_be_set_to_an_epoch(keras, data, tmp_path):
    with pytest.raises(training.TrainingError, match="make_dataset"):
        checkpoints.fit_with_checkpoints(classifier(), data, epochs=1, folder=tmp_path)
    with pytest.raises(training.TrainingError, match="keep is 1"):
        checkpoints.fit_with_checkpoints(
            classifier(), training.make_dataset(*data), epochs=1, folder=tmp_path, keep=1
        )
