"""Checkers for the exercises on explainability: shuffled groups, Shapley by orders, a local fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.exercises import Mistake, checker, expect


def _number(found: Any) -> float:
    expect(found is not None, "The function returns nothing; return one number.")
    try:
        return float(found)
    except (TypeError, ValueError) as error:
        raise Mistake("Return one number: the mean over the shuffles.") from error


@checker("22.1", "Correlated columns are judged as one group.")
def shuffled_loss(answer: Callable) -> None:
    """Tries `answer(loss, x, group, repeats, seed)` where the result is known in closed form."""
    first = np.random.default_rng(3).normal(size=2000)
    x = np.column_stack([first, first, np.random.default_rng(4).normal(size=2000)])
    kept, seen = x.copy(), []

    def apart(rows: np.ndarray) -> float:
        seen.append(rows.copy())
        return float(np.mean((rows[:, 0] - rows[:, 1]) ** 2))

    found = _number(answer(apart, x, [0, 1], 5, 0))
    expect(
        np.array_equal(x, kept),
        "Your function changed x itself: shuffle a copy, or the next column starts from a mess.",
    )
    expect(
        abs(found) < 1e-9,
        "The two columns came apart: use one permutation of the rows for the whole group.",
    )
    moved = [rows for rows in seen if not np.array_equal(rows, kept)]
    expect(bool(moved), "The loss was never asked about shuffled rows.")
    expect(
        all(np.array_equal(rows[:, 2], kept[:, 2]) for rows in moved),
        "A column outside the group was shuffled, too: it has to stay as it is.",
    )
    expect(
        len({rows[:, 0].tobytes() for rows in moved}) >= 5,
        "With repeats=5 the loss has to see five different shuffles: draw anew each time.",
    )

    def fit(rows: np.ndarray) -> float:
        return 7 + float(np.mean((rows[:, 0] - kept[:, 1]) ** 2))

    wanted = 2 * first.var()
    found = _number(answer(fit, x, [0], 20, 1))
    expect(
        not math.isclose(found, wanted + 7, rel_tol=0.05),
        "That is the loss of the shuffled rows; subtract the loss of the rows as they are.",
    )
    expect(
        not math.isclose(found, -wanted, rel_tol=0.05),
        "The sign is turned round: a loss that grows gives a positive number.",
    )
    expect(
        not math.isclose(found, 20 * wanted, rel_tol=0.05),
        "That is the sum over the shuffles; return their mean.",
    )
    expect(
        math.isclose(found, wanted, rel_tol=0.05),
        f"For this loss the growth is close to {wanted:.2f}, not {found:.2f}.",
    )
    expect(
        _number(answer(fit, x, [0], 2, 1)) == _number(answer(fit, x, [0], 2, 1)),
        "The same seed gives two answers: draw from np.random.default_rng(seed).",
    )


# A game in which the order matters: a and b are worth something together only, c alone.
_GAME = {"a": 0.0, "b": 0.0, "c": 2.0, "ab": 6.0, "ac": 2.0, "bc": 5.0, "abc": 11.0, "": 1.0}
_SHAPLEY = {"a": 16 / 6, "b": 25 / 6, "c": 19 / 6}


def _worth(players: Any) -> float:
    expect(
        isinstance(players, frozenset | set),
        "worth takes a set of players; give it a frozenset.",
    )
    return _GAME["".join(sorted(players))]


@checker("22.2", "The mean over all orders, and the shares add up.")
def shapley_by_orders(answer: Callable) -> None:
    """Tries `answer(worth, players)` on games whose Shapley values are known."""
    found = answer(_worth, ["a", "b", "c"])
    expect(isinstance(found, dict), "Return a dictionary from player to value.")
    expect(set(found) == set("abc"), "The dictionary must have each player once.")
    values = {player: float(found[player]) for player in "abc"}
    total = sum(values.values())
    expect(
        not math.isclose(total, 60, abs_tol=1e-6),
        "That is the sum over the six orders; divide by their number.",
    )
    expect(
        any(abs(values[p] - (_GAME[p] - _GAME[""])) > 1e-9 for p in "abc"),
        "That is what each player brings when it comes first; take the mean over all orders.",
    )
    expect(
        any(abs(values[p] - (11 - _GAME["".join(sorted(set("abc") - {p}))])) > 1e-9 for p in "abc"),
        "That is what each player brings when it comes last; take the mean over all orders.",
    )
    expect(
        not math.isclose(total, 11, abs_tol=1e-6),
        "The values add up to worth(everyone); they have to add up to worth(everyone) minus "
        "worth(nobody): start each order with the empty set.",
    )
    expect(
        math.isclose(total, 10, abs_tol=1e-6),
        f"The values add up to {total:.3f}; everyone together gains 10 over nobody.",
    )
    expect(
        all(math.isclose(values[p], _SHAPLEY[p], abs_tol=1e-6) for p in "abc"),
        "The sum is right and the shares are not: every order counts, and each the same.",
    )
    two = answer(lambda s: float(len(s) == 2), [0, 1])
    expect(
        all(math.isclose(float(two[p]), 0.5, abs_tol=1e-9) for p in (0, 1)),
        "Two players who only count together share in halves.",
    )


@checker("22.3", "A weighted fit, with an intercept: that is LIME's heart.")
def local_fit(answer: Callable) -> None:
    """Tries `answer(masks, outputs, distances, width)` against a weighted fit known by formula."""
    rng = np.random.default_rng(8)
    masks = rng.integers(0, 2, (60, 3)).astype(float)
    distances = np.sqrt(3 - masks.sum(axis=1))
    straight = 4 + masks @ np.array([1.0, -2.0, 0.5])

    def ask(outputs: np.ndarray, width: float) -> np.ndarray:
        found = answer(masks.copy(), outputs.copy(), distances.copy(), width)
        expect(found is not None, "The function returns nothing; return the coefficients.")
        found = np.asarray(found, dtype=float)
        expect(
            found.shape != (4,), "Leave the intercept out of what you return: three coefficients."
        )
        expect(found.shape == (3,), "Return one coefficient for each of the three features.")
        return found

    expect(
        np.allclose(ask(straight, 1.0), [1.0, -2.0, 0.5], atol=1e-6),
        "On outputs that are exactly linear the coefficients must come out exactly: is there an "
        "intercept, and are rows and outputs multiplied by the same weights?",
    )
    bent = straight + 3 * masks[:, 0] * masks[:, 1] + masks[:, 1] * masks[:, 2]
    expect(
        not np.allclose(ask(bent, 0.7), ask(bent, 5.0), atol=1e-6),
        "The width changes nothing: weight the rows by their distance.",
    )

    def fit(root: np.ndarray) -> np.ndarray:
        design = np.column_stack([np.ones(60), masks])
        inverse = np.linalg.inv(design.T @ (design * root[:, None] ** 2))
        return (inverse @ design.T @ (bent * root**2))[1:]

    weight = np.exp(-((distances / 0.7) ** 2))
    found = ask(bent, 0.7)
    expect(
        not np.allclose(found, fit(weight), atol=1e-6),
        "The weights count twice: multiply rows and outputs by the square root of the weight.",
    )
    expect(
        not np.allclose(found, fit(np.sqrt(np.exp(-distances / 0.7))), atol=1e-6),
        "Square the distance, and the width, in the exponent.",
    )
    expect(
        not np.allclose(found, fit(1 / np.sqrt(weight)), atol=1e-6),
        "The far rows weigh more than the near ones: the exponent is negative.",
    )
    expect(np.allclose(found, fit(np.sqrt(weight)), atol=1e-6), "The weighted fit is another one.")
