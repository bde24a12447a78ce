"""A Keras network trained by several processes with TensorFlow's MultiWorkerMirroredStrategy.

Functions for `WorkerGroup.run`: they run in the workers, where TensorFlow is imported, and not in
the notebook. `fit` of Keras 3 does not run under this strategy, so the loop is our own
(https://github.com/keras-team/keras/issues/20585). Built for chapter 14.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.peers import Peer


def network_on_engine(peer: Peer, ports: list[int], weights: tuple) -> tuple[Any, Any]:
    """(strategy, Keras network) of this worker, its variables mirrored on all workers.

    `ports` on 127.0.0.1 by rank; on a cluster, the scheduler sets TF_CONFIG to real addresses.
    `weights` are weights and biases of the layers in order, ReLU between them.
    """
    import json
    import os

    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    task = {"type": "worker", "index": peer.rank}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    import keras
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        network = keras.Sequential([keras.Input(weights[0].shape[:1])])
        for place, bias in enumerate(weights[1::2]):
            last = 2 * place + 2 == len(weights)
            network.add(keras.layers.Dense(len(bias), None if last else "relu"))
        network.set_weights(list(weights))
    return strategy, network


def train_on_engine(
    peer: Peer,
    ports: list[int],
    weights: tuple,
    x: np.ndarray,
    y: np.ndarray,
    orders: list[np.ndarray],
    batch: int,
    learning_rate: float,
    make_step: str,
) -> np.ndarray:
    """Flat weights after one step for every `batch` rows of this worker's own order.

    `make_step` names the function `make_step(network, learning_rate)` that was sent along and
    returns what `strategy.run` calls. Strategy, network and step stay in `peer.kept["engine"]`.
    """
    strategy, network = network_on_engine(peer, ports, weights)
    step = globals()[make_step](network, learning_rate)
    order = orders[peer.rank]
    for first in range(0, len(order), batch):
        mine = order[first : first + batch]
        strategy.run(step, args=(x[mine], y[mine]))
    peer.kept["engine"] = strategy, network, step
    return np.concatenate([weight.ravel() for weight in network.get_weights()])
