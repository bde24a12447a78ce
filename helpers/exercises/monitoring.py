"""Checkers for the exercises on monitoring: a page decision, a percentile, a card mask."""

from __future__ import annotations

import math
from collections.abc import Callable

from helpers.exercises import Mistake, checker, expect


@checker("29.1", "Both windows decide: the long one says that it matters, the short that it lasts.")
def page_decision(answer: Callable) -> None:
    """Tries `answer(long, short, objective, threshold)` on bursts, ends of bursts and silence."""

    def ask(long: tuple[int, int], short: tuple[int, int], *rest: float) -> bool:
        try:
            found = answer(long, short, *rest)
        except ZeroDivisionError as error:
            raise Mistake("A window has no requests: it burns nothing; don't divide by it.") from (
                error
            )
        expect(found is not None, "The function returns nothing; return True or False.")
        return bool(found)

    burst = ask((2000, 60000), (900, 5000), 0.999, 14.4)
    expect(burst, "3 % and 18 % of errors burn a budget of 0.1 % thirty times too fast: page.")
    over = ask((2000, 60000), (1, 5000), 0.999, 14.4)
    expect(not over, "The burst is over, only the long window still remembers it: ask for both.")
    begun = ask((20, 60000), (900, 5000), 0.999, 14.4)
    expect(not begun, "Only the short window burns; a single spike should wake nobody.")
    mild = ask((300, 60000), (30, 5000), 0.999, 14.4)
    expect(
        not mild,
        "0.5 % of errors is above the objective, but burns only five times too fast: divide by "
        "the allowed share and compare with the threshold.",
    )
    loose = ask((6000, 60000), (500, 5000), 0.99, 14.4)
    expect(
        not loose,
        "10 % of errors burns a budget of 1 % ten times too fast, less than the threshold: the "
        "allowed share is 1 - objective.",
    )
    expect(not ask((0, 0), (0, 0), 0.999, 14.4), "Without requests nothing burns: return False.")


@checker("29.2", "The right bucket, and the fraction of the way through it.")
def from_buckets(answer: Callable) -> None:
    """Compares `answer(q, bounds, cumulative)` with values worked out by hand."""
    bounds = [0.1, 0.5, 1.0, math.inf]

    def ask(q: float, cumulative: list[int]) -> float:
        found = answer(q, list(bounds), list(cumulative))
        expect(found is not None, "The function returns nothing; return seconds.")
        return float(found)

    found = ask(0.5, [20, 80, 100, 100])
    expect(
        not math.isclose(found, 0.5),
        "You return the upper bound of the bucket; go the fraction of the way through it.",
    )
    expect(
        not math.isclose(found, 0.1 + 0.4 * 50 / 80) and not math.isclose(found, 0.1 + 0.4 * 0.375),
        "The counts are cumulative: the bucket itself holds 80 - 20 = 60 of them.",
    )
    expect(
        math.isclose(found, 0.3), f"Half of 100 is 30 of 60 through 0.1 to 0.5: 0.3, not {found:g}."
    )
    found = ask(0.1, [20, 80, 100, 100])
    expect(math.isclose(found, 0.05), f"The first bucket begins at 0: 0.05, not {found:g}.")
    found = ask(0.99, [20, 80, 90, 100])
    expect(
        not math.isinf(found) and not math.isnan(found),
        "The last bucket has no upper bound: return its lower bound.",
    )
    expect(math.isclose(found, 1.0), f"In the last bucket the answer is 1.0, not {found:g}.")
    found = ask(0.9, [0, 50, 100, 100])
    expect(math.isclose(found, 0.9), f"40 of 50 through 0.5 to 1.0: 0.9, not {found:g}.")


@checker("29.3", "Cards are masked, with spaces, hyphens or neither, and orders stay readable.")
def card_mask(answer: Callable) -> None:
    """Tries `answer(text)` on card numbers of test ranges, order numbers and longer runs."""

    def ask(text: str) -> str:
        found = answer(text)
        expect(isinstance(found, str), "Return the text, masked.")
        return found

    plain = ask("paid with 4111111111111111.")
    expect("4111" not in plain, "4111111111111111 passes the check digit and is still there.")
    expect(plain == "paid with [card].", f"Replace the number only, by [card]; you gave {plain!r}.")
    spaced = ask("card 5555 5555 5555 4444 ok")
    expect(spaced == "card [card] ok", "Single spaces or hyphens may stand between the digits.")
    expect(ask("4012-8888-8888-1881") == "[card]", "Hyphens may stand between the digits.")
    order = ask("order 4111111111111112 shipped")
    expect(
        "4111111111111112" in order,
        "4111111111111112 fails the check digit: it is no card, leave it readable.",
    )
    odd = ask("order 1234567812345678")
    expect("1234567812345678" in odd, "1234567812345678 fails the check digit: leave it.")
    # The 16 digits at either end are a valid card number, but the run has 17.
    longer = ask("id 41111111111111111 and 94111111111111111")
    expect(
        "[card]" not in longer,
        "A run of 17 digits is no card number, even if 16 of them would pass.",
    )
    two = ask("4111111111111111, 4012888888881881")
    expect(two == "[card], [card]", "Mask every card in the text, not only the first.")
