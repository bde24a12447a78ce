"""Export to real runtimes and predict with them: LiteRT (float and integer) and ONNX Runtime.

Files are written whole or not at all; converters are kept quiet. Built in view in chapter 19.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.quantization import Quantized
from helpers.training import quiet_native_output

if TYPE_CHECKING:
    import keras

MODES = ("float32", "float16", "dynamic", "int8")


class RuntimeModelError(ValueError):
    """A model that cannot be exported or run; one sentence."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # Converters speak on all channels: compiled code on descriptor 2, Keras and tf2onnx in Python.
    nowhere, before = io.StringIO(), logging.root.manager.disable
    logging.disable(logging.WARNING)
    streams = contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere)
    try:
        with quiet_native_output(), streams[0], streams[1]:
            yield
    finally:
        logging.disable(before)


def _shape_text(shape: Any) -> str:
    return "(" + ", ".join(["n", *(str(size) for size in shape)]) + ")"


def _examples(x: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """`x` as float32 examples of `shape`, or a sentence that says what is wrong with it."""
    array = np.asarray(x, dtype=np.float32)
    if array.ndim == 0 or len(array) == 0:
        raise RuntimeModelError(f"The {what} is empty; give an array {_shape_text(shape)}.")
    if array.shape[1:] != tuple(shape):
        raise RuntimeModelError(
            f"The {what} has the shape {array.shape}, but the model takes {_shape_text(shape)}."
        )
    if not np.isfinite(array).all():
        raise RuntimeModelError(f"The {what} holds NaN or infinity; repair those examples first.")
    return array


def _need_tensorflow(name: str) -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeModelError(
            f"{name} export needs Keras on TensorFlow: set KERAS_BACKEND=tensorflow before import."
        )


def _replace(path: str | Path, content: bytes) -> Path:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    try:
        partial.write_bytes(content)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def export_litert(
    model: keras.Model, path: str | Path, mode: str = "float32", calibration: Any = None
) -> Path:
    """The path of `model` as a LiteRT file; its folder is created.

    mode         float32; float16 (weights stored as float16); dynamic (int8 weights, activations
                 quantized while it runs); int8 (weights, activations, input and output int8)
    calibration  for int8: examples (n, ...) that look like the real inputs, a few hundred; they
                 fix the range of every activation

    Raises `RuntimeModelError` for another mode, and for a calibration set that is missing, empty
    or of the wrong shape. Source: the LiteRT guide to post-training quantization. Chapter 19.
    """
    if mode not in MODES:
        raise RuntimeModelError(f"There is no mode {mode!r}: use one of {', '.join(MODES)}.")
    if mode == "int8":
        if calibration is None:
            raise RuntimeModelError(
                "Full-integer export needs a calibration set: pass calibration=x_train[:300]."
            )
        calibration = _examples(calibration, model.input_shape[1:], "calibration set")
    _need_tensorflow("LiteRT")
    with _quiet():
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if mode != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if mode == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if mode == "int8":
            converter.representative_dataset = lambda: ([row[None]] for row in calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        content = converter.convert()
    return _replace(path, content)


def export_onnx(model: keras.Model, path: str | Path) -> Path:
    """The path of `model` as an ONNX file with a free batch size; its folder is created."""
    _need_tensorflow("ONNX")
    with tempfile.TemporaryDirectory() as folder, _quiet():
        model(np.zeros((1, *model.input_shape[1:]), dtype=np.float32))  # The exporter needs a call.
        raw = Path(folder) / "model.onnx"
        model.export(raw, format="onnx", verbose=False)
        content = raw.read_bytes()
    return _replace(path, content)


def _existing(path: str | Path) -> Path:
    found = Path(path)
    if not found.is_file():
        raise RuntimeModelError(f"There is no model file {found.name} in {found.parent}.")
    return found


class LiteRTModel:
    """A LiteRT file ready to run on `threads` CPU threads.

    `predict` takes and gives float32 also where input and output of the file are integers. Raises
    `RuntimeModelError` for a file that is missing or that is not a whole LiteRT model.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        found = _existing(path)
        with _quiet():
            from ai_edge_litert.interpreter import Interpreter

            try:
                self.interpreter = Interpreter(model_path=str(found), num_threads=threads)
                self.interpreter.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                raise RuntimeModelError(
                    f"{found.name} is not a whole LiteRT model; export it again."
                ) from error
        self._input = self.interpreter.get_input_details()[0]
        self._output = self.interpreter.get_output_details()[0]
        self.input_shape = tuple(int(size) for size in self._input["shape"][1:])
        # (scale, zero_point) of the outputs; (0.0, 0) where they are float.
        self.output_grid = self._output["quantization"]

    def _load(self, x: np.ndarray) -> None:
        if tuple(self.interpreter.get_input_details()[0]["shape"]) != x.shape:
            with _quiet():
                self.interpreter.resize_tensor_input(self._input["index"], x.shape)
                self.interpreter.allocate_tensors()
        if self._input["dtype"] != np.float32:
            scale, zero_point = self._input["quantization"]
            limits = np.iinfo(self._input["dtype"])
            x = np.clip(np.round(x / scale) + zero_point, limits.min, limits.max)
        self.interpreter.set_tensor(self._input["index"], x.astype(self._input["dtype"]))

    def _result(self) -> np.ndarray:
        values = self.interpreter.get_tensor(self._output["index"])
        if self._output["dtype"] == np.float32:
            return values
        scale, zero_point = self._output["quantization"]
        return ((values.astype(np.int32) - zero_point) * scale).astype(np.float32)

    def predict(self, x: Any, batch_size: int = 256) -> np.ndarray:
        """The model's output for `x` (n, ...) as float32, computed in batches."""
        examples = _examples(x, self.input_shape, "input")
        parts = []
        for start in range(0, len(examples), batch_size):
            self._load(examples[start : start + batch_size])
            self.interpreter.invoke()
            parts.append(self._result())
        return np.concatenate(parts)

    def call(self, x: Any) -> Callable[[], None]:
        """A function that runs the model on `x` once, without copies: what `latency` times."""
        self._load(_examples(x, self.input_shape, "input"))
        return self.interpreter.invoke

    def weights(self) -> list[Quantized]:
        """The stored int8 kernels in the file's order; a kernel's first axis is its channels."""
        written = {self._input["index"], self._output["index"]}
        for operation in self.interpreter._get_ops_details():
            written.update(int(index) for index in operation["outputs"])
        kernels = []
        for detail in self.interpreter.get_tensor_details():
            grid, rank = detail["quantization_parameters"], len(detail["shape"])
            # Activations are int8 as well, and written by an operation; kernels are only read.
            if detail["dtype"] == np.int8 and rank > 1 and detail["index"] not in written:
                values = self.interpreter.get_tensor(detail["index"])
                broadcast = (-1, *(1,) * (rank - 1))
                scale, zero_point = (grid[k].reshape(broadcast) for k in ("scales", "zero_points"))
                kernels.append(Quantized(values, scale, zero_point, 8))
        return kernels


class OnnxModel:
    """An ONNX file ready to run on `threads` CPU threads; raises as `LiteRTModel`."""

    def __init__(self, path: str | Path, threads: int = 1):
        found = _existing(path)
        with _quiet():
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.log_severity_level = threads, 3
            try:
                self.session = onnxruntime.InferenceSession(
                    str(found), options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # Its own exception types share no base but Exception.
                raise RuntimeModelError(
                    f"{found.name} is not a whole ONNX model; export it again."
                ) from error
        self._input = self.session.get_inputs()[0]
        self.input_shape = tuple(self._input.shape[1:])

    def predict(self, x: Any, batch_size: int = 256) -> np.ndarray:
        """The model's output for `x` (n, ...) as float32, computed in batches."""
        examples = _examples(x, self.input_shape, "input")
        starts = range(0, len(examples), batch_size)
        return np.concatenate([self._run(examples[at : at + batch_size]) for at in starts])

    def _run(self, x: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self._input.name: x})[0]

    def call(self, x: Any) -> Callable[[], Any]:
        """A function that runs the model on `x` once: what `latency` times."""
        examples = _examples(x, self.input_shape, "input")
        return lambda: self._run(examples)
