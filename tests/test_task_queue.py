"""The Celery queue on its folder and on a Redis server that the test starts."""

from __future__ import annotations

import contextlib
import shutil

import numpy as np
import psutil
import pytest

from helpers import task_queue
from helpers.resumable import FaultError, Plan, write_job


@pytest.fixture(params=["folder", "redis"])
def broker(request, tmp_path, monkeypatch):
    if request.param == "redis" and shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: the queue is tested on its folder only")
    with contextlib.ExitStack() as stack:
        url = ""
        if request.param == "redis":
            url = stack.enter_context(task_queue.redis_server(tmp_path))
        monkeypatch.setenv("COURSE_BROKER_URL", url)
        yield request.param
    children = psutil.Process().children(recursive=True)
    assert not [c for c in children if "redis-server" in c.name()]


def test_poison_is_parked_while_twenty_finish_and_urgent_goes_first(broker, tmp_path):
    random = np.random.default_rng(0)
    queue = write_job(tmp_path / "q", Plan(), random.normal(size=(40, 4)), np.arange(40) % 2)
    app = task_queue.make_app(queue)
    with task_queue.worker(queue) as journal:
        app.send_task("train", [99, str(queue / "missing.npz")])
        for number in range(20):
            app.send_task("train", [number])
        lines = task_queue.wait_for(journal, "done", 20)
        if not any(line["event"] == "parked" for line in lines):
            lines += task_queue.wait_for(journal, "parked", 1)
        assert {e["task"] for e in lines if e["event"] == "done"} == set(range(20))
        assert [e["attempt"] for e in lines if e["event"] == "try" and e["task"] == 99] == [1, 2, 3]
        letter = {"data": str(queue / "missing.npz"), "reason": "FileNotFoundError"}
        assert task_queue.take_parked(app) == [{"number": 99} | letter]
        assert task_queue.take_parked(app) == []
        for number in range(100, 112):
            app.send_task("train", [number], {"seconds": 1.0 if number == 100 else 0.03})
        app.send_task("train", [500], queue="urgent")
        lines = task_queue.wait_for(journal, "done", 13)
        order = [e["task"] for e in lines if e["event"] == "done"]
        assert order.index(500) <= 6
        sent = task_queue.schedule_for(app, {"a": {"task": "tick", "schedule": 0.2}}, 0.7)
        assert sent >= 2
        task_queue.wait_for(journal, "tick", sent)


def test_a_worker_is_gone_when_a_cell_fails(tmp_path):
    before, started = psutil.Process().children(), []

    def cell():
        with task_queue.worker(tmp_path):
            started.extend(c for c in psutil.Process().children() if c not in before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cell()
    assert started
    assert not any(child.is_running() for child in started)


def test_waiting_for_what_never_comes_ends_with_a_sentence(tmp_path):
    journal = task_queue.Follower(tmp_path / "none")
    with pytest.raises(FaultError, match="has not told 'done' 1 times"):
        task_queue.wait_for(journal, "done", 1, timeout=0.1)


def test_a_missing_redis_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with (
        pytest.raises(FaultError, match="redis-server was not found"),
        task_queue.redis_server(tmp_path),
    ):
        pass


def test_messages_of_the_folder_appear_whole(tmp_path):
    """Kombu's own transport breaks about one message in two hundred here."""
    import threading

    from kombu import Connection
    from kombu.transport import TRANSPORT_ALIASES

    TRANSPORT_ALIASES["folder"] = "helpers.folder_broker:Transport"
    places = {name: tmp_path / name for name in ("messages", "control")}
    for place in places.values():
        place.mkdir()
    folder, control = (str(place) for place in places.values())
    options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": control}
    options["polling_interval"] = 0.001

    def produce():
        with Connection("folder://", transport_options=options) as connection:
            queue = connection.SimpleQueue("whole")
            for number in range(1000):
                queue.put(number)

    producer = threading.Thread(target=produce)
    producer.start()
    found = []
    with Connection("folder://", transport_options=options) as connection:
        queue = connection.SimpleQueue("whole")
        while len(found) < 1000:
            message = queue.get(timeout=10)
            message.ack()
            found.append(message.payload)
    producer.join()
    assert sorted(found) == list(range(1000))
