"""Training that can be killed: a small network in NumPy, its sealed state, and its guard.

A state file carries the first 16 digits of its SHA-256 in its name, so a damaged one is refused.
What is random comes from the seed and the number of the step: no state of a generator is needed.
`python -m helpers.resumable FOLDER` trains what `FOLDER/plan.json` says. Built in view in
chapter 16; chapter 13 has the same for a Keras model, per epoch (`helpers.checkpoints`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

_NAME = re.compile(r"step-(\d{8})-([0-9a-f]{16})\.npz")
_NAMES = ("w1", "b1", "w2", "b2")


class FaultError(RuntimeError):
    """A plan, a state or a service that cannot be used; one sentence."""


@dataclass(frozen=True)
class Plan:
    """What to train: every field is a choice made before the first step.

    steps     updates in all; `interval` updates lie between two checkpoints
    faults    pairs (step, kind): "nan" is a batch with missing values, every time it is read;
              "flip" is a weight altered in memory, once
    guard     stop at a bad loss, go back to the newest state and try again; skip the batch when
              it fails twice. Without it every number is believed
    pause     seconds of sleep after each step, so that a kill has a step to hit
    """

    steps: int = 400
    interval: int = 25
    learning_rate: float = 0.1
    seed: int = 0
    batch: int = 64
    hidden: int = 32
    faults: tuple[tuple[int, str], ...] = ()
    guard: bool = True
    pause: float = 0.0

    def __post_init__(self):
        for name in ("steps", "interval", "batch", "hidden"):
            if isinstance(getattr(self, name), bool) or not getattr(self, name) >= 1:
                raise FaultError(f"{name} is {getattr(self, name)!r}; give a number of 1 or more.")
        odd = [kind for _, kind in self.faults if kind not in ("nan", "flip")]
        if odd:
            raise FaultError(f"There is no fault {odd[0]!r}; give 'nan' or 'flip'.")


@dataclass(frozen=True)
class State:
    """All that decides the rest of the training: step, weights, momentum, skipped steps."""

    step: int
    weights: dict[str, np.ndarray]
    momentum: dict[str, np.ndarray]
    skipped: tuple[int, ...] = ()


def write_state(folder: Path | str, state: State, keep: int = 3) -> Path:
    """Path of the new state file; it appears whole or not at all, and `keep` of them stay."""
    arrays = {f"weights_{k}": v for k, v in state.weights.items()}
    arrays |= {f"momentum_{k}": v for k, v in state.momentum.items()}
    buffer = io.BytesIO()
    np.savez(buffer, step=state.step, skipped=np.array(state.skipped, int), **arrays)
    content, folder = buffer.getvalue(), Path(folder)
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = folder / f"step-{state.step:08d}-{digest}.npz"
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with open(partial, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # The name must not outlive the content in a power failure.
    os.replace(partial, path)
    for old in sorted(folder.glob("step-*.npz"))[:-keep]:
        old.unlink()
    return path


def read_state(path: Path | str) -> State:
    """The `State` in the file at `path`; raises `FaultError` unless it is intact."""
    path = Path(path)
    match, content = _NAME.fullmatch(path.name), path.read_bytes()
    if match is None:
        raise FaultError(f"{path.name} is no state file: expected step-NNNNNNNN-DIGEST.npz.")
    if hashlib.sha256(content).hexdigest()[:16] != match[2]:
        raise FaultError(
            f"{path.name} is truncated or altered: its {len(content)} bytes do not match the "
            "digest in its name; the one before it can be used."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        weights = {name: stored[f"weights_{name}"] for name in _NAMES}
        momentum = {name: stored[f"momentum_{name}"] for name in _NAMES}
        return State(int(stored["step"]), weights, momentum, tuple(stored["skipped"].tolist()))


def newest_state(folder: Path | str) -> tuple[State | None, tuple[str, ...]]:
    """(the newest intact `State` or None, the names of the newer files that were refused)."""
    refused = []
    for path in sorted(Path(folder).glob("step-*.npz"), reverse=True):
        try:
            return read_state(path), tuple(refused)
        except FaultError:
            refused.append(path.name)
    return None, tuple(refused)


def first_state(plan: Plan, inputs: int, classes: int) -> State:
    """The `State` before the first step; it depends on the seed and the sizes alone."""
    random = np.random.default_rng([plan.seed, 2**31])
    weights = {
        "w1": random.normal(0, (2 / inputs) ** 0.5, (inputs, plan.hidden)),
        "b1": np.zeros(plan.hidden),
        "w2": random.normal(0, (1 / plan.hidden) ** 0.5, (plan.hidden, classes)),
        "b2": np.zeros(classes),
    }
    return State(0, weights, {name: np.zeros_like(value) for name, value in weights.items()})


def loss_and_gradients(weights: dict, x: np.ndarray, y: np.ndarray) -> tuple[float, dict]:
    """(mean cross-entropy, gradient of each weight) of a ReLU network; x (n, inputs), y (n,)."""
    with np.errstate(all="ignore"):
        hidden = np.maximum(x @ weights["w1"] + weights["b1"], 0)
        logits = hidden @ weights["w2"] + weights["b2"]
        logits = logits - logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = -np.log(np.maximum(p[rows, y], 1e-300)).mean() if np.isfinite(p).all() else np.nan
        p[rows, y] -= 1
        p /= len(y)
        back = (p @ weights["w2"].T) * (hidden > 0)
        gradients = {"w1": x.T @ back, "b1": back.sum(0), "w2": hidden.T @ p, "b2": p.sum(0)}
    return float(loss), gradients


def accuracy(weights: dict, x: np.ndarray, y: np.ndarray) -> float:
    """Share of the rows whose largest logit is that of their class; 0 for weights with NaN."""
    if not all(np.isfinite(value).all() for value in weights.values()):
        return 0.0
    hidden = np.maximum(x @ weights["w1"] + weights["b1"], 0)
    return float(((hidden @ weights["w2"] + weights["b2"]).argmax(1) == y).mean())


def train(folder: Path | str, plan: Plan, x: np.ndarray, y: np.ndarray, tell=None) -> State:
    """The last `State` of training as `plan` says, continued from the newest state in `folder`.

    x (n, inputs) float, y (n,) class indices. Each step adds a line to `folder/log.jsonl`:
    `step` (steps done), `loss`, `time`, and `event` where something happened ("resumed",
    "rollback", "skipped"). `tell(step)` is called after each step. With the guard, a loss that is
    not finite, or above three times the median of the last 50 and above 3 (chance is the logarithm
    of the number of classes), is a fault; no state is written before the loss of the next batch
    has been found healthy. Built in view in chapter 16.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    start = newest_state(folder)[0] or first_state(plan, x.shape[1], int(y.max()) + 1)
    state, faults, recent, failures = start, dict(plan.faults), [], {}
    flips = {step for step, kind in plan.faults if kind == "flip"}
    log_file = folder / "log.jsonl"
    cut = log_file.exists() and log_file.read_bytes()[-1:] not in (b"", b"\n")
    with open(log_file, "a", encoding="utf-8") as log:
        if cut:
            log.write("\n")  # The line that a kill has cut off must not spoil the next one.

        def note(step: int, loss: float, event: str = "") -> None:
            # NaN is not JSON: a reader in another language would stop at it.
            value = loss if np.isfinite(loss) else None
            line = {"step": step, "loss": value, "event": event, "time": time.time()}
            log.write(json.dumps(line) + "\n")
            log.flush()

        if start.step:
            note(start.step, np.nan, "resumed")
        while state.step <= plan.steps:
            here = state.step
            rows = np.random.default_rng([plan.seed, here]).integers(0, len(x), plan.batch)
            batch = x[rows]
            if faults.get(here) == "nan":
                batch = np.where(np.arange(len(batch))[:, None] == 0, np.nan, batch)
            loss, gradients = loss_and_gradients(state.weights, batch, y[rows])
            limit = max(3.0, 3 * float(np.median(recent[-50:]))) if recent else 30.0
            skip = here in state.skipped
            if plan.guard and not skip and not loss <= limit:
                failures[here] = failures.get(here, 0) + 1
                back = newest_state(folder)[0] or first_state(plan, x.shape[1], int(y.max()) + 1)
                again = failures[here] > 1
                skipped = {*back.skipped, *state.skipped, *([here] if again else [])}
                state = State(back.step, back.weights, back.momentum, tuple(sorted(skipped)))
                note(here, loss, "skipped" if again else "rollback")
                continue
            # The loss just computed has judged the weights: only now may they be kept.
            if here and here % plan.interval == 0:
                write_state(folder, state)
            if here == plan.steps:
                break
            recent.append(loss)
            weights, momentum = state.weights, state.momentum
            if not skip:
                momentum = {k: 0.9 * momentum[k] + gradients[k] for k in weights}
                weights = {k: weights[k] - plan.learning_rate * momentum[k] for k in weights}
            if here in flips:
                flips.discard(here)
                weights = weights | {"b2": weights["b2"] + np.eye(len(weights["b2"]))[0] * 1e6}
            state = State(here + 1, weights, momentum, state.skipped)
            note(state.step, loss)
            if tell:
                tell(state.step)
            time.sleep(plan.pause)
    return state


def write_job(folder: Path | str, plan: Plan, x: np.ndarray, y: np.ndarray) -> Path:
    """The folder, with the plan and the data that a process of its own will train on."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(asdict(plan)), encoding="utf-8")
    np.savez(folder / "data.npz", x=x, y=y)
    return folder


def read_log(folder: Path | str) -> list[dict]:
    """The lines of `folder/log.jsonl`; a last line that a kill has cut off is left out."""
    path = Path(folder) / "log.jsonl"
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # Half a line, where the process was killed while it wrote.
    return found


def main(folder: str) -> None:
    plan = json.loads((Path(folder) / "plan.json").read_text(encoding="utf-8"))
    plan["faults"] = tuple((step, kind) for step, kind in plan["faults"])
    with np.load(Path(folder) / "data.npz") as data:
        x, y = data["x"], data["y"]
    found = newest_state(folder)[0]
    print(f"from {found.step if found else 0}", flush=True)
    state = train(folder, Plan(**plan), x, y, lambda step: print(f"step {step}", flush=True))
    write_state(Path(folder) / "final", state)


if __name__ == "__main__":
    main(sys.argv[1])
