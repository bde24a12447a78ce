"""Opening JupyterLab on the course's start page."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable

from helpers.course.chapters import CourseError, Project

# JupyterLab shows a notebook rendered and Markdown as source, so a notebook comes first.
START_PAGES = (
    "START_HERE.ipynb",
    "notebooks/START_HERE.ipynb",
    "notebooks/00_start.ipynb",
    "START_HERE.md",
    "README.md",
)
PORTS_TRIED = 50
START_SECONDS = 60


def start_page(project: Project) -> str:
    """The page to open first, relative to the project; empty if there is none."""
    return next((page for page in START_PAGES if (project.root / page).exists()), "")


def has_display() -> bool:
    """Whether a browser could show a window here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def free_port(first: int) -> int:
    """The first free port from `first` on; `CourseError` when none of the next ones is free."""
    for port in range(first, first + PORTS_TRIED):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
            return port
    raise CourseError(f"No port from {first} on is free: name another one with --port.")


def address(project: Project, port: int, token: str) -> str:
    """Where the start page is, with the token that lets one in."""
    page = start_page(project)
    where = f"/lab/tree/{page}" if page else "/lab"
    return f"http://localhost:{port}{where}?token={token}"


def command(project: Project, port: int) -> list[str]:
    """The command that serves the course in JupyterLab."""
    options = [
        f"--ServerApp.root_dir={project.root}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.log_level=ERROR",
        "--no-browser",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Containers run as the superuser; Jupyter refuses that unless told.
        options.append("--allow-root")
    return [sys.executable, "-m", "jupyterlab", *options]


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2):
            return True
    except (OSError, urllib.error.URLError):
        return False


def _welcome(process: subprocess.Popen, port: int, where: str, show: Callable | None) -> None:
    """Says the address as soon as the server answers, and opens it where there is a display."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if _answers(port):
            print(f"\nThe course is open at\n\n    {where}\n\nCtrl-C ends it.", flush=True)
            if show is not None:
                show(where)
            return
        time.sleep(0.2)


def serve(project: Project, port: int, browser: bool) -> int:
    """Runs JupyterLab until it is stopped; the exit code."""
    port = free_port(port)
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(16)
    where = address(project, port, token)
    # In the environment, not among the arguments: those can be read by every account.
    process = subprocess.Popen(
        command(project, port), cwd=project.root, env={**os.environ, "JUPYTER_TOKEN": token}
    )
    show = webbrowser.open if browser and has_display() else None
    threading.Thread(target=_welcome, args=(process, port, where, show), daemon=True).start()
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        return 0
    finally:
        process.terminate()
