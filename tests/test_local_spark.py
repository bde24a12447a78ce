"""Spark in local mode, the stored results in its place, and Spark's hash."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from helpers import local_spark
from helpers.event_table import LargeDataError, write_events
from helpers.file_formats import column_bytes
from helpers.local_spark import STORED, StoredSpark, spark_hash, start_spark, why_not


@pytest.fixture
def events(tmp_path):
    return write_events(tmp_path / "events.parquet", 4_000, 1_000, 1)


def hide_java(monkeypatch, folder):
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)


def test_the_hash_is_that_of_spark():
    # SELECT hash(0), hash(1), hash(2) and hash(1, 2) in Spark 4.3.
    column = np.array([0, 1, 2], dtype=np.int32)
    assert spark_hash(column).tolist() == [933211791, -559580957, 1765031574]
    one, two = np.array([1], dtype=np.int32), np.array([2], dtype=np.int32)
    assert spark_hash(one, two).tolist() == [-222940379]


@pytest.mark.parametrize(
    ("columns", "words"), [((), "no column"), ((np.array([1, 2]),), "has the type int64")]
)
def test_other_columns_are_not_hashed(columns, words):
    with pytest.raises(LargeDataError, match=words):
        spark_hash(*columns)


def test_a_missing_table_is_said_before_java_starts(tmp_path):
    with pytest.raises(LargeDataError, match="write_events first"):
        start_spark(tmp_path / "nowhere.parquet", tmp_path)


def test_without_java_the_stored_result_is_called_stored(tmp_path, events, monkeypatch):
    hide_java(monkeypatch, tmp_path)
    monkeypatch.setattr(local_spark.importlib.util, "find_spec", lambda name: object())
    spark = start_spark(events, tmp_path)
    assert isinstance(spark, StoredSpark)
    assert spark.stored
    assert spark.describe().startswith("SPARK DOES NOT RUN HERE. Java was not found")
    assert "a stored result" in spark.describe()
    with pytest.raises(LargeDataError, match="No result of Spark is stored for 'other'"):
        spark.run("other")


def test_without_pyspark_the_reason_is_another(monkeypatch):
    monkeypatch.setattr(local_spark.importlib.util, "find_spec", lambda name: None)
    assert "uv sync --extra spark" in why_not()


def test_an_old_java_is_refused(monkeypatch):
    class Done:
        stdout, stderr = "", 'openjdk version "11.0.2"'

    monkeypatch.setattr(local_spark.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(local_spark.shutil, "which", lambda *a, **k: "java")
    monkeypatch.setattr(local_spark.subprocess, "run", lambda *a, **k: Done)
    assert why_not() == "Java 11 was found: Spark needs version 17 or later."


def test_a_session_that_does_not_start_gives_the_stored_result(tmp_path, events, monkeypatch):
    def fail(*_):
        raise OSError("no port")

    monkeypatch.setattr(local_spark, "why_not", lambda: "")
    monkeypatch.setattr(local_spark, "LocalSpark", fail)
    assert "did not start (no port)" in start_spark(events, tmp_path).describe()


def test_the_stored_result_is_true_of_the_regenerated_table(tmp_path):
    spark = StoredSpark("Java was not found.", tmp_path)
    question = f"""select model, region, count(*), sum(output_tokens), max(latency_ms)
        from '{spark.path.as_posix()}' where status = 200 group by model, region"""
    truth = set(duckdb.sql(question).fetchall())
    for name in ("first", "second"):
        assert set(spark.run(name).rows) == truth
    stored = json.loads(STORED.read_text(encoding="utf-8"))["table"]
    dealt = dict(spark.run("deal").rows)
    assert sum(dealt.values()) == stored["rows"]
    hour = pq.ParquetFile(spark.path).read_row_group(0)["latency_ms"].to_pylist()
    assert spark.run("as_listed").rows == [(max(map(str, hour)), len(hour))]
    assert spark.peak_mb() > 100


@pytest.mark.skipif(bool(why_not()), reason="Spark cannot run here")
def test_spark_itself(tmp_path, events):
    spark = start_spark(events, tmp_path, 3, "-XX:TieredStopAtLevel=1")
    try:
        assert not spark.stored, spark.describe()
        assert "local mode" in spark.describe()
        job = spark.run("sums", lambda s, p: s.read.parquet(p).groupBy("region").count().collect())
        truth = duckdb.sql(f"select region, count(*) from '{events.as_posix()}' group by region")
        assert set(job.rows) == set(truth.fetchall())
        whole = spark.run(
            "all", lambda s, p: s.read.parquet(p).selectExpr("max(hash(*))").collect()
        )
        assert sum(column_bytes(events).values()) <= whole.bytes_read < 3 * events.stat().st_size
        assert column_bytes(events)["region"] <= job.bytes_read < whole.bytes_read
        assert 4 <= job.shuffled_rows <= 8
        hashed = "select hash(1), hash(1, 2), pmod(hash(7), 3)"
        found = spark.run("hash", lambda s, p: s.sql(hashed).collect()).rows[0]
        columns = [np.array([n], dtype=np.int32) for n in (1, 2, 7)]
        assert found[0] == spark_hash(columns[0])[0]
        assert found[1] == spark_hash(columns[0], columns[1])[0]
        assert found[2] == spark_hash(columns[2])[0] % 3
    finally:
        spark.close(tmp_path / "kept.json", rows=4_000, group=1_000, seed=1)
    kept = StoredSpark("Java was not found.", tmp_path, tmp_path / "kept.json")
    assert kept.run("sums").rows == job.rows
    assert kept.path.read_bytes() == events.read_bytes()
