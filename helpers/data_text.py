"""Text that every installation of the course already holds: Python's help and docstrings.

Real English, offline. Both change with the versions of Python and of the packages, which the lock
file pins; `helpers.data` says so in the `source` line. Built for chapters 11, 12 and 19.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import importlib.util
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from helpers.data_catalog import DataError

PACKAGES = ("keras", "matplotlib", "numpy", "pandas", "scipy", "sklearn")
TEST_PER_PACKAGE, TRAIN_PER_PACKAGE = 100, 300
SHORTEST_DOCSTRING, MOST_PER_FILE = 200, 8
SHORTEST_PARAGRAPH = 40
LARGEST_FILE_BYTES = 70_000  # Parsing a few huge files would take most of the time.
MASK = "package"

_NAMES = re.compile(
    # A package's name anywhere, even inside to_numpy; the customary aliases as whole words.
    r"scikit[-_ ]?learn|scikits?|sklearn|matplotlib|pyplot|numpy|scipy|pandas|keras"
    r"|\b(?:np|pd|sp|plt|mpl)\b",
    re.IGNORECASE,
)
# distutils: NumPy has it only on Python 3.11, and the choice should not depend on that.
_SKIPPED = {"tests", "test", "testing", "_vendor", "vendor", "externals", "_lib", "distutils"}
_SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def python_docs() -> str:
    """The text of Python's own help topics, in the order of their names.

    Topics quote one another. A paragraph of at least 40 characters that already occurred is left
    out: otherwise a text held out for testing would repeat the training text. `DataError` where
    Python comes without its help topics.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise DataError(
            "python_docs: this Python has no pydoc_data.topics: install the full standard library."
        ) from error
    seen, kept = set(), []
    for name in sorted(topics):
        for paragraph in re.split(r"\n\s*\n", topics[name].strip("\n")):
            key = " ".join(paragraph.split())
            if key and (len(key) < SHORTEST_PARAGRAPH or key not in seen):
                seen.add(key)
                kept.append(paragraph.rstrip())
    return "\n\n".join(kept) + "\n"


def docstrings() -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Training and test lists of (docstring, label); the label is the index in `PACKAGES`.

    300 and 100 docstrings per package, each of at least 200 characters, from its source files,
    which are parsed and not imported (tests and files over 70 kB are left out). A file gives at
    most 8, all of them to one of the two lists, so that sister methods do not straddle the split.
    Names and aliases of all the packages are replaced by "package"; repeated texts are left out.
    Files are visited in the order of the SHA-256 of their names, so the choice depends on nothing
    but the installed versions.
    """
    train, test, seen = [], [], set()
    for label, package in enumerate(PACKAGES):
        found: list[str] = []
        cut = None
        for path in _source_files(package):
            if cut is None and len(found) >= TEST_PER_PACKAGE:
                # Surplus of the last test file: dropped, so that no file serves both lists.
                del found[TEST_PER_PACKAGE:]
                cut = TEST_PER_PACKAGE
            if len(found) >= TEST_PER_PACKAGE + TRAIN_PER_PACKAGE:
                break
            for text in itertools.islice(_docstrings_of(path), MOST_PER_FILE):
                key = " ".join(text.lower().split())
                if key not in seen:
                    seen.add(key)
                    found.append(text)
        if len(found) < TEST_PER_PACKAGE + TRAIN_PER_PACKAGE:
            raise DataError(
                f"docstrings: {package} holds only {len(found)} docstrings here: install the "
                "versions of the lock file, with their source files."
            )
        test += [(text, label) for text in found[:TEST_PER_PACKAGE]]
        train += [(text, label) for text in found[TEST_PER_PACKAGE:][:TRAIN_PER_PACKAGE]]
    return train, test


def _source_files(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise DataError(
            f"docstrings: the package {package} is not installed: set up the course's environment."
        )
    root = Path(spec.origin).parent
    ranked = []
    for path in root.rglob("*.py"):
        name = path.relative_to(root).as_posix()
        if _SKIPPED & set(name.split("/")) or name.endswith("_test.py"):
            continue
        if path.stat().st_size <= LARGEST_FILE_BYTES:
            rank = hashlib.sha256(f"{package}/{name}".encode()).hexdigest()
            ranked.append((rank, path))
    return [path for _, path in sorted(ranked)]


def _docstrings_of(path: Path) -> Iterator[str]:
    """Masked docstrings of one source file: module, classes, functions, methods, in file order."""
    nodes: list[ast.AST] = [_parse(path)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, _SCOPES):
            text = ast.get_docstring(node)
            if text and len(text) >= SHORTEST_DOCSTRING:
                yield _NAMES.sub(MASK, text)
        if isinstance(node, (*_SCOPES, ast.If, ast.Try)):
            nodes += reversed(node.body)


def _parse(path: Path) -> ast.Module:
    """The syntax tree of a file, built with the garbage collector paused.

    A tree is hundreds of thousands of objects without cycles: collections while it is built find
    nothing and double the time, more so with a deep-learning library in memory.
    """
    content = path.read_text(encoding="utf-8")
    collecting = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(content)
    finally:
        if collecting:
            gc.enable()
