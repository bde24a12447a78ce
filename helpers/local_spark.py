"""Apache Spark in local mode with the costs of each job, and stored results where it cannot run.

Built for chapter 07. Spark needs the package `pyspark` (an extra of this course) and Java 17 or
later. Where one is missing, `start_spark` gives what an earlier run of the chapter stored, together
with the table it was computed from, so that other engines can be checked against it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.event_table import LargeDataError, write_events
from helpers.own_process import high_water_mb

STORED = Path(__file__).resolve().parents[1] / "data" / "evidence" / "spark-local.json"
_JAVA = 17


@dataclass(frozen=True)
class SparkJob:
    """One job: `rows` (tuples), wall `seconds`, and what Spark counted while it ran.

    `bytes_read` from files, `shuffled_rows` and `shuffled_bytes` written for other tasks, `tasks`.
    """

    rows: list[tuple]
    seconds: float
    bytes_read: int
    shuffled_rows: int
    shuffled_bytes: int
    tasks: int


def why_not() -> str:
    """Why Spark cannot run here, as one sentence; empty if it can."""
    if importlib.util.find_spec("pyspark") is None:
        return "The package pyspark is not installed: 'uv sync --extra spark' adds it."
    home = os.environ.get("JAVA_HOME", "")
    command = shutil.which("java", path=str(Path(home, "bin")) if home else None)
    if command is None:
        return f"Java was not found: Spark needs version {_JAVA} or later."
    try:
        done = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=30)
        number = re.search(r'version "(\d+)', done.stderr + done.stdout)
    except (OSError, subprocess.TimeoutExpired):
        number = None
    if number is None or int(number[1]) < _JAVA:
        found = f"Java {number[1]}" if number else "A Java whose version cannot be read"
        return f"{found} was found: Spark needs version {_JAVA} or later."
    return ""


@contextlib.contextmanager
def _error_output_to(path: Path) -> Iterator[None]:
    """Context in which processes started from here write their error output to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(2)
    with path.open("wb") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class LocalSpark:
    """A running session: `session` is Spark's own object, `path` the table its jobs read."""

    stored = False

    def __init__(self, path: Path, folder: Path, partitions: int, java: str) -> None:
        # Python workers must be this Python, and nothing needs to reach the driver from outside.
        os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
        start = time.perf_counter()
        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.driver.extraJavaOptions": f"-XX:+UseSerialGC {java}".strip(),
            "spark.sql.session.timeZone": "UTC",
            # Parquet's vectored reads bypass the counter behind a task's "input size".
            "spark.hadoop.parquet.hadoop.vectored.io.enabled": "false",
            "spark.sql.shuffle.partitions": str(partitions),
            "spark.sql.warehouse.dir": (folder / "spark-warehouse").resolve().as_uri(),
        }
        with _error_output_to(folder / "spark.log"), warnings.catch_warnings():
            # Spark's pandas interface, which is not used here, warns of new versions of pandas.
            warnings.simplefilter("ignore", FutureWarning)
            from pyspark.sql import SparkSession

            builder = SparkSession.builder.master("local[2]").appName("chapter 07")
            self.session = builder.config(map=settings).getOrCreate()
        self.seconds = time.perf_counter() - start
        self.path, self.jobs, self._seen = path, {}, -1
        self._stages()  # a session that was open already has stages of its own

    def describe(self) -> str:
        """One line: what runs here."""
        return f"Apache Spark {self.session.version} in local mode, two threads."

    def run(self, name: str, job: Callable[[Any, str], list]) -> SparkJob:
        """The `SparkJob` of `job(session, path of the table)`, kept under `name`."""
        start = time.perf_counter()
        rows = [tuple(row) for row in job(self.session, str(self.path))]
        seconds = time.perf_counter() - start
        stages = self._stages()
        counts = {
            "bytes_read": sum(stage.inputBytes() for stage in stages),
            "shuffled_rows": sum(stage.shuffleWriteRecords() for stage in stages),
            "shuffled_bytes": sum(stage.shuffleWriteBytes() for stage in stages),
            "tasks": sum(stage.numCompleteTasks() for stage in stages),
        }
        self.jobs[name] = SparkJob(rows, seconds, **counts)
        return self.jobs[name]

    def _stages(self) -> list[Any]:
        """The stages since the last call, from the store behind Spark's own web page."""
        context = self.session.sparkContext
        scala, gateway = context._jsc.sc(), context._gateway
        scala.listenerBus().waitUntilEmpty()
        nothing = gateway.new_array(gateway.jvm.double, 0)
        found = scala.statusStore().stageList(None, False, False, nothing, None)
        stages = [found.apply(place) for place in range(found.size())]
        new = [stage for stage in stages if stage.stageId() > self._seen]
        self._seen = max((stage.stageId() for stage in stages), default=-1)
        return new

    def peak_mb(self) -> float:
        """Largest resident memory of Spark's Java process so far, in 10**6 bytes."""
        import psutil

        process = psutil.Process(self.session.sparkContext._gateway.proc.pid)
        family = [process, *process.children(recursive=True)]
        return max(high_water_mb(one.pid) for one in family)

    def close(self, keep: Path | str, **table: int) -> None:
        """Stops Spark; the file `keep` gets what is needed to stand in for this session.

        `table` are the sizes and the seed for `write_events`. A run of the chapter in the profile
        `quick` with the seed 0 writes the file that is stored.
        """
        content = {
            "spark": self.session.version,
            "seconds": self.seconds,
            "peak_mb": self.peak_mb(),
            "table": table,
            "jobs": {name: asdict(job) for name, job in self.jobs.items()},
        }
        self.session.stop()
        partial = Path(f"{keep}.part")
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, keep)


