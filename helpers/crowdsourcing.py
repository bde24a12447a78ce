"""Labels from several people: agreement beyond chance, majority and weighted votes."""

from __future__ import annotations

from typing import Any

import numpy as np


class CrowdError(ValueError):
    """Votes that cannot be counted; one sentence."""


def _pair(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(a), np.asarray(b)
    if first.ndim != 1 or first.shape != second.shape or len(first) == 0:
        raise CrowdError(
            f"The labels have the shapes {first.shape} and {second.shape}; give one label of each "
            "person for each item, at least one item."
        )
    return first, second


def cohen_kappa(a: Any, b: Any) -> float:
    """Cohen's kappa of two people: agreement beyond chance, 1 if perfect and 0 if by chance.

    (observed - expected) / (1 - expected), where the expected agreement is that of two people who
    keep their shares of each label and do not look. Raises `CrowdError` when both gave one and the
    same label to every item, for then there is no chance to beat. Source: Cohen 1960,
    https://doi.org/10.1177/001316446002000104. Built in view in chapter 08.
    """
    first, second = _pair(a, b)
    labels = np.union1d(first, second)
    if len(labels) < 2:
        raise CrowdError(
            f"Both people gave the label {labels[0]!r} to every item; kappa needs two classes."
        )
    observed = np.mean(first == second)
    expected = sum(np.mean(first == label) * np.mean(second == label) for label in labels)
    return float((observed - expected) / (1 - expected))


def simulated_votes(y: Any, skills: Any, classes: int, seed: int) -> np.ndarray:
    """Votes, int64 (items, people): person j is right with the probability skills[j].

    A wrong vote is any other class with equal probability. Raises `CrowdError` without items or
    for a skill outside 0 to 1. Built for chapter 08, whose crowd is simulated and says so.
    """
    truth, chance = np.asarray(y, dtype=np.int64), np.asarray(skills, dtype=np.float64)
    if truth.ndim != 1 or len(truth) == 0 or classes < 2:
        raise CrowdError("Give at least one item of at least two classes.")
    if chance.ndim != 1 or len(chance) == 0 or chance.min() < 0 or chance.max() > 1:
        raise CrowdError("Give one skill between 0 and 1 for each person, at least one person.")
    generator = np.random.default_rng(seed)
    shape = (len(truth), len(chance))
    other = (truth[:, None] + generator.integers(1, classes, shape)) % classes
    return np.where(generator.random(shape) < chance, truth[:, None], other)


def weighted_vote(votes: Any, skills: Any, classes: int) -> np.ndarray:
    """The class with the largest sum of weights for each item, int64 (items,).

    votes   int (items, people), class indices
    skills  (people,) the probability p that a person is right, strictly between 0 and 1

    A vote weighs log(p (classes - 1) / (1 - p)), the log-likelihood ratio when wrong votes are
    spread evenly; equal skills give the majority vote. Ties go to the lower class. Raises
    `CrowdError` for votes or skills that do not fit. Source: Nitzan and Paroush 1982,
    https://doi.org/10.2307/2526438. Built in view in chapter 08.
    """
    table, skill = np.asarray(votes), np.asarray(skills, dtype=np.float64)
    if table.ndim != 2 or len(table) == 0 or skill.shape != table.shape[1:]:
        raise CrowdError(
            f"The votes have the shape {table.shape} and the skills {skill.shape}; give votes of "
            "shape (items, people) and one skill for each person."
        )
    if skill.min() <= 0 or skill.max() >= 1:
        raise CrowdError("A skill of 0 or 1 has no finite weight; clip it, to 0.01 and 0.99 say.")
    if table.min() < 0 or table.max() >= classes:
        raise CrowdError(f"A vote lies outside the classes 0 to {classes - 1}.")
    weight = np.log(skill * (classes - 1) / (1 - skill))
    scores = np.stack([((table == label) * weight).sum(axis=1) for label in range(classes)], axis=1)
    return scores.argmax(axis=1)


def estimated_skills(votes: Any, classes: int, rounds: int = 10) -> np.ndarray:
    """Each person's share of right votes, estimated without any true label; float64 (people,).

    Starts from the majority vote, then alternates between skills and weighted votes. Each skill is
    smoothed by one right and one wrong vote, so its weight is finite. A simple form of Dawid and
    Skene 1979, https://doi.org/10.2307/2346806. Used first in chapter 08.
    """
    table = np.asarray(votes)
    skills = np.full(table.shape[1] if table.ndim == 2 else 0, 0.6)
    for _ in range(rounds):
        consensus = weighted_vote(table, skills, classes)
        skills = ((table == consensus[:, None]).sum(axis=0) + 1) / (len(table) + 2)
    return skills
