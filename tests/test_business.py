"""Chapter 30's helpers: against published tables, statsmodels, SciPy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers import experiment_design as design
from helpers import roi, unit_economics


@pytest.mark.parametrize(
    ("base", "lift"), [(0.05, 0.01), (0.3, -0.04), (0.02, 0.005), (0.5, 0.001)]
)
def test_the_sample_size_is_statsmodels(base, lift):
    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

    theirs = samplesize_proportions_2indep_onetail(
        abs(lift), base if lift > 0 else base + lift, 0.8, alpha=0.025, alternative="larger"
    )
    assert design.sample_size(base, lift) == math.ceil(theirs)


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        # Lan and DeMets' bounds for five looks and 0.05 on two sides, as commonly tabulated.
        ("obrien_fleming", [4.877, 3.357, 2.680, 2.290, 2.031]),
        ("pocock", [2.438, 2.427, 2.410, 2.397, 2.386]),
    ],
)
def test_the_bounds_are_the_published_ones(kind, table):
    assert np.allclose(design.group_bounds(5, kind=kind), table, atol=6e-4)


@pytest.mark.parametrize(
    ("bounds", "rate"),
    [
        ([2.413] * 5, 0.05),  # Pocock's constants
        ([2.555] * 10, 0.05),
        (2.040 * np.sqrt(5 / np.arange(1, 6)), 0.05),  # O'Brien and Fleming's constant
        ([1.96] * 10, 0.193),  # Armitage, McPherson and Rowe 1969, table 2
    ],
)
def test_the_crossing_probability_is_the_published_one(bounds, rate):
    assert design.crossing(bounds).sum() == pytest.approx(rate, abs=5e-4)


def test_the_crossing_probability_is_scipys_multivariate_normal():
    from scipy.stats import multivariate_normal

    k = np.arange(1, 4)
    correlation = np.sqrt(np.minimum.outer(k, k) / np.maximum.outer(k, k))
    bounds = np.array([2.9, 2.4, 2.1])
    normal = multivariate_normal(np.zeros(3), correlation)
    inside = normal.cdf(bounds, lower_limit=-bounds, rng=np.random.default_rng(0))
    assert design.crossing(bounds).sum() == pytest.approx(1 - inside, abs=2e-5)


@pytest.mark.parametrize("kind", design.KINDS)
@pytest.mark.parametrize("looks", [1, 2, 7])
def test_bounds_spend_exactly_what_is_granted(kind, looks):
    bounds = design.group_bounds(looks, 0.05, kind)
    used = design.crossing(bounds).cumsum()
    assert np.allclose(used, design.spent(np.arange(1, looks + 1) / looks, 0.05, kind), atol=1e-8)


def test_the_mixture_is_the_integral_of_the_likelihood_ratio():
    from scipy.integrate import quad
    from scipy.stats import norm

    z, error, tau = 1.7, 0.02, 0.03
    d = z * error
    mixed, _ = quad(lambda e: norm.pdf(d, e, error) * norm.pdf(e, 0, tau), -0.5, 0.5, points=[d])
    assert design.mixture_ratio(z, error, tau) == pytest.approx(mixed / norm.pdf(d, 0, error))


def test_the_always_valid_test_keeps_its_rate_at_many_looks():
    z, error = design.z_values(0.2, 0.0, 4_000, 200, 2_000, seed=1)
    assert np.mean((design.mixture_ratio(z, error, 0.03) >= 20).any(axis=1)) <= 0.05
    assert np.mean((abs(z) > 1.96).any(axis=1)) > 0.3


def test_simulated_z_values_are_standard_normal_without_effect():
    z, error = design.z_values(0.3, 0.0, 5_000, 4, 20_000, seed=2)
    assert z.shape == error.shape == (20_000, 4)
    assert np.abs(z.mean(axis=0)).max() < 0.03
    assert np.abs(z.std(axis=0) - 1).max() < 0.03
    assert np.corrcoef(z[:, 0], z[:, 3])[0, 1] == pytest.approx(0.5, abs=0.03)


def test_the_first_look_outside():
    z = [[0.0, 3.0, 0.0], [0.0, 0.0, 0.0], [-2.5, 0.0, 9.0]]
    assert design.first_look(z, [2.0, 2.0, 2.0]).tolist() == [1, 3, 0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: design.sample_size(1.2, 0.1), "'base' is 1.2"),
        (lambda: design.sample_size(0.5, 0.0), "lift is 0"),
        (lambda: design.z_values(0.1, 0.0, 3, 10, 5, 0), "at least 10"),
        (lambda: design.spent(0.5, 0.05, "haybittle"), "no spending function"),
        (lambda: design.spent(1.5), "at most 1"),
        (lambda: design.crossing([1.0, -1.0]), "positive bound"),
        (lambda: design.mixture_ratio(1.0, 0.1, 0.0), "'tau' is 0.0"),
    ],
)
def test_experiments_that_cannot_be(call, said):
    with pytest.raises(design.ExperimentError, match=said):
        call()


def test_cost_of_a_thousand_predictions():
    # 10 a second for half of 3,600 seconds are 18,000 for 9 dollars.
    assert unit_economics.cost_per_thousand(10, 9.0, 0.5) == pytest.approx(0.5)


def test_the_frontier_drops_what_another_beats():
    m = unit_economics.Model
    models = [m("a", 0.9, 3), m("b", 0.8, 1), m("c", 0.8, 2), m("d", 0.7, 1), m("e", 0.95, 9)]
    assert [model.name for model in unit_economics.frontier(models)] == ["b", "a", "e"]
    assert unit_economics.error_price(models[1], models[0]) == pytest.approx(20)
    assert unit_economics.error_price(models[1], models[2]) == math.inf


def test_break_even_covers_the_fixed_cost_and_one_unit_less_does_not():
    units = unit_economics.break_even(1_000, 7.0, 4.0)
    assert units * 3.0 >= 1_000 > (units - 1) * 3.0


def test_lifetime_value_is_the_mean_of_geometric_lifetimes():
    months = np.random.default_rng(0).geometric(0.04, 200_000)
    assert unit_economics.lifetime_value(50, 0.7, 0.04) == pytest.approx(
        35 * months.mean(), rel=0.02
    )
    assert unit_economics.payback_months(350, 50, 0.7) == pytest.approx(10)


def test_values_and_points_of_a_ledger():
    rows = {"float_accuracy": 0.9, "float_bytes": 100, "frontier_tiny_accuracy": 0.8}
    rows |= {"frontier_tiny_bytes": 5, "int8_accuracy": -0.1, "int8_bytes": 9, "odd_bytes": 3}
    ledger = {"chapter": "x", "records": [{"id": k, "value": v} for k, v in rows.items()]}
    assert unit_economics.ledger_value(ledger, "odd_bytes") == 3
    assert unit_economics.ledger_points(ledger) == [
        {"name": "float", "accuracy": 0.9, "bytes": 100},
        {"name": "tiny", "accuracy": 0.8, "bytes": 5},
    ]
    assert unit_economics.ledger_points({}) == []


def test_candidates_come_from_the_ledgers_that_are_there(monkeypatch):
    from helpers import evidence

    def ledger(**values):
        return {"chapter": "x", "records": [{"id": k, "value": v} for k, v in values.items()]}

    kept = {"19_quantization": ledger(int8_accuracy=0.01, combined_accuracy=0.03, combined_size=20)}

    def committed(chapter):
        if chapter not in kept:
            raise evidence.EvidenceError("missing")
        return kept[chapter]

    monkeypatch.setattr(evidence, "committed", committed)
    m = unit_economics.Model
    two = [m("int8", -0.01, 0.5), m("int8, few units", -0.03, 0.1)]
    assert unit_economics.compressed_models(2.0, 0.25) == two
    kept["20_distillation"] = ledger(a_accuracy=0.9, a_bytes=100, b_accuracy=0.875, b_bytes=25)
    assert unit_economics.compressed_models(2.0, 0.25) == [
        *two,
        m("chapter 20: b", pytest.approx(-0.025), 0.5),
    ]
    kept["20_distillation"] = ledger(a_bytes=100)
    assert unit_economics.compressed_models(2.0, 0.25) == two
    del kept["19_quantization"]
    with pytest.raises(evidence.EvidenceError):
        unit_economics.compressed_models(2.0, 0.25)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: unit_economics.cost_per_thousand(0, 1.0), "'throughput' is 0"),
        (lambda: unit_economics.cost_per_thousand(5, 1.0, 1.2), "at most 1"),
        (lambda: unit_economics.break_even(10, 1.0, 1.0), "no volume breaks even"),
        (lambda: unit_economics.lifetime_value(10, 0.5, 0), "'churn' is 0"),
        (lambda: unit_economics.frontier([]), "no model"),
        (lambda: unit_economics.ledger_value({"chapter": "21"}, "pace"), "no record 'pace'"),
        (
            lambda: unit_economics.ledger_value({"records": [{"id": "a", "value": "nan"}]}, "a"),
            "not a finite number",
        ),
        (
            lambda: unit_economics.error_price(
                unit_economics.Model("a", 0, 2), unit_economics.Model("b", 1, 2)
            ),
            "does not cost more",
        ),
    ],
)
def test_economics_that_cannot_be(call, said):
    with pytest.raises(unit_economics.EconomicsError, match=said):
        call()


def test_a_sum_of_guesses_has_the_closed_forms_mean_and_quantiles():
    from scipy.stats import triang

    guesses = {"a": roi.Guess(0, 1, 5), "b": roi.Guess(-2, -1, 0)}
    found = roi.simulate(lambda a, b: a + b, guesses, 50_000, seed=0)
    assert found.returns.mean() == pytest.approx(2 - 1, abs=0.02)
    alone = roi.simulate(lambda a: a, {"a": guesses["a"]}, 50_000, seed=0).interval(0.9)
    low, middle, high = triang(0.2, 0, 5).ppf([0.05, 0.5, 0.95])
    assert (alone.low, alone.estimate, alone.high) == pytest.approx((low, middle, high), abs=0.03)
    assert found.ranks()["a"] > found.ranks()["b"] > 0


def test_the_tornado_moves_one_input_at_a_time():
    guesses = {"small": roi.Guess(0, 1, 2), "large": roi.Guess(0, 10, 40)}
    rows = roi.tornado(lambda small, large: small - large, guesses)
    assert rows == [("large", 1.0, -39.0), ("small", -10.0, -8.0)]


def test_the_return():
    assert roi.roi(150.0, 100.0) == pytest.approx(0.5)
    assert roi.roi(0.05 * 100, 17_000) == pytest.approx(-0.9997, abs=1e-5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: roi.Guess(2, 1, 3), "not ordered"),
        (lambda: roi.Guess(1, 1, 1), "no width"),
        (lambda: roi.roi(1.0, 0.0), "above 0"),
        (lambda: roi.simulate(lambda: 1, {}), "no guess"),
        (lambda: roi.simulate(lambda a: a, {"a": roi.Guess(0, 1, 2)}, 5), "at least 100"),
        (lambda: roi.simulate(lambda a: 1.0, {"a": roi.Guess(0, 1, 2)}), "for each draw"),
        (lambda: roi.tornado(lambda: 1, {}), "no guess"),
        (lambda: roi.Simulation({}, np.arange(9.0)).interval(2), "level is 2"),
    ],
)
def test_returns_that_cannot_be(call, said):
    with pytest.raises(roi.RoiError, match=said):
        call()
