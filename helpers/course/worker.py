"""The process behind one local slot: `python -m helpers.course.worker`.

Reads jobs from standard input, one JSON line each; answers on standard output with JSON lines:
events, and for each job one outcome. When standard input ends, its runner is gone: the worker ends
the kernel it was running and itself.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading

from helpers.course.job import Job
from helpers.course.measure import end_children


def _read(jobs: queue.Queue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    end_children()
    os._exit(1)


def main() -> None:
    """Serves jobs until standard input ends."""
    # The answers get a descriptor of their own that no kernel inherits: what a kernel writes to its
    # standard output at the level of C goes to standard error instead of between the answers.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    jobs: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()

    def answer(message: dict) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    # Imported after the reader has started: a runner that dies during the import is noticed too.
    from helpers.course.execution import execute

    while True:
        job = Job(**json.loads(jobs.get()))
        answer({"event": "outcome", "outcome": execute(job, answer).to_json()})


if __name__ == "__main__":
    main()
