"""Metrics, calibration, intervals, latency: against scikit-learn, SciPy, statsmodels, papers."""

from __future__ import annotations

import gc
import itertools
import math
import time

import numpy as np
import pytest
from scipy import stats
from sklearn import calibration as sk_calibration
from sklearn import datasets, linear_model, metrics, neural_network
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from helpers import evaluation as ev
from helpers.data import Split
from helpers.tabular import TaskError, as_columns, yes_or_no


@pytest.fixture(scope="module")
def classified():
    """(labels, logits) of 600 examples of four classes drawn from softmax(logits)."""
    generator = np.random.default_rng(3)
    logits = generator.normal(size=(600, 4)) * 2
    return np.array([generator.choice(4, p=row) for row in ev.softmax(logits)]), logits


def test_softmax_survives_large_logits():
    found = ev.softmax([[1000.0, 1000.0 + math.log(3)], [-1e4, 0.0]])
    assert found == pytest.approx(np.array([[0.25, 0.75], [0.0, 1.0]]))


def test_summary_is_scikit_learns(classified):
    y, logits = classified
    probabilities = ev.softmax(logits)
    found = ev.classification_summary(y, probabilities)
    predicted = probabilities.argmax(axis=1)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(y, predicted))
    assert found.macro_f1 == pytest.approx(metrics.f1_score(y, predicted, average="macro"))
    assert found.log_loss == pytest.approx(metrics.log_loss(y, probabilities))


def test_macro_f1_counts_a_class_that_is_never_predicted_as_zero():
    y = np.array([0, 0, 1, 2])
    probabilities = np.eye(4)[[0, 0, 0, 2]]
    expected = metrics.f1_score(y, [0, 0, 0, 2], average="macro", zero_division=0)
    assert ev.classification_summary(y, probabilities).macro_f1 == pytest.approx(expected)


def test_accuracy_takes_labels_and_scores(classified):
    y, logits = classified
    assert ev.accuracy(y, logits) == ev.accuracy(y, logits.argmax(axis=1))
    assert ev.accuracy([1, 0], [True, True]) == 0.5


def test_roc_auc_is_scikit_learns_with_ties():
    generator = np.random.default_rng(0)
    y, scores = generator.integers(0, 2, 300), generator.integers(0, 9, 300) / 8
    assert ev.roc_auc(y, scores) == pytest.approx(metrics.roc_auc_score(y, scores), abs=1e-12)


def test_reliability_curve_is_scikit_learns():
    generator = np.random.default_rng(1)
    p = generator.random(500)
    y = (generator.random(500) < p**2).astype(int)
    frequency, confidence = sk_calibration.calibration_curve(y, p, n_bins=15)
    curve = ev.reliability_curve(y, p)
    assert curve.frequency == pytest.approx(frequency)
    assert curve.confidence == pytest.approx(confidence)
    assert curve.count.sum() == 500


def test_calibration_error_by_the_papers_formula(classified):
    y, logits = classified
    probabilities = ev.softmax(logits, 0.5)
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    expected = 0.0
    for number in range(10):  # Guo et al. 2017: bins ((m - 1) / M, m / M]
        inside = (sure > number / 10) & (sure <= (number + 1) / 10)
        if inside.any():
            expected += inside.sum() / len(y) * abs(right[inside].mean() - sure[inside].mean())
    assert ev.expected_calibration_error(y, probabilities, bins=10) == pytest.approx(expected)


def test_a_certain_and_always_right_model_has_no_calibration_error():
    assert ev.expected_calibration_error([0, 1], [[1.0, 0.0], [0.0, 1.0]]) == 0


def test_temperature_undoes_a_known_one_and_minimises_the_loss(classified):
    y, logits = classified
    plain = ev.fit_temperature(logits, y)
    assert ev.fit_temperature(logits * 5, y) == pytest.approx(5 * plain, rel=1e-5)
    assert plain == pytest.approx(1, abs=0.15)  # the labels were drawn at temperature 1
    best = metrics.log_loss(y, ev.softmax(logits, plain))
    for other in (0.98, 1.02):
        assert metrics.log_loss(y, ev.softmax(logits, plain * other)) > best


def test_temperature_refuses_logits_that_are_always_right():
    with pytest.raises(ev.EvaluationError, match="get every example right"):
        ev.fit_temperature([[5.0, 0.0], [0.0, 5.0]], [0, 1])


def test_temperature_refuses_logits_that_say_the_opposite():
    with pytest.raises(ev.EvaluationError, match="say nothing about the labels"):
        ev.fit_temperature([[5.0, 0.0], [0.0, 5.0]], [1, 0])


