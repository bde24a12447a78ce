"""Speculative decoding: a cheap draft guesses several tokens, one call of the target checks them.

With greedy decoding the text is the target's own, token for token: a guess is kept only where it is
what the target would have written. What changes is the number of calls of the target. Built in view
in chapter 21; the engines are those of `helpers.generation`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.language_models import LanguageModelError, as_tokens, whole

if TYPE_CHECKING:
    from helpers.generation import Decoder, Recomputer


@dataclass(frozen=True, eq=False)
class Speculation:
    """What a speculative run wrote and what it took.

    tokens    int64, the tokens written
    calls     calls of the target, the one that reads the prompt left out
    accepted  for each call, how many of its guesses were kept
    guesses   guesses of each call

    Every call writes its accepted guesses and one token of the target's own, so that
    len(tokens) - 1 is at most the sum of `accepted` + `calls` (the last call may be cut short; one
    token comes from the call that reads the prompt).
    """

    tokens: np.ndarray
    calls: int
    accepted: tuple[int, ...]
    guesses: int

    @property
    def acceptance(self) -> float:
        """Share of the guesses that were tested and kept; those after a wrong one are not tested.

        It estimates the chance that a guess is right, given that those before it were.
        """
        tested = sum(min(kept + 1, self.guesses) for kept in self.accepted)
        return sum(self.accepted) / tested if tested else float("nan")

    @property
    def tokens_per_call(self) -> float:
        """Tokens that a call of the target wrote in the mean, its own one included."""
        return 1 + sum(self.accepted) / self.calls if self.calls else float("nan")


def together(runs: Sequence[Speculation]) -> Speculation:
    """One `Speculation` of several with the same number of guesses: tokens and calls in a row.

    Raises `LanguageModelError` for no runs, and for runs with different numbers of guesses.
    """
    kinds = {run.guesses for run in runs}
    if len(kinds) != 1:
        raise LanguageModelError(
            f"The {len(runs)} runs have the guesses {sorted(kinds)}; give at least one run, all "
            "with the same number of guesses."
        )
    tokens = np.concatenate([run.tokens for run in runs])
    accepted = tuple(kept for run in runs for kept in run.accepted)
    return Speculation(tokens, len(accepted), accepted, kinds.pop())


def expected_tokens_per_call(acceptance: float, guesses: int) -> float:
    """Tokens a call writes if each guess is right with the chance `acceptance`, independently.

    1 + a + a^2 + ... + a^guesses. Source: Leviathan, Kalman and Matias 2023,
    https://arxiv.org/abs/2211.17192, equation 1. Raises `LanguageModelError` outside 0 to 1.
    """
    if not 0 <= acceptance <= 1:
        raise LanguageModelError(f"The acceptance is {acceptance!r}; give a share from 0 to 1.")
    return float(sum(acceptance**power for power in range(whole("guesses", guesses, 0) + 1)))


def speculate(
    target: Decoder | Recomputer,
    draft: Callable[[np.ndarray, int], Sequence[int] | np.ndarray],
    prompt: bytes | str | np.ndarray,
    tokens: int,
    guesses: int = 3,
) -> Speculation:
    """The `Speculation` that writes `tokens` tokens after `prompt`, greedily, as the target would.

    target   an engine of the target model; it is rewound first
    draft    gets the text so far (int64, prompt included) and a number, returns so many guesses
    guesses  tokens guessed for each call of the target

    Raises `LanguageModelError` for an empty prompt, for counts below 1, for a draft that returns
    another number of guesses, and when prompt, text and guesses exceed the target's room.
    """
    begin = as_tokens(prompt, what="prompt")
    whole("tokens", tokens), whole("guesses", guesses)
    if len(begin) + tokens + guesses > target.length:
        raise LanguageModelError(
            f"A prompt of {len(begin)} tokens, {tokens} new ones and {guesses} guesses do not fit "
            f"the {target.length} tokens of the engine; ask for fewer."
        )
    target.rewind()
    text = [*begin.tolist(), int(target.feed(begin)[-1].argmax())]
    accepted: list[int] = []
    while len(text) < len(begin) + tokens:
        guessed = [int(token) for token in draft(np.array(text, np.int64), guesses)]
        if len(guessed) != guesses:
            raise LanguageModelError(
                f"The draft returned {len(guessed)} guesses; {guesses} were asked for."
            )
        # Row i is what the target writes after the last token and the first i guesses.
        own = target.feed([text[-1], *guessed]).argmax(axis=1)
        kept = 0
        while kept < guesses and guessed[kept] == own[kept]:
            kept += 1
        text += [*guessed[:kept], int(own[kept])]
        # Keys and values of rejected guesses must go; the newest token is fed by the next call.
        target.rewind(len(text) - 1)
        accepted.append(kept)
    written = np.array(text[len(begin) : len(begin) + tokens], np.int64)
    return Speculation(written, len(accepted), tuple(accepted), guesses)


def compare_drafts(
    target: Decoder,
    drafts: dict[str, Callable],
    prompts: Sequence[bytes],
    tokens: int,
    guesses: int,
    rounds: int = 3,
) -> tuple[list[dict[str, Any]], int]:
    """One row for each draft, and the number of tokens that differ from plain greedy decoding.

    All prompts together: `accepted` (share of tested guesses), `calls` of the target after the
    prompts, `plain_calls` without a draft, `tokens_per_call`, `expected` from the acceptance, and
    `speed_up` of the clock: median of `rounds`, plain and drafted in turn, compiled before.
    """
    from helpers.generation import generate
    from helpers.latency import latency

    def plain() -> np.ndarray:
        return np.concatenate([generate(target.model, p, tokens, engine=target) for p in prompts])

    def drafted(draft: Callable) -> Speculation:
        return together([speculate(target, draft, p, tokens, guesses) for p in prompts])

    rows, wrong, greedy = [], 0, plain()
    for name, draft in drafts.items():
        done = drafted(draft)
        wrong += int(np.sum(done.tokens != greedy))
        row = {"draft": name, "accepted": done.acceptance, "calls": done.calls}
        row |= {"plain_calls": len(prompts) * (tokens - 1)}
        row |= {"tokens_per_call": done.tokens_per_call}
        row |= {"expected": expected_tokens_per_call(done.acceptance, guesses)}
        spent = [
            (latency(plain, 1, 0).p50_ms, latency(lambda d=draft: drafted(d), 1, 0).p50_ms)
            for _ in range(rounds)
        ]
        alone, helped = np.median(spent, axis=0)
        rows.append(row | {"speed_up": float(alone / helped)})
    return rows, wrong


def tokens_per_second(
    engines: dict[str, Decoder], prompt: bytes, tokens: int, rounds: int = 5
) -> dict[str, float]:
    """Tokens that each engine writes greedily in a second after `prompt`, compiled before.

    The engines take turns and the fastest of `rounds` counts: other work on the machine only ever
    adds to a time.
    """
    from helpers.generation import generate
    from helpers.latency import latency

    spent: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(whole("rounds", rounds) + 1):
        for name, engine in engines.items():
            once = latency(lambda e=engine: generate(e.model, prompt, tokens, engine=e), 1, 0)
            spent[name].append(once.p50_ms)
    return {name: 1e3 * tokens / min(times[1:]) for name, times in spent.items()}


class GreedyDraft:
    """A draft made of another model's engine: it continues the text greedily.

    Call it as `speculate` does. Tokens that it knows already stay in its cache; `calls` counts the
    calls of the engine. The engine is fed one token at a time, so that one program serves.
    """

    def __init__(self, engine: Decoder | Recomputer):
        self.engine, self.calls = engine, 0
        self._fed: list[int] = []

    def __call__(self, text: np.ndarray, count: int) -> list[int]:
        """`count` tokens that the engine's model would write after `text`."""
        known = 0
        while known < min(len(self._fed), len(text) - 1) and self._fed[known] == text[known]:
            known += 1
        self.engine.rewind(known)
        self._fed = self._fed[:known]
        waiting, written = [int(token) for token in text[known:]], []
        while len(written) < count:
            for token in waiting:
                logits = self.engine.feed([token])[-1]
                self._fed.append(token)
                self.calls += 1
            waiting = [int(np.argmax(logits))]
            written += waiting
        return written


class LookupDraft:
    """A draft without a model: what followed the last bytes most often in a training text.

    text   bytes that the table is made from; order  longest context, shorter ones stand in for a
    context that the text does not hold. Call it as `speculate` does. Raises `LanguageModelError`
    for a text of fewer than `order` + 1 bytes.
    """

    def __init__(self, text: bytes, order: int = 5):
        whole("order", order)
        as_tokens(text, least=order + 1)
        self.order = order
        followers: defaultdict[bytes, Counter[int]] = defaultdict(Counter)
        for length in range(1, order + 1):
            for place in range(length, len(text)):
                followers[text[place - length : place]][text[place]] += 1
        self.usual = {context: seen.most_common(1)[0][0] for context, seen in followers.items()}
        self._commonest = Counter(text).most_common(1)[0][0]

    def __call__(self, text: np.ndarray, count: int) -> list[int]:
        """`count` bytes that would usually follow `text`."""
        recent, written = bytes(int(token) for token in text[-self.order :]), []
        for _ in range(count):
            contexts = (recent[start:] for start in range(len(recent)))
            known = (self.usual[context] for context in contexts if context in self.usual)
            written.append(next(known, self._commonest))
            recent = (recent + bytes([written[-1]]))[-self.order :]
        return written
