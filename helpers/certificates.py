"""Certificates made at run time: an authority, and identities it vouches for. Chapter 26.

X.509 by the library cryptography. For a course and its tests: an authority in production keeps its
key in hardware, publishes which certificates it has revoked, and is not a Python object.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True)
class Identity:
    """A name, its certificate file, its encrypted key file, and the passphrase (never shown)."""

    name: str
    certificate: Path
    key: Path
    passphrase: str = field(repr=False)


class Authority:
    """An authority that signs certificates; files go to `folder`, which the caller removes."""

    def __init__(self, name: str, folder: Path | str) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        self.name, self.folder = name, Path(folder)
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(name, self._key.public_key(), authority=True)
        self.certificate = self.folder / f"{_slug(name)}.ca.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def __repr__(self) -> str:
        return f"Authority({self.name})"

    def issue(self, name: str, *, server: bool = False, expired: bool = False) -> Identity:
        """The `Identity` called `name`: valid for a day, or since yesterday no more if `expired`.

        A server's certificate names the address 127.0.0.1 and serves no client, and the reverse.
        """
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        if not name.strip():
            raise ValueError("The name of the identity is empty: give the service's name.")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(name, key.public_key(), server=server, expired=expired)
        passphrase = secrets.token_hex(32)
        stem = f"{_slug(self.name)}.{_slug(name)}"
        paths = self.folder / f"{stem}.pem", self.folder / f"{stem}.key.pem"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(passphrase.encode("ascii")),
            )
        )
        return Identity(name, *paths, passphrase)

    def _certificate(self, name, public_key, *, authority=False, server=False, expired=False):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        begin = datetime.now(UTC) - timedelta(days=3 if expired else 0, minutes=5)
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(self.name))
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        signs = {
            word: False
            for word in (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            )
        }
        builder = builder.add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                **signs,
            ),
            critical=True,
        )
        if not authority:
            use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
            builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        if server:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())
