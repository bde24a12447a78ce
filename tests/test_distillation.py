"""Soft targets and students, against SciPy and against a plain Keras fit."""

import numpy as np
import pytest
from scipy.special import softmax

from helpers.distillation import DistillationError, Targets, soft_targets, student_trainer


def test_soft_targets_are_those_of_scipy():
    logits = np.random.default_rng(0).normal(0, 5, (20, 6))
    for temperature in (0.5, 1, 4):
        expected = softmax(logits / temperature, axis=1)
        np.testing.assert_allclose(soft_targets(logits, temperature), expected, rtol=1e-5)
    assert np.isfinite(soft_targets([[1e4, -1e4, 0.0]])).all()


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_soft_targets_refuse_a_temperature(temperature):
    with pytest.raises(DistillationError, match="above 0"):
        soft_targets([[1.0, 2.0]], temperature)


def _task(rows=90, inputs=5, classes=3):
    draw = np.random.default_rng(1)
    x = draw.normal(size=(rows, inputs)).astype(np.float32)
    logits = x @ draw.normal(size=(inputs, classes)) * 2
    one_hot = np.eye(classes, dtype=np.float32)[logits.argmax(axis=1)]
    targets = {"labels": Targets(one_hot), "soft": Targets(soft_targets(logits, 3.0), 3.0)}
    return x, logits.astype(np.float32), targets


@pytest.fixture(scope="module")
def trained():
    x, logits, targets = _task()
    train = student_trainer(x, targets, 4, steps=40, copies=2, batch_size=16, learning_rate=0.02)
    rows = [np.arange(60), np.arange(10, 70)]
    return x, logits, train, train(rows), rows


def test_a_student_is_the_one_of_a_plain_fit(trained):
    """One student alone, by Keras and the loss for one student, ends with the same weights."""
    import keras

    from helpers.compression import distillation_loss
    from helpers.distillation import _orders

    x, logits, _, students, rows = trained
    draw = np.random.default_rng([0, 20])
    first = draw.uniform(-1, 1, (2, 5, 4)) * np.sqrt(6 / 5)
    last = draw.uniform(-1, 1, (2, 4, 3)) * np.sqrt(6 / 7)
    order = _orders(rows, 2, len(x), 40 * 16, int(draw.integers(2**31)))[:, 1]
    hidden = keras.layers.Dense(4, activation="relu")
    model = keras.Sequential([keras.Input((5,)), hidden, keras.layers.Dense(3)])
    model.set_weights([first[1], np.zeros(4), last[1], np.zeros(3)])
    pace = keras.optimizers.schedules.CosineDecay(0.02, 40)
    # The students' losses are summed over the batch's mean, as here: one mean for each student.
    model.compile(keras.optimizers.Adam(pace), distillation_loss(3.0))
    model.fit(x[order], logits[order], 16, shuffle=False, verbose=0)
    for ours, plain in zip(students.network("soft", 1), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, plain, atol=2e-4)
    np.testing.assert_allclose(students.logits("soft", x)[1], np.asarray(model(x)), atol=1e-3)


def test_kinds_begin_alike_and_end_apart(trained):
    _, _, _, students, _ = trained
    assert students.kinds == ("labels", "soft")
    apart = [
        np.abs(a - b).max()
        for a, b in zip(students.network("labels"), students.network("soft"), strict=True)
    ]
    assert min(apart) > 1e-3


def test_training_again_gives_the_same(trained):
    x, _, train, students, rows = trained
    again = train(rows)
    np.testing.assert_allclose(again.logits("soft", x), students.logits("soft", x), atol=1e-5)


def test_one_class_is_that_of_scikit_learn(trained):
    from sklearn.metrics import recall_score, roc_auc_score

    x, logits, _, students, _ = trained
    y = logits.argmax(axis=1)
    area, named = students.one_class("soft", x, y, 1)
    answers = students.logits("soft", x)
    areas = [roc_auc_score(y == 1, softmax(one, axis=1)[:, 1]) for one in answers]
    shares = [recall_score(y == 1, one.argmax(axis=1) == 1) for one in answers]
    assert area == pytest.approx(np.mean(areas), abs=1e-6)
    assert named == pytest.approx(np.mean(shares))


def test_students_learn(trained):
    x, logits, _, students, _ = trained
    assert students.accuracy("soft", x, logits.argmax(axis=1)).min() > 0.6
    with pytest.raises(DistillationError, match="there are labels, soft"):
        students.network("hard")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"units": 0}, "units is 0"),
        ({"copies": True}, "copies is True"),
        ({"steps": 0}, "steps is 0"),
        ({"batch_size": 1.5}, "batch_size is 1.5"),
        ({"targets": {}}, "at least one kind"),
        ({"targets": {"a": Targets(np.ones((3, 2)))}}, "must all have the shape"),
        ({"targets": {"a": Targets(np.ones((90, 2)))}}, "are no probabilities"),
        ({"targets": {"a": Targets(np.full((90, 2), 0.5), 0.0)}}, "temperature of 'a'"),
    ],
)
def test_bad_settings_get_a_sentence(change, words):
    x, _, targets = _task()
    settings = {"targets": targets, "units": 4, "steps": 10} | change
    with pytest.raises(DistillationError, match=words):
        student_trainer(x, **settings)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[0, 1]], "each of the 2 copies"),
        ([[0], []], "each of the 2 copies"),
        ([[0], [90]], "outside 0 to 89"),
    ],
)
def test_bad_rows_get_a_sentence(trained, rows, words):
    with pytest.raises(DistillationError, match=words):
        trained[2](rows)
