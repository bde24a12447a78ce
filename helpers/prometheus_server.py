"""The real Prometheus on this machine: its server, and stored results without it.

Built for chapter 29. The server scrapes a live service; `helpers.promtool` tests its rules. It
listens on 127.0.0.1 only, keeps its data in a folder of its own and ends with the `with` block, or
with the process that started it: a keeper process watches its standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.monitoring import MonitoringError
from helpers.promtool import version, why_not

STORED = Path(__file__).resolve().parents[1] / "data" / "evidence" / "prometheus-local.json"


class Results:
    """What Prometheus found: `run` asks the one installed here, or reads what was stored.

    `stored` says which; results are plain values that JSON can hold.
    """

    def __init__(self, stored: Path = STORED) -> None:
        self.reason = why_not()
        self.stored = bool(self.reason)
        self._kept: dict[str, Any] = {}
        if self.stored:
            self._kept = json.loads(stored.read_text(encoding="utf-8"))

    def describe(self) -> str:
        """One line: what runs here, or why nothing does and what is shown instead."""
        if not self.stored:
            return f"Prometheus {self.run('version', version)} is installed and is used."
        return (
            f"PROMETHEUS DOES NOT RUN HERE. {self.reason} What this page says of its rules is a "
            f"stored result of Prometheus {self.run('version')} for the profile quick, seed 0."
        )

    def run(self, name: str, job: Callable[[], Any] | None = None) -> Any:
        """The result of `job()`, kept under `name`; where Prometheus is missing, the stored one."""
        if self.stored:
            if name not in self._kept:
                raise MonitoringError(
                    f"No result of Prometheus is stored for '{name}'; stored are "
                    f"{', '.join(self._kept)}."
                )
        else:
            self._kept[name] = json.loads(json.dumps(job()))
        return self._kept[name]

    def close(self, keep: Path | str) -> None:
        """Writes what was found to `keep`, whole or not at all; nothing where it was stored."""
        if not self.stored:
            partial = Path(f"{keep}.part")
            partial.write_text(json.dumps(self._kept, indent=1) + "\n", encoding="utf-8")
            os.replace(partial, keep)


@dataclass(frozen=True)
class Server:
    """A running server on 127.0.0.1: its `port` and the process id of its keeper."""

    port: int
    pid: int

    def get(self, path: str, **query: str) -> Any:
        """The `data` of an answer of the HTTP API, such as `get("alerts")`."""
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        found = self.get("alerts")["alerts"]
        return {one["labels"]["alertname"] for one in found if one["state"] == "firing"}

    def value(self, expression: str) -> float:
        """The first value of `expression` now; NaN when there is none."""
        found = self.get("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else float("nan")

    def wait_for_data(self, seconds: float = 20) -> None:
        """Returns when the target has been read and nothing fires for want of data."""
        end = time.monotonic() + seconds
        while self.value("model:error_ratio:5m") != 0 or self.firing():
            if time.monotonic() > end:
                raise MonitoringError(f"No calm data arrived in {seconds:g} s: is the target up?")
            time.sleep(0.1)

    def watch(self, seconds: float, wanted: Sequence[str] = ()) -> dict[str, float]:
        """Seconds until each alert that was seen firing; returns early when all `wanted` were."""
        start, seen = time.monotonic(), {}
        while (now := time.monotonic() - start) < seconds:
            for name in self.firing():
                seen.setdefault(name, now)
            if wanted and set(wanted) <= set(seen):
                break
            time.sleep(0.1)
        return seen


@contextlib.contextmanager
def prometheus(
    rules: Path | str, target: int, folder: Path | str, interval: str = "250ms"
) -> Iterator[Server]:
    """A `Server` that reads 127.0.0.1:`target` each `interval`, gone after the `with` block.

    Raises `MonitoringError` where Prometheus is missing or does not become ready in 20 seconds.
    """
    if why_not():
        raise MonitoringError(why_not())
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "evaluation_interval": interval,
        },
        "rule_files": [Path(rules).resolve().as_posix()],
        "scrape_configs": [
            {"job_name": "model", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "helpers.prometheus_server", str(folder.resolve()), str(port)]
    keeper = subprocess.Popen(
        command, stdin=subprocess.PIPE, cwd=Path(__file__).resolve().parents[1]
    )
    try:
        _wait_until_ready(keeper, port, folder)
        yield Server(port, keeper.pid)
    finally:
        keeper.stdin.close()  # the signal to stop
        try:
            keeper.wait(timeout=20)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()


def _wait_until_ready(keeper: subprocess.Popen, port: int, folder: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and keeper.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    log = folder / "prometheus.log"
    said = log.read_text(encoding="utf-8", errors="replace").strip() if log.exists() else ""
    raise MonitoringError(
        f"Prometheus did not become ready: {(said.splitlines() or ['no reason given'])[-1]}"
    )


def _main() -> int:
    """Keeps one server until standard input closes or the server ends; its exit status."""
    folder, port = Path(sys.argv[1]), sys.argv[2]
    command = [
        shutil.which("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def stop_with_parent() -> None:
            sys.stdin.read()  # returns when the parent closes it, or ends
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()

        threading.Thread(target=stop_with_parent, daemon=True).start()
        return server.wait()


if __name__ == "__main__":
    sys.exit(_main())
