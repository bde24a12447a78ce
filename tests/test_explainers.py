"""Explanations against what is known without them: linear models, hand counts, planted curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression

from helpers import explainers, labelled_text
from helpers.data import DataError, Documents
from helpers.event_file import EventFileError, scalars
from helpers.explainers import ExplanationError


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    return x, (x @ [3.0, -1.0, 0.3, 0.0] + 0.1 * rng.normal(size=400) > 0).astype(int)


def test_lime_of_a_table_ranks_a_linear_models_columns(table):
    x, y = table
    model = LogisticRegression().fit(x, y)
    found = explainers.lime_row(model.predict_proba, x[0], x, samples=2000, seed=1)
    assert found.shape == (4,)
    assert list(np.argsort(-np.abs(found)))[:2] == [0, 1]
    again = explainers.lime_row(model.predict_proba, x[0], x, samples=2000, seed=1)
    np.testing.assert_array_equal(found, again)
    with pytest.raises(ExplanationError, match="same columns"):
        explainers.lime_row(model.predict_proba, x[0, :2], x, samples=10, seed=1)


def test_lime_of_a_text_names_the_word_that_decides():
    def predict(texts):
        yes = np.array([0.9 if "good" in text else 0.2 for text in texts])
        return np.column_stack([1 - yes, yes])

    found = explainers.lime_words(predict, "a good film about bread", 1, samples=200, seed=0)
    assert next(iter(found)) == "good"
    assert abs(found["bread"]) < 0.1 < found["good"]
    with pytest.raises(ExplanationError, match="no words"):
        explainers.lime_words(predict, "  ", 1, samples=10, seed=0)


def test_lime_of_an_image_finds_the_block_that_decides(capsys):
    blocks = np.kron(np.arange(4).reshape(2, 2), np.ones((3, 3), int))

    def predict(images):
        yes = np.asarray(images)[:, 3:, :3, 0].mean(axis=(1, 2))  # block 2
        return np.column_stack([1 - yes, yes])

    images = np.ones((2, 6, 6, 1), "float32")
    found = explainers.lime_blocks(predict, images, [1, 0], blocks, samples=50, seed=0)
    assert found.shape == (2, 6, 6)
    assert blocks[np.unravel_index(found[0].argmax(), (6, 6))] == 2
    assert blocks[np.unravel_index(found[1].argmin(), (6, 6))] == 2
    assert capsys.readouterr().err == ""
    with pytest.raises(ExplanationError, match="block number"):
        explainers.lime_blocks(predict, images, [1, 0], blocks[:2], samples=5, seed=0)


def test_rank_agreement_is_the_mean_of_all_pairs():
    rows = np.array([[3.0, -2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.5], [1.0, 2.0, -3.0, 4.0]])
    pairs = [spearmanr(abs(rows[a]), abs(rows[b]))[0] for a, b in ((0, 1), (0, 2), (1, 2))]
    assert explainers.rank_agreement(rows) == pytest.approx(np.mean(pairs))
    with pytest.raises(ExplanationError, match="at least two"):
        explainers.rank_agreement(rows[:1])


def test_importance_of_single_columns_agrees_with_scikit_learn(table):
    x, y = table
    model = RandomForestClassifier(20, random_state=0).fit(x, y)
    kept = x.copy()
    found = explainers.group_importance(model, x, y, [[0], [1], [2], [3]], repeats=30, seed=0)
    options = {"scoring": "neg_brier_score", "n_repeats": 30, "random_state": 1}
    known = permutation_importance(model, x, y, **options).importances_mean
    np.testing.assert_allclose(found, known, rtol=0.1, atol=0.002)
    np.testing.assert_array_equal(x, kept)


def test_a_group_stays_in_step():
    x = np.repeat(np.arange(50.0)[:, None], 2, axis=1)

    class Difference:
        def predict_proba(self, rows):
            yes = (rows[:, 0] != rows[:, 1]).astype(float)
            return np.column_stack([1 - yes, yes])

    y = np.zeros(50)
    apart, together = explainers.group_importance(Difference(), x, y, [[0], [0, 1]], 3, seed=0)
    assert apart > 0.8
    assert together == 0
    with pytest.raises(ExplanationError, match="at least one"):
        explainers.group_importance(Difference(), x, y, [[2]], 3, seed=0)


def test_the_deletion_curve_of_a_model_that_looks_at_one_pixel():
    images = np.ones((3, 2, 2, 1))

    def probability(x):
        yes = x[:, 0, 1, 0]
        return np.column_stack([1 - yes, yes])

    scores = np.zeros((3, 2, 2))
    scores[:, 0, 1] = 1
    ones = np.ones(3, int)
    best = explainers.deletion_curve(probability, images, ones, scores, parts=4)
    np.testing.assert_array_equal(best, [1, 0, 0, 0, 0])
    worst = explainers.deletion_curve(probability, images, ones, -scores, parts=4)
    np.testing.assert_array_equal(worst, [1, 1, 1, 1, 0])
    filled = explainers.deletion_curve(probability, images, ones, scores, 0.25, parts=4)
    np.testing.assert_array_equal(filled, [1, 0.25, 0.25, 0.25, 0.25])
    with pytest.raises(ExplanationError, match="one for each"):
        explainers.deletion_curve(probability, images, ones, scores[:2])


def test_what_the_default_explainer_makes_of_models(table):
    x, y = table
    forest = RandomForestClassifier(5, random_state=0).fit(x, y)
    found = explainers.default_explainer(forest, x[:3])
    assert found["values add up to"] == "the probability"
    linear = explainers.default_explainer(LogisticRegression().fit(x, y), x[:3])
    assert linear["explainer"] == "fails: TypeError"


def test_the_circulating_calls_are_refused_for_their_own_reason(table):
    x, y = table
    forest = RandomForestClassifier(5, random_state=0).fit(x, y)
    found = explainers.circulating_calls(forest.predict, x)
    assert [row["error"] for row in found] == ["NotImplementedError", "TypeError", "AttributeError"]
    found = explainers.circulating_calls(forest.predict_proba, x)
    assert found[0]["error"] == ""


def test_deep_shap_is_right_on_a_linear_model(keras_ready):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    rows = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    background = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    values, off = explainers.deep_shap(model, background, rows)
    known = (rows - background.mean(axis=0))[..., None] * model.get_weights()[0]
    np.testing.assert_allclose(values, known, atol=1e-5)
    assert off < 1e-5


def test_the_log_of_a_training_holds_its_losses(keras_ready):
    from helpers.event_file import logged_fit
    from helpers.models import dense_network
    from helpers.training import compile_classifier

    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    model = compile_classifier(dense_network((3,), 2, (4,), seed=0), metrics=None)
    done, curves = logged_fit(model, (x, np.arange(64) % 2), epochs=3, batch_size=16)
    assert curves["epoch_loss"] == pytest.approx(done.history["loss"], abs=1e-7)


def test_a_log_that_is_not_there_is_one_sentence(tmp_path, keras_ready):
    import tensorflow as tf

    with pytest.raises(EventFileError, match="no event files"):
        scalars(tmp_path, "epoch_loss")
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        for step in (1, 0, 2):
            tf.summary.scalar("loss", 10.0 * step, step=step)
    writer.close()
    assert scalars(tmp_path, "loss") == [0, 10, 20]
    with pytest.raises(EventFileError, match="it has loss"):
        scalars(tmp_path, "accuracy")


@pytest.fixture(scope="module")
def keras_ready(tmp_path_factory):
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow is the subject here")


def test_blanked_paragraphs_hold_one_of_the_words():
    long = "and this goes on for quite a few words more"
    found = labelled_text.blanked(
        [f"A Class {long}", f"Two strings {long}", f"class and string {long}", "A class", long]
    )
    assert found == [(f"A [...] {long}", 0), (f"Two [...] {long}", 1)]


def test_the_text_task_hides_its_labels():
    texts = labelled_text.two_classes("python_docs")
    assert len(texts.texts_train) > 2 * len(texts.texts_test) > 50
    assert set(texts.labels_train) == {0, 1}
    assert not any("class" in text.lower().split() for text in texts.texts_train)
    assert not set(texts.texts_train) & set(texts.texts_test)
    with pytest.raises(DataError, match="no text task"):
        labelled_text.two_classes("iris")


def test_the_word_study_finds_the_words_that_were_planted():
    rng = np.random.default_rng(0)
    filler = [f"word{i}" for i in range(40)]

    def make(count):
        labels = np.arange(count) % 2
        decided = (("bad", "awful"), ("good", "great"))
        return tuple(
            " ".join([*rng.choice(filler, 25, replace=False), *decided[label]]) for label in labels
        ), labels

    (train, y_train), (test, y_test) = make(200), make(20)
    texts = Documents("planted", train, y_train, test, y_test, ("no", "yes"), "made", "none")
    model = labelled_text.word_model(texts)
    study = labelled_text.word_study(model, texts, count=4, samples=300, seed=0)
    for top, label in zip(study.named, y_test, strict=False):
        assert set(top[:2]) == set((("bad", "awful"), ("good", "great"))[label])
    assert min(study.lost) > 3 * max(study.lost_by_chance)
    with pytest.raises(ExplanationError, match="ask for fewer"):
        labelled_text.word_study(model, texts, count=50, samples=10, seed=0)


def test_words_are_deleted_as_whole_words():
    assert labelled_text.without("the other the, The", ["the"]) == " other , The"
