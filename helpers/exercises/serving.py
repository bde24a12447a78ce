"""Checks of the exercises of the chapter on deployment and serving."""

from __future__ import annotations

import math

from helpers.exercises import checker, expect

_NAN, _ENDLESS = float("nan"), float("inf")


@checker("27.1", "Nothing is converted, and nothing odd gets through.")
def read_rows(answer) -> None:
    """`Feedback` on a function that takes a decoded body and a width, returns (status, result)."""

    def ask(body, width=2):
        try:
            found = answer(body, width)
        except NotImplementedError:
            raise
        except Exception as error:
            expect(
                False,
                f"For {body!r} your function raised {type(error).__name__}; a server would answer "
                "500. Return 400 and a reason.",
            )
        expect(
            isinstance(found, tuple) and len(found) == 2,
            f"For {body!r} it returned {found!r}; return two things: a status, and rows or a "
            "reason.",
        )
        return found

    good = [[1, 2.5], [0.0, -3]]
    status, rows = ask({"instances": good})
    expect(status == 200, f"The good body {{'instances': {good}}} got {status}; it deserves 200.")
    expect([list(row) for row in rows] == good, "A good body comes back with other rows.")
    bad = {
        "a body that is no object": ([good, None, 3, "instances"], "Look at its type first."),
        "a missing key": ([{}, {"rows": good}], "Use .get or `in`."),
        "no rows": ([{"instances": x} for x in ([], None, 5, "ab", {})], "Ask for a full list."),
        "a wrong width": (
            [{"instances": x} for x in ([[1]], [[1, 2, 3]], [[1, 2], [3]], [[]], [7])],
            "Check every row, not the first one alone.",
        ),
        "text": (
            [{"instances": x} for x in ([["1", "2"]], [["a", 2]], ["12"])],
            "float('1') works, so the type has to be asked for.",
        ),
        "a boolean": (
            [{"instances": [[True, 2]]}, {"instances": [[1.0, False]]}],
            "bool is a subclass of int, so isinstance(value, int) lets it pass.",
        ),
        "null": ([{"instances": [[None, 1]]}, {"instances": [None]}], "None is no number."),
        "NaN or infinity": (
            [{"instances": [[1, value]]} for value in (_NAN, _ENDLESS, -_ENDLESS)],
            "Python's json reads NaN and Infinity; use math.isfinite.",
        ),
        "a number that no float holds": (
            [{"instances": [[1, 10**400]]}],
            "math.isfinite raises OverflowError for it.",
        ),
    }
    for what, (bodies, advice) in bad.items():
        for body in bodies:
            status, reason = ask(body)
            shown = repr(body) if len(repr(body)) < 60 else repr(body)[:57] + "..."
            expect(status == 400, f"{shown} is {what} and got {status} instead of 400. {advice}")
            expect(
                isinstance(reason, str) and len(reason) > 5,
                f"{shown} is refused without a reason; say what is expected.",
            )


@checker("27.2", "The canary is sticky, has its share, and grows without sending anybody back.")
def canary(answer) -> None:
    """`Feedback` on a function that says whether a user belongs to the canary's share."""
    users = [f"user-{number}" for number in range(2000)]

    def chosen(share):
        return {user for user in users if answer(user, share)}

    expect(chosen(0.2) == chosen(0.2), "Asked twice, a user gets another answer: draw nothing.")
    expect(not chosen(0.0), "With a share of 0 nobody belongs to the canary; compare with `<`.")
    expect(len(chosen(1.0)) == len(users), "With a share of 1 everybody belongs to it.")
    for share in (0.05, 0.2, 0.5):
        found = len(chosen(share)) / len(users)
        # Five standard deviations of a fair hash.
        room = 5 * math.sqrt(share * (1 - share) / len(users))
        expect(
            abs(found - share) <= room,
            f"For the share {share:g} you chose {found:.1%} of the users; spread the hash evenly "
            "over 0 to 1 and compare with the share.",
        )
    small, large = chosen(0.05), chosen(0.2)
    expect(
        small <= large,
        "A user of the small canary is sent back when it grows: the share must not go into the "
        "hash.",
    )
    code = "from zlib import crc32"  # The hint names a hash that is the same everywhere.
    expect(
        answer.__code__.co_names.count("hash") == 0,
        "`hash` of a text differs from process to process, so two servers disagree: use for "
        f"example {code}.",
    )


@checker("27.3", "Enough servers at the peak, also when one of them is gone.")
def replicas(answer) -> None:
    """`Feedback` on the number of servers for a rate of requests."""
    cases = (
        ((100, 50, 1.0, 0), 2, "100 requests a second need two servers of 50 each."),
        ((101, 50, 1.0, 0), 3, "Half a server cannot be bought: round up."),
        ((100, 50, 0.5, 0), 4, "Only the share `utilisation` of each server may be used."),
        ((100, 50, 0.5, 1), 5, "The `spare` servers come on top."),
        ((1, 50, 0.6, 0), 1, "There is at least one server."),
        ((0, 50, 0.6, 2), 3, "Without load one server stays, and the spare ones."),
        ((126, 90, 0.7, 0), 2, "126 / (90 * 0.7) is 2 exactly: allow for rounding of floats."),
        ((1200, 400, 0.6, 1), 6, "Only the share `utilisation` of each server may be used."),
    )
    for arguments, truth, hint in cases:
        found = answer(*arguments)
        expect(
            isinstance(found, int) and not isinstance(found, bool),
            f"You returned {found!r}; a number of servers is a whole number (int).",
        )
        expect(found == truth, f"For {arguments} you found {found}; expected {truth}. {hint}")
