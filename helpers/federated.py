"""The server of a federation: starts client processes, averages their masked weights.

McMahan et al. 2017, https://arxiv.org/abs/1602.05629. The server sees sums, never one client's
weights. Everything is bound to this machine. Built for chapter 25.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers.federated_client import flat, receive, send, shaped
from helpers.masks import to_floats
from helpers.small_network import PrivacyError

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Federation:
    """Connected clients: `lines` to them, their processes `pids`, what each holds in `counts`.

    `counts` is int64 (clients, classes), as the clients themselves reported. `seen` is what the
    server received in the last round, uint64 (clients, parameters); `bytes_up` counts the bytes.
    """

    lines: list[socket.socket]
    pids: list[int]
    counts: np.ndarray
    seen: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.uint64))
    rounds: int = 0
    bytes_up: int = 0

    def round(
        self, weights: list[np.ndarray], steps: int, rate: float, learning_rate: float, seed: int
    ) -> list[np.ndarray]:
        """Weights after one round: each client trains for `steps`, the server adds what they send.

        Each client's weights count in proportion to its rows. Raises `PrivacyError` when a client
        has gone: the masks of the others would not cancel, and the sum would mean nothing.
        """
        self.rounds += 1
        shapes = [list(part.shape) for part in weights]
        order = {"do": "train", "round": self.rounds, "shapes": shapes, "steps": steps}
        order |= {"rate": rate, "learning_rate": learning_rate, "rows": int(self.counts.sum())}
        try:
            for line in self.lines:
                send(line, order | {"seed": seed + 1000 * self.rounds}, flat(weights))
            self.seen = np.stack([receive(line)[1] for line in self.lines])
        except OSError as error:
            raise PrivacyError(
                "A client has gone in the middle of a round: the masks do not cancel without it; "
                "start the federation again."
            ) from error
        self.bytes_up += self.seen.nbytes
        return shaped(to_floats(self.seen.sum(axis=0, dtype=np.uint64)), shapes)


def _check(shards: Sequence[tuple[np.ndarray, np.ndarray]], classes: int) -> None:
    if len(shards) < 2:
        raise PrivacyError(f"There is {len(shards)} client: a sum hides nobody below two.")
    for number, (x, y) in enumerate(shards):
        if len(x) != len(y) or len(y) == 0 or np.max(y) >= classes or np.min(y) < 0:
            raise PrivacyError(
                f"Client {number} has {len(x)} rows and {len(y)} labels: give one label, from 0 to "
                f"{classes - 1}, for each row and at least one row."
            )


def _started(order: dict, stack: ExitStack) -> subprocess.Popen:
    child = subprocess.Popen(
        [sys.executable, "-m", "helpers.federated_client"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    stack.callback(_ended, child)
    # The token goes through a pipe: neither the command line nor the environment shows it.
    child.stdin.write(json.dumps(order).encode("utf-8") + b"\n")
    child.stdin.close()
    return child


def _ended(child: subprocess.Popen) -> None:
    try:
        child.wait(timeout=5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@contextmanager
def clients(
    shards: Sequence[tuple[np.ndarray, np.ndarray]], classes: int, timeout: float = 60
) -> Iterator[Federation]:
    """Context with a `Federation` of one process for each shard (rows, labels).

    The server listens on a free port of 127.0.0.1 and admits only who knows a random token. At the
    end of the context, error or not, all processes have ended and their files are gone. Raises
    `PrivacyError` for bad shards and when a client does not report within `timeout` seconds.
    """
    _check(shards, classes)
    token, hellos = secrets.token_hex(32), {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(timeout)
        order, pids = {"port": server.getsockname()[1], "token": token, "classes": classes}, []
        for number, (x, y) in enumerate(shards):
            path = folder / f"client-{number}.npz"
            np.savez(path, x=np.asarray(x, float), y=np.asarray(y, np.int64))
            pids.append(_started(order | {"me": number, "rows": str(path)}, stack).pid)
        while len(hellos) < len(shards):
            try:
                line = stack.enter_context(server.accept()[0])
                line.settimeout(timeout)
                hello, _ = receive(line)
            except OSError as error:
                raise PrivacyError(f"A client did not report within {timeout} seconds.") from error
            if secrets.compare_digest(str(hello.get("token", "")), token):
                hellos[hello["me"]] = (line, hello["counts"], hello["public"])
        ordered = [hellos[number] for number in range(len(shards))]
        publics = {number: public for number, (_, _, public) in enumerate(ordered)}
        for line, _, _ in ordered:
            send(line, {"do": "peers", "publics": publics})
        lines = [line for line, _, _ in ordered]
        yield Federation(lines, pids, np.array([counts for _, counts, _ in ordered]))
