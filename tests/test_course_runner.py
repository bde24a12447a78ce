"""The runner: nothing twice, nothing lost; real kernels are killed, hung and starved here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest
from course_fixture import chapter_cells, code, make_project, markdown, write_notebook

from helpers.course import fingerprint, refresh, runner
from helpers.course.chapters import ROOT, CourseError, Project, content, select
from helpers.course.job import Failure, Job, Outcome, plan
from helpers.course.pools import LocalPool
from helpers.course.progress import PlainProgress
from helpers.course.status import clean, states
from helpers.course.store import PART, RESULT, Store

COMMAND = [sys.executable, "-m", "helpers.course"]


class FakePool:
    """Answers at once, and remembers what it was asked to run."""

    threads = 1

    def __init__(self, failing: tuple[str, ...] = ()) -> None:
        self.ran: list[str] = []
        self.failing = failing

    def submit(self, job: Job, emit) -> Future[Outcome]:
        self.ran.append(job.chapter)
        emit({"event": "start"})
        emit({"event": "cell", "cell": 1, "cells": 1})
        failure = Failure("error", "no.", 1) if job.chapter in self.failing else None
        answer: Future[Outcome] = Future()
        answer.set_result(Outcome(job.notebook, "", 1.0, 10.0, [], failure))
        return answer

    def close(self) -> None:
        return None


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "course")


def jobs_of(project: Project, names=("all",), profile="quick", parameters=None, timeout=60.0):
    return [
        plan(project, chapter, profile, parameters or {}, timeout)
        for chapter in select(project, names)
    ]


def run_with(project: Project, pool, jobs=None, lines=None, **options):
    jobs = jobs_of(project) if jobs is None else jobs
    progress = PlainProgress((lines if lines is not None else []).append, len(jobs))
    store = Store(project.runs)
    return runner.run(project, jobs, store, lambda waiting: pool, progress, **options)


def command(project: Project, *arguments: str, **options):
    return subprocess.run(
        [*COMMAND, "--project", str(project.root), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
        **options,
    )


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_second_run_reuses_everything_and_force_does_not(project):
    first, second, third = FakePool(), FakePool(), FakePool()
    assert [record.status for record in run_with(project, first)] == ["finished"] * 2
    lines: list[str] = []
    assert [record.status for record in run_with(project, second, lines=lines)] == ["reused"] * 2
    assert second.ran == []
    assert "not run again" in lines[0]
    run_with(project, third, force=True)
    assert sorted(third.ran) == ["01_tiny", "02_tiny"]


@pytest.mark.parametrize(
    ("file", "old", "new", "rerun"),
    [
        ("notebooks/01_tiny.ipynb", "Prose.", "Better prose.", []),
        ("notebooks/01_tiny.ipynb", "SCALE * 2", "SCALE * 3", ["01_tiny"]),
        ("helpers/base.py", "BASE = 1", "BASE = 3", ["01_tiny"]),
        ("helpers/beta.py", "return 2", "return 3", ["02_tiny"]),
        ("uv.lock", "version = 1", "version = 2", ["01_tiny", "02_tiny"]),
    ],
)
def test_only_what_depends_on_a_change_runs_again(project, file, old, new, rerun):
    run_with(project, FakePool())
    edit(project.root / file, old, new)
    pool = FakePool()
    run_with(project, pool)
    assert sorted(pool.ran) == rerun


LOCK = """version = 1
[[package]]
name = "course"
source = { editable = "." }
dependencies = [{ name = "numbers", extra = ["more"] }]
[package.dev-dependencies]
dev = [{ name = "linter" }]
[[package]]
name = "numbers"
version = "1.0"
source = { registry = "here" }
optional-dependencies = { more = [{ name = "below" }], other = [{ name = "linter" }] }
[[package]]
name = "below"
version = "2.0"
source = { registry = "here" }
[[package]]
name = "linter"
version = "3.0"
source = { registry = "here" }
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"3.0"', '"3.1"', True),
        ('"1.0"', '"1.1"', False),
        ('"2.0"', '"2.1"', False),
        ('"numbers"', "numbers", False),
    ],
)
def test_only_packages_that_a_chapter_can_import_count(tmp_path, old, new, same):
    def with_lock(text):
        (tmp_path / "uv.lock").write_text(text, encoding="utf-8")
        return fingerprint.lock_digest(tmp_path)

    assert fingerprint.lock_digest(tmp_path) == ""
    assert (with_lock(LOCK) == with_lock(LOCK.replace(old, new))) is same


