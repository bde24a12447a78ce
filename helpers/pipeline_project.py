"""The files of the small project that the pipeline of chapter 28 trains, tests and releases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

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
