"""A log that shows when it was changed: a chain of hashes and a signed head.

Each entry holds the SHA-256 of the entry before it, so that a changed, moved or missing entry
breaks the chain. The head (number of entries, last hash) is signed with Ed25519 after each entry,
so that a shortened or a newly computed chain shows too. Built in view in chapter 26; the idea is
that of Schneier and Kelsey 1999 (https://doi.org/10.1145/317087.317089).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

START = "0" * 64  # what the first entry names as its predecessor


class AuditError(RuntimeError):
    """A log that cannot be trusted or read; one sentence with the place and the reason."""


def entry_hash(entry: dict[str, Any]) -> str:
    """SHA-256, in hexadecimal, of all fields of `entry` but its own `hash`.

    The fields are written as JSON with sorted keys, so that equal content has equal bytes.
    """
    content = {name: value for name, value in entry.items() if name != "hash"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def head_path(path: Path | str) -> Path:
    """Path of the signed head that belongs to the log at `path`."""
    return Path(path).with_suffix(".head.json")


def _head_bytes(count: int, last: str) -> bytes:
    return f"audit head {count} {last}".encode("ascii")


class AuditLog:
    """A log file of JSON lines that this object alone appends to.

    `public_key` holds the 32 raw bytes that `check_log` needs. The private key is made here, stays
    in memory and is written nowhere: after this object, nobody can append to this file.
    """

    def __init__(self, path: Path | str) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self.path = Path(path)
        self._key = Ed25519PrivateKey.generate()
        self.public_key: bytes = self._key.public_key().public_bytes_raw()
        self._entries: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("", encoding="utf-8")
        self._sign()

    def __repr__(self) -> str:
        return f"AuditLog({self.path.name}, {len(self._entries)} entries)"

    def append(self, who: str, action: str, outcome: str, reason: str = "") -> dict[str, Any]:
        """The new entry, written to the file, with the head signed anew."""
        with self._lock:
            entry = {
                "number": len(self._entries),
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "who": who,
                "action": action,
                "outcome": outcome,
                "reason": reason,
                "previous": self._entries[-1]["hash"] if self._entries else START,
            }
            entry["hash"] = entry_hash(entry)
            with self.path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            self._entries.append(entry)
            self._sign()
            return entry

    def attempt(self, action: str, attack: Callable[[], Any], *expected: type[Exception]) -> str:
        """Reason with which `attack()` was refused, or "" if it went through; logged either way.

        Only the exceptions in `expected` count as a refusal; another one is an error of ours.
        """
        try:
            attack()
        except expected as error:
            reason = str(error) or type(error).__name__
            self.append("attacker", action, "refused", reason)
            return reason
        self.append("attacker", action, "went through", "")
        return ""

    def _sign(self) -> None:
        count = len(self._entries)
        last = self._entries[-1]["hash"] if self._entries else START
        signature = self._key.sign(_head_bytes(count, last)).hex()
        head = {"entries": count, "last": last, "signature": signature}
        partial = head_path(self.path).with_suffix(".part")
        partial.write_text(json.dumps(head), encoding="utf-8")
        os.replace(partial, head_path(self.path))


def read_log(path: Path | str) -> list[dict[str, Any]]:
    """The entries of the log at `path` as they stand there, unchecked.

    Raises `AuditError` for a missing file or a line that is no JSON object.
    """
    path = Path(path)
    if not path.is_file():
        raise AuditError(f"There is no log '{path.name}': name the file that an AuditLog wrote.")
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise AuditError(f"Line {number} is no entry: the file was damaged.") from error
        if not isinstance(entry, dict):
            raise AuditError(f"Line {number} is no entry: the file was damaged.")
        entries.append(entry)
    return entries


def forgeries(path: Path | str, folder: Path | str) -> dict[str, str]:
    """Attack -> text of a changed copy of the log at `path`, four of them; `path` stays as it is.

    The last one is a log of the attacker's own, made in `folder` with a key of the attacker's own.
    Raises `AuditError` for a log of fewer than three entries.
    """
    entries = Path(path).read_text(encoding="utf-8").splitlines()
    if len(entries) < 3:
        raise AuditError("The log is too short to attack: give one of three entries or more.")
    forged = AuditLog(Path(folder) / "forged.jsonl")
    for number, line in enumerate(entries):
        if number != 1:
            content = json.loads(line)
            forged.append(content["who"], content["action"], content["outcome"], content["reason"])
    middle = json.loads(entries[1])
    edited = json.dumps(middle | {"outcome": "refused"}, ensure_ascii=False)
    return {
        "edited entry": "\n".join([entries[0], edited, *entries[2:]]),
        "entry cut out": "\n".join([entries[0], *entries[2:]]),
        "end cut off": "\n".join(entries[:-1]),
        "log written anew": forged.path.read_text(encoding="utf-8"),
    }


def check_log(path: Path | str, public_key: bytes, seen: int = 0) -> int:
    """Number of entries of a log that is whole; raises `AuditError` with the first fault found.

    `seen` is the number of entries that the reader knows of from an earlier visit: an old copy of
    log and head, each genuine, is refused if it holds fewer.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    entries, before = read_log(path), START
    for number, entry in enumerate(entries):
        if entry.get("hash") != entry_hash(entry):
            raise AuditError(f"Entry {number} was edited: its content does not fit its hash.")
        if entry.get("number") != number or entry.get("previous") != before:
            raise AuditError(f"Entry {number} does not follow its predecessor: one is missing.")
        before = entry["hash"]
    try:
        head = json.loads(head_path(path).read_text(encoding="utf-8"))
        signature = bytes.fromhex(head["signature"])
        signed = _head_bytes(int(head["entries"]), str(head["last"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AuditError("The signed head is missing or cannot be read.") from error
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except InvalidSignature as error:
        raise AuditError("The head's signature is not the log keeper's.") from error
    if (head["entries"], head["last"]) != (len(entries), before):
        raise AuditError(
            f"The signed head counts {head['entries']} entries, the file holds {len(entries)} "
            "or others: it was shortened or written anew."
        )
    if len(entries) < seen:
        raise AuditError(
            f"The log holds {len(entries)} entries, {seen} were seen: it is an old copy."
        )
    return len(entries)
