"""What is fresh, what is stale and why; and removing what nobody needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helpers.course import fingerprint
from helpers.course.chapters import Chapter, Project, content
from helpers.course.store import Result, Store


@dataclass(frozen=True)
class State:
    """Where one chapter stands in one profile with one set of parameters.

    `state` is `fresh`, `stale`, `failed` or `never run`; `why` says what changed or what failed.
    """

    chapter: str
    profile: str
    parameters: dict[str, Any]
    state: str
    why: str
    time: str = ""
    seconds: float = 0.0


def states(
    project: Project, store: Store, wanted: tuple[Chapter, ...], profile: str = ""
) -> list[State]:
    """The state of every stored combination of `wanted`, and of chapters never run in `profile`."""
    latest: dict[tuple[str, str, str], Result] = {}
    for result in sorted(store.results(), key=lambda result: result.time):
        latest[result.chapter, result.profile, repr(result.parameters)] = result
    found = []
    for chapter in wanted:
        notebook = content(chapter.path)
        mine = [
            result
            for (name, used, _), result in sorted(latest.items())
            if name == chapter.name and used == (profile or used)
        ]
        found += [_state(project, notebook, result) for result in mine]
        if not any(not result.parameters for result in mine):
            found.append(State(chapter.name, profile or "quick", {}, "never run", ""))
    return found


def _state(project: Project, notebook: dict[str, Any], result: Result) -> State:
    now = fingerprint.inputs(project.root, notebook, result.profile, result.parameters)
    changed = fingerprint.differences(result.inputs, now)
    if changed:
        state, why = "stale", f"changed: {', '.join(changed)}"
    elif result.status == "failed":
        failure = result.failure or {}
        state, why = "failed", f"code cell {failure.get('cell')}: {failure.get('message')}"
    else:
        state, why = "fresh", ""
    cost = (result.time, result.seconds)
    return State(result.chapter, result.profile, result.parameters, state, why, *cost)


def clean(
    project: Project, store: Store, wanted: tuple[Chapter, ...], everything: bool = False
) -> list[Result]:
    """Removes, and returns, stored runs of `wanted`: the stale and failed ones, or all of them."""
    known = {chapter.name: content(chapter.path) for chapter in wanted}
    removed = []
    for result in list(store.results()):
        if result.chapter not in known:
            continue
        state = _state(project, known[result.chapter], result).state
        if everything or state != "fresh":
            store.remove(result.folder)
            removed.append(result)
    store.prepare()
    return removed
