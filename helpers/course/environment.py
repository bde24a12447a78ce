"""The conda and Binder environment: conda gives Python, the lock gives everything else."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
# Written from requirements.lock by `make lock`; do not edit. Conda gives Python and pip only:
# every package comes from the one lock, so that conda, Binder, pip and uv install the same.
name: course
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.12
  - pip
  - pip:
"""


def pins(lock: str) -> list[str]:
    """The pinned requirements of a hashed lock file, markers kept, hashes left out.

    pip refuses to mix hashed requirements with the editable install of the course itself, and the
    pip section of a conda environment is one such call.
    """
    found = []
    for line in lock.splitlines():
        if match := re.match(r"([A-Za-z0-9][\w.\-\[\]]*==[^\s;\\]+)\s*(;[^\\]+)?", line):
            marker = (match.group(2) or "").strip()
            found.append(f"{match.group(1)} {marker}".strip())
    return found


def render(lock: str) -> str:
    """The text of `environment.yml` for the text of `requirements.lock`."""
    lines = [f'      - "{pin}"' for pin in [*pins(lock), "-e ."]]
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    """Writes `environment.yml` next to the lock, whole or not at all."""
    partial = ROOT / "environment.yml.part"
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    partial.write_text(render(lock), encoding="utf-8")
    os.replace(partial, ROOT / "environment.yml")


if __name__ == "__main__":
    main()
