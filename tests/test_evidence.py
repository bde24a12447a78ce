"""Claims raise, ledgers stay whole, sentences carry every value."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from helpers import evidence, profiles


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_LEDGER", str(tmp_path / "ledger.json"))
    return evidence.start("00_test", "quick", 3)


def records(run):
    return json.loads(run.ledger.read_text(encoding="utf-8"))["records"]


@pytest.mark.parametrize(
    ("bound", "value", "holds"),
    [
        ({"at_least": 2}, 2, True),
        ({"at_least": 2}, 1.999, False),
        ({"at_most": 2}, 2, True),
        ({"at_most": 2}, 2.001, False),
        ({"above": 2}, 2, False),
        ({"above": 2}, 2.001, True),
        ({"below": 2}, 2, False),
        ({"below": 2}, 1.999, True),
        ({"equals": 1}, np.bool_(True), True),
        ({"equals": 1}, False, False),
        ({"at_most": 2}, float("nan"), False),
        ({"at_least": 2}, float("nan"), False),
        ({"at_least": 2}, np.float32(2.5), True),
        ({"at_least": 2}, float("inf"), True),
    ],
)
def test_a_claim_holds_or_raises_and_is_recorded(run, bound, value, holds, capsys):
    if holds:
        evidence.claim("it is so", value, id="so", **bound)
    else:
        with pytest.raises(evidence.ClaimError, match=r"'so' does not hold.*claimed"):
            evidence.claim("it is so", value, id="so", **bound)
    (entry,) = records(run)
    assert entry["status"] == ("holds" if holds else "fails")
    assert entry["bound"] == bound


def test_the_message_has_both_values(run):
    with pytest.raises(evidence.ClaimError, match=r"measured 1\.25 x, claimed at least 3\.5 x"):
        evidence.claim("smaller", 1.25, id="size", at_least=3.5, unit="x")


def test_the_plain_line_has_no_measured_digit(run, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    evidence.claim("the model is small", 7.25, id="small", at_least=3)
    assert shown[0]["text/plain"] == "claim: the model is small"
    assert "measured 7.25, claimed at least 3" in shown[0]["text/html"]


def test_a_profile_too_small_is_said_not_skipped(run, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    evidence.claim("large", 0.1, id="large", at_least=3, needs="full")
    assert records(run)[0]["status"] == "too small"
    assert shown[0]["text/plain"] == "claim: large"
    assert "needs the profile 'full'" in shown[0]["text/html"]


def test_a_cell_run_again_replaces_its_record(run):
    evidence.claim("a", 1, id="a", at_least=0)
    evidence.claim("a", 2, id="a", at_least=0)
    evidence.record("b", 5, "s")
    assert [(entry["id"], entry["value"]) for entry in records(run)] == [("a", 2), ("b", 5)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"id": "x"}, "give exactly one of"),
        ({"id": "x", "at_least": 1, "at_most": 2}, "give exactly one of"),
        ({"id": "x", "at_lest": 1}, "give exactly one of"),
        ({"id": "Bad id", "at_least": 1}, "is not usable"),
        ({"id": "x", "at_least": 1, "needs": "huge"}, "does not exist"),
    ],
)
def test_a_claim_used_wrongly_is_one_sentence(run, arguments, said):
    with pytest.raises(evidence.EvidenceError, match=said):
        evidence.claim("text", 1, **arguments)


def test_a_value_that_is_no_number(run):
    with pytest.raises(evidence.EvidenceError, match="give one number"):
        evidence.claim("text", "many", id="x", at_least=1)


def test_a_sentence_and_its_values_must_match(run):
    with pytest.raises(evidence.EvidenceError, match="do not match at: b"):
        evidence.say("only {a}", a=1, b=2)
    with pytest.raises(evidence.EvidenceError, match="no measured value"):
        evidence.say("nothing measured")


def test_without_a_run():
    evidence._current.clear()
    with pytest.raises(evidence.EvidenceError, match="No run has been started"):
        evidence.claim("text", 1, id="x", at_least=0)


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True])
def test_a_seed_that_is_none(seed):
    with pytest.raises(evidence.EvidenceError, match="whole number of 0 or more"):
        evidence.start("00_test", "quick", seed)


def test_an_interrupted_write_leaves_the_ledger_whole(run, monkeypatch):
    evidence.claim("a", 1, id="a", at_least=0)
    before = run.ledger.read_text(encoding="utf-8")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evidence.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        evidence.claim("b", 1, id="b", at_least=0)
    assert run.ledger.read_text(encoding="utf-8") == before


def test_profiles_choose_sizes():
    full = profiles.Profile("full", "cpu", "float32")
    sizes = full.sizes(epochs=(1, 2, 3), batch_size=64, share=(0.1, 0.2, 0.3))
    assert (sizes.epochs, sizes.batch_size, sizes.share) == (2, 64, 0.2)
    with pytest.raises(AttributeError):
        sizes.epochs = 9
    with pytest.raises(profiles.ProfileError, match="has 2 values"):
        full.sizes(epochs=(1, 2))


def test_profile_names(monkeypatch):
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    assert profiles.resolve().name == "quick"
    monkeypatch.setenv("COURSE_PROFILE", "full")
    assert profiles.resolve().name == "full"
    assert profiles.resolve("quick").name == "quick"
    with pytest.raises(profiles.ProfileError, match=r"no profile 'ful'.*Did you mean 'full'"):
        profiles.resolve("ful")


def test_the_gpu_profile_without_a_gpu(monkeypatch):
    monkeypatch.setattr(profiles, "gpu_count", lambda: 0)
    with pytest.raises(profiles.ProfileError, match="needs an NVIDIA GPU"):
        profiles.resolve("gpu")
    monkeypatch.setattr(profiles, "gpu_count", lambda: 1)
    assert profiles.resolve("gpu").precision == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.12345, "%", "12.35 %"),
        (3, "x", "3 x"),
        (1234567, "B", "1,234,567 B"),
        (3.14159, "", "3.142"),
        (0.00001234, "", "1.23e-05"),
        (12345.678, "ms", "12,345.7 ms"),
    ],
)
def test_spelling(value, unit, text):
    assert evidence.spell(value, unit) == text


def test_imports_stay_cheap():
    """`import helpers` and every light module: under 0.1 s, and none of the heavy libraries."""
    code = (
        "import sys, time; start = time.process_time(); import helpers; "
        "seconds = time.process_time() - start; "
        "import helpers.evidence, helpers.plots, helpers.quiz, helpers.tables, helpers.exercises; "
        "heavy = {'keras', 'tensorflow', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules); "
        "print(seconds, *heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *heavy = done.stdout.split()
    assert heavy == []
    assert float(seconds) < 0.1
