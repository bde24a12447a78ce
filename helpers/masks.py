"""Pairwise masks for secure aggregation: whole numbers that hide one update and vanish in a sum.

Two clients agree on a key by X25519; a stream cipher turns it into a mask, which one of them adds
and the other subtracts, modulo 2**64. All cryptography is that of the library `cryptography`.
Bonawitz et al. 2017, https://doi.org/10.1145/3133956.3133982, without its recovery from clients
that drop out. Built for chapter 25.
"""

from __future__ import annotations

import numpy as np

from helpers.small_network import PrivacyError

SCALE = 2**24  # fixed point: a step of 2**-24 in a weight


def to_integers(values: np.ndarray) -> np.ndarray:
    """`values` in fixed point modulo 2**64, uint64; raises `PrivacyError` beyond 2**30."""
    values = np.asarray(values, float)
    if not np.all(np.abs(values) < 2**30):  # also refuses NaN
        raise PrivacyError("A value is not finite or too large for fixed point: keep below 2**30.")
    return np.rint(values * SCALE).astype(np.int64).view(np.uint64)


def to_floats(integers: np.ndarray) -> np.ndarray:
    """The numbers that `to_integers` wrote, float64."""
    return np.asarray(integers, np.uint64).view(np.int64) / SCALE


def new_key():
    """A fresh private X25519 key; it stays with its owner."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.generate()


def public_part(key) -> bytes:
    """The 32 public bytes of `key`."""
    return key.public_key().public_bytes_raw()


def mask(key, other: bytes, label: str, length: int) -> np.ndarray:
    """The mask that the owners of `key` and of the public part `other` share, uint64 (length,).

    `label` names the round: each round has a mask of its own, or two rounds' difference would show.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(other) != 32:
        raise PrivacyError(f"A public key has 32 bytes, not {len(other)}.")
    shared = key.exchange(X25519PublicKey.from_public_bytes(other))
    secret = HKDF(hashes.SHA256(), 32, salt=None, info=label.encode("utf-8")).derive(shared)
    cipher = Cipher(algorithms.ChaCha20(secret, bytes(16)), mode=None).encryptor()
    return np.frombuffer(cipher.update(bytes(8 * length)), "<u8")


def masked(values: np.ndarray, me: int, key, publics: dict[int, bytes], label: str) -> np.ndarray:
    """`values` in fixed point plus the masks towards every other client, uint64.

    Of two clients the one with the smaller number adds their mask, the other subtracts it.
    """
    hidden = to_integers(values)
    for number, public in publics.items():
        if number != me:
            part = mask(key, public, label, len(hidden))
            hidden = hidden + part if me < number else hidden - part
    return hidden
