"""promtool, the rule tester of Prometheus: hours of series in a second, without a server.

Built for chapter 29. Format of the tests:
https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.monitoring import MonitoringError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def why_not() -> str:
    """Why Prometheus cannot run here, as one sentence; empty if it can."""
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    if missing:
        return f"The program {missing[0]} was not found: install Prometheus and put it on the path."
    return ""


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    if why_not():
        raise MonitoringError(why_not())
    command = [shutil.which("promtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)


def version() -> str:
    """The version of the installed Prometheus, such as "2.42.0"."""
    done = _promtool("--version")
    found = re.search(r"version (\d+\.\d+\.\d+)", done.stdout + done.stderr)
    return found[1] if found else "of unknown version"


def check_rules(path: Path | str) -> int:
    """The number of rules in the file; raises `MonitoringError` with promtool's complaint."""
    done = _promtool("check", "rules", str(path))
    found = re.search(r"(\d+) rules found", done.stdout)
    if done.returncode or not found:
        said = " ".join((done.stdout + done.stderr).split())[-300:]
        raise MonitoringError(f"promtool refuses the rules '{Path(path).name}': {said}")
    return int(found[1])


def test_file(path: Path | str) -> str:
    """Empty when promtool's unit tests in `path` pass, else its report."""
    done = _promtool("test", "rules", str(path))
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _minutes(text: str) -> float:
    return sum(float(n) * _UNITS[u] for n, u in re.findall(r"(\d+)([hms])", text)) / 60


def firing(
    rules: Path | str,
    series: Mapping[str, Sequence[float]],
    alerts: Sequence[str],
    minutes: int,
    folder: Path | str,
    step: str = "15s",
) -> dict[str, list[float]]:
    """For each of `alerts`, the whole minutes from 1 to `minutes` at which it fires.

    `series` maps names with labels to values, one each `step`. promtool is told to expect silence
    at each minute; what it reports as unexpected did fire. Raises `MonitoringError` when promtool
    cannot evaluate the rules.
    """
    silent = [
        {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": []}
        for minute in range(1, minutes + 1)
        for name in alerts
    ]
    said = test_file(_written(rules, series, {"alert_rule_test": silent}, folder, step))
    found = re.findall(r"alertname:\s*(\w+), time:\s*(\w+)", said)
    if said and not found:
        raise MonitoringError(f"promtool could not evaluate the rules: {said.strip()[-300:]}")
    return {name: sorted({_minutes(at) for who, at in found if who == name}) for name in alerts}


def agrees(
    rules: Path | str,
    series: Mapping[str, Sequence[float]],
    values: Mapping[tuple[str, int], float],
    folder: Path | str,
    tolerance: float = 0.01,
    step: str = "15s",
) -> bool:
    """Whether each expression at its minute has the given value, to a relative `tolerance`.

    `values` maps (PromQL that gives one number, minute) to the expected number, which is not 0.
    """
    tests = [
        {
            "expr": f"count(abs({expression} / {value:.17g} - 1) < {tolerance})",
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for (expression, minute), value in values.items()
    ]
    return not test_file(_written(rules, series, {"promql_expr_test": tests}, folder, step))


def _written(
    rules: Path | str, series: Mapping[str, Any], tests: dict, folder: Path | str, step: str
) -> Path:
    """The file of one promtool test, in `folder`."""
    path = Path(folder) / "replay_test.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = [
        {"series": name, "values": " ".join(f"{value:.10g}" for value in values)}
        for name, values in series.items()
    ]
    content = {
        "rule_files": [Path(rules).resolve().as_posix()],
        "evaluation_interval": step,
        "tests": [{"interval": step, "input_series": shown, **tests}],
    }
    path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    return path


def shortened(rules: Path | str, factor: float, target: Path | str) -> Path:
    """`target`, the rules with windows and `for` divided by `factor`, in milliseconds."""

    def divided(match: re.Match[str]) -> str:
        seconds = float(match[2]) * _UNITS[match[3]] / factor
        return f"{match[1]}{max(1, round(1000 * seconds))}ms{match[4]}"

    text = Path(rules).read_text(encoding="utf-8")
    text = re.sub(r"(\[)(\d+)([hms])(\])", divided, text)
    text = re.sub(r"(?m)(^\s+for: )(\d+)([hms])(\s*)$", divided, text)
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target
