"""Exercises: checkers that say what is wrong, one module a subject.

A checker takes what the learner wrote and returns `Feedback`. It never raises on the learner's
code: an untouched stub is "not attempted yet", an exception in the learner's code is reported with
its message, and a wrong result is answered with a hint that names the mistake.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable
from dataclasses import dataclass

RIGHT, WRONG, OPEN = "right", "wrong", "open"
_MARKS = {
    RIGHT: ("Right", "#00734f"),
    WRONG: ("Not yet", "#a33b00"),
    OPEN: ("Not attempted yet", "#5a5a5a"),
}


class Mistake(Exception):
    """Raised inside a checker: the learner's result is wrong; the message is the hint."""


@dataclass(frozen=True)
class Feedback:
    """The answer of a checker: `status` is `right`, `wrong` or `open`."""

    exercise: str
    status: str
    message: str

    def __str__(self) -> str:
        return f"Exercise {self.exercise}: {_MARKS[self.status][0]}. {self.message}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        mark, colour = _MARKS[self.status]
        box = (
            f'<div class="course-feedback" role="status" style="border-left:4px solid {colour};'
            f'padding:.2em .8em">Exercise {html.escape(self.exercise)}: <strong>{mark}.</strong> '
            f"{html.escape(self.message)}</div>"
        )
        return {"text/plain": str(self), "text/html": box}


def checker(exercise: str, praise: str) -> Callable[[Callable], Callable[..., Feedback]]:
    """Turns a function that raises `Mistake` into a checker that returns `Feedback`.

    `exercise` is the number shown to the learner, such as `"19.1"`; `praise` is what a right
    solution has shown. The stub is recognised by `NotImplementedError`, `None` or `...`.
    """

    def wrap(inspect: Callable) -> Callable[..., Feedback]:
        @functools.wraps(inspect)
        def check(answer, *arguments, **named) -> Feedback:
            if answer is None or answer is ...:
                return Feedback(exercise, OPEN, "Fill in the stub above, then run this cell again.")
            try:
                inspect(answer, *arguments, **named)
            except NotImplementedError:
                return Feedback(exercise, OPEN, "Fill in the stub above, then run this cell again.")
            except Mistake as mistake:
                return Feedback(exercise, WRONG, str(mistake))
            except Exception as error:
                name = type(error).__name__
                return Feedback(exercise, WRONG, f"Your code stopped with {name}: {error}")
            return Feedback(exercise, RIGHT, praise)

        return check

    return wrap


def expect(condition: bool, hint: str) -> None:
    """Raises `Mistake(hint)` unless `condition`."""
    if not condition:
        raise Mistake(hint)
