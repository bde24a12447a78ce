"""The checkers of chapter 28: stub, solutions, and planted mistakes that meet their own hint."""

from __future__ import annotations

import hashlib
import json
import math

import pytest

from helpers.exercises import OPEN, RIGHT, WRONG
from helpers.exercises import versioning as check


def stub(*_):
    raise NotImplementedError


def hashed(text):
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def ident(data, code, parameters):
    plain = {path: text.replace("\r\n", "\n") for path, text in code.items()}
    return hashed(json.dumps([data, plain, parameters], sort_keys=True))


def ident_by_parts(data, code, parameters):
    lines = [f"{len(data)}:{data}"]
    for path in sorted(code):
        text = "\n".join(code[path].splitlines()) + "\n" * code[path].endswith("\n")
        lines.append(f"{len(path)}:{path}{len(text)}:{text}")
    lines += [f"{name}={json.dumps(parameters[name])}" for name in sorted(parameters)]
    return hashed("\x00".join(lines))


def no_data(data, code, parameters):
    return ident("", code, parameters)


def no_code(data, code, parameters):
    return ident(data, dict.fromkeys(code, ""), parameters)


def no_paths(data, code, parameters):
    return ident(data, {str(i): text for i, text in enumerate(code.values())}, parameters)


def no_values(data, code, parameters):
    return ident(data, code, sorted(parameters))


def no_names(data, code, parameters):
    return ident(data, code, {str(i): parameters[k] for i, k in enumerate(sorted(parameters))})


def unsorted(data, code, parameters):
    plain = {path: text.replace("\r\n", "\n") for path, text in code.items()}
    return hashed(json.dumps([data, plain, parameters]))


def raw_lines(data, code, parameters):
    return hashed(json.dumps([data, code, parameters], sort_keys=True))


def glued(data, code, parameters):
    text = "".join(path + code[path].replace("\r\n", "\n") for path in sorted(code))
    return hashed(data + text + json.dumps(parameters, sort_keys=True))


def as_text(data, code, parameters):
    return ident(data, code, {name: str(value) for name, value in parameters.items()})


def whole_hash(data, code, parameters):
    text = json.dumps([data, code, parameters], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def by_clock(data, code, parameters, calls=[0]):  # noqa: B006
    calls[0] += 1
    return hashed(str(calls[0]))


def ends(b, c, rows, z=1.645):
    deviation = math.sqrt(b + c - (c - b) ** 2 / rows) / rows
    return (c - b) / rows - z * deviation, (c - b) / rows + z * deviation


def passes(b, c, rows, margin):
    return ends(b, c, rows)[0] > -margin


def passes_by_array(b, c, rows, margin):
    import numpy as np

    steps = np.repeat([1, -1, 0], [c, b, rows - b - c])
    return bool(steps.mean() - 1.645 * steps.std() / np.sqrt(rows) > -margin)


def superior(b, c, rows, margin):
    return ends(b, c, rows)[0] > 0


def higher_score(b, c, rows, margin):
    return c - b > -margin * rows


def upper_end(b, c, rows, margin):
    return ends(b, c, rows)[1] > -margin


def two_sided(b, c, rows, margin):
    return ends(b, c, rows, 1.96)[0] > -margin


def small_error(b, c, rows, margin):
    return ends(b, c, rows, 1.5)[0] > -margin


def goal(history, withdrawn):
    for earlier in reversed(history):
        if earlier != history[-1] and earlier not in withdrawn:
            return earlier
    return None


def goal_by_list(history, withdrawn):
    good = [name for name in history if name not in withdrawn | {history[-1]}]
    return good[-1] if good else None


def one_before(history, withdrawn):
    return history[-2] if len(history) > 1 else None


def oldest(history, withdrawn):
    good = [name for name in history[:-1] if name not in withdrawn]
    return good[0] if good else None


def stays(history, withdrawn):
    return history[-1]


def skips_last_only(history, withdrawn):
    good = [name for name in history[:-1] if name not in withdrawn]
    return good[-1] if good else None


def insists(history, withdrawn):
    return goal(history, withdrawn) or history[0]


def fails_alone(history, withdrawn):
    return goal(history, withdrawn) or (None if withdrawn else history[0])


def nothing(*_):
    return None


@pytest.mark.parametrize("checker", [check.version_id, check.promote, check.target])
def test_an_untouched_stub_is_not_attempted(checker):
    assert checker(stub).status == OPEN
    assert checker(None).status == OPEN


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (check.version_id, ident),
        (check.version_id, ident_by_parts),
        (check.promote, passes),
        (check.promote, passes_by_array),
        (check.target, goal),
        (check.target, goal_by_list),
    ],
)
def test_solutions_are_right(checker, answer):
    feedback = checker(answer)
    assert feedback.status == RIGHT, feedback.message


@pytest.mark.parametrize(
    ("checker", "answer", "hint"),
    [
        (check.version_id, nothing, "returns nothing"),
        (check.version_id, whole_hash, "first 12"),
        (check.version_id, by_clock, "two ids"),
        (check.version_id, no_data, "data are left out"),
        (check.version_id, no_code, "texts of the files"),
        (check.version_id, no_paths, "hash the paths"),
        (check.version_id, no_values, "values of the parameters"),
        (check.version_id, no_names, "hash the names"),
        (check.version_id, unsorted, "sort them"),
        (check.version_id, raw_lines, "line endings"),
        (check.version_id, glued, "glue the parts"),
        (check.version_id, as_text, "not with str()"),
        (check.promote, nothing, "returns nothing"),
        (check.promote, superior, "not zero"),
        (check.promote, higher_score, "subtract 1.645"),
        (check.promote, upper_end, "subtract 1.645"),
        (check.promote, two_sided, "not 1.96"),
        (check.promote, small_error, "just below"),
        (check.target, stays, "live now"),
        (check.target, one_before, "withdrawn"),
        (check.target, oldest, "oldest"),
        (check.target, skips_last_only, "several times"),
        (check.target, nothing, "found none"),
        (check.target, fails_alone, "before the first version"),
        (check.target, insists, "return None"),
    ],
)
def test_each_mistake_meets_its_own_hint(checker, answer, hint):
    feedback = checker(answer)
    assert feedback.status == WRONG
    assert hint in feedback.message
