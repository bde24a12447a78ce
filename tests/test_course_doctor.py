"""The doctor, in front of machines that lack one thing after the other."""

from __future__ import annotations

import importlib.metadata
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from helpers.course import doctor
from helpers.course.chapters import Project
from helpers.course.cli import app

NAMES = [
    "Python",
    "packages",
    "artifacts",
    "memory",
    "disk",
    "CPU cores",
    "COURSE_DATA_DIR",
    "GPU",
    "Java",
    "browser",
    "Chinese font",
]


def test_one_line_per_requirement_each_with_its_purpose():
    checks = doctor.examine(Project())
    assert [check.name for check in checks] == NAMES
    assert all(check.purpose and check.found for check in checks)
    assert {check.state for check in checks} <= {doctor.OK, doctor.MISSING, doctor.NOTE}


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 10, 9), "missing"), ((3, 11, 0), "OK"), ((3, 13, 9), "OK"), ((3, 14, 0), "missing")],
)
def test_python(version, state):
    assert doctor.python(version).state == state


def test_little_memory_and_disk_are_notes(monkeypatch, tmp_path):
    import psutil

    little = SimpleNamespace(available=1e9, free=1e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: little)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: little)
    assert doctor.memory().state == doctor.disk(tmp_path).state == "note"
    assert "1.0 GB free" in doctor.memory().found


def test_one_core_is_a_note(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert (doctor.cores().state, doctor.cores().found) == ("note", "1")


def test_no_gpu_is_a_note_and_a_gpu_is_fine(monkeypatch):
    monkeypatch.setattr("helpers.profiles.gpu_count", lambda: 0)
    assert doctor.gpu().state == "note"
    monkeypatch.setattr("helpers.profiles.gpu_count", lambda: 2)
    assert (doctor.gpu().state, doctor.gpu().found) == ("OK", "2 found")


@pytest.mark.skipif(sys.platform == "win32", reason="plants a shell script")
@pytest.mark.parametrize(
    ("says", "state", "found"),
    [
        ('openjdk version "17.0.15" 2025-04-15', "OK", "version 17"),
        ('openjdk version "1.8.0_392"', "note", "version 1, 17 or later"),
        ("nothing of use", "note", "cannot be read"),
    ],
)
def test_java(monkeypatch, tmp_path, says, state, found):
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    assert doctor.java().state == state
    assert found in doctor.java().found


def test_without_java_and_browser(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "BROWSERS", ("no-such-browser",))
    assert doctor.java().state == doctor.browser().state == "note"


def test_chinese_font(monkeypatch):
    from matplotlib import font_manager

    fonts = [SimpleNamespace(name="DejaVu Sans")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts)
    assert doctor.chinese_font().state == "note"
    fonts.append(SimpleNamespace(name="Noto Sans CJK SC"))
    assert doctor.chinese_font().found == "Noto Sans CJK SC"


def test_a_folder_that_cannot_be_written_is_missing(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    assert doctor.writable(blocked / "artifacts").state == "missing"
    assert doctor.writable(tmp_path / "artifacts").state == "OK"


def test_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    assert doctor.data_folder().state == "OK"
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "nowhere"))
    assert (doctor.data_folder().state, doctor.data_folder().required) == ("missing", True)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    assert doctor.data_folder().state == "note"
    (tmp_path / "SHA256SUMS").write_text("", encoding="utf-8")
    assert doctor.data_folder().state == "OK"


def lock(folder: Path) -> Path:
    text = '[project]\nname = "x"\ndependencies = ["one>=1", "two>=1; python_version < \'3\'"]\n'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    (folder / "uv.lock").write_text('[[package]]\nname = "one"\nversion = "1.2"\n', "utf-8")
    return folder


def test_packages_missing_other_and_as_locked(tmp_path):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    folder = lock(tmp_path)
    assert doctor.packages(folder, lambda name: "1.2").found == "1 as locked"
    assert "one 1.1 instead of 1.2" in doctor.packages(folder, lambda name: "1.1").found
    assert "one is missing" in doctor.packages(folder, absent).found
    assert doctor.packages(folder, absent).state == "missing"
    assert doctor.packages(folder / "nowhere").state == "missing"


def test_a_broken_probe_does_not_silence_the_others(monkeypatch):
    monkeypatch.setattr(doctor, "memory", lambda: 1 / 0)
    checks = {check.name: check for check in doctor.examine(Project())}
    assert list(checks) == NAMES
    assert checks["memory"].found == "cannot be checked (ZeroDivisionError)"


def test_exit_code_and_json(monkeypatch, tmp_path):
    runner = CliRunner()
    monkeypatch.setenv("COURSE_DATA_DIR", "")
    good = runner.invoke(app, ["doctor", "--json"])
    states = {check["name"]: check["state"] for check in json.loads(good.stdout)}
    assert list(states) == NAMES
    assert good.exit_code == 0, good.stdout
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "nowhere"))
    bad = runner.invoke(app, ["doctor"])
    assert bad.exit_code == 1
    assert "missing  COURSE_DATA_DIR" in bad.stdout


def test_the_module_runs_as_a_command():
    call = [sys.executable, "-m", "helpers.course", "doctor", "--json"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert [check["name"] for check in json.loads(done.stdout)] == NAMES
