"""Versions, store, gate, pipeline, registry and card of chapter 28, against other ways to know."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from helpers import model_card, pipeline_steps, promotion_gate, versioning
from helpers.pipeline_project import BUGGY, TRAIN, project
from helpers.scratch_repository import ScratchRepository

LOCK = "numpy==2.0.0 ; python_version < '3.0' \\\n    --hash=sha256:ab\nnumpy==2.4.6\nScipy==1.0\n"
DATA = "ab" * 32


def files(**changes):
    parameters = {"seed": 0, "rows": 40, "C": 1.0, "max_iter": 50}
    return project(DATA, parameters, LOCK) | changes


def test_the_id_is_the_hash_of_the_four_hashes():
    import hashlib

    version = pipeline_steps.version_in(files())
    text = json.dumps(dataclasses.asdict(version), sort_keys=True, separators=(",", ":"))
    assert version.id == hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"data.json": json.dumps({"train": "cd" * 32})}, "data"),
        ({"train.py": TRAIN + "#"}, "code"),
        ({"parameters.json": "{}"}, "parameters"),
        ({"lock.txt": LOCK + "x==1\n"}, "environment"),
    ],
)
def test_a_change_shows_in_its_own_part_and_in_the_id(change, part):
    before = pipeline_steps.version_in(files())
    after = pipeline_steps.version_in(files(**change))
    assert after.id != before.id
    assert before.changed(after) == (part,)


def test_order_and_line_endings_do_not_count():
    first = versioning.code_digest({"a/b.py": "x\ny\n", "c.py": ""})
    assert first == versioning.code_digest({"c.py": "", "a\\b.py": "x\r\ny\r\n"})
    assert first != versioning.code_digest({"c.py": "", "a/b.py": "x\ny"})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2, "a": 3}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(versioning.VersionError, match="canonical form"):
        versioning.canonical({"value": value})


def test_versions_refuse_what_names_nothing():
    with pytest.raises(versioning.VersionError, match="hexadecimal"):
        versioning.version_of("short", {"a": ""}, {}, "")
    with pytest.raises(versioning.VersionError, match="no code"):
        versioning.code_digest({})


def test_the_store_gives_back_what_it_got_and_notices_damage(tmp_path):
    store = versioning.Store(tmp_path / "store")
    key = store.put(b"weights")
    assert store.put(b"weights") == key
    assert store.get(key) == b"weights"
    assert store.size() == 7
    store.path(key).write_bytes(b"weightz")
    with pytest.raises(versioning.VersionError, match="changed on the disk"):
        store.get(key)
    with pytest.raises(versioning.VersionError, match="has no content"):
        store.get("0" * 64)
    with pytest.raises(versioning.VersionError, match="not the key"):
        store.get("../secret")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "model"
    versioning.write_whole(target, b"old")
    monkeypatch.setattr(versioning.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        versioning.write_whole(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_packed_arrays_come_back_and_other_bytes_are_refused():
    arrays = {"b": np.arange(6.0).reshape(2, 3), "a": np.array([1, 2])}
    content = versioning.pack(arrays)
    assert content == versioning.pack(dict(reversed(arrays.items())))
    found = versioning.unpack(content)
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    with pytest.raises(versioning.VersionError, match="safetensors"):
        versioning.unpack(b"no such file")


def test_the_lock_is_compared_with_what_is_installed():
    from importlib import metadata

    assert versioning.pinned(LOCK) == {"numpy": "2.4.6", "scipy": "1.0"}
    lock = f"numpy=={metadata.version('numpy')} \\\n    --hash=sha256:ab\n"
    assert versioning.not_as_locked(lock, ("numpy",)) == []
    assert "nothing installed" in versioning.not_as_locked("nosuch==1\n", ("nosuch",))[0]
    assert "1.0 is locked" in versioning.not_as_locked(LOCK, ("scipy",))[0]


# The gate


def tango_by_optimizer(loss, gain, rows, margin):
    """The statistic with the likelihood maximised numerically instead of by its formula."""
    from scipy.optimize import minimize_scalar
    from scipy.special import xlogy
    from scipy.stats import norm

    def negative(q):
        rest = 1 - 2 * q - margin
        return -(xlogy(gain, q) + xlogy(loss, q + margin) + xlogy(rows - loss - gain, rest))

    bounds = (0, (1 - margin) / 2)
    q = minimize_scalar(negative, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    deviation = math.sqrt(rows * (2 * q + margin - margin**2))
    return norm.sf((gain - loss + rows * margin) / deviation)


@pytest.mark.parametrize("counts", [(12, 9, 300), (30, 10, 500), (3, 20, 100), (1, 0, 50)])
@pytest.mark.parametrize("margin", [0.01, 0.05, 0.2])
def test_the_p_value_is_that_of_the_maximised_likelihood(counts, margin):
    expected = tango_by_optimizer(*counts, margin)
    assert promotion_gate.noninferiority(*counts, margin) == pytest.approx(expected, rel=1e-4)


def test_without_margin_it_is_mcnemar():
    from scipy.stats import norm
    from statsmodels.stats.contingency_tables import mcnemar

    table = mcnemar([[50, 12], [31, 7]], exact=False, correction=False)
    p_value = promotion_gate.noninferiority(12, 31, 100, 0)
    assert norm.isf(p_value) ** 2 == pytest.approx(table.statistic)
    exact = mcnemar([[50, 25], [10, 7]], exact=True).pvalue / 2
    assert promotion_gate.shown_worse(25, 10, exact * 1.0001)
    assert not promotion_gate.shown_worse(25, 10, exact * 0.9999)
    assert not promotion_gate.shown_worse(0, 0)
    assert promotion_gate.noninferiority(0, 0, 100, 0) == 1


def test_the_probability_of_passing_is_the_sum_over_all_outcomes():
    from scipy.stats import multinomial

    def rule(b, c):
        return promotion_gate.noninferiority(b, c, 40, 0.1) <= 0.05

    shares = (0.2 + 0.05) / 2, (0.2 - 0.05) / 2, 0.8
    expected = sum(
        multinomial.pmf((b, c, 40 - b - c), 40, shares)
        for b in range(41)
        for c in range(41 - b)
        if rule(b, c)
    )
    assert promotion_gate.passing(rule, 40, -0.05, 0.2) == pytest.approx(expected, abs=1e-9)
    always = promotion_gate.passing(lambda b, c: b >= 0, 500, 0.01, 0.05)
    assert always == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("disagreement", "margin"), [(0.04, 0.02), (0.1, 0.03), (0.2, 0.05)])
def test_the_planned_rows_give_the_stated_rates(disagreement, margin):
    rows = promotion_gate.rows_needed(disagreement, margin)

    def rule(b, c):
        return promotion_gate.noninferiority(b, c, rows, margin) <= 0.05

    assert promotion_gate.passing(rule, rows, -margin, disagreement) == pytest.approx(
        0.05, abs=0.01
    )
    assert promotion_gate.passing(rule, rows, 0, disagreement) == pytest.approx(0.9, abs=0.02)
    half = promotion_gate.rows_needed(disagreement, margin / 2)
    assert 3 < half / rows < 5


def test_a_verdict_counts_the_pairs_and_gives_its_reason():
    champion = np.r_[np.ones(900, bool), np.zeros(100, bool)]
    verdict = promotion_gate.decide(champion, champion, 0.01)
    assert verdict.promoted
    assert (verdict.only_champion, verdict.only_candidate, verdict.difference) == (0, 0, 0)
    worse = champion.copy()
    worse[:50] = False
    verdict = promotion_gate.decide(champion, worse, 0.01)
    assert (verdict.promoted, verdict.worse, verdict.only_champion) == (False, True, 50)
    assert verdict.difference == pytest.approx(-0.05)
    assert "significantly worse" in verdict.reason
    few = promotion_gate.decide([1, 1, 0, 1], [1, 0, 1, 1], 0.01)
    assert not few.promoted
    assert "more rows" in few.reason


def test_altered_answers_differ_as_asked():
    rng = np.random.default_rng(0)
    correct = rng.random((200, 2000)) < 0.9
    candidate = promotion_gate.altered(rng, correct, -0.01, 0.05)
    assert (candidate != correct).mean() == pytest.approx(0.05, abs=0.002)
    assert candidate.mean() - correct.mean() == pytest.approx(-0.01, abs=0.002)
    with pytest.raises(promotion_gate.GateError, match="smaller disagreement"):
        promotion_gate.altered(rng, np.ones(10), 0.0, 0.1)


def test_a_chain_loses_what_its_gate_lets_through():
    rng = np.random.default_rng(1)
    correct = rng.random(4000) < 0.8
    free = promotion_gate.chain(rng, correct, 5, 10, 0.02, 0.1, lambda a, b: True, False)
    assert free[-1] == pytest.approx(0.1, abs=0.03)
    shut = promotion_gate.chain(rng, correct, 5, 10, 0.02, 0.1, lambda a, b: False, False)
    assert not shut.any()
    asked = []
    promotion_gate.chain(rng, correct, 1, 10, 0.02, 0.1, lambda a, b: asked.append(0) is None, True)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: promotion_gate.decide([1, 0], [1], 0.01), "shapes"),
        (lambda: promotion_gate.decide([1, 2], [1, 0], 0.01), "True or False"),
        (lambda: promotion_gate.decide([1, 0], [1, 0], -0.1), "margin"),
        (lambda: promotion_gate.decide([1, 0], [1, 0], 0.1, alpha=0.7), "alpha"),
        (lambda: promotion_gate.noninferiority(30, 30, 50, 0.1), "50 rows"),
        (lambda: promotion_gate.rows_needed(0, 0.01), "disagreement"),
        (lambda: promotion_gate.passing(lambda b, c: b >= 0, 9, 0.3, 0.2), "cannot differ"),
    ],
)
def test_the_gate_refuses_bad_input_in_one_sentence(call, sentence):
    with pytest.raises(promotion_gate.GateError, match=sentence):
        call()


# The pipeline


def table(seed, rows):
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    return {"x": rng.normal(size=(rows, 4)) + 3 * np.eye(4)[y], "y": y}


@pytest.fixture
def server(tmp_path):
    store = versioning.Store(tmp_path / "store")
    rules = {"margin": 0.05, "alpha": 0.05, "copies": 0.0}
    rules["evaluation"] = store.put(versioning.pack(table(1, 300)))
    (tmp_path / "rules.json").write_text(json.dumps(rules), encoding="utf-8")
    return tmp_path


def proposal(server, data=None, **changes):
    key = versioning.Store(server / "store").put(versioning.pack(data or table(0, 120)))
    parameters = {"seed": 0, "rows": 120, "C": 1.0, "max_iter": 200}
    return project(key, parameters, LOCK) | changes


def test_a_good_commit_is_accepted_and_repeats(server):
    report = pipeline_steps.run(proposal(server), server, "c")
    assert (report["accepted"], report["stage"], report["tests"]) == (True, "accepted", 3)
    again = pipeline_steps.run(proposal(server), server, "c")
    assert again == report
    (server / "champion.json").write_text(json.dumps(report), encoding="utf-8")
    judged = pipeline_steps.run(proposal(server), server, "c")
    assert judged["accepted"]
    assert judged["difference"] == 0


def test_the_accuracy_is_that_of_scikit_learn(server):
    from sklearn.linear_model import LogisticRegression

    report = pipeline_steps.run(proposal(server), server)
    train, evaluation = table(0, 120), table(1, 300)
    mean, deviation = train["x"].mean(axis=0), train["x"].std(axis=0)
    first, second = (((part["x"] - mean) / deviation).clip(-3, 3) for part in (train, evaluation))
    model = LogisticRegression(C=1.0, max_iter=200).fit(first, train["y"])
    assert report["accuracy"] == pytest.approx(model.score(second, evaluation["y"]), abs=0.01)


def broken(values):
    data = table(0, 120)
    data["x"][0, 0] = values
    return data


@pytest.mark.parametrize(
    ("make", "stage", "words"),
    [
        (lambda s: {}, "data", "has no train.py"),
        (lambda s: proposal(s, **{"parameters.json": "{"}), "data", "cannot be read"),
        (lambda s: proposal(s, **{"data.json": '{"train": "00"}'}), "data", "hexadecimal"),
        (lambda s: proposal(s, broken(np.nan)), "data", "not finite"),
        (lambda s: proposal(s, table(1, 300)), "data", "Evaluation rows"),
        (lambda s: proposal(s, {"x": np.ones((9, 4)), "y": np.zeros(9, int)}), "data", "class"),
        (lambda s: proposal(s, **{"train.py": "1 /"}), "test", "SyntaxError"),
        (lambda s: proposal(s, **{"test_train.py": "x = 1"}), "test", "no function"),
        (lambda s: proposal(s, **{"train.py": BUGGY}), "test", "alone_and_in_a_batch"),
        (lambda s: proposal(s, **{"parameters.json": '{"seed": 0}'}), "train", "KeyError"),
    ],
)
def test_each_fault_stops_at_its_stage(server, make, stage, words):
    report = pipeline_steps.run(make(server), server)
    assert (report["accepted"], report["stage"]) == (False, stage)
    assert words in report["reason"]


def test_a_worse_candidate_is_stopped_at_the_gate(server):
    report = pipeline_steps.run(proposal(server), server)
    (server / "champion.json").write_text(json.dumps(report), encoding="utf-8")
    noise = table(0, 120) | {"x": np.random.default_rng(3).normal(size=(120, 4))}
    worse = pipeline_steps.run(proposal(server, noise), server)
    assert (worse["accepted"], worse["stage"]) == (False, "gate")
    assert worse["reason"] == "significantly worse than the champion"


def test_a_push_runs_the_hook_and_a_refused_commit_is_taken_back(tmp_path):
    repository = ScratchRepository(tmp_path / "scratch")
    server = repository.server
    store = versioning.Store(server / "store")
    rules = {"margin": 0.05, "alpha": 0.05, "copies": 0.0}
    rules["evaluation"] = store.put(versioning.pack(table(1, 300)))
    (server / "rules.json").write_text(json.dumps(rules), encoding="utf-8")
    refused = repository.propose({"train.py": "x = 1\n"}, "too little")
    assert not refused.accepted
    assert repository.accepted() == []
    good = repository.propose(proposal(server), "the first")
    assert good.accepted, good.report
    bad = repository.propose({"train.py": BUGGY}, "scaled by the batch")
    assert (bad.accepted, bad.report["stage"]) == (False, "test")
    assert repository.accepted() == [good.commit]
    assert repository.files_at(good.commit)["train.py"] == TRAIN
    assert (repository.work / "train.py").read_text(encoding="utf-8") == TRAIN
    assert list(server.glob("reports/*.part")) == []
    # Another branch cannot be used to go around the pipeline.
    with pytest.raises(pipeline_steps.PipelineError, match="git push"):
        repository.git("push", "--quiet", "origin", "HEAD:side")


def test_the_repository_keeps_to_its_own_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    first = ScratchRepository(tmp_path / "a", hook=False)
    second = ScratchRepository(tmp_path / "b", hook=False)
    commits = [each.commit({"a.txt": "x"}, "one") for each in (first, second)]
    assert commits[0] == commits[1]
    assert first.push()
    assert first.git("config", "user.name").decode().strip() == "Course"
    assert not (tmp_path / "elsewhere").exists()
    assert first.packed_bytes() > 0


def test_without_git_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pipeline_steps.PipelineError, match="install Git"):
        ScratchRepository(tmp_path / "a")


# The card


def test_the_card_says_what_scikit_learn_says():
    from sklearn.metrics import accuracy_score, recall_score
    from statsmodels.stats.proportion import proportion_confint

    rng = np.random.default_rng(0)
    y, answers = rng.integers(0, 3, 400), rng.integers(0, 3, 400)
    lines = model_card.evaluation(y, answers, ("a", "b", "c|d"))
    assert lines["all rows"].share == pytest.approx(accuracy_score(y, answers))
    recalls = [line.share for name, line in lines.items() if name != "all rows"]
    assert recalls == pytest.approx(recall_score(y, answers, average=None))
    hits = (y == answers).sum()
    low, high = proportion_confint(hits, 400, method="wilson")
    assert (lines["all rows"].low, lines["all rows"].high) == pytest.approx((low, high))
    card = model_card.write_card(lines, dict.fromkeys(model_card.TEXTS, "text"))
    assert model_card.card_fault(card, lines) == ""
    copies = model_card.edited_digits(card)
    assert len(copies) >= 4 * 16
    assert all(model_card.card_fault(copy, lines) for copy in copies)
    row = next(row for row in card.splitlines() if row.startswith("| class a"))
    assert "no line for 'class a'" in model_card.card_fault(card.replace(row, ""), lines)
    more = card.replace(row, f"{row}\n{row.replace('class a', 'class z')}")
    assert "not measured" in model_card.card_fault(more, lines)


def test_a_card_without_limits_or_rows_is_refused():
    lines = model_card.evaluation([0, 1], [0, 1], ("a", "b"))
    about = dict.fromkeys(model_card.TEXTS, "text") | {"limits": " "}
    with pytest.raises(model_card.CardError, match="'limits'"):
        model_card.write_card(lines, about)
    with pytest.raises(model_card.CardError, match="no row of the class b"):
        model_card.evaluation([0, 0], [0, 1], ("a", "b"))
    with pytest.raises(model_card.CardError, match="labels"):
        model_card.evaluation([0, 1], [0], ("a", "b"))


# The registry


def test_the_registry_needs_no_network_and_moves_a_name(tmp_path):
    script = """
