"""Progress of a run: live lines in a terminal, plain log lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

QUIET_SECONDS = 30


def spell(seconds: float) -> str:
    """Seconds as a reader wants them: `8 s`, `2 min 05 s`, `1 h 02 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class PlainProgress:
    """One line when a chapter starts and ends, and at most every half minute between them."""

    def __init__(self, write: Callable[[str], None], total: int) -> None:
        self._write, self._total, self._done = write, total, 0
        self._begin: dict[str, float] = {}
        self._said: dict[str, float] = {}

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def start(self, label: str, expected: float) -> None:
        self._begin[label] = self._said[label] = time.monotonic()
        hint = f" (last time {spell(expected)})" if expected else ""
        self._write(f"{label}: started{hint}")

    def cell(self, label: str, cell: int, cells: int) -> None:
        now = time.monotonic()
        if now - self._said.get(label, now) >= QUIET_SECONDS:
            self._said[label] = now
            elapsed = spell(now - self._begin[label])
            self._write(f"{label}: cell {cell} of {cells}, {elapsed}")

    def end(self, label: str, sentence: str) -> None:
        self._done += 1
        self._write(f"[{self._done}/{self._total}] {label}: {sentence}")

    def tick(self) -> None:
        return None


class LiveProgress:
    """One live line per running chapter and a bar over all of them, drawn by rich."""

    def __init__(self, console: Any, total: int) -> None:
        from rich import progress

        self._console = console
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=24),
            progress.TextColumn("{task.fields[where]}"),
            console=console,
            transient=True,
        )
        self._all = self._bars.add_task("All chapters", total=total, where=f"0 of {total}")
        self._tasks: dict[str, Any] = {}
        self._state: dict[str, tuple[float, float, str]] = {}
        self._done, self._total = 0, total

    def __enter__(self) -> LiveProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, label: str, expected: float) -> None:
        if label not in self._tasks:
            self._tasks[label] = self._bars.add_task(label, total=None, where="starting")
        self._state[label] = (time.monotonic(), expected, "starting")

    def cell(self, label: str, cell: int, cells: int) -> None:
        begin, expected, _ = self._state[label]
        self._state[label] = (begin, expected, f"cell {cell} of {cells}")
        self._bars.update(self._tasks[label], completed=cell - 1, total=cells)
        self.tick()

    def tick(self) -> None:
        for label, (begin, expected, where) in self._state.items():
            elapsed = spell(time.monotonic() - begin)
            hint = f" of about {spell(expected)}" if expected else ""
            self._bars.update(self._tasks[label], where=f"{where}, {elapsed}{hint}")

    def end(self, label: str, sentence: str) -> None:
        self._done += 1
        if self._state.pop(label, None) is not None:
            self._bars.remove_task(self._tasks.pop(label))
        self._bars.update(self._all, completed=self._done, where=f"{self._done} of {self._total}")
        self._console.print(f"{label}: {sentence}", markup=False, highlight=False)


def progress(total: int, write: Callable[[str], None]) -> PlainProgress | LiveProgress:
    """Live progress on standard error if it is a terminal, else lines given to `write`."""
    from rich.console import Console

    console = Console(stderr=True)
    return LiveProgress(console, total) if console.is_terminal else PlainProgress(write, total)
