"""Corruptions of small grey images in five strengths: noise, blur, shift, contrast, occlusion.

The idea of fixed kinds and strengths: Hendrycks and Dietterich 2019,
https://arxiv.org/abs/1903.12261; the strengths here are for small images. Built for chapter 24.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class CorruptionError(ValueError):
    """Bad input to a corruption; one sentence."""


def _noise(images: np.ndarray, strength: float, generator: np.random.Generator) -> np.ndarray:
    return images + generator.normal(0, 0.4 * strength, images.shape)


def _speckles(images: np.ndarray, strength: float, generator: np.random.Generator) -> np.ndarray:
    hit = generator.random(images.shape) < 0.3 * strength
    return np.where(hit, generator.integers(0, 2, images.shape), images)


def _blur(images: np.ndarray, strength: float, _: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    width = strength * images.shape[1] / 8
    return gaussian_filter(images, (0, width, width))


def _shift(images: np.ndarray, strength: float, _: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import shift

    moved = strength * images.shape[1] / 4
    return shift(images, (0, 0, moved), order=1)


def _contrast(images: np.ndarray, strength: float, _: np.random.Generator) -> np.ndarray:
    return 0.5 + (images - 0.5) * (1 - 0.9 * strength)


def _occlusion(images: np.ndarray, strength: float, generator: np.random.Generator) -> np.ndarray:
    changed, side = images.copy(), images.shape[1]
    size = max(1, round(0.6 * strength * side))
    corners = generator.integers(0, side - size + 1, (len(images), 2))
    for image, (top, left) in zip(changed, corners, strict=True):
        image[top : top + size, left : left + size] = 0
    return changed


KINDS = {
    "noise": _noise,
    "speckles": _speckles,
    "blur": _blur,
    "shift": _shift,
    "contrast": _contrast,
    "occlusion": _occlusion,
}


def corrupt(rows: Any, kind: str, severity: int, seed: int) -> np.ndarray:
    """Flat square images `rows` (n, side * side) in 0 to 1 after one corruption, same dtype.

    `kind` is one of `KINDS`, `severity` a whole number from 1 to 5. Same seed, same result. Raises
    `CorruptionError` for anything else. Used first in chapter 24.
    """
    flat = np.asarray(rows)
    side = round(flat.shape[1] ** 0.5) if flat.ndim == 2 else 0
    if side < 4 or side * side != flat.shape[1]:
        raise CorruptionError(
            f"The rows have the shape {flat.shape}; give flat square images, at least 4 by 4 each."
        )
    if kind not in KINDS:
        raise CorruptionError(f"There is no corruption {kind!r}; choose from {', '.join(KINDS)}.")
    if severity not in (1, 2, 3, 4, 5):
        raise CorruptionError(f"The severity is {severity!r}; give a whole number from 1 to 5.")
    generator = np.random.default_rng([seed, list(KINDS).index(kind), severity])
    images = flat.reshape(-1, side, side).astype(np.float64)
    changed = KINDS[kind](images, severity / 5, generator)
    return np.clip(changed, 0, 1).reshape(flat.shape).astype(flat.dtype)


def pictures(name: str, rows: int, test: int, seed: int) -> tuple[np.ndarray, ...]:
    """Pictures of the data set `name`, split anew by `seed`: x, y, x_test, y_test.

    The pictures are flat, float32 (n, pixels), from 0 to 1. Raises `CorruptionError` when the data
    set has fewer than `rows + test` pictures. Used first in chapter 24.
    """
    from helpers.data import load

    split = load(name)
    x = np.concatenate([split.x_train, split.x_test])
    x, y = x.reshape(len(x), -1).astype(np.float32), np.append(split.y_train, split.y_test)
    if rows < 1 or test < 1 or rows + test > len(x):
        raise CorruptionError(f"{name} has {len(x)} pictures; ask for at least one and no more.")
    chosen = np.random.default_rng(seed).permutation(len(x))[: rows + test]
    fit, held = chosen[:rows], chosen[rows:]
    return x[fit], y[fit], x[held], y[held]
