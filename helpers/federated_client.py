"""The client of a federation: a process that holds rows, trains on them and sends weights only.

Started by `helpers.federated` as `python -m helpers.federated_client`. It ends when it is told to,
and also when its connection closes, so that it never outlives the server. Built for chapter 25.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from typing import Any

import numpy as np


def send(line: socket.socket, message: dict[str, Any], values: np.ndarray | None = None) -> int:
    """Number of bytes sent: a JSON message and, with it, the raw bytes of a one-row array."""
    body = b"" if values is None else np.ascontiguousarray(values).tobytes()
    kind = None if values is None else values.dtype.str
    head = json.dumps({**message, "dtype": kind}).encode("utf-8")
    packet = struct.pack("<IQ", len(head), len(body)) + head + body
    line.sendall(packet)
    return len(packet)


def _exactly(line: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = line.recv(min(count - len(parts), 1 << 20))
        if not part:
            raise ConnectionError("The other side has closed the connection.")
        parts += part
    return bytes(parts)


def receive(line: socket.socket) -> tuple[dict[str, Any], np.ndarray | None]:
    """The next message and its array; raises `ConnectionError` when the other side is gone."""
    head, body = struct.unpack("<IQ", _exactly(line, 12))
    message = json.loads(_exactly(line, head))
    raw, kind = _exactly(line, body), message.pop("dtype")
    return message, None if kind is None else np.frombuffer(raw, kind)


def flat(weights: list[np.ndarray]) -> np.ndarray:
    """All weights in one row."""
    return np.concatenate([part.ravel() for part in weights])


def shaped(values: np.ndarray, shapes: list) -> list[np.ndarray]:
    """The opposite of `flat`."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    return [p.reshape(s).copy() for p, s in zip(np.split(values, ends), shapes, strict=True)]


def _serve() -> None:
    """Reads its orders from standard input, connects, and answers until the line closes."""
    from helpers import masks
    from helpers.small_network import train

    order = json.loads(sys.stdin.readline())
    with np.load(order["rows"]) as held:
        x, y = held["x"], held["y"]
    key, publics = masks.new_key(), {}
    with socket.create_connection(("127.0.0.1", order["port"]), timeout=60) as line:
        counts = np.bincount(y, minlength=order["classes"]).tolist()
        hello = {"token": order["token"], "me": order["me"], "counts": counts}
        send(line, {**hello, "public": masks.public_part(key).hex()})
        line.settimeout(None)
        while True:
            message, values = receive(line)
            if message["do"] == "stop":
                return
            if message["do"] == "peers":
                publics = {int(n): bytes.fromhex(p) for n, p in message["publics"].items()}
                continue
            weights = train(
                shaped(values, message["shapes"]),
                x,
                y,
                message["steps"],
                message["rate"],
                message["learning_rate"],
                message["seed"] + order["me"],
            )
            share = flat(weights) * (len(y) / message["rows"])
            label = f"round {message['round']}"
            hidden = masks.masked(share, order["me"], key, publics, label)
            send(line, {"me": order["me"]}, hidden)


if __name__ == "__main__":
    try:
        _serve()
    except (ConnectionError, KeyboardInterrupt):
        sys.exit(0)
