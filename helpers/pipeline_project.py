"""The files of the small project that the pipeline of chapter 28 trains, tests and releases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from helpers.sealed_files import flip_bit
from helpers.versioning import digest, pack

TRAIN = '''"""Fits a classifier and predicts with its weights, which are plain arrays."""

import numpy as np


def scaled(x, weights):
    return np.clip((x - weights["mean"]) / weights["deviation"], -3, 3)


def fit(x, y, parameters):
    from sklearn.linear_model import LogisticRegression

    order = np.random.default_rng(parameters["seed"]).permutation(len(x))
    x, y = x[order[: parameters["rows"]]], y[order[: parameters["rows"]]]
    weights = {"mean": x.mean(axis=0), "deviation": x.std(axis=0) + 1e-9}
    model = LogisticRegression(C=parameters["C"], max_iter=parameters["max_iter"])
    model.fit(scaled(x, weights), y)
    scale = model.coef_, model.intercept_, model.classes_
    return weights | dict(zip(("slopes", "offsets", "classes"), scale, strict=True))


def predict(weights, x):
    scores = scaled(x, weights) @ weights["slopes"].T + weights["offsets"]
    if scores.shape[1] == 1:  # two classes have one score
        return weights["classes"][(scores[:, 0] > 0).astype(int)]
    return weights["classes"][scores.argmax(axis=1)]
'''

TESTS = '''"""What must hold before any training: the pipeline gives each test the module train."""

import numpy as np

WEIGHTS = {
    "mean": np.array([1.0, -1.0]), "deviation": np.array([2.0, 0.5]),
    "slopes": np.eye(2), "offsets": np.zeros(2), "classes": np.array([4, 7]),
}
X = np.array([[9.0, -1.0], [1.0, 9.0], [2.0, -1.0]])


def test_a_row_is_predicted_alike_alone_and_in_a_batch(train):
    alone = [train.predict(WEIGHTS, X[row : row + 1])[0] for row in range(len(X))]
    assert alone == train.predict(WEIGHTS, X).tolist(), "rows influence one another"

def test_the_classes_are_those_of_the_training_data(train):
    classes = train.predict(WEIGHTS, X).tolist()
    assert classes == [4, 7, 4], f"predicted {classes}"


def test_values_beyond_three_deviations_are_cut(train):
    cut = train.scaled(np.array([[99.0, -99.0]]), WEIGHTS).tolist()
    assert cut == [[3, -3]], f"scaled to {cut}"

'''

# A change that looks harmless: scaling with the batch's own mean. Training hides it, and a service
# that gets one row at a time would answer differently.
BUGGY = TRAIN.replace('(x - weights["mean"]) / weights["deviation"]', "(x - x.mean(axis=0)) / 2")


def project(data: str, parameters: Mapping[str, Any], lock: str) -> dict[str, str]:
    """{path: text} of a whole commit; `data` is the key of the training data in the store."""
    return {
        "train.py": TRAIN,
        "test_train.py": TESTS,
        "data.json": json.dumps({"train": data}, indent=1) + "\n",
        "parameters.json": json.dumps(dict(parameters), indent=1) + "\n",
        "lock.txt": lock,
    }


def single_changes(
    files: Mapping[str, str], content: bytes, rng: np.random.Generator, turns: int
) -> Iterator[dict[str, str]]:
    """`files` with one thing changed, 4 * `turns` times, no two alike.

    In turn: one random bit of the data `content` (as another key), one character of the code at a
    random place, the parameter `C`, one digit more in a version of the lock file.
    """
    parameters = json.loads(files["parameters.json"])
    for turn in range(turns):
        key = digest(flip_bit(content, int(rng.integers(8 * len(content)))))
        place = int(rng.integers(len(files["train.py"])))
        code = files["train.py"][:place] + chr(0x3B1 + turn) + files["train.py"][place + 1 :]
        other = parameters | {"C": parameters["C"] + (turn + 1) / 1e6}
        yield {**files, "data.json": json.dumps({"train": key})}
        yield {**files, "train.py": code}
        yield {**files, "parameters.json": json.dumps(other)}
        yield {**files, "lock.txt": files["lock.txt"].replace("==", f"=={turn}", 1)}


def as_on_windows(files: Mapping[str, str]) -> dict[str, str]:
    """The same commit with other line endings, its files and parameters in another order."""
    turned = dict(reversed(json.loads(files["parameters.json"]).items()))
    changed = {**files, "parameters.json": json.dumps(turned)}
    return {name: changed[name].replace("\n", "\r\n") for name in sorted(changed, reverse=True)}


def weights_over_time(x: np.ndarray, y: np.ndarray, seed: int, count: int = 6) -> list[bytes]:
    """The weight files of one network after 1, 2, ... `count` rounds over x (n, features), y (n,).

    A hidden layer of 256 units, trained with Adam; each file is safetensors in float32.
    """
    from sklearn.neural_network import MLPClassifier

    network, found = MLPClassifier((256,), learning_rate_init=0.002, random_state=seed), []
    for _ in range(count):
        network.partial_fit(x, y, classes=np.unique(y))
        layers = {f"layer_{i}": w.astype(np.float32) for i, w in enumerate(network.coefs_)}
        found.append(pack(layers))
    return found
