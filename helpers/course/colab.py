"""The edition for Google Colab: each chapter with a cell in front that sets up a bare runtime.

Colab opens a notebook without the rest of the repository and brings packages of its own. The cell
fetches the course and installs the locked packages, except Jupyter's own, which Colab's front end
depends on. Where the course is installed it does nothing.
"""

from __future__ import annotations

from helpers.course.book import GITHUB, repository
from helpers.course.chapters import CourseError, Project

_CELL = """\
# Colab: fetches the course and its packages (minutes, once). Elsewhere this cell does nothing.
import importlib.util, os, subprocess, sys

if importlib.util.find_spec("helpers") is None:
    uv = [sys.executable, "-m", "uv"]
    python = ["--quiet", "--python", sys.executable]
    left_to_colab = "jupyterlab ipykernel ipywidgets papermill nbclient".split()
    prune = [word for name in left_to_colab for word in ("--prune", name)]
    for command in (
        ["git", "clone", "--quiet", "--depth", "1", "{address}", "course"],
        [sys.executable, "-m", "pip", "install", "--quiet", "uv"],
        [*uv, "export", "--quiet", "--project", "course", "--frozen", "--no-dev", *prune,
         "--no-emit-project", "--output-file", "packages.txt"],
        [*uv, "pip", "install", *python, "--requirement", "packages.txt"],
        [*uv, "pip", "install", *python, "--no-deps", "--editable", "course"],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    if "numpy" in sys.modules:
        print("Installed. The runtime restarts now: then run all cells again.", flush=True)
        os.kill(os.getpid(), 9)  # a package that is loaded already cannot be exchanged
    sys.path.insert(0, os.path.abspath("course"))
if os.path.isdir("course/notebooks"):
    os.chdir("course/notebooks")
"""


def set_up_source(project: Project) -> str:
    """The source of the set-up cell, with the address that the course is fetched from.

    Raises `CourseError` while nobody has said where the repository lies.
    """
    address = repository(project, "")
    if not GITHUB.search(address):
        raise CourseError(
            "Colab has to fetch the course from somewhere: set COURSE_REPOSITORY to its address, "
            "such as https://github.com/OWNER/NAME."
        )
    return _CELL.replace("{address}", address)
