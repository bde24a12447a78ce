"""The prediction boundary: bytes from outside become numbers, or are refused with one sentence.

JSON: https://www.rfc-editor.org/rfc/rfc8259. Built in view in chapter 24.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class InputError(ValueError):
    """A request that is refused; the message is what the caller is told."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise InputError("A name stands twice in the request: give each name once.")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise InputError(f"The request holds {name}, which is no JSON number: send finite numbers.")


def read_pixels(body: Any, count: int, longest: int = 100_000) -> np.ndarray:
    """The `count` pixels of a request `{"pixels": [...]}`, float32 (count,), each in 0 to 1.

    `body` is what arrived, bytes of at most `longest`. Raises `InputError`, one sentence, for
    everything else: no bytes, too long, no UTF-8, no JSON, another form, another number of pixels,
    a pixel that is no finite number from 0 to 1, or a picture without contrast. Built in view in
    chapter 24.
    """
    if not isinstance(body, bytes):
        raise InputError("The request is not bytes: send a JSON text in UTF-8.")
    if len(body) > longest:
        raise InputError(f"The request is longer than {longest} bytes: send one picture.")
    try:
        content = json.loads(
            body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError("The request is not UTF-8: send a JSON text in UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise InputError("The request is not JSON: send an object with the list pixels.") from error
    if not isinstance(content, dict) or set(content) != {"pixels"}:
        raise InputError("The request has another form: send an object with the name pixels only.")
    return _pixels(content["pixels"], count)


def _pixels(values: Any, count: int) -> np.ndarray:
    if not isinstance(values, list) or len(values) != count:
        raise InputError(f"The pixels are not a list of {count}: send one number for each pixel.")
    for place, value in enumerate(values):
        # A bool is an int in Python: without this line True would count as a white pixel.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"Pixel {place} is not a number: send numbers from 0 to 1.")
        if not 0 <= value <= 1 or (isinstance(value, float) and not math.isfinite(value)):
            raise InputError(f"Pixel {place} is outside 0 to 1: scale the picture before.")
    pixels = np.array(values, np.float32)
    if np.ptp(pixels) < 0.1:
        raise InputError("The picture has no contrast: send a picture that shows something.")
    return pixels


@dataclass(frozen=True)
class Reply:
    """What the boundary answers: a class and its probability, or the sentence of a refusal."""

    label: int | None = None
    probability: float | None = None
    refused: str = ""


@dataclass(frozen=True)
class Boundary:
    """A model behind its input check; `predict` maps rows (n, count) to probabilities."""

    predict: Callable[[np.ndarray], np.ndarray]
    count: int
    read: Callable[[Any, int], np.ndarray] = read_pixels

    def answer(self, body: Any) -> Reply:
        """The `Reply` to one request; only an `InputError` becomes a refusal.

        Any other error comes through: it is a bug of the service, and hiding it as the caller's
        mistake would hide it from the tests too. Used first in chapter 24.
        """
        try:
            pixels = self.read(body, self.count)
        except InputError as error:
            return Reply(refused=str(error))
        row = self.predict(pixels[None])[0]
        if not np.all(np.isfinite(row)):
            raise FloatingPointError("The model answered with something that is no number.")
        return Reply(int(row.argmax()), float(row.max()))


def request(pixels: Any) -> bytes:
    """The request for one picture, UTF-8 JSON bytes."""
    return json.dumps({"pixels": [float(value) for value in np.ravel(pixels)]}).encode("utf-8")
