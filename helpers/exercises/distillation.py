"""Checks of the exercises of the chapter on distillation."""

from __future__ import annotations

import numpy as np

from helpers.exercises import checker, expect


def _softmax(z: np.ndarray) -> np.ndarray:
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def _logits(seed: int, rows: int = 6, classes: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (rows, classes))


@checker("20.1", "Probabilities at every temperature, and large logits do no harm.")
def check_soften(soften) -> None:
    """`Feedback` on a softmax with temperature."""
    logits = _logits(1)
    given = logits.copy()
    for temperature in (1.0, 4.0, 0.5):
        found = np.asarray(soften(logits, temperature), dtype=float)
        expect(bool((given == logits).all()), "The function changed its input; work on a copy.")
        expect(
            found.shape == logits.shape,
            f"The result has the shape {found.shape}; expected {logits.shape}.",
        )
        expect(
            not np.allclose(found.sum(axis=0), 1),
            "The columns add up to one; sum over the classes of each row, axis 1.",
        )
        expect(
            np.allclose(found.sum(axis=1), 1),
            "The rows do not add up to one; divide by the sum of each row.",
        )
        wrong = _softmax(logits * temperature)
        expect(
            temperature == 1 or not np.allclose(found, wrong),
            "A higher temperature made the answer sharper: divide by it, do not multiply.",
        )
        late = _softmax(logits) / temperature
        late = late / late.sum(axis=1, keepdims=True)
        expect(
            temperature == 1 or not np.allclose(found, late),
            "The temperature has no effect: it divides the logits, before the exponential.",
        )
        expect(
            np.allclose(found, _softmax(logits / temperature)),
            f"At temperature {temperature:g} the probabilities are off; they are the softmax of "
            "logits / temperature.",
        )
    large = np.array([[1000.0, 999.0, -1000.0, 0.0]])
    with np.errstate(all="ignore"):
        found = np.asarray(soften(large, 1.0), dtype=float)
    expect(
        bool(np.isfinite(found).all()),
        "Logits of a thousand overflow; subtract each row's maximum before the exponential.",
    )
    mixed = np.array([[0.0, 1.0, 2.0, 3.0], [2000.0, 2001.0, 2002.0, 2003.0]])
    with np.errstate(all="ignore"):
        found = np.asarray(soften(mixed, 1.0), dtype=float)
    expect(
        np.allclose(found, _softmax(mixed)),
        "Next to a row of large logits a row of small ones came out wrong; subtract the maximum of "
        "each row, not that of all.",
    )


@checker("20.2", "The slope points from the student to the teacher and keeps its size.")
def check_slope(slope) -> None:
    """`Feedback` on the derivative of the distillation loss."""
    teacher, student = _logits(2), _logits(3)
    for temperature in (4.0, 1.0, 10.0):
        found = np.asarray(slope(teacher.copy(), student.copy(), temperature), dtype=float)
        expect(
            found.shape == student.shape,
            f"The result has the shape {found.shape}; expected one number for each logit of the "
            f"student, {student.shape}.",
        )
        p, q = _softmax(teacher / temperature), _softmax(student / temperature)
        right = temperature * (q - p)
        cold = _softmax(student) - _softmax(teacher)
        hints = {
            "The sign is turned around: raising a logit that the student has too high raises the "
            "loss, so student minus teacher.": -right,
            "The slope is T^2 times too small: the factor of the loss is missing.": (q - p)
            / temperature,
            "One factor of T is missing: T^2 from the loss, 1/T from the softmax, makes T.": q - p,
            "Two factors of T remain: the softmax of z / T brings 1/T into the derivative.": right
            * temperature,
            "The probabilities are those of temperature one; divide both logits by the "
            "temperature first.": temperature * cold,
            "That is the difference of the logits; take that of the probabilities.": temperature
            * (student - teacher),
            "It was divided by the number of rows: give each example's own slope.": right
            / len(right),
        }
        if temperature != 1:
            for hint, wrong in hints.items():
                expect(not np.allclose(found, wrong), hint)
        expect(
            np.allclose(found, right, rtol=1e-4, atol=1e-5),
            f"At temperature {temperature:g} the slope is off by up to "
            f"{np.abs(found - right).max():.2g}; it is T times (q - p).",
        )


@checker("20.3", "Every model that nothing beats, and no other.")
def check_on_frontier(on_frontier) -> None:
    """`Feedback` on the Pareto frontier of accuracy and size."""

    def ask(accuracy, size):
        found = on_frontier(list(accuracy), list(size))
        expect(
            isinstance(found, list | tuple | np.ndarray) and len(found) == len(accuracy),
            f"Return a list of {len(accuracy)} booleans, one for each model.",
        )
        return [bool(one) for one in found]

    accuracy, size = (0.95, 0.94, 0.90, 0.92), (400, 100, 20, 120)
    found = ask(accuracy, size)
    expect(
        found != [False, False, False, True],
        "The list is turned around: True stands for a model on the frontier.",
    )
    expect(
        found != [True, False, True, False],
        "Only the extremes are left: a model in the middle stays if nothing beats it.",
    )
    expect(found[0], "The most accurate model is always on the frontier, whatever its size.")
    expect(found[2], "The smallest model is always on the frontier, whatever its accuracy.")
    expect(
        not found[3],
        "A model stayed although another is more accurate and smaller; compare with all others.",
    )
    expect(found == [True, True, True, False], f"Found {found} for {accuracy} and {size}.")
    found = ask((0.9, 0.9, 0.8), (50, 60, 50))
    expect(
        found != [True, True, True],
        "A model stayed that is equally accurate and larger than another: equal in one and worse "
        "in the other is beaten.",
    )
    expect(found == [True, False, False], f"Found {found} for equal accuracies and sizes.")
    expect(
        ask((0.9, 0.9), (50, 50)) == [True, True],
        "Two equal models beat each other; one of the two comparisons must be strict.",
    )
