"""What a model service tells its monitor: counters, a histogram of seconds, bins of a score.

`ServiceMetrics` is the instrument; a live service and a replay of traffic use the same one, so the
same alert rules apply to both. Built in view in chapter 29. Metric and label names follow
https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data" / "monitoring"
RULES = DATA / "alerts.yml"
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds
OUTCOMES = ("ok", "error")


class MonitoringError(ValueError):
    """A measurement, a rule or a tool that cannot be used as asked; one sentence."""


@dataclass(frozen=True)
class Reference:
    """The model as released: inner `edges` (bins - 1,) of a score, `shares` (bins,), accuracy.

    The bins hold the same share of the validation rows each, as far as ties allow.
    """

    edges: np.ndarray
    shares: np.ndarray
    accuracy: float


def reference(score: np.ndarray, right: np.ndarray, bins: int = 10) -> Reference:
    """The `Reference` of a validation set: `score` (n,) of each input, `right` (n,) bool.

    Raises `MonitoringError` for arrays of different length, fewer than 10 rows a bin, or a score
    that is not finite.
    """
    score, right = np.asarray(score, float), np.asarray(right, bool)
    if score.shape != right.shape or score.ndim != 1:
        raise MonitoringError(
            f"The scores have shape {score.shape} and right {right.shape}; give two of (n,)."
        )
    if len(score) < 10 * bins:
        raise MonitoringError(
            f"{len(score)} rows do not fill {bins} bins; give at least {10 * bins}."
        )
    if not np.isfinite(score).all():
        raise MonitoringError("A score is not a finite number; leave such rows out.")
    edges = np.unique(np.quantile(score, np.arange(1, bins) / bins))
    edges = edges[edges > score.min()]  # nothing lies below such an edge
    counts = np.bincount(np.searchsorted(edges, score, side="right"), minlength=len(edges) + 1)
    keep = counts > 0
    if not keep.all():  # an empty bin cannot be compared: merge it into its lower neighbour
        edges = edges[keep[1:]]
        places = np.searchsorted(edges, score, side="right")
        counts = np.bincount(places, minlength=len(edges) + 1)
    return Reference(edges, counts / counts.sum(), float(right.mean()))


def psi(reference_shares: np.ndarray, counts: np.ndarray, least: float = 1e-4) -> float:
    """Population stability index of `counts` (bins,) against `reference_shares` (bins,), in nats.

    `sum((p - q) * ln(p / q))`, the symmetric Kullback-Leibler divergence of Jeffreys; shares below
    `least` count as `least`. Raises `MonitoringError` for different lengths or no counts.
    """
    q, counts = np.asarray(reference_shares, float), np.asarray(counts, float)
    if q.shape != counts.shape or counts.sum() <= 0:
        raise MonitoringError(
            f"{counts.shape} counts with sum {counts.sum():g} against shares {q.shape}; give as "
            "many counts as shares, not all zero."
        )
    p = np.maximum(counts / counts.sum(), least)
    return float(np.sum((p - q) * np.log(p / q)))


def bucket_quantile(q: float, bounds: np.ndarray, counts: np.ndarray) -> float:
    """The `q` quantile of a histogram: `counts` (n,) per bucket, upper `bounds` (n,), last inf.

    Linear inside a bucket, from 0 in the first; a quantile in the last bucket is that bucket's
    lower bound, as `histogram_quantile` of Prometheus does. NaN without counts. Raises
    `MonitoringError` for q outside 0..1 or bounds that do not end in infinity.
    """
    bounds, counts = np.asarray(bounds, float), np.asarray(counts, float)
    if not 0 <= q <= 1 or bounds.shape != counts.shape or not np.isinf(bounds[-1]):
        raise MonitoringError(
            f"q is {q}, bounds {bounds.shape}, counts {counts.shape}; give q from 0 to 1 and one "
            "count for each upper bound, the last one infinite."
        )
    total = np.cumsum(counts)
    if total[-1] == 0:
        return float("nan")
    place = int(np.searchsorted(total, q * total[-1]))
    if place == len(bounds) - 1:
        return float(bounds[-2])
    low = bounds[place - 1] if place else 0.0
    before = total[place - 1] if place else 0.0
    inside = (q * total[-1] - before) / counts[place] if counts[place] else 0.0
    return float(low + (bounds[place] - low) * inside)


class ServiceMetrics:
    """Counters, histogram and gauges of one service in a `registry` of their own.

    Labels come from closed lists only: an outcome, a bin's number. What a caller writes can never
    become a label, so labels hold no personal data and their number is bounded.
    """

    def __init__(self, released: Reference) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.released, self.registry = released, CollectorRegistry()
        home = {"registry": self.registry}
        requests = Counter("model_requests", "Requests by outcome.", ["outcome"], **home)
        labels = Counter("model_labels", "True labels that came in.", ["outcome"], **home)
        bins = Counter("model_input", "Inputs by bin of their score.", ["bin"], **home)
        shares = Gauge("model_input_reference", "Share at release.", ["bin"], **home)
        accuracy = Gauge("model_accuracy_reference", "Accuracy at release.", **home)
        self._seconds = Histogram(
            "model_request_seconds", "Time to answer, in seconds.", buckets=BUCKETS, **home
        )
        self._requests = {name: requests.labels(name) for name in OUTCOMES}
        self._labels = {name: labels.labels(name) for name in ("right", "wrong")}
        self._bins = [bins.labels(str(place)) for place in range(len(released.shares))]
        for place, share in enumerate(released.shares):
            shares.labels(str(place)).set(share)
        accuracy.set(released.accuracy)

    def answered(self, seconds: float, outcome: str = "ok", score: float | None = None):
        """Counts one request; `score` only where a prediction was made.

        Raises `MonitoringError` for an outcome that is not in `OUTCOMES`.
        """
        if outcome not in self._requests:
            raise MonitoringError(
                f"The outcome is not one of {', '.join(OUTCOMES)}: a label takes no other value."
            )
        self._requests[outcome].inc()
        self._seconds.observe(seconds)
        if score is not None:
            place = int(np.searchsorted(self.released.edges, score, side="right"))
            self._bins[place].inc()

    def labelled(self, right: bool, count: int = 1) -> None:
        """Counts `count` true labels that came in for predictions made earlier."""
        self._labels["right" if right else "wrong"].inc(count)

    def text(self) -> str:
        """The registry in Prometheus's text format, as `/metrics` serves it."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry).decode("utf-8")

    def values(self) -> dict[str, float]:
        """Value of every series by its name with labels; creation times are left out."""
        found = {}
        for family in self.registry.collect():
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    inner = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
                    found[f"{sample.name}{{{inner}}}" if inner else sample.name] = sample.value
        return found
