"""A function measured in a Python process of its own: time, peak memory, bytes read.

A fresh process, so that the peak is the function's own and not what the notebook has used before.
Built for chapter 07.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.event_table import LargeDataError


@dataclass(frozen=True)
class Measured:
    """What one function cost: `value`, wall `seconds`, `peak_mb` of its process, `bytes_read`.

    `seconds` is the first call with the imports in it, `again` the fastest of up to three more.
    `peak_mb` is the largest resident memory of the first call in 10**6 bytes, Python and libraries
    included. `bytes_read` is what one more call asked of the file. Without `count` there is one
    call only.
    """

    value: Any
    seconds: float
    again: float | None
    peak_mb: float
    bytes_read: int | None


def high_water_mb(pid: int | None = None) -> float:
    """Largest resident memory so far of the process `pid` (default: this one), in 10**6 bytes.

    Linux: VmHWM of /proc; Windows: the peak working set; macOS: getrusage for this process.
    For another process on macOS, which keeps no such mark there: its resident memory now.
    `ru_maxrss` is not used on Linux: a new process inherits that of the one that started it.
    """
    import psutil

    status = Path(f"/proc/{pid or os.getpid()}/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        marks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
        return 1024 * sum(marks) / 1e6  # a process that has ended has no such line
    memory = psutil.Process(pid).memory_info()
    if hasattr(memory, "peak_wset"):
        return memory.peak_wset / 1e6
    if pid is None:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return memory.rss / 1e6


def in_own_process(function: Callable, *arguments: Any, count: bool = False) -> Measured:
    """`Measured` costs of `function(*arguments)` in a Python process of its own.

    The function must bring its imports along, and take and return what JSON can hold. With
    `count`, it is called some times more, the last time with a counted address in the place of its
    first argument. Raises `LargeDataError` with the reason when it stops.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise LargeDataError(
            f"The source of {function!r} cannot be read: give a function written with def."
        ) from error
    plain = [str(one) if isinstance(one, Path) else one for one in arguments]
    order = {"source": source, "name": function.__name__, "arguments": plain, "count": count}
    done = subprocess.run(
        [sys.executable, "-m", "helpers.own_process"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LargeDataError(f"{function.__name__} stopped in its own process: {said}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def side_by_side(function: Callable, firsts: Iterable[Any], *arguments: Any) -> list[Measured]:
    """`Measured` costs of `function(first, *arguments)` for every `first`, two at a time.

    For memory only: processes that share the machine take longer than one alone.
    """
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda first: in_own_process(function, first, *arguments), firsts))


def _serve() -> None:
    """Runs the one order that standard input holds and answers on standard output."""
    from helpers.counted_files import bytes_read, counted_address

    order, space = json.loads(sys.stdin.read()), {}
    exec(compile(order["source"], order["name"], "exec"), space)
    function, arguments = space[order["name"]], order["arguments"]
    again = count = None
    with contextlib.redirect_stdout(sys.stderr):
        start = time.perf_counter()
        value = function(*arguments)
        seconds, peak = time.perf_counter() - start, high_water_mb()
        if order["count"]:
            # The fastest of a few calls: other work on the machine only ever adds to a time.
            repeats: list[float] = []
            while len(repeats) < 3 and sum(repeats) < 0.4:
                start = time.perf_counter()
                function(*arguments)
                repeats.append(time.perf_counter() - start)
            again = min(repeats)
            address = counted_address(arguments[0])
            count = bytes_read(function, address, *arguments[1:])[1]
    costs = {"seconds": seconds, "again": again, "peak_mb": peak, "bytes_read": count}
    answer = {"value": value, **costs}
    print(json.dumps(answer, default=lambda number: number.item()), flush=True)
    # pyarrow's reading threads may outlive the interpreter, which would then abort the process.
    os._exit(0)


if __name__ == "__main__":
    _serve()
