"""Text as contexts of four characters, for the networks of `helpers.incremental`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence

import numpy as np

from helpers.incremental import Networks

SYMBOLS = "\n abcdefghijklmnopqrstuvwxyz.,()_=:'\"#-"  # any other character is number 0
WIDTH = len(SYMBOLS) + 1
LENGTH = 4


def codes(text: str) -> np.ndarray:
    """int64 (characters,): the number of each character of the text in lower case."""
    number = {symbol: place for place, symbol in enumerate(SYMBOLS, start=1)}
    return np.array([number.get(character, 0) for character in text.lower()], dtype=np.int64)


def sources(modules: Sequence[str]) -> str:
    """The source code of modules of the standard library, joined."""
    return "\n".join(inspect.getsource(importlib.import_module(name)) for name in modules)


def contexts(text: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One-hot rows (*places.shape, 4 * WIDTH) of four characters, and the number of the next one.

    text: numbers from `codes`; places: int, at most len(text) - 5.
    """
    four = text[places[..., None] + np.arange(LENGTH)]
    hot = np.eye(WIDTH, dtype=np.float32)[four]
    return hot.reshape(*places.shape, LENGTH * WIDTH), text[places + LENGTH]


def some_places(
    rng: np.random.Generator, text: np.ndarray, many: int | tuple[int, ...], held: bool = False
) -> np.ndarray:
    """Random places for `contexts`: in the first 80 % of the text, or in its held-out last 18 %."""
    low, high = (0.82, 1.0) if held else (0.0, 0.8)
    return rng.integers(int(low * len(text)), int(high * len(text)) - LENGTH - 1, many)


def bits(network: Networks, text: np.ndarray, places: np.ndarray) -> np.ndarray:
    """float64 (seeds,): mean bits per character that each network needs at `places` (n,)."""
    x, y = contexts(text, places)
    logits = network.logits(x).astype(np.float64)
    true = np.take_along_axis(logits, np.broadcast_to(y, logits.shape[:2])[..., None], axis=2)
    return (np.logaddexp.reduce(logits, axis=2) - true[..., 0]).mean(axis=1) / np.log(2)
