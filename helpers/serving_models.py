"""Versions of models in a server: load, route, swap and retire them without losing a request.

A `Version` answers through a batcher of its own, whose one thread is the only one that touches the
runtime. A `Router` says which version gets a request: the stable one, or for a share of the users
the canary. Built in view in chapter 27.
"""

from __future__ import annotations

import time
import zlib
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helpers.dynamic_batching import DynamicBatcher, QueueFull
from helpers.serving_protocol import BadRequest, Signature


class ServingError(RuntimeError):
    """A model, version or setting that a server cannot use; one sentence."""


def _litert(path: str, batch: int):
    from helpers.runtimes import LiteRTModel

    model = LiteRTModel(path)
    output = model.predict(np.zeros((1, *model.input_shape), np.float32))
    signature = Signature(model.input_shape, output.shape[1:])

    def call(x: np.ndarray) -> np.ndarray:
        # Filled up to the next power of two: a new size makes the runtime plan its memory anew.
        full = min(batch, 1 << (len(x) - 1).bit_length())
        padded = np.concatenate([x, np.zeros((max(full - len(x), 0), *x.shape[1:]), x.dtype)])
        return model.predict(padded, max(full, len(x)))[: len(x)]

    for size in (1 << k for k in range(batch.bit_length())):
        call(np.zeros((size, *model.input_shape), np.float32))  # warm before the first request
    return call, signature


def _linear(scale: float, offset: float, delay_ms: float = 0.0):
    def call(x: np.ndarray) -> np.ndarray:
        time.sleep(delay_ms / 1e3)
        return x * np.float32(scale) + np.float32(offset)

    return call, Signature((), ())


def load(order: dict[str, Any], batch: int):
    """A function of a batch and its `Signature`, from a model's description.

    `{"litert": path}` is a LiteRT file with float input and output; `{"linear": [scale, offset]}`
    is the scalar model `x * scale + offset` of TensorFlow Serving's examples, with `delay_ms` if
    it is to be slow. Raises `ServingError` for another description or a file that does not load.
    """
    try:
        if set(order) == {"litert"}:
            if not Path(order["litert"]).is_file():
                raise ServingError(f"There is no model file {Path(order['litert']).name}.")
            return _litert(order["litert"], batch)
        if set(order) in ({"linear"}, {"linear", "delay_ms"}):
            scale, offset = order["linear"]
            return _linear(float(scale), float(offset), float(order.get("delay_ms", 0)))
    except (ValueError, TypeError) as error:
        raise ServingError(f"The model does not load: {error}") from error
    raise ServingError("Describe a model by {'litert': path} or {'linear': [scale, offset]}.")


class Version:
    """A loaded version: `number`, `signature`, `state`, and `submit` for examples."""

    def __init__(self, number: int, order: dict[str, Any], batch: int, delay_ms: float, queue: int):
        function, self.signature = load(order, batch)
        self.number, self.state = number, "AVAILABLE"
        self.batcher = DynamicBatcher(function, batch, delay_ms, queue)

    def submit(self, examples: np.ndarray) -> list[Future]:
        """One `Future` for each example; if the queue is full, none: `BadRequest` 503."""
        futures: list[Future] = []
        try:
            for example in examples:
                futures.append(self.batcher.submit(example))
        except QueueFull as error:
            for future in futures:
                future.cancel()
            raise BadRequest(503, "Too many examples wait already; try again later.") from error
        return futures

    def retire(self) -> None:
        """Answers what waits, then ends the version; blocks until then."""
        self.state = "UNLOADING"
        self.batcher.close()
        self.state = "END"


def in_canary(user: str, share: float) -> bool:
    """Whether `user` belongs to the share of users that the canary serves.

    A hash decides, so the same user always gets the same answer, and a greater share keeps all
    users of a smaller one.
    """
    return zlib.crc32(user.encode("utf-8", "replace")) / 2**32 < share


@dataclass
class Router:
    """The versions of one model: `stable` number, `canary` number with its `share`, or none."""

    versions: dict[int, Version] = field(default_factory=dict)
    stable: int = 0
    canary: int = 0
    share: float = 0.0

    def choose(self, user: str, number: int | None = None) -> Version:
        """The version for a request; raises `BadRequest` 404 for one that is not there."""
        if number is None:
            number = self.canary if self.canary and in_canary(user, self.share) else self.stable
        version = self.versions.get(number)
        if version is None or version.state != "AVAILABLE":
            raise BadRequest(404, f"There is no version {number} of this model.")
        return version

    def promote(self, number: int) -> list[Version]:
        """Makes `number` the stable version, ends the canary; returns the versions to retire."""
        if number not in self.versions:
            raise ServingError(f"There is no version {number} to promote; load it first.")
        old = [self.versions.pop(other) for other in list(self.versions) if other != number]
        self.stable, self.canary, self.share = number, 0, 0.0
        return old

    def try_out(self, number: int, share: float) -> None:
        """Gives the version `number` to `share` (0 to 1) of the users."""
        if number not in self.versions or number == self.stable:
            raise ServingError(f"Version {number} cannot be the canary; load another one first.")
        if not 0 <= share <= 1:
            raise ServingError(f"The share is {share!r}; give a number from 0 to 1.")
        self.canary, self.share = number, float(share)
