"""Where the files of a data set come from: local mirror, cache, download, checksum.

A file of the catalogue is looked for in this order:

1. the folder named by `COURSE_DATA_DIR` (a local mirror; a relative name is read from the
   current folder, then from the project root),
2. the cache (`COURSE_CACHE_DIR`, or `artifacts/data/` under the project root),
3. the catalogue's public addresses, unless `COURSE_OFFLINE` is set.

Every file is checked against its SHA-256 before it is used. Every failure is a `DataError` that
says what is missing or damaged, where it was looked for and what to do. Notebooks use the
functions through `helpers.data`; chapter 06 builds content hashes and data cards in view.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from helpers.data_catalog import ROOT, DataError, DataFile, Entry, catalogue, entry

TIMEOUT_SECONDS = 20

# Digests already computed by this process, so that a file is read once however often it is loaded.
_digests: dict[tuple[str, int, int], str] = {}
_downloads: list[int] = []


def cache_folder() -> Path:
    """The folder downloads go to: `COURSE_CACHE_DIR`, or `artifacts/data` of the project."""
    named = os.environ.get("COURSE_CACHE_DIR", "").strip()
    return Path(named).expanduser() if named else ROOT / "artifacts" / "data"


def mirror_folder() -> Path | None:
    """The folder `COURSE_DATA_DIR` names, None if it is not set; `DataError` if it is no folder."""
    named = os.environ.get("COURSE_DATA_DIR", "").strip()
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir() and (ROOT / folder).is_dir():
        folder = ROOT / folder
    if not folder.is_dir():
        raise DataError(
            f"COURSE_DATA_DIR names {named}, which is not a folder: set it to an existing mirror "
            "(`course data mirror FOLDER` writes one), or unset it to use downloads."
        )
    return folder.resolve()


def where(name: str) -> str:
    """Where `name` would be read from: "embedded", "mirror", "cache" or "missing".

    No network, and no checksum: a damaged file is found when it is used or fetched.
    """
    item = entry(name)
    if item.embedded:
        return "embedded"
    places = {(_find(file) or ("missing", None))[0] for file in item.files}
    return next(place for place in ("missing", "cache", "mirror") if place in places)


def fetch(name: str, progress: bool = True) -> tuple[Path, ...]:
    """Verified paths of all files of `name`, in the catalogue's order; downloads what is missing.

    A file that the mirror (`COURSE_DATA_DIR`) or the cache already holds is used where it lies;
    a downloaded one is put into the cache. An embedded data set has no files: the result is ().
    `progress` shows a progress bar per download. `DataError` if a file is damaged, or neither
    there nor reachable.
    """
    item = entry(name)
    return tuple(_verified(item, file) or _download(item, file, progress) for file in item.files)


def bytes_downloaded() -> int:
    """Bytes this process has downloaded so far, for resource cards."""
    return sum(_downloads)


def mirror(folder: str | Path, names: Iterable[str] | None = None) -> tuple[Path, ...]:
    """Paths of the files of a complete local mirror written into `folder`, SHA256SUMS last.

    `names` chooses data sets (default: all that are not embedded). All files are found, or
    downloaded, and verified before the first is copied; each copy is verified and then renamed
    into place. Running it again adds to the mirror. The result serves as `COURSE_DATA_DIR`.
    """
    items = [entry(name) for name in names] if names is not None else list(catalogue())
    sources = [
        (file, path)
        for item in items
        for file, path in zip(item.files, fetch(item.name), strict=True)
    ]
    if not sources:
        raise DataError("there is nothing to mirror: the data sets named are embedded in packages.")
    target = Path(folder).expanduser()
    try:
        copies = [_copy(source, target / file.name, file) for file, source in sources]
        sums_path = target / "SHA256SUMS"
        sums = {}
        if sums_path.exists():
            lines = sums_path.read_text(encoding="utf-8").splitlines()
            sums = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}
        sums |= {file.name: sha256(path) for (file, _), path in zip(sources, copies, strict=True)}
        listing = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
        part = sums_path.with_name("SHA256SUMS.part")
        part.write_text(listing, encoding="utf-8", newline="\n")
        part.replace(sums_path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"the mirror could not be written to {target} ({type(error).__name__}: {error}): name "
            "a folder that can be written to and has enough space."
        ) from error
    return (*copies, sums_path)


def sha256(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits; computed once per path, time and size."""
    state = path.stat()
    key = (str(path.resolve()), state.st_mtime_ns, state.st_size)
    if key not in _digests:
        with path.open("rb") as stream:
            _digests[key] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _digests[key]


