"""The offline run really has no network, and names the chapter that reaches out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).parent

offline = pytest.importorskip("offline", reason="network namespaces are a Linux feature")
pytestmark = pytest.mark.skipif(
    offline.namespace() is None, reason="this system allows no network namespace"
)


def test_a_chapter_that_reaches_out_fails_by_name(tmp_path):
    source = {
        "90_quiet": "import socket; socket.create_server(('127.0.0.1', 0)).close()",
        # An address reserved for documentation: nothing can be there.
        "91_reaching": "import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)",
    }
    for name, code in source.items():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    command = [sys.executable, str(HERE / "offline.py"), "-q", "-p", "no:cacheprovider"]
    command += ["-p", "no:xdist", "--rootdir", str(tmp_path), "-c", "/dev/null"]
    command += ["--nbval-lax", "--nbval-current-env", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert "91_reaching" in done.stdout
    assert "Network is unreachable" in done.stdout
