"""May the candidate replace the champion? A paired test of non-inferiority, with its error rates.

Both models answer the same evaluation rows. Only rows on which exactly one of them is right tell
them apart. Built in view in chapter 28.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class GateError(ValueError):
    """A decision that cannot be made from what was given; one sentence."""


@dataclass(frozen=True)
class Verdict:
    """What the gate decided and from what; rates are shares of 1.

    `only_champion` and `only_candidate` are the rows on which exactly that model is right,
    `difference` is candidate minus champion, `p_value` belongs to "worse by `margin` or more",
    and `worse` says that the candidate is significantly worse than the champion.
    """

    promoted: bool
    worse: bool
    rows: int
    only_champion: int
    only_candidate: int
    p_value: float
    margin: float
    alpha: float

    @property
    def difference(self) -> float:
        """Accuracy of the candidate minus accuracy of the champion."""
        return (self.only_candidate - self.only_champion) / self.rows

    @property
    def reason(self) -> str:
        """One sentence for the log."""
        if self.promoted:
            return "not worse than the champion by the margin"
        if self.worse:
            return "significantly worse than the champion"
        return "not shown to be within the margin; evaluate on more rows"


def _checked(margin: float, alpha: float) -> None:
    if not 0 <= margin < 1:
        raise GateError(f"The margin is {margin!r}; give a share from 0 to below 1.")
    if not 0 < alpha < 0.5:
        raise GateError(f"The level alpha is {alpha!r}; give a number between 0 and 0.5.")


def _least_share(loss: Any, gain: Any, rows: float, margin: float) -> Any:
    """The most likely share "only the candidate is right" if the difference is minus the margin."""
    linear = -loss - gain + (2 * rows - loss + gain) * margin
    constant = -gain * margin * (1 - margin)
    return (np.sqrt(linear**2 - 8 * rows * constant) - linear) / (4 * rows)


def noninferiority(only_champion: Any, only_candidate: Any, rows: int, margin: float) -> Any:
    """The p-value(s) of "the candidate is worse by `margin` or more", by a paired score test.

    Counts may be arrays of one shape. `margin` 0 asks for superiority, and the squared statistic
    is then McNemar's. Source: Tango 1998,
    https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B
    """
    from scipy.special import ndtr

    _checked(margin, 0.05)
    loss, gain = np.asarray(only_champion, float), np.asarray(only_candidate, float)
    if rows < 1 or (loss < 0).any() or (gain < 0).any() or (loss + gain > rows).any():
        raise GateError(
            f"Of {rows} rows no such counts can come; give counts from 0 whose sum is at most rows."
        )
    share = _least_share(loss, gain, rows, margin)
    deviation = np.sqrt(rows * (2 * share + margin * (1 - margin)))
    surplus = gain - loss + rows * margin
    with np.errstate(invalid="ignore", divide="ignore"):
        p_values = np.where(deviation > 0, ndtr(-surplus / deviation), 1.0)
    return float(p_values) if p_values.ndim == 0 else p_values


def shown_worse(only_champion: Any, only_candidate: Any, alpha: float = 0.05) -> Any:
    """True where the candidate is significantly worse: exact one-sided McNemar test, `alpha`."""
    from scipy.special import bdtr

    gain, decided = np.asarray(only_candidate), np.add(only_champion, only_candidate)
    return np.where(decided > 0, bdtr(gain, np.maximum(decided, 1), 0.5), 1.0) <= alpha


def counts(correct_champion: Any, correct_candidate: Any) -> tuple[np.ndarray, np.ndarray]:
    """(only the champion right, only the candidate right), counted along the last axis."""
    first, second = np.asarray(correct_champion), np.asarray(correct_candidate)
    if first.shape != second.shape or not first.size:
        raise GateError(
            f"The shapes are {first.shape} and {second.shape}; give one True or False for each "
            "evaluation row, of both models, in the same order."
        )
    if not (np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all()):
        raise GateError("Give True or False for each row: compare predictions with labels first.")
    first, second = first.astype(bool), second.astype(bool)
    return (first & ~second).sum(axis=-1), (~first & second).sum(axis=-1)


def decide(
    correct_champion: Any, correct_candidate: Any, margin: float, alpha: float = 0.05
) -> Verdict:
    """The `Verdict` on a candidate: promoted when "worse by `margin`" is rejected at `alpha`.

    The arrays, shape (rows,), say for each evaluation row whether that model was right. A model
    that is worse by exactly the margin is promoted with a probability of about `alpha`.
    """
    _checked(margin, alpha)
    loss, gain = (int(count) for count in counts(correct_champion, correct_candidate))
    rows = len(np.asarray(correct_champion))
    p_value = noninferiority(loss, gain, rows, margin)
    worse = bool(shown_worse(loss, gain, alpha))
    return Verdict(p_value <= alpha, worse, rows, loss, gain, p_value, margin, alpha)


def rows_needed(disagreement: float, margin: float, alpha: float = 0.05, power: float = 0.9) -> int:
    """Evaluation rows with which an equally good candidate passes with probability `power`.

    `disagreement` is the share of rows on which exactly one of the two models is right. Normal
    approximation: both deviations, at the margin (as the test takes it) and at no difference.
    """
    from scipy.special import ndtri

    _checked(margin, alpha)
    if not (0 < disagreement <= 1 and margin > 0 and 0.5 <= power < 1):
        raise GateError(
            "Give a disagreement in (0, 1], a margin above 0 and a power from 0.5 to below 1."
        )
    at_margin = 2 * _least_share(disagreement / 2, disagreement / 2, 1, margin)
    at_margin += margin * (1 - margin)
    root = ndtri(1 - alpha) * math.sqrt(at_margin) + ndtri(power) * math.sqrt(disagreement)
    return math.ceil((root / margin) ** 2)


def passing(rule: Callable, rows: int, difference: float, disagreement: float) -> float:
    """The probability that `rule(only_champion, only_candidate)` passes, summed exactly.

    The true accuracies differ by `difference` (candidate minus champion); on the share
    `disagreement` of rows exactly one model is right. Terms below 1e-12 are left out.
    """
    from scipy.special import gammaln, xlogy

    if not (0 < disagreement <= 1 and abs(difference) <= disagreement):
        raise GateError(
            f"Models that disagree on the share {disagreement} of rows cannot differ by "
            f"{difference}."
        )
    spread = 8 * math.sqrt(rows * disagreement) + 8
    low = max(0, int(rows * disagreement - spread))
    decided = np.arange(low, min(rows, int(rows * disagreement + spread)) + 1)[:, None]
    gain = np.arange(decided[-1, 0] + 1)[None, :]
    loss = decided - gain
    shares = (disagreement - difference) / 2, (disagreement + difference) / 2
    inside = loss >= 0
    loss = np.maximum(loss, 0)
    logs = gammaln(rows + 1) - gammaln(rows - decided + 1) - gammaln(loss + 1) - gammaln(gain + 1)
    logs = logs + xlogy(rows - decided, 1 - disagreement)
    logs = logs + xlogy(loss, shares[0]) + xlogy(gain, shares[1])
    weights = np.where(inside, np.exp(logs), 0.0)
    return float((weights * rule(loss, np.minimum(gain, rows - loss))).sum())


def altered(
    rng: np.random.Generator, correct: np.ndarray, difference: float, disagreement: float
) -> np.ndarray:
    """Correctness of candidates that differ from `correct` by `difference` in expectation.

    Right answers are spoiled and wrong ones repaired at random, so that both models disagree on
    the share `disagreement`. Any shape; raises `GateError` if too few answers are wrong for that.
    """
    correct = np.asarray(correct, bool)
    share = float(correct.mean())
    spoil = (disagreement - difference) / 2 / max(share, 1e-12)
    repair = (disagreement + difference) / 2 / max(1 - share, 1e-12)
    if not (0 <= spoil <= 1 and 0 <= repair <= 1):
        raise GateError(
            f"With {share:.3f} of the answers right no candidate can differ by {difference} and "
            f"disagree on {disagreement}; choose a smaller disagreement."
        )
    luck = rng.random(correct.shape)
    return np.where(correct, luck >= spoil, luck < repair)


def chain(
    rng: np.random.Generator,
    correct: np.ndarray,
    steps: int,
    rows: int,
    step_loss: float,
    disagreement: float,
    gate: Callable,
    anchored: bool,
) -> np.ndarray:
    """True accuracy lost after each of `steps` candidates, shape (steps,).

    Each candidate is truly worse than the champion by `step_loss` and meets a fresh evaluation
    set of `rows` rows; `gate(champion, candidate)` says whether it is promoted. `anchored` also
    asks the gate to compare it with the very first champion. `correct` is the population.
    """
    first = champion = np.asarray(correct, bool)
    lost = np.empty(steps)
    for step in range(steps):
        candidate = altered(rng, champion, -step_loss, disagreement)
        drawn = rng.integers(0, len(first), rows)
        passed = gate(champion[drawn], candidate[drawn])
        if passed and anchored:
            passed = gate(first[drawn], candidate[drawn])
        champion = candidate if passed else champion
        lost[step] = first.mean() - champion.mean()
    return lost


def three_rules(rows: int, margin: float, alpha: float) -> dict[str, Callable]:
    """Three rules of (only_champion, only_candidate) for `rows` rows; each says True for passing.

    They are compared in chapter 28: non-inferiority, "score not lower", "not significantly worse".
    """
    return {
        "worse by the margin is rejected": lambda loss, gain: (
            noninferiority(loss, gain, rows, margin) <= alpha
        ),
        "score is not lower": lambda loss, gain: gain >= loss,
        "not significantly worse": lambda loss, gain: ~shown_worse(loss, gain, alpha),
    }
