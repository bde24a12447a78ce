"""Trying again: back-off with jitter, a webhook on this machine, and the crowd that retries.

Built in view in chapter 16.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from helpers.resumable import FaultError


def retry(
    function: Callable[[], Any],
    tries: int = 5,
    first: float = 0.05,
    longest: float = 30.0,
    transient: tuple[type[Exception], ...] = (OSError,),
    sleep: Callable[[float], None] = time.sleep,
    draw: Callable[[float, float], float] = random.uniform,
) -> Any:
    """What `function()` returns, after up to `tries` calls; the last error when all of them fail.

    Before call n + 1 it waits `draw(0, min(longest, first * 2 ** (n - 1)))` seconds: exponential
    back-off with full jitter (https://aws.amazon.com/blogs/architecture/
    exponential-backoff-and-jitter/). An error of another class than `transient` is raised at once.
    Raises `FaultError` for fewer tries than 1. Built in view in chapter 16.
    """
    if tries < 1:
        raise FaultError(f"tries is {tries!r}; give 1 or more.")
    for attempt in range(tries):
        try:
            return function()
        except transient:
            if attempt == tries - 1:
                raise
            sleep(draw(0, min(longest, first * 2**attempt)))


@dataclass
class Webhook:
    """A receiver of notifications: its `url`, every request it `answered`, and what it `kept`.

    answered  status codes in the order of the requests; 0 is a request whose answer was lost
    kept      messages by their Idempotency-Key: one that comes twice is kept once
    """

    url: str = ""
    answered: list[int] = field(default_factory=list)
    kept: dict[str, dict] = field(default_factory=dict)


@contextlib.contextmanager
def webhook(refuse: int = 0, lose: int = 0) -> Iterator[Webhook]:
    """Context with a running `Webhook` on a free port of 127.0.0.1; its thread ends with it.

    The first `refuse` requests are answered with 503, the next `lose` ones are kept and then cut
    off without an answer, the others get 204.
    """
    found, lock = Webhook(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                place = len(found.answered)
                status = 503 if place < refuse else 0 if place < refuse + lose else 204
                found.answered.append(status)
                if status != 503:
                    found.kept[self.headers.get("Idempotency-Key", str(place))] = json.loads(body)
            if status:
                self.send_response(status)
                self.end_headers()
            else:
                self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def notify(url: str, message: dict, key: str, timeout: float = 5.0) -> int:
    """Status of one POST of `message` as JSON to `url`; raises `OSError` when it is not taken.

    `key` names the event: the same for every try, so that the receiver can drop a repetition.
    """
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    request = urllib.request.Request(url, json.dumps(message).encode("utf-8"), headers)
    # A receiver on this machine is not behind the proxy that the environment may name.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as answer:
        return answer.status


def crowd(
    clients: int, capacity: int, jitter: bool, seed: int = 0, first: float = 1.0
) -> np.ndarray:
    """Requests in each second after an outage at second 0 in which all `clients` failed together.

    The service answers `capacity` requests in a second and refuses the others, which come again
    after `first`, twice, four times ... as long, at most 64 times, drawn from 0 to that with
    `jitter`. The array ends when all have been answered. Raises `FaultError` for no capacity.
    """
    if capacity < 1:
        raise FaultError(f"capacity is {capacity!r}; give 1 request in a second or more.")
    draws = np.random.default_rng(seed)
    waiting, attempt, counts, second = np.zeros(clients), np.zeros(clients, int), [], 0
    waiting += first * (draws.uniform(size=clients) if jitter else 1)
    while len(waiting):
        now = np.flatnonzero(waiting < second + 1)
        counts.append(len(now))
        served, refused = now[:capacity], now[capacity:]
        attempt[refused] += 1
        span = first * 2.0 ** np.minimum(attempt[refused], 6)
        waiting[refused] = second + 1 + span * (draws.uniform(size=len(span)) if jitter else 1)
        waiting, attempt = np.delete(waiting, served), np.delete(attempt, served)
        second += 1
    return np.array(counts)
