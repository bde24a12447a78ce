"""One id for data, code, parameters and environment, and a store that keeps bytes by their hash.

Built in view in chapter 28.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

ID_DIGITS = 12
_HASH = re.compile(r"[0-9a-f]{64}")


class VersionError(ValueError):
    """A version that cannot be named or whose bytes are not what they were; one sentence."""


def digest(content: bytes) -> str:
    """The SHA-256 of `content`, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def canonical(value: Any) -> bytes:
    """`value` as JSON that is the same whatever the order of its keys; UTF-8.

    Raises `VersionError` for what JSON cannot hold, NaN and infinity included.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise VersionError(
            f"These parameters have no canonical form ({error}); use text, finite numbers, "
            "true, false, null, lists and mappings with text as keys."
        ) from error
    return text.encode("utf-8")


def code_digest(files: Mapping[str, str]) -> str:
    """The hash of source files, {path: text}: order and line endings do not count.

    Windows checks text out with other line endings; that must not make another version.
    Raises `VersionError` without files.
    """
    if not files:
        raise VersionError("There is no code to name; give {path: text} with one file or more.")
    lines = {
        path.replace("\\", "/"): text.replace("\r\n", "\n").replace("\r", "\n")
        for path, text in files.items()
    }
    return digest(canonical(lines))


@dataclass(frozen=True)
class Version:
    """The hashes of the four things that make a model; `id` is the hash of them together."""

    data: str
    code: str
    parameters: str
    environment: str

    @property
    def id(self) -> str:
        """The first 12 hexadecimal digits of the hash of all four parts."""
        return digest(canonical(asdict(self)))[:ID_DIGITS]

    def changed(self, other: Version) -> tuple[str, ...]:
        """Names of the parts in which `other` differs."""
        mine, others = asdict(self), asdict(other)
        return tuple(name for name in mine if mine[name] != others[name])


def version_of(
    data: str, files: Mapping[str, str], parameters: Mapping[str, Any], lock: str
) -> Version:
    """The `Version` of a model trained on the data with the hash `data`.

    files       {path: text} of the code that trains and predicts
    parameters  everything that is set by hand, seeds included
    lock        text of the lock file: every library with its exact version
    """
    if not _HASH.fullmatch(data):
        raise VersionError(f"The hash of the data is {data!r}; give 64 hexadecimal digits.")
    environment = code_digest({"lock": lock})
    return Version(data, code_digest(files), digest(canonical(dict(parameters))), environment)


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """`arrays` as the bytes of a safetensors file; equal arrays give equal bytes."""
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file; raises `VersionError` for anything else."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(content)
    except SafetensorError as error:
        raise VersionError(f"These bytes are no safetensors file ({error}).") from error


class Store:
    """A folder in which content lies under its own hash: nothing is ever overwritten."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"Store({self.folder.name})"

    def path(self, key: str) -> Path:
        """Where the content with the hash `key` lies or would lie."""
        if not _HASH.fullmatch(key):
            raise VersionError(f"{key!r} is not the key of a stored content: 64 hex digits are.")
        return self.folder / key[:2] / key

    def put(self, content: bytes) -> str:
        """Keeps `content` and returns its key; the same content twice lies there once."""
        key = digest(content)
        target = self.path(key)
        if not target.exists():
            write_whole(target, content)
        return key

    def get(self, key: str) -> bytes:
        """The content with the hash `key`; raises `VersionError` if it is missing or changed."""
        target = self.path(key)
        if not target.exists():
            raise VersionError(f"The store has no content {key[:ID_DIGITS]}; copy it there first.")
        content = target.read_bytes()
        if digest(content) != key:
            raise VersionError(
                f"The content {key[:ID_DIGITS]} was changed on the disk: its hash does not fit. "
                "Restore the store from its backup."
            )
        return content

    def size(self) -> int:
        """Bytes of all contents."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())


def write_whole(target: Path, content: bytes) -> None:
    """Writes `content` to `target` whole or not at all: a temporary file, then a rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def pinned(lock: str) -> dict[str, str]:
    """{package: version} of a lock file: the lines `package==version` that hold on this Python."""
    from packaging.requirements import InvalidRequirement, Requirement

    found = {}
    for line in re.findall(r"(?m)^[A-Za-z0-9][^\\\n]*==[^\\\n]*", lock):
        try:
            wanted = Requirement(line.strip())
        except InvalidRequirement as error:
            raise VersionError(f"The lock file has a line that names no package: {line}") from error
        if wanted.marker is None or wanted.marker.evaluate():
            found[wanted.name.lower().replace("_", "-")] = str(wanted.specifier).removeprefix("==")
    return found


def not_as_locked(lock: str, packages: tuple[str, ...]) -> list[str]:
    """Sentences, one for each of `packages` that is not installed as the lock file says."""
    from importlib import metadata

    versions, found = pinned(lock), []
    for package in packages:
        try:
            installed = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed = "nothing"
        if installed != versions.get(package):
            found.append(f"{package}: {versions.get(package)} is locked, {installed} installed")
    return found
