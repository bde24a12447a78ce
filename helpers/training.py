"""Training on CPU or GPU: compile, fit and time.

`prepare_keras` comes from `helpers.backend`, `make_dataset` from `helpers.input_pipeline`;
checkpoints are in `helpers.checkpoints`. Built in view in chapter 13.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from helpers.backend import prepare_keras, quiet_native_output
from helpers.input_pipeline import TrainingError, check_arrays, check_count, make_dataset

if TYPE_CHECKING:
    import keras

__all__ = [
    "TrainingError",
    "TrainingResult",
    "alternate_epochs",
    "compile_classifier",
    "fit_timed",
    "make_dataset",
    "prepare_keras",
    "quiet_native_output",
    "speedup",
]


def compile_classifier(
    model: keras.Model, learning_rate: float = 1e-3, **options: Any
) -> keras.Model:
    """`model`, compiled for integer labels: Adam, cross-entropy on logits, accuracy.

    `options` go to `compile` and may replace `optimizer`, `loss` and `metrics`, or add others such
    as `jit_compile` and `steps_per_execution`. XLA is off unless asked for: on a CPU it slows small
    convolutional networks down (chapter 13 measures it).
    """
    import keras

    if not learning_rate > 0:
        raise TrainingError(f"learning_rate is {learning_rate!r}; give a number above 0.")
    chosen = {
        "optimizer": keras.optimizers.Adam(learning_rate),
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": ["accuracy"],
        "jit_compile": "auto" if keras.backend.backend() != "tensorflow" else False,
    }
    model.compile(**(chosen | options))
    if model.built:
        _make_variables(model, default_metrics="metrics" not in options)
    return model


def _make_variables(model: keras.Model, default_metrics: bool) -> None:
    """Makes the variables of optimizer and metrics now.

    Left to the first step, they would make TensorFlow trace that step twice.
    """
    import numpy as np

    model.optimizer.build(model.trainable_variables)
    if default_metrics:
        shape = (1, *model.output_shape[1:])
        model.compute_metrics(None, np.zeros(shape[:-1], "int32"), np.zeros(shape, "float32"))
        model.reset_metrics()


@dataclass(frozen=True)
class TrainingResult:
    """What a training run gave and cost.

    history        metric name -> one value per epoch, as Keras reports them
    seconds        wall time of the whole call
    epoch_seconds  wall time of each epoch, validation left out
    examples       examples per epoch
    epoch_processor_seconds  time that the processors spent on this process in each epoch
    """

    history: dict[str, tuple[float, ...]]
    seconds: float
    epoch_seconds: tuple[float, ...]
    examples: int
    epoch_processor_seconds: tuple[float, ...] = ()

    @property
    def first_epoch_seconds(self) -> float:
        """Wall time of the first epoch: it holds tracing, compilation and cold caches as well."""
        return self.epoch_seconds[0]

    @property
    def seconds_per_epoch(self) -> float:
        """Median wall time of the epochs after the first; of the first if it is the only one."""
        return statistics.median(self.epoch_seconds[1:] or self.epoch_seconds)

    @property
    def examples_per_second(self) -> float:
        """Examples trained on per second, by `seconds_per_epoch`."""
        return self.examples / self.seconds_per_epoch


def _examples(data: Any) -> int:
    if isinstance(data, tuple | list) and len(data) in (2, 3):
        return len(check_arrays(data[0], data[1])[0])
    count = getattr(data, "examples", None)
    if count is None:
        raise TrainingError(
            f"The data are a {type(data).__name__} without the attribute 'examples': give a tuple "
            "(x, y) or what make_dataset returns."
        )
    return int(count)


def _clock_class() -> type:
    import keras

    class Clock(keras.callbacks.Callback):
        """Times each epoch without its validation, sets its order, and moves the progress bar."""

        def __init__(self, data: Any, bar: Any):
            super().__init__()
            self.seconds: list[float] = []
            self.processor_seconds: list[float] = []
            self._data, self._bar = data, bar

        def on_epoch_begin(self, epoch, logs=None):
            # Keras takes a look at the first batch to build a model, which starts a pass: only a
            # number set here makes the order depend on seed and epoch alone.
            if hasattr(self._data, "start_epoch"):
                self._data.start_epoch(epoch)
            self._begin, self._begin_processor = time.perf_counter(), time.process_time()
            self._validation = self._validation_processor = 0.0

        def on_test_begin(self, logs=None):
            self._test, self._test_processor = time.perf_counter(), time.process_time()

        def on_test_end(self, logs=None):
            self._validation += time.perf_counter() - self._test
            self._validation_processor += time.process_time() - self._test_processor

        def on_epoch_end(self, epoch, logs=None):
            self.seconds.append(time.perf_counter() - self._begin - self._validation)
            processor = time.process_time() - self._begin_processor
            self.processor_seconds.append(processor - self._validation_processor)
            self._bar.set_postfix({name: f"{value:.3f}" for name, value in (logs or {}).items()})
            self._bar.update()

    return Clock


def fit_timed(
    model: keras.Model,
    data: Any,
    *,
    epochs: int,
    validation: Any = None,
    progress: bool = False,
    **fit_arguments: Any,
) -> TrainingResult:
    """The `TrainingResult` of fitting the compiled `model`.

    data           what `make_dataset` returns, or a tuple (x, y) of arrays, or any data set with
                   the attribute `examples`; its `start_epoch(number)`, if any, is called each epoch
    epochs         passes over the data; with `initial_epoch` the number of the last one
    validation     evaluated after each epoch, outside the timed part; same kinds as `data`
    progress       a bar on standard error, if that is a terminal: nothing lands in a notebook
    fit_arguments  go to `Model.fit`: `callbacks`, `batch_size`, `class_weight`, ...

    Raises `TrainingError` for data or a number of epochs that cannot be trained on. Built in view
    in chapter 13.
    """
    from tqdm import tqdm

    epochs, examples = check_count("epochs", epochs), _examples(data)
    first = int(fit_arguments.get("initial_epoch", 0))
    if not 0 <= first < epochs:
        raise TrainingError(f"initial_epoch is {first}; it has to lie from 0 to {epochs - 1}.")
    arrays = isinstance(data, tuple | list)
    inputs = {"x": data[0], "y": data[1]} if arrays else {"x": data}
    if arrays and len(data) == 3:
        inputs["sample_weight"] = data[2]
    if not arrays:
        fit_arguments["shuffle"] = False  # The data set has its own order.
    hidden = not (progress and sys.stderr.isatty())
    callbacks = list(fit_arguments.pop("callbacks", None) or [])
    with tqdm(total=epochs - first, unit="epoch", disable=hidden, leave=False) as bar:
        clock = _clock_class()(data, bar)
        begin = time.perf_counter()
        kept = model.fit(
            **inputs,
            epochs=epochs,
            validation_data=validation,
            # The clock comes first, so that what other callbacks do at an epoch's end is not timed.
            callbacks=[clock, *callbacks],
            verbose=0,
            **fit_arguments,
        )
        seconds = time.perf_counter() - begin
    history = {name: tuple(map(float, values)) for name, values in kept.history.items()}
    processor = tuple(clock.processor_seconds)
    return TrainingResult(history, seconds, tuple(clock.seconds), examples, processor)


def alternate_epochs(
    contestants: Mapping[str, tuple[Any, ...]],
    repeats: int = 3,
    processor_time: bool = False,
) -> dict[str, tuple[float, ...]]:
    """Seconds of an epoch for each contestant, `repeats` values each, measured in alternation.

    contestants     name -> (compiled model, data), as for `fit_timed`, and if wanted a mapping of
                    further arguments of `Model.fit`, such as the batch size for arrays
    repeats         rounds that count; one before them takes tracing, compilation and cold caches
    processor_time  True gives the time that processors spent on this process instead of wall time:
                    other load hardly changes it, and it does not see what a GPU does

    In every round each contestant trains one epoch, so that other load on the machine falls on all
    of them: compare the values of one round, then take the median over the rounds. Built in view
    in chapter 13.
    """
    rounds = 1 + check_count("repeats", repeats)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds):
        for name, (model, data, *more) in contestants.items():
            arguments = dict(more[0]) if more else {}
            result = fit_timed(model, data, epochs=turn + 1, initial_epoch=turn, **arguments)
            spent = result.epoch_processor_seconds if processor_time else result.epoch_seconds
            seconds[name].append(spent[0])
    return {name: tuple(values[1:]) for name, values in seconds.items()}


def speedup(slow: Sequence[float], fast: Sequence[float]) -> float:
    """How many times `fast` fits into `slow`: the median of the ratios of paired measurements.

    Both hold seconds, the values of one round at the same place, as `alternate_epochs` gives them.
    """
    if len(slow) != len(fast) or not slow or min(fast) <= 0:
        raise TrainingError(
            f"There are {len(slow)} and {len(fast)} measurements: give equally many, at least one, "
            "each above 0."
        )
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))
