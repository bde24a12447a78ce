"""Generated events, counted bytes, own processes and file formats, against independent truths."""

from __future__ import annotations

import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.counted_files import bytes_read, counted_address, counting_file
from helpers.event_table import (
    CUSTOMERS,
    DAY,
    LargeDataError,
    features,
    late_arrivals,
    usage_events,
    write_events,
)
from helpers.file_formats import column_bytes, csv_bytes, in_formats
from helpers.own_process import high_water_mb, in_own_process, side_by_side


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    return write_events(tmp_path_factory.mktemp("events") / "events.parquet", 24_000, 6_000, 3)


def test_the_file_holds_the_generated_pieces(events):
    table = pq.read_table(events)
    pieces = [usage_events(first, 6_000, 24_000, 3) for first in range(0, 24_000, 6_000)]
    assert table.equals(pa.concat_tables(pieces))
    assert pq.ParquetFile(events).num_row_groups == 4
    times = np.asarray(table["time"]).astype("int64")
    assert (np.diff(times) >= 0).all()
    assert DAY * 0.99 < times[-1] - times[0] < DAY
    customers = np.asarray(table["customer"])
    assert customers.min() == 1
    assert customers.max() <= CUSTOMERS
    assert np.bincount(customers).argmax() == 1
    assert not table.equals(pq.read_table(write_events(events.with_name("b"), 24_000, 6_000, 4)))
    assert {path.name for path in events.parent.iterdir()} == {"events.parquet", "b"}


def test_a_file_that_fails_leaves_the_old_one(events, monkeypatch):
    before = events.read_bytes()
    monkeypatch.setattr("helpers.event_table.usage_events", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_events(events, 100, 10)
    assert events.read_bytes() == before


@pytest.mark.parametrize(("rows", "group"), [(100, 0), (10, 20), (100, 30), (0, 1)])
def test_sizes_that_do_not_fit_are_refused(tmp_path, rows, group):
    with pytest.raises(LargeDataError, match="do not split into row groups"):
        write_events(tmp_path / "x.parquet", rows, group)
    assert not list(tmp_path.iterdir())


def test_features_are_logarithms_and_kinds(events):
    table = pq.read_table(events).slice(0, 500)
    x, y = features(table)
    assert x.shape == (500, 5)
    assert np.allclose(x[:, 1], np.log(np.asarray(table["output_tokens"]) + 1.0) - 6)
    assert x[:, 3].sum() == table["model"].to_pylist().count("large")
    assert np.array_equal(y, np.asarray(table["liked"]))
    batch = table.combine_chunks().to_batches()[0]
    assert np.array_equal(features(batch)[0], x)
    with pytest.raises(LargeDataError, match="no column 'model'"):
        features(table.drop_columns(["model"]))


def test_every_event_arrives_once_and_none_too_early(events):
    column = pq.read_table(events)["time"]
    times = np.asarray(column).astype("int64")
    batches = late_arrivals(column, 5, 600_000)
    assert np.array_equal(np.sort(np.concatenate(batches)), np.sort(times))
    assert all(len(batch) for batch in batches)
    assert all(batch.max() < times[0] + (n + 2) * 600_000 for n, batch in enumerate(batches))
    late = np.concatenate([batch.max() - batch for batch in batches])
    assert 0.005 < np.mean(late > 900_000) < 0.015
    assert late.max() < DAY / 8 + 1_000_000
    for bad, every in ((times[:0], 10), (times, 0)):
        with pytest.raises(LargeDataError, match="no stream to make"):
            late_arrivals(bad, 0, every)


def test_the_counter_counts_what_is_read(events):
    size = os.path.getsize(events)

    def ends():
        file = counting_file(events)
        file.seek(size - 4)
        tail = file.read(4)
        file.seek(0)
        return file.read(4), tail

    assert bytes_read(ends) == ((b"PAR1", b"PAR1"), 8)
    data, count = bytes_read(lambda: counting_file(events).read())
    assert (len(data), count) == (size, size)
    table, count = bytes_read(lambda: pq.read_table(counting_file(events), columns=["status"]))
    assert table.num_rows == 24_000
    assert column_bytes(events)["status"] < count < size / 5


def test_a_reader_in_another_thread_goes_on_where_the_last_one_ended(events):
    import threading

    file, parts = counting_file(events), []
    for _ in range(3):
        thread = threading.Thread(target=lambda: parts.append(file.read(1000)))
        thread.start()
        thread.join()
    assert b"".join(parts) == events.read_bytes()[:3000]


def with_pandas(file):
    import pandas as pd

    return int(pd.read_parquet(file, columns=["output_tokens"])["output_tokens"].sum())


def with_duckdb(file):
    import duckdb

    return int(duckdb.sql(f"select sum(output_tokens) from '{file}'").fetchall()[0][0])


def sum_of_ones(count):
    import numpy as np

    return float(np.ones(count).sum())


def broken():
    raise KeyError("no such thing")


def test_pandas_and_duckdb_open_the_counted_address(events):
    truth = int(np.asarray(pq.read_table(events)["output_tokens"]).sum())
    column = column_bytes(events)["output_tokens"]
    for way in (with_pandas, with_duckdb):
        cost = in_own_process(way, events, count=True)
        assert cost.value == truth
        assert column <= cost.bytes_read < events.stat().st_size
        assert cost.seconds > 0
        assert cost.again > 0
    assert counted_address(events).startswith("counted://")


def test_memory_of_an_own_process_follows_its_work():
    small, large = side_by_side(sum_of_ones, (1000, 20_000_000))
    assert (small.value, large.value) == (1000.0, 20_000_000.0)
    assert 140 < large.peak_mb - small.peak_mb < 200
    assert (small.again, small.bytes_read) == (None, None)
    assert high_water_mb() > 10


def test_what_cannot_be_measured_is_said():
    with pytest.raises(LargeDataError, match=r"broken stopped.*no such thing"):
        in_own_process(broken)
    with pytest.raises(LargeDataError, match="written with def"):
        in_own_process(len)
    with pytest.raises(LargeDataError, match="There is no file"):
        counting_file("nowhere.parquet")


def test_all_formats_hold_the_rows(events):
    import gzip

    import h5py

    table = pq.read_table(events).slice(0, 300)
    found = in_formats(table)
    assert len(found) == 7
    assert gzip.decompress(found["CSV, gzip"]) == found["CSV"]
    assert found["CSV"].count(b"\n") == 301
    assert csv_bytes(table) == len(found["CSV"])
    for codec in ("none", "snappy", "zstd"):
        assert pq.read_table(io.BytesIO(found[f"Parquet, {codec}"])).equals(table)
    for codec in ("none", "gzip"):
        with h5py.File(io.BytesIO(found[f"HDF5, {codec}"])) as store:
            assert np.array_equal(store["latency_ms"], np.asarray(table["latency_ms"]))
            assert store["model"].asstr()[:].tolist() == table["model"].to_pylist()
    with pytest.raises(LargeDataError, match="no rows"):
        in_formats(table.slice(0, 0))
    with pytest.raises(LargeDataError, match="no Parquet file"):
        column_bytes("nowhere.parquet")


def test_column_bytes_are_those_of_the_metadata(events):
    found = column_bytes(events)
    assert list(found) == pq.ParquetFile(events).schema_arrow.names
    assert sum(found.values()) < events.stat().st_size
    chunk = pq.ParquetFile(events).metadata.row_group(2).column(5)
    assert found["output_tokens"] > chunk.total_compressed_size
