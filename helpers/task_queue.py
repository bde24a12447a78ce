"""A Celery queue on this machine: urgent and normal tasks, retries, dead letters, schedules.

The broker is a folder by default (`helpers.folder_broker`, no server); `COURSE_BROKER_URL`
names another one, such as `redis://127.0.0.1:6379/0` or `amqp://guest:guest@127.0.0.1//`.
`python -m helpers.task_queue FOLDER` is the worker. Built in view in chapter 16.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers.progress_logs import Follower
from helpers.resumable import FaultError, Plan, accuracy, train
from helpers.supervision import python_process

TRIES = 3


def make_app(folder: Path | str) -> Any:
    """The Celery application whose messages and journal lie in `folder`.

    Queues: `urgent` and `normal`, which the worker reads in turn, and `dead_letters`, which it
    does not read. Every try of a task adds a line to `folder/journal.jsonl`.
    """
    import numpy as np
    from celery import Celery
    from kombu import Queue
    from kombu.transport import TRANSPORT_ALIASES

    folder = Path(folder).resolve()
    TRANSPORT_ALIASES["folder"] = "helpers.folder_broker:Transport"
    broker = os.environ.get("COURSE_BROKER_URL", "") or "folder://"
    app = Celery("course", broker=broker, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(name) for name in ("urgent", "normal", "dead_letters")],
        task_default_queue="normal",
        task_ignore_result=True,
        task_acks_late=True,  # A task that dies with its worker is given out again.
        worker_prefetch_multiplier=1,  # A worker does not hoard what another could do.
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    if broker.startswith("folder:"):
        places = {n: folder / n for n in ("messages", "control")}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        app.conf.broker_transport_options = {
            "data_folder_in": str(places["messages"]),
            "data_folder_out": str(places["messages"]),
            "control_folder": str(places["control"]),
            "polling_interval": 0.05,
        }
    journal, lock = folder / "journal.jsonl", threading.Lock()

    def note(event: str, number: int, **more: Any) -> None:
        with lock, open(journal, "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, "task": number, **more}) + "\n")

    @app.task(name="train", shared=False, bind=True, max_retries=TRIES - 1)
    def train_one(self, number: int, data: str = "", seconds: float = 0.0):
        attempt = self.request.retries + 1
        note("try", number, attempt=attempt, at=time.time())
        try:
            with np.load(data or folder / "data.npz") as stored:
                x, y = stored["x"], stored["y"]
            plan = Plan(steps=40, interval=40, seed=number)
            state = train(folder / f"task-{number}", plan, x, y)
            time.sleep(seconds)
            note("done", number, accuracy=accuracy(state.weights, x, y))
        except Exception as error:
            if attempt < TRIES:
                raise self.retry(exc=error, countdown=0.1 * 2**attempt) from error
            # Parked with its reason: nothing is lost, and the queue goes on.
            letter = {"number": number, "data": data, "reason": type(error).__name__}
            app.send_task("train", kwargs=letter, queue="dead_letters")
            note("parked", number, attempt=attempt)

    @app.task(name="tick", shared=False)
    def tick(number: int = 0):
        note("tick", number)

    app.note = note
    return app


def take_parked(app: Any) -> list[dict[str, Any]]:
    """The arguments of the tasks in the dead letters, taken from the queue."""
    from queue import Empty

    found = []
    with app.connection_for_read() as connection:
        letters = connection.SimpleQueue("dead_letters")
        with contextlib.closing(letters), contextlib.suppress(Empty):
            while True:
                message = letters.get_nowait()
                found.append(message.payload[1])
                message.ack()
    return found


@contextlib.contextmanager
def worker(folder: Path | str, timeout: float = 120.0) -> Iterator[Follower]:
    """Context with a running worker; yields a `Follower` of the journal from its start.

    The worker ends with the context. It also ends by itself when the process that started it is
    gone, however that happened: it waits for the end of its standard input. Raises `FaultError`
    when it is not ready in `timeout` seconds.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    journal = Follower(folder / "journal.jsonl")
    with open(folder / "worker.log", "ab") as log:
        command = ("-m", "helpers.task_queue", str(folder))
        pipes = {"stdin": subprocess.PIPE, "stdout": log, "stderr": log}
        with python_process(*command, **pipes) as process:
            wait_for(journal, "ready", 1, timeout, process)
            yield journal
            process.stdin.close()


def wait_for(
    journal: Follower, event: str, count: int, timeout: float = 180.0, process: Any = None
) -> list[dict[str, Any]]:
    """The journal's new lines up to the `count`-th `event`; `FaultError` after `timeout` seconds.

    It sleeps between two looks and reads only what was added.
    """
    found: list[dict[str, Any]] = []
    end = time.monotonic() + timeout
    while sum(line["event"] == event for line in found) < count:
        found += journal.new_lines()
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            raise FaultError(
                f"The worker has not told '{event}' {count} times in {timeout:.0f} seconds: read "
                "worker.log beside the journal."
            )
        time.sleep(0.05)
    return found


def schedule_for(app: Any, schedule: dict[str, dict], seconds: float) -> int:
    """Number of tasks that Celery's scheduler has sent by itself in `seconds`.

    `schedule` is that of `beat_schedule`; in production `celery beat` is a process of its own.
    """
    from celery.beat import Scheduler

    app.conf.beat_schedule = schedule
    beat = Scheduler(app=app)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(max(0.0, min(beat.tick(), left)))
    return sum(beat.schedule[name].total_run_count for name in schedule)


@contextlib.contextmanager
def redis_server(folder: Path | str, timeout: float = 60.0) -> Iterator[str]:
    """Context with the URL of a Redis server of its own on a free port of 127.0.0.1.

    Raises `FaultError` where `redis-server` is missing or does not start.
    """
    binary = shutil.which("redis-server")
    if binary is None:
        raise FaultError("redis-server was not found: install Redis, or use the default broker.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + timeout
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > end:
                raise FaultError(f"redis-server has not started on port {port}.")
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def main(folder: str) -> None:
    from celery.signals import worker_ready

    app = make_app(folder)

    def leave() -> None:
        sys.stdin.buffer.read()  # Returns at the end of the pipe: whoever started us is gone.
        os._exit(0)

    threading.Thread(target=leave, daemon=True).start()
    worker_ready.connect(lambda **_: app.note("ready", -1), weak=False)
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"]
    app.worker_main(["worker", "-P", "threads", "-c", "1", "-Q", "urgent,normal", *quiet])


if __name__ == "__main__":
    main(sys.argv[1])
