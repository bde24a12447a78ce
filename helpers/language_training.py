"""Training a language model on windows of a text, and its score on text it has not seen.

Built in view in chapter 11; the model itself is in `helpers.language_models`.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.evaluation import bits_per_byte
from helpers.language_models import LanguageModelError, as_tokens, gpt_sizes, whole

if TYPE_CHECKING:
    import keras

# Short windows teach a small model faster, and its positions reach further than they were trained.
WINDOW = 64
OPTIMIZERS = ("muon", "adamw")


def token_windows(
    text: bytes | str | np.ndarray, context: int, count: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """`count` random windows of a text: inputs and targets, int32 (count, context) each.

    The targets are the inputs one token later: every position of a window is an example. Windows
    begin anywhere and may overlap; the same seed gives the same ones. Raises `LanguageModelError`
    for a text without a whole window of `context` + 1 tokens.
    """
    whole("context", context), whole("count", count)
    tokens = as_tokens(text)
    if len(tokens) <= context:
        raise LanguageModelError(
            f"The text has {len(tokens)} tokens, too few for a context of {context} and one token "
            f"to predict; give at least {context + 1} tokens or a shorter context."
        )
    starts = np.random.default_rng(seed).integers(0, len(tokens) - context, count)
    windows = tokens.astype(np.int32)[starts[:, None] + np.arange(context + 1)]
    return windows[:, :-1], windows[:, 1:]


@dataclass(frozen=True)
class LanguageTraining:
    """What a training run did: one entry of `steps` and `losses` per report.

    steps    steps done at the end of each report
    losses   mean training loss of the steps of each report, in bits per token
    tokens   tokens trained on, counted with repetition
    seconds  wall time, compilation included
    """

    steps: tuple[int, ...]
    losses: tuple[float, ...]
    tokens: int
    seconds: float


def train_language_model(
    model: keras.Model,
    text: bytes | str | np.ndarray,
    *,
    steps: int,
    batch: int = 32,
    window: int | None = None,
    learning_rate: float = 1.5e-2,
    optimizer: str = "muon",
    seed: int = 0,
    seconds: float | None = None,
    reports: int = 10,
    jit_compile: bool = False,
    progress: bool = False,
) -> LanguageTraining:
    """The `LanguageTraining` of `steps` steps on random windows of `text`.

    window   tokens in a window; None is 64, or the model's context if that is shorter
    optimizer "muon" (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) orthogonalises
             the step of each weight matrix and learns from fewer steps; "adamw" (Loshchilov and
             Hutter 2019, https://arxiv.org/abs/1711.05101) with about 4e-3 is the usual choice
    seconds  stop at the end of the report during which so much time has passed; None never does.
             With it a run depends on the machine, without it on the seed alone
    reports  parts in which the training is reported
    progress a bar on standard error, if that is a terminal

    The learning rate rises over the first 20 steps (at most a tenth of all) and falls as a cosine
    to a twentieth. Weights that were frozen stay frozen, so that a model with LoRA is fine-tuned by
    the same call. Raises `LanguageModelError` for sizes or a text that cannot be trained on.
    """
    from helpers.training import fit_timed

    steps, batch = whole("steps", steps), whole("batch", batch)
    reports = min(whole("reports", reports), steps)
    window = _window(model, window)
    if not learning_rate > 0:
        raise LanguageModelError(f"learning_rate is {learning_rate!r}; give a number above 0.")
    if optimizer not in OPTIMIZERS:
        raise LanguageModelError(
            f"There is no optimizer {optimizer!r} here; give one of {', '.join(OPTIMIZERS)}."
        )
    if seconds is not None and not seconds > 0:
        raise LanguageModelError(f"seconds is {seconds!r}; give a number above 0, or None.")
    _compile(model, steps, learning_rate, optimizer, jit_compile)
    x, y = token_windows(text, window, steps * batch, seed)
    ends = np.linspace(0, steps, reports + 1).round().astype(int)
    losses, begin = [], time.perf_counter()
    for first, last in itertools.pairwise(ends):
        part = slice(first * batch, last * batch)
        data = (x[part], y[part])
        result = fit_timed(
            model, data, epochs=1, batch_size=batch, shuffle=False, progress=progress
        )
        losses.append(result.history["loss"][0] / np.log(2))
        spent = time.perf_counter() - begin
        if seconds is not None and spent >= seconds:
            break
    done = tuple(int(end) for end in ends[1 : len(losses) + 1])
    return LanguageTraining(done, tuple(losses), done[-1] * batch * window, spent)


def _compile(
    model: keras.Model, steps: int, learning_rate: float, optimizer: str, jit_compile: bool
) -> None:
    import keras

    warmup = max(1, min(20, steps // 10))
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 5,
        max(1, steps - warmup),
        alpha=0.05,
        warmup_target=learning_rate,
        warmup_steps=warmup,
    )
    if optimizer == "muon":
        chosen = keras.optimizers.Muon(schedule, adam_beta_2=0.99)
    else:
        chosen = keras.optimizers.AdamW(
            schedule, weight_decay=0.1, beta_2=0.99, global_clipnorm=1.0
        )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # On TensorFlow "auto" would mean XLA, whose compilation outlasts a short training.
    auto = "auto" if keras.backend.backend() != "tensorflow" else False
    model.compile(chosen, loss, jit_compile=jit_compile or auto)
    # A first step that creates the optimizer's variables would be traced twice.
    chosen.build(model.trainable_variables)


def _window(model: keras.Model, window: int | None) -> int:
    context = gpt_sizes(model).context
    chosen = min(WINDOW, context) if window is None else whole("window", window)
    if chosen > context:
        raise LanguageModelError(
            f"The window of {chosen} tokens is longer than the model's context of {context}; "
            f"give at most {context}."
        )
    return chosen


def token_bits(
    model: keras.Model,
    text: bytes | str | np.ndarray,
    window: int | None = None,
    stride: int | None = None,
    batch: int = 64,
) -> np.ndarray:
    """float64 (n - 1,): the bits that each token of `text` costs, from the second one on.

    Windows of `window` tokens (None: 64, or the context if shorter) advance by `stride` (None: half
    a window), and each token is scored in the first window that holds it: all but the first
    window's tokens have at least `window - stride` before them. `LanguageModelError` for fewer
    than two tokens and for a stride that leaves gaps.
    """
    from keras import losses, ops

    from helpers.generation import compiled

    tokens = as_tokens(text, least=2)
    window = min(_window(model, window), len(tokens) - 1)
    stride = max(1, window // 2) if stride is None else whole("stride", stride)
    if stride > window:
        raise LanguageModelError(
            f"A stride of {stride} leaves out tokens between windows of {window}; give at most "
            f"{window}."
        )

    def nats(inputs, targets):
        logits = model(inputs, training=False)
        return losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)

    score, last = compiled(nats, model, jit_compile=False), len(tokens) - 1 - window
    starts = np.unique(np.append(np.arange(0, last + 1, stride), last))
    found = np.full(len(tokens) - 1, np.nan)
    for place in range(0, len(starts), batch):
        # The last batch is filled up, so that one program serves all.
        part = np.resize(starts[place : place + batch], batch)
        windows = tokens[part[:, None] + np.arange(window + 1)].astype(np.int32)
        costs = np.asarray(ops.convert_to_numpy(score(windows[:, :-1], windows[:, 1:])))
        for start, cost in zip(part, costs, strict=True):
            free = np.isnan(found[start : start + window])
            found[start : start + window][free] = cost[free]
    return found / np.log(2)


def bits_per_byte_of(model: keras.Model, text: bytes | str | np.ndarray, **windows: Any) -> float:
    """Bits per byte of `model` on `text`, which should be text it has not seen.

    Scored over overlapping windows (see `token_bits`, which takes `windows`); the first byte, which
    nothing predicts, costs 8 bits, so that models of any kind compare on the same bytes. Chapter 01
    defines the measure.
    """
    bits = token_bits(model, text, **windows)
    return bits_per_byte(float(bits.sum() + 8) * np.log(2), len(bits) + 1)
