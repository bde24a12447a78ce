"""Unknown pickles: a scan without loading, and a loader with an allow-list. Chapter 26."""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection
from typing import Any


def complaints(content: bytes) -> int:
    """Number of calls in a pickle that the scanner picklescan takes for dangerous; loads nothing.

    Zero says only that no name stands on the scanner's list.
    """
    from picklescan.scanner import scan_pickle_bytes

    return scan_pickle_bytes(io.BytesIO(content), "file.pkl").issues_count


class _Listed(pickle.Unpickler):
    def __init__(self, content: bytes, allowed: Collection[tuple[str, str]]) -> None:
        super().__init__(io.BytesIO(content))
        self._allowed = frozenset(allowed)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"The file calls {module}.{name}, which is not allowed.")
        return super().find_class(module, name)


def load_listed(content: bytes, allowed: Collection[tuple[str, str]] = ()) -> Any:
    """The object in a pickle that calls nothing but the pairs (module, name) in `allowed`.

    Raises `pickle.UnpicklingError` before anything else is called. Source: "Restricting globals"
    in the documentation of pickle (https://docs.python.org/3/library/pickle.html).
    """
    return _Listed(content, allowed).load()
