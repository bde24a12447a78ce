"""The end of a training pipeline: time its stages, pass a gate, publish a model whole.

Built in view in chapter 13.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

CURRENT = "current.json"


class PublishError(RuntimeError):
    """A model that is not published, or a publication that cannot be read; one sentence."""


class Stages:
    """Wall-clock seconds of named stages: `with stages("train"): ...` adds to `seconds`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begin
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def time(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What `function` returns; the time it takes is added to the stage `name`."""
        with self(name):
            return function(*arguments, **named)

    @property
    def longest(self) -> str:
        """The name of the stage that takes longest; raises `ValueError` before the first."""
        return max(self.seconds, key=lambda name: self.seconds[name])


@dataclass(frozen=True)
class Publication:
    """A published model: its file, the SHA-256 of its content, and what was measured on it."""

    file: str
    sha256: str
    metrics: dict[str, float]


def export(model: keras.Model, folder: Path | str) -> Path:
    """The path of `model` saved in `folder` under a name made of its content's SHA-256."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "partial.keras"
    model.save(partial)
    digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    path = folder / f"model-{digest[:16]}.keras"
    os.replace(partial, path)
    return path


def publish(path: Path | str, metrics: dict[str, float], floors: dict[str, float]) -> Publication:
    """The `Publication` that makes the exported model at `path` the current one of its folder.

    `floors` is the gate: metric -> least value. The pointer `current.json` is replaced in one step,
    so that a reader finds the old model or the new one. Raises `PublishError`, with the old model
    still current, when a metric is missing or below its floor.
    """
    path = Path(path)
    for name, floor in floors.items():
        if not metrics.get(name, float("-inf")) >= floor:
            found = f"{metrics[name]:.4g}" if name in metrics else "not measured"
            raise PublishError(
                f"The model is not published: {name} is {found}, and the gate asks for at least "
                f"{floor}."
            )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    publication = Publication(path.name, digest, dict(metrics))
    partial = path.with_name(CURRENT + ".part")
    partial.write_text(json.dumps(asdict(publication), indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path.with_name(CURRENT))
    return publication


def current(folder: Path | str) -> Publication:
    """The `Publication` that is current in `folder`; raises `PublishError` without one."""
    pointer = Path(folder) / CURRENT
    if not pointer.exists():
        raise PublishError(f"Nothing has been published in '{Path(folder).name}' yet.")
    return Publication(**json.loads(pointer.read_text(encoding="utf-8")))


def load_current(folder: Path | str) -> keras.Model:
    """The published model of `folder`, ready to predict.

    Raises `PublishError` unless its file is as published.
    """
    import keras

    publication = current(folder)
    path = Path(folder) / publication.file
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != publication.sha256:
        raise PublishError(f"The file {path.name} is missing or altered: publish the model again.")
    return keras.models.load_model(path, compile=False)


def show_stages(stages: Stages, caption: str) -> None:
    """Shows the stages as a row of boxes with their seconds."""
    from helpers.plots import figure, show

    last = len(stages.seconds) - 1
    with figure(height=1.6, width=7.5) as (drawing, axes):
        axes.set(xlim=(-0.5, last + 0.5), ylim=(0, 1))
        axes.axis("off")
        for place, (name, spent) in enumerate(stages.seconds.items()):
            style = {"boxstyle": "rarrow" if place < last else "round", "facecolor": "#dceaf5"}
            text = f"{name}\n{spent:.2f} s"
            axes.text(place, 0.5, text, ha="center", va="center", bbox=style)
        listed = ", ".join(f"{name} {spent:.2f} s" for name, spent in stages.seconds.items())
        show(drawing, caption, alt=f"The stages from first to last with their seconds: {listed}.")
