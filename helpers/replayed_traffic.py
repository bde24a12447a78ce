"""Traffic in simulated time: requests of an hour in a second, through the service's own metrics.

Predictions and scores are those of a real model on real pictures; arrival times, seconds and errors
are drawn. The result are series for `promtool test rules`. Built in view in chapter 29.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.monitoring import (
    BUCKETS,
    MonitoringError,
    Reference,
    ServiceMetrics,
    bucket_quantile,
    psi,
)

SCRAPE = 15.0  # seconds between two readings


@dataclass(frozen=True)
class Fault:
    """What goes wrong from `start` (minutes) on: shares of requests from 0 to 1.

    `slow` take `extra` seconds more, `failed` end in an error, `turned` carry a turned picture.
    """

    name: str
    start: float = 60.0
    slow: float = 0.0
    extra: float = 2.0
    failed: float = 0.0
    turned: float = 0.0


@dataclass(frozen=True)
class Predictions:
    """Scores of inputs and correctness (n,) of a model: pictures as they should be, and turned."""

    score: np.ndarray
    right: np.ndarray
    turned_score: np.ndarray
    turned_right: np.ndarray


@dataclass(frozen=True)
class Replay:
    """The readings of one replay: `series` maps a series' name to its values (readings,)."""

    fault: Fault
    series: dict[str, np.ndarray]
    requests: int

    def window(self, prefix: str, minute: float, length: float) -> dict[str, float]:
        """Increase of each series that begins with `prefix` over `length` minutes to `minute`."""
        end = round(minute * 60 / SCRAPE)
        begin = max(0, end - round(length * 60 / SCRAPE))
        return {
            name: values[end] - values[begin]
            for name, values in self.series.items()
            if name.startswith(prefix)
        }

    def error_ratio(self, minute: float, length: float) -> float:
        """Share of requests that failed in the `length` minutes to `minute`."""
        found = self.window("model_requests_total", minute, length)
        return found['model_requests_total{outcome="error"}'] / sum(found.values())

    def quantile(self, q: float, minute: float, length: float) -> float:
        """Seconds within which a share `q` of those requests was answered."""
        reached = list(self.window("model_request_seconds_bucket", minute, length).values())
        return bucket_quantile(q, np.array([*BUCKETS, np.inf]), np.diff([0, *reached]))

    def input_psi(self, released: Reference, minute: float, length: float) -> float:
        """Population stability index of the inputs in that window against `released`."""
        counts = self.window("model_input_total", minute, length)
        return psi(released.shares, np.array(list(counts.values())))


def replay(
    rng: np.random.Generator,
    predictions: Predictions,
    released: Reference,
    fault: Fault,
    minutes: int = 90,
    rate: float = 10.0,
    usual_failed: float = 2e-4,
    label_share: float = 0.1,
    label_wait: float = 10.0,
) -> Replay:
    """The `Replay` of `minutes` of traffic at `rate` requests a second with `fault`.

    Arrivals are Poisson with a rate that swings by a fifth over an hour; seconds are log-normal
    with median 0.08 and spread 0.5. A label comes in for `label_share` of the requests,
    `label_wait` minutes later. Raises `MonitoringError` for a share outside 0..1.
    """
    shares = (fault.slow, fault.failed, fault.turned, usual_failed, label_share)
    if not all(0 <= share <= 1 for share in shares) or minutes < 1 or rate <= 0:
        raise MonitoringError(
            f"The shares are {shares}, minutes {minutes}, rate {rate}; give shares from 0 to 1, at "
            "least one minute and a positive rate."
        )
    metrics = ServiceMetrics(released)
    steps, total = round(minutes * 60 / SCRAPE), 0
    waiting = np.zeros((2, steps + round(label_wait * 60 / SCRAPE) + 1), int)
    readings: dict[str, list[float]] = {name: [value] for name, value in metrics.values().items()}
    for step in range(steps):
        minute = step * SCRAPE / 60
        wrong = minute >= fault.start
        swing = 1 + 0.2 * np.sin(2 * np.pi * minute / 60)
        count = int(rng.poisson(rate * SCRAPE * swing))
        total += count
        rows = rng.integers(0, len(predictions.right), count)
        is_turned = rng.random(count) < (fault.turned if wrong else 0)
        score, right = (
            np.where(is_turned, turned[rows], straight[rows])
            for straight, turned in (
                (predictions.score, predictions.turned_score),
                (predictions.right, predictions.turned_right),
            )
        )
        seconds = rng.lognormal(np.log(0.08), 0.5, count)
        seconds += fault.extra * (rng.random(count) < (fault.slow if wrong else 0))
        failed = rng.random(count) < max(usual_failed, fault.failed if wrong else 0)
        labelled = (rng.random(count) < label_share) & ~failed
        due = step + round(label_wait * 60 / SCRAPE)
        waiting[:, due] = (labelled & right).sum(), (labelled & ~right).sum()
        for value, bad, sure in zip(seconds.tolist(), failed.tolist(), score.tolist(), strict=True):
            metrics.answered(value, "error" if bad else "ok", None if bad else sure)
        metrics.labelled(True, int(waiting[0, step]))
        metrics.labelled(False, int(waiting[1, step]))
        for name, value in metrics.values().items():
            readings[name].append(value)
    return Replay(fault, {name: np.array(kept) for name, kept in readings.items()}, total)
