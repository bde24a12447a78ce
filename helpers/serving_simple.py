"""The web service of many listings: one model, one request at a time, no checks and no limits.

It is the yardstick and the trap of chapter 27, never an example. It runs in threads of the process
that starts it, on a free port of 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np


@dataclass(frozen=True)
class SimpleServer:
    """A running server: `host` and `port`."""

    host: str
    port: int


@contextlib.contextmanager
def simple_server(predict: Callable[[np.ndarray], Any]) -> Iterator[SimpleServer]:
    """A `SimpleServer` for the length of a `with` block, answering POST with `predict`.

    `predict` takes float32 (n, width) and returns n rows; calls wait for each other. What goes
    wrong in the handler ends in status 500, as in the frameworks that the listings use.
    """
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            return

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                rows = [[float(x) for x in row] for row in json.loads(body)["instances"]]
                with lock, np.errstate(over="ignore"):
                    outputs = predict(np.array(rows, dtype=np.float32))
                self._send(200, {"predictions": np.asarray(outputs).tolist()})
            except Exception as error:
                self._send(500, {"error": type(error).__name__})

        def _send(self, status: int, content: dict[str, Any]) -> None:
            answer = json.dumps(content).encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # the default of 5 refuses connections that come together

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield SimpleServer("127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
