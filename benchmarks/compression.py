"""The course's compressed models beside the float model, the converter's defaults and ONNX Runtime.

`run()` measures one trained float model in eight files, in turns, so that noise of the machine hits
all of them alike. Three are this course's: int8; fewer units, then int8; a distilled student, then
int8. `python benchmarks/compression.py` prints a table.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import statistics
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers import data, models, pruning, training
from helpers.compression import distillation_loss
from helpers.evaluation import accuracy, file_size, latency
from helpers.profiles import resolve
from helpers.runtimes import LiteRTModel, OnnxModel, export_litert, export_onnx

BATCHES = (1, 64)


def _converter_default(model: Any, path: Path) -> Path:
    """What `Optimize.DEFAULT` alone gives: the converter's own choice, without calibration."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path.write_bytes(converter.convert())
    return path


def _onnx_static(source: Path, path: Path, calibration: np.ndarray) -> Path:
    from onnxruntime import quantization as ort

    class Reader(ort.CalibrationDataReader):
        def __init__(self, name: str):
            self.batches = iter([{name: calibration[at : at + 50]} for at in range(0, 300, 50)])

        def get_next(self):
            return next(self.batches, None)

    name = OnnxModel(source).session.get_inputs()[0].name
    ort.quantize_static(source, path, Reader(name), per_channel=True)
    return path


def _distilled(student: Any, images: Any, logits: np.ndarray, epochs: int, batch: int) -> Any:
    """`student` after training on the float model's logits, without a label."""
    import keras

    pace = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(logits) // batch))
    student.compile(keras.optimizers.Adam(pace), distillation_loss(4.0), jit_compile=False)
    student.fit(images.x_train, logits, batch, epochs, verbose=0)
    return student


def build(folder: Path, profile: str, seed: int) -> tuple[dict[str, Any], Any]:
    """Row name -> ready runtime with its file, and the data they are measured on."""
    from onnxruntime import quantization as ort

    run = SimpleNamespace(profile=resolve(profile), seed=seed)
    training.prepare_keras(run)
    small = profile == "quick"
    images = data.load("digits" if small else "fashion_mnist")
    model = models.dense_network(images.x_train.shape[1:], 10, (512, 512), seed=seed)
    training.compile_classifier(model)
    pair = (images.x_train, images.y_train)
    training.fit_timed(model, pair, epochs=20 if small else 3, batch_size=64 if small else 128)
    calibration = images.x_train[:300]
    ours = export_litert(model, folder / "int8.tflite", "int8", calibration)
    logits, long = np.asarray(model(images.x_train)), (40, 64) if small else (10, 128)
    units = pruning.prune_units(model, pruning.keep_for_sparsity(model, 0.5))
    student = models.dense_network(images.x_train.shape[1:], 10, (128,), seed=seed)
    smaller = {}
    for name, one in {"units": units, "student": student}.items():
        small_one = _distilled(one, images, logits, *long)
        smaller[name] = export_litert(small_one, folder / f"{name}.tflite", "int8", calibration)
    plain = export_onnx(model, folder / "float.onnx")
    # The tools below speak on all channels; what is measured does not depend on it.
    logging.disable(logging.WARNING)
    with training.quiet_native_output(), contextlib.redirect_stdout(io.StringIO()):
        default = _converter_default(model, folder / "default.tflite")
        dynamic, static = folder / "dynamic.onnx", folder / "static.onnx"
        ort.quantize_dynamic(plain, dynamic, per_channel=True)
        _onnx_static(plain, static, calibration)
    logging.disable(logging.NOTSET)
    files = {
        "float32, LiteRT": export_litert(model, folder / "float.tflite"),
        "int8, this course": ours,
        "half the weights, int8, this course": smaller["units"],
        "distilled student, int8, this course": smaller["student"],
        "int8, converter's default": default,
        "float32, ONNX Runtime": plain,
        "int8 dynamic, ONNX Runtime": dynamic,
        "int8 static, ONNX Runtime": static,
    }
    kinds = {".tflite": LiteRTModel, ".onnx": OnnxModel}
    return {name: (path, kinds[path.suffix](path)) for name, path in files.items()}, images


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def run(repeats: int = 3, profile: str = "full", seed: int = 0) -> dict[str, Any]:
    """Measurements as a JSON-able dict: `rows`, each with accuracy, bytes and latencies.

    Each latency is {median, low, high} in ms over `repeats` rounds, as p50 and p99 of 200 calls on
    one thread, for one image and for 64.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats!r}; give 1 or more rounds.")
    with tempfile.TemporaryDirectory() as folder:
        built, images = build(Path(folder), profile, seed)
        rows = {
            name: {
                "name": name,
                "accuracy": accuracy(images.y_test, runtime.predict(images.x_test)),
                "bytes": file_size(path),
                "gzipped_bytes": file_size(path, gzipped=True),
            }
            for name, (path, runtime) in built.items()
        }
        rounds: dict[tuple[str, str], list[float]] = {}
        for _ in range(repeats):
            for name, (_, runtime) in built.items():
                for batch in BATCHES:
                    time = latency(runtime.call(images.x_test[:batch]), repeats=200)
                    rounds.setdefault((name, f"p50_ms_batch_{batch}"), []).append(time.p50_ms)
                    rounds.setdefault((name, f"p99_ms_batch_{batch}"), []).append(time.p99_ms)
        for (name, what), values in rounds.items():
            rows[name][what] = _spread(values)
    return {
        "benchmark": "compression",
        "data": images.name,
        "profile": profile,
        "seed": seed,
        "repeats": repeats,
        "rows": list(rows.values()),
    }


def table(result: dict[str, Any]) -> str:
    """The result as lines of text: medians, with the lowest and highest round in brackets."""
    lines = [f"{result['data']}, {result['repeats']} rounds; ms: median [low, high]"]
    for row in result["rows"]:
        times = [
            f"{what} {row[what]['median']:.4f} [{row[what]['low']:.4f}, {row[what]['high']:.4f}]"
            for batch in BATCHES
            for what in (f"p50_ms_batch_{batch}", f"p99_ms_batch_{batch}")
        ]
        head = f"{row['name']:44} {row['accuracy']:.4f} {row['bytes']:>10,} bytes"
        lines.append("  ".join([head, *times]))
    return "\n".join(lines)


if __name__ == "__main__":
    measured = run(profile=sys.argv[1] if len(sys.argv) > 1 else "full")
    print(table(measured))
    json.dumps(measured)
