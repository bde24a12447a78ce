"""A Keras training in a process of its own, to be killed: `python -m helpers.resumable_keras DIR`.

It reads `DIR/data.npz` and `DIR/plan.json`, trains once without any checkpoint (the first time
only), then with `helpers.checkpoints.fit_with_checkpoints`, and tells each step on standard
output. Built for chapter 16.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np


def main(folder: str) -> None:
    from helpers.checkpoints import fit_with_checkpoints, newest
    from helpers.evidence import Run
    from helpers.models import dense_network
    from helpers.profiles import Profile
    from helpers.training import compile_classifier, fit_timed, make_dataset, prepare_keras

    place = Path(folder)
    plan = json.loads((place / "plan.json").read_text(encoding="utf-8"))
    run = Run("", Profile("quick", "cpu", "float32"), plan["seed"], place / "ledger.json")
    prepare_keras(run)
    import keras

    with np.load(place / "data.npz") as stored:
        x, y = stored["x"].astype("float32"), stored["y"].astype("int32")
    steps = -(-len(x) // plan["batch"])

    class Teller(keras.callbacks.Callback):
        def __init__(self, done: int):
            super().__init__()
            self.done = done

        def on_train_batch_end(self, batch, logs=None):
            self.done += 1
            print(f"step {self.done}", flush=True)
            time.sleep(plan["pause"])

    def model():
        network = dense_network(x.shape[1:], int(y.max()) + 1, (plan["hidden"],), plan["seed"])
        return compile_classifier(network)

    def keep(network, name: str) -> None:
        arrays = {f"w{i}": np.asarray(w) for i, w in enumerate(network.get_weights())}
        np.savez(place / "part.npz", **arrays)
        os.replace(place / "part.npz", place / name)

    def data():
        return make_dataset(x, y, plan["batch"], seed=plan["seed"])

    if not (place / "uninterrupted.npz").exists():
        whole = model()
        fit_timed(whole, data(), epochs=plan["epochs"])
        keep(whole, "uninterrupted.npz")
    found = newest(place / "states")
    done = steps * found.epochs_done if found else 0
    print(f"from {done}", flush=True)
    network = model()
    fit_with_checkpoints(
        network,
        data(),
        epochs=plan["epochs"],
        folder=place / "states",
        callbacks=[Teller(done)],
    )
    keep(network, "final.npz")


if __name__ == "__main__":
    main(sys.argv[1])
