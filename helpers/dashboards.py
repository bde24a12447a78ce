"""A Grafana dashboard as code, and its checks: every query parses and names what exists.

Grafana itself is not needed: the file is built with its Foundation SDK, which knows the schema.
Built in view in chapter 29.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.monitoring import MonitoringError

# Panel title -> (unit of Grafana, PromQL)
PANELS = {
    "Requests per second": ("reqps", "sum by (outcome) (rate(model_requests_total[5m]))"),
    "Burn rate of the error budget, 1 h": ("none", "model:error_ratio:1h / 0.001"),
    "Time to answer, 99th percentile": ("s", "model:p99_seconds:5m"),
    "Drift of the inputs (PSI)": ("none", "model:psi:10m"),
    "Accuracy on labels that came in": ("percentunit", "model:accuracy:15m"),
}


def dashboard(
    title: str = "Model service", panels: Mapping[str, tuple[str, str]] = PANELS
) -> dict[str, Any]:
    """The dashboard as Grafana's JSON model: one time series per entry of `panels`, two in a row.

    Raises `MonitoringError` without panels.
    """
    from grafana_foundation_sdk.builders import dashboard as boards
    from grafana_foundation_sdk.builders import prometheus as queries
    from grafana_foundation_sdk.builders import timeseries
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import GridPos

    if not panels:
        raise MonitoringError("The dashboard has no panels; give at least one.")
    board = boards.Dashboard(title).uid("model-service").refresh("30s").time("now-6h", "now")
    for place, (name, (unit, expression)) in enumerate(panels.items()):
        grid = GridPos(h=8, w=12, x=12 * (place % 2), y=8 * (place // 2))
        query = queries.Dataquery().expr(expression).ref_id("A")
        board = board.with_panel(
            timeseries.Panel().title(name).unit(unit).grid_pos(grid).with_target(query)
        )
    return json.loads(JSONEncoder(sort_keys=True).encode(board.build()))


def expressions(board: Mapping[str, Any]) -> dict[str, str]:
    """The PromQL of each panel of a dashboard, by the panel's title."""
    return {
        panel["title"]: target["expr"] for panel in board["panels"] for target in panel["targets"]
    }


def unknown_names(board: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    """Names of series in the dashboard's queries that are not in `known`.

    A panel on a series that nobody writes stays empty without an error: nobody notices.
    """
    found = set()
    for expression in expressions(board).values():
        bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", expression)
        found |= set(re.findall(r"\bmodel[a-z0-9_:]+", bare))
    return sorted(found - set(known))


def as_rules(board: Mapping[str, Any], target: Path | str) -> Path:
    """`target`, a rule file with every query of the dashboard, so that promtool can parse them."""
    rules = [
        {"record": f"panel:{place}", "expr": expression}
        for place, expression in enumerate(expressions(board).values())
    ]
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = {"groups": [{"name": "dashboard", "rules": rules}]}
    target.write_text(json.dumps(content), encoding="utf-8")
    return target