def test_status_says_what_changed(project):
    run_with(project, FakePool(failing=("02_tiny",)))
    store, chosen = Store(project.runs), select(project, ["all"])
    assert [state.state for state in states(project, store, chosen)] == ["fresh", "failed"]
    edit(project.root / "helpers" / "base.py", "BASE = 1", "BASE = 3")
    stale = states(project, store, chosen)[0]
    assert (stale.state, stale.why) == ("stale", "changed: helpers/base.py")
    assert states(project, store, chosen, "full")[0].state == "never run"


def test_clean_removes_the_stale_and_keeps_the_fresh(project):
    run_with(project, FakePool())
    edit(project.root / "helpers" / "base.py", "BASE = 1", "BASE = 3")
    store, chosen = Store(project.runs), select(project, ["all"])
    assert [result.chapter for result in clean(project, store, chosen)] == ["01_tiny"]
    assert [result.chapter for result in store.results()] == ["02_tiny"]
    assert len(clean(project, store, chosen, everything=True)) == 1


def test_a_failed_chapter_is_stored_with_its_notebook_and_runs_again(project):
    records = run_with(project, FakePool(failing=("01_tiny",)))
    assert [record.status for record in records] == ["failed", "finished"]
    assert records[0].result.notebook.exists()
    pool = FakePool()
    assert [record.status for record in run_with(project, pool)] == ["finished", "reused"]
    assert pool.ran == ["01_tiny"]


def test_a_damaged_result_is_not_reused(project):
    record = run_with(project, FakePool())[0]
    notebook = record.result.notebook
    notebook.write_text(notebook.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    pool = FakePool()
    run_with(project, pool)
    assert pool.ran == ["01_tiny"]


def test_a_helper_edited_during_the_run_spoils_its_result_only(project):
    class Editing(FakePool):
        def submit(self, job, emit):
            (project.root / "helpers" / "beta.py").write_text("EDITED = 1\n", encoding="utf-8")
            return super().submit(job, emit)

    records = run_with(project, Editing())
    assert [record.status for record in records] == ["finished", "failed"]
    assert "helpers/beta.py changed while the chapter ran" in records[1].failure.message
    assert records[1].result.notebook.exists(), "its result can still be looked at"


def test_leftovers_of_a_dead_runner_are_removed_and_those_of_a_living_one_kept(project):
    store = Store(project.runs)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = project.runs / "01_tiny" / f"abc{PART}{ended.pid}"
    alive = project.runs / "01_tiny" / f"abc{PART}{os.getppid()}"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
        (folder / RESULT).write_text("{", encoding="utf-8")
    store.prepare()
    assert (dead.exists(), alive.exists()) == (False, True)
    assert list(store.results()) == []


def test_data_that_cannot_be_had_stops_its_chapter_before_a_kernel_starts(
    project, tmp_path, monkeypatch
):
    cells = chapter_cells("03", code("SOURCE = 'fashion_mnist'"))
    write_notebook(project.notebooks / "03_tiny.ipynb", cells)
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    monkeypatch.setenv("COURSE_DATA_DIR", "")
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    pool = FakePool()
    records = run_with(project, pool, jobs_of(project, profile="full"))
    assert [record.status for record in records] == ["finished", "finished", "failed"]
    assert sorted(pool.ran) == ["01_tiny", "02_tiny"]
    assert records[2].failure.kind == "data"
    assert "course data fetch fashion_mnist" in records[2].failure.message
    # In quick, the same chapter does not use the data set.
    assert run_with(project, pool, jobs_of(project, ["3"]))[0].status == "finished"
    # A damaged file is one sentence too.
    (tmp_path / "mirror").mkdir()
    from helpers.data_catalog import entry

    for file in entry("fashion_mnist").files:
        target = tmp_path / "mirror" / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"damaged")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "mirror"))
    record = run_with(project, pool, jobs_of(project, ["3"], profile="full"))[0]
    assert "is damaged" in record.failure.message


def test_run_end_to_end_with_parameters_grid_and_report(project):
    before = (project.notebooks / "01_tiny.ipynb").read_bytes()
    grid = ["run", "1", "--grid", "SCALE=2,3", "--seed", "4", "--jobs", "2", "--json"]
    done = command(project, *grid)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [entry["claims"][0]["value"] for entry in found] == [8.0, 10.0]
    assert found[0]["parameters"] == {"SEED": 4, "SCALE": 2.0}
    assert (project.notebooks / "01_tiny.ipynb").read_bytes() == before
    assert "01_tiny quick (SEED=4, SCALE=2.0): started" in done.stderr
    again = command(project, *grid[:-1])
    assert again.stderr.count("not run again") == 2
    assert "[holds] It holds: 10 (at least 0)" in again.stdout
    assert "Table: Results" in again.stdout


