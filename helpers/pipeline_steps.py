"""The pipeline that a scratch repository runs on every push: check, test, train, evaluate, gate.

`python -m helpers.pipeline_steps SERVER_FOLDER` is the repository's `pre-receive` hook; `run` does
the same without Git. The rules of the gate lie on the server, not in the commit they judge. Built
for chapter 28.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from helpers.versioning import Store, Version, VersionError, pack, unpack, version_of, write_whole

STAGES = ("data", "test", "train", "gate")
CODE = ("train.py", "test_train.py")


class PipelineError(RuntimeError):
    """A stage that refuses a commit; the message is the reason in one sentence."""


def module_of(source: str, name: str) -> types.ModuleType:
    """A module made from `source`; raises `PipelineError` when it does not even run."""
    module = types.ModuleType(name)
    try:
        exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    except Exception as error:
        raise PipelineError(f"{name}.py stops with {type(error).__name__}: {error}") from error
    return module


def version_in(files: Mapping[str, str]) -> Version:
    """The `Version` that a commit with these files describes."""
    missing = [
        name for name in (*CODE, "data.json", "parameters.json", "lock.txt") if name not in files
    ]
    if missing:
        raise PipelineError(f"The commit has no {missing[0]}.")
    code = {name: files[name] for name in CODE}
    try:
        data = json.loads(files["data.json"])["train"]
        return version_of(data, code, json.loads(files["parameters.json"]), files["lock.txt"])
    except (KeyError, TypeError, ValueError) as error:
        raise PipelineError(f"The data or the parameters cannot be read: {error}") from error


def check_data(train: Mapping[str, Any], evaluation: Mapping[str, Any], copies: float) -> None:
    """Refuses training data with holes, unknown classes, or a share of evaluation rows."""
    if not np.isfinite(train["x"]).all():
        raise PipelineError("The training data have values that are not finite.")
    if not set(np.unique(train["y"])) >= set(np.unique(evaluation["y"])):
        raise PipelineError("The training data lack a class that the evaluation asks for.")
    known = {row.tobytes() for row in train["x"]}
    share = float(np.mean([row.tobytes() in known for row in evaluation["x"]]))
    if share > copies:
        raise PipelineError("Evaluation rows stand among the training data.")


def run_tests(source: str, subject: types.ModuleType) -> int:
    """How many `test_` functions of `source` passed; they get the module `subject`."""
    tests = vars(module_of(source, "test_train"))
    chosen = [name for name in tests if name.startswith("test_")]
    if not chosen:
        raise PipelineError("test_train.py has no function that begins with test_.")
    for name in chosen:
        try:
            tests[name](subject)
        except Exception as error:
            raise PipelineError(f"The test {name} fails: {error}") from error
    return len(chosen)


def train(files: Mapping[str, str], store: Store) -> tuple[bytes, np.ndarray, types.ModuleType]:
    """(bytes of the weights, classes seen, module) of the commit with these files."""
    module = module_of(files["train.py"], "train")
    data = unpack(store.get(json.loads(files["data.json"])["train"]))
    weights = module.fit(data["x"], data["y"], json.loads(files["parameters.json"]))
    return pack(weights), np.unique(data["y"]), module


def evaluate(module: types.ModuleType, weights: bytes, evaluation: Mapping[str, Any]) -> np.ndarray:
    """Predicted classes of the evaluation rows."""
    return np.asarray(module.predict(unpack(weights), evaluation["x"]))


def run(files: Mapping[str, str], server: Path, commit: str = "") -> dict[str, Any]:
    """The report on a commit with these files: how far it came, why it was refused, its numbers.

    `server` holds `rules.json` (margin, alpha, copies, key of the evaluation data), `store` and,
    once there is one, `champion.json`. Writes nothing but contents to the store.
    """
    from helpers.promotion_gate import decide

    rules = json.loads((server / "rules.json").read_text(encoding="utf-8"))
    store, report = Store(server / "store"), {"commit": commit, "stage": "data", "accepted": False}
    try:
        report |= {"version": version_in(files).id}
        evaluation = unpack(store.get(rules["evaluation"]))
        data = unpack(store.get(json.loads(files["data.json"])["train"]))
        check_data(data, evaluation, rules["copies"])
        report["stage"] = "test"
        subject = module_of(files["train.py"], "train")
        report["tests"] = run_tests(files["test_train.py"], subject)
        report["stage"] = "train"
        weights, _, module = train(files, store)
        report["model"] = store.put(weights)
        report["stage"] = "gate"
        predictions = evaluate(module, weights, evaluation)
        report["predictions"] = store.put(pack({"predictions": predictions.astype(np.int64)}))
        right = predictions == evaluation["y"]
        report["accuracy"] = float(right.mean())
        champion = server / "champion.json"
        if champion.exists():
            key = json.loads(champion.read_text(encoding="utf-8"))["predictions"]
            before = unpack(store.get(key))["predictions"] == evaluation["y"]
            verdict = decide(before, right, rules["margin"], rules["alpha"])
            report |= {"p_value": verdict.p_value, "difference": verdict.difference}
            report["reason"] = verdict.reason
            if not verdict.promoted:
                return report
        return report | {"stage": "accepted", "accepted": True}
    except (PipelineError, VersionError) as error:
        return report | {"reason": str(error)}
    except Exception as error:  # a bug in the commit's own code is its author's to read
        return report | {"reason": f"It stops with {type(error).__name__}: {error}"}


def files_of(commit: str, git: Callable[..., bytes]) -> dict[str, str]:
    """{path: text} of a commit; `git(*arguments)` returns the bytes that the command prints."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", commit))) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        return {m.name: archive.extractfile(m).read().decode("utf-8") for m in members}


def main() -> int:
    """The hook: reads "old new name" lines, runs the pipeline, refuses by exit status 1."""
    server, accepted = Path(sys.argv[1]), True

    def git(*arguments: str) -> bytes:
        return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout

    for line in sys.stdin.read().splitlines():
        _, new, name = line.split()
        if name != "refs/heads/main" or set(new) == {"0"}:
            print("Only pushes of commits to main are taken here.", file=sys.stderr)
            return 1
        report = run(files_of(new, git), server, new)
        text = json.dumps(report, indent=1).encode("utf-8")
        write_whole(server / "reports" / f"{new}.json", text)
        accepted = accepted and report["accepted"]
        print(f"{report['stage']}: {report.get('reason', 'accepted')}", file=sys.stderr)
    return 0 if accepted else 1


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    sys.exit(main())