import socket, sys
from pathlib import Path
def refuse(*_, **__):
    raise AssertionError("the registry asked for a network")
socket.socket.connect = refuse
socket.create_connection = refuse
from helpers.model_registry import experiment, open_registry, register
folder = Path(sys.argv[1])
client = open_registry(folder)
place = experiment(client, folder, "e")
assert experiment(client, folder, "e") == place
for turn in (1, 2):
    number = register(client, place, "m", parameters={"C": turn}, metrics={"accuracy": turn / 4},
                      tags={"model": f"k{turn}"}, texts={"card.md": "text"})
    assert number == str(turn)
    client.set_registered_model_alias("m", "champion", number)
client.set_registered_model_alias("m", "champion", "1")
live = client.get_model_version_by_alias("m", "champion")
run = client.get_run(live.run_id)
print(live.tags["model"], run.data.metrics["accuracy"], run.data.params["C"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["k1", "0.25", "1"]
    assert done.stderr == ""
    assert (tmp_path / "registry.sqlite").exists()


# What the chapter makes its experiments with


def test_each_single_change_changes_one_part_and_the_windows_copy_none():
    from helpers.pipeline_project import as_on_windows, single_changes

    whole = files()
    before = pipeline_steps.version_in(whole)
    changed = list(single_changes(whole, b"some data", np.random.default_rng(0), 5))
    parts = [before.changed(pipeline_steps.version_in(one)) for one in changed]
    assert parts == [("data",), ("code",), ("parameters",), ("environment",)] * 5
    assert pipeline_steps.version_in(as_on_windows(whole)).id == before.id
    assert as_on_windows(whole) != whole


def test_weights_over_time_differ_and_repeat():
    from helpers.pipeline_project import weights_over_time

    data = table(0, 60)
    found = weights_over_time(data["x"], data["y"], 0, 3)
    assert len(set(found)) == 3
    assert found == weights_over_time(data["x"], data["y"], 0, 3)


def test_the_three_rules_agree_on_what_is_clear():
    rules = promotion_gate.three_rules(1000, 0.02, 0.05)
    assert all(bool(rule(5, 60)) for rule in rules.values())
    assert not any(bool(rule(90, 5)) for rule in rules.values())
    assert [bool(rule(12, 10)) for rule in rules.values()] == [True, False, True]
