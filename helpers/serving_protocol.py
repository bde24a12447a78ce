"""The predict protocol of TensorFlow Serving's REST interface: read a request, write an answer.

Rows (`instances` in, `predictions` out) and columns (`inputs` in, `outputs` out) of one numeric
input and one output, the status of a model's versions, and its metadata. Every fault of a request
is a `BadRequest` with one sentence. Source: https://www.tensorflow.org/tfx/serving/api_rest. Built
in view in chapter 27.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SIGNATURE = "serving_default"
KEYS = ("signature_name", "instances", "inputs")


class BadRequest(ValueError):
    """A request that is refused: HTTP `status`, and a sentence for the client."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives: float32 arrays (n, *shape) and (n, *output_shape)."""

    shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    input_name: str = "x"
    output_name: str = "y"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRequest(400, "A key stands twice in an object; give each key once.")
    return found


def _no_constant(name: str) -> None:
    raise BadRequest(400, f"The body holds {name}, which is no JSON; send finite numbers.")


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; raises `BadRequest` (400) for anything else."""
    try:
        found = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except BadRequest:
        raise
    except UnicodeDecodeError as error:
        raise BadRequest(400, "The body is not UTF-8 text; send JSON as UTF-8.") from error
    except RecursionError as error:
        raise BadRequest(400, "The body is nested too deeply to be read.") from error
    except ValueError as error:  # Includes numbers of thousands of digits.
        raise BadRequest(400, "The body is not JSON; send an object with 'instances'.") from error
    if not isinstance(found, dict):
        raise BadRequest(400, 'The body is JSON but no object; send {"instances": [...]}.')
    return found


def _plain_numbers(value: Any, depth: int) -> bool:
    """Whether `value` is nested lists of `depth` levels with only int and float inside."""
    if depth == 0:
        return type(value) in (int, float)
    if type(value) is not list:
        return False
    if depth == 1:
        return set(map(type, value)) <= {int, float}  # bool is a type of its own here
    return all(_plain_numbers(part, depth - 1) for part in value)


def _shape_text(shape: Sequence[int]) -> str:
    return "(" + ", ".join(map(str, ("n", *shape))) + ")"


def _unnamed(values: Any, rows: bool, name: str) -> Any:
    """The tensor without its name: `{name: tensor}` in columns, `[{name: row}, ...]` in rows."""
    if not rows and isinstance(values, dict):
        if set(values) != {name}:
            raise BadRequest(400, f"'inputs' must name the one input of the model, '{name}'.")
        return values[name]
    if rows and isinstance(values, list) and any(isinstance(one, dict) for one in values):
        if not all(isinstance(one, dict) and set(one) == {name} for one in values):
            raise BadRequest(400, f"Each named instance must be an object with '{name}' alone.")
        return [one[name] for one in values]
    return values


def read_predict(body: bytes, signature: Signature, max_rows: int = 128) -> tuple[np.ndarray, bool]:
    """The examples of a predict request, float32 (n, *shape), and whether they came as rows.

    Raises `BadRequest`: 413 for more than `max_rows` examples, else 400, for a body that is no
    JSON object, has neither or both of `instances` and `inputs`, an unknown key or signature, and
    for values that are not finite numbers of the model's shape. Strings, booleans and null are
    refused and never converted.
    """
    request = decode(body)
    unknown = sorted(set(request) - set(KEYS))
    if unknown:
        raise BadRequest(400, f"The key {unknown[0][:40]!r} is unknown; use {', '.join(KEYS)}.")
    if request.get("signature_name", SIGNATURE) != SIGNATURE:
        raise BadRequest(400, f"The model has one signature, '{SIGNATURE}'.")
    if ("instances" in request) == ("inputs" in request):
        raise BadRequest(400, "Send exactly one of 'instances' (rows) and 'inputs' (columns).")
    rows = "instances" in request
    values = _unnamed(request["instances" if rows else "inputs"], rows, signature.input_name)
    if not isinstance(values, list) or not values:
        raise BadRequest(400, "The examples must be a list that is not empty.")
    if len(values) > max_rows:
        raise BadRequest(413, f"{len(values)} examples were sent; at most {max_rows} are taken.")
    depth = 1 + len(signature.shape)
    wanted = f"finite numbers of the shape {_shape_text(signature.shape)}"
    if not _plain_numbers(values, depth):
        raise BadRequest(400, f"The examples must be lists of {wanted}; nothing is converted.")
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(values, dtype=np.float32)
    except (ValueError, OverflowError, TypeError) as error:
        raise BadRequest(400, f"The examples must be {wanted}.") from error
    if array.shape[1:] != signature.shape:
        raise BadRequest(400, f"The examples have the shape {array.shape}; send {wanted}.")
    if not np.isfinite(array).all():
        raise BadRequest(400, f"A number does not fit into float32; send {wanted}.")
    return array, rows


def write_predict(outputs: np.ndarray, rows: bool) -> dict[str, Any]:
    """The answer to a predict request, in the form in which the request came."""
    return {"predictions" if rows else "outputs": np.asarray(outputs).tolist()}


def write_status(versions: dict[int, str]) -> dict[str, Any]:
    """The status answer; `versions` gives each version's state, such as `AVAILABLE`."""
    good = {"error_code": "OK", "error_message": ""}
    entries = [
        {"version": str(number), "state": state, "status": good}
        for number, state in sorted(versions.items(), reverse=True)
    ]
    return {"model_version_status": entries}


def _tensor(name: str, shape: Sequence[int]) -> dict[str, Any]:
    sizes = [{"size": str(size), "name": ""} for size in (-1, *shape)]
    return {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": sizes, "unknown_rank": False},
        "name": f"{SIGNATURE}_{name}:0",
    }


def write_metadata(name: str, version: int, signature: Signature) -> dict[str, Any]:
    """The metadata answer: name and version of the model, names, dtypes and shapes of tensors."""
    content = {
        "inputs": {signature.input_name: _tensor(signature.input_name, signature.shape)},
        "outputs": {signature.output_name: _tensor(signature.output_name, signature.output_shape)},
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: content}}},
    }
