"""What the course needs from the machine: one check per requirement, each with its purpose."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from helpers.course.chapters import Project

OK, MISSING, NOTE = "OK", "missing", "note"
PYTHONS = ((3, 11), (3, 14))
MEMORY_GB, DISK_GB, CORES = 3.0, 2.0, 2
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
CHINESE_FONTS = ("CJK", "SimHei", "YaHei", "PingFang", "Heiti", "WenQuanYi", "Hiragino Sans GB")


@dataclass(frozen=True)
class Check:
    """One requirement: `state` is OK, missing or note; only a `required` one can fail the whole."""

    name: str
    state: str
    found: str
    purpose: str
    required: bool = False


def _check(name: str, good: bool, found: str, purpose: str, required: bool = False) -> Check:
    return Check(name, OK if good else MISSING if required else NOTE, found, purpose, required)


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    low, high = PYTHONS
    good = low <= version[:2] < high
    found = ".".join(map(str, version))
    wanted = "" if good else f", expected {low[0]}.{low[1]} to {high[0]}.{high[1] - 1}"
    return _check("Python", good, found + wanted, "everything", required=True)


def memory() -> Check:
    import psutil

    free = psutil.virtual_memory().available / 1e9
    good = free >= MEMORY_GB
    found = f"{free:.1f} GB free" + ("" if good else f", {MEMORY_GB:g} GB are safe")
    return _check("memory", good, found, "one chapter in 'quick' takes up to 2.5 GB")


def disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free / 1e9
    good = free >= DISK_GB
    found = f"{free:.1f} GB free" + ("" if good else f", {DISK_GB:g} GB are safe")
    return _check("disk", good, found, "data sets, runs and the book")


def cores() -> Check:
    count = os.cpu_count() or 1
    return _check("CPU cores", count >= CORES, str(count), "the times on the cards are for two")


def gpu() -> Check:
    from helpers.profiles import gpu_count

    count = gpu_count()
    return _check("GPU", count > 0, f"{count} found", "only the profile 'gpu'")


def java() -> Check:
    """Java of version 17 or later, which Spark needs."""
    command = shutil.which("java")
    if command is None:
        return _check("Java", False, "not found, 17 or later", "only Apache Spark in chapter 07")
    try:
        said = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=20)
        text = said.stderr + said.stdout
    except (OSError, subprocess.TimeoutExpired):
        text = ""
    number = re.search(r'version "(\d+)', text)
    good = number is not None and int(number[1]) >= 17
    found = f"version {number[1]}" if number else "its version cannot be read"
    wanted = "" if good else ", 17 or later expected"
    return _check("Java", good, found + wanted, "only Apache Spark in chapter 07")


def browser() -> Check:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    return _check("browser", found is not None, found or "no Chromium found", "the book's tests")


def chinese_font() -> Check:
    """A font with Chinese characters that matplotlib can use in figures."""
    from matplotlib import font_manager

    names = sorted({entry.name for entry in font_manager.fontManager.ttflist})
    found = next((name for name in names if any(part in name for part in CHINESE_FONTS)), None)
    return _check("Chinese font", found is not None, found or "none found", "Chinese in figures")


def writable(folder: Path) -> Check:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"{folder} cannot be written ({error.strerror or error})"
        return _check("artifacts", False, reason, "every run", required=True)
    return _check("artifacts", True, f"{folder} can be written", "every run", required=True)


def data_folder() -> Check:
    from helpers.data_catalog import DataError
    from helpers.data_sources import mirror_folder

    try:
        folder = mirror_folder()
    except DataError as error:
        return _check("COURSE_DATA_DIR", False, str(error), "the data mirror", required=True)
    if folder is None:
        return Check("COURSE_DATA_DIR", OK, "not set, downloads are used", "the data mirror")
    good = (folder / "SHA256SUMS").is_file()
    found = str(folder) if good else f"{folder} holds no SHA256SUMS"
    return _check("COURSE_DATA_DIR", good, found, "the data mirror")


def locked(root: Path) -> dict[str, set[str]]:
    """Package -> versions in `uv.lock` (several where platforms differ), {} without a lock."""
    path = root / "uv.lock"
    if not path.exists():
        return {}
    import tomllib

    found: dict[str, set[str]] = {}
    for package in tomllib.loads(path.read_text(encoding="utf-8")).get("package", ()):
        if "version" in package and "virtual" not in package.get("source", {}):
            found.setdefault(package["name"], set()).add(package["version"])
    return found


def direct(root: Path) -> list[str]:
    """Names of the packages that pyproject.toml asks for on this platform."""
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [Requirement(text) for text in project["dependencies"]]
    return [item.name.lower() for item in wanted if not item.marker or item.marker.evaluate()]


def packages(root: Path, version: Callable[[str], str] = importlib.metadata.version) -> Check:
    """Whether the packages asked for are installed in the versions of the lock file."""
    try:
        wanted, versions = direct(root), locked(root)
    except (OSError, ValueError, KeyError) as error:
        found = f"the lock cannot be read ({type(error).__name__})"
        return _check("packages", False, found, "everything", required=True)
    wrong = []
    for name in wanted:
        try:
            here = version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if name in versions and here not in versions[name]:
            wrong.append(f"{name} {here} instead of {' or '.join(sorted(versions[name]))}")
    found = f"{len(wanted)} as locked" if not wrong else "; ".join(wrong[:3]) + ": set up again"
    return _check("packages", not wrong, found, "everything", required=True)


def examine(project: Project) -> list[Check]:
    """Every check, in the order in which a newcomer meets the need; never raises."""
    artifacts = project.root / "artifacts"
    probes: list[tuple[str, Callable[[], Check]]] = [
        ("Python", python),
        ("packages", lambda: packages(project.root)),
        ("artifacts", lambda: writable(artifacts)),
        ("memory", memory),
        ("disk", lambda: disk(project.root)),
        ("CPU cores", cores),
        ("COURSE_DATA_DIR", data_folder),
        ("GPU", gpu),
        ("Java", java),
        ("browser", browser),
        ("Chinese font", chinese_font),
    ]
    return [_guarded(name, probe) for name, probe in probes]


def _guarded(name: str, probe: Callable[[], Check]) -> Check:
    try:
        return probe()
    except Exception as error:  # A broken probe is reported as such; the others still answer.
        return Check(name, NOTE, f"cannot be checked ({type(error).__name__})", platform.system())
