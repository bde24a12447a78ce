"""Chapters on a Dask cluster: the same values as locally, and a worker killed for real."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from course_fixture import chapter_cells, code, make_project, write_notebook
from test_course_runner import gated, pid_in, wait_for
from typer.testing import CliRunner

from helpers.course import runner
from helpers.course.chapters import CourseError, Project, select
from helpers.course.cluster import DaskPool
from helpers.course.job import plan
from helpers.course.pools import LocalPool
from helpers.course.progress import PlainProgress
from helpers.course.store import Store


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "course")


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as found:
        yield found


def sweep(project: Project, pool, folder: Path, axis=(1.0, 2.0, 3.0)) -> list:
    chapter = select(project, ["1"])[0]
    jobs = [
        plan(project, chapter, "quick", {"SCALE": scale, "SEED": seed}, 120)
        for scale in axis
        for seed in range(len(axis))
    ]
    progress = PlainProgress(lambda line: None, len(jobs))
    return runner.run(project, jobs, Store(folder), lambda waiting: pool, progress)


def values(records: list) -> list[float]:
    assert [record.failure for record in records] == [None] * len(records)
    return [record.result.ledger()["records"][0]["value"] for record in records]


def test_a_sweep_on_two_workers_equals_the_local_one(project, cluster, tmp_path):
    axis = (1.0, 2.0)
    there = sweep(project, DaskPool(cluster.scheduler_address), tmp_path / "there", axis)
    here = sweep(project, LocalPool(2), tmp_path / "here", axis)
    assert values(there) == values(here) == [2.0, 3.0, 4.0, 5.0]
    assert [a.result.key for a in there] == [b.result.key for b in here]


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_killed_worker_costs_a_retry_and_no_result(project, cluster, tmp_path):
    gate = tmp_path / "gate"
    gated(project, "09", gate)
    job = plan(project, select(project, ["9"])[0], "quick", {}, 120)
    pool = DaskPool(cluster.scheduler_address)
    events: list[str] = []
    try:
        future = pool.submit(job, lambda message: events.append(message["event"]))
        kernel = wait_for(lambda: pid_in(gate.with_suffix(".pid")))
        (owner,) = (pid for pid in pool._client.run(os.getpid).values() if kernel in _children(pid))
        os.kill(owner, signal.SIGKILL)
        gate.with_suffix(".pid").unlink()
        wait_for(lambda: pid_in(gate.with_suffix(".pid")))
        gate.touch()
        assert future.result(timeout=60).finished
    finally:
        pool.close()
    assert events.count("start") == 2


def _children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def test_a_helper_that_differs_on_the_worker_is_refused(project, cluster):
    import dataclasses

    job = plan(project, select(project, ["1"])[0], "quick", {}, 60)
    job = dataclasses.replace(job, inputs=job.inputs | {"helpers": {"helpers/base.py": "other"}})
    pool = DaskPool(cluster.scheduler_address)
    try:
        outcome = pool.submit(job, lambda message: None).result(timeout=60)
    finally:
        pool.close()
    assert outcome.failure.kind == "changed"


def test_a_cluster_without_workers_is_given_up(project, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr("helpers.course.cluster.NO_WORKER_SECONDS", 2)
    options = {
        "n_workers": 1,
        "threads_per_worker": 1,
        "processes": False,
        "worker_dashboard_address": None,
    }
    with LocalCluster(**options, dashboard_address=None) as small:
        pool = DaskPool(small.scheduler_address)
        small.scale(0)
        job = plan(project, select(project, ["1"])[0], "quick", {}, 60)
        try:
            wait_for(lambda: not pool._client.scheduler_info(n_workers=-1)["workers"])
            outcome = pool.submit(job, lambda message: None).result(timeout=40)
        finally:
            pool.close()
    assert "no worker" in outcome.failure.message


def test_no_scheduler_is_one_sentence():
    with pytest.raises(CourseError, match="No Dask scheduler answers"):
        DaskPool("tcp://127.0.0.1:9", wait=1)


def test_the_command_line_uses_a_cluster(project, cluster):
    from helpers.course.cli import app

    options = ["--project", str(project.root), "run", "all"]
    options += ["--scheduler", cluster.scheduler_address]
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 0, done.stderr
    assert "02_tiny quick: finished" in done.stdout
    # What the cluster made is found by a run without it.
    assert CliRunner().invoke(app, options[:-2]).stderr.count("not run again") == 2


@pytest.mark.slow
def test_a_three_by_three_sweep_equals_the_local_one_at_good_efficiency(project, cluster, tmp_path):
    path = project.notebooks / "01_tiny.ipynb"
    # Seconds of arithmetic on one core, so that the start of the kernels does not decide.
    work = "import time\nend = time.process_time() + 8\nwhile time.process_time() < end:\n    pass"
    write_notebook(path, chapter_cells("01", code(work), helper="alpha"))
    begin = time.monotonic()
    there = sweep(project, DaskPool(cluster.scheduler_address), tmp_path / "there")
    elapsed = time.monotonic() - begin
    here = sweep(project, LocalPool(2), tmp_path / "here")
    assert len(values(there)) == 9
    assert values(there) == values(here)
    # The share of the two workers' time that went into chapters. Nine runs on two workers take
    # five rounds, so 0.9 is the most that any scheduler can reach.
    busy = sum(record.result.seconds for record in there)
    assert busy / (2 * elapsed) >= 0.85
