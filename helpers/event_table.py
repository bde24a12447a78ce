"""A generated day of requests to a model service, written to Parquet piece by piece.

Built for chapter 07.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

REGIONS = ("asia-east", "europe-west", "us-central", "us-east")
MODELS = ("large", "medium", "small")
CUSTOMERS, TIMEOUT = 20_000, 60_000
DAY = 86_400_000  # milliseconds; the table is one day long, whatever its rows
_START = 1_767_571_200_000  # 2026-01-05 00:00 UTC in milliseconds


class LargeDataError(ValueError):
    """A table, a file or a function that the experiment cannot use; one sentence."""


def usage_events(first: int, rows: int, total: int, seed: int) -> Any:
    """Rows `first` to `first + rows` of a generated day of requests, as a pyarrow table.

    The whole table has `total` rows, in the order of `time`. Customers follow Zipf's law with the
    exponent 1.2, customer 1 is the largest; `request` is random and cannot be compressed below
    eight bytes. The same four numbers give the same rows.
    """
    import numpy as np
    import pyarrow as pa

    generator = np.random.default_rng([seed, first])
    ends = [_START + DAY * row // total for row in (first, first + rows)]
    weights = np.arange(1, CUSTOMERS + 1) ** -1.2
    customer = np.searchsorted(np.cumsum(weights) / weights.sum(), generator.random(rows)) + 1
    region = generator.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1]).astype(np.int32)
    model = generator.choice(3, rows, p=[0.1, 0.3, 0.6]).astype(np.int32)
    prompt = np.clip(generator.lognormal(5, 1, rows), 1, 32_000)
    output = np.clip(generator.lognormal(4.6, 0.8, rows), 1, 4_096)
    pace = np.array([30, 12, 4])[model] * generator.lognormal(0, 0.2, rows)
    latency = np.minimum(80 + 0.03 * prompt + output * pace, TIMEOUT)
    status = generator.choice(np.array([200, 429, 500]), rows, p=[0.96, 0.03, 0.01])
    chance = 1 / (1 + np.exp(1.2 * np.log(latency / 1000) + 0.8 * (model - 1)))
    text = {"region": (region, REGIONS), "model": (model, MODELS)}
    columns = {
        "time": pa.array(np.sort(generator.integers(*ends, rows)), pa.timestamp("ms")),
        "customer": np.minimum(customer, CUSTOMERS).astype(np.int32),
        **{
            name: pa.DictionaryArray.from_arrays(codes, list(words)).cast(pa.string())
            for name, (codes, words) in text.items()
        },
        "prompt_tokens": prompt.astype(np.int32),
        "output_tokens": output.astype(np.int32),
        "latency_ms": latency.astype(np.int32),
        "status": status.astype(np.int16),
        "liked": (generator.random(rows) < chance).astype(np.int8),
        "request": np.char.mod("%016x", np.frombuffer(generator.bytes(8 * rows), np.uint64)),
    }
    return pa.table(columns)


def write_events(path: Path | str, rows: int, group: int, seed: int = 0) -> Path:
    """The Parquet file (zstd) of `rows` events in row groups of `group` rows, written piecewise.

    At no time is more than one row group in memory. The file appears under its name only when it
    is whole. Raises `LargeDataError` for sizes that do not fit.
    """
    import pyarrow.parquet as pq

    if group < 1 or rows < group or rows % group:
        raise LargeDataError(
            f"{rows} rows do not split into row groups of {group}: give a positive group size and "
            "a multiple of it as the number of rows."
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, writer = path.with_name(path.name + ".part"), None
    try:
        for first in range(0, rows, group):
            table = usage_events(first, group, rows, seed)
            if writer is None:
                writer = pq.ParquetWriter(partial, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=group)
    finally:
        if writer is not None:
            writer.close()
    os.replace(partial, path)
    return path


def features(batch: Any) -> tuple[Any, Any]:
    """(x, y) of a pyarrow batch or table of events: float64 x (n, 5) and int8 y (n,), `liked`.

    x holds the logarithms of prompt tokens, output tokens and latency, moved near zero by the fixed
    number 6, and whether the large or the medium model answered.
    """
    import numpy as np

    def column(name: str) -> Any:
        if name not in batch.schema.names:
            raise LargeDataError(
                f"The batch has no column '{name}': read it with the columns of the event table."
            )
        return np.asarray(batch[name])

    logs = [np.log1p(column(name)) - 6 for name in ("prompt_tokens", "output_tokens", "latency_ms")]
    kinds = [column("model") == name for name in ("large", "medium")]
    return np.stack([*logs, *kinds], axis=1), column("liked")


def late_arrivals(times: Any, seed: int, every: int) -> list[Any]:
    """Event times as they arrive, int64 milliseconds: an array for each batch.

    `times` (n,) is a column of timestamps or an array of them. Every event is delayed by 20 seconds
    on average (exponential), and one in a hundred by up to three hours more. A batch holds what
    arrives within `every` milliseconds; none is empty. Raises `LargeDataError` without events.
    """
    import numpy as np

    if len(times) == 0 or every < 1:
        raise LargeDataError(
            "There is no stream to make: give at least one event time and a positive length of a "
            "batch in milliseconds."
        )
    generator = np.random.default_rng([seed, 1])
    far = (generator.random(len(times)) < 0.01) * generator.uniform(0, DAY / 8, len(times))
    times = np.asarray(times).astype("datetime64[ms]").astype(np.int64)
    arrival = times + (generator.exponential(20_000, len(times)) + far).astype(np.int64)
    order = np.argsort(arrival, kind="stable")
    slots = arrival[order] // every
    return np.split(times[order], np.flatnonzero(np.diff(slots)) + 1)
