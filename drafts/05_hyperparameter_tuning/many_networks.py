"""Many small networks trained at once in NumPy: one matrix product a layer for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_CHUNK = 48  # networks whose weights are worked on together: more of them would leave the cache


class NetworkError(ValueError):
    """Networks that cannot be trained as asked; one sentence."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What training left: one entry a network along the first axis.

    accuracy: float64 (networks, epochs), share of right answers on the held-out rows after each
    epoch. right: bool (networks, held-out rows) after the last epoch. loss: float64 (networks,
    epochs), mean cross-entropy on the training rows while the epoch ran, in nats; infinite once a
    network has diverged. weights: per layer a float32 array (networks, inputs + 1, outputs), the
    last input row being the bias.
    """

    accuracy: np.ndarray
    right: np.ndarray
    loss: np.ndarray
    weights: tuple[np.ndarray, ...]

    def predict(self, network: int, x: np.ndarray) -> np.ndarray:
        """int64 (n,): the classes that one of the networks answers on `x` (n, features)."""
        layers = [weight[network : network + 1] for weight in self.weights]
        return _forward(np.asarray(x, np.float32)[None], layers)[-1][0].argmax(axis=1)


def _forward(x: np.ndarray, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The activations (networks, n, units) of every layer, the input first, the logits last."""
    states = [x]
    for depth, weight in enumerate(weights):
        z = states[-1] @ weight[:, :-1] + weight[:, -1:]
        states.append(np.maximum(z, 0, out=z) if depth < len(weights) - 1 else z)
    return states


def _check(x, y, rows, sizes, settings: dict[str, np.ndarray], epochs: int, batch: int) -> None:
    if len(x) != len(y) or len(x) == 0:
        raise NetworkError(
            f"There are {len(x)} rows and {len(y)} labels; give one label for each row."
        )
    if rows.ndim != 2 or rows.size == 0 or rows.min() < 0 or rows.max() >= len(x):
        raise NetworkError(
            f"The training rows must be row numbers from 0 to {len(x) - 1}, one line a network."
        )
    for name, values in settings.items():
        if values.shape != (len(rows),) or not np.isfinite(values).all() or (values < 0).any():
            raise NetworkError(
                f"'{name}' must be one finite number of 0 or more for each of the {len(rows)} "
                "networks."
            )
    if epochs < 1 or batch < 1 or any(size < 1 for size in sizes):
        raise NetworkError(
            f"Epochs ({epochs}), batch ({batch}) and layer sizes {tuple(sizes)} must be 1 or more."
        )


def train_many(
    x: np.ndarray,
    y: np.ndarray,
    x_held: np.ndarray,
    y_held: np.ndarray,
    *,
    learning_rate: np.ndarray,
    momentum: np.ndarray,
    weight_decay: np.ndarray,
    rows: np.ndarray | None = None,
    sizes: Sequence[int] = (32,),
    epochs: int = 27,
    batch: int = 32,
    seed: int = 0,
    multipliers: Sequence[float] = (),
    output_scale: float = 1.0,
    adam: bool = False,
) -> Trained:
    """`Trained`: ReLU networks after stochastic gradient descent, each with its own settings.

    x (n, features) and y (n,) of class numbers from 0; x_held, y_held likewise, for the accuracy.
    learning_rate, momentum, weight_decay: (networks,). rows: (networks, m) numbers of the rows of
    x that each network learns from; without it all learn from all. x_held may be
    (networks, n, features) with y_held (networks, n), so that each network has its own.
    multipliers: factor on the learning rate of each layer; output_scale: factor on the initial
    deviation of the last layer, which is otherwise, as for every layer, sqrt(1 / inputs), and
    sqrt(2 / inputs) in front of a ReLU. The same seed gives the same networks. Chapter 05 uses it
    for its table of training curves. Raises `NetworkError`.
    """
    x, y = np.asarray(x, np.float32), np.asarray(y)
    x_held, y_held = np.asarray(x_held, np.float32), np.asarray(y_held)
    settings = {"learning_rate": learning_rate, "momentum": momentum, "weight_decay": weight_decay}
    settings = {name: np.asarray(value, np.float64) for name, value in settings.items()}
    if rows is None:
        rows = np.tile(np.arange(len(x)), (settings["learning_rate"].size, 1))
    rows = np.asarray(rows)
    _check(x, y, rows, sizes, settings, epochs, batch)
    widths = [x.shape[1], *sizes, int(y.max()) + 1]
    steps = multipliers or [1.0] * (len(widths) - 1)
    own = x_held.ndim == 3
    parts = []
    for first in range(0, len(rows), _CHUNK):
        part = slice(first, first + _CHUNK)
        chosen = [value[part].astype(np.float32)[:, None, None] for value in settings.values()]
        held = (x_held[part], y_held[part]) if own else (x_held[None], y_held[None])
        draw = np.random.default_rng([seed, first])
        scale = [np.sqrt(2 / n) for n in widths[:-2]] + [output_scale / np.sqrt(widths[-2])]
        data = (x, y, rows[part], *held)
        parts.append(_train(data, chosen, widths, scale, steps, epochs, batch, draw, adam))
    joined = [np.concatenate(pieces) for pieces in zip(*[part[:3] for part in parts], strict=True)]
    weights = (np.concatenate(layer) for layer in zip(*[part[3] for part in parts], strict=True))
    return Trained(*joined, tuple(weights))


