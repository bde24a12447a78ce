"""A/B tests: how many visitors, what peeking costs, and tests that allow it.

Two arms of equal size, a yes-or-no outcome (a visitor buys or not), two-sided tests.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

KINDS = ("obrien_fleming", "pocock")


class ExperimentError(ValueError):
    """An experiment that cannot be planned or evaluated; one sentence."""


def _share(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ExperimentError(f"'{name}' is {value!r}; give a share above 0 and below 1.")
    return float(value)


def _count(value: int, name: str, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ExperimentError(f"'{name}' is {value!r}; give a whole number of at least {least}.")
    return int(value)


def sample_size(base: float, lift: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Visitors needed in each arm to see `base` change to `base + lift` with the given `power`.

    All arguments are shares (`lift` may be negative), the test is the two-sided z test of two
    proportions with pooled variance. Raises `ExperimentError` for shares outside (0, 1) and for
    no lift. Source: Fleiss, Levin and Paik 2003, chapter 4, without continuity correction.
    Built in view in chapter 30.
    """
    from scipy.stats import norm

    base, changed = _share(base, "base"), _share(base + lift, "base + lift")
    if lift == 0:
        raise ExperimentError("The lift is 0: no sample is large enough to see no change.")
    middle = (base + changed) / 2
    null = norm.isf(_share(alpha, "alpha") / 2) * math.sqrt(2 * middle * (1 - middle))
    real = norm.ppf(_share(power, "power")) * math.sqrt(base * (1 - base) + changed * (1 - changed))
    return math.ceil(((null + real) / lift) ** 2)


def z_values(
    base: float, lift: float, per_arm: int, looks: int, repeats: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Simulated tests: z values and standard errors at each look, both of shape (repeats, looks).

    Each repeat is an experiment with `per_arm` visitors in each arm, evaluated `looks` times at
    equal distances; visitors buy with the share `base`, in the second arm with `base + lift`. The
    z value pools the variance; before the first sale it is 0. Raises `ExperimentError` when an
    arm is smaller than the number of looks. Built in view in chapter 30.
    """
    base, changed = _share(base, "base"), _share(base + lift, "base + lift")
    looks, repeats = _count(looks, "looks"), _count(repeats, "repeats")
    per_arm = _count(per_arm, "per_arm", looks)
    seen = np.linspace(0, per_arm, looks + 1).round().astype(np.int64)[1:]
    new = np.diff(seen, prepend=0)
    draw = np.random.default_rng(seed)
    bought = [draw.binomial(new, p, (repeats, looks)).cumsum(axis=1) for p in (base, changed)]
    pooled = (bought[0] + bought[1]) / (2 * seen)
    error = np.sqrt(2 * pooled * (1 - pooled) / seen)
    difference = (bought[1] - bought[0]) / seen
    z = np.divide(difference, error, out=np.zeros_like(difference), where=error > 0)
    return z, error


def spent(share: Any, alpha: float = 0.05, kind: str = "obrien_fleming") -> np.ndarray:
    """The false-positive rate that may be used up when `share` of the visitors has been seen.

    `kind` is `obrien_fleming` (little at the beginning) or `pocock` (evenly). Source: Lan and
    DeMets 1983, doi:10.1093/biomet/70.3.659. Raises `ExperimentError` for another kind.
    """
    from scipy.stats import norm

    alpha, share = _share(alpha, "alpha"), np.asarray(share, dtype=float)
    if kind not in KINDS:
        raise ExperimentError(f"There is no spending function '{kind}'; use one of {KINDS}.")
    if (share <= 0).any() or (share > 1).any():
        raise ExperimentError("A share of the visitors must be above 0 and at most 1.")
    if kind == "pocock":
        return alpha * np.log1p((math.e - 1) * share)
    return 4 * norm.sf(norm.isf(alpha / 4) / np.sqrt(share))


def _nodes(limit: float) -> tuple[np.ndarray, np.ndarray]:
    points, weights = np.polynomial.legendre.leggauss(160)
    return limit * points, limit * weights


def _steps(limits: Any):
    """Yields, look by look, the function c -> P(not stopped before, |sum of steps| > c)."""
    from scipy.stats import norm

    points, mass = np.zeros(1), np.ones(1)
    for _ in range(len(limits)):

        def beyond(c: float, points=points, mass=mass) -> float:
            return float(mass @ (norm.sf(c - points) + norm.sf(c + points)))

        limit = yield beyond
        fresh, weights = _nodes(limit)
        mass = weights * (norm.pdf(fresh[:, None] - points[None, :]) @ mass)
        points = fresh


def crossing(bounds: Any) -> np.ndarray:
    """P(a z value first leaves its bound at look k) without any effect, for each look k.

    `bounds` are the bounds of |z| at equally spaced looks, shape (looks,). Numerical integration
    over the path of the sums (Armitage, McPherson and Rowe 1969, doi:10.2307/2343787).
    """
    bounds = np.asarray(bounds, dtype=float)
    if bounds.ndim != 1 or not len(bounds) or not (bounds > 0).all():
        raise ExperimentError("Give one positive bound for each look.")
    limits = bounds * np.sqrt(np.arange(1, len(bounds) + 1))
    steps, found = _steps(limits), []
    beyond = next(steps)
    for limit in limits:
        found.append(beyond(limit))
        beyond = steps.send(limit) if len(found) < len(limits) else None
    return np.array(found)


def group_bounds(looks: int, alpha: float = 0.05, kind: str = "obrien_fleming") -> np.ndarray:
    """Bounds of |z| at equally spaced looks that keep `alpha` over all looks; shape (looks,).

    Each look may use up what `spent` grants it. Raises `ExperimentError` for no look or an unknown
    kind. Source: Lan and DeMets 1983. Built in view in chapter 30.
    """
    from scipy.optimize import brentq

    looks = _count(looks, "looks")
    shares = np.diff(spent(np.arange(1, looks + 1) / looks, alpha, kind), prepend=0.0)
    steps, bounds = _steps(shares), []
    beyond = next(steps)
    for k, share in enumerate(shares, start=1):
        limit = brentq(lambda c, f=beyond, s=share: f(c) - s, 0, 9 * math.sqrt(k), xtol=1e-10)
        bounds.append(limit / math.sqrt(k))
        beyond = steps.send(limit) if k < looks else None
    return np.array(bounds)


def first_look(z: Any, bounds: Any) -> np.ndarray:
    """Index of the first look at which |z| reaches its bound, the number of looks if never.

    `z` has the shape (repeats, looks); `bounds` is one number or one for each look.
    """
    outside = np.abs(np.asarray(z)) >= bounds
    return np.where(outside.any(axis=1), outside.argmax(axis=1), outside.shape[1])


def mixture_ratio(z: Any, error: Any, tau: float) -> np.ndarray:
    """Evidence for a difference: the likelihood ratio mixed over effects from N(0, tau squared).

    `z` and `error` as from `z_values`; `tau` in the unit of the difference. Rejecting as soon as
    the ratio reaches 1/alpha keeps alpha however often one looks. Source: Johari et al. 2022,
    arXiv:1512.04922 (the mixture sequential probability ratio test). Raises `ExperimentError`
    for a `tau` that is not positive. Built in view in chapter 30.
    """
    if not tau > 0:
        raise ExperimentError(f"'tau' is {tau!r}; give the size of a likely effect, above 0.")
    variance = np.square(error)
    total = variance + tau**2
    # Before the first sale the error is 0 and nothing is known: the ratio is then 1.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(variance / total) * np.exp(np.square(z) * tau**2 / (2 * total))
    return np.where(variance > 0, ratio, 1.0)
