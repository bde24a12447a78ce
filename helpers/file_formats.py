"""One table in several file formats, to compare their sizes. Built for chapter 07."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

from helpers.event_table import LargeDataError


def _csv(table: Any) -> bytes:
    import pyarrow.csv

    pyarrow.csv.write_csv(table, plain := io.BytesIO())
    return plain.getvalue()


def csv_bytes(table: Any) -> int:
    """Length of the pyarrow `table` as CSV text in bytes."""
    return len(_csv(table))


def column_bytes(path: Path | str) -> dict[str, int]:
    """Column -> compressed bytes of all its chunks in the Parquet file `path`, in its order.

    Only for flat tables: a nested column has several chunks with names of their own. Raises
    `LargeDataError` without the file.
    """
    import pyarrow.parquet

    if not Path(path).is_file():
        raise LargeDataError(f"There is no Parquet file '{path}': write it first.")
    meta, found = pyarrow.parquet.ParquetFile(path).metadata, {}
    for group in range(meta.num_row_groups):
        for place in range(meta.num_columns):
            chunk = meta.row_group(group).column(place)
            name, size = chunk.path_in_schema, chunk.total_compressed_size
            found[name] = found.get(name, 0) + size
    return found


def in_formats(table: Any) -> dict[str, bytes]:
    """Format and codec -> the pyarrow `table` as one file of it: CSV, HDF5 and Parquet.

    HDF5 holds one array for each column, text as bytes of fixed length and times as milliseconds;
    its codec is the library's own gzip. Raises `LargeDataError` for a table without rows.
    """
    import h5py
    import numpy as np
    import pyarrow.parquet

    if table.num_rows == 0:
        raise LargeDataError("The table has no rows: give at least one to compare formats.")
    found = {"CSV": _csv(table)}
    found["CSV, gzip"] = gzip.compress(found["CSV"])
    for codec in (None, "gzip"):
        with h5py.File(file := io.BytesIO(), "w") as store:
            for name in table.column_names:
                values = np.asarray(table[name])
                values = values.astype("S") if values.dtype == object else values
                values = values.view("i8") if values.dtype.kind == "M" else values
                store.create_dataset(name, data=values, compression=codec)
        found[f"HDF5, {codec or 'none'}"] = file.getvalue()
    for codec in ("none", "snappy", "zstd"):
        pyarrow.parquet.write_table(table, file := io.BytesIO(), compression=codec)
        found[f"Parquet, {codec}"] = file.getvalue()
    return found
