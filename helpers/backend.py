"""Keras set up for a run: quietly, on the asked device, with a seed and a precision.

Built in view in chapter 13; notebooks reach it as `helpers.training.prepare_keras`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from helpers.input_pipeline import TrainingError

if TYPE_CHECKING:
    from helpers.evidence import Run

# With a single inter-op thread a training step can wait for a data set that has no thread left to
# run on: https://github.com/tensorflow/tensorflow/issues/48418.
_LEAST_INTEROP_THREADS = 2


@contextlib.contextmanager
def quiet_native_output() -> Iterator[None]:
    """Context in which messages that compiled libraries write to standard error are dropped.

    Python's own exceptions and warnings still come through afterwards. TensorFlow logs below
    Python, so that redirecting `sys.stderr` would not reach it.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # A process without standard error, such as pythonw on Windows.
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def _lean_import(without: str = "") -> Iterator[None]:
    """Context for a large import: no garbage collection, and `import` of `without` fails.

    Modules are made to stay, so that collecting among them finds nothing: a fifth of the time of
    `import keras`. A module that is loaded already stays as it is.
    """
    collecting, blocked = gc.isenabled(), bool(without) and without not in sys.modules
    gc.disable()
    if blocked:
        sys.modules[without] = None
    try:
        yield
    finally:
        if blocked:
            del sys.modules[without]
        if collecting:
            gc.enable()


def _threads(name: str) -> int | None:
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    if not text.isdigit():
        raise TrainingError(f"{name} is {text!r}; give a whole number of threads, or unset it.")
    return int(text) or None


def _start_tensorflow(device: str) -> None:
    """Threads, logging, visible devices, memory growth; later calls keep what is already fixed."""
    import tensorflow as tf

    intra = _threads("TF_NUM_INTRAOP_THREADS")
    inter = _threads("TF_NUM_INTEROP_THREADS") or os.cpu_count() or 1
    # TensorFlow fixes these at its first operation and raises RuntimeError afterwards.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_inter_op_parallelism_threads(max(_LEAST_INTEROP_THREADS, inter))
        if intra is not None:
            tf.config.threading.set_intra_op_parallelism_threads(intra)
    # Its warnings would land among a notebook's results. The one about retracing counts all models
    # of a chapter together and is no fault of any of them.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise TrainingError(
            "The profile asks for a GPU and TensorFlow sees none: install the extra 'gpu', or set "
            "KERAS_BACKEND=jax where JAX has one, or use the profile 'full'."
        )
    with contextlib.suppress(RuntimeError):
        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)


def prepare_keras(run: Run) -> str:
    """One line that says what trains: Keras, its backend with version, device, precision, seed.

    Imports Keras without the noise of the libraries below it, seeds Python, NumPy and the backend
    with `run.seed`, sets the dtype policy `run.profile.precision`, takes thread counts from
    `TF_NUM_INTRAOP_THREADS` and `TF_NUM_INTEROP_THREADS` (two at least), uses a GPU only in the
    profile `gpu` and lets its memory grow. `KERAS_BACKEND` chooses the backend; without it
    TensorFlow, or JAX where TensorFlow is not installed. Raises `TrainingError` without a backend
    or without the GPU.
    """
    device = run.profile.device
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if device == "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if "keras" not in sys.modules and "KERAS_BACKEND" not in os.environ:
        found = [name for name in ("tensorflow", "jax") if importlib.util.find_spec(name)]
        if not found:
            raise TrainingError("Keras needs TensorFlow or JAX: install the course's environment.")
        os.environ["KERAS_BACKEND"] = found[0]
    with quiet_native_output():
        # Where JAX is installed, TensorFlow loads it to convert JAX's functions to LiteRT, which
        # the course never does: another tenth.
        alone = os.environ.get("KERAS_BACKEND") == "tensorflow"
        with _lean_import(without="jax" if alone else ""):
            import keras

        backend = keras.backend.backend()
        if backend == "tensorflow":
            _start_tensorflow(device)
        keras.utils.set_random_seed(run.seed)
        devices = keras.distribution.list_devices()
    if device == "gpu" and not any("cpu" not in str(name).lower() for name in devices):
        raise TrainingError(f"The profile asks for a GPU and {backend} sees only {devices}.")
    keras.config.set_dtype_policy(run.profile.precision)
    version = sys.modules[backend].__version__
    return (
        f"Keras {keras.__version__} on {backend} {version}, {device}, {run.profile.precision}, "
        f"seed {run.seed}"
    )
