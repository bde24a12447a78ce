"""The few architectures that more than one chapter uses.

Keras models whose last layer gives logits: train them with a loss that says `from_logits=True`
(`helpers.training.compile_classifier` does). They run on every Keras backend and convert to LiteRT.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


class ModelError(ValueError):
    """A model that cannot be built or counted; one sentence."""


def _whole(name: str, value: int, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ModelError(f"{name} is {value!r}; give a whole number of {least} or more.")
    return value


def _shape(input_shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(input_shape)
    if len(shape) not in axes or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ModelError(
            f"The input shape is {input_shape!r}; give the positive sizes of one example, "
            f"{' or '.join(str(count) for count in axes)} of them, without the batch axis."
        )
    return shape


def _initializer(seed: int | None, place: int):
    """Glorot-uniform initializer of the layer at `place`; None leaves it to Keras's seed."""
    import keras

    return keras.initializers.GlorotUniform(seed=None if seed is None else 1000 * seed + place)


def _logits(classes: int, seed: int | None) -> keras.Layer:
    """The last layer, in float32 under every dtype policy: 16-bit logits spoil the loss."""
    from keras import layers

    start = _initializer(seed, 0)
    return layers.Dense(classes, kernel_initializer=start, dtype="float32", name="logits")


def dense_network(
    input_shape: Sequence[int],
    classes: int,
    hidden: Sequence[int] = (512, 512),
    seed: int | None = None,
) -> keras.Model:
    """A multilayer perceptron: flatten, one ReLU layer per width in `hidden`, then logits.

    input_shape is that of one example, such as (28, 28, 1) or (64,); the output has shape
    (batch, classes). With `seed` the initial weights depend on it alone; without, on
    `keras.utils.set_random_seed`. Raises `ModelError` for sizes that make no model.
    Chapter 13 uses it first.
    """
    import keras
    from keras import layers

    shape = _shape(input_shape, (1, 2, 3))
    _whole("classes", classes, 2)
    stack = [keras.Input(shape)]
    if len(shape) > 1:
        stack.append(layers.Flatten())
    for place, units in enumerate(hidden, start=1):
        _whole("A width in hidden", units)
        stack.append(
            layers.Dense(
                units,
                activation="relu",
                kernel_initializer=_initializer(seed, place),
                name=f"hidden_{place}",
            )
        )
    stack.append(_logits(classes, seed))
    return keras.Sequential(stack, name="dense_network")


def convolutional_network(
    input_shape: Sequence[int],
    classes: int,
    filters: Sequence[int] = (16, 32),
    dense: int = 64,
    seed: int | None = None,
    dtype: str | None = None,
) -> keras.Model:
    """A small convolutional network: per entry of `filters` a 3x3 ReLU convolution and a halving
    2x2 max pooling, then one ReLU layer of `dense` units, then logits.

    input_shape is (height, width, channels), each side at least 2**len(filters); the output has
    shape (batch, classes). `seed` as in `dense_network`; `dtype` is the name of a dtype policy for
    all layers but the last, None the one that is set. Raises `ModelError` for sizes that make
    no model. The pattern is LeNet's (LeCun et al. 1998, doi:10.1109/5.726791).
    Built in view in chapter 13.
    """
    import keras
    from keras import layers

    shape = _shape(input_shape, (3,))
    _whole("classes", classes, 2)
    _whole("dense", dense)
    if not filters or min(shape[:2]) < 2 ** len(filters):
        raise ModelError(
            f"Images of {shape[0]} x {shape[1]} cannot be halved {len(filters)} times: give at "
            f"least one number of filters, and at most {int(math.log2(min(shape[:2])))} of them."
        )
    stack = [keras.Input(shape)]
    for place, count in enumerate(filters, start=1):
        _whole("A number in filters", count)
        stack += [
            layers.Conv2D(
                count,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=_initializer(seed, place),
                dtype=dtype,
                name=f"convolution_{place}",
            ),
            layers.MaxPooling2D(dtype=dtype, name=f"pooling_{place}"),
        ]
    stack += [
        layers.Flatten(dtype=dtype),
        layers.Dense(
            dense,
            activation="relu",
            kernel_initializer=_initializer(seed, len(filters) + 1),
            dtype=dtype,
            name="hidden",
        ),
        _logits(classes, seed),
    ]
    return keras.Sequential(stack, name="convolutional_network")
