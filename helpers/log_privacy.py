"""Structured log lines without personal data: processors for structlog, and a fuzzer against them.

Three defences, in this order: only fields on a list pass, a customer's id becomes a keyed
pseudonym, and e-mail addresses, telephone and card numbers in text are masked. No pattern knows a
name: free text of a user does not belong in a log. Built in view in chapter 29.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import unicodedata
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np

FIELDS = (
    "event", "level", "timestamp", "path", "outcome", "seconds", "reason", "exception", "details",
    "customer", "trace_id", "span_id",
)  # fmt: skip
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_EMAIL = re.compile(r"[^\s@<>()\[\]{}\"',;:=/?&|]+\s?@\s?[^\s@<>()\[\]{}\"',;:=/?&|]+")
# Seven digits or more with at most two separators between them: telephone and card numbers.
_NUMBER = re.compile(r"(?<![\w.])\+?\(?\d(?:[ .()/-]{0,2}\d){6,}")
_CUSTOMER = re.compile(r"(?i)(?:customer|client|user)[-_ #:]{0,2}\d+")


class LogError(ValueError):
    """A key or a line that cannot be used; one sentence."""


def normal(text: str) -> str:
    """`text` with full-width letters made plain, invisible ones cut, and `%40` decoded."""
    for _ in range(3):  # an address can be encoded more than once
        decoded = unquote(text)
        if decoded == text:
            break
        text = decoded
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))


def masked(text: str) -> str:
    """`text` with e-mail addresses, long numbers and customer ids replaced by `[what it was]`."""
    text = _EMAIL.sub("[e-mail]", normal(text))
    return _NUMBER.sub("[number]", _CUSTOMER.sub("[customer]", text))


def pseudonym(customer: str, key: bytes) -> str:
    """Sixteen hexadecimal digits of HMAC-SHA-256: the same customer, without saying who.

    Without the key nobody can try out ids; a plain hash of a short id is searched in seconds.
    Raises `LogError` for a key of fewer than 16 bytes.
    """
    if len(key) < 16:
        raise LogError(f"The key has {len(key)} bytes; give 16 random ones or more.")
    return hmac.new(key, str(customer).encode("utf-8"), hashlib.sha256).hexdigest()[:16]


def _clean(value: Any) -> Any:
    """`value` with every text in it masked, keys of mappings too."""
    if isinstance(value, Mapping):
        return {masked(str(name)): _clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**6 else masked(str(value))
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return masked(str(value))


class Privacy:
    """A structlog processor: drops fields that are not in `FIELDS`, masks what is left.

    It stands last before the renderer, after the one that formats exceptions.
    """

    def __init__(self, key: bytes) -> None:
        pseudonym("", key)
        self._key = key

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        kept = {}
        for name in FIELDS:
            if name not in event:
                continue
            if name == "customer":
                kept[name] = pseudonym(event[name], self._key)
            elif name in ("timestamp", "trace_id", "span_id", "level"):
                kept[name] = event[name]  # written by the program, digits wanted
            else:
                kept[name] = _clean(event[name])
        dropped = len([name for name in event if name not in FIELDS])
        return kept | ({"dropped_fields": dropped} if dropped else {})


def private_logger(stream: Any, key: bytes, *before: Any) -> Any:
    """A structlog logger that writes JSON lines without personal data to the text `stream`.

    `before` are further processors that run first, such as one that adds the trace.
    """
    import structlog

    return structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *before,
            structlog.processors.format_exc_info,
            Privacy(key),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


@dataclass(frozen=True)
class Planted:
    """A personal datum as written by a user, its `kind`, and the `core` that must not survive."""

    kind: str
    text: str
    core: str


def plant(rng: np.random.Generator) -> Planted:
    """A random `Planted`: an e-mail address, telephone number, card number or customer id.

    Written in one of many ways: upper case, full-width, percent-encoded, with invisible letters,
    with spaces, points or hyphens between digits.
    """
    kind = str(rng.choice(["e-mail", "telephone", "card", "customer id"]))
    letters = "".join(rng.choice(list("bcdfghjklmnpqrstvwxz"), 10))
    if kind == "e-mail":
        text = f"{letters}{rng.choice(['', '.x', '+news', '_7'])}@{rng.choice(_HOSTS)}"
        forms = [text, text.upper(), _wide(text), text.replace("@", "%40"), text.replace("@", "＠")]
        forms += [text.replace("@", "%2540"), text.replace("@", "\u200b@"), f"mailto:{text}"]
        return Planted(kind, str(rng.choice(forms)), letters)
    count = {"telephone": 11, "card": 16, "customer id": 6}[kind]
    digits = "".join(map(str, rng.integers(1, 10, count)))
    if kind == "customer id":
        head = str(rng.choice(["customer-", "customer ", "Client#", "user_", "CUSTOMER"]))
        return Planted(kind, head + digits, digits)
    apart = str(rng.choice(["", " ", "-", ".", "\u00a0"]))
    size = 4 if kind == "card" else 3
    text = apart.join(digits[at : at + size] for at in range(0, count, size))
    head = str(rng.choice(["", "+"])) if kind == "telephone" else ""
    return Planted(kind, str(rng.choice([head + text, _wide(head + text)])), digits)


_HOSTS = ("example.com", "mail.example.org", "例子.example", "example.co.uk")


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def survives(planted: Planted, line: str) -> bool:
    """Whether the core of `planted` can still be read off `line`, separators and case ignored."""
    plain = normal(line).lower()
    if planted.core.isdigit():
        plain = re.sub(r"[^0-9a-z]", "", plain)
    return planted.core in plain


def log_with(logger: Any, planted: Planted, place: int) -> None:
    """Logs one event with `planted` in one of seven places, as careless code does."""
    text = planted.text
    fields: Sequence[dict[str, Any]] = (
        {"reason": f"cannot read {text}, skipped"},
        {"path": f"/predict?contact={text}"},
        {"details": {"row": [1, {"note": text}]}},
        {"details": {text: 1}},
        {"email_of_user": text},
        {"details": text.encode("utf-8")},
    )
    if place % 7 < 6:
        logger.info("request refused", **fields[place % 7])
        return
    try:
        raise ValueError(f"bad contact: {text}")
    except ValueError:
        logger.exception("request failed")


def fuzz(make: Any, rng: np.random.Generator, count: int) -> tuple[dict[str, int], list[str]]:
    """How many of `count` planted data of each kind survive in lines of `make(stream)`, the lines.

    Every line must be one JSON object; `LogError` names the first that is not.
    """
    found: dict[str, int] = {"e-mail": 0, "telephone": 0, "card": 0, "customer id": 0}
    lines = []
    for place in range(count):
        planted, stream = plant(rng), io.StringIO()
        log_with(make(stream), planted, place)
        line = stream.getvalue()
        try:
            content = json.loads(line)
        except ValueError as error:
            raise LogError(f"A log line is not one JSON object: {line[:80]!r}.") from error
        # The time is written by the program and its digits are nobody's data.
        content.pop("timestamp", None)
        found[planted.kind] += survives(planted, json.dumps(content, ensure_ascii=False))
        lines.append(line)
    return found, lines


def one_pattern(logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
    """The circulating processor, for comparison: one e-mail pattern on fields that are text."""
    simple = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = re.sub(simple, "[e-mail]", value)
    return event


def one_pattern_logger(stream: Any) -> Any:
    """A logger with `one_pattern` in the place of `Privacy`, for comparison."""
    import structlog

    return structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.format_exc_info,
            one_pattern,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
    )
