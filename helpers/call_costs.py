"""What a call of a model costs: throughput against batch size, a fixed price and one per example.

`many_ways` gives one model in three runtimes, each as a function from a batch to logits.

Built in view in chapter 21.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.latency import latency

if TYPE_CHECKING:
    import keras


class CallCostError(ValueError):
    """Measurements that cannot be made or read as asked; one sentence."""


@dataclass(frozen=True)
class CallCost:
    """A call with b examples takes `fixed_us` + b x `each_us` microseconds."""

    fixed_us: float
    each_us: float

    @property
    def fixed_share(self) -> float:
        """Share of a call with one example that is the fixed price."""
        return self.fixed_us / (self.fixed_us + self.each_us)

    def microseconds(self, batch: int) -> float:
        """Predicted time of a call with `batch` examples."""
        return self.fixed_us + batch * self.each_us

    def gain(self, batch: int) -> float:
        """Predicted throughput with this batch size over that with one example a call."""
        return batch * self.microseconds(1) / self.microseconds(batch)


def many_ways(
    model: keras.Model, folder: str | Path, calibration: np.ndarray, threads: Sequence[int] = (1, 2)
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """`model` as functions from float32 (n, ...) to outputs (n, ...), by name.

    "Keras eager" and "Keras graph"; for each of `threads` "LiteRT float, n", "LiteRT int8, n" and
    "ONNX Runtime, n", from files that are written to `folder`. `calibration` are examples that fix
    the ranges of the int8 activations. Raises `RuntimeModelError` as the exports do (chapter 19).
    """
    from keras import ops

    from helpers.generation import compiled
    from helpers.runtimes import LiteRTModel, OnnxModel, export_litert, export_onnx

    folder = Path(folder)
    lite = export_litert(model, folder / "float.tflite")
    small = export_litert(model, folder / "int8.tflite", "int8", calibration)
    onnx = export_onnx(model, folder / "model.onnx")
    graph = compiled(lambda batch: model(batch, training=False), model, jit_compile=False)
    ways = {
        "Keras eager": lambda batch: ops.convert_to_numpy(model(batch, training=False)),
        "Keras graph": lambda batch: ops.convert_to_numpy(graph(ops.convert_to_tensor(batch))),
    }
    for count in threads:
        ways[f"LiteRT float, {count}"] = LiteRTModel(lite, count).predict
        ways[f"LiteRT int8, {count}"] = LiteRTModel(small, count).predict
        ways[f"ONNX Runtime, {count}"] = OnnxModel(onnx, count).predict
    return ways


def throughput(
    ways: Mapping[str, Callable[[np.ndarray], Any]],
    x: np.ndarray,
    batches: Sequence[int],
    repeats: int = 100,
) -> dict[str, list[float]]:
    """Examples per second of each way, one number for each batch size, from the median call.

    ways     name -> function of a batch (n, ...) that returns when the result is there
    x        examples, at least as many as the largest batch
    repeats  calls timed for each way and batch size; the ways take turns, batch by batch

    Raises `CallCostError` for batch sizes that are not whole numbers from 1 to len(x).
    """
    for size in batches:
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= len(x):
            raise CallCostError(
                f"The batch size {size!r} cannot be timed with {len(x)} examples; give whole "
                f"numbers from 1 to {len(x)}."
            )
    found: dict[str, list[float]] = {name: [] for name in ways}
    for size in batches:
        for name, way in ways.items():
            spent = latency(lambda way=way, size=size: way(x[:size]), repeats, 3)
            found[name].append(size / spent.p50_ms * 1e3)
    return found


def call_cost(batches: Sequence[int], rates: Sequence[float]) -> CallCost:
    """The `CallCost` that goes through measured `rates` (examples per second) at `batches`.

    The price for each example comes from the two largest batches, where it rules; what is left of
    the smallest batch's time is the fixed price. Raises `CallCostError` for fewer than three sizes,
    sizes that do not ascend, or rates that are not above 0.
    """
    sizes, measured = np.asarray(batches, float), np.asarray(rates, float)
    if sizes.ndim != 1 or len(sizes) < 3 or sizes.shape != measured.shape:
        raise CallCostError(
            f"There are {sizes.size} batch sizes and {measured.size} rates; give one rate for each "
            "of at least three sizes."
        )
    if not (np.diff(sizes) > 0).all() or not (measured > 0).all():
        raise CallCostError("Batch sizes must ascend and rates must be above 0.")
    times = 1e6 * sizes / measured
    each = max(float((times[-1] - times[-2]) / (sizes[-1] - sizes[-2])), 1e-3)
    return CallCost(max(float(times[0] - sizes[0] * each), 0.0), each)


def batching_gain(
    serve: Callable[[str, np.ndarray, int], tuple[Any, float]],
    ways: Sequence[str],
    max_size: int,
    requests: int,
    rounds: int = 1,
) -> list[dict[str, Any]]:
    """For each way, how many requests a second it serves one by one and in batches.

    serve     (way, arrivals, largest batch) -> (`LoadResult`, requests in a call)
    requests  all of them are due at once, so that the throughput is the capacity

    Rows with `way`, `one_by_one`, `batched`, `gain` and `per_call` (requests in a call when
    batched); the best of `rounds`, in which the ways and both sides take turns: other work on the
    machine only ever lowers a capacity.
    """
    due = np.zeros(requests)
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for way in ways:
            for size in (1, max_size):
                result, per_call = serve(way, due, size)
                found.setdefault((way, size), []).append((result.throughput, per_call))
    rows = []
    for way in ways:
        (alone, _), (batched, per_call) = (max(found[way, size]) for size in (1, max_size))
        row = {"way": way, "one_by_one": float(alone), "batched": float(batched)}
        rows.append(row | {"gain": float(batched / alone), "per_call": float(per_call)})
    return rows


def keras_throughput(path: str, threads: int, batches: Sequence[int], repeats: int = 100) -> list:
    """Examples per second of the Keras model at `path` as a graph, for each batch size.

    For `helpers.own_process.in_own_process`: TensorFlow fixes its number of threads when it
    starts, so every number needs a process of its own.
    """
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    import keras

    from helpers.latency import latency

    model = keras.saving.load_model(path)
    shape = (None, *model.input_shape[1:])
    signature = [tf.TensorSpec(shape, tf.float32)]
    run = tf.function(lambda batch: model(batch, training=False), input_signature=signature)
    found = []
    for size in batches:
        x = np.zeros((size, *shape[1:]), np.float32)
        spent = latency(lambda x=x: run(x).numpy(), repeats, 5)
        found.append(size / spent.p50_ms * 1e3)
    return found


def draw_throughput(
    axes: Any, batches: Sequence[int], rates: Mapping[str, Sequence[float]]
) -> None:
    """Adds a line for each entry of `rates` (examples per second) to axes with two log scales."""
    for name, points in rates.items():
        axes.loglog(batches, points, marker="o", markersize=3, label=name)
    axes.set(xlabel="batch size", ylabel="predictions per second", title="Throughput")
    axes.legend(fontsize=7, ncol=2)
