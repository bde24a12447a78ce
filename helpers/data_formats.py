"""Readers for the file formats of the course's data sets: bytes in, arrays or frames out.

Nothing here touches the network or writes a file. Archives are read in memory, member by member,
and never unpacked, so a hostile path inside one cannot reach the disk.
"""

from __future__ import annotations

import gzip
import io
import pickle
import re
import struct
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.data_catalog import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# fmt: off
ADULT_COLUMNS = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week",
    "native_country", "income",
]
COMPAS_COLUMNS = [
    "sex", "age", "race", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count",
    "c_charge_degree", "decile_score",
]
# fmt: on


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of a gzipped IDX file, the format of MNIST and Fashion-MNIST.

    Header: two zero bytes, type 8 (unsigned byte), number of axes, each length as a big-endian
    32-bit integer. `DataError` if header and length of the file disagree.
    """
    import numpy as np

    content = gzip.decompress(path.read_bytes())
    axes = content[3]
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes)
    if content[:3] != b"\0\0\x08" or values.size != np.prod(shape):
        raise DataError(f"{path.name} is no IDX file of unsigned bytes: fetch it again.")
    return values.reshape(shape)


def read_cifar(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x_train, y_train, x_test, y_test of CIFAR-10 from its tar archive of pickled batches.

    Images are uint8 of shape (n, 32, 32, 3), labels int64. The pickles may build NumPy arrays and
    nothing else: any other global in one is refused.
    """
    import numpy as np

    batches = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = Path(member.name).name
            if member.isfile() and re.fullmatch(r"data_batch_[1-5]|test_batch", name):
                batches[name] = _ArrayUnpickler(archive.extractfile(member).read()).load()
    if len(batches) != 6:
        raise DataError(f"{path.name} holds {len(batches)} of the 6 CIFAR-10 batches: fetch again.")
    train = [batches[f"data_batch_{number}"] for number in range(1, 6)]
    parts = []
    for part in (train, [batches["test_batch"]]):
        rows = np.concatenate([batch[b"data"] for batch in part])
        parts.append(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        parts.append(np.concatenate([batch[b"labels"] for batch in part]).astype(np.int64))
    return tuple(parts)


class _ArrayUnpickler(pickle.Unpickler):
    """A pickle reader that can build arrays and plain values only."""

    allowed = frozenset({("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")})

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")

    def find_class(self, module: str, name: str):
        if (module, name) in self.allowed:
            return super().find_class(module, name)
        if name == "_reconstruct" and re.fullmatch(r"numpy\._?core\.multiarray", module):
            return super().find_class("numpy._core.multiarray", name)
        raise DataError(
            f"a pickled batch asks for {module}.{name}: it is not CIFAR-10, discard it."
        )


def read_adult(
    train: Path, test: Path
) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame, np.ndarray]:
    """x_train, y_train, x_test, y_test of UCI Adult; y is 1 for an income above $50K.

    Six numeric columns are int64, eight are `category` with the same categories in both parts; a
    "?" in the file becomes a missing value. Rows are kept as they are, duplicates included.
    """
    import pandas as pd

    parts = [
        pd.read_csv(path, names=ADULT_COLUMNS, skipinitialspace=True, na_values="?")
        for path in (train, test)
    ]
    both = pd.concat(parts, ignore_index=True)
    # The test file ends its labels with a full stop, the training file does not.
    labels = both.pop("income").str.rstrip(".").eq(">50K").to_numpy("int64")
    frame = _with_categories(both)
    cut = len(parts[0])
    x_test = frame.iloc[cut:].reset_index(drop=True)
    return frame.iloc[:cut], labels[:cut], x_test, labels[cut:]


def read_compas(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """x and y of ProPublica's two-year COMPAS table; y is 1 for a new charge within two years.

    Rows are selected as ProPublica did: screening within 30 days of the arrest, a known outcome,
    no ordinary traffic offence, a score present. Names and dates of birth are not read.
    `decile_score` (1 to 10) is the output of the audited product: leave it out when you train a
    model of your own. Counts, age and score are int64; sex, race and charge degree `category`.
    """
    import pandas as pd

    conditions = ["days_b_screening_arrest", "is_recid", "score_text", "two_year_recid"]
    frame = pd.read_csv(path, usecols=COMPAS_COLUMNS + conditions, keep_default_na=True)
    kept = (
        frame["days_b_screening_arrest"].between(-30, 30)
        & frame["is_recid"].ne(-1)
        & frame["c_charge_degree"].ne("O")
        & frame["score_text"].notna()
    )
    frame = frame[kept].reset_index(drop=True)
    return _with_categories(frame[COMPAS_COLUMNS]), frame["two_year_recid"].to_numpy("int64")


def _with_categories(frame: pd.DataFrame) -> pd.DataFrame:
    text = frame.select_dtypes(exclude="number").columns
    return frame.astype(dict.fromkeys(text, "category"))


def read_ts(path: Path) -> tuple[list[np.ndarray], list[str], tuple[str, ...]]:
    """Series, labels and class names of a .ts file of the UCR/UEA archive.

    Each series is float32 of shape (length, channels); lengths may differ, a "?" becomes NaN and a
    channel shorter than the others is filled up with NaN. Format: `#` comments, `@key value` lines,
    after `@data` one line per case, channels separated by ":", the label last. `DataError` for
    files with time stamps or without class labels.
    """
    import numpy as np

    header, series, labels = {}, [], []
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith("@"):
            key, _, value = line[1:].partition(" ")
            header[key.lower()] = value.strip()
        elif line and not line.startswith("#"):
            *channels, label = line.split(":")
            values = [[float(x.replace("?", "nan")) for x in ch.split(",")] for ch in channels]
            labels.append(label.strip())
            series.append(pad([np.array(row, dtype=np.float32) for row in values]).T)
    names = tuple(header.get("classlabel", "false").split()[1:])
    if header.get("timestamps", "false") == "true" or not names or not set(labels) <= set(names):
        raise DataError(f"{path.name}: a .ts file with class labels, no time stamps is expected.")
    return series, labels, names


def pad(rows: list[np.ndarray], length: int | None = None) -> np.ndarray:
    """One float32 array of all rows, each filled up with NaN at its end to the longest one."""
    import numpy as np

    length = length or max(len(row) for row in rows)
    padded = np.full((len(rows), length, *rows[0].shape[1:]), np.nan, dtype=np.float32)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded


def read_reviews(path: Path) -> dict[str, str]:
    """File name in the archive -> text, for the 2,000 reviews of the polarity data set 2.0."""
    texts = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = "/".join(Path(member.name).parts[-2:])
            if member.isfile() and re.fullmatch(r"(neg|pos)/cv\d{3}_\d+\.txt", name):
                texts[name] = archive.extractfile(member).read().decode("ascii")
    return texts