def _find(file: DataFile) -> tuple[str, Path] | None:
    for place, folder in (("mirror", mirror_folder()), ("cache", cache_folder())):
        if folder is not None and (folder / file.name).is_file():
            return place, folder / file.name
    return None


def _verified(item: Entry, file: DataFile) -> Path | None:
    """The path of a local copy with an accepted digest, None if there is no local copy."""
    found = _find(file)
    if found is None:
        return None
    place, path = found
    try:
        digest = sha256(path)
    except OSError as error:
        raise DataError(
            f"{path} of {item.name} cannot be read: {error.strerror or error}."
        ) from error
    if digest in file.sha256:
        return path
    label = "the mirror (COURSE_DATA_DIR)" if place == "mirror" else "the cache"
    remedy = "copy it again from a good mirror, or delete it"
    raise DataError(
        f"{item.name}: the file {path} in {label} is damaged (SHA-256 {digest[:12]}..., expected "
        f"{file.sha256[0][:12]}...): {remedy} and run `course data fetch {item.name}`."
    )


def _download(item: Entry, file: DataFile, progress: bool) -> Path:
    """The path of a fresh, verified download in the cache; tries the addresses in order."""
    target = cache_folder() / file.name
    named = mirror_folder()
    looked = f"in COURSE_DATA_DIR ({named or 'not set'}) nor in the cache ({cache_folder()})"
    remedy = "or set COURSE_DATA_DIR to a folder that holds a local mirror."
    if os.environ.get("COURSE_OFFLINE", "").strip() not in ("", "0"):
        raise DataError(
            f"{item.name}: {file.name} is neither {looked}, and COURSE_OFFLINE forbids downloads: "
            f"unset it, connect and run `course data fetch {item.name}`, {remedy}"
        )
    reasons = []
    for url in file.urls:
        try:
            return _retrieve(url, file, target, progress)
        except DataError as error:
            reasons.append(str(error))
    raise DataError(
        f"{item.name}: {file.name} is neither {looked}, and could not be downloaded "
        f"({'; '.join(reasons)}): connect and run `course data fetch {item.name}`, {remedy}"
    )


def _retrieve(url: str, file: DataFile, target: Path, progress: bool) -> Path:
    import pooch
    import requests
    from tqdm import tqdm

    pooch.get_logger().setLevel("WARNING")
    host = url.split("/")[2]
    # On stderr and never a widget: a stored notebook must not hold the bar's state. The delay keeps
    # it away until bytes arrive, so that a failure shows its sentence and no empty bar.
    look = {"desc": target.name, "unit": "B", "unit_scale": True, "delay": 1e-3, "file": sys.stderr}
    bar = tqdm(total=file.size_bytes, **look) if progress else False
    download = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=TIMEOUT_SECONDS)
    try:
        # pooch writes to a temporary file, verifies it, and only then renames it.
        pooch.retrieve(url, f"sha256:{file.sha256[0]}", target.name, target.parent, None, download)
    except requests.HTTPError as error:
        raise DataError(f"{host} answered {error.response.status_code}") from error
    except requests.RequestException as error:
        raise DataError(f"{host}: {type(error).__name__}") from error
    except ValueError as error:
        raise DataError(f"{host} sent a file with another SHA-256, thrown away") from error
    except OSError as error:
        raise DataError(f"{target.parent} cannot be written: {error.strerror or error}") from error
    finally:
        if progress:
            bar.close()
    _downloads.append(target.stat().st_size)
    return target


def _copy(source: Path, target: Path, file: DataFile) -> Path:
    """`target`, a verified copy of `source`; a good copy that is already there is left alone."""
    if target.exists():
        if sha256(target) in file.sha256:
            return target
        raise OSError(f"{target} exists and is not the catalogue's file: move it away first")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        shutil.copyfile(source, part)
        if sha256(part) not in file.sha256:
            raise OSError(f"{part.name} was not written completely")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target