class StoredSpark:
    """An earlier run in the place of a session; `path` is its table, generated again."""

    stored = True

    def __init__(self, reason: str, folder: Path, stored: Path = STORED) -> None:
        self.reason, self._content = reason, json.loads(stored.read_text(encoding="utf-8"))
        self.seconds, self.session = self._content["seconds"], None
        table = self._content["table"]
        self.path = write_events(folder / "stored.parquet", **table)

    def describe(self) -> str:
        """Why nothing runs here, and what is shown instead."""
        rows, version = self._content["table"]["rows"], self._content["spark"]
        return (
            f"SPARK DOES NOT RUN HERE. {self.reason} What this page says of Spark is a stored "
            f"result of Spark {version} on {rows:,} rows; those rows are generated again, and the "
            "other engines are checked against it."
        )

    def run(self, name: str, job: Any = None) -> SparkJob:
        """The stored `SparkJob` called `name`; `job` is not executed."""
        jobs = self._content["jobs"]
        if name not in jobs:
            raise LargeDataError(
                f"No result of Spark is stored for '{name}'; stored are {', '.join(jobs)}."
            )
        stored = dict(jobs[name])
        return SparkJob([tuple(row) for row in stored.pop("rows")], **stored)

    def peak_mb(self) -> float:
        """The stored peak memory of Spark's Java process, in 10**6 bytes."""
        return self._content["peak_mb"]

    def close(self, keep: Path | str, **table: int) -> None:
        """Does nothing: no session is open."""


def start_spark(
    path: Path | str, folder: Path | str, partitions: int = 8, java: str = ""
) -> LocalSpark | StoredSpark:
    """A `LocalSpark` that reads the table `path`, or `StoredSpark` where Spark cannot run.

    `folder` gets Spark's log; `partitions` is the number of tasks after a shuffle; `java` holds
    further options of the Java process. Raises `LargeDataError` without the table.
    """
    path, folder = Path(path), Path(folder)
    if not path.is_file():
        raise LargeDataError(f"There is no table '{path}': write it with write_events first.")
    reason = why_not()
    if not reason:
        try:
            return LocalSpark(path, folder, partitions, java)
        except Exception as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            reason = f"Spark was found but did not start ({first})."
    return StoredSpark(reason, folder)


def spark_hash(*columns: Any) -> np.ndarray:
    """Spark's hash of rows of int32 `columns`, each (n,): int32 (n,), equal to `hash(a, b, ...)`.

    MurmurHash3 for 32 bits (public domain, A. Appleby) with the seed 42; the hash of one column is
    the seed of the next. Spark sends a row to the partition `hash mod number of partitions`.
    """
    if not columns:
        raise LargeDataError("There is no column to hash: give at least one array of int32.")
    hashed: Any = np.uint32(42)
    with np.errstate(over="ignore"):
        for column in columns:
            column = np.asarray(column)
            if column.dtype != np.int32:
                raise LargeDataError(
                    f"A column to hash has the type {column.dtype}; Spark hashes another type "
                    "otherwise: give int32."
                )
            mixed = column.view(np.uint32) * np.uint32(0xCC9E2D51)
            mixed = (mixed << np.uint32(15) | mixed >> np.uint32(17)) * np.uint32(0x1B873593)
            hashed = hashed ^ mixed
            hashed = hashed << np.uint32(13) | hashed >> np.uint32(19)
            hashed = hashed * np.uint32(5) + np.uint32(0xE6546B64)
            hashed = hashed ^ np.uint32(4)
            for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
                hashed = (hashed ^ hashed >> np.uint32(shift)) * np.uint32(factor)
            hashed = hashed ^ hashed >> np.uint32(16)
    return hashed.view(np.int32)
