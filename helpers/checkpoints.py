"""Checkpoints: training that is interrupted and resumed ends as if it had not been.

A checkpoint is one NPZ file that holds every variable of the model (weights, optimizer slots, the
states of its random generators), the number of epochs done and the history. Its name carries the
first 16 digits of its SHA-256, so a truncated or altered file is refused instead of loaded.
Built in view in chapter 13.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.input_pipeline import TrainingError, check_count
from helpers.training import TrainingResult, fit_timed

if TYPE_CHECKING:
    import keras

_NAME = re.compile(r"epoch-(\d{5})-([0-9a-f]{16})\.npz")


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used; one sentence."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds: arrays in the order of the variables, epochs done, history."""

    arrays: tuple[np.ndarray, ...]
    epochs_done: int
    history: dict[str, tuple[float, ...]]


def _variables(model: keras.Model) -> list[Any]:
    """The model's variables, states of random generators included, then the optimizer's."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    metrics = {id(variable) for variable in model.metrics_variables}
    kept = [variable for variable in model.variables if id(variable) not in metrics]
    known = {id(variable) for variable in kept}
    return kept + [v for v in model.optimizer.variables if id(v) not in known]


def save(model: keras.Model, folder: Path | str, epochs_done: int, history: dict) -> Path:
    """The path of the new checkpoint in `folder`; it appears there whole or not at all."""
    import keras

    arrays = {}
    for place, variable in enumerate(_variables(model)):
        array = np.asarray(keras.ops.convert_to_numpy(variable))
        # NPZ knows NumPy's own types only; bfloat16 and the like fit into float32 exactly.
        arrays[f"variable_{place:04d}"] = (
            array if array.dtype.kind in "biuf" else array.astype("f4")
        )
    about = {"epochs_done": epochs_done, "history": history}
    arrays["about"] = np.frombuffer(json.dumps(about).encode("utf-8"), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = Path(folder) / f"epoch-{epochs_done:05d}-{digest}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with open(partial, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # The name must not outlive the content in a power failure.
    os.replace(partial, path)
    return path


def load(path: Path | str) -> Checkpoint:
    """The `Checkpoint` in the file at `path`; raises `CheckpointError` unless it is intact."""
    path = Path(path)
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise CheckpointError(f"{path.name} is not a checkpoint: expected epoch-NNNNN-DIGEST.npz.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest()[:16] != match[2]:
        raise CheckpointError(
            f"The checkpoint {path.name} is truncated or altered ({len(content)} bytes do not "
            "match the digest in its name): delete it, or restore it from a copy."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        about = json.loads(stored["about"].tobytes().decode("utf-8"))
        arrays = tuple(stored[name] for name in sorted(stored.files) if name != "about")
    history = {name: tuple(values) for name, values in about["history"].items()}
    return Checkpoint(arrays, about["epochs_done"], history)


def restore(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Puts the checkpoint's values into the compiled `model`, optimizer state included.

    Raises `CheckpointError`, with the model untouched, when the shapes do not fit.
    """
    variables = _variables(model)
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in checkpoint.arrays]:
        raise CheckpointError(
            f"The checkpoint holds {len(checkpoint.arrays)} variables that do not fit the model's "
            f"{len(shapes)}: give another folder, or the model and optimizer it was written with."
        )
    for variable, array in zip(variables, checkpoint.arrays, strict=True):
        variable.assign(array)


def newest(folder: Path | str) -> Checkpoint | None:
    """The newest intact checkpoint in `folder`, None without one.

    A damaged file is named in a warning and passed over for the one before it.
    """
    names = (path for path in Path(folder).glob("epoch-*.npz") if _NAME.fullmatch(path.name))
    for path in sorted(names, reverse=True):
        try:
            return load(path)
        except CheckpointError as error:
            warnings.warn(f"{error} The one before it is used.", stacklevel=2)
    return None


def _writer_class() -> type:
    import keras

    class Writer(keras.callbacks.Callback):
        """Saves after every epoch and deletes all but the `keep` newest checkpoints."""

        def __init__(self, folder: Path, keep: int, history: dict[str, tuple[float, ...]]):
            super().__init__()
            self.folder, self.keep = folder, keep
            self.history = {name: list(values) for name, values in history.items()}

        def on_epoch_end(self, epoch, logs=None):
            for name, value in (logs or {}).items():
                self.history.setdefault(name, []).append(float(value))
            path = save(self.model, self.folder, epoch + 1, self.history)
            older = sorted(p for p in self.folder.glob("epoch-*.npz") if p.name < path.name)
            for old in older[: len(older) + 1 - self.keep]:
                old.unlink()

    return Writer


def fit_with_checkpoints(
    model: keras.Model,
    data: Any,
    *,
    epochs: int,
    folder: Path | str,
    keep: int = 2,
    **fit_arguments: Any,
) -> TrainingResult:
    """The `TrainingResult` of `fit_timed`, continued from the newest checkpoint in `folder`.

    data    from `make_dataset`: its order in an epoch depends on its seed and the epoch alone, so
            an interrupted and resumed run sees the batches of an uninterrupted one
    epochs  the total, those before the interruption included
    keep    checkpoints to keep, at least 2, so that a damaged one has a predecessor

    After each epoch the state is saved. The history covers all epochs, the times those of this
    call. When everything is done already, the model gets its final state and nothing is trained.
    Raises `TrainingError` for other data; `CheckpointError` when a checkpoint does not fit.
    """
    epochs, folder = check_count("epochs", epochs), Path(folder)
    if not hasattr(data, "start_epoch"):
        raise TrainingError(
            "Training that can be resumed needs a data set whose order can be set to an epoch: "
            "give what make_dataset returns."
        )
    if check_count("keep", keep) < 2:
        raise TrainingError(
            "keep is 1; give 2 or more, so that a damaged checkpoint can be spared."
        )
    found = newest(folder)
    done, history = 0, {}
    if found is not None:
        restore(model, found)
        done, history = found.epochs_done, found.history
    if done >= epochs:
        return TrainingResult(history, 0.0, (), data.examples)
    writer = _writer_class()(folder, keep, history)
    callbacks = [*(fit_arguments.pop("callbacks", None) or []), writer]
    result = fit_timed(
        model, data, epochs=epochs, initial_epoch=done, callbacks=callbacks, **fit_arguments
    )
    return replace(result, history={name: tuple(v) for name, v in writer.history.items()})
