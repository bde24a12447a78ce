"""Text from a GPT: greedy or sampled, with a key-value cache or by recomputing everything.

`Decoder` keeps the keys and values of all tokens it was fed, so that a new token costs one position
and not the whole text again. It can be rewound, which speculative decoding needs (chapter 21).
Built in view in chapter 11.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.language_models import (
    GPTSizes,
    LanguageModelError,
    as_tokens,
    distance_bias,
    gpt_sizes,
    transformer,
)

if TYPE_CHECKING:
    import keras


def compiled(function: Callable[..., Any], model: keras.Model, jit_compile: bool) -> Callable:
    """`function`, which calls layers of `model`, compiled by the backend; see Keras's `Backend`.

    On TensorFlow a graph, through XLA if `jit_compile`; on JAX always through XLA. The weights are
    read at each call, so training the model later is seen; changing its layers (quantizing, LoRA)
    is not: compile anew then.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=jit_compile)
    if backend == "jax":
        import jax

        variables = model.variables

        @jax.jit
        def pure(values, *arguments):
            # Without this scope the weights would be frozen into the compiled program.
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function(*arguments)

        return lambda *arguments: pure([v.value for v in variables], *arguments)
    return function


class Decoder:
    """A GPT at work on one text: feed it tokens, read logits, keep keys and values.

    model        what `build_gpt` gave, trained, quantized or with LoRA
    jit_compile  through XLA on TensorFlow as well: faster per call, seconds to compile
    length       tokens the cache has room for; None means the model's context

    `position` is the number of tokens in the cache, 2 x layers x width numbers for each of them.
    """

    def __init__(self, model: keras.Model, jit_compile: bool = False, length: int | None = None):
        from keras import ops

        self.sizes: GPTSizes = gpt_sizes(model)
        self.length = self.sizes.context if length is None else length
        if not 1 <= self.length <= self.sizes.context:
            raise LanguageModelError(
                f"The cache is to hold {length} tokens; give 1 to {self.sizes.context}, the "
                "context of the model."
            )
        self.model, self.position = model, 0
        sizes = self.sizes
        shape = (sizes.layers, 1, self.length, sizes.heads, sizes.width // sizes.heads)
        dtype = model.get_layer("block_1_key").compute_dtype
        self._keys, self._values = ops.zeros(shape, dtype), ops.zeros(shape, dtype)
        self._step = compiled(self._cached_step, model, jit_compile)

    @property
    def cache_bytes(self) -> int:
        """Bytes that keys and values take, for the whole length."""
        from keras import backend

        width = 2 if "16" in backend.standardize_dtype(self._keys.dtype) else 4
        return 2 * int(np.prod(self._keys.shape)) * width

    def _cached_step(self, tokens, start, keys, values):
        from keras import ops

        count = tokens.shape[1]
        positions = start + ops.arange(count, dtype="int32")
        # A token sees every cached position up to its own; what lies beyond is stale or empty.
        stored = ops.arange(self.length, dtype="int32")
        visible = stored[None, :] <= positions[:, None]
        bias = distance_bias(self.sizes, positions[None], stored[None])
        cache = {"keys": keys, "values": values}

        def attend(block, query, key, value):
            for name, new in (("keys", key), ("values", value)):
                place = (block - 1, 0, start, 0, 0)
                new = ops.cast(new, cache[name].dtype)
                cache[name] = ops.slice_update(cache[name], place, new[None])
            seen = cache["keys"][block - 1], cache["values"][block - 1]
            mask = visible[None, None]
            return ops.dot_product_attention(query, *seen, bias=bias, mask=mask)

        layer = self.model.get_layer
        logits = transformer(layer, self.sizes, tokens, attend)
        return logits, cache["keys"], cache["values"]

    def feed(self, tokens: Sequence[int] | np.ndarray | bytes) -> np.ndarray:
        """float32 logits (n, vocabulary): row i predicts the token after `tokens[i]`.

        Appends the tokens to the cache. Each new n is compiled once. Raises `LanguageModelError`
        when the cache has no room for them.
        """
        from keras import ops

        fed = _fed(tokens, self)
        logits, self._keys, self._values = self._step(
            ops.convert_to_tensor(fed[None], "int32"),
            ops.convert_to_tensor(self.position, "int32"),
            self._keys,
            self._values,
        )
        self.position += len(fed)
        return np.asarray(ops.convert_to_numpy(logits), np.float32)[0]

    def rewind(self, position: int = 0) -> None:
        """Forgets all tokens from `position` on; 0 starts a new text."""
        self.position = _kept(position, self)


class Recomputer:
    """The same as `Decoder` without a cache: every call runs the model over the whole text.

    The text is padded behind its end, where a causal model does not look, to the next of 32, 64,
    128, ... tokens: so few programs are compiled, and little is computed for nothing.
    """

    def __init__(self, model: keras.Model, jit_compile: bool = False, length: int | None = None):
        self.sizes = gpt_sizes(model)
        self.length = length or self.sizes.context
        self._tokens = np.zeros(0, np.int64)
        self._run = compiled(lambda tokens: model(tokens, training=False), model, jit_compile)

    @property
    def position(self) -> int:
        """Number of tokens fed so far."""
        return len(self._tokens)

    def feed(self, tokens: Sequence[int] | np.ndarray | bytes) -> np.ndarray:
        """float32 logits (n, vocabulary) for the n fed `tokens`, as `Decoder.feed` gives them."""
        from keras import ops

        text = np.concatenate([self._tokens, _fed(tokens, self)])
        size = 32
        while size < len(text):
            size *= 2
        padded = np.zeros((1, min(size, self.length)), "int32")
        padded[0, : len(text)] = text
        logits = ops.convert_to_numpy(self._run(ops.convert_to_tensor(padded)))
        start, self._tokens = self.position, text
        return np.asarray(logits, np.float32)[0, start : len(text)]

    def rewind(self, position: int = 0) -> None:
        """Forgets all tokens from `position` on; 0 starts a new text."""
        self._tokens = self._tokens[: _kept(position, self)]


def _fed(tokens: Sequence[int] | np.ndarray | bytes, engine: Decoder | Recomputer) -> np.ndarray:
    fed = as_tokens(np.asarray(tokens) if isinstance(tokens, list | tuple) else tokens)
    _known(fed, engine.sizes)
    if engine.position + len(fed) > engine.length:
        raise LanguageModelError(
            f"{engine.position} of {engine.length} tokens are taken and there is no room for "
            f"{len(fed)} more; rewind, or build the model with a longer context."
        )
    return fed


def _kept(position: int, engine: Decoder | Recomputer) -> int:
    if not 0 <= position <= engine.position:
        raise LanguageModelError(
            f"{engine.position} tokens were fed, so going back to {position} is not possible; "
            f"give a number from 0 to {engine.position}."
        )
    return int(position)


def _known(tokens: np.ndarray, sizes: GPTSizes) -> None:
    if tokens.min() < 0 or tokens.max() >= sizes.vocabulary:
        raise LanguageModelError(
            f"The tokens run from {tokens.min()} to {tokens.max()}; the model knows 0 to "
            f"{sizes.vocabulary - 1}."
        )


def choose(logits: np.ndarray, temperature: float, rng: np.random.Generator) -> int:
    """The next token from `logits` (vocabulary,): the most likely at temperature 0, else drawn."""
    if temperature == 0:
        return int(np.argmax(logits))
    scaled = np.asarray(logits, np.float64) / temperature
    weights = np.exp(scaled - scaled.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def generate(
    model: keras.Model,
    prompt: bytes | str | np.ndarray,
    tokens: int,
    temperature: float = 0.0,
    cache: bool = True,
    seed: int = 0,
    jit_compile: bool = False,
    engine: Decoder | Recomputer | None = None,
) -> np.ndarray:
    """int64 (tokens,): what `model` writes after `prompt`; `bytes(...)` of it, or `to_text`.

    temperature  0 takes the most likely token each time; above, tokens are drawn, with `seed`
    cache        keep keys and values (`Decoder`) or recompute everything for each token; the tokens
                 are the same, up to ties of the floating-point kind
    engine       a `Decoder` or `Recomputer` of the model to use again, already compiled; it is
                 rewound first, and `cache` does not matter then

    Raises `LanguageModelError` for an empty prompt, for a prompt that with its continuation is
    longer than the model's context, and for a negative temperature.
    """
    begin, sizes = as_tokens(prompt, what="prompt"), gpt_sizes(model)
    if isinstance(tokens, bool) or not isinstance(tokens, int | np.integer) or tokens < 1:
        raise LanguageModelError(f"tokens is {tokens!r}; give a whole number of 1 or more.")
    if not temperature >= 0:
        raise LanguageModelError(f"temperature is {temperature!r}; give 0 or a number above it.")
    _known(begin, sizes)
    room = engine.length if engine is not None else sizes.context
    # The last token is written and never fed back.
    if len(begin) + tokens - 1 > room:
        raise LanguageModelError(
            f"A prompt of {len(begin)} tokens and {tokens} new ones do not fit the context of "
            f"{room}; shorten the prompt, ask for fewer, or build the model with more context."
        )
    if engine is None:
        engine = (Decoder if cache else Recomputer)(model, jit_compile)
    engine.rewind()
    rng, written = np.random.default_rng(seed), []
    logits = engine.feed(begin)[-1]
    while True:
        written.append(choose(logits, temperature, rng))
        if len(written) == tokens:
            return np.array(written, np.int64)
        logits = engine.feed([written[-1]])[-1]


def to_text(tokens: Sequence[int] | np.ndarray) -> str:
    """The text of byte tokens; a sequence that is not UTF-8 shows as the replacement sign."""
    return bytes(int(token) for token in tokens).decode("utf-8", errors="replace")
