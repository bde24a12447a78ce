"""Progress of a training: a log that is followed without waste, and its TensorBoard view.

Built in view in chapter 16.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class Follower:
    """Reads what has been added to a file since the last look; `bytes_read` counts it.

    A line that is not finished yet waits for its end. A file that does not exist yet is empty; one
    that has become shorter was replaced and is read from its beginning.
    """

    def __init__(self, path: Path | str):
        self.path, self.bytes_read = Path(path), 0
        self._place, self._rest = 0, b""

    def new_lines(self) -> list[dict[str, Any]]:
        """The finished JSON lines since the last call, as dictionaries."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as file:
            if file.seek(0, 2) < self._place:
                self._place, self._rest = 0, b""
            file.seek(self._place)
            added = file.read()
        self._place += len(added)
        self.bytes_read += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # Cut off by a kill; the process that came after it wrote on.
        return found


def last_of_each_step(lines: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """Step -> loss, in order: steps that were done twice count once, events not at all."""
    found = {line["step"]: line["loss"] for line in lines if not line["event"]}
    return {step: found[step] for step in sorted(found) if found[step] is not None}


def write_scalars(folder: Path | str, name: str, values: Mapping[int, float]) -> Path:
    """Path of a new TensorBoard event file in `folder` with the scalar `name` at each step.

    Written with TensorBoard's own record writer and protocol buffers, without TensorFlow.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    path = folder / f"events.out.tfevents.{time.time_ns()}.course"
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for step, value in values.items():
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
            event = Event(wall_time=now, step=step, summary=summary)
            writer.write(event.SerializeToString())
        writer.flush()
    return path


def count_scalars(path: Path | str) -> int:
    """Number of scalar events in a TensorBoard event file: records of length, data, checksums."""
    from tensorboard.compat.proto.event_pb2 import Event

    content, place, found = Path(path).read_bytes(), 0, 0
    while place < len(content):
        # Eight bytes of length, four of its checksum, the data, four of the data's checksum.
        size = int.from_bytes(content[place : place + 8], "little")
        event = Event.FromString(content[place + 12 : place + 12 + size])
        found += len(event.summary.value)
        place += 16 + size
    return found


def processor_share(look, seconds: float, wait: float) -> float:
    """Processor time of this thread per second of wall time while `look()` is called in a loop.

    look  called again and again for `seconds`, with `wait` seconds of sleep after each call
    """
    begin, used = time.perf_counter(), time.thread_time()
    while time.perf_counter() - begin < seconds:
        look()
        if wait:
            time.sleep(wait)
    return (time.thread_time() - used) / (time.perf_counter() - begin)