def test_failing_hanging_and_dying_chapters_are_reported_and_the_others_go_on(project):
    fail = code("print('before')\nraise ValueError('a planted error')")
    hang = code("import time\ntime.sleep(600)")
    die = code("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    for number, cell in (("03", fail), ("04", hang), ("05", die)):
        write_notebook(
            project.notebooks / f"{number}_tiny.ipynb", [*chapter_cells(number, cell), code("1")]
        )
    jobs = jobs_of(project, ["1", "3", "5"]) + jobs_of(project, ["4"], timeout=4)
    pool, lines = LocalPool(2), []
    records = run_with(project, pool, jobs, lines)
    kinds = [record.failure and record.failure.kind for record in records]
    assert kinds == [None, "error", "died", "timeout"]
    assert [record.failure.cell for record in records[1:]] == [5, 5, 5]
    assert "ValueError: a planted error" in records[1].failure.message
    assert "limit of 4 s" in records[3].failure.message
    for record in records[1:]:
        partial = json.loads(record.result.notebook.read_text(encoding="utf-8"))
        tables = [cell for cell in partial["cells"] if "Table:" in json.dumps(cell["source"])]
        assert tables[0]["outputs"], "the cells before the failing one keep their outputs"
    assert any("code cell 5 (print('before'))" in line for line in lines)


def wait_for(found, seconds: float = 40.0):
    """The first true value of `found()`; fails the test when none comes in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def gated(project: Project, number: str, gate: Path) -> Path:
    """A chapter that says its process number beside `gate`, then waits until `gate` exists."""
    wait = (
        "import os, pathlib, time\n"
        f"gate = pathlib.Path({str(gate)!r})\n"
        "gate.with_suffix('.pid').write_text(str(os.getpid()))\n"
        "while not gate.exists():\n    time.sleep(0.05)"
    )
    cells = chapter_cells(number, code(wait))
    return write_notebook(project.notebooks / f"{number}_tiny.ipynb", cells)


def pid_in(path: Path) -> int:
    text = path.read_text() if path.exists() else ""
    return int(text) if text else 0


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_killed_runner_leaves_finished_chapters_and_no_process(project, tmp_path):
    gate = tmp_path / "gate"
    gated(project, "09", gate)
    arguments = [*COMMAND, "--project", str(project.root), "run", "1", "9"]
    process = subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.DEVNULL)
    kernel = wait_for(lambda: pid_in(gate.with_suffix(".pid")))
    children = psutil.Process(process.pid).children(recursive=True)
    assert kernel in [child.pid for child in children]
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert alive == []
    gate.touch()
    again = command(project, "run", "1", "9")
    assert again.returncode == 0, again.stderr
    assert "01_tiny quick: unchanged" in again.stderr
    assert "09_tiny quick: started" in again.stderr
    assert not list(project.runs.glob(f"**/*{PART}*"))


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_killed_worker_process_is_replaced_and_its_chapter_run_again(project, tmp_path):
    gate = tmp_path / "gate"
    gated(project, "09", gate)
    pool = LocalPool(1)

    def kill_once(message):
        if message["event"] == "cell" and message["cell"] == 5 and not gate.exists():
            wait_for(lambda: pid_in(gate.with_suffix(".pid")))
            gate.touch()
            os.kill(pool._all[0]._process.pid, signal.SIGKILL)

    try:
        outcome = pool.submit(jobs_of(project, ["9"])[0], kill_once).result(timeout=60)
    finally:
        pool.close()
    assert outcome.finished


def test_a_pool_that_cannot_execute_fails_the_chapter_and_not_the_run(project):
    class Broken(FakePool):
        def submit(self, job, emit):
            answer = super().submit(job, emit)
            if job.chapter == "01_tiny":
                answer = Future()
                answer.set_exception(OSError("no more processes"))
            return answer

    records = run_with(project, Broken())
    assert [record.status for record in records] == ["failed", "finished"]
    assert "no more processes" in records[0].failure.message


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts by signal")
def test_ctrl_c_ends_in_one_sentence_and_leaves_no_process(project, tmp_path):
    gate = tmp_path / "gate"
    gated(project, "09", gate)
    arguments = [*COMMAND, "--project", str(project.root), "run", "9"]
    process = subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    kernel = wait_for(lambda: pid_in(gate.with_suffix(".pid")))
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("Interrupted. Finished chapters are kept")
    wait_for(lambda: not psutil.pid_exists(kernel))


@pytest.mark.skipif(sys.platform == "win32", reason="stops by signal")
def test_a_stuck_worker_process_is_ended(project, monkeypatch):
    monkeypatch.setattr("helpers.course.pools.GRACE_SECONDS", 1)
    pool = LocalPool(1)

    def freeze(message):
        if message["event"] == "start":
            slot = pool._all[0]
            slot._process = slot._start()
            slot._process.send_signal(signal.SIGSTOP)

    try:
        outcome = pool.submit(jobs_of(project, ["1"], timeout=1)[0], freeze).result(timeout=30)
    finally:
        pool.close()
    assert outcome.failure.kind == "timeout"
    assert "stuck" in outcome.failure.message


def mounted(folder: Path, size: str) -> bool:
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True
    )
    return made.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system")
def test_full_disk_keeps_what_was_stored_and_goes_on_when_there_is_room(project, tmp_path):
    small = tmp_path / "small"
    if not mounted(small, "256k"):
        pytest.skip("this account may not mount a file system")
    try:
        big = code("from IPython.display import display\ndisplay('x' * 300_000)")
        write_notebook(project.notebooks / "03_tiny.ipynb", chapter_cells("03", big))
        out = ["--out", str(small / "runs")]
        full = command(project, "run", "1", "3", *out)
        assert full.returncode == 1
        assert "could not be written" in full.stderr
        assert "No space left" in full.stderr
        assert [result.chapter for result in Store(small / "runs").results()] == ["01_tiny"]
        assert not list(small.glob(f"**/*{PART}*"))
        subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
        again = command(project, "run", "1", "3", *out)
        assert again.returncode == 0, again.stderr
        assert "01_tiny quick: unchanged" in again.stderr
    finally:
        subprocess.run(["umount", str(small)], check=False)


CARD = """from IPython.display import display

def resource_card(name):
    display({'text/plain': 'old card'}, raw=True)

resource_card('01_tiny')"""


def test_refresh_stores_outputs_ledger_and_cost_without_injecting(project, monkeypatch):
    monkeypatch.setattr("helpers.resources.PATH", project.evidence / "resources.json")
    path = project.notebooks / "01_tiny.ipynb"
    chapter = select(project, ["1"])[0]
    quick = {"timeout": 60, "threads": 1}
    pool = LocalPool(1)
    try:
        write_notebook(path, chapter_cells("01", code(CARD), helper="alpha"))
        before, raw = content(path), path.read_bytes()
        refresh.refresh(project, chapter, "quick", pool, lambda message: None, **quick)
        assert path.read_bytes() == raw
        refresh.refresh(project, chapter, "full", pool, lambda message: None, **quick)
        write_notebook(project.notebooks / "06_tiny.ipynb", [markdown("# 06"), code("1 / 0")])
        broken = select(project, ["6"])[0]
        raw = broken.path.read_bytes()
        with pytest.raises(CourseError, match="Nothing was changed"):
            refresh.refresh(project, broken, "full", pool, lambda message: None, **quick)
        assert broken.path.read_bytes() == raw
    finally:
        pool.close()
    after = content(path)
    assert [cell["id"] for cell in after["cells"]] == [cell["id"] for cell in before["cells"]]
    assert [cell["source"] for cell in after["cells"]] == [
        cell["source"] for cell in before["cells"]
    ]
    codes = [cell for cell in after["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in codes] == [1, 2, 3, 4, 5]
    assert "papermill" not in json.dumps(after)
    assert "old card" not in json.dumps([cell["outputs"] for cell in codes])
    cost = json.loads((project.evidence / "resources.json").read_text(encoding="utf-8"))["01_tiny"]
    assert set(cost) == {"quick", "full"}
    shown = codes[-1]["outputs"][0]["data"]["text/plain"]
    assert f"full: {cost['full']['seconds']:.0f} s" in "".join(shown)
    assert cost["full"]["peak_memory_mb"] > 20
    assert cost["full"]["download_mb"] == 0
    assert cost["full"]["sections"][0][0] == "The data"
    ledger = project.evidence / "claims" / "01_tiny.full.json"
    assert json.loads(ledger.read_text(encoding="utf-8"))["profile"] == "full"
    assert refresh.due(project, chapter, "full") == ""
    edit(project.root / "helpers" / "base.py", "BASE = 1", "BASE = 3")
    assert refresh.due(project, chapter, "full") == "changed since: helpers/base.py"
