"""A learner opens a chapter in JupyterLab, in a real browser, and runs all of it from the menu."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import browsing
import pytest

from helpers.course.chapters import Project, find
from helpers.course.lab import command, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    browsing.needs_browser,
    pytest.mark.timeout(600),
]

CELLS = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.model.sharedModel.cells;
  const code = cells.filter(one => one.cell_type === 'code').map(one => one.toJSON());
  return {
    kernel: panel.sessionContext.session?.kernel?.status ?? 'none',
    waiting: code.filter(one => one.source.length > 0 && one.execution_count === null).length,
    errors: code.flatMap(one => one.outputs).filter(one => one.output_type === 'error')
      .map(one => `${one.ename}: ${one.evalue}`),
    noise: code.flatMap(one => one.outputs)
      .filter(one => one.output_type === 'stream' && one.name === 'stderr').map(one => one.text),
  };
}"""


# JupyterLab draws only the cells near the visible ones.
TO_THE_QUIZ = """async () => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const cells = notebook.model.sharedModel.cells;
  const place = cells.findIndex(one => (one.toJSON().metadata.tags ?? []).includes('quiz'));
  await notebook.scrollToItem(place, 'start');
}"""


def without_outputs(path: Path) -> str:
    """The notebook at `path` as JSON, as if nobody had run it."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return json.dumps(notebook)


@pytest.fixture
def laboratory(tmp_path):
    """Starts JupyterLab on a copy of the chapters; returns (address, token)."""
    project = Project()
    (tmp_path / "notebooks").mkdir()
    # A copy: JupyterLab saves by itself, and the committed outputs are those of a full run.
    for path in project.notebooks.glob("*.ipynb"):
        (tmp_path / "notebooks" / path.name).write_text(without_outputs(path), encoding="utf-8")
    port, token = free_port(8950), secrets.token_hex(16)
    own = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    environment = {
        **os.environ,
        **own,
        "JUPYTER_TOKEN": token,
        "COURSE_PROFILE": "quick",
        "COURSE_LEDGER": str(tmp_path / "ledger.json"),
    }
    options = ["--LabApp.expose_app_in_browser=True", "--ServerApp.ip=127.0.0.1"]
    log = (tmp_path / "lab.log").open("w", encoding="utf-8")
    process = subprocess.Popen(
        [*command(Project(tmp_path), port), *options],
        cwd=tmp_path,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2):
                    break
            except OSError:
                assert process.poll() is None, (tmp_path / "lab.log").read_text("utf-8")
                assert time.monotonic() < deadline, "JupyterLab did not answer within 90 s"
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}", token
    finally:
        if process.poll() is None:
            # Asks JupyterLab to end its kernels too; twice means yes, really.
            process.send_signal(getattr(signal, "SIGTERM", signal.SIGINT))
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def test_a_chapter_runs_to_its_end_in_jupyterlab(laboratory):
    address, token = laboratory
    chapter = find(Project(), os.environ.get("COURSE_LAB_CHAPTER", "19"))
    with browsing.browser() as running:
        page = running.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}/lab/tree/notebooks/{chapter.path.name}?token={token}")
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=120_000)
        page.wait_for_function(f"() => ({CELLS})().kernel === 'idle'", timeout=120_000)
        assert page.evaluate(CELLS)["waiting"] > 0

        page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
        page.locator(".lm-Menu-itemLabel").get_by_text("Run All Cells", exact=True).click()
        page.wait_for_function(
            f"() => {{ const now = ({CELLS})(); return now.errors.length > 0 ||"
            " (now.waiting === 0 && now.kernel === 'idle'); }",
            timeout=300_000,
            polling=500,
        )
        found = page.evaluate(CELLS)
        assert found["errors"] == []
        assert found["noise"] == []
        assert found["waiting"] == 0

        page.evaluate(TO_THE_QUIZ)
        choice = page.locator(".course-quiz details[data-right=true]").first
        choice.locator("summary").click()
        assert choice.locator("p").inner_text().startswith("Right.")