def test_bootstrap_is_scipys_percentile_interval():
    values = np.random.default_rng(5).exponential(size=200)
    found = ev.bootstrap_interval(np.mean, values, repeats=4000)
    expected = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1)
    assert found.estimate == values.mean()
    width = expected.confidence_interval.high - expected.confidence_interval.low
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.06 * width)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.06 * width)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(7)
    covered = 0
    for turn in range(200):
        interval = ev.bootstrap_interval(
            np.mean, generator.random(80) < 0.7, repeats=200, seed=turn
        )
        covered += interval.low <= 0.7 <= interval.high
    assert 0.87 <= covered / 200 <= 1  # 95 per cent, four standard errors of 200 trials


def test_bootstrap_resamples_arrays_together_and_repeats_itself():
    a = np.arange(50.0)
    assert ev.bootstrap_interval(lambda x, y: np.abs(x - y).max(), a, a).high == 0
    assert ev.bootstrap_interval(np.mean, a, seed=4) == ev.bootstrap_interval(np.mean, a, seed=4)
    assert (
        ev.bootstrap_interval(np.mean, a, level=0.5).width < ev.bootstrap_interval(np.mean, a).width
    )


def test_paired_difference_is_the_bootstrap_of_the_difference():
    generator = np.random.default_rng(2)
    a = generator.random(400) < 0.9
    b = np.where(generator.random(400) < 0.95, a, ~a)
    found = ev.paired_difference(a, b)
    assert found.estimate == pytest.approx(a.mean() - b.mean())
    error = np.std(a.astype(int) - b.astype(int)) / 20
    assert found.width == pytest.approx(2 * 1.96 * error, rel=0.15)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (5, 0), (7, 12), (40, 41), (600, 500)])
def test_mcnemar_is_the_exact_binomial_test(only_a, only_b):
    a = np.array([1] * only_a + [0] * only_b + [1] * 30)
    b = np.array([0] * only_a + [1] * only_b + [1] * 30)
    found = ev.mcnemar(a, b)
    assert (found.only_a, found.only_b) == (only_a, only_b)
    table = [[30, only_a], [only_b, 0]]
    assert found.p_value == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue, rel=1e-9)
    if only_a + only_b:
        expected = stats.binomtest(only_a, only_a + only_b).pvalue
        assert found.p_value == pytest.approx(expected, rel=1e-9)


def test_bits_per_byte_of_a_uniform_model_are_eight():
    assert ev.bits_per_byte(10 * math.log(256), 10) == pytest.approx(8)


@pytest.mark.parametrize(("n", "c", "k"), [(6, 0, 3), (6, 1, 3), (6, 2, 1), (7, 4, 4), (5, 5, 2)])
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(n, c, k):
    subsets = list(itertools.combinations(range(n), k))
    expected = sum(min(subset) < c for subset in subsets) / len(subsets)
    assert ev.pass_at_k(n, c, k) == pytest.approx(expected, abs=1e-15)


def test_pass_at_k_by_the_papers_product():
    expected = 1 - np.prod(1 - 100 / np.arange(200 - 30 + 1, 200 + 1))
    assert ev.pass_at_k(200, 30, 100) == pytest.approx(expected, rel=1e-12)


def test_latency_measures_a_known_pause_with_the_collector_off():
    states = []

    def pause():
        states.append(gc.isenabled())
        time.sleep(0.002)

    found = ev.latency(pause, repeats=20, warmup=2)
    assert len(states) == 22
    assert not any(states[2:])
    assert gc.isenabled()
    assert 2 <= found.p50_ms <= found.p95_ms <= found.p99_ms
    assert found.repeats == 20


def test_latency_turns_the_collector_on_again_after_a_failure():
    calls = iter([None])
    with pytest.raises(StopIteration):
        ev.latency(lambda: next(calls), repeats=5, warmup=0)
    assert gc.isenabled()


def test_parameter_count_of_scikit_learn_models():
    x, y = datasets.load_iris(return_X_y=True)
    assert ev.parameter_count(linear_model.LogisticRegression(max_iter=500).fit(x, y)) == 3 * 4 + 3
    network = neural_network.MLPClassifier((5,), max_iter=400).fit(x[:40], y[:40])
    assert ev.parameter_count(network) == sum(part.size for part in network.coefs_) + 5 + 1


def test_parameter_count_of_a_keras_model():
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    model.add(keras.layers.BatchNormalization())
    assert ev.parameter_count(model) == model.count_params() == 4 * 3 + 3 + 4 * 3


