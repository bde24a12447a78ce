"""Checkers for the exercises on versions: one id, a promotion gate, where to roll back to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from helpers.exercises import Mistake, checker, expect

DATA = "0a" * 32
CODE = {"train.py": "import numpy\nprint(1)\n", "test.py": "assert True\n"}
PARAMETERS = {"C": 0.5, "seed": 3}


@checker("28.1", "Equal content, equal id; every change, another one.")
def version_id(answer: Callable) -> None:
    """Tries `answer(data, code, parameters)` on equal content and on single changes."""

    def ask(data: str = DATA, code: dict = CODE, parameters: dict = PARAMETERS) -> str:
        found = answer(data, dict(code), dict(parameters))
        expect(found is not None, "The function returns nothing; return 12 hexadecimal digits.")
        expect(
            isinstance(found, str) and re.fullmatch(r"[0-9a-f]{12}", found) is not None,
            f"{found!r} is no text of 12 hexadecimal digits: take the first 12 of `hexdigest()`.",
        )
        return found

    usual = ask()
    expect(usual == ask(), "The same content gave two ids; use hashlib, not hash() or the clock.")
    expect(ask(data="0b" * 32) != usual, "Other data, the same id: the data are left out.")
    expect(
        ask(code=CODE | {"train.py": CODE["train.py"] + "\n"}) != usual,
        "Other code, the same id: the texts of the files are left out.",
    )
    renamed = {"fit.py": CODE["train.py"], "test.py": CODE["test.py"]}
    expect(ask(code=renamed) != usual, "A file was renamed, the same id: hash the paths too.")
    expect(
        ask(parameters=PARAMETERS | {"C": 0.25}) != usual,
        "Another parameter, the same id: the values of the parameters are left out.",
    )
    expect(
        ask(parameters={"C": 0.5, "seeds": 3}) != usual,
        "A parameter was renamed, the same id: hash the names too.",
    )
    backwards = dict(reversed(PARAMETERS.items())), dict(reversed(CODE.items()))
    expect(
        ask(parameters=backwards[0]) == usual and ask(code=backwards[1]) == usual,
        "The order of the keys changed the id: sort them, for instance with `sort_keys=True`.",
    )
    windows = {path: text.replace("\n", "\r\n") for path, text in CODE.items()}
    expect(
        ask(code=windows) == usual, "Windows line endings changed the id: replace \\r\\n by \\n."
    )
    expect(
        ask(code={"ab": "c"}) != ask(code={"a": "bc"}),
        "A character moved from the path to the text, the same id: do not glue the parts together.",
    )
    expect(
        ask(parameters={"C": 1}) != ask(parameters={"C": "1"}),
        "The number 1 and the text '1' got the same id: write values as JSON, not with str().",
    )


@checker("28.2", "It passes what is shown to be good enough, and nothing on too few rows.")
def promote(answer: Callable) -> None:
    """Tries `answer(only_champion, only_candidate, rows, margin)` around its border."""

    def ask(b: int, c: int, rows: int, margin: float = 0.02) -> Any:
        found = answer(b, c, rows, margin)
        expect(found is not None, "The function returns nothing; return True or False.")
        try:
            return bool(found)
        except ValueError as error:
            raise Mistake("Return one True or False.") from error

    expect(ask(10, 60, 1000), "50 rows of 1000 won on balance: this one passes.")
    expect(not ask(90, 10, 1000), "80 rows of 1000 lost on balance: this one is refused.")
    expect(
        ask(20, 18, 1000),
        "A loss of 2 rows in 1000 with 38 decided ones is within a margin of 0.02: it passes. "
        "The border is minus the margin, not zero.",
    )
    expect(
        not ask(3, 4, 50),
        "With 50 rows nothing is shown, though the score is higher: subtract 1.645 standard "
        "errors before you compare.",
    )
    expect(
        not ask(20, 0, 1000),
        "This one is worse by the margin exactly: refuse it. Compare the lower end of the "
        "interval, not the upper one.",
    )
    expect(
        ask(23, 14, 1000),
        "9 rows of 1000 lost: the estimate minus 1.645 standard errors is -0.0190, above -0.02. "
        "One-sided, so 1.645 and not 1.96.",
    )
    expect(not ask(22, 13, 1000, 0.01), "With a margin of 0.01 a loss of 9 rows does not pass.")
    expect(
        not ask(24, 14, 1000),
        "10 rows of 1000 lost, 38 decided: the lower end is -0.0201, just below -0.02. Subtract "
        "1.645 standard errors, not fewer.",
    )


@checker("28.3", "The last good one, by the history and not by its name.")
def target(answer: Callable) -> None:
    """Tries `answer(history, withdrawn)` on histories with withdrawn and repeated versions."""

    def ask(history: list[str], withdrawn: set[str]) -> Any:
        return answer(list(history), set(withdrawn))

    found = ask(["c9", "a1", "b2"], set())
    expect(found is not None, "There is an earlier version, and you found none.")
    expect(found != "b2", "That is the version that is live now.")
    expect(found != "c9", "That is the oldest or the largest id; a1 was live more recently.")
    expect(found == "a1", f"Before b2, a1 was live; you say {found}.")
    found = ask(["c9", "a1", "b2"], {"a1"})
    expect(found != "a1", "a1 was withdrawn: going back to it brings the old fault back.")
    expect(found == "c9", f"With a1 withdrawn, c9 is left; you say {found}.")
    found = ask(["c9", "a1", "b2", "a1", "a1"], {"b2"})
    expect(
        found != "a1",
        "The live version stands in the history several times; going back to it changes nothing.",
    )
    expect(found == "c9", f"a1 is live and b2 withdrawn, so c9 is left; you say {found}.")
    expect(ask(["a1"], set()) is None, "Nothing was live before the first version: return None.")
    expect(
        ask(["a1", "b2"], {"a1"}) is None,
        "Everything earlier is withdrawn: return None, so that a person decides.",
    )
