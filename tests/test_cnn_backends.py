"""Chapter 09's training code on TensorFlow and on JAX: same functions, same answer."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]

PROGRAM = """
import json
import numpy as np
from helpers import data, models, profiles, training
from helpers.evaluation import accuracy

class Run:
    seed = 0
    profile = profiles.Profile("quick", "cpu", "float32")

line = training.prepare_keras(Run)
import keras

# Two classes of real digits, framed as in the chapter.
images = data.load("digits")
frame = ((0, 0), (2, 2), (2, 2), (0, 0))
few, rest = np.flatnonzero(images.y_train < 2)[:80], images.y_test < 2
x, y = np.pad(images.x_train[few], frame), images.y_train[few]
x_rest, y_rest = np.pad(images.x_test[rest], frame), images.y_test[rest]

model = models.convolutional_network(x.shape[1:], 2, filters=(4, 8), dense=16, seed=0)
generator = np.random.default_rng(0)
weights = [generator.normal(0, 0.2, w.shape) for w in model.get_weights()]
model.set_weights(weights)
before = keras.ops.convert_to_numpy(model(x_rest[:5]))

untrained = accuracy(y_rest, keras.ops.convert_to_numpy(model(x_rest)))
batches = training.make_dataset(x, y, batch_size=16, seed=0)
result = training.fit_timed(training.compile_classifier(model, 3e-3), batches, epochs=8)
trained = accuracy(y_rest, keras.ops.convert_to_numpy(model(x_rest)))
after = keras.ops.convert_to_numpy(model(x_rest[:5]))
found = {"line": line, "before": before.tolist(), "after": after.tolist()}
found |= {"loss": result.history["loss"], "untrained": untrained, "trained": trained}
found["share"] = float(max(np.bincount(y_rest)) / len(y_rest))
print(json.dumps(found))
"""


@functools.cache
def answer(backend: str) -> dict:
    """What the program prints in a fresh process on `backend`."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"KERAS_BACKEND": backend},
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_network_learns_on_either_backend(backend):
    pytest.importorskip(backend)
    found = answer(backend)
    assert f"on {backend} " in found["line"]
    assert found["loss"][-1] < 0.5 * found["loss"][0]
    assert found["untrained"] < 0.9
    assert found["trained"] >= 0.95 > found["share"]


def test_both_backends_compute_and_learn_the_same():
    pytest.importorskip("tensorflow")
    pytest.importorskip("jax")
    one, other = answer("tensorflow"), answer("jax")
    np.testing.assert_allclose(one["before"], other["before"], atol=1e-4)
    # The order of the batches is fixed by the seed, so training takes the same way, up to rounding.
    np.testing.assert_allclose(one["loss"], other["loss"], rtol=0.02, atol=1e-3)
    np.testing.assert_allclose(one["after"], other["after"], atol=0.1)
