"""Worker processes: right sums, counted bytes, clear failures, and none left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from helpers.peers import Peer
from helpers.step_timing import alternate_jobs
from helpers.worker_group import WorkerError, WorkerGroup, free_ports

ROOT = Path(__file__).parents[1]


def go_round(peer, length):
    """Every worker sees every other's vector once; returns their sum."""
    mine = np.full(length, 10.0**peer.rank, np.float32)
    total, passing = mine.copy(), mine
    for _ in range(peer.workers - 1):
        passing = peer.pass_on(passing)
        total += passing
    peer.kept["total"] = total
    return total, peer.bytes_sent, peer.bytes_received, peer.kernel_received()


def fail_in_one(peer):
    if peer.rank == 1:
        raise ValueError("the disk is full")
    peer.receive(1)


def leave(peer):
    import os

    os._exit(3) if peer.rank == 0 else peer.receive(0)


def leave_last(peer):
    """Worker 1 complains of the closed link half a second before worker 0 is gone."""
    import os
    import time

    if peer.rank == 1:
        peer.receive(0)
    for link in peer._links.values():
        link.close()
    time.sleep(0.5)
    os._exit(3)


def forever(peer):
    import time

    time.sleep(600)


def gone(pids, seconds=10.0):
    """True when none of the processes is alive any more."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not [p for p in pids if psutil.pid_exists(p) and _alive(p)]:
            return True
        time.sleep(0.05)
    return False


def _alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_vectors_go_round_and_every_byte_is_counted(workers):
    length = 200_001  # larger than the sockets' buffers, so both directions must run at once
    with WorkerGroup(workers) as group:
        answers = group.run(go_round, length)
    for total, sent, received, kernel in answers:
        assert total.shape == (length,)
        assert (total == sum(10.0**rank for rank in range(workers))).all()
        # Each message is the vector and a head of 16 bytes.
        assert sent == received == (workers - 1) * (4 * length + 16)
        assert kernel in (None, received)
    if sys.platform.startswith("linux"):
        assert answers[0][3] is not None


def test_arrays_of_all_kinds_travel_and_what_is_kept_stays():
    def kinds(peer):
        other = 1 - peer.rank
        if peer.rank == 0:
            for array in (np.arange(6, dtype="<i8").reshape(2, 3).T, np.zeros(0), np.ones(3, bool)):
                peer.send(other, array)
            return []
        return [peer.receive(other) for _ in range(3)]

    def recall(peer):
        return peer.kept["total"].size

    with WorkerGroup(2) as group:
        integers, none, flags = group.run(kinds)[1]
        group.run(go_round, 5)
        assert group.run(recall) == [5, 5]
    assert integers.tolist() == [0, 3, 1, 4, 2, 5]
    assert none.size == 0
    assert none.dtype == np.float64
    assert flags.tolist() == [True] * 3


def test_workers_listen_on_loopback_only_and_compute_with_one_thread():
    def look(peer):
        import os

        import psutil

        found = psutil.Process().net_connections()
        addresses = {c.laddr.ip for c in found} | {c.raddr.ip for c in found if c.raddr}
        return addresses, os.environ["OMP_NUM_THREADS"]

    with WorkerGroup(2) as group:
        for addresses, threads in group.run(look):
            assert addresses == {"127.0.0.1"}
            assert threads == "1"


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (fail_in_one, "Worker 1 failed while running fail_in_one: ValueError: the disk is full"),
        (leave, "Worker 0 ended while running leave"),
        (leave_last, "Worker 0 ended while running leave_last"),
        (forever, "No answer from the workers \\[0, 1\\] within 2 s"),
    ],
)
def test_a_failure_is_one_sentence_and_ends_all(function, said):
    group = WorkerGroup(2)
    group.timeout = 2.0
    pids = group.pids
    with pytest.raises(WorkerError, match=said):
        group.run(function)
    assert group.closed
    assert gone(pids)
    with pytest.raises(WorkerError, match="is closed"):
        group.run(function)


def test_an_error_inside_the_with_block_ends_all():
    pids = []

    def cell():
        with WorkerGroup(2) as group:
            pids.extend(group.pids)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cell()
    assert len(pids) == 2
    assert gone(pids)


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_no_worker_outlives_the_process_that_started_it(how):
    """A notebook whose cell failed, or whose kernel was killed, with the group still open."""
    script = """
        import time
        from helpers.worker_group import WorkerGroup
        group = WorkerGroup(2)
        print(*group.pids, flush=True)
        if {how!r} == "exit":
            raise SystemExit("a cell failed")
        time.sleep(600)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script.format(how=how))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    with process:
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2
        if how == "kill":
            process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    assert gone(pids)


def test_an_open_group_in_a_notebook_whose_cell_fails_is_gone_with_the_kernel():
    import nbclient
    import nbformat

    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "from helpers.worker_group import WorkerGroup\n"
                "engine = WorkerGroup(2)\nprint(*engine.pids)"
            ),
            nbformat.v4.new_code_cell("1 / 0"),
        ]
    )
    client = nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(ROOT)}})
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        client.execute()
    pids = [int(word) for word in notebook.cells[0].outputs[0].text.split()]
    assert len(pids) == 2
    assert gone(pids)


def test_free_ports_are_different_and_can_be_used():
    import socket

    ports = free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


@pytest.mark.parametrize("workers", [0, 65, True, 1.5, "2"])
def test_bad_numbers_of_workers_are_refused(workers):
    with pytest.raises(WorkerError, match="whole number from 1 to 64"):
        WorkerGroup(workers)


def test_a_function_without_source_is_refused():
    with WorkerGroup(1) as group, pytest.raises(WorkerError, match="cannot be read"):
        group.run(len)


def test_a_link_that_does_not_exist_is_refused():
    with pytest.raises(WorkerError, match="no link to 3"):
        Peer(0, {}).send(3, np.zeros(1))


def test_jobs_are_timed_by_their_slowest_worker():
    def nap(seconds, peer, factor):
        import time

        time.sleep(seconds * (factor if peer.rank else 1))

    with WorkerGroup(2) as group:
        short, long = alternate_jobs(group, nap, [(0.005,), (0.02,)], 2, clean=2)
        assert 0.01 <= short < long
        assert long >= 0.04
        with pytest.raises(WorkerError, match="at least one of each"):
            alternate_jobs(group, nap, [], 2)
