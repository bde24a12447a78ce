"""A class-conditional DCGAN for small grey images, on every Keras backend.

Radford et al. 2015, https://arxiv.org/abs/1511.06434, with the class as a second input as in
Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.generative import GenerativeError

if TYPE_CHECKING:
    import keras


def noise_and_class(generator: np.random.Generator, labels: Any, noise: int = 8) -> np.ndarray:
    """What a generator is given, float32 (n, noise + 10): Gaussian noise, then the class one-hot.

    The noise is scaled to a length of about 8: shorter noise is drowned by the one-hot class, and
    the generator draws one picture per class.
    Raises `GenerativeError` for no labels or labels outside 0 to 9. Used first in chapter 08.
    """
    wanted = np.asarray(labels)
    if wanted.ndim != 1 or len(wanted) == 0 or wanted.min() < 0 or wanted.max() > 9:
        raise GenerativeError("The labels must be one class from 0 to 9 for each image to draw.")
    z = 8 / np.sqrt(noise) * generator.normal(size=(len(wanted), noise))
    return np.concatenate([z, np.eye(10)[wanted]], axis=1).astype(np.float32)


def draw_images(generator: keras.Model, labels: Any, seed: Any) -> np.ndarray:
    """Images (n, height, width) that `generator` draws for the classes `labels`.

    The noise depends on `seed` alone (what `numpy.random.default_rng` takes). Raises like
    `noise_and_class`. Used first in chapter 08.
    """
    from keras import ops

    noise = generator.input_shape[-1] - 10
    inputs = noise_and_class(np.random.default_rng(seed), labels, noise)
    parts = [generator(inputs[i : i + 500], training=False) for i in range(0, len(inputs), 500)]
    return np.concatenate([ops.convert_to_numpy(part) for part in parts])[..., 0]
