"""Training that is killed, its states, the supervisor, retries, logs and intervals."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from helpers import checkpoint_interval, progress_logs, retries, supervision
from helpers.resumable import (
    FaultError,
    Plan,
    accuracy,
    first_state,
    loss_and_gradients,
    newest_state,
    read_log,
    read_state,
    train,
    write_job,
    write_state,
)

PLAN = Plan(steps=60, interval=10, seed=3)


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 300)
    return random.normal(size=(300, 8)) + 2 * np.eye(8)[y], y


def test_gradients_are_those_of_differences(rows):
    x, y = rows
    weights = first_state(PLAN, 8, 3).weights
    _, gradients = loss_and_gradients(weights, x[:50], y[:50])
    for name, value in weights.items():
        place = tuple(0 for _ in value.shape)
        step = np.zeros_like(value)
        step[place] = 1e-6
        ends = [
            loss_and_gradients(weights | {name: value + s * step}, x[:50], y[:50])[0]
            for s in (1, -1)
        ]
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(gradients[name][place], abs=1e-6)


def test_killed_at_random_steps_ends_with_the_same_file(tmp_path, rows):
    plan = replace(PLAN, pause=0.003)
    for name in ("whole", "killed"):
        write_job(tmp_path / name, plan, *rows)
    supervision.run_and_kill("helpers.resumable", tmp_path / "whole")
    lives = supervision.run_and_kill("helpers.resumable", tmp_path / "killed", [3, 17, 41])
    assert [life.killed for life in lives] == [True, True, True, False]
    assert max(supervision.lost_steps(lives)) <= plan.interval
    names = [[p.name for p in (tmp_path / n / "final").iterdir()] for n in ("whole", "killed")]
    assert names[0] == names[1]  # The digest of the content is part of the name.
    steps = progress_logs.last_of_each_step(read_log(tmp_path / "killed"))
    assert list(steps) == list(range(1, 61))


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-1], lambda c: c[:50] + b"?" + c[51:], lambda c: b""]
)
def test_a_damaged_state_is_refused_and_the_one_before_used(tmp_path, rows, damage):
    train(tmp_path, PLAN, *rows)
    last = sorted(tmp_path.glob("step-*.npz"))[-1]
    last.write_bytes(damage(last.read_bytes()))
    with pytest.raises(FaultError, match="truncated or altered"):
        read_state(last)
    found, refused = newest_state(tmp_path)
    assert (found.step, refused) == (50, (last.name,))


def test_a_state_comes_back_as_it_was_and_old_ones_go(tmp_path):
    state = replace(first_state(PLAN, 8, 3), skipped=(4, 9))
    for step in (1, 2, 3, 4):
        path = write_state(tmp_path, replace(state, step=step))
    found = read_state(path)
    assert found.skipped == (4, 9)
    assert all(np.array_equal(found.weights[k], state.weights[k]) for k in state.weights)
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / "other.npz").write_bytes(b"")
    with pytest.raises(FaultError, match="no state file"):
        read_state(tmp_path / "other.npz")


def test_the_guard_retries_then_skips_and_saves_no_broken_state(tmp_path, rows):
    faults = ((23, "nan"), (39, "flip"))  # After step 39 a state is due.
    state = train(tmp_path / "guard", replace(PLAN, faults=faults), *rows)
    events = [e["event"] for e in read_log(tmp_path / "guard") if e["event"]]
    assert events == ["rollback", "skipped", "rollback"]
    assert state.skipped == (23,)
    assert accuracy(state.weights, *rows) > 0.8
    bare = train(tmp_path / "bare", replace(PLAN, faults=faults, guard=False), *rows)
    assert accuracy(bare.weights, *rows) == 0


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("interval", -1), ("batch", True)])
def test_a_plan_with_impossible_sizes_is_refused(field, value):
    with pytest.raises(FaultError, match=f"{field} is"):
        Plan(**{field: value})
    with pytest.raises(FaultError, match="no fault 'fire'"):
        Plan(faults=((1, "fire"),))


def test_half_a_line_spoils_no_other(tmp_path, rows):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "lo', encoding="utf-8")
    train(tmp_path, PLAN, *rows)
    assert len(read_log(tmp_path)) == 60


def test_a_process_is_gone_when_the_context_fails():
    with pytest.raises(ZeroDivisionError), supervision.python_process("-c", "input()") as process:
        raise ZeroDivisionError
    assert not psutil.pid_exists(process.pid)


def test_a_training_that_fails_by_itself_is_reported(tmp_path):
    with pytest.raises(FaultError, match="ended with the code"):
        supervision.run_and_kill("helpers.resumable_nothing", tmp_path)


def test_git_reset_repairs_no_weights_and_destroys_the_repair(tmp_path):
    state = tmp_path / "state"
    state.write_bytes(bytes(100))
    outcome = supervision.reset_as_recovery(tmp_path / "repository", state)
    assert outcome == {"repair_kept": False, "state_repaired": False}


def test_retry_waits_longer_each_time_and_gives_up():
    waits, calls = [], []

    def fail():
        calls.append(1)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        retries.retry(fail, 5, 1.0, 5.0, sleep=waits.append, draw=lambda low, high: high)
    assert (waits, len(calls)) == ([1, 2, 4, 5], 5)
    with pytest.raises(FaultError, match="tries is 0"):
        retries.retry(fail, 0)


def test_the_webhook_refuses_loses_and_keeps_one():
    with retries.webhook(refuse=1, lose=1) as hook:
        status = retries.retry(lambda: retries.notify(hook.url, {"a": 1}, "k"), first=0.01)
    assert (status, hook.answered, hook.kept) == (204, [503, 0, 204], {"k": {"a": 1}})
    with pytest.raises(OSError, match="urlopen"):
        retries.notify(hook.url, {}, "k", timeout=1)


def test_a_crowd_without_jitter_comes_in_waves():
    plain, spread = retries.crowd(100, 10, False, first=4.0), retries.crowd(100, 10, True, 1, 4.0)
    assert plain[:5].tolist() == [0, 0, 0, 0, 100]
    assert spread.max() < 50
    assert retries.crowd(10, 10, True).sum() == 10
    with pytest.raises(FaultError, match="capacity is 0"):
        retries.crowd(10, 0, True)


def test_a_follower_reads_each_byte_once_and_waits_for_whole_lines(tmp_path):
    path = tmp_path / "log"
    follower = progress_logs.Follower(path)
    assert follower.new_lines() == []
    path.write_text('{"a": 1}\n{"a"', encoding="utf-8")
    assert follower.new_lines() == [{"a": 1}]
    with open(path, "a", encoding="utf-8") as file:
        file.write(': 2}\nbroken\n{"a": 3}\n')
    assert follower.new_lines() == [{"a": 2}, {"a": 3}]
    assert follower.bytes_read == path.stat().st_size
    path.write_text('{"a": 4}\n', encoding="utf-8")
    assert follower.new_lines() == [{"a": 4}]


@pytest.mark.slow
def test_tensorboard_itself_reads_the_file(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    path = progress_logs.write_scalars(tmp_path, "loss", {1: 0.5, 2: 0.25})
    found = EventAccumulator(str(tmp_path)).Reload()
    tag = found.Tags()
    values = (
        [(e.step, e.value) for e in found.Scalars("loss")]
        if "loss" in tag["scalars"]
        else [(e.step, float(e.tensor_proto.float_val[0])) for e in found.Tensors("loss")]
    )
    assert values == [(1, 0.5), (2, 0.25)]
    assert progress_logs.count_scalars(path) == 2


def test_scalars_are_counted(tmp_path):
    path = progress_logs.write_scalars(tmp_path, "loss", {1: 0.5, 2: 0.25, 9: 0.1})
    assert progress_logs.count_scalars(path) == 3


def test_a_sleeping_reader_costs_less():
    assert progress_logs.processor_share(lambda: None, 0.2, 0.05) < 0.2


def test_young_and_daly():
    assert checkpoint_interval.young(2, 100) == 20
    # Without failures in sight only the writing is lost.
    assert checkpoint_interval.waste(9, 1, 1e9) == pytest.approx(0.1, abs=1e-6)
    seen = checkpoint_interval.simulate_waste(14, 1, 100, 2, 100_000, 1)
    assert seen == pytest.approx(checkpoint_interval.waste(14, 1, 100, 2), abs=0.01)
    best = min(np.arange(5, 30, 0.1), key=lambda t: checkpoint_interval.waste(t, 1, 100))
    # Daly's first correction of Young's formula: minus C.
    assert best == pytest.approx(math.sqrt(200) - 0.67, abs=0.2)
    with pytest.raises(FaultError, match="write is 0"):
        checkpoint_interval.young(0, 1)


@pytest.mark.slow
def test_keras_killed_ends_with_the_same_weights(tmp_path, rows):
    import json

    folder = write_job(tmp_path, PLAN, *rows)
    order = {"batch": 50, "seed": 1, "epochs": 3, "pause": 0.01, "hidden": 8}
    (folder / "plan.json").write_text(json.dumps(order), encoding="utf-8")
    lives = supervision.run_and_kill("helpers.resumable_keras", folder, [9])
    assert [life.killed for life in lives] == [True, False]
    assert supervision.lost_steps(lives)[0] <= 6
    gap = supervision.largest_difference(folder / "uninterrupted.npz", folder / "final.npz")
    assert gap <= 1e-6


def test_a_child_ends_with_a_parent_that_is_killed(tmp_path):
    """The worker's parent is killed without a chance to tidy up; the worker ends by itself."""
    code = (
        "import sys, time\n"
        "from helpers.task_queue import worker\n"
        "import helpers.task_queue as q, psutil\n"
        "with worker(sys.argv[1]):\n"
        "    print(*[c.pid for c in psutil.Process().children()], flush=True)\n"
        "    time.sleep(600)\n"
    )
    with supervision.python_process(
        "-c", code, str(tmp_path), stdout=subprocess.PIPE, text=True
    ) as parent:
        children = [int(word) for word in parent.stdout.readline().split()]
        assert children
        assert all(map(psutil.pid_exists, children))
        parent.kill()
    end = time.monotonic() + 30
    while any(map(_alive, children)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(_alive, children)), sys.platform


def _alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
