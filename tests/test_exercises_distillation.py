"""The exercises' checkers: stub, solution, another solution, planted mistakes by their hints."""

import numpy as np
import pytest
from scipy.special import softmax

from helpers.exercises.distillation import check_on_frontier, check_slope, check_soften


def stub(*_):
    raise NotImplementedError


@pytest.mark.parametrize("check", [check_soften, check_slope, check_on_frontier])
def test_stub_is_not_attempted(check):
    assert check(stub).status == "open"


def soften(logits, temperature, axis=1):
    z = logits / temperature
    z = np.exp(z - z.max(axis=axis, keepdims=True))
    return z / z.sum(axis=axis, keepdims=True)


def soften_by_rows(logits, temperature):
    return [softmax(row / temperature) for row in logits]


def soften_in_place(logits, temperature):
    logits /= temperature
    return softmax(logits, axis=1)


def naive(logits, temperature):
    z = np.exp(logits / temperature)
    return z / z.sum(axis=1, keepdims=True)


def one_maximum(logits, temperature):
    z = np.exp((logits - logits.max()) / temperature)
    return z / np.maximum(z.sum(axis=1, keepdims=True), 1e-300)


def late(logits, temperature):
    z = softmax(logits, axis=1) / temperature
    return z / z.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("answer", [soften, soften_by_rows])
def test_right_soften(answer):
    assert check_soften(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda z, t: soften(z, 1 / t), "divide by it"),
        (lambda z, t: soften(z, t, axis=0), "columns add up"),
        (lambda z, t: np.exp(z / t), "rows do not add up"),
        (lambda z, t: soften(z, t)[0], "has the shape"),
        (lambda z, t: soften(z, 1), "has no effect"),
        (lambda z, t: soften(z, t**2), "are off"),
        (late, "has no effect"),
        (soften_in_place, "changed its input"),
        (naive, "overflow"),
        (one_maximum, "maximum of each row"),
    ],
)
def test_wrong_soften(answer, hint):
    feedback = check_soften(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def slope(teacher, student, t):
    return t * (softmax(student / t, axis=1) - softmax(teacher / t, axis=1))


def slope_by_steps(teacher, student, t):
    """By differences of the loss itself, which is another road to the same numbers."""

    def loss(z):
        p, q = softmax(teacher / t, axis=1), softmax(z / t, axis=1)
        return t**2 * np.sum(p * (np.log(p) - np.log(q)), axis=1)

    found = np.empty_like(student)
    for place in range(student.shape[1]):
        step = np.zeros_like(student)
        step[:, place] = 1e-5
        found[:, place] = (loss(student + step) - loss(student - step)) / 2e-5
    return found


@pytest.mark.parametrize("answer", [slope, slope_by_steps])
def test_right_slope(answer):
    assert check_slope(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda p, q, t: slope(q, p, t), "sign is turned"),
        (lambda p, q, t: slope(p, q, t) / t**2, "factor of the loss is missing"),
        (lambda p, q, t: slope(p, q, t) / t, "One factor of T"),
        (lambda p, q, t: slope(p, q, t) * t, "Two factors of T"),
        (lambda p, q, t: t * slope(p, q, 1), "temperature one"),
        (lambda p, q, t: t * (q - p), "difference of the logits"),
        (lambda p, q, t: slope(p, q, t) / len(p), "number of rows"),
        (lambda p, q, t: slope(p, q, t).sum(axis=1), "has the shape"),
        (lambda p, q, t: slope(p, q, t) + 1, "is off by"),
    ],
)
def test_wrong_slope(answer, hint):
    feedback = check_slope(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def on_frontier(accuracy, size, worse=lambda a, s, b, t: b >= a and t <= s and (b, t) != (a, s)):
    models = list(zip(accuracy, size, strict=True))
    return [not any(worse(a, s, b, t) for b, t in models) for a, s in models]


def by_sweep(accuracy, size):
    found, best = [False] * len(size), (-1.0, 0)
    for place in sorted(range(len(size)), key=lambda i: (size[i], -accuracy[i])):
        found[place] = accuracy[place] > best[0] or (accuracy[place], size[place]) == best
        if found[place]:
            best = (accuracy[place], size[place])
    return np.array(found)


@pytest.mark.parametrize("answer", [on_frontier, by_sweep])
def test_right_frontier(answer):
    assert check_on_frontier(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda a, s: [not one for one in on_frontier(a, s)], "turned around"),
        (lambda a, s: [x == max(a) or y == min(s) for x, y in zip(a, s, strict=True)], "extremes"),
        (lambda a, s: [y == min(s) for y in s], "most accurate model"),
        (lambda a, s: [x == max(a) for x in a], "smallest model"),
        (lambda a, s: [True] * len(a), "compare with all others"),
        (
            lambda a, s: on_frontier(a, s, lambda x, y, b, t: b > x and t < y),
            "equal in one and worse",
        ),
        (lambda a, s: on_frontier(a, s)[:1], "a list of"),
    ],
)
def test_wrong_frontier(answer, hint):
    feedback = check_on_frontier(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def test_equal_models_do_not_beat_each_other():
    def first_only(accuracy, size):
        found, seen = on_frontier(accuracy, size), set()
        for place, model in enumerate(zip(accuracy, size, strict=True)):
            found[place] = found[place] and model not in seen
            seen.add(model)
        return found

    feedback = check_on_frontier(first_only)
    assert feedback.status == "wrong"
    assert "Two equal models" in feedback.message
