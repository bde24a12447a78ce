"""Privacy helpers against other truths: dp-accounting, scikit-learn, differences, processes."""

from __future__ import annotations

import math
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from helpers import federated, masks, privacy
from helpers.small_network import (
    Noise,
    PrivacyError,
    clipped_sum,
    example_gradients,
    losses,
    new_weights,
    train,
)

DRAW = np.random.default_rng(0)
X, Y = DRAW.normal(size=(60, 5)), DRAW.integers(0, 3, 60)
WEIGHTS = new_weights(5, 4, 3, 0)


def row(weights):
    return np.concatenate([part.ravel() for part in weights])


def test_example_gradients_are_the_slopes_of_the_loss():
    gradients, at = example_gradients(WEIGHTS, X, Y), 0
    for part in range(4):
        for place in np.ndindex(WEIGHTS[part].shape):
            up = [w.copy() for w in WEIGHTS]
            up[part][place] += 1e-6
            slope = (losses(up, X, Y) - losses(WEIGHTS, X, Y)) / 1e-6
            np.testing.assert_allclose(gradients[:, at], slope, atol=1e-4)
            at += 1


@pytest.mark.parametrize("clip", [0.1, 1.0, np.inf])
def test_fast_clipping_is_clipping_written_out(clip):
    gradients = example_gradients(WEIGHTS, X, Y)
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    slow = (gradients * np.minimum(1, clip / norms)).sum(axis=0)
    np.testing.assert_allclose(row(clipped_sum(WEIGHTS, X, Y, clip)), slow, atol=1e-10)


def test_noise_has_the_stated_size_and_weights_given_stay():
    before = row(WEIGHTS)
    found = train(WEIGHTS, X, Y, 1, 1.0, 1.0, 0, Noise(2.0, 1000.0))
    assert np.std((row(found) - before) * len(Y)) == pytest.approx(2000, rel=0.35)
    np.testing.assert_array_equal(row(WEIGHTS), before)


@pytest.mark.parametrize(("rate", "sigma", "steps"), [(0.01, 0.8, 1000), (0.2, 2, 50), (1, 5, 10)])
def test_epsilon_is_that_of_dp_accounting(rate, sigma, steps):
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent, rdp

    event = SelfComposedDpEvent(PoissonSampledDpEvent(rate, GaussianDpEvent(sigma)), steps)
    library = rdp.RdpAccountant(privacy.ORDERS).compose(event).get_epsilon(1e-5)
    assert privacy.epsilon_of(rate, sigma, steps, 1e-5) == pytest.approx(library, rel=1e-6)


def test_auc_is_that_of_scikit_learn_ties_included():
    from sklearn.metrics import roc_auc_score

    members, others = DRAW.integers(0, 9, 80), DRAW.integers(0, 7, 50)
    truth = roc_auc_score([1] * 80 + [0] * 50, np.r_[members, others])
    assert privacy.auc_of(members, others) == pytest.approx(truth)
    found = privacy.attack(-members, -others)
    assert found.low < found.auc < found.high
    assert found.auc == pytest.approx(truth)


def test_exposure_and_groups_by_hand():
    assert privacy.exposure(1, 1024) == 10
    assert privacy.exposure(1024, 1024) == 0
    assert privacy.group_sizes([(1, "a"), (2, "a"), (1, "a")]).tolist() == [2, 1, 2]


def test_masks_cancel_and_change_with_the_round():
    values, keys = DRAW.normal(size=(3, 50)), [masks.new_key() for _ in range(3)]
    publics = {k: masks.public_part(key) for k, key in enumerate(keys)}
    sent = [masks.masked(v, k, keys[k], publics, "r1") for k, v in enumerate(values)]
    total = masks.to_floats(np.sum(sent, axis=0, dtype=np.uint64))
    np.testing.assert_allclose(total, values.sum(axis=0), atol=1e-6)
    again = masks.masked(values[0], 0, keys[0], publics, "r2")
    assert not np.any(again == sent[0])
    np.testing.assert_array_equal(masks.to_floats(masks.to_integers([-1.5, 0.25])), [-1.5, 0.25])


SHARDS = [(X[rows], Y[rows]) for rows in (np.flatnonzero(k == Y) for k in range(3))]


def test_one_round_is_the_average_of_local_training_and_processes_end():
    with federated.clients(SHARDS, 3) as federation:
        assert len(set(federation.pids)) == 3
        assert all(map(psutil.pid_exists, federation.pids))
        assert federation.counts.tolist() == np.diag([len(y) for _, y in SHARDS]).tolist()
        found = federation.round(WEIGHTS, 3, 0.5, 0.1, 7)
        locals_ = [train(WEIGHTS, *s, 3, 0.5, 0.1, 1007 + k) for k, s in enumerate(SHARDS)]
        mean = sum(row(w) * len(s[1]) / len(Y) for w, s in zip(locals_, SHARDS, strict=True))
        np.testing.assert_allclose(row(found), mean, atol=1e-6)
        assert not np.any(federation.seen[0] == masks.to_integers(row(locals_[0])))
    assert not any(map(psutil.pid_exists, federation.pids))


def test_processes_end_when_the_cell_fails_and_a_lost_client_is_said():
    kept = []

    def cell():
        with federated.clients(SHARDS, 3) as federation:
            kept.extend(federation.pids)
            psutil.Process(kept[1]).kill()
            federation.round(WEIGHTS, 1, 0.5, 0.1, 0)

    with pytest.raises(PrivacyError, match="do not cancel"):
        cell()
    assert len(kept) == 3
    assert not any(map(psutil.pid_exists, kept))


def test_clients_end_with_a_server_that_is_killed():
    code = (
        "import numpy as np, os, time\n"
        "from helpers.federated import clients\n"
        "rows = (np.ones((2, 2)), np.array([0, 1]))\n"
        "with clients([rows, rows], 2) as federation:\n"
        "    print(*federation.pids, flush=True)\n"
        "    time.sleep(60)\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=federated.ROOT
    )
    pids = [int(pid) for pid in server.stdout.readline().split()]
    server.kill()
    server.communicate()
    end = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    assert len(pids) == 2
    assert not any(map(alive, pids))


def alive(pid):
    # A process whose parent was killed may stay as a zombie where nobody collects it.
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: new_weights(0, 1, 1, 0), "at least one unit"),
        (lambda: clipped_sum(WEIGHTS, X, Y, 0), "clipping norm"),
        (lambda: train(WEIGHTS, X, Y[:3], 1, 0.5, 0.1, 0), "one label a row"),
        (lambda: train(WEIGHTS, X, Y, 1, 1.5, 0.1, 0), "sampling rate"),
        (lambda: privacy.renyi(0.1, 0, 2), "do not fit"),
        (lambda: privacy.epsilon_of(0.1, 1, -1, 1e-5), "steps"),
        (lambda: privacy.auc_of([], [1]), "one is empty"),
        (lambda: privacy.exposure(0, 10), "rank"),
        (lambda: privacy.group_sizes([]), "no rows"),
        (lambda: masks.to_integers([math.nan]), "not finite"),
        (lambda: masks.mask(masks.new_key(), b"short", "r", 1), "32 bytes"),
        (lambda: federated.clients(SHARDS[:1], 3).__enter__(), "two"),
        (lambda: federated.clients([(X, Y[:2]), (X, Y)], 3).__enter__(), "one label"),
    ],
)
def test_bad_input_gets_one_sentence(call, says):
    with pytest.raises(PrivacyError, match=says) as found:
        call()
    assert "\n" not in str(found.value)
