"""What one more prediction, one more customer, and one more month cost and bring.

Money is in one currency throughout; the functions do not care which.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class EconomicsError(ValueError):
    """Numbers from which no cost, price or lifetime follows; one sentence."""


def _positive(value: float, name: str) -> float:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise EconomicsError(f"'{name}' is {value!r}; give a number above 0.")
    return float(value)


def _share(value: float, name: str) -> float:
    if _positive(value, name) > 1:
        raise EconomicsError(f"'{name}' is {value!r}; give a share above 0 and at most 1.")
    return float(value)


def ledger_value(ledger: Mapping[str, Any], id: str) -> float:
    """The value recorded under `id` in `ledger` (see `helpers.evidence.committed`).

    Raises `EconomicsError` when the ledger has no such record or it is not a finite number.
    """
    for entry in ledger.get("records", ()):
        if entry["id"] == id:
            value = entry["value"]
            if isinstance(value, int | float) and math.isfinite(value):
                return float(value)
            raise EconomicsError(f"The record '{id}' holds {value!r}, not a finite number.")
    chapter = ledger.get("chapter", "?")
    raise EconomicsError(
        f"The ledger of {chapter} has no record '{id}': run 'course refresh {chapter}' again."
    )


def cost_per_thousand(throughput: float, hourly_price: float, utilization: float = 1.0) -> float:
    """Money for 1,000 predictions on a machine that costs `hourly_price`.

    `throughput` in predictions per second when the machine is busy; `utilization` is the share of
    paid time in which it is. Raises `EconomicsError` for values that are not positive or a
    utilization above 1. Built in view in chapter 30.
    """
    busy = _positive(throughput, "throughput") * 3600 * _share(utilization, "utilization")
    return 1000 * _positive(hourly_price, "hourly_price") / busy


@dataclass(frozen=True)
class Model:
    """A candidate of the frontier: `quality` is a share (higher is better), `cost` is money."""

    name: str
    quality: float
    cost: float


def frontier(models: Sequence[Model]) -> list[Model]:
    """The models that no other one beats in quality and cost, from cheap to dear.

    A model is left out if another is at least as good and at most as dear, and better in one of
    both. Raises `EconomicsError` for an empty list. Built in view in chapter 30.
    """
    if not models:
        raise EconomicsError("There is no model to compare; give at least one.")
    kept: list[Model] = []
    for model in sorted(models, key=lambda m: (m.cost, -m.quality)):
        if not kept or model.quality > kept[-1].quality:
            kept.append(model)
    return kept


def error_price(cheap: Model, dear: Model) -> float:
    """What one wrong answer must cost for the dearer model to pay: money for each error avoided.

    Infinite when the dearer model is not better. Raises `EconomicsError` when `dear` does not
    cost more than `cheap`. Built in view in chapter 30.
    """
    if dear.cost <= cheap.cost:
        raise EconomicsError(f"'{dear.name}' does not cost more than '{cheap.name}'.")
    gain = dear.quality - cheap.quality
    return (dear.cost - cheap.cost) / gain if gain > 0 else math.inf


def ledger_points(ledger: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The points of a frontier that a ledger holds: name, accuracy and bytes, in its order.

    A point is a pair of records `NAME_accuracy` and `NAME_bytes` (an optional `frontier_` before
    the name is dropped); anything else is passed over, so the list may be empty.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in ledger.get("records", ()):
        match = re.fullmatch(r"(?:frontier_)?(.+)_(accuracy|bytes)", entry["id"])
        if match and isinstance(entry["value"], int | float):
            found.setdefault(match[1], {})[match[2]] = float(entry["value"])
    return [
        {"name": name, **values}
        for name, values in found.items()
        if len(values) == 2 and 0 <= values["accuracy"] <= 1 and values["bytes"] > 0
    ]


def compressed_models(cost: float, int8_share: float) -> list[Model]:
    """Candidates from the committed ledgers of chapters 19 and 20, as far as they are there.

    `cost` is what a float32 prediction costs; the int8 model costs `int8_share` of it, any other
    one the share of its bytes. `quality` is accuracy minus the float32 model's. Raises
    `EvidenceError` without the ledger of chapter 19; chapter 20 may be missing.
    """
    from helpers.evidence import EvidenceError, committed

    ledger = committed("19_quantization")
    found = [
        Model("int8", -ledger_value(ledger, "int8_accuracy"), cost * int8_share),
        Model(
            "int8, few units",
            -ledger_value(ledger, "combined_accuracy"),
            cost / ledger_value(ledger, "combined_size"),
        ),
    ]
    try:
        points = ledger_points(committed("20_distillation"))
    except EvidenceError:
        return found
    largest = max(points, key=lambda point: point["bytes"], default=None)
    for point in points:
        if point is not largest:
            share = point["bytes"] / largest["bytes"]
            gain = point["accuracy"] - largest["accuracy"]
            found.append(Model(f"chapter 20: {point['name']}", gain, cost * share))
    return found


def break_even(fixed: float, price: float, variable: float) -> int:
    """Units to sell in a month before `fixed` monthly costs are covered.

    `price` and `variable` are for one unit. Raises `EconomicsError` when the price does not exceed
    the variable cost: then no volume is enough. Built in view in chapter 30.
    """
    if price <= variable:
        raise EconomicsError(
            f"A unit sells for {price:.4g} and costs {variable:.4g}: each sale loses money, and "
            "no volume breaks even; raise the price or lower the variable cost."
        )
    return math.ceil(_positive(fixed, "fixed") / (price - variable))


def lifetime_value(revenue: float, margin: float, churn: float) -> float:
    """Gross profit of a customer until he leaves: `revenue` a month, `margin` and `churn` shares.

    Constant churn gives a geometric lifetime with the mean 1/churn months; no discounting.
    Raises `EconomicsError` for shares outside (0, 1]. Built in view in chapter 30.
    """
    return _positive(revenue, "revenue") * _share(margin, "margin") / _share(churn, "churn")


def payback_months(acquisition: float, revenue: float, margin: float) -> float:
    """Months until a customer's gross profit has paid `acquisition`, if he stays that long."""
    monthly = _positive(revenue, "revenue") * _share(margin, "margin")
    return _positive(acquisition, "acquisition") / monthly
