"""Spaces, meters, importance, corrections and many networks: against the libraries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from helpers.many_networks import NetworkError, train_many
from helpers.tuning import (
    Meter,
    Space,
    TuningError,
    bootstrap_corrected,
    expected_improvement,
    main_effects,
)

IMAGES, LABELS = load_digits(return_X_y=True)
IMAGES = IMAGES / 16


def one(rate=0.1, **changes):
    settings = {"learning_rate": [rate], "momentum": [0.5], "weight_decay": [0.001]} | changes
    parts = (IMAGES[:300], LABELS[:300], IMAGES[300:800], LABELS[300:800])
    return train_many(*parts, **({"epochs": 3} | settings))


def test_a_space_counts_its_settings():
    space = Space({"rate": (0.1, 1.0, 10.0), "momentum": (0.0, 0.9)})
    assert (len(space), space.shape) == (6, (3, 2))
    assert space.places()[3].tolist() == [1, 1]
    assert space.number([1, 1]) == 3
    assert {name: values[3] for name, values in space.columns().items()} == {
        "rate": 1.0,
        "momentum": 0.9,
    }


@pytest.mark.parametrize(
    ("levels", "words"),
    [({}, "space is empty"), ({"rate": ()}, "no values"), ({"rate": (1.0, 1.0)}, "value twice")],
)
def test_a_useless_space_is_refused(levels, words):
    with pytest.raises(TuningError, match=words):
        Space(levels)


def test_a_level_outside_the_space_is_refused():
    with pytest.raises(TuningError, match="no setting at the levels"):
        Space({"rate": (0.1, 1.0)}).number([2])


def test_a_meter_never_passes_its_budget():
    meter = Meter(10, floor=0.1)
    assert meter.train(4)
    meter.finish(0.5)
    assert meter.train(6)
    meter.finish(0.4)
    assert not meter.train(1)
    assert (meter.spent, meter.open) == (10, False)
    assert meter.best.tolist() == [0.1] * 4 + [0.5] * 7


@pytest.mark.parametrize("budget", [-5, 0, 2.5, True, "ten"])
def test_a_bad_budget_gets_one_sentence(budget):
    with pytest.raises(TuningError, match=r"^The budget is .*; give [^.]*\.$|epochs; give 1"):
        Meter(budget)


def test_negative_epochs_are_refused():
    with pytest.raises(TuningError, match="-1 epochs cannot be trained"):
        Meter(5).train(-1)


def test_main_effects_of_a_sum_are_the_shares_of_its_parts():
    a, b = np.array([0.0, 1.0, 2.0, 5.0]), np.array([0.0, 3.0])
    found = main_effects(a[:, None] + b)
    assert found == pytest.approx([a.var() / (a.var() + b.var()), b.var() / (a.var() + b.var())])
    assert main_effects(np.array([[1.0, -1.0], [-1.0, 1.0]])) == pytest.approx([0, 0])


@pytest.mark.parametrize("scores", [np.ones((2, 2)), [1.0], [[1.0, np.nan]]])
def test_importance_needs_scores_that_differ(scores):
    with pytest.raises(TuningError, match="not all equal"):
        main_effects(scores)


@pytest.mark.parametrize(("mean", "deviation"), [(0.3, 0.2), (-1.0, 0.5), (2.0, 0.1)])
def test_expected_improvement_is_its_integral(mean, deviation):
    upper = max(mean, 0.4) + 8 * deviation
    value, _ = quad(lambda y: (y - 0.4) * norm.pdf(y, mean, deviation), 0.4, upper, limit=200)
    assert expected_improvement([mean], [deviation], 0.4)[0] == pytest.approx(value, abs=1e-6)


def test_without_uncertainty_the_improvement_is_the_gain():
    assert expected_improvement([0.7, 0.1], [0, 0], 0.4) == pytest.approx([0.3, 0])
    with pytest.raises(TuningError, match="deviation is negative"):
        expected_improvement([0.5], [-1], 0)


def test_the_correction_takes_the_luck_out_of_coins():
    coins = np.random.default_rng(0).integers(0, 2, (60, 40, 60))
    best = np.mean([table.mean(axis=1).max() for table in coins])
    fixed = np.mean([bootstrap_corrected(table, 60) for table in coins])
    assert best > 0.6
    assert fixed == pytest.approx(0.5, abs=0.02)


def test_the_correction_leaves_a_single_setting_alone():
    row = np.random.default_rng(1).integers(0, 2, (1, 400))
    assert bootstrap_corrected(row, 400) == pytest.approx(row.mean(), abs=0.01)


@pytest.mark.parametrize(
    ("right", "draws", "words"),
    [
        (np.ones(5), 10, "settings x rows"),
        (np.ones((3, 1)), 10, "two rows"),
        (np.ones((3, 9)), 0, "0 draws"),
    ],
)
def test_a_table_that_cannot_be_corrected_is_refused(right, draws, words):
    with pytest.raises(TuningError, match=words):
        bootstrap_corrected(right, draws)


@pytest.mark.parametrize("adam", [False, True])
def test_the_slope_is_that_of_the_loss(adam):
    # With one full batch, two runs that differ only in their rate give the step's direction.
    small = {"epochs": 1, "batch": 300, "sizes": (8,), "momentum": [0.0], "weight_decay": [0.0]}
    still, moved = one(0.0, adam=adam, **small), one(1e-3, adam=adam, **small)
    again = one(0.0, adam=adam, **small)
    step = [after - before for after, before in zip(moved.weights, still.weights, strict=True)]
    assert all(np.array_equal(a, b) for a, b in zip(still.weights, again.weights, strict=True))

    def loss(weights):
        hidden = np.maximum(IMAGES[:300] @ weights[0][0, :-1] + weights[0][0, -1], 0)
        logits = hidden @ weights[1][0, :-1] + weights[1][0, -1]
        share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return -np.log(share[np.arange(300), LABELS[:300]]).mean()

    weights = [weight.astype(np.float64) for weight in still.weights]
    assert still.loss[0, 0] == pytest.approx(loss(weights), rel=1e-4)
    for layer, place in [(0, (0, 30, 3)), (1, (0, 5, 7)), (1, (0, -1, 2))]:
        nudge = [weight.copy() for weight in weights]
        nudge[layer][place] += 1e-4
        slope = (loss(nudge) - loss(weights)) / 1e-4
        expected = -1e-3 * (np.sign(slope) if adam else slope)
        assert step[layer][place] == pytest.approx(expected, rel=0.05, abs=2e-6)


def test_networks_learn_as_well_as_those_of_scikit_learn():
    ours = one(0.1, epochs=20, momentum=[0.9]).accuracy[0, -1]
    model = MLPClassifier((32,), solver="sgd", learning_rate_init=0.1, batch_size=32, max_iter=20)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.set_params(random_state=0).fit(IMAGES[:300], LABELS[:300])
    assert ours == pytest.approx(model.score(IMAGES[300:800], LABELS[300:800]), abs=0.04)


def test_predictions_are_those_that_were_scored():
    found = one(epochs=5)
    right = found.predict(0, IMAGES[300:800]) == LABELS[300:800]
    assert np.array_equal(right, found.right[0])
    assert right.mean() == pytest.approx(found.accuracy[0, -1])


def test_a_diverged_network_does_not_disturb_its_neighbours():
    both = {"learning_rate": [0.1, 1e6], "momentum": [0.5, 0.5], "weight_decay": [0.0, 0.0]}
    parts = (IMAGES[:300], LABELS[:300], IMAGES[300:800], LABELS[300:800])
    found = train_many(*parts, epochs=20, **both)
    assert found.accuracy[0, -1] > 0.8
    assert found.accuracy[1, -1] < 0.3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": -0.1}, "'learning_rate' must be"),
        ({"momentum": [0.1, 0.2]}, "'momentum' must be"),
        ({"weight_decay": [np.nan]}, "'weight_decay' must be"),
        ({"rows": [[0, 300]]}, "row numbers from 0 to 299"),
        ({"epochs": 0}, "must be 1 or more"),
        ({"batch": 0}, "must be 1 or more"),
        ({"sizes": (0,)}, "must be 1 or more"),
    ],
)
def test_bad_settings_get_one_sentence(changes, words):
    with pytest.raises(NetworkError, match=words) as caught:
        one(**changes)
    assert str(caught.value).count(". ") == 0


def test_labels_must_match_the_rows():
    with pytest.raises(NetworkError, match="3 rows and 2 labels"):
        train_many(
            IMAGES[:3],
            LABELS[:2],
            IMAGES,
            LABELS,
            learning_rate=[0.1],
            momentum=[0.0],
            weight_decay=[0.0],
        )
