"""A small GPT: a causal transformer over bytes, its training, and its score in bits per byte.

Tokens are bytes: 256 of them write every text there is, nothing is unknown, and the loss is bits
per byte without a conversion, so that models of any kind compare on the same file. The model is a
flat functional Keras model: every weight belongs to a `Dense`, `Embedding` or `LayerNormalization`
layer of its own, found by name, so that `quantize`, `enable_lora`, saving and loading work layer by
layer. Generation with and without a cache is in `helpers.generation`. Built in view in chapter 11.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

VOCABULARY = 256


class LanguageModelError(ValueError):
    """A language model or a text that cannot be used as asked; one sentence."""


def as_tokens(text: bytes | str | np.ndarray, least: int = 1, what: str = "text") -> np.ndarray:
    """`text` as int64 tokens of shape (n,): one for each byte (a `str` counts in UTF-8).

    An integer array is taken as tokens already. Raises `LanguageModelError` for fewer than `least`.
    """
    if isinstance(text, str):
        text = text.encode("utf-8")
    raw = np.frombuffer(text, np.uint8) if isinstance(text, bytes | bytearray) else np.asarray(text)
    if raw.ndim != 1 or (raw.size and raw.dtype.kind not in "iu"):
        raise LanguageModelError(
            f"The {what} is of type {type(text).__name__}; give bytes, a string, or a "
            "one-dimensional array of whole numbers."
        )
    if len(raw) < least:
        raise LanguageModelError(
            f"The {what} has {len(raw)} tokens; give at least {least}."
            if len(raw)
            else f"The {what} is empty; give at least {least} tokens."
        )
    return raw.astype(np.int64)


def whole(name: str, value: Any, least: int = 1) -> int:
    """`value` as an int; raises `LanguageModelError` unless it is whole and at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise LanguageModelError(f"{name} is {value!r}; give a whole number of {least} or more.")
    return int(value)


@dataclass(frozen=True)
class GPTSizes:
    """The sizes of a GPT: tokens it knows, positions it knows, width, blocks, attention heads."""

    vocabulary: int
    context: int
    width: int
    layers: int
    heads: int

    def __post_init__(self):
        for name, value in vars(self).items():
            whole(name, value)
        if self.width % self.heads:
            raise LanguageModelError(
                f"The width {self.width} cannot be divided among {self.heads} heads; "
                "give a width that is a multiple of the number of heads."
            )

    @property
    def parameters(self) -> int:
        """Weights by the formula: embedding and logits, 12 width^2 + 9 width per block, norm."""
        w = self.width
        block = 4 * w * w + 8 * w * w + 5 * w + 4 * w  # attention, MLP with biases, two norms
        return 2 * self.vocabulary * w + self.layers * block + 2 * w

    @property
    def slopes(self) -> np.ndarray:
        """float32 (heads,): what a step of distance costs each head's score, 2^(-8 i / heads)."""
        return (2.0 ** (-8 * np.arange(1, self.heads + 1) / self.heads)).astype(np.float32)


def block_layers(block: int) -> tuple[str, ...]:
    """Names of the weight matrices of a block (from 1): attention, then the MLP."""
    parts = ("query", "key", "value", "output", "mlp_up", "mlp_down")
    return tuple(f"block_{block}_{part}" for part in parts)


def distance_bias(sizes: GPTSizes, queries: Any, keys: Any) -> Any:
    """float32 (batch, heads, n, m): minus slope x distance of int32 positions (batch, n or m).

    Attention with linear biases (Press, Smith and Lewis 2022, https://arxiv.org/abs/2108.12409): it
    has no weights, and a model trained on short windows goes on working in longer texts.
    """
    from keras import ops

    steps = ops.expand_dims(queries, 2) - ops.expand_dims(keys, 1)
    distance = ops.expand_dims(ops.cast(steps, "float32"), 1)
    return ops.concatenate([-float(slope) * distance for slope in sizes.slopes], axis=1)


