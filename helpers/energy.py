"""Energy, carbon and price of a run, each in its own unit; codecarbon's estimate, offline.

Built in view in chapter 15.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.training_memory import CostError


@dataclass(frozen=True)
class Bill:
    """What a run costs: `kwh` of energy, `money` in `currency`, `kg` of CO2 equivalent."""

    kwh: float
    money: float
    currency: str
    kg: float


@dataclass(frozen=True)
class Tracked:
    """codecarbon's answer for one run.

    value    what the function returned
    seconds  wall time it saw
    kwh, kg  energy and CO2 equivalent, `country` (ISO code) deciding the second
    measured True where the processor's energy counter (RAPL) can be read; else an estimate from
             power ratings and load
    """

    value: Any
    seconds: float
    kwh: float
    kg: float
    country: str
    measured: bool


def bill(watts: float, hours: float, price: float, currency: str, intensity: float, pue=1.0):
    """`Bill` of `watts` drawn for `hours`.

    price      money for one kWh, in `currency`
    intensity  kg of CO2 equivalent for one kWh
    pue        power usage effectiveness: energy of the whole hall by that of the machines, 1 or
               more

    Raises `CostError` for a negative number, for a PUE below 1, and where kWh stand for watts: a
    run of one machine above 100 kW is taken for such a mistake.
    """
    if min(watts, hours, price, intensity) < 0 or pue < 1:
        raise CostError(
            "Power, time, price and intensity must not be negative, the PUE not below 1."
        )
    if watts > 100_000:
        raise CostError(
            f"{watts} W is more than any one machine draws: give the power in watts, not in kWh."
        )
    kwh = watts / 1000 * hours * pue
    return Bill(kwh, kwh * price, currency, kwh * intensity)


def has_rapl() -> bool:
    """True where Linux lets this user read the processor's energy counter (RAPL)."""
    return any(os.access(path, os.R_OK) for path in Path("/sys/class/powercap").glob("*/energy_uj"))


def grid_intensities(*countries: str) -> dict[str, float]:
    """kg of CO2 equivalent for one kWh by country (ISO code), from codecarbon's table.

    Yearly means of the whole grid. Raises `CostError` for a code that is not in it.
    """
    from codecarbon.input import DataSource

    table = DataSource().get_global_energy_mix_data()
    missing = [code for code in countries if code not in table]
    if missing:
        raise CostError(f"There is no country '{missing[0]}': give codes of three capital letters.")
    return {code: table[code]["carbon_intensity"] / 1000 for code in countries}


def tracked(function: Callable, country: str = "FRA") -> Tracked:
    """`Tracked` energy of `function()`, from codecarbon without a network and without a file.

    The whole machine is tracked. Raises `CostError` for an unknown country.
    """
    import logging

    grid_intensities(country)
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").disabled = True
    tracker = OfflineEmissionsTracker(
        country_iso_code=country,
        tracking_mode="machine",
        save_to_file=False,
        log_level="critical",
        measure_power_secs=1,
        allow_multiple_runs=True,
    )
    tracker.start()
    try:
        value = function()
    finally:
        tracker.stop()
    data = tracker.final_emissions_data
    return Tracked(value, data.duration, data.energy_consumed, data.emissions, country, has_rapl())
