"""One truth: everything that installs the course says the same as uv.lock."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import yaml

import contract
from helpers.course import environment

ROOT = contract.ROOT


@pytest.fixture(scope="module")
def lock():
    return tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def requirements():
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_requirements_are_the_export_of_the_lock(requirements, tmp_path):
    target = tmp_path / "requirements.lock"
    command = [sys.executable, "-m", "uv", "export", "--frozen", "--offline", "--quiet"]
    command += ["--no-emit-project", "--no-header", "--no-annotate", "-o", str(target)]
    subprocess.run(command, cwd=ROOT, check=True)
    assert target.read_text(encoding="utf-8") == requirements


def test_the_conda_environment_is_written_from_the_lock(requirements):
    stored = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert stored == environment.render(requirements)
    parsed = yaml.safe_load(stored)
    *conda, pip = parsed["dependencies"]
    assert conda == ["python=3.12", "pip"]
    assert pip["pip"][-1] == "-e ."
    assert len(pip["pip"]) > 300


def test_the_lock_covers_pyproject(lock):
    """Every direct requirement of pyproject.toml is locked for the course."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {re.match(r"[\w.-]+", line).group().lower().replace("_", "-") for line in wanted}
    assert names <= {package["name"] for package in lock["package"]}


def test_every_locked_file_has_a_hash(lock, requirements):
    for package in lock["package"]:
        for wheel in package.get("wheels", []):
            assert wheel["hash"].startswith("sha256:")
    assert requirements.count("--hash=sha256:") > len(environment.pins(requirements))


def test_this_environment_is_the_locked_one(requirements):
    """What runs these tests is what the lock says, package by package."""
    from packaging.markers import Marker

    for pin in environment.pins(requirements):
        requirement, _, marker = pin.partition(";")
        if marker and not Marker(marker).evaluate():
            continue
        name, _, version = requirement.strip().partition("==")
        assert metadata.version(name) == version, name


def test_no_requirement_is_open_below():
    """A resolver walks back to fossils where nothing stops it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [project["project"]["dependencies"]]
    groups += project["project"]["optional-dependencies"].values()
    wanted = [line for group in groups for line in group]
    assert [line for line in wanted if ">=" not in line] == []
