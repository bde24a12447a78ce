"""What a chapter's result depends on, and the key made of it: equal keys, equal results.

Prose, outputs and metadata do not count. Code cells, the helpers they import (transitively, found
in the syntax tree), parameters, profile, the checksums of the data sets named, the locked packages
that a chapter can import, the backend and Python do.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import platform
import tomllib
from pathlib import Path
from typing import Any

from helpers.course.chapters import Cell, cells

PACKAGE = "helpers"
# Tags that change what an execution does.
_TAGS = ("parameters", "raises-exception")
# A tool of the course's makers, but a backend that chapters and helpers may compute with.
_ALSO_COMPUTES = "jax"
_NEEDS, _EXTRAS = "dependencies", "optional-dependencies"  # uv's words
_WORDS = {
    "code": "the notebook's code",
    "lock": "the packages in uv.lock",
    "python": "the Python version",
    "backend": "KERAS_BACKEND",
    "profile": "the profile",
    "parameters": "the parameters",
}


def digest(text: str | bytes) -> str:
    """The first 16 hexadecimal digits of SHA-256."""
    raw = text.encode("utf-8") if isinstance(text, str) else text
    return hashlib.sha256(raw).hexdigest()[:16]


def syntax_tree(source: str) -> ast.AST:
    """The syntax tree of a code cell; IPython's magics and shell lines are translated first."""
    try:
        return ast.parse(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        try:
            return ast.parse(TransformerManager().transform_cell(source))
        except SyntaxError:
            return ast.Module(body=[], type_ignores=[])


def _names(tree: ast.AST, package: str) -> set[str]:
    """Dotted names that `tree` imports anywhere, functions included; `package` anchors dots."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            # `from package import name` may name a module or a function: both are looked up.
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.split(".")[0] == PACKAGE}


def _files(root: Path, name: str) -> list[Path]:
    """The files that importing the dotted `name` runs: every package on the way and the module."""
    found, folder = [], root
    for part in name.split("."):
        module, package = folder / f"{part}.py", folder / part / "__init__.py"
        folder = folder / part
        if package.is_file():
            found.append(package)
        elif module.is_file():
            found.append(module)
            break
        elif not folder.is_dir():
            break
    return found


@functools.lru_cache(maxsize=1024)
def _module(path: Path, package: str, modified: int, size: int) -> tuple[str, frozenset[str]]:
    raw = path.read_bytes()
    try:
        names = _names(ast.parse(raw), package)
    except SyntaxError:
        names = set()
    return digest(raw), frozenset(names)


def helper_digests(root: Path, code: list[Cell]) -> dict[str, str]:
    """Path below `root` -> digest, of every helper module the code imports, transitively."""
    waiting = set().union(*(_names(syntax_tree(cell.source), "") for cell in code))
    found: dict[str, str] = {}
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for path in _files(root, name):
            relative = path.relative_to(root).as_posix()
            if relative in found:
                continue
            parts = relative.removesuffix(".py").removesuffix("/__init__").split("/")
            package = ".".join(parts if path.name == "__init__.py" else parts[:-1])
            state = path.stat()
            found[relative], names = _module(path, package, state.st_mtime_ns, state.st_size)
            waiting |= set(names) - seen
    return dict(sorted(found.items()))


def datasets(code: list[Cell], parameters: dict[str, Any], profile: str = "") -> tuple[str, ...]:
    """Names of the catalogue that stand in the code or the parameters as text, in name order.

    With a `profile`, only those that the catalogue lists for it.
    """
    from helpers.data_catalog import CATALOG, catalogue

    if not CATALOG.exists():
        return ()
    named = {value for value in parameters.values() if isinstance(value, str)}
    for cell in code:
        named |= {
            node.value
            for node in ast.walk(syntax_tree(cell.source))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return tuple(
        sorted(
            item.name
            for item in catalogue()
            if item.name in named and (not profile or profile in item.profiles)
        )
    )


@functools.lru_cache(maxsize=16)
def _packages(path: Path, modified: int, size: int) -> str:
    """Digest of names and versions that `path`, an uv.lock, gives to the course itself.

    What only the `dev` group brings (lint, browser tests) cannot change a number. A file without
    packages, or one that cannot be read, counts as a whole.
    """
    raw = path.read_bytes()
    try:
        locked: dict[str, list[dict[str, Any]]] = {}
        for package in tomllib.loads(raw.decode("utf-8")).get("package", []):
            locked.setdefault(package["name"], []).append(package)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError):
        return digest(raw)
    own = [
        n for n, those in locked.items() if any("editable" in p.get("source", {}) for p in those)
    ]
    if not own:
        return digest(raw)
    # A name and one of its extras, "" for the package without any.
    waiting = {(name, extra) for name in own for extra in ("", *locked[name][0].get(_EXTRAS, ()))}
    waiting |= {(_ALSO_COMPUTES, "")} if _ALSO_COMPUTES in locked else set()
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        seen.add((name, extra))
        for package in locked.get(name, []):
            more = package.get(_EXTRAS, {}).get(extra, []) if extra else package.get(_NEEDS, [])
            waiting |= {(m["name"], e) for m in more for e in ("", *m.get("extra", ()))} - seen
    names = sorted({name for name, _ in seen})
    pairs = [(name, p.get("version", "")) for name in names for p in locked.get(name, [])]
    return digest(json.dumps(pairs))


def lock_digest(root: Path) -> str:
    """Digest of the packages that the course in `root` is locked to, "" without a lock file."""
    path = root / "uv.lock"
    if not path.exists():
        return ""
    state = path.stat()
    return _packages(path, state.st_mtime_ns, state.st_size)


def inputs(
    root: Path, notebook: dict[str, Any], profile: str, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Everything the result of running `notebook` with these settings depends on, as digests."""
    code = [cell for cell in cells(notebook) if cell.kind == "code"]
    text = json.dumps([(cell.source, [tag for tag in cell.tags if tag in _TAGS]) for cell in code])
    checksums = {}
    names = datasets(code, parameters, profile)
    if names:
        from helpers.data_catalog import entry

        for name in names:
            # An embedded data set has no files: its content follows from the lock file.
            checksums[name] = digest(json.dumps([file.sha256 for file in entry(name).files]))
    return {
        "code": digest(text),
        "helpers": helper_digests(root, code),
        "data": checksums,
        "profile": profile,
        "parameters": dict(sorted(parameters.items())),
        "lock": lock_digest(root),
        "backend": os.environ.get("KERAS_BACKEND", ""),
        "python": platform.python_version(),
    }


def key(found: dict[str, Any]) -> str:
    """The name under which a result with these inputs is stored."""
    return digest(json.dumps(found, sort_keys=True, default=repr))


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What changed from `old` to `new`, in words; empty when nothing did."""
    changed = [
        word for name, word in _WORDS.items() if old.get(name) != json.loads(json.dumps(new[name]))
    ]
    for group, prefix in (("helpers", ""), ("data", "the data set ")):
        before, after = old.get(group, {}), new[group]
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                changed.append(f"{prefix}{name}")
    return changed
