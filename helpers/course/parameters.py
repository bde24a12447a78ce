"""Parameters of a chapter: read from its parameters cell, checked before anything starts."""

from __future__ import annotations

import ast
import difflib
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from helpers.course.chapters import Chapter, CourseError, content

# Options of their own set these two, so that profile and seed have one spelling everywhere.
OPTIONS = {"PROFILE": "--profile", "SEED": "--seed"}
_TYPES = {"int": int, "float": float, "str": str, "bool": bool}
_CONTAINERS = {"list": list, "tuple": tuple, "dict": dict}
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list such as [1, 2]",
    "tuple": "a tuple such as (1, 2)",
    "dict": "a dictionary such as {'a': 1}",
}


@dataclass(frozen=True)
class Parameter:
    """One knob of the parameters cell; `default` is Python source, `help` the comment behind it."""

    name: str
    type: str
    default: str
    help: str


def parameters(chapter: Chapter) -> dict[str, Parameter]:
    """The parameters of `chapter` by name, as papermill reads them from the tagged cell."""
    import nbformat
    import papermill

    notebook = nbformat.reads(json.dumps(content(chapter.path)), as_version=4)
    notebook.metadata.setdefault("kernelspec", {"name": "python3", "language": "python"})
    found = papermill.inspect_notebook(notebook)
    return {
        name: Parameter(
            name,
            _type(entry["inferred_type_name"], entry["default"]),
            entry["default"],
            entry["help"],
        )
        for name, entry in found.items()
    }


def _type(annotation: str, default: str) -> str:
    """The type's name: as annotated, else that of the default."""
    if annotation not in ("", "None", "NoneType"):
        return annotation.strip()
    try:
        return type(ast.literal_eval(default)).__name__
    except (ValueError, SyntaxError):
        return "str"


def convert(parameter: Parameter, text: str) -> Any:
    """`text` as a value of the parameter's type; `CourseError` when it is not one."""
    kind = parameter.type.split("[")[0].strip()
    if kind == "str":
        return text
    try:
        if kind == "bool":
            return _BOOLEANS[text.strip().lower()]
        if kind in ("int", "float"):
            return _TYPES[kind](text)
        value = ast.literal_eval(text)
        if kind in _CONTAINERS and not isinstance(value, _CONTAINERS[kind]):
            raise ValueError(text)
        json.dumps(value)  # Values travel to the kernel as JSON.
        return value
    except (ValueError, KeyError, SyntaxError, TypeError):
        wanted = _WORDS.get(kind, f"a value of type {parameter.type}")
        raise CourseError(
            f"The parameter {parameter.name} is {wanted}, but '{text}' was given: try "
            f"{parameter.name}={parameter.default}, its default."
        ) from None


def pairs(options: Iterable[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` options as a dictionary; `CourseError` for another form or a repetition."""
    found: dict[str, str] = {}
    for text in options:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign or not name.isidentifier():
            raise CourseError(f"The option {option} {text} is not understood: write NAME=VALUE.")
        if name in found:
            raise CourseError(f"The parameter {name} is given twice: give it once.")
        if name in OPTIONS:
            raise CourseError(f"The parameter {name} has its own option: use {OPTIONS[name]}.")
        found[name] = value
    return found


def _known(chapter: Chapter, known: dict[str, Parameter], name: str) -> Parameter:
    if name in known:
        return known[name]
    free = [other for other in known if other not in OPTIONS]
    close = difflib.get_close_matches(name.upper(), free, n=1, cutoff=0.5)
    if close:
        hint = f"did you mean {close[0]}?"
    else:
        hint = f"it has {', '.join(free)}." if free else "it has no parameters of its own."
    raise CourseError(f"Chapter {chapter.name} has no parameter {name}: {hint}")


def combinations(
    chapter: Chapter, values: dict[str, str], grid: dict[str, str], seed: int | None = None
) -> list[dict[str, Any]]:
    """One dictionary of checked values per run: `values` in all of them, `grid` multiplied out.

    `grid` maps a name to values separated by commas. Raises `CourseError` for an unknown name (with
    the closest known one) and for a value of another type.
    """
    if not values and not grid and seed is None:
        return [{}]
    both = sorted(set(values) & set(grid))
    if both:
        raise CourseError(f"The parameter {both[0]} is in both -p and --grid: keep one of them.")
    known = parameters(chapter)
    fixed = {name: convert(_known(chapter, known, name), text) for name, text in values.items()}
    if seed is not None:
        if seed < 0:
            raise CourseError(f"The seed is {seed}: give a whole number of 0 or more.")
        if "SEED" not in known:
            raise CourseError(f"Chapter {chapter.name} has no parameter SEED: leave out --seed.")
        fixed["SEED"] = seed
    axes = []
    for name, text in grid.items():
        parameter = _known(chapter, known, name)
        points = [convert(parameter, part.strip()) for part in text.split(",")]
        if len({repr(point) for point in points}) < len(points):
            raise CourseError(f"The grid of {name} holds a value twice: give each value once.")
        axes.append([(name, point) for point in points])
    return [fixed | dict(point) for point in itertools.product(*axes)]
