"""Encrypted model files: AES-256-GCM for the file, a key ring that rotates around its key.

Envelope encryption. Every file has a data key of its own, used once; the data key is wrapped by a
key of the ring (`MultiFernet` of the library cryptography), so that a rotation rewrites a few
bytes and not the file. Built in view in chapter 26. AES-GCM: NIST SP 800-38D
(https://doi.org/10.6028/NIST.SP.800-38D).
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from typing import Any

MAGIC = b"sealed1\n"
NONCE = 12  # bytes; the length that GCM is made for


class SealError(ValueError):
    """A sealed file that is refused; one sentence that tells nothing about keys or content."""


class KeyRing:
    """Keys that wrap data keys: the newest wraps, every one unwraps.

    Its text form tells how many keys it holds and nothing else. In production the ring lives in a
    key management service or a hardware module, and the file never meets it.
    """

    def __init__(self, keys: tuple[bytes, ...] = ()) -> None:
        from cryptography.fernet import Fernet

        self._keys = tuple(keys) or (Fernet.generate_key(),)

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} keys)"

    def __reduce__(self):
        raise SealError("A key ring is not written to a file: keep it in a key management service.")

    def with_new_key(self) -> KeyRing:
        """A ring with a new key in front; the old ones still unwrap."""
        from cryptography.fernet import Fernet

        return KeyRing((Fernet.generate_key(), *self._keys))

    def newest_only(self) -> KeyRing:
        """A ring that has forgotten every key but the newest."""
        return KeyRing(self._keys[:1])

    def box(self):
        """The `MultiFernet` of these keys."""
        from cryptography.fernet import Fernet, MultiFernet

        return MultiFernet([Fernet(key) for key in self._keys])


def seal(content: bytes, context: str, ring: KeyRing) -> bytes:
    """Sealed form of `content`: a header of some 250 bytes, then as many bytes plus 16.

    `context` says what the file is ("digits classifier, version 3"). It is authenticated and not
    stored: the reader must expect the same, so that no other sealed file can take its place.
    Raises `SealError` for an empty context or for more than 2**31 - 1 bytes.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not context.strip():
        raise SealError("The context is empty: name the model and its version.")
    if len(content) > 2**31 - 1:
        raise SealError("The file has more than 2**31 - 1 bytes: seal it in parts.")
    data_key, nonce = AESGCM.generate_key(256), os.urandom(NONCE)
    sealed = AESGCM(data_key).encrypt(nonce, content, context.encode("utf-8"))
    return MAGIC + _header(ring.box().encrypt(data_key), nonce) + b"\n" + sealed


def _header(wrapped: bytes, nonce: bytes) -> bytes:
    return json.dumps({"key": wrapped.decode("ascii"), "nonce": nonce.hex()}).encode("ascii")


def _parts(sealed: bytes) -> tuple[dict[str, str], bytes]:
    magic, _, rest = sealed.partition(b"\n")
    head, found, body = rest.partition(b"\n")
    try:
        header = json.loads(head)
        nonce = bytes.fromhex(header["nonce"])
        wrapped = base64.urlsafe_b64decode(header["key"])
        # One spelling only: hexadecimal and Base64 have several for the same bytes, and then a
        # flipped bit would pass unseen.
        same = head == _header(base64.urlsafe_b64encode(wrapped), nonce)
        if magic + b"\n" != MAGIC or not found or len(nonce) != NONCE or not same:
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise SealError("This is no sealed file, or its header is damaged.") from error
    return header, body


def _data_key(header: dict[str, str], ring: KeyRing) -> bytes:
    from cryptography.fernet import InvalidToken

    try:
        return ring.box().decrypt(header["key"].encode("ascii"))
    except InvalidToken as error:
        raise SealError("No key of this ring opens the file's key.") from error


def open_sealed(sealed: bytes, context: str, ring: KeyRing) -> bytes:
    """The content that was sealed; raises `SealError` for any change and any other context.

    Nothing is returned before the whole file is authenticated.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    header, body = _parts(sealed)
    try:
        nonce = bytes.fromhex(header["nonce"])
        return AESGCM(_data_key(header, ring)).decrypt(nonce, body, context.encode("utf-8"))
    except InvalidTag as error:
        raise SealError(
            "The file does not fit its authentication tag: it was changed, or it is another "
            "model or version."
        ) from error


def flip_bit(content: bytes, bit: int) -> bytes:
    """`content` with one bit inverted, counted from 0: the smallest change there is."""
    if not 0 <= bit < 8 * len(content):
        raise SealError(f"There is no bit {bit}: the content has {8 * len(content)}.")
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def rewrap(sealed: bytes, ring: KeyRing) -> bytes:
    """The same sealed file with its data key wrapped by the newest key of `ring`.

    The content is neither decrypted nor rewritten. It does not help against somebody who already
    has the data key: then seal the content again.
    """
    from cryptography.fernet import InvalidToken

    header, body = _parts(sealed)
    try:
        wrapped = ring.box().rotate(header["key"].encode("ascii"))
    except InvalidToken as error:
        raise SealError("No key of this ring opens the file's key.") from error
    return MAGIC + _header(wrapped, bytes.fromhex(header["nonce"])) + b"\n" + body


def crypt_in_place(arrays: Iterable[Any], key: bytes, nonce: bytes) -> None:
    """Overwrites NumPy `arrays` with their own bytes under AES in counter mode; again undoes it.

    This is the mistake that chapter 26 measures: it has no authentication, and numbers that are
    ciphertext are noise to every computation. Never use it to protect anything.
    """
    import numpy as np
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    stream = Cipher(algorithms.AES(key), modes.CTR(nonce)).encryptor()
    for values in arrays:
        values[...] = np.frombuffer(stream.update(values.tobytes()), values.dtype).reshape(
            values.shape
        )
