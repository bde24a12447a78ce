"""Chapter 26's helpers: each attack is refused, each server is gone, no secret is left behind."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from helpers.audit_log import (
    AuditError,
    AuditLog,
    check_log,
    entry_hash,
    forgeries,
    head_path,
    read_log,
)
from helpers.certificates import Authority
from helpers.erasure import (
    ErasureError,
    by_position,
    differing,
    erase,
    shard_of,
    train_shards,
    with_people,
    without,
)
from helpers.guarded_service import ServiceError, ask, serve
from helpers.model_extraction import (
    agreement,
    fine_tuned,
    network_outputs,
    network_weights,
    solve_logistic,
    three_parts,
    train_network,
)
from helpers.model_gate import Gate, Refused
from helpers.model_signatures import SignatureError, Signer, second_opinion, verify
from helpers.pickle_checks import complaints, load_listed
from helpers.sealed_files import (
    KeyRing,
    SealError,
    crypt_in_place,
    flip_bit,
    open_sealed,
    rewrap,
    seal,
)
from helpers.software_bill import Package, bill, fault, installed, kind_of_licence, paths_in
from helpers.watermarks import make_triggers, p_value, verify_owner

ROOT = Path(__file__).resolve().parents[1]
FERNET = re.compile(r"(?<![A-Za-z0-9_\-=/+])[A-Za-z0-9_-]{43}=(?![A-Za-z0-9_\-=])")


# The log


@pytest.fixture
def log(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(5):
        log.append("pipeline", f"step {number}", "allowed")
    return log


def test_a_whole_log_passes(log):
    assert check_log(log.path, log.public_key, seen=5) == 5
    assert [entry["number"] for entry in read_log(log.path)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("attack", ["edited entry", "entry cut out", "end cut off"])
def test_each_forgery_is_refused(log, attack):
    log.path.write_text(forgeries(log.path, log.path.parent)[attack], encoding="utf-8")
    with pytest.raises(AuditError):
        check_log(log.path, log.public_key)


def test_every_field_of_every_entry_counts(log):
    lines = log.path.read_text(encoding="utf-8").splitlines()
    for place, line in enumerate(lines):
        for name, value in json.loads(line).items():
            changed = json.loads(line) | {name: 7 if isinstance(value, int) else value + "x"}
            rest = [*lines[:place], json.dumps(changed), *lines[place + 1 :]]
            log.path.write_text("\n".join(rest), encoding="utf-8")
            with pytest.raises(AuditError):
                check_log(log.path, log.public_key)


def test_a_log_written_anew_fails_with_its_own_head_too(log):
    forgeries(log.path, log.path.parent)
    forged = log.path.parent / "forged.jsonl"
    assert len(read_log(forged)) == 4
    with pytest.raises(AuditError, match="signature"):
        check_log(forged, log.public_key)


def test_an_old_copy_is_noticed_by_who_saw_more(log):
    old = log.path.read_bytes(), head_path(log.path).read_bytes()
    log.append("pipeline", "step 5", "allowed")
    log.path.write_bytes(old[0])
    head_path(log.path).write_bytes(old[1])
    assert check_log(log.path, log.public_key) == 5
    with pytest.raises(AuditError, match="old copy"):
        check_log(log.path, log.public_key, seen=6)


def test_damaged_logs_are_one_sentence(log, tmp_path):
    with pytest.raises(AuditError, match="There is no log"):
        check_log(tmp_path / "none.jsonl", log.public_key)
    head_path(log.path).write_text("{}", encoding="utf-8")
    with pytest.raises(AuditError, match="head is missing"):
        check_log(log.path, log.public_key)
    log.path.write_text("no json\n", encoding="utf-8")
    with pytest.raises(AuditError, match="Line 0"):
        read_log(log.path)
    with pytest.raises(AuditError, match="too short"):
        forgeries(AuditLog(tmp_path / "short.jsonl").path, tmp_path)


def test_the_entry_hash_is_sha256_of_sorted_json():
    entry = {"b": "é", "a": 1, "hash": "ignored"}
    expected = hashlib.sha256('{"a":1,"b":"é"}'.encode()).hexdigest()
    assert entry_hash(entry) == expected


def test_an_attempt_is_logged_either_way(log):
    assert log.attempt("division", lambda: 1 / 0, ZeroDivisionError) == "division by zero"
    assert log.attempt("addition", lambda: 1 + 1, ZeroDivisionError) == ""
    assert [entry["outcome"] for entry in read_log(log.path)[5:]] == ["refused", "went through"]
    with pytest.raises(KeyError):
        log.attempt("our own error", lambda: {}["x"], ZeroDivisionError)


# Sealed files


def test_each_single_bit_flip_is_refused():
    ring = KeyRing()
    sealed = seal(b"weights", "model, version 1", ring)
    assert open_sealed(sealed, "model, version 1", ring) == b"weights"
    for bit in range(8 * len(sealed)):
        with pytest.raises(SealError):
            open_sealed(flip_bit(sealed, bit), "model, version 1", ring)


def test_other_contexts_keys_and_cuts_are_refused():
    ring = KeyRing()
    sealed = seal(b"w" * 100, "model, version 1", ring)
    wrong = [
        (sealed, "model, version 2", ring),
        (sealed, "model, version 1", KeyRing()),
        (sealed[:-1], "model, version 1", ring),
        (sealed + b"x", "model, version 1", ring),
        (b"", "model, version 1", ring),
    ]
    for content, context, keys in wrong:
        with pytest.raises(SealError):
            open_sealed(content, context, keys)
    with pytest.raises(SealError, match="context is empty"):
        seal(b"w", " ", ring)
    with pytest.raises(SealError, match="no bit"):
        flip_bit(b"a", 8)


def test_rotation_keeps_the_body_and_closes_the_old_copy():
    ring = KeyRing()
    sealed = seal(b"w" * 1000, "m", ring)
    wider = ring.with_new_key()
    rotated, newest = rewrap(sealed, wider), wider.newest_only()
    assert rotated[-1016:] == sealed[-1016:]
    assert open_sealed(rotated, "m", newest) == b"w" * 1000
    for content, keys in ((sealed, newest), (rotated, ring)):
        with pytest.raises(SealError, match="No key"):
            open_sealed(content, "m", keys)
    with pytest.raises(SealError, match="No key"):
        rewrap(sealed, KeyRing())


def test_a_data_key_and_a_nonce_are_used_once():
    ring = KeyRing()
    headers = {seal(b"same", "m", ring).split(b"\n")[1] for _ in range(20)}
    assert len({json.loads(header)["nonce"] for header in headers}) == 20
    assert len({json.loads(header)["key"] for header in headers}) == 20


def test_a_ring_shows_and_pickles_no_key():
    ring = KeyRing()
    assert repr(ring) == "KeyRing(1 keys)"
    with pytest.raises(SealError, match="key management"):
        pickle.dumps(ring)


def test_in_place_encryption_is_undone_by_itself_and_by_nothing_else():
    values = np.linspace(-1, 1, 50, dtype=np.float32)
    arrays = [values.copy()]
    crypt_in_place(arrays, bytes(32), bytes(16))
    assert not np.array_equal(arrays[0], values)
    crypt_in_place(arrays, bytes(32), bytes(16))
    assert np.array_equal(arrays[0], values)


# Signatures


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    place = tmp_path_factory.mktemp("signed")
    folder = place / "release"
    folder.mkdir()
    (folder / "model.bin").write_bytes(bytes(range(256)))
    (folder / "labels.json").write_text("[0, 1]", encoding="utf-8")
    signer = Signer()
    signer.sign(folder, place / "mark.sig")
    return folder, place / "mark.sig", signer.public_key


@pytest.mark.parametrize("openssl", [True, False])
def test_both_tools_accept_and_refuse_alike(release, monkeypatch, openssl):
    folder, mark, key = release
    if not openssl:
        monkeypatch.setattr("helpers.model_signatures.shutil.which", lambda _: None)
    verify(folder, mark, key)
    opinion = second_opinion(folder, mark, key)
    assert opinion.refused == ""
    if not openssl:
        assert "no openssl" in opinion.tool
    changes = {"labels.json": "[1, 0]", "added.py": "pass"}
    for name, text in changes.items():
        path = folder / name
        before = path.read_bytes() if path.exists() else None
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SignatureError):
            verify(folder, mark, key)
        assert name in second_opinion(folder, mark, key).refused
        path.unlink() if before is None else path.write_bytes(before)
    other = Signer().public_key
    with pytest.raises(SignatureError):
        verify(folder, mark, other)
    assert "not of this key" in second_opinion(folder, mark, other).refused


def test_signing_leaves_no_private_key_and_names_a_bad_folder(release, tmp_path):
    _, mark, _ = release
    left = [path for path in mark.parent.rglob("*") if path.is_file()]
    assert {path.name for path in left} == {"model.bin", "labels.json", "mark.sig"}
    assert not any(b"PRIVATE" in path.read_bytes() for path in left)
    assert repr(Signer()) == "Signer(P-256)"
    with pytest.raises(SignatureError, match="nothing to sign"):
        Signer().sign(tmp_path / "none", tmp_path / "x.sig")


# Pickles


class Payload:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_a_payload_runs_from_pickle_and_not_from_the_list(tmp_path):
    marker = tmp_path / "marker"
    content = pickle.dumps(Payload(exec, f"open({str(marker)!r}, 'w').close()"))
    assert complaints(content) == 1
    with pytest.raises(pickle.UnpicklingError, match=r"builtins\.exec"):
        load_listed(content)
    assert not marker.exists()
    pickle.loads(content)
    assert marker.exists()


def test_the_list_lets_pass_what_is_on_it():
    assert load_listed(pickle.dumps({"a": [1, 2.5, "x"]})) == {"a": [1, 2.5, "x"]}
    content = pickle.dumps(Path("x"))
    with pytest.raises(pickle.UnpicklingError):
        load_listed(content, [("os", "system")])


# The service


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("keys")
    ours, theirs = Authority("Ours", folder), Authority("Theirs", folder)
    weights = {"w0": np.eye(3), "b0": np.zeros(3), "w1": np.eye(3), "b1": np.zeros(3)}
    save_file({k: v.astype(np.float32) for k, v in weights.items()}, folder / "w.safetensors")
    return folder, ours, theirs, ours.issue("service", server=True), ours.issue("shop")


def start(keys, log, budget=10):
    folder, ours, _, server, _ = keys
    roles = {"shop": "client", "desk": "operator", "book": "auditor"}
    return serve(folder / "w.safetensors", server, ours.certificate, roles, budget, log)


def gone(pid, seconds=20.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_the_service_lets_in_whom_it_should(keys, tmp_path):
    _, ours, theirs, server, shop = keys
    row = [[0, 2, 1]]
    with start(keys, tmp_path / "log.jsonl") as service:
        line = " ".join(psutil.Process(service.pid).cmdline())
        assert server.passphrase not in line
        assert server.passphrase not in str(psutil.Process(service.pid).environ())
        addresses = {c.laddr.ip for c in psutil.Process(service.pid).net_connections()}
        assert addresses == {"127.0.0.1"}
        assert ask(service, shop, "/predict", row).body == {"classes": [1]}
        for who in (None, theirs.issue("shop"), ours.issue("old", expired=True), server):
            assert ask(service, who, "/predict", row).status == 0
        assert ask(service, shop, "/predict", row, trust=theirs.certificate).status == 0
        assert ask(service, shop, "/predict", row, secure=False).status == 0
        wrong = {"/withdraw": 403, "/log": 403, "/nothing": 403}
        for path, status in wrong.items():
            assert ask(service, shop, path, headers={"X-Role": "operator"}).status == status
        assert ask(service, ours.issue("unknown"), "/predict", row).status == 403
        assert ask(service, shop, "/predict", [[1, 2]]).status == 400
        assert ask(service, shop, "/predict", [[1, 2, float("nan")]]).status == 400
        assert ask(service, shop, "/predict", row * 10).status == 429
        assert ask(service, shop, "/predict", row * 9).status == 200
        assert ask(service, ours.issue("desk"), "/withdraw").status == 200
    assert gone(service.pid)
    entries = read_log(service.log)
    assert check_log(service.log, service.log_key) == len(entries) == 16
    reasons = [entry["reason"] for entry in entries if entry["outcome"] == "refused"]
    assert len(reasons) == 13
    assert all(reasons)
    for path in tmp_path.rglob("*"):
        content = path.read_text(encoding="utf-8")
        assert not any(one.passphrase in content for one in (server, shop)), path.name
        assert "PRIVATE KEY" not in content
    for words in ("did not return a certificate", "has expired", "http request", "purpose"):
        assert any(words in reason for reason in reasons), words


def test_the_server_is_gone_when_a_cell_fails(keys, tmp_path):
    with pytest.raises(ZeroDivisionError), start(keys, tmp_path / "log.jsonl") as service:
        1 / 0  # noqa: B018
    assert gone(service.pid)


def test_the_server_is_gone_when_its_parent_is_killed(keys, tmp_path):
    folder, ours, _, server, _ = keys
    order = [str(folder / "w.safetensors"), str(ours.certificate), str(tmp_path / "log.jsonl")]
    program = (
        "import sys, json, time\n"
        "from pathlib import Path\n"
        "from helpers.certificates import Identity\n"
        "from helpers.guarded_service import serve\n"
        "told = json.loads(sys.stdin.readline())\n"
        "who = Identity('service', Path(told[3]), Path(told[4]), told[5])\n"
        "with serve(told[0], who, told[1], {}, 1, told[2]) as service:\n"
        "    print(service.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    told = [*order, str(server.certificate), str(server.key), server.passphrase]
    parent.stdin.write(json.dumps(told) + "\n")
    parent.stdin.flush()
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.communicate()
    assert gone(pid)


def test_a_service_that_cannot_start_says_why(keys, tmp_path):
    _, ours, _, server, _ = keys
    with (
        pytest.raises(ServiceError, match="did not start"),
        serve(tmp_path / "none", server, ours.certificate, {}, 1, tmp_path / "log.jsonl"),
    ):
        pass


def test_keys_are_written_encrypted_and_never_shown(keys):
    folder, ours, _, _, shop = keys
    for path in folder.glob("*.key.pem"):
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in path.read_bytes()
    assert not list(folder.glob("*ca.key*"))
    assert shop.passphrase not in repr(shop)
    assert repr(ours) == "Authority(Ours)"
    with pytest.raises(ValueError, match="name of the identity"):
        ours.issue(" ")


def test_the_gate_denies_by_default():
    gate = Gate({"a": "client"}, budget=5)
    gate.admit("a", "predict", 5)
    for who, action, rows, status in (
        ("a", "predict", 1, 429),
        ("a", "withdraw", 0, 403),
        ("b", "predict", 1, 403),
    ):
        with pytest.raises(Refused) as refusal:
            gate.admit(who, action, rows)
        assert refusal.value.status == status
    with pytest.raises(ValueError, match="no role 'king'"):
        Gate({"a": "king"}, budget=5)
    with pytest.raises(ValueError, match="budget"):
        Gate({}, budget=0)


# Extraction, watermark, erasure


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


def test_network_outputs_are_the_librarys(digits):
    x, y = digits
    model = train_network(x[:300], y[:300], classes=10, hidden=16, steps=40, seed=0)
    outputs = network_outputs(network_weights(model), x)
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    ours = shifted / shifted.sum(axis=1, keepdims=True)
    assert np.allclose(ours, model.predict_proba(x), atol=1e-5)
    few = train_network(x[:5], y[:5], classes=10, hidden=4, steps=5, seed=0)
    assert few.classes_.tolist() == list(range(10))
    tuned = fine_tuned(model, x[300:600], y[300:600], passes=2)
    assert not np.array_equal(tuned.coefs_[0], model.coefs_[0])
    with pytest.raises(ValueError, match="do not fit"):
        train_network(x, y[:5], classes=10, hidden=4, steps=5, seed=0)


def test_solving_gives_the_weights(digits):
    from sklearn.linear_model import LogisticRegression

    x, y = digits
    model = LogisticRegression(max_iter=60, C=0.1).fit(x[:500], y[:500])
    queries = np.random.default_rng(0).random((65, 64))
    solved = solve_logistic(model.predict_proba, queries)
    assert np.allclose(solved[:-1], (model.coef_ - model.coef_[0]).T, atol=1e-5)
    assert np.allclose(solved[-1], model.intercept_ - model.intercept_[0], atol=1e-5)
    with pytest.raises(ValueError, match="give more"):
        solve_logistic(model.predict_proba, queries[:64])
    assert agreement([1, 2, 3, 4], [1, 2, 0, 4]) == 0.75
    with pytest.raises(ValueError, match="shapes"):
        agreement([1], [1, 2])


def test_three_parts_do_not_overlap():
    from helpers import data

    split = data.load("digits")
    parts = three_parts(split, (100, 50, 30), np.random.default_rng(1))
    assert [x.shape for x, _ in parts] == [(100, 64), (50, 64), (30, 64)]
    rows = np.concatenate([x for x, _ in parts])
    assert len(np.unique(rows, axis=0)) == 180
    with pytest.raises(ValueError, match="asked for"):
        three_parts(split, (5000,), np.random.default_rng(1))


def test_the_p_value_is_the_exact_binomial_tail():
    from scipy.stats import binomtest

    for hits, count, classes in ((0, 40, 10), (4, 40, 10), (12, 40, 10), (40, 40, 10), (3, 5, 2)):
        exact = binomtest(hits, count, 1 / classes, alternative="greater").pvalue
        assert p_value(hits, count, classes) == pytest.approx(exact, rel=1e-9)
    with pytest.raises(ValueError, match="cannot be"):
        p_value(5, 4, 10)


def test_false_alarms_of_a_fixed_model_keep_the_level():
    rng = np.random.default_rng(0)
    fixed = rng.integers(0, 10, 40)  # any model made without the triggers
    hits = (rng.integers(0, 10, (20000, 40)) == fixed).sum(axis=1)
    levels = np.array([p_value(h, 40, 10) for h in range(41)])
    assert (levels[hits] < 1e-3).mean() < 1e-3
    assert (levels[hits] < 0.05).mean() < 0.05


def test_ownership_needs_the_committed_triggers():
    triggers = make_triggers(40, 8, 10, np.random.default_rng(0))
    other = make_triggers(40, 8, 10, np.random.default_rng(1))
    commitment = triggers.commitment()
    assert verify_owner(triggers.y, triggers, commitment) < 1e-30
    with pytest.raises(ValueError, match="commitment"):
        verify_owner(other.y, other, commitment)
    with pytest.raises(ValueError, match="one class for each"):
        verify_owner(triggers.y[:5], triggers, commitment)
    assert "y=" not in repr(triggers)
    with pytest.raises(ValueError, match="at least one"):
        make_triggers(0, 8, 10, np.random.default_rng(0))


def test_erasure_equals_never_having_seen(digits):
    table = with_people([digits[0]], [digits[1]], rows_each=3)
    before = train_shards(*table, 5)
    for person in ("person-3", "person-250"):
        never = train_shards(*without(person, *table), 5)
        erased = erase(before, *table, person)
        assert erased.digests() == never.digests()
        assert differing(before, erased) == 1
        assert before.digests()[shard_of(person, 5)] != erased.digests()[shard_of(person, 5)]
    assert erased.score(*digits) > 0.9
    parts = [train_shards(*t, 5, by_position) for t in (table, without("person-3", *table))]
    assert differing(*parts) == 5


def test_bad_erasures_are_one_sentence(digits):
    table = with_people([digits[0][:300]], [digits[1][:300]], rows_each=3)
    ensemble = train_shards(*table, 2)
    with pytest.raises(ErasureError, match="no row of this person"):
        erase(ensemble, *table, "nobody")
    with pytest.raises(ErasureError, match="fewer shards"):
        train_shards(*table, 50)
    with pytest.raises(ErasureError, match="one label"):
        train_shards(table[0], table[1][:5], table[2], 2)
    with pytest.raises(ErasureError, match="1 or more"):
        with_people([digits[0]], [digits[1]], rows_each=0)


# The bill of materials


def test_the_bill_is_valid_and_names_no_folder():
    packages = installed()
    document = bill(packages, "model", "1", {"model.safetensors": "a" * 64})
    assert fault(document) == ""
    content = json.loads(document)
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.6")
    assert len(content["components"]) == len(packages) > 50
    listed = {part["name"]: part["version"] for part in content["components"]}
    assert listed["numpy"] == np.__version__
    files = content["metadata"]["component"]["components"]
    assert files[0]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert paths_in(document) == 0
    assert paths_in(document + json.dumps(str(Path.home()))) >= 1
    for broken in ({"components": [{"type": "program", "name": "x"}]}, {"bomFormat": "other"}):
        assert fault(json.dumps(content | broken))
    with pytest.raises(ValueError, match="no packages"):
        bill([], "model", "1", {})
    assert fault(bill([Package("a", "1", "")], "model", "1", {})) == ""


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("MIT", "permissive"),
        ("BSD-3-Clause", "permissive"),
        ("Apache Software License", "permissive"),
        ("LGPL-3.0-or-later", "weak copyleft"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "weak copyleft"),
        ("GPL-3.0", "strong copyleft"),
        ("GNU Affero General Public License v3", "strong copyleft"),
        ("GNU Lesser General Public License v3", "weak copyleft"),
        ("AGPL-3.0 OR MIT", "other"),
        ("", "not declared"),
        ("ZPL-2.1", "other"),
    ],
)
def test_licences_are_sorted_by_their_words(licence, kind):
    assert kind_of_licence(licence) == kind


# Nothing secret is left behind


def test_no_secret_in_the_stored_chapter():
    kept = [ROOT / "notebooks" / "26_security.ipynb", ROOT / "data" / "questions" / "26.yaml"]
    kept += sorted((ROOT / "data" / "evidence" / "claims").glob("26_security.*.json"))
    for path in kept:
        text = path.read_text(encoding="utf-8")
        assert "PRIVATE KEY" not in text, path.name
        assert not FERNET.search(re.sub(r"base64,[^\"\\]*", "", text)), path.name


def test_the_search_for_secrets_finds_one():
    from cryptography.fernet import Fernet

    assert FERNET.search(f"key = '{Fernet.generate_key().decode()}'")


def test_no_secret_in_the_files_of_a_run():
    """What runs of the chapter left in artifacts/: no key, no passphrase, no folder of keys."""
    for path in (ROOT / "artifacts" / "security").rglob("*"):
        if path.is_file() and path.suffix in (".json", ".jsonl", ".sig", ".pem", ""):
            content = path.read_bytes()
            assert b"BEGIN PRIVATE KEY" not in content
            assert not FERNET.search(content.decode("utf-8", "replace")), path.name
