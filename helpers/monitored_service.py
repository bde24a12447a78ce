"""A small model service that can be watched: `monitored` starts it, `traffic` calls it.

FastAPI behind uvicorn in a process of its own, on 127.0.0.1 and a free port; `/predict`, `/metrics`
and, for the experiment only, `/fault`. It writes a log line without personal data for each request
and ends with the `with` block or with its parent: it watches its standard input. Built in view in
chapter 29.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.monitoring import MonitoringError, Reference, ServiceMetrics


@dataclass(frozen=True)
class LinearModel:
    """What the service needs: class weights, and the axes of its input score.

    `weights` (features, classes), `intercept` (classes,), `mean` (features,), `axes` (k, features).
    """

    weights: np.ndarray
    intercept: np.ndarray
    mean: np.ndarray
    axes: np.ndarray

    def classes(self, x: np.ndarray) -> np.ndarray:
        """Class numbers (n,) of the rows x (n, features)."""
        return (x @ self.weights + self.intercept).argmax(axis=1)

    def confidence(self, x: np.ndarray) -> np.ndarray:
        """The largest softmax probability (n,) of each row."""
        z = x @ self.weights + self.intercept
        return 1 / np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1)

    def score(self, x: np.ndarray) -> np.ndarray:
        """Mean squared distance (n,) of each row from the plane of the principal axes."""
        centred = x - self.mean
        return np.mean((centred - centred @ self.axes.T @ self.axes) ** 2, axis=1)


def fit_linear(x: np.ndarray, y: np.ndarray, axes: int = 20) -> LinearModel:
    """A logistic regression and `axes` principal axes of x (n, features), classes y (n,)."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=0.3, max_iter=200).fit(x, y)
    plane = PCA(axes, svd_solver="full").fit(x)
    return LinearModel(model.coef_.T, model.intercept_, plane.mean_, plane.components_)


@dataclass(frozen=True)
class Service:
    """A running service: its `port` on 127.0.0.1, process id and log file."""

    port: int
    pid: int
    log: Path

    def fault(self, slow: float = 0.0, failed: float = 0.0) -> None:
        """From now on this share of requests takes 0.8 s longer, and that share fails."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            body = json.dumps({"slow": slow, "failed": failed})
            connection.request("POST", "/fault", body, {"Content-Type": "application/json"})
            status = connection.getresponse().status
        finally:
            connection.close()
        if status != 200:
            raise MonitoringError(f"The fault was refused with status {status}: give two shares.")

    def metrics(self) -> str:
        """The page `/metrics`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode("utf-8")
        finally:
            connection.close()


@contextlib.contextmanager
def monitored(model: LinearModel, released: Reference, folder: Path | str) -> Iterator[Service]:
    """A `Service` for the length of a `with` block, gone after it whatever happens inside.

    `folder` gets the model and the log `service.jsonl`, which begins anew.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "service.jsonl").unlink(missing_ok=True)
    parts = {"edges": released.edges, "shares": released.shares, "accuracy": released.accuracy}
    np.savez(folder / "model.npz", **vars(model), **parts)
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.monitored_service", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=Path(__file__).resolve().parents[1],
    )
    try:
        ready = process.stdout.readline()
        if not ready:
            raise MonitoringError("The service did not start; its reason stands above.")
        yield Service(json.loads(ready)["port"], process.pid, folder / "service.jsonl")
    finally:
        process.stdin.close()  # the signal to stop
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


class Traffic:
    """Clients that send single rows until they are stopped; `rows` (n, features) may be changed."""

    def __init__(self, service: Service, rows: np.ndarray, clients: int = 8, rate: float = 100):
        self.rows, self.sent, self._stop = rows, 0, threading.Event()
        self._service, self._pause = service, clients / rate
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(clients)
        self._runs = [self._pool.submit(self._client, number) for number in range(clients)]

    def _client(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._service.port, timeout=20)
        place = number
        try:
            while not self._stop.is_set():
                rows = self.rows
                body = json.dumps({"row": rows[place % len(rows)].tolist(), "customer": place})
                start = time.monotonic()
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                connection.getresponse().read()
                with self._lock:
                    self.sent += 1
                place += 8
                self._stop.wait(max(0.0, self._pause - (time.monotonic() - start)))
        finally:
            connection.close()

    def __enter__(self) -> Traffic:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def stop(self) -> None:
        """Lets every client finish its request and ends them."""
        self._stop.set()
        self._pool.shutdown(wait=True)


def _application(folder: Path) -> Any:
    """The FastAPI application over the model in `folder`."""
    from fastapi import FastAPI, Response

    from helpers.log_privacy import private_logger

    stored = np.load(folder / "model.npz")
    model = LinearModel(*(stored[name] for name in ("weights", "intercept", "mean", "axes")))
    metrics = ServiceMetrics(
        Reference(stored["edges"], stored["shares"], float(stored["accuracy"]))
    )
    stream = (folder / "service.jsonl").open("a", encoding="utf-8", buffering=1)
    logger = private_logger(stream, np.random.bytes(32))
    fault, rng = {"slow": 0.0, "failed": 0.0}, np.random.default_rng(0)
    lock, app = threading.Lock(), FastAPI()

    @app.post("/predict")
    def predict(body: dict[str, Any]) -> Any:
        start = time.perf_counter()
        with lock:
            slow, failed = rng.random(2) < (fault["slow"], fault["failed"])
        if slow:
            time.sleep(0.8)
        outcome, score, answer, status = "error", None, {"reason": "The model failed."}, 500
        if not failed:
            try:
                row = np.asarray(body["row"], float).reshape(1, len(model.mean))
            except (KeyError, TypeError, ValueError):
                status, answer = 400, {"reason": f"Send a row of {len(model.mean)} numbers."}
            else:
                outcome, status, score = "ok", 200, float(model.score(row)[0])
                answer = {"class": int(model.classes(row)[0])}
        seconds = time.perf_counter() - start
        with lock:
            metrics.answered(seconds, outcome, score)
            logger.info(
                "request", path="/predict", outcome=outcome, seconds=round(seconds, 4),
                customer=body.get("customer"),
            )  # fmt: skip
        return Response(json.dumps(answer), status, media_type="application/json")

    @app.get("/metrics")
    def read() -> Response:
        with lock:
            return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.post("/fault")
    def break_it(body: dict[str, float]) -> Response:
        if set(body) - set(fault) or not all(0 <= share <= 1 for share in body.values()):
            return Response(status_code=400)
        fault.update(body)
        return Response("{}", media_type="application/json")

    return app


def _main() -> None:
    """Serves the model in the folder on the command line until standard input closes."""
    import socket

    import uvicorn

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(_application(Path(sys.argv[1])), log_level="error", access_log=False)
    server = uvicorn.Server(config)

    def watch() -> None:
        while not server.started:
            time.sleep(0.01)
        print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
        sys.stdin.read()  # returns when the parent closes it, or ends
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=[listening])


if __name__ == "__main__":
    _main()
