"""The small GPT of chapter 11, trained ahead, for chapters that need a language model in seconds.

`python -m helpers.pretrained` trains it again and writes the file anew, which takes a few minutes
on two cores. Chapters use it in the profile `quick`; in `full` they train their own.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.language_models import LanguageModelError, build_gpt

if TYPE_CHECKING:
    import keras

    from helpers.evidence import Run

FILE = Path(__file__).resolve().parents[1] / "data" / "models" / "gpt_python_docs.npz"
SHA256 = "824a25c1c7c1339c9adf7d0eeaf08d2ecbac5ca8f9063910b59db991f5ec5be4"
# How it was made. The last fifth of the text was never trained on; chapters score on its end.
SIZES = {"context": 288, "width": 96, "layers": 1}
SEEN_SHARE, SEED = 0.8, 0
QUICK_UNSEEN, FULL_UNSEEN = 4000, 30_000  # bytes that a score is measured on
# AdamW, not Muon: weights of Muon came out with more outliers, which cost more to round.
TRAINING = {"steps": 1200, "batch": 32, "optimizer": "adamw", "learning_rate": 4e-3}


def small_gpt(path: str | Path = FILE, sha256: str = SHA256) -> keras.Model:
    """A GPT of byte tokens, width 96 and one block, trained on Python's help topics.

    Only the first `SEEN_SHARE` of the text was seen in training. The weights are stored as
    float16 and come back as float32. Raises `LanguageModelError` for a file that is missing or is
    not the one with this `sha256`.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise LanguageModelError(
            f"The stored language model {path} cannot be read ({type(error).__name__}): restore "
            "the file from the repository."
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise LanguageModelError(
            f"The stored language model {path} is not the one the course was written with: restore "
            "the file from the repository."
        )
    model = build_gpt(**SIZES)
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        model.set_weights([stored[name].astype(np.float32) for name in stored.files])
    return model


def language_model(run: Run, text: str) -> tuple[keras.Model, bytes, bytes]:
    """A trained GPT, text like the one it was trained on, and text that it has not seen.

    In `quick` the stored one, the same for every seed. In `full` and `gpu` one of two blocks that
    is trained here, with `run.seed`, on the first nine tenths of the catalogue's text `text`, which
    takes about a minute on two cores.
    """
    from helpers import data, language_training

    quick = run.profile.name == "quick"
    whole = data.text("python_docs" if quick else text).encode()
    seen = whole[: int((SEEN_SHARE if quick else 0.9) * len(whole))]
    unseen = whole[len(whole) * 9 // 10 :][: QUICK_UNSEEN if quick else FULL_UNSEEN]
    if quick:
        return small_gpt(), seen, unseen
    model = build_gpt(**SIZES | {"layers": 2}, seed=run.seed)
    language_training.train_language_model(
        model, seen, seed=run.seed, jit_compile=True, progress=True, **TRAINING
    )
    return model, seen, unseen


def store(model: keras.Model, path: str | Path) -> str:
    """The SHA-256 of the file that the weights of `model` were written to, whole or not at all."""
    weights = [np.asarray(weight, np.float16) for weight in model.get_weights()]
    np.savez_compressed(packed := io.BytesIO(), *weights)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    partial.write_bytes(packed.getvalue())
    os.replace(partial, target)
    return hashlib.sha256(packed.getvalue()).hexdigest()


def _main() -> None:
    from helpers import data, language_training
    from helpers.evidence import start
    from helpers.training import prepare_keras

    print(prepare_keras(start("pretrained", "quick", SEED)))
    text = data.text("python_docs").encode()
    seen, unseen = text[: int(SEEN_SHARE * len(text))], text[len(text) * 9 // 10 :]
    model = build_gpt(**SIZES, seed=SEED)
    done = language_training.train_language_model(
        model, seen, seed=SEED, jit_compile=True, progress=True, **TRAINING
    )
    print(f"{done.seconds:.0f} s; training loss {done.losses[-1]:.2f} bits per byte")
    print(f"SHA256 = {store(model, FILE)!r}")
    bits = language_training.bits_per_byte_of(small_gpt(FILE, _digest()), unseen)
    print(f"{bits:.2f} bits per byte of text it has not seen")


def _digest() -> str:
    return hashlib.sha256(FILE.read_bytes()).hexdigest()


if __name__ == "__main__":
    _main()