def transformer(
    layer: Callable[[str], Any],
    sizes: GPTSizes,
    tokens: Any,
    attend: Callable[[int, Any, Any, Any], Any],
) -> Any:
    """Logits (batch, n, vocabulary) for int32 `tokens` (batch, n).

    layer   name -> Keras layer; attend  (block, query, key, value) -> mixed values, all of shape
    (batch, n, heads, width / heads). The same lines serve training and cached generation: only
    what `attend` sees differs. Pre-norm blocks as in GPT-2 (Radford et al. 2019).
    """
    x = layer("token_embedding")(tokens)
    for block in range(1, sizes.layers + 1):
        name = f"block_{block}_"
        normed = layer(name + "norm_1")(x)
        query, key, value = (
            layer(name + "split_heads")(layer(name + part)(normed))
            for part in ("query", "key", "value")
        )
        mixed = layer(name + "merge_heads")(attend(block, query, key, value))
        x = x + layer(name + "output")(mixed)
        hidden = layer(name + "mlp_up")(layer(name + "norm_2")(x))
        x = x + layer(name + "mlp_down")(hidden)
    return layer("logits")(layer("final_norm")(x))


def build_gpt(
    vocabulary: int = VOCABULARY,
    context: int = 288,
    width: int = 64,
    layers: int = 2,
    heads: int = 4,
    seed: int | None = None,
) -> keras.Model:
    """A GPT: int32 tokens (batch, n <= context) to float32 logits (batch, n, vocabulary).

    Pre-norm blocks of causal self-attention (no biases) and a GELU MLP of four times the width, a
    final norm and untied logits. Positions enter as `distance_bias`. The context has no weights; it
    is kept in the model's name. With `seed` the initial weights depend on it alone. Raises
    `LanguageModelError` for sizes that make no model. Built in view in chapter 11.
    """
    import keras
    from keras import ops

    sizes = GPTSizes(vocabulary, context, width, layers, heads)
    layer = functools.cache(functools.partial(_make_layer, sizes, seed))
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    positions = ops.cumsum(ops.ones_like(tokens), axis=1) - 1
    bias = distance_bias(sizes, positions, positions)

    def causal(block, query, key, value):
        return ops.dot_product_attention(query, key, value, bias=bias, is_causal=True)

    logits = transformer(layer, sizes, tokens, causal)
    return keras.Model(tokens, logits, name=f"gpt_context_{context}")


def _make_layer(sizes: GPTSizes, seed: int | None, name: str) -> Any:
    from keras import initializers, layers

    place = sum((1 + i) * ord(letter) for i, letter in enumerate(name))
    part = name.split("_", 2)[2] if name.startswith("block_") else name
    w = sizes.width

    def normal(deviation):
        chosen = None if seed is None else 100_000 * seed + place
        return initializers.RandomNormal(stddev=deviation, seed=chosen)

    # The two matrices that add to the residual stream start smaller, as in GPT-2.
    residual = normal(1 / math.sqrt(w * 2 * sizes.layers))
    if part == "token_embedding":
        return layers.Embedding(sizes.vocabulary, w, normal(0.02), name=name)
    if "norm" in part:
        return layers.LayerNormalization(epsilon=1e-5, name=name)
    if part == "split_heads":
        return layers.Reshape((-1, sizes.heads, w // sizes.heads), name=name)
    if part == "merge_heads":
        return layers.Reshape((-1, w), name=name)
    if part == "mlp_up":
        start = normal(1 / math.sqrt(w))
        return layers.Dense(4 * w, activation="gelu", kernel_initializer=start, name=name)
    if part == "mlp_down":
        start = normal(1 / math.sqrt(4 * w * 2 * sizes.layers))
        return layers.Dense(w, kernel_initializer=start, name=name)
    if part == "logits":
        # In float32 under every dtype policy: 16-bit logits spoil the loss.
        start = normal(0.02)
        options = {"kernel_initializer": start, "use_bias": False, "dtype": "float32"}
        return layers.Dense(sizes.vocabulary, name=name, **options)
    start = residual if part == "output" else normal(1 / math.sqrt(w))
    return layers.Dense(w, use_bias=False, kernel_initializer=start, name=name)


def gpt_sizes(model: keras.Model) -> GPTSizes:
    """The `GPTSizes` of a model that `build_gpt` built, loaded or quantized ones included."""
    try:
        heads = model.get_layer("block_1_split_heads").target_shape[1]
        tokens = model.get_layer("token_embedding")
        context = int(model.name.removeprefix("gpt_context_"))
    except (AttributeError, ValueError) as error:
        raise LanguageModelError(
            "This model was not built by build_gpt: its name is not 'gpt_context_...', or it has "
            "no layer 'token_embedding' or 'block_1_split_heads'."
        ) from error
    layers = sum(layer.name.endswith("_merge_heads") for layer in model.layers)
    return GPTSizes(tokens.input_dim, context, tokens.output_dim, layers, heads)
