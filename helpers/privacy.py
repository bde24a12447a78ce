"""What privacy costs and what it gives: an accountant, an attack, exposure, k-anonymity.

The accountant is the second implementation that chapter 25 holds against dp-accounting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.small_network import PrivacyError

ORDERS = tuple(range(2, 129))


def renyi(rate: float, sigma: float, order: int) -> float:
    """Renyi divergence of one step of the subsampled Gaussian mechanism at a whole `order` >= 2.

    `rate` is the probability with which each row is drawn, `sigma` the noise in units of the
    clipping norm. Mironov, Talwar and Zhang 2019, https://arxiv.org/abs/1908.10530, section 3.3.
    Raises `PrivacyError` for a rate outside (0, 1], no noise, or another order.
    """
    if not 0 < rate <= 1 or not sigma > 0 or order < 2 or order != int(order):
        raise PrivacyError(
            f"Rate {rate}, noise {sigma} and order {order} do not fit: the rate is above 0 and at "
            "most 1, the noise above 0, the order a whole number of 2 or more."
        )
    if rate == 1:
        return order / (2 * sigma**2)
    terms = [
        math.log(math.comb(order, k))
        + k * math.log(rate)
        + (order - k) * math.log1p(-rate)
        + k * (k - 1) / (2 * sigma**2)
        for k in range(order + 1)
    ]
    top = max(terms)
    return (top + math.log(sum(math.exp(term - top) for term in terms))) / (order - 1)


def epsilon_of(rate: float, sigma: float, steps: int, delta: float) -> float:
    """Epsilon at `delta` after `steps` of DP-SGD with Poisson sampling; 0 for no step.

    Renyi divergences add up over the steps and are turned into epsilon at the best order (Canonne,
    Kamath and Steinke 2020, https://arxiv.org/abs/2004.00010, proposition 12). Neighbours differ
    by one row that is added or removed. Built in view in chapter 25.
    """
    if not 0 < delta < 1 or steps < 0:
        raise PrivacyError(f"Delta is {delta} and steps {steps}: 0 < delta < 1, steps 0 or more.")
    if steps == 0:
        return 0.0
    return max(
        0.0,
        min(
            steps * renyi(rate, sigma, a)
            + math.log1p(-1 / a)
            - (math.log(delta) + math.log(a)) / (a - 1)
            for a in ORDERS
        ),
    )


@dataclass(frozen=True)
class Attack:
    """Area under the ROC curve of a membership attack, with a 95 % bootstrap interval."""

    auc: float
    low: float
    high: float


def auc_of(members: np.ndarray, others: np.ndarray) -> float:
    """Probability that a member's score exceeds another row's score; ties count one half."""
    members, others = np.asarray(members, float), np.asarray(others, float)
    if members.size == 0 or others.size == 0:
        raise PrivacyError("The attack needs scores of members and of other rows: one is empty.")
    ranked = np.sort(others)
    below = np.searchsorted(ranked, members, "left") + np.searchsorted(ranked, members, "right")
    return float(below.mean() / (2 * len(others)))


def attack(members: np.ndarray, others: np.ndarray, seed: int = 0, draws: int = 300) -> Attack:
    """The `Attack` that calls a row a member when its loss is small; both arrays hold losses.

    Yeom et al. 2018, https://arxiv.org/abs/1709.01604. Rows of both sides are drawn again `draws`
    times for the interval. Raises `PrivacyError` when a side is empty.
    """
    auc = auc_of(-np.asarray(members), -np.asarray(others))
    draw = np.random.default_rng([seed, 3])
    found = [
        auc_of(-draw.choice(members, len(members)), -draw.choice(others, len(others)))
        for _ in range(draws)
    ]
    low, high = np.quantile(found, [0.025, 0.975])
    return Attack(auc, float(low), float(high))


def exposure(rank: int, candidates: int) -> float:
    """Bits by which a secret's place among all `candidates` tells it from a guess; rank 1 is best.

    Carlini et al. 2019, https://arxiv.org/abs/1802.08232.
    """
    if not 1 <= rank <= candidates:
        raise PrivacyError(f"The rank is {rank} of {candidates}: give one from 1 to the count.")
    return math.log2(candidates) - math.log2(rank)


def group_sizes(rows: Sequence[tuple]) -> np.ndarray:
    """For each row the number of rows that share all its values, itself included, int64 (n,).

    The smallest of them is the k of k-anonymity. Sweeney 2002, doi:10.1142/S0218488502001648.
    """
    from collections import Counter

    rows = [tuple(row) for row in rows]
    if not rows:
        raise PrivacyError("There are no rows: k-anonymity is defined for at least one.")
    counts = Counter(rows)
    return np.array([counts[row] for row in rows])
