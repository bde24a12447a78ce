"""Evidence: claims that raise, sentences made from measured values, and the ledger of a run.

A chapter begins with `start`. From then on `claim` checks a statement against a measured value,
`say` writes a sentence from values, `record` keeps a value; each claim and each recorded value
lands in the run's ledger, a JSON file that is whole after every call.
"""

from __future__ import annotations

import html
import json
import math
import os
import platform
import re
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from helpers.profiles import NAMES, Profile, resolve

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = ROOT / "data" / "evidence"
_LIBRARIES = ("tensorflow", "jax", "keras", "numpy", "scikit-learn", "ai-edge-litert")
_BOUNDS = {
    "at_least": ("at least", lambda value, bound: value >= bound),
    "at_most": ("at most", lambda value, bound: value <= bound),
    "above": ("above", lambda value, bound: value > bound),
    "below": ("below", lambda value, bound: value < bound),
    "equals": ("equal to", lambda value, bound: value == bound),
}


class ClaimError(AssertionError):
    """A claim that does not hold; the message gives the value and the bound."""


class EvidenceError(RuntimeError):
    """Evidence used wrongly (no run started, no bound, an id twice); one sentence."""


@dataclass(frozen=True)
class Run:
    """One execution of one chapter: what is fixed before the first measurement."""

    chapter: str
    profile: Profile
    seed: int
    ledger: Path
    records: list[dict[str, Any]] = field(default_factory=list, repr=False, compare=False)

    def sizes(self, **columns: Any) -> Any:
        """This profile's sizes; see `Profile.sizes`."""
        return self.profile.sizes(**columns)


# The run that `claim`, `say` and `record` belong to: one kernel runs one chapter.
_current: list[Run] = []


