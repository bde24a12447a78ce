"""Files that count what is read from them, for pyarrow, pandas and DuckDB.

Built for chapter 07.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.event_table import LargeDataError

_counted = {"bytes": 0}


class _CountingFile(io.RawIOBase):
    """A local file that adds what is read from it to the count of this process.

    A thread that seeks reads from there next, whatever the others do meanwhile: DuckDB's threads
    seek and read the same object at once. Without a seek, a read goes on where the last one ended.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self._length = os.fstat(self._file.fileno()).st_size
        self._lock, self._sought, self._next = threading.Lock(), threading.local(), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        sought = getattr(self._sought, "at", None)
        return self._next if sought is None else sought

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._length}[whence]
        self._sought.at = base + offset
        return self._sought.at

    def readinto(self, buffer: Any) -> int:
        with self._lock:
            self._file.seek(self.tell())
            got = self._file.readinto(buffer)
            _counted["bytes"] += got
            self._next, self._sought.at = self._file.tell(), None
        return got

    def close(self) -> None:
        self._file.close()
        super().close()


def counting_file(path: Path | str) -> Any:
    """A pyarrow file of `path` whose reads `bytes_read` counts."""
    import pyarrow as pa

    if not Path(path).is_file():
        raise LargeDataError(f"There is no file '{path}': write it first.")
    return pa.PythonFile(_CountingFile(path), mode="r")


def bytes_read(function: Callable, *arguments: Any) -> tuple[Any, int]:
    """(result, bytes that were read from counted files) of `function(*arguments)`."""
    before = _counted["bytes"]
    result = function(*arguments)
    return result, _counted["bytes"] - before


def counted_address(path: Path | str) -> str:
    """An address of the local file `path` that pandas and DuckDB open through the counter."""
    import duckdb
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    class Counted(LocalFileSystem):
        protocol = "counted"

        @classmethod
        def _strip_protocol(cls, path: Any) -> str:
            return super()._strip_protocol(str(path).removeprefix("counted://"))

        def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
            return _CountingFile(path)

    fsspec.register_implementation("counted", Counted, clobber=True)
    if "counted" not in duckdb.list_filesystems():
        duckdb.register_filesystem(Counted())
    return f"counted://{Path(path).as_posix()}"
