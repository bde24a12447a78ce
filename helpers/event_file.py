"""What TensorBoard shows, read from the event files that a training wrote.

Chapter 22 uses it first.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from helpers.training import TrainingResult


class EventFileError(ValueError):
    """Event files that are missing or do not hold what was asked for; one sentence."""


def scalars(folder: str | Path, name: str) -> list[float]:
    """The values of the curve `name`, in the order of their steps.

    folder holds the event files, or the folder `train` that Keras's callback writes them to.
    Raises `EventFileError` when there are none, or none with this curve.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    place = Path(folder)
    place = place / "train" if (place / "train").is_dir() else place
    if not any(place.glob("*tfevents*")):
        raise EventFileError(f"The folder {place.name} holds no event files: train with a log.")
    events = EventAccumulator(str(place), size_guidance={"tensors": 0})
    events.Reload()
    known = events.Tags()["tensors"]
    if name not in known:
        raise EventFileError(f"There is no curve '{name}' in the log; it has {', '.join(known)}.")
    values = sorted(events.Tensors(name), key=lambda event: event.step)
    return [float(tensor_util.make_ndarray(event.tensor_proto)) for event in values]


def logged_fit(
    model: keras.Model, data: Any, **fit_arguments: Any
) -> tuple[TrainingResult, dict[str, list[float]]]:
    """(what `fit_timed` gives, the curves that TensorBoard would show) of fitting `model`.

    Keras's TensorBoard callback writes to a folder that is gone afterwards; `fit_arguments` go to
    `helpers.training.fit_timed`.
    """
    import keras

    from helpers.training import fit_timed

    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        logger = keras.callbacks.TensorBoard(folder, write_graph=False)
        done = fit_timed(model, data, callbacks=[logger], **fit_arguments)
        curves = {name: scalars(folder, name) for name in ("epoch_loss", "epoch_learning_rate")}
    return done, curves