def machine() -> dict[str, Any]:
    """What the numbers of a ledger were measured on: processor kind, cores, memory, GPUs."""
    import psutil

    from helpers.profiles import gpu_count

    return {
        "processor": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "gpus": gpu_count(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide the numbers, where installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def start(chapter: str, profile: str = "", seed: int = 0) -> Run:
    """The `Run` of `chapter` (file name without ending); opens an empty ledger.

    `profile` is `quick`, `full`, `gpu` or empty (`$COURSE_PROFILE`, else `quick`); `seed` is a
    non-negative integer. The ledger is `$COURSE_LEDGER`, else `artifacts/ledger/`. Raises
    `ProfileError` for a profile that is unknown or that this machine cannot run.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise EvidenceError(f"The seed is {seed!r}; give a whole number of 0 or more.")
    chosen = resolve(profile)
    named = os.environ.get("COURSE_LEDGER", "")
    default = ROOT / "artifacts" / "ledger" / f"{chapter}.{chosen.name}.json"
    run = Run(chapter, chosen, seed, Path(named) if named else default)
    _current[:] = [run]
    _write(run)
    return run


def current() -> Run:
    """The run started in this process; raises `EvidenceError` when there is none."""
    if not _current:
        raise EvidenceError(
            "No run has been started: run the chapter's first cells, which call "
            "start(chapter, PROFILE, SEED)."
        )
    return _current[0]


def _write(run: Run) -> None:
    """Writes the ledger whole or not at all."""
    content = {
        "chapter": run.chapter,
        "profile": run.profile.name,
        "seed": run.seed,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "records": run.records,
    }
    run.ledger.parent.mkdir(parents=True, exist_ok=True)
    partial = run.ledger.with_name(run.ledger.name + ".part")
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, run.ledger)


def _keep(run: Run, entry: dict[str, Any]) -> None:
    # A cell that is run again replaces its record, so the ledger never holds a claim twice.
    run.records[:] = [known for known in run.records if known["id"] != entry["id"]]
    run.records.append(entry)
    _write(run)


def _number(value: Any) -> float | int:
    """`value` as a plain Python number; booleans count as 0 and 1."""
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, bool):
        return int(number)
    if not isinstance(number, int | float):
        raise EvidenceError(
            f"The measured value is {value!r} of type {type(value).__name__}; give one number."
        )
    return number


def spell(value: float, unit: str = "") -> str:
    """`value` as a reader wants it: four significant digits, thousands separated, its unit."""
    if unit == "%":
        return f"{100 * value:.2f} %"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        text = f"{int(value):,}"
    elif value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e6):
        text = f"{value:.3g}"
    else:
        text = f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{text} {unit}".strip()


def claim(
    text: str,
    value: Any,
    *,
    id: str,
    unit: str = "",
    needs: str = "",
    repeatable: bool = True,
    **bound: float,
) -> None:
    """Checks that `value` keeps its bound, shows a line and a card, and records the result.

    text   what is claimed, a sentence without measured digits
    value  the measured number (a NumPy scalar or a bool will do)
    id     stable name of the claim within its chapter: letters, digits, underscores
    unit   unit of value and bound; `"%"` shows a share of 1 as per cent
    needs  the smallest profile that is large enough for this claim, if `quick` is not: in smaller
           ones the value is shown and recorded, and the page says that the profile is too small
    repeatable  False for what the clock decides, so that a second run gives another value
    bound  exactly one of `at_least`, `at_most`, `above`, `below`, `equals`

    Raises `ClaimError` with value and bound when the claim does not hold, NaN included, and
    `EvidenceError` when it is used wrongly. Built in view in chapter 01.
    """
    run = current()
    if not re.fullmatch(r"[a-z][a-z0-9_]*", id):
        raise EvidenceError(
            f"The claim id {id!r} is not usable: start with a lower-case letter, then lower-case "
            "letters, digits and underscores."
        )
    if len(bound) != 1 or next(iter(bound)) not in _BOUNDS:
        raise EvidenceError(
            f"The claim '{id}' has the bounds {sorted(bound)}; give exactly one of "
            f"{', '.join(_BOUNDS)}."
        )
    if needs and needs not in NAMES:
        raise EvidenceError(f"The claim '{id}' needs the profile {needs!r}, which does not exist.")
    ((kind, limit),) = bound.items()
    words, holds_for = _BOUNDS[kind]
    measured, limit = _number(value), _number(limit)
    holds = bool(holds_for(measured, limit)) and not math.isnan(measured)
    small = bool(needs) and NAMES.index(run.profile.name) < NAMES.index(needs)
    status = "too small" if small else ("holds" if holds else "fails")
    _keep(
        run,
        {
            "kind": "claim",
            "id": id,
            "text": text,
            "value": measured if math.isfinite(measured) else str(measured),
            "bound": {kind: limit},
            "unit": unit,
            "repeatable": repeatable,
            "status": status,
        },
    )
    found = f"measured {spell(measured, unit)}, claimed {words} {spell(limit, unit)}"
    if status == "fails":
        raise ClaimError(f"The claim '{id}' does not hold: {text}: {found}.")
    _show_claim(text, found, status, needs)


def _show_claim(text: str, found: str, status: str, needs: str) -> None:
    from IPython.display import display

    mark, colour = ("Holds", "#00734f") if status == "holds" else ("Not decided here", "#8a5a00")
    note = f" This claim needs the profile '{needs}'." if status == "too small" else ""
    card = (
        f'<div class="course-claim" style="border-left:4px solid {colour};padding:.2em .8em;'
        f'margin:.3em 0"><strong>{mark}:</strong> {html.escape(text, quote=False)}<br>'
        f"<small>{html.escape(found, quote=False)}.{note}</small></div>"
    )
    # The plain line has no measured digit: stored and fresh outputs can be compared exactly.
    display({"text/plain": f"claim: {text}", "text/html": card}, raw=True)


def record(id: str, value: Any, unit: str = "", text: str = "", repeatable: bool = True) -> None:
    """Keeps a measured `value` in the ledger under `id`, without a bound; shows nothing.

    `repeatable` is False for what the clock decides, as in `claim`.
    """
    entry = {
        "kind": "value",
        "id": id,
        "text": text,
        "value": _number(value),
        "unit": unit,
        "repeatable": repeatable,
    }
    _keep(current(), entry)


def say(template: str, **values: Any) -> None:
    """Shows a Markdown sentence in which every measured number comes from `values`.

    `template` is a format string, such as `"Recall is {recall:.1%}."`. Raises `EvidenceError` when
    a field has no value or a value has no field, so that no number is dropped or typed by hand.
    """
    from IPython.display import display

    fields = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    if fields != set(values):
        odd = ", ".join(sorted(fields ^ set(values)))
        raise EvidenceError(f"The sentence and its values do not match at: {odd}.")
    if not fields:
        raise EvidenceError("The sentence holds no measured value: write it as Markdown instead.")
    sentence = template.format(**values)
    # The marks let the test suite compare stored and fresh outputs without the measured values.
    marked = f'<span class="measured">{sentence}</span>'
    display({"text/plain": f"measured: {sentence}", "text/markdown": marked}, raw=True)


def committed(chapter: str, profile: str = "full") -> dict[str, Any]:
    """The committed ledger of `chapter` and `profile`; raises `EvidenceError` without one."""
    path = COMMITTED / "claims" / f"{chapter}.{profile}.json"
    if not path.exists():
        raise EvidenceError(
            f"There is no committed ledger of {chapter} in the profile '{profile}': "
            f"run 'course refresh {chapter} --profile {profile}'."
        )
    return json.loads(path.read_text(encoding="utf-8"))