def _train(data, settings, widths, scale, steps, epochs, batch, draw, adam):
    x, y, rows, x_held, y_held = data
    rate, momentum, decay = settings
    count, n = rows.shape
    weights = [
        draw.standard_normal((count, a + 1, b), dtype=np.float32) * np.float32(s)
        for a, b, s in zip(widths, widths[1:], scale, strict=False)
    ]
    for weight in weights:
        weight[:, -1] = 0
    speed = [np.zeros_like(weight) for weight in weights]
    square, done = [np.zeros_like(weight) for weight in weights], 0
    truth = np.eye(widths[-1], dtype=np.float32)
    accuracy, losses = np.zeros((count, epochs)), np.zeros((count, epochs))
    with np.errstate(all="ignore"):  # too large a learning rate overflows; the loss then says so
        for epoch in range(epochs):
            order = draw.permutation(n)
            for start in range(0, n, batch):
                chosen = rows[:, order[start : start + batch]]
                states = _forward(x[chosen], weights)
                logits = states[-1] - states[-1].max(axis=2, keepdims=True)
                share = np.exp(logits)
                share /= share.sum(axis=2, keepdims=True)
                labels = truth[y[chosen]]
                losses[:, epoch] -= np.log((share * labels).sum(axis=2) + 1e-30).sum(axis=1) / n
                slope, done = (share - labels) / chosen.shape[1], done + 1
                for depth in reversed(range(len(weights))):
                    weight, below = weights[depth], states[depth]
                    gradient = decay * weight
                    gradient[:, :-1] += below.transpose(0, 2, 1) @ slope
                    gradient[:, -1] = slope.sum(axis=1)  # the bias is not decayed
                    if depth:
                        slope = (slope @ weight[:, :-1].transpose(0, 2, 1)) * (below > 0)
                    step = np.float32(steps[depth]) * rate
                    speed[depth] *= momentum
                    if adam:  # Kingma and Ba, algorithm 1, with momentum as the first decay
                        speed[depth] += (1 - momentum) * gradient
                        square[depth] *= np.float32(0.999)
                        square[depth] += np.float32(0.001) * gradient**2
                        root = np.sqrt(square[depth] / np.float32(1 - 0.999**done)) + 1e-8
                        weight -= step / (1 - momentum**done) * speed[depth] / root
                    else:
                        speed[depth] += gradient
                        weight -= step * speed[depth]
            right = _forward(x_held, weights)[-1].argmax(axis=2) == y_held
            accuracy[:, epoch] = right.mean(axis=1)
    losses[~np.isfinite(losses)] = np.inf
    return accuracy, right, losses, weights
