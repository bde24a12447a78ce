"""The course's data catalogue: every data set with its licence, source, files and checksums.

`data/catalog.yaml` is the only list; this module reads it. Notebooks reach it through
`helpers.data`; chapter 06 builds content hashes and data cards in view.
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CATALOG = ROOT / "data" / "catalog.yaml"


class DataError(RuntimeError):
    """A data set cannot be had: one sentence that says what, where and what to do."""


@dataclass(frozen=True)
class DataFile:
    """One file of a data set; `sha256` lists every accepted digest, the download's first."""

    name: str
    urls: tuple[str, ...]
    sha256: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True)
class Entry:
    """One data set of the catalogue; `kind` is image, table, series, text or documents."""

    name: str
    title: str
    kind: str
    licence: str
    source: str
    profiles: tuple[str, ...]
    embedded: bool
    card: Path
    files: tuple[DataFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes to download; 0 for a data set that is embedded in an installed package."""
        return sum(file.size_bytes for file in self.files)


def catalogue() -> tuple[Entry, ...]:
    """Every data set of `data/catalog.yaml`, in the file's order; `DataError` if unreadable."""
    try:
        return _read_catalogue(CATALOG, CATALOG.stat().st_mtime_ns)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the data catalogue {CATALOG} cannot be read ({type(error).__name__}: {error}): "
            "restore the file from the repository."
        ) from error


@functools.lru_cache(maxsize=4)
def _read_catalogue(path: Path, modified: int) -> tuple[Entry, ...]:
    import yaml

    try:
        records = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    entries = []
    for record in records:
        files = tuple(
            DataFile(file["name"], tuple(file["urls"]), tuple(file["sha256"]), file["size_bytes"])
            for file in record.get("files", ())
        )
        card = path.parent / "cards" / f"{record['name']}.md"
        plain = (record[key] for key in ("name", "title", "kind", "licence", "source"))
        entries.append(Entry(*plain, tuple(record["profiles"]), not files, card, files))
    return tuple(entries)


def entry(name: str, kinds: tuple[str, ...] | None = None) -> Entry:
    """The catalogue's entry called `name`; `DataError` with the closest name if there is none.

    `kinds` restricts the search, so that `load` suggests no text and `text` no table.
    """
    known = {item.name: item for item in catalogue()}
    if name in known and kinds and known[name].kind not in kinds:
        kind = known[name].kind
        function = kind if kind in ("text", "documents") else "load"
        raise DataError(f"{name} is a data set of kind {kind}: use data.{function}({name!r}).")
    if name in known:
        return known[name]
    known = {key: item for key, item in known.items() if kinds is None or item.kind in kinds}
    close = difflib.get_close_matches(str(name).lower().replace("-", "_"), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}."
    raise DataError(f"there is no data set called {name!r} here: {hint}")
