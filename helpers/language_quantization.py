"""A GPT with rounded weights: plain rounding, blocks, and compensated errors (GPTQ).

Weight-only quantization: the arithmetic stays float32, the weights lie on coarse grids. That is
what a language model gains from, because writing a token reads every weight once. Built in view in
chapter 19; the grids are those of `helpers.quantization`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from helpers.language_models import (
    LanguageModelError,
    block_layers,
    build_gpt,
    gpt_sizes,
)

if TYPE_CHECKING:
    import keras

# The matrices of a block that read the same inputs are rounded together, in this order.
STAGES = (("query", "key", "value"), ("output",), ("mlp_up",), ("mlp_down",))


def copy_of(model: keras.Model) -> keras.Model:
    """A GPT with the sizes and weights of `model`, so that rounding one leaves the other alone."""
    sizes = gpt_sizes(model)
    copy = build_gpt(sizes.vocabulary, sizes.context, sizes.width, sizes.layers, sizes.heads)
    copy.set_weights(model.get_weights())
    return copy


def matrices(model: keras.Model) -> tuple[str, ...]:
    """The layers of the GPT `model` that hold a weight matrix, embedding and logits included."""
    return tuple(x.name for x in model.layers if x.weights and len(x.weights[0].shape) == 2)


def set_kernel(model: keras.Model, name: str, kernel: np.ndarray) -> None:
    """Replaces the matrix of the layer `name`; biases, norms and other layers stay as they are."""
    _, *others = model.get_layer(name).get_weights()
    model.get_layer(name).set_weights([kernel, *others])


def round_matrices(
    model: keras.Model,
    rounding: Callable[[np.ndarray], np.ndarray],
    names: tuple[str, ...] | None = None,
) -> keras.Model:
    """A copy of the GPT `model` in which `rounding` has been applied to the matrices `names`.

    `rounding` takes and returns float32 (inputs, outputs); `names` None means the matrices of all
    blocks, so that embedding and logits stay as they are.
    """
    if names is None:
        names = sum((block_layers(n + 1) for n in range(gpt_sizes(model).layers)), ())
    copy = copy_of(model)
    for name in names:
        set_kernel(copy, name, rounding(np.asarray(model.get_layer(name).get_weights()[0])))
    return copy


def layer_inputs(model: keras.Model, name: str, tokens: np.ndarray) -> np.ndarray:
    """float32 (windows x n, inputs): what the layer `name` sees for int `tokens` (windows, n)."""
    import keras
    from keras import ops

    tokens = np.asarray(tokens)
    if tokens.ndim != 2 or tokens.size == 0 or tokens.dtype.kind not in "iu":
        raise LanguageModelError(
            f"The sample has the shape {tokens.shape} and the type {tokens.dtype}; give whole "
            "numbers of the shape (windows, tokens), such as token_windows gives."
        )
    probe = keras.Model(model.inputs[0], model.get_layer(name).input)
    seen = ops.convert_to_numpy(probe(tokens.astype(np.int32)))
    return np.asarray(seen, np.float32).reshape(-1, seen.shape[-1])


def compensate(
    model: keras.Model,
    tokens: np.ndarray,
    rounding: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> keras.Model:
    """A copy of the GPT `model`, rounded from the first block to the last, stage by stage.

    `rounding` takes a matrix and the inputs that its layer sees for `tokens` (windows, n), and
    returns the rounded matrix, as `helpers.quantization.gptq` does. The inputs come from the copy,
    in which everything before is rounded already: a layer then corrects for what came before it.
    Source: GPTQ, Frantar et al. 2023, https://arxiv.org/abs/2210.17323. Built in view in chapter
    19.
    """
    copy = copy_of(model)
    for block in range(1, gpt_sizes(model).layers + 1):
        for stage in STAGES:
            names = [f"block_{block}_{part}" for part in stage]
            inputs = layer_inputs(copy, names[0], tokens)
            for name in names:
                kernel = np.asarray(copy.get_layer(name).get_weights()[0])
                set_kernel(copy, name, rounding(kernel, inputs))
    return copy
