"""What a model costs before it runs: floating-point operations from the layers' formulas."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from helpers.models import ModelError

if TYPE_CHECKING:
    import keras


def layer_flops(layer: keras.Layer) -> int:
    """Floating-point operations of one example through a built `layer`.

    A multiplication and the addition that follows count as two, a bias as one per output. With s
    positions of the output: Dense s*in*out*2, Conv2D s*height*width*in*out*2/groups. Pooling,
    reshaping, dropout and activations count as nothing: they are less than a hundredth of the
    rest in the models counted here. Raises `ModelError` for other layers with weights.
    """
    from keras import layers

    kind = type(layer)
    if kind in (layers.Dense, layers.Conv2D):
        outputs = math.prod(int(size) for size in layer.output.shape[1:])
        # Every output value is a sum over one column of the kernel.
        column = math.prod(int(size) for size in layer.kernel.shape[:-1])
        return outputs * (2 * column + int(layer.use_bias))
    if getattr(layer, "weights", ()):
        raise ModelError(
            f"The layer '{layer.name}' is a {kind.__name__}, for which no formula is known: "
            "operations are counted for Dense, Conv2D and layers without weights."
        )
    return 0


def flops(model: keras.Model) -> int:
    """Floating-point operations of one example through the built `model`, forward.

    The sum of `layer_flops` over a Sequential or functional model in which every layer is called
    once; nested models are entered. Training costs about three times as much: one forward pass
    and two products of the same size in the backward pass, for the inputs and for the weights
    (Kaplan et al. 2020, arXiv:2001.08361, section 2.1). Raises `ModelError` for a model that is
    not built or that holds a layer without a formula. Built in view in chapter 13.
    """
    if not model.built:
        raise ModelError("The model has no shapes yet: give it a keras.Input or call it once.")
    return sum(
        flops(layer) if hasattr(layer, "layers") else layer_flops(layer) for layer in model.layers
    )


def cost_rows(*models: keras.Model) -> list[dict[str, Any]]:
    """Rows for `helpers.tables.show_table`: one for each layer of the built `models`, in order.

    The columns are layer (its name), output (the shape of one example), weights (their number) and
    operations (`layer_flops`). Raises `ModelError` like `flops`. Built in view in chapter 09.
    """
    if not all(model.built for model in models):
        raise ModelError("The model has no shapes yet: give it a keras.Input or call it once.")
    return [
        {
            "layer": layer.name,
            "output": tuple(layer.output.shape[1:]),
            "weights": layer.count_params(),
            "operations": layer_flops(layer),
        }
        for model in models
        for layer in model.layers
    ]