def test_file_size_plain_and_gzipped(tmp_path):
    path = tmp_path / "model" / "weights.bin"
    path.parent.mkdir()
    path.write_bytes(bytes(10_000))
    (path.parent / "notes.txt").write_text("abc", encoding="utf-8")
    assert ev.file_size(path) == 10_000
    assert ev.file_size(path.parent) == 10_003
    assert ev.file_size(path, gzipped=True) < 100


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ev.accuracy([], []), "'y' is empty"),
        (lambda: ev.accuracy([1, 0], [1]), "'y' has 2 examples and 'predictions' has 1"),
        (lambda: ev.accuracy([1, 0], [0.2, 0.9]), "threshold"),
        (lambda: ev.accuracy(1, 1), "single value"),
        (lambda: ev.roc_auc([1, 1], [0.2, 0.3]), "only class 1"),
        (lambda: ev.roc_auc([1, 0], [np.nan, 0.3]), "NaN"),
        (lambda: ev.classification_summary([0], [[0.5, 0.6]]), "sums to 1.1"),
        (lambda: ev.classification_summary([0], [[1.5, -0.5]]), "softmax"),
        (lambda: ev.classification_summary([2], [[0.5, 0.5]]), "2 classes"),
        (lambda: ev.classification_summary([[0, 1]], [[0.5, 0.5]]), "one-hot"),
        (lambda: ev.classification_summary([0.5], [[0.5, 0.5]]), "whole class indices"),
        (lambda: ev.expected_calibration_error([0], [0.5], bins=0), "'bins' is 0"),
        (lambda: ev.softmax([1.0], 0), "temperature"),
        (lambda: ev.fit_temperature([1.0, 2.0], [0, 1]), "at least two classes"),
        (lambda: ev.bootstrap_interval(np.mean), "nothing to resample"),
        (lambda: ev.bootstrap_interval(np.mean, [1.0], level=95), "level is 95"),
        (lambda: ev.bootstrap_interval(np.mean, [1.0], repeats=10), "100 or more"),
        (lambda: ev.bootstrap_interval(lambda x: math.inf, [1.0]), "finite number"),
        (lambda: ev.bootstrap_interval(ev.roc_auc, [0, 1], [0.1, 0.2]), "failed on a resample"),
        (lambda: ev.paired_difference([0.5], [1]), "True or False"),
        (lambda: ev.mcnemar([1, 0], [1]), "same examples"),
        (lambda: ev.bits_per_byte(-1, 5), "non-negative"),
        (lambda: ev.bits_per_byte(1, 0), "'bytes' is 0"),
        (lambda: ev.pass_at_k(5, 6, 1), "at most n"),
        (lambda: ev.pass_at_k(5, 1, 6), "at most n"),
        (lambda: ev.latency(3), "lambda"),
        (lambda: ev.latency(print, repeats=0), "'repeats' is 0"),
        (lambda: ev.parameter_count("tree"), "no weights"),
        (lambda: ev.file_size("does-not-exist.bin"), "no file"),
    ],
)
def test_bad_input_is_one_clear_sentence(call, message):
    with pytest.raises(ev.EvaluationError, match=message) as caught:
        call()
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def split_of(x, y, classes=("no", "yes")):
    return Split("made", x, y, x[:4], y[:4], ("a", "b"), classes, "made here", "none")


def test_a_task_scales_with_fit_alone_and_keeps_the_test_part():
    generator = np.random.default_rng(0)
    x, y = generator.normal(7, 3, (200, 2)), np.arange(200) % 4 // 3
    task = yes_or_no(split_of(x, y), seed=1)
    assert task.x_fit.mean(axis=0) == pytest.approx([0, 0], abs=0.05)
    assert abs(task.x_fit).max() <= 3
    assert (len(task.y_fit), len(task.y_tune), len(task.y_test)) == (140, 60, 4)
    assert task.y_tune.mean() == pytest.approx(0.25)
    assert task.positive == "yes"
    assert 0.4 <= task.repeated() <= 1


def test_categories_become_columns_of_zero_and_one():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": [1, 2], "kind": pandas.Categorical(["x", None], ["x", "z"])})
    x, names = as_columns(frame)
    assert names == ("age", "kind_x", "kind_z")
    assert x.tolist() == [[1, 1, 0], [2, 0, 0]]


def test_a_task_refuses_what_is_no_task():
    x, y = np.zeros((8, 2)), np.arange(8) % 2
    with pytest.raises(TaskError, match="has no class 'maybe'"):
        yes_or_no(split_of(x, y), "maybe")
    with pytest.raises(TaskError, match="numeric target"):
        yes_or_no(split_of(x, y, ()))
    with pytest.raises(TaskError, match="between 0 and 1"):
        yes_or_no(split_of(x, y), tune=2)
