"""Error budgets: how fast one is burnt, and how long an alert on the burn rate takes.

The rules for several windows are those of the Site Reliability Workbook, chapter 5
(https://sre.google/workbook/alerting-on-slos/). Built in view in chapter 29.
"""

from __future__ import annotations

from dataclasses import dataclass

PERIOD = 30 * 24 * 60.0  # minutes of the period an objective is kept over


class BurnRateError(ValueError):
    """An objective, ratio or window that makes no sense; one sentence."""


@dataclass(frozen=True)
class BurnAlert:
    """Fires while both windows (minutes) burn the budget at least `threshold` times too fast."""

    threshold: float
    long: float
    short: float

    def fires(self, long_ratio: float, short_ratio: float, objective: float) -> bool:
        """Whether the error ratios of the two windows raise the alert."""
        ratios = (long_ratio, short_ratio)
        return all(burn_rate(ratio, objective) > self.threshold for ratio in ratios)

    def budget_spent(self, period: float = PERIOD) -> float:
        """Share of the period's budget that is gone when the long window reaches the threshold."""
        return self.threshold * self.long / period

    def delay(self, ratio: float, objective: float, usual: float = 0.0) -> float:
        """Minutes from the start of errors at `ratio` to the alert, `usual` being the ratio before.

        Infinite when the alert never fires. The long window decides: it has to fill with errors.
        """
        needed = self.threshold * (1 - _budget_of(objective))
        if ratio <= needed:
            return float("inf")
        waits = (needed - usual) / (ratio - usual)
        return max(0.0, waits) * max(self.long, self.short)


PAGE = BurnAlert(14.4, 60.0, 5.0)
TICKET = BurnAlert(6.0, 360.0, 30.0)


def _budget_of(objective: float) -> float:
    if not 0 < objective < 1:
        raise BurnRateError(f"The objective is {objective}; give a share between 0 and 1.")
    return objective


def burn_rate(ratio: float, objective: float) -> float:
    """How many times faster than allowed the budget goes: `ratio / (1 - objective)`.

    `ratio` is the share of failed requests. Raises `BurnRateError` for a value outside 0..1.
    """
    if not 0 <= ratio <= 1:
        raise BurnRateError(f"The error ratio is {ratio}; give a share from 0 to 1.")
    return ratio / (1 - _budget_of(objective))


def exhausted(ratio: float, objective: float, period: float = PERIOD) -> float:
    """Minutes until a whole budget is gone at this error `ratio`; infinite without errors."""
    rate = burn_rate(ratio, objective)
    return period / rate if rate else float("inf")


def budget(objective: float, period: float = PERIOD) -> float:
    """Minutes of complete failure that the objective allows in a period."""
    return period * (1 - _budget_of(objective))
