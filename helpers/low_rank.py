"""Low-rank adapters (LoRA): train two thin matrices beside a frozen weight matrix.

The weight becomes W + (alpha / rank) A B, with A of shape (inputs, rank) and B of shape (rank,
outputs). B starts at zero, so that the adapted model begins as the model it adapts. Source: Hu et
al. 2021, https://arxiv.org/abs/2106.09685. Built in view in chapter 12, which proves a hand-made
layer equal to Keras's own `enable_lora`; the functions here use the latter.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


class LowRankError(ValueError):
    """A model or an adapter that LoRA cannot be applied to; one sentence."""


def lora_parameters(inputs: int, outputs: int, rank: int) -> int:
    """Weights that LoRA of `rank` adds to a matrix (inputs, outputs): rank x (inputs + outputs).

    Raises `LowRankError` for a size below 1. Built in view in chapter 12.
    """
    for name, value in (("inputs", inputs), ("outputs", outputs), ("rank", rank)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise LowRankError(f"{name} is {value!r}; give a whole number of 1 or more.")
    return int(rank * (inputs + outputs))


def _adapted(model: keras.Model) -> dict[str, keras.Layer]:
    found = {layer.name: layer for layer in model.layers if getattr(layer, "lora_enabled", False)}
    if not found:
        raise LowRankError("This model has no LoRA adapter: call add_lora first.")
    return found


def add_lora(
    model: keras.Model, rank: int, layers: Iterable[str], alpha: float | None = None
) -> int:
    """Number of trainable weights after freezing `model` and giving `layers` LoRA of `rank`.

    layers  names of `Dense` layers that belong to the model directly
    alpha   the product A B is scaled by alpha / rank; None means alpha = rank, a scale of 1

    Changes the model in place: from now on only the A and B of these layers train, no bias and no
    norm. Compile it afterwards. Raises `LowRankError`, and changes nothing, for a layer that is
    missing, is no `Dense`, or is adapted already. Built in view in chapter 12.
    """
    import keras

    names, known = list(layers), {layer.name: layer for layer in model.layers}
    if not names:
        raise LowRankError("There is no layer to adapt; name at least one.")
    for name in names:
        layer = known.get(name)
        if layer is None:
            raise LowRankError(f"The model has no layer '{name}'; name one of {sorted(known)}.")
        if not isinstance(layer, keras.layers.Dense):
            kind = type(layer).__name__
            raise LowRankError(f"The layer '{name}' is of type {kind}; name Dense layers only.")
        if layer.lora_enabled:
            raise LowRankError(f"The layer '{name}' has an adapter already; add LoRA once.")
        lora_parameters(*layer.kernel.shape, rank)
    for layer in model.layers:
        layer.trainable = False
    for name in names:
        layer = known[name]
        layer.trainable = True
        layer.enable_lora(rank, lora_alpha=alpha)
        if layer.bias is not None:
            layer.bias.trainable = False
    return sum(int(np.prod(value.shape)) for value in model.trainable_variables)


def trained_share(model: keras.Model) -> float:
    """Trainable weights over the weights that the model had before the adapter was added.

    Raises `LowRankError` without an adapter. Built in view in chapter 12.
    """
    added = sum(array.size for array in adapter_weights(model).values())
    trained = sum(int(np.prod(value.shape)) for value in model.trainable_variables)
    return trained / (model.count_params() - added)


def adapter_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """The adapter alone: "layer/a" (inputs, rank) and "layer/b" (rank, outputs), float32 arrays.

    B is multiplied by alpha / rank, so that A times B is what the weight gains. Raises
    `LowRankError` without an adapter. Built in view in chapter 12.
    """
    from keras import ops

    found = {}
    for name, layer in _adapted(model).items():
        scale = layer.lora_alpha / layer.lora_rank
        found[f"{name}/a"] = ops.convert_to_numpy(layer.lora_kernel_a)
        found[f"{name}/b"] = np.float32(scale) * ops.convert_to_numpy(layer.lora_kernel_b)
    return found


def set_adapter(model: keras.Model, adapter: Mapping[str, np.ndarray]) -> None:
    """Puts `adapter`, as `adapter_weights` gives it, into a model adapted at the same layers.

    Raises `LowRankError`, and changes nothing, when layers or shapes differ.
    """
    shapes = {name: array.shape for name, array in adapter_weights(model).items()}
    given = {name: np.shape(array) for name, array in adapter.items()}
    if shapes != given:
        odd = sorted(name for name in shapes | given if shapes.get(name) != given.get(name))
        raise LowRankError(
            f"The adapter does not fit the model at '{odd[0]}': give LoRA of the same rank to the "
            "same layers first."
        )
    for name, layer in _adapted(model).items():
        layer.lora_kernel_a.assign(adapter[f"{name}/a"])
        layer.lora_kernel_b.assign(adapter[f"{name}/b"] * (layer.lora_rank / layer.lora_alpha))


def save_adapter(model: keras.Model, path: str | Path) -> int:
    """Bytes of the file written: the adapter of `model` as NumPy's .npz, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        np.savez(file, **adapter_weights(model))
    os.replace(partial, path)
    return path.stat().st_size


def load_adapter(path: str | Path) -> dict[str, np.ndarray]:
    """The adapter that `save_adapter` wrote, for `set_adapter`; `LowRankError` if it is none."""
    try:
        found = np.load(path, allow_pickle=False)
        if not isinstance(found, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with found as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise LowRankError(
            f"{Path(path).name} is no adapter file ({error}): give a path that save_adapter wrote."
        ) from error


def base_weights(model: keras.Model) -> list[np.ndarray]:
    """Weights of the model that was adapted, as they are now, without the adapter.

    In the order of `get_weights` of the model as it was before `add_lora`, to compare with what
    that gave. Raises `LowRankError` without an adapter. Built in view in chapter 12.
    """
    return _plain_weights(model, merge=False)


def merged_weights(model: keras.Model) -> list[np.ndarray]:
    """Weights of the model without adapters, W + (alpha / rank) A B where there was one.

    In the order of `get_weights` of the model as it was before `add_lora`, so that a plain copy
    takes them with `set_weights` and runs at its old speed. Raises `LowRankError` without an
    adapter. Built in view in chapter 12.
    """
    return _plain_weights(model, merge=True)


def _plain_weights(model: keras.Model, merge: bool) -> list[np.ndarray]:
    from keras import ops

    adapter, found = adapter_weights(model), []
    for layer in model.layers:
        thin = (getattr(layer, "lora_kernel_a", None), getattr(layer, "lora_kernel_b", None))
        for value in layer.weights:
            if any(value is matrix for matrix in thin):
                continue
            array = ops.convert_to_numpy(value)
            if merge and f"{layer.name}/a" in adapter and value.path.endswith("/kernel"):
                array = array + adapter[f"{layer.name}/a"] @ adapter[f"{layer.name}/b"]
            found.append(array)
    return found
