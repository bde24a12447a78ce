"""Training speed: `helpers.training` beside plain `Model.fit` on arrays, in alternation."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers import data, models, training
from helpers.profiles import resolve

BATCH = 128


def run(repeats: int = 3, examples: int = 6000) -> dict[str, Any]:
    """Examples per second, JSON-able: network -> version -> min, median, max over `repeats` epochs.

    Both versions train the same network with the same batch size on the same arrays, one epoch
    each in turn. `speedup` is the median of the paired ratios, `spread` the least and the greatest.
    Data: Fashion-MNIST where it can be had, else the digits (the result says which).
    """
    setup = training.prepare_keras(SimpleNamespace(seed=0, profile=resolve("full")))
    try:
        split = data.load("fashion_mnist").subset(train=examples, seed=0)
    except data.DataError:
        split = data.load("digits")
    x, y = split.x_train, split.y_train
    builders = {
        "convolutional network": models.convolutional_network,
        "dense network": models.dense_network,
    }
    networks = {}
    for name, build in builders.items():
        plain = training.compile_classifier(build(x.shape[1:], 10, seed=0))
        ours = training.compile_classifier(build(x.shape[1:], 10, seed=0), steps_per_execution=10)
        contestants = {
            # The same batch size for both: fit's own default of 32 would flatter the helper.
            "fit on arrays": (plain, (x, y), {"batch_size": BATCH}),
            "helpers.training": (ours, training.make_dataset(x, y, BATCH)),
        }
        seconds = training.alternate_epochs(contestants, repeats)
        first, second = seconds.values()
        ratios = [a / b for a, b in zip(first, second, strict=True)]
        rates = {
            version: _spread([len(y) / value for value in values])
            for version, values in seconds.items()
        }
        networks[name] = {
            "examples_per_second": rates,
            "speedup": training.speedup(first, second),
            "spread": [min(ratios), max(ratios)],
        }
    return {
        "setup": setup,
        "data": split.name,
        "examples": len(y),
        "batch_size": BATCH,
        "repeats": repeats,
        "networks": networks,
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def table(result: dict[str, Any]) -> str:
    """The result as lines of text."""
    lines = [
        f"{result['setup']}; {result['examples']:,} examples of {result['data']}, batch "
        f"{result['batch_size']}, {result['repeats']} repetitions in alternation",
        f"{'network':24}{'version':20}{'min':>10}{'median':>10}{'max':>10}  examples per second",
    ]
    for name, found in result["networks"].items():
        for version, rate in found["examples_per_second"].items():
            numbers = "".join(f"{rate[key]:>10,.0f}" for key in ("min", "median", "max"))
            lines.append(f"{name:24}{version:20}{numbers}")
        low, high = found["spread"]
        numbers = "".join(f"{value:>10.2f}" for value in (low, found["speedup"], high))
        lines.append(f"{'':24}{'times as fast':20}{numbers}")
    return "\n".join(lines)


if __name__ == "__main__":
    measured = run()
    print(json.dumps(measured, indent=1) if "--json" in sys.argv else table(measured))
