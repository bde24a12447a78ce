"""A scratch Git server and a clone of it, with a pipeline that decides on every push.

The two repositories live in a given folder with a configuration of their own: nobody's global
Git settings are read or changed, and nothing leaves the folder. Built for chapter 28.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.pipeline_steps import PipelineError, files_of
from helpers.versioning import write_whole

ROOT = Path(__file__).resolve().parents[1]
HOOK = """#!/bin/sh
exec "{python}" -m helpers.pipeline_steps "{server}"
"""


@dataclass(frozen=True)
class Outcome:
    """What became of a push: the commit, whether the server took it, and the pipeline's report."""

    commit: str
    accepted: bool
    report: dict[str, Any]


def remove(folder: Path) -> None:
    """Deletes `folder` if it is there, read-only files of Git included."""

    def again(function, path, _):
        os.chmod(path, stat.S_IWRITE)
        function(path)

    if folder.exists():
        name = "onexc" if sys.version_info >= (3, 12) else "onerror"
        shutil.rmtree(folder, **{name: again})


class ScratchRepository:
    """A bare repository `server/main.git` with a hook, and a working copy `work`, in `folder`.

    The folder is emptied first. Commits carry fixed dates, one a minute, so that a run that is
    repeated makes the same commit ids. Raises `PipelineError` where Git is not installed.
    """

    def __init__(self, folder: Path | str, *, hook: bool = True) -> None:
        self.folder = Path(folder).resolve()
        if shutil.which("git") is None:
            raise PipelineError(
                "The command 'git' was not found; install Git (https://git-scm.com) and try again."
            )
        remove(self.folder)
        self.server, self.work = self.folder / "server", self.folder / "work"
        for place in (self.server, self.work):
            place.mkdir(parents=True)
        self._settings = self.folder / "settings"
        self._settings.write_text("[safe]\n\tdirectory = *\n", encoding="utf-8")
        self._bare, self._minute = self.server / "main.git", 0
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self._bare))
        self.git("init", "--quiet", "--initial-branch=main", str(self.work))
        for key, value in (
            ("user.name", "Course"),
            ("user.email", "course@localhost"),
            ("core.autocrlf", "false"),
            ("commit.gpgsign", "false"),
            ("pack.threads", "1"),  # several threads may pack the same history differently
        ):
            self.git("config", key, value)
        self.git("remote", "add", "origin", str(self._bare))
        if hook:
            script = HOOK.format(
                python=Path(sys.executable).as_posix(), server=self.server.as_posix()
            )
            path = self._bare / "hooks" / "pre-receive"
            write_whole(path, script.encode("utf-8"))
            path.chmod(0o755)

    def _environment(self) -> dict[str, str]:
        # Variables of a hook that this process may itself run in would point Git elsewhere.
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        moment = f"2026-01-01T{self._minute // 60:02d}:{self._minute % 60:02d}:00+0000"
        return kept | {
            "GIT_CONFIG_GLOBAL": str(self._settings),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_DATE": moment,
            "GIT_COMMITTER_DATE": moment,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH")))),
            "PYTHONWARNINGS": "ignore",
        }

    def git(self, *arguments: str, allowed: tuple[int, ...] = (0,)) -> bytes:
        """What `git arguments` prints in the working copy; raises `PipelineError` if it fails."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.work, env=self._environment(), capture_output=True
        )
        if done.returncode not in allowed:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise PipelineError(f"git {arguments[0]} fails: {words[-1] if words else 'no reason'}")
        return done.stdout

    def commit(self, files: Mapping[str, str | bytes], message: str) -> str:
        """The id of a new commit with `files`, {path: content}, in the working copy."""
        for name, content in files.items():
            raw = content.encode("utf-8") if isinstance(content, str) else content
            write_whole(self.work / name, raw)
        self._minute += 1
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").decode().strip()

    def push(self) -> bool:
        """Pushes to the server's main; False if the server refuses."""
        done = subprocess.run(
            ["git", "push", "--quiet", "origin", "HEAD:main"],
            cwd=self.work,
            env=self._environment(),
            capture_output=True,
        )
        return done.returncode == 0

    def propose(self, files: Mapping[str, str | bytes], message: str) -> Outcome:
        """Commits `files` on top of the server's main and pushes; refused commits are taken back.

        The server's pipeline runs in the push, in a process of its own.
        """
        commit = self.commit(files, message)
        accepted = self.push()
        report = self.server / "reports" / f"{commit}.json"
        if not report.exists():
            raise PipelineError("The pipeline left no report; run the push by hand to see why.")
        if not accepted and self.accepted():
            self.git("reset", "--quiet", "--hard", "origin/main")
        elif not accepted:
            self.git("update-ref", "-d", "HEAD")
        return Outcome(commit, accepted, json.loads(report.read_text(encoding="utf-8")))

    def accepted(self) -> list[str]:
        """Ids of the commits on the server's main, newest first."""
        with contextlib.suppress(PipelineError):
            return self.git("rev-list", "origin/main").decode().split()
        return []

    def files_at(self, commit: str) -> dict[str, str]:
        """{path: text} of a commit, read from Git and not from the working copy."""
        return files_of(commit, self.git)

    def packed_bytes(self) -> int:
        """Bytes of the working copy's history after `git gc`, as packed as Git can make it."""
        self.git("gc", "--quiet", "--prune=now")
        counted = self.git("count-objects", "-v").decode()
        sizes = dict(line.split(": ") for line in counted.splitlines())
        return 1024 * (int(sizes["size-pack"]) + int(sizes["size"]))
