"""Requests to a model server: a client that keeps its connections, and malformed requests.

The malformed requests are drawn from the server's own OpenAPI description: each breaks the
description, or the declared type of the model's input, in one known way. Built in view in
chapter 27.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from helpers.load_generator import LoadResult, closed_load

IDLE_SECONDS = 2.0  # after which a connection is opened anew instead of used again


class ClientError(ValueError):
    """A client or a generator used wrongly; one sentence."""


@dataclass(frozen=True)
class Answer:
    """HTTP `status`, decoded `content` (the text where it is no JSON), and lower-case `headers`."""

    status: int
    content: Any
    headers: dict[str, str] = field(default_factory=dict, repr=False)


class Client:
    """A client of `host`:`port` with one open connection for each thread that uses it."""

    def __init__(self, host: str, port: int, timeout: float = 30.0):
        self.host, self.port, self.timeout = host, port, timeout
        self._own, self._all = threading.local(), []

    def _connection(self) -> http.client.HTTPConnection:
        # A server closes connections that lie idle, perhaps just while the next request is sent.
        if time.monotonic() - getattr(self._own, "used", 0.0) > IDLE_SECONDS:
            self._close_own()
        self._own.used = time.monotonic()
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection(
                self.host, self.port, timeout=self.timeout
            )
            self._all.append(self._own.connection)
        return self._own.connection

    def _close_own(self) -> None:
        if hasattr(self._own, "connection"):
            self._own.connection.close()

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """The `Answer` to one request; `body` is bytes, or something that JSON can hold.

        A request is sent once and never again by itself. Raises `OSError` or
        `http.client.HTTPException` when no answer comes: that request is lost.
        """
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = self._connection()
        try:
            connection.request(method, path, content, headers or {})
            response = connection.getresponse()
            raw = response.read()
        except BaseException:
            connection.close()
            raise
        names = {name.lower(): value for name, value in response.getheaders()}
        if names.get("connection") == "close":
            connection.close()
        try:
            return Answer(response.status, json.loads(raw), names)
        except ValueError:
            return Answer(response.status, raw.decode("utf-8", "replace"), names)

    def predict(self, model: str, rows: Any, user: str = "") -> Answer:
        """The `Answer` to a predict request by rows; raises `ConnectionError` unless it is 200."""
        headers = {"X-User": user} if user else None
        found = self.ask("POST", f"/v1/models/{model}:predict", {"instances": rows}, headers)
        if found.status != 200:
            raise ConnectionError(f"{found.status}: {found.content}")
        return found

    def close(self) -> None:
        """Closes all connections."""
        for connection in self._all:
            connection.close()


def ask_together(place: Any, model: str, rows: Any, clients: int, requests: int) -> LoadResult:
    """The `LoadResult` of `clients` that each wait for the answer before they ask again.

    `place` is a server with `host` and `port`; every request is a predict request for `rows`.
    """
    asking = Client(place.host, place.port)
    try:
        return closed_load(lambda _: asking.predict(model, rows), clients, requests)
    finally:
        asking.close()


@dataclass(frozen=True)
class Malformed:
    """A request that must be refused, and `kind`, the way in which it is wrong."""

    kind: str
    method: str
    path: str
    body: bytes | None
    headers: dict[str, str] = field(default_factory=dict)


def _wrong_values(good: list[Any], draw: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Copies of the rows `good` with one fault each."""
    place = int(draw.integers(len(good[0])))
    text = "".join(map(chr, draw.integers(32, 0x2FFF, int(draw.integers(1, 20))).tolist()))
    digits = int(draw.integers(40, 9000))

    def with_value(value: Any) -> list[Any]:
        row = list(good[0])
        row[place] = value
        return [row, *good[1:]]

    yield "a text instead of a number", with_value(text)
    yield "a number in quotes", with_value(str(draw.normal()))
    yield "a boolean", with_value(bool(draw.integers(2)))
    yield "null", with_value(None)
    yield "an object inside", with_value({text: 1})
    yield "one level too deep", [good]
    yield "one level too few", good[0]
    yield "ragged rows", [*good, good[0][: int(draw.integers(0, len(good[0])))]]
    yield "wrong width", [row + [0.0] * int(draw.integers(1, 30)) for row in good]
    yield "a number without end", with_value(10 ** min(digits, 4000))
    yield "beyond float32", with_value(float(10.0 ** draw.integers(39, 300)))
    yield "an unknown input name", [{"nobody" + text: row} for row in good]
    yield "an empty list", []
    yield "a scalar", float(draw.normal())
    yield "base64 instead of numbers", [{"b64": "AAAA"}]


