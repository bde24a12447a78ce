"""Signatures of model folders (OpenSSF model-signing), and a second tool that verifies them.

A folder gets one signature file: a Sigstore bundle with the SHA-256 of each file, signed with a
private key on the curve P-256. Built in view in chapter 26.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path


class SignatureError(ValueError):
    """A model folder whose signature is refused; one sentence with the reason."""


class Signer:
    """A private key on P-256 that signs folders; `public_key` is its PEM text, in bytes.

    The library reads the private key from a file: it lies in a temporary folder for that moment,
    encrypted with a random passphrase, and is gone before `sign` returns.
    """

    def __init__(self) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public_key: bytes = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def __repr__(self) -> str:
        return "Signer(P-256)"

    def sign(self, folder: Path | str, signature: Path | str) -> None:
        """Writes the signature of every file in `folder` to the file `signature`, outside it."""
        import secrets

        from cryptography.hazmat.primitives import serialization
        from model_signing import signing

        folder, signature = Path(folder), Path(signature)
        if not folder.is_dir() or not any(folder.iterdir()):
            raise SignatureError(
                f"The folder '{folder.name}' is missing or empty: nothing to sign."
            )
        passphrase = secrets.token_hex(32)
        with tempfile.TemporaryDirectory(dir=signature.parent) as private:
            pem = Path(private) / "key.pem"
            pem.write_bytes(
                self._key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.BestAvailableEncryption(passphrase.encode("ascii")),
                )
            )
            config = signing.Config().use_elliptic_key_signer(
                private_key=pem, password=passphrase.encode("ascii")
            )
            config.sign(folder, signature)


def verify(folder: Path | str, signature: Path | str, public_key: bytes) -> None:
    """Returns nothing if `folder` is as it was signed; else raises `SignatureError`."""
    from cryptography.exceptions import InvalidSignature
    from model_signing import verifying

    with tempfile.TemporaryDirectory(dir=Path(signature).parent) as scratch:
        pem = Path(scratch) / "public.pem"
        pem.write_bytes(public_key)
        try:
            config = verifying.Config().use_elliptic_key_verifier(public_key=pem)
            config.verify(Path(folder), Path(signature))
        except InvalidSignature as error:
            raise SignatureError("The signature is not of this key.") from error
        except (ValueError, OSError) as error:
            # The library prints both digests as bytes; the file's name is what a reader needs.
            files = re.findall(r"Hash mismatch for '([^']+)'", str(error))
            reason = f"'{files[0]}' is not as it was signed." if files else _short(error)
            raise SignatureError(reason) from error


def _short(error: Exception) -> str:
    """The library's reason without what looks like a path."""
    return re.sub(r"\S*[/\\\\]\S*", "(a file)", str(error)).strip()[:160]


@dataclass(frozen=True)
class SecondOpinion:
    """What another implementation says: its name, and the reason of a refusal, "" if it accepts."""

    tool: str
    refused: str


def second_opinion(folder: Path | str, signature: Path | str, public_key: bytes) -> SecondOpinion:
    """The same check by other code: the `openssl` command for the signature, hashlib for the files.

    Reads the bundle by its specification (DSSE envelope, in-toto statement) and not with the
    library that wrote it (https://github.com/secure-systems-lab/dsse). Where there is no `openssl`
    command, the library cryptography verifies, and `tool` says so.
    """
    envelope = json.loads(Path(signature).read_text(encoding="utf-8"))["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"]
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    mark = base64.b64decode(envelope["signatures"][0]["sig"])
    command = shutil.which("openssl")
    tool = "the openssl command" if command else "cryptography, as there is no openssl command"
    place = Path(signature).parent
    genuine = (_by_openssl if command else _by_cryptography)(message, mark, public_key, place)
    if not genuine:
        return SecondOpinion(tool, "The signature is not of this key.")
    listed = {
        item["name"]: item["digest"] for item in json.loads(payload)["predicate"]["resources"]
    }
    root = Path(folder)
    found = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }
    odd = sorted(
        name for name in listed.keys() | found.keys() if listed.get(name) != found.get(name)
    )
    return SecondOpinion(tool, f"'{odd[0]}' is not as it was signed." if odd else "")


def _by_openssl(message: bytes, mark: bytes, public_key: bytes, place: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        names = ("message", "mark", "public.pem")
        for name, content in zip(names, (message, mark, public_key), strict=True):
            (Path(scratch) / name).write_bytes(content)
        order = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "mark"]
        done = subprocess.run([*order, "message"], cwd=scratch, capture_output=True, timeout=60)
    return done.returncode == 0


def _by_cryptography(message: bytes, mark: bytes, public_key: bytes, place: Path) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_public_key(public_key)
        key.verify(mark, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
