"""The command line: what a newcomer sees, what a program reads, and how a mistake ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from course_fixture import code, make_project, markdown, write_notebook
from typer.testing import CliRunner

from helpers.course import bench, fingerprint, lab, parameters
from helpers.course.chapters import Cell, CourseError, Project, find, select
from helpers.course.cli import app
from helpers.course.job import headings
from helpers.course.progress import LiveProgress, PlainProgress, spell


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "course")


def call(project: Project, *arguments: str):
    return CliRunner().invoke(app, ["--project", str(project.root), *arguments])


@pytest.fixture
def no_kernel(monkeypatch):
    """Fails the test if anything would be executed."""

    def refuse(*_: object):
        raise AssertionError("a kernel would have been started")

    monkeypatch.setattr("helpers.course.pools.LocalPool.__init__", refuse)
    monkeypatch.setattr("helpers.course.cluster.DaskPool.__init__", refuse)


@pytest.mark.parametrize("text", ["1", "01", "01_tiny", "01_tiny.ipynb", "notebooks/01_tiny.ipynb"])
def test_a_chapter_is_found_by_number_and_name(project, text):
    assert find(project, text).name == "01_tiny"


def test_a_selection_is_in_order_and_each_chapter_once(project):
    assert [chapter.name for chapter in select(project, ["2", "1", "01_tiny"])] == [
        "01_tiny",
        "02_tiny",
    ]
    assert len(select(project, ["all"])) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "19"], "no chapter '19'"),
        (["run", "tinny"], "did you mean 'tiny'?"),
        (["run", "1", "--profile", "ful"], "Did you mean 'full'?"),
        (["run", "1", "-p", "SCAL=2"], "did you mean SCALE?"),
        (["run", "all", "-p", "BATCH=2"], "it has SCALE."),
        (["run", "1", "-p", "SCALE=much"], "SCALE is a number, but 'much' was given"),
        (["run", "1", "-p", "SCALE"], "write NAME=VALUE"),
        (["run", "1", "-p", "SCALE=1", "-p", "SCALE=2"], "given twice"),
        (["run", "1", "-p", "SCALE=1", "--grid", "SCALE=1,2"], "keep one of them"),
        (["run", "1", "--grid", "SCALE=1,1.0"], "holds a value twice"),
        (["run", "1", "-p", "SEED=1"], "use --seed"),
        (["run", "1", "-p", "PROFILE=full"], "use --profile"),
        (["run", "1", "--seed", "-1"], "whole number of 0 or more"),
        (["run", "1", "--timeout", "0"], "number of seconds above 0"),
        (["show", "7"], "no chapter '7'"),
        (["status", "7"], "no chapter '7'"),
        (["refresh", "1", "--profile", "fast"], "no profile 'fast'"),
        (["edition", "student", "--out", "x"], "no edition 'student'"),
        (["bench", "nothing"], "no benchmark 'nothing'"),
        (["data", "fetch", "fashion_mnst"], "did you mean 'fashion_mnist'?"),
    ],
)
def test_a_mistake_ends_in_one_sentence_before_anything_starts(
    project, no_kernel, arguments, sentence
):
    done = call(project, *arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(project.runs.glob("*/*"))


def test_gpu_without_gpu_and_unwritable_folder_are_refused(
    project, no_kernel, monkeypatch, tmp_path
):
    monkeypatch.setattr("helpers.profiles.gpu_count", lambda: 0)
    done = call(project, "run", "1", "--profile", "gpu")
    assert (done.exit_code, "needs an NVIDIA GPU" in done.stderr) == (2, True)
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    done = call(project, "run", "1", "--out", str(blocked / "runs"))
    assert (done.exit_code, "name another folder with --out" in done.stderr) == (2, True)


def test_a_notebook_that_cannot_be_read_is_named(project, no_kernel):
    (project.notebooks / "01_tiny.ipynb").write_text("{", encoding="utf-8")
    done = call(project, "run", "1")
    assert (done.exit_code, "01_tiny.ipynb cannot be read" in done.stderr) == (2, True)


def test_list_show_and_status_as_text_and_json(project):
    assert "01_tiny" in call(project, "list").stdout
    rows = json.loads(call(project, "list", "--json").stdout)
    assert [row["title"] for row in rows] == ["01 Tiny", "02 Tiny"]
    shown = call(project, "show", "1").stdout
    assert "SCALE: float = 1.0" in shown
    assert "factor" in shown
    assert "The data" in shown
    entry = json.loads(call(project, "show", "1", "--json").stdout)["parameters"][2]
    assert entry == {"name": "SCALE", "type": "float", "default": "1.0", "help": "factor"}
    states = json.loads(call(project, "status", "--json").stdout)
    assert [state["state"] for state in states] == ["never run", "never run"]
    assert call(project, "clean").stdout == "0 stored runs removed.\n"


def test_refresh_check_says_what_is_due_and_runs_nothing(project, no_kernel):
    done = call(project, "refresh", "all", "--check")
    assert done.exit_code == 1
    assert "01_tiny full: refresh it, it has no committed ledger" in done.stdout


def test_help_names_every_command():
    text = CliRunner().invoke(app, ["--help"]).stdout
    names = "list show run status clean refresh doctor lab book bench edition data"
    assert all(f" {name} " in text for name in names.split())


@pytest.mark.parametrize(
    ("annotation", "default", "text", "value"),
    [
        ("int", "0", "12", 12),
        ("float", "0.5", "1e-3", 0.001),
        ("bool", "True", "no", False),
        ("str", "''", "12", "12"),
        ("list[int]", "[]", "[1, 2]", [1, 2]),
        ("None", "3", "4", 4),
        ("None", "(1, 2)", "(3, 4)", (3, 4)),
    ],
)
def test_values_take_the_type_of_the_parameters_cell(project, annotation, default, text, value):
    typed = "" if annotation == "None" else f": {annotation}"
    cells = [markdown("# 07 Types"), code(f"KNOB{typed} = {default}  # knob", "parameters")]
    write_notebook(project.notebooks / "07_types.ipynb", cells)
    known = parameters.parameters(find(project, "7"))
    assert parameters.convert(known["KNOB"], text) == value


@pytest.mark.parametrize(
    ("annotation", "default", "text"),
    [
        ("int", "0", "1.5"),
        ("int", "0", ""),
        ("bool", "True", "maybe"),
        ("list[int]", "[]", "(1, 2)"),
        ("list[int]", "[]", "[1,"),
        ("set[int]", "{1}", "{1, 2}"),
    ],
)
def test_values_of_another_type_are_refused(annotation, default, text):
    knob = parameters.Parameter("KNOB", annotation, default, "")
    with pytest.raises(CourseError, match=r"KNOB is .* try KNOB="):
        parameters.convert(knob, text)


def test_a_grid_is_multiplied_out_in_order(project):
    grid = {"SCALE": "1,2", "SEED_": "0"}
    with pytest.raises(CourseError, match="no parameter SEED_"):
        parameters.combinations(find(project, "1"), {}, grid)
    found = parameters.combinations(find(project, "1"), {}, {"SCALE": "1,2"}, seed=3)
    assert found == [{"SEED": 3, "SCALE": 1.0}, {"SEED": 3, "SCALE": 2.0}]


@pytest.mark.parametrize(
    "source",
    [
        "import helpers.alpha",
        "from helpers.alpha import value",
        "from helpers import alpha as other",
        "def later():\n    from helpers import alpha",
        "%matplotlib inline\nfrom helpers import alpha",
    ],
)
def test_helpers_are_found_transitively_however_they_are_imported(project, source):
    found = fingerprint.helper_digests(project.root, [Cell("code", source, ())])
    assert list(found) == ["helpers/__init__.py", "helpers/alpha.py", "helpers/base.py"]


def test_relative_imports_and_packages_are_followed(project):
    inner = project.root / "helpers" / "inner"
    inner.mkdir()
    (inner / "__init__.py").write_text("from .one import ONE\n", encoding="utf-8")
    (inner / "one.py").write_text("from ..base import BASE as ONE\n", encoding="utf-8")
    found = fingerprint.helper_digests(project.root, [Cell("code", "import helpers.inner", ())])
    assert list(found) == [
        "helpers/__init__.py",
        "helpers/base.py",
        "helpers/inner/__init__.py",
        "helpers/inner/one.py",
    ]


def test_data_sets_come_from_the_code_and_the_parameters_per_profile():
    cells = [Cell("code", "sizes(name=('digits', 'fashion_mnist', 'cifar10'))", ())]
    assert fingerprint.datasets(cells, {}, "quick") == ("digits",)
    assert fingerprint.datasets(cells, {}, "full") == ("fashion_mnist",)
    assert fingerprint.datasets(cells, {"DATA": "adult"}, "full") == ("adult", "fashion_mnist")


def test_seconds_are_summed_by_section():
    notebook = {
        "cells": [markdown("# T"), markdown("## A"), code("1"), markdown("## B"), code("2")]
    }
    assert headings(notebook, [0.0, 0.0, 1.5, 0.25, 2.0]) == [("A", 1.5), ("B", 2.25)]


def test_plain_progress_says_little_and_live_progress_a_line_per_chapter():
    from rich.console import Console

    said: list[str] = []
    with PlainProgress(said.append, 1) as plain:
        plain.start("01_tiny quick", 65)
        plain.cell("01_tiny quick", 1, 3)
        plain.end("01_tiny quick", "finished")
    assert said == [
        "01_tiny quick: started (last time 1 min 05 s)",
        "[1/1] 01_tiny quick: finished",
    ]
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with LiveProgress(console, 2) as live:
        live.start("01_tiny quick", 65)
        live.start("02_tiny quick", 0)
        live.cell("01_tiny quick", 2, 3)
        live._bars.refresh()
        live.end("02_tiny quick", "finished")
        live._bars.refresh()
    text = console.file.getvalue()
    assert "cell 2 of 3, 0 s of about 1 min 05 s" in text
    assert "0 of 2" in text
    assert "1 of 2" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (125, "2 min 05 s"), (3720, "1 h 02 min")]
)
def test_spelled_seconds(seconds, text):
    assert spell(seconds) == text


def test_lab_opens_the_start_page_on_a_free_port(project, monkeypatch):
    import socket

    (project.root / "README.md").write_text("# Course", encoding="utf-8")
    assert lab.address(project, 8888, "t") == "http://localhost:8888/lab/tree/README.md?token=t"
    (project.root / "START_HERE.ipynb").write_text("{}", encoding="utf-8")
    assert lab.start_page(project) == "START_HERE.ipynb"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert lab.free_port(port) > port
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(lab.sys, "platform", "linux")
    assert not lab.has_display()
    monkeypatch.setenv("DISPLAY", ":0")
    assert lab.has_display()


def test_bench_keeps_what_was_measured(project, monkeypatch):
    import sys
    import types

    (project.root / "benchmarks").mkdir()
    fake = types.ModuleType("benchmarks.training")
    fake.run = lambda repeats: {"ratio": 2.0, "repeats": repeats}
    monkeypatch.setitem(sys.modules, "benchmarks.training", fake)
    (path,) = bench.measure(project, ["training"], 2)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert path == project.evidence / "bench-training.json"
    assert found["results"] == {"ratio": 2.0, "repeats": 2}
    assert {"machine", "versions", "time"} <= set(found)