def _wrong_bodies(good: list[Any], draw: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    def text(content: Any) -> bytes:
        return json.dumps(content).encode("utf-8")

    for kind, values in _wrong_values(good, draw):
        yield kind, text({"instances" if draw.integers(2) else "inputs": values})
    whole = text({"instances": good})
    cut = int(draw.integers(1, len(whole)))
    yield "cut off", whole[:cut]
    yield "bytes that are no UTF-8", whole[:cut] + b"\xff\xfe" + whole[cut:]
    yield "random bytes", b"\xff" + draw.bytes(int(draw.integers(1, 300)))
    yield "nested very deeply", b'{"instances":' + b"[" * int(draw.integers(500, 60_000))
    odd = bytes(draw.choice([b"[[NaN", b"[[-Infinity", b"[[Infinity"]))
    yield "NaN or infinity", re.sub(rb"\[\[[^,\]]+", odd, whole, count=1)
    yield "neither key", text({"signature_name": "serving_default"})
    yield "both keys", text({"instances": good, "inputs": good})
    yield "an unknown key", text({"instances": good, f"key{draw.integers(99)}": 1})
    yield "a key twice", whole[:-1] + b',"instances":[]}'
    yield "an unknown signature", text({"instances": good, "signature_name": "other"})
    yield "a signature of another type", text({"instances": good, "signature_name": [1, None]})
    yield "a list instead of an object", text(good)
    yield "an empty body", b""
    yield "a lone surrogate", b'{"instances": [["\\ud800"]], "\\udfff": 1}'


def malformed(
    description: dict[str, Any], model: str, good: list[list[float]], count: int, seed: int = 0
) -> list[Malformed]:
    """`count` malformed requests for `model`, from the server's OpenAPI `description`.

    `good` are rows that the model takes; every request is one of them with a fault. The kinds of
    faults take turns, their details are drawn with `seed`. Raises `ClientError` for a description
    without an address that takes a body.
    """
    paths = description.get("paths", {})
    posts = [path for path, methods in paths.items() if "requestBody" in methods.get("post", {})]
    if not posts or count < 1:
        raise ClientError("Give the content of /openapi.json, and a count of 1 or more.")
    draw, found = np.random.default_rng(seed), []

    def fill(path: str, name: str = model, version: Any = 1) -> str:
        return path.replace("{name}", name).replace("{version}", str(version))

    while len(found) < count:
        post = posts[int(draw.integers(len(posts)))]
        found += [
            Malformed(kind, "POST", fill(post), body) for kind, body in _wrong_bodies(good, draw)
        ]
        right = json.dumps({"instances": good}).encode()
        odd = "".join(draw.choice(list("%2F.;~$-_aZ09"), 8).tolist()).replace("%", "%25")
        for path, methods in paths.items():
            verb = str(draw.choice(["PUT", "DELETE", "PATCH", "POST", "GET"]))
            if verb.lower() not in methods:
                found.append(Malformed("a wrong method", verb, fill(path), right))
            if "{name}" in path:
                verb = next(iter(methods)).upper()
                found.append(Malformed("an unknown model", verb, fill(path, "x" + odd), right))
            if "{version}" in path:
                number = draw.choice([-1, 2**40, 77, 0])
                wrong = odd if draw.integers(2) else number
                found.append(Malformed("a wrong version", verb, fill(path, version=wrong), right))
        found.append(Malformed("an unknown address", "GET", "/" + odd, None))
    return found[:count]
