"""Fairness: gaps against fairlearn, weights that make independent, tables, subgroups, texts."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.checks import EvaluationError
from helpers.fairness import audit, gaps, group_rates, reweighing
from helpers.fairness_tables import PeopleError, people
from helpers.fairness_text import (
    TextError,
    directed,
    exchanged,
    labelled_texts,
    letters,
    plain_words,
)
from helpers.subgroups import chance_gap, crossed, miscalibration


@pytest.fixture(scope="module")
def some():
    """Labels, decisions and three groups of unequal size and unequal treatment."""
    draw = np.random.default_rng(4)
    group = draw.choice(["a", "b", "c"], 900, p=[0.5, 0.3, 0.2])
    y = (draw.random(900) < np.where(group == "a", 0.6, 0.3)).astype(int)
    decided = (draw.random(900) < 0.3 + 0.4 * y - 0.2 * (group == "c")).astype(int)
    return y, decided, group


def test_gaps_are_fairlearns_with_three_groups(some):
    from fairlearn import metrics

    y, decided, group = some
    found = gaps(y, decided, group)
    known = {"sensitive_features": group}
    parity = metrics.demographic_parity_difference(y, decided, **known)
    odds = metrics.equalized_odds_difference(y, decided, **known)
    assert found.demographic_parity == pytest.approx(parity, abs=1e-12)
    assert found.equalised_odds == pytest.approx(odds, abs=1e-12)
    assert found.accuracy == pytest.approx(np.mean(y == decided), abs=1e-12)
    share = [[y[(group == g) & (decided == d)].mean() for g in "abc"] for d in (0, 1)]
    assert found.predictive == pytest.approx(np.ptp(share, axis=1).max(), abs=1e-12)


def test_rates_are_those_of_metric_frame(some):
    from fairlearn.metrics import (
        MetricFrame,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )
    from sklearn.metrics import precision_score

    y, decided, group = some
    metrics = {
        "selected": selection_rate,
        "true_positive": true_positive_rate,
        "false_positive": false_positive_rate,
        "precision": precision_score,
    }
    frame = MetricFrame(metrics=metrics, y_true=y, y_pred=decided, sensitive_features=group)
    for rates in group_rates(y, decided, group):
        for name in metrics:
            assert getattr(rates, name) == pytest.approx(frame.by_group.loc[rates.group, name])
        assert rates.rows == np.sum(group == rates.group)
        assert rates.base_rate == pytest.approx(y[group == rates.group].mean())


def test_the_rate_of_nobody_is_nan_and_its_gap_is_refused():
    y, decided, group = [1, 0, 0, 0], [1, 0, 1, 0], ["a", "a", "b", "b"]
    assert np.isnan(group_rates(y, decided, group)[1].true_positive)
    with pytest.raises(EvaluationError, match="lacks one label"):
        gaps(y, decided, group)


def test_the_audit_draws_the_same_people_for_all(some):
    y, decided, group = some
    found = audit(y, {"one": decided, "two": decided, "right": y}, group, 200, seed=3)
    change = found.change("one", "two", "equalised_odds")
    assert (change.estimate, change.low, change.high) == (0, 0, 0)
    assert found.change("right", "one", "accuracy").low > 0
    interval = found.interval("one", "demographic_parity")
    assert interval.low < interval.estimate < interval.high
    again = audit(y, {"one": decided}, group, 200, seed=3)
    assert np.array_equal(again.draws["one"]["predictive"], found.draws["one"]["predictive"])
    assert [row["decisions"] for row in found.rows()] == ["one", "two", "right"]


def test_the_audits_interval_is_the_ordinary_bootstrap(some):
    from helpers.intervals import bootstrap_interval

    y, decided, group = some

    def odds(y, decided, group):
        return gaps(y, decided, group).equalised_odds

    theirs = bootstrap_interval(odds, y, decided, group, repeats=200, seed=3)
    ours = audit(y, {"one": decided}, group, 200, seed=3).interval("one", "equalised_odds")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_weights_make_label_and_group_independent(some):
    y, _, group = some
    w = reweighing(y, group)
    assert w.mean() == pytest.approx(1, abs=1e-12)
    for name in "abc":
        inside = group == name
        assert np.average(y[inside], weights=w[inside]) == pytest.approx(y.mean(), abs=1e-12)
        assert w[inside].sum() == pytest.approx(inside.sum())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: gaps([0, 1], [0, 1, 1], ["a", "b"]), "same examples"),
        (lambda: gaps([0, 2], [0, 1], ["a", "b"]), "2 classes"),
        (lambda: gaps([0, 1], [0, 1], ["a", "a"]), "only 'a'"),
        (lambda: reweighing([0, 1, 1], ["a", "a", "b"]), "'b' has rows of one label"),
        (lambda: audit([0, 1], {}, ["a", "b"]), "no decisions"),
        (lambda: audit([0, 1], {"x": [0, 1]}, ["a", "b"], level=1), "between 0 and 1"),
        (lambda: audit([0, 1], {"x": [0, 1]}, ["a", "b"], repeats=5), "100 or more"),
        (
            lambda: audit([0, 1, 0, 1], {"x": [0, 1, 1, 0]}, list("aabb")),
            "undefined on",
        ),
        (lambda: miscalibration([0, 1], [0.1, 1.2], ["a", "b"]), "outside 0 to 1"),
        (lambda: miscalibration([0, 1], np.full((2, 2), 0.5), ["a", "b"]), "label 1"),
        (lambda: crossed(["a"], ["b", "c"]), "same examples"),
        (lambda: people("titanic"), "no table 'titanic'"),
        (lambda: people("generated", rows=10), "200 or more"),
        (lambda: people("generated", test=0.99), "0.1 to 0.9"),
        (lambda: letters(3), "50 or more"),
        (lambda: labelled_texts("poems"), "no texts 'poems'"),
        (lambda: directed("he", 2), "0 for the male"),
        (lambda: plain_words(None), "NoneType"),
    ],
)
def test_bad_input_gets_a_sentence(call, said):
    with pytest.raises((EvaluationError, PeopleError, TextError), match=said):
        call()


def test_unknown_names_of_an_audit_get_a_sentence(some):
    y, decided, group = some
    found = audit(y, {"one": decided}, group, 100)
    with pytest.raises(EvaluationError, match="no decisions 'other'"):
        found.interval("other", "accuracy")
    with pytest.raises(EvaluationError, match="no measure 'beauty'"):
        found.interval("one", "beauty")


def test_the_generated_probability_is_true():
    t = people("generated", seed=1, rows=40000)
    near = np.abs(t.score_test - 0.5) < 0.1
    for name in ("A", "B"):
        inside = near & (t.group_test == name)
        assert t.y_test[inside].mean() == pytest.approx(t.score_test[inside].mean(), abs=0.06)
    assert t.columns[t.states_group.argmax()].startswith("group")
    assert t.states_group.sum() == 2
    other = people("generated", seed=1, rows=40000)
    assert np.array_equal(t.x_test, other.x_test)
    assert "40,000" not in t.describe()
    assert "A " in t.describe()


def test_diabetes_is_split_with_its_groups_known():
    t = people("diabetes", seed=2)
    assert len(t.y_train) + len(t.y_test) == 442
    assert t.columns[np.flatnonzero(t.states_group)[0]] == "sex"
    assert t.states_group.sum() == 1
    assert np.allclose(t.x_train.mean(axis=0), 0)
    assert set(t.group_test) == {"sex 1", "sex 2"}


def test_chance_alone_opens_a_gap_between_small_cells(some):
    y, decided, group = some
    second = np.where(np.arange(len(y)) % 2, "x", "y")
    cell = crossed(group, second)
    assert set(cell) == {f"{g}, {s}" for g in "abc" for s in "xy"}
    single = gaps(y, decided, group).equalised_odds
    assert gaps(y, decided, cell).equalised_odds >= single
    assert chance_gap(y, decided, group, second, repeats=20, seed=1) > single


def test_miscalibration_finds_the_worse_group():
    y, p = np.array([0, 1, 0, 1]), np.array([0.5, 0.5, 0.9, 0.9])
    assert miscalibration(y, p, list("aabb")) == pytest.approx(0.4)
    assert miscalibration(y, p, list("abab")) == pytest.approx(0.7)


def test_exchanging_twice_gives_the_words_back():
    text = "He told HIM: the actress lost hers, Mr. King!"
    assert plain_words(text) == "he told his the actress lost her mr king"
    assert exchanged(text) == "she told her the actor lost his mrs queen"
    assert exchanged(exchanged(text)) == plain_words(text)
    assert directed(text, 0) == "he told his the actor lost his mr king"
    assert directed(text, 1) == directed(exchanged(text), 1)


def differences(texts, labels, held, forms):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(min_df=2), LogisticRegression(C=10, max_iter=1000))
    model.fit([form(text) for form in forms for text in texts], np.tile(labels, len(forms)))
    one, two = ([directed(text, which) for text in held] for which in (0, 1))
    return model.predict_proba(one)[:, 1] - model.predict_proba(two)[:, 1]


def test_mirrored_training_ends_the_difference_and_plain_training_does_not():
    texts, labels, held = labelled_texts("letters", seed=2)
    assert (len(texts), len(labels), len(held)) == (1400, 1400, 600)
    seen = differences(texts, labels, held, [plain_words])
    cured = differences(texts, labels, held, [plain_words, exchanged])
    assert seen.mean() > 0.05
    assert np.abs(cured).max() < 1e-6


def test_letters_without_a_penalty_are_fair():
    texts, labels = letters(3000, seed=5, penalty=0)
    woman = np.array([text.startswith("she") for text in texts])
    assert abs(labels[woman].mean() - labels[~woman].mean()) < 0.06
    texts, labels = letters(3000, seed=5, penalty=2)
    woman = np.array([text.startswith("she") for text in texts])
    assert labels[~woman].mean() - labels[woman].mean() > 0.15
