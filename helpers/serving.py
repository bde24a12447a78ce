"""A model server in a process of its own: `serve` starts it, its orders travel on its input.

FastAPI and uvicorn speak the protocol of `helpers.serving_protocol`. It listens on 127.0.0.1
unless told otherwise, on a free port, and ends when its input closes: at `close`, at the end of a
`with` block, and when the process that started it is gone. Models are loaded, swapped and retired
by orders on the process's input, so that nothing on the network can do so. Chapter 27.
"""

from __future__ import annotations

import argparse
import atexit
import dataclasses
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.serving_models import ServingError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Limits:
    """What a server takes: bytes of a body, rows of a request, seconds, and examples in a queue.

    seconds       for the answer of the model, and for the arrival of the body
    queue         examples that may wait for each version
    batch         most examples in a call of the model; batch_delay_ms: how long one waits for more
    """

    body_bytes: int = 200_000
    rows: int = 128
    seconds: float = 5.0
    queue: int = 1024
    batch: int = 32
    batch_delay_ms: float = 0.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not value > 0 and name != "batch_delay_ms":
                raise ServingError(f"The limit {name} is {value!r}; give a number above 0.")


class Server:
    """A running server: `host`, `port`, `pid`; `order` sends it an order, `close` ends it."""

    def __init__(self, process: subprocess.Popen, host: str, port: int):
        self.process, self.host, self.port, self.pid = process, host, port, process.pid
        self._lock = threading.Lock()
        atexit.register(self.close)

    @property
    def address(self) -> str:
        """The address of the server, `http://host:port`."""
        return f"http://{self.host}:{self.port}"

    def listens_on(self) -> list[str]:
        """The addresses on which the process listens, asked of the operating system."""
        import psutil

        found = psutil.Process(self.pid).net_connections("inet")
        return sorted({one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN})

    def order(self, action: str, model: str, **details: Any) -> None:
        """Carries out an order; raises `ServingError` with the server's reason if it cannot.

        "load"     makes `version` of `model` ready from its description `source`
        "promote"  makes `version` the stable one and retires the others when they have answered
        "canary"   gives `version` to `share` of the users
        """
        with self._lock:
            if self.process.poll() is not None:
                raise ServingError("The server has ended; start a new one.")
            order = {"action": action, "model": model, **details}
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline() or '{"error": "The server ended."}')
        if answer["error"]:
            raise ServingError(answer["error"])

    def close(self) -> None:
        """Ends the server, after the requests under way; closing twice does nothing."""
        atexit.unregister(self.close)
        self.process.stdin.close()  # the signal to stop
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *problem: Any) -> None:
        self.close()


def serve(
    models: dict[str, dict[str, Any]], limits: Limits | None = None, host: str = LOOPBACK
) -> Server:
    """A `Server` that answers for `models`, version 1 of each: a name and a description.

    A description is one of `helpers.serving_models.load`. `host` is loopback; a container gives
    "0.0.0.0". Raises `ServingError` with the reason when the server does not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.serving"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    start = {"models": models, "limits": dataclasses.asdict(limits or Limits()), "host": host}
    try:
        process.stdin.write(json.dumps(start) + "\n")
        process.stdin.flush()
        told = json.loads(process.stdout.readline() or "{}")
        if "port" not in told:
            said = (process.stderr.read().strip().splitlines() or ["no reason given"])[-1]
            raise ServingError(f"The server did not start: {told.get('error', said)}")
    except BaseException:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        raise
    return Server(process, host, told["port"])


def _listen(start: dict[str, Any], orders: bool = True) -> None:
    """Serves until standard input closes, or, without `orders`, until the process is told to."""
    import gc
    import socket

    import uvicorn

    from helpers.serving_app import Service, make_app

    service = Service(Limits(**start["limits"]))
    for name, source in start["models"].items():
        service.carry_out({"action": "load", "model": name, "version": 1, "source": source})
        service.carry_out({"action": "promote", "model": name, "version": 1})
    listener = socket.create_server((start["host"], start.get("port", 0)), backlog=512)
    config = uvicorn.Config(
        make_app(service),
        log_level="critical",
        access_log=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    # What is there now stays: the collector need not walk through it while requests wait.
    gc.collect()
    gc.freeze()

    def obey() -> None:
        while not server.started:
            time.sleep(0.005)
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        for line in sys.stdin:
            try:
                service.carry_out(json.loads(line))
                reason = ""
            except Exception as error:
                reason = str(error) or type(error).__name__
            print(json.dumps({"error": reason}), flush=True)
        server.should_exit = True

    if orders:
        threading.Thread(target=obey, daemon=True).start()
    server.run(sockets=[listener])


def newest_models(folder: Path) -> dict[str, dict[str, Any]]:
    """The description of each model in `folder`, laid out as NAME/VERSION/model.tflite.

    Raises `ServingError` when there is none.
    """
    found: dict[str, tuple[int, Path]] = {}
    for path in folder.glob("*/*/model.tflite"):
        name, number = path.parts[-3], path.parts[-2]
        if number.isdecimal():
            found[name] = max(found.get(name, (0, path)), (int(number), path))
    if not found:
        raise ServingError(f"There is no NAME/VERSION/model.tflite in {folder}.")
    return {name: {"litert": str(path)} for name, (_, path) in found.items()}


def _main() -> None:
    """Without arguments: orders from standard input. With them: a server for a container."""
    try:
        if len(sys.argv) == 1:
            _listen(json.loads(sys.stdin.readline()))
            return
        parser = argparse.ArgumentParser(prog="helpers.serving")
        parser.add_argument("--models", type=Path, required=True)
        parser.add_argument("--host", default=LOOPBACK)
        parser.add_argument("--port", type=int, default=8501)
        told = parser.parse_args()
        start = {"host": told.host, "port": told.port, "limits": dataclasses.asdict(Limits())}
        _listen({**start, "models": newest_models(told.models)}, orders=False)
    except Exception as error:
        print(json.dumps({"error": str(error)}), flush=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    _main()
