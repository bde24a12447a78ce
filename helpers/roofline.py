"""The roofline of this machine: what limits a computation, arithmetic or memory.

Built in view in chapter 13.
"""

from __future__ import annotations

import timeit
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Roofline:
    """Rates of a dense layer at several batch sizes, and the roof over them.

    bandwidth  bytes per second, of adding two long vectors
    intensity  operations per byte, one per batch size
    rates      operations per second, one per batch size
    """

    bandwidth: float
    batches: tuple[int, ...]
    intensity: tuple[float, ...]
    rates: tuple[float, ...]

    @property
    def peak(self) -> float:
        """The greatest rate measured, operations per second."""
        return max(self.rates)

    @property
    def ridge(self) -> float:
        """Operations per byte from which on arithmetic limits and not memory."""
        return self.peak / self.bandwidth

    @property
    def roof(self) -> tuple[float, ...]:
        """The bound at each intensity: the lesser of the peak and intensity times bandwidth."""
        return tuple(min(value * self.bandwidth, self.peak) for value in self.intensity)


def dense_intensity(batch: int, size: int, value_bytes: int = 4) -> float:
    """Operations per byte of (batch, size) x (size, size), each array moved once.

    `value_bytes` is the size of one number: 4 in float32, 2 in float16 and bfloat16.
    """
    return 2 * batch * size**2 / (value_bytes * (size**2 + 2 * batch * size))


def measure_roofline(
    size: int = 2048,
    batches: Sequence[int] = (1, 4, 16, 64, 256, 1024),
    dtype: str | None = None,
) -> Roofline:
    """The `Roofline` of the current Keras device, from products (batch, size) x (size, size).

    `dtype` is that of all arrays, None the one in which the layers of the set dtype policy compute.
    The model is that of Williams, Waterman and Patterson (2009), doi:10.1145/1498765.1498785. Peak
    and bandwidth are the best seen here, less than a data sheet promises; data that fit into a
    cache can pass the slope.
    """
    import keras
    from keras import ops

    dtype = dtype or keras.config.dtype_policy().compute_dtype
    value_bytes = ops.convert_to_numpy(ops.ones((1,), dtype)).dtype.itemsize

    def seconds(function) -> float:
        def call():
            # Fetching one number waits for devices that compute in the background.
            return ops.convert_to_numpy(ops.ravel(function())[:1])

        # The least of several: other load on the machine can only add time. The first two warm up.
        return min(timeit.repeat(call, number=1, repeat=11)[2:])

    weights, vector = ops.ones((size, size), dtype), ops.ones((4 * size * size,), dtype)
    # An addition reads two vectors and writes one.
    moved = 3 * value_bytes * (4 * size * size)
    bandwidth = moved / seconds(lambda: ops.add(vector, vector))
    rates = []
    for batch in batches:
        inputs = ops.ones((batch, size), dtype)
        spent = seconds(lambda inputs=inputs: ops.matmul(inputs, weights))
        rates.append(2 * batch * size**2 / spent)
    intensity = tuple(dense_intensity(batch, size, value_bytes) for batch in batches)
    return Roofline(bandwidth, tuple(batches), intensity, tuple(rates))
