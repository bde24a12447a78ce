"""A course of a few seconds: small notebooks and helpers in a folder of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from helpers.course.chapters import Project

PARAMETERS = 'PROFILE: str = ""  # profile\nSEED: int = 0  # seed\nSCALE: float = 1.0  # factor'


def markdown(source: str, **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": metadata}


def code(source: str, *tags: str) -> dict[str, Any]:
    metadata = {"tags": list(tags)} if tags else {}
    cell = {"cell_type": "code", "source": source, "metadata": metadata}
    return cell | {"outputs": [], "execution_count": None}


def write_notebook(path: Path, cells: Sequence[dict[str, Any]]) -> Path:
    numbered = [cell | {"id": f"{path.stem[:2]}-{n}"} for n, cell in enumerate(cells)]
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    notebook = {"cells": numbered, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = nbformat.writes(nbformat.from_dict(notebook))
    path.write_text(text, encoding="utf-8")
    return path


def ledger_cell(name: str, value: str) -> dict[str, Any]:
    """A cell that writes the ledger as `helpers.evidence` does, without importing it."""
    return code(
        "import json, os, pathlib\n"
        f"value = {value}\n"
        "record = {'kind': 'claim', 'id': 'it', 'text': 'It holds', 'value': value, 'unit': '',"
        " 'bound': {'at_least': 0}, 'status': 'holds'}\n"
        f"ledger = {{'chapter': {name!r}, 'profile': os.environ['COURSE_PROFILE'], 'seed': SEED,"
        " 'time': '2026-01-01T00:00:00+00:00', 'records': [record],"
        " 'machine': {'system': 'Any', 'processor': 'any', 'cores': 2, 'memory_gb': 8},"
        " 'versions': {}}\n"
        "pathlib.Path(os.environ['COURSE_LEDGER']).write_text(json.dumps(ledger))"
    )


def chapter_cells(number: str, *extra: dict[str, Any], helper: str = "") -> list[dict[str, Any]]:
    name = f"{number}_tiny"
    use = f"from helpers import {helper}" if helper else "print('no helper')"
    return [
        markdown(f"# {number} Tiny\n\nProse."),
        code(PARAMETERS, "parameters"),
        markdown("## The data\n\nMore prose."),
        code(use),
        ledger_cell(name, "SCALE * 2 + SEED"),
        code(
            "from IPython.display import display\n"
            "display({'text/plain': f'Table: Results\\nname  value\\nscale  {SCALE}'}, raw=True)"
        ),
        *extra,
    ]


def make_project(root: Path) -> Project:
    """Two chapters and three helpers: 01 imports alpha, which imports base; 02 imports beta."""
    package = root / "helpers"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "base.py").write_text("BASE = 1\n", encoding="utf-8")
    (package / "alpha.py").write_text(
        "def value():\n    from helpers.base import BASE\n\n    return BASE\n", encoding="utf-8"
    )
    (package / "beta.py").write_text("def value():\n    return 2\n", encoding="utf-8")
    (root / "uv.lock").write_text("version = 1\n", encoding="utf-8")
    write_notebook(root / "notebooks" / "01_tiny.ipynb", chapter_cells("01", helper="alpha"))
    write_notebook(root / "notebooks" / "02_tiny.ipynb", chapter_cells("02", helper="beta"))
    return Project(root)
