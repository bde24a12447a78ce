"""Watermarks and fingerprints: evidence that a model is ours. Built in view in chapter 26.

Trigger set: Adi et al. 2018 (https://arxiv.org/abs/1802.04633). The labels are drawn at random with
a secret, so the number of hits of any model made without it is binomial, and the p-value exact.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Triggers:
    """Secret inputs `x` (n, features) and labels `y` (n,), neither of which is ever shown."""

    x: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    classes: int

    def commitment(self) -> str:
        """SHA-256 of the triggers: published with a date, it proves later that they existed."""
        parts = (np.ascontiguousarray(self.x, "<f4"), np.ascontiguousarray(self.y, "<i8"))
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def make_triggers(count: int, features: int, classes: int, rng: np.random.Generator) -> Triggers:
    """`count` noise inputs in [0, 1], each with a label drawn uniformly from `classes` classes.

    `rng` stands for the owner's secret; outside a course, seed it from `secrets.randbits(128)`.
    """
    if count < 1 or features < 1 or classes < 2:
        raise ValueError("Give at least one trigger, one feature and two classes.")
    x = (rng.random((count, features)) < 0.5).astype(np.float32)
    return Triggers(x, rng.integers(0, classes, count), classes)


def p_value(hits: int, count: int, classes: int) -> float:
    """Probability that a model made without the triggers hits at least `hits` of `count`.

    The upper tail of a binomial distribution with success probability 1 / `classes`.
    """
    from scipy.stats import binom

    if not 0 <= hits <= count or classes < 2:
        raise ValueError(f"{hits} hits of {count} with {classes} classes cannot be.")
    return float(binom.sf(hits - 1, count, 1 / classes))


def verify_owner(predictions: Any, triggers: Triggers, commitment: str) -> float:
    """p-value of a suspect's `predictions` on the triggers; `commitment` is the published one.

    Raises `ValueError` if these triggers are not the ones that were committed to: triggers chosen
    after the fact prove nothing.
    """
    if triggers.commitment() != commitment:
        raise ValueError("These triggers do not fit the published commitment: no evidence.")
    predictions = np.asarray(predictions)
    if predictions.shape != triggers.y.shape:
        raise ValueError(f"Give one class for each of the {len(triggers.y)} triggers.")
    return p_value(int((predictions == triggers.y).sum()), len(triggers.y), triggers.classes)
