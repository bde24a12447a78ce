"""Editions: no solution leaks, notes and stubs stand where they belong, and all of them execute."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from course_fixture import PARAMETERS, code, make_project, markdown, write_notebook

import contract
from helpers.course import editions
from helpers.course.chapters import ROOT, Chapter, CourseError, Project, chapters, joined, select

SOLUTION = "def double(x):\n    return x + x\n\n\nprint(check_double(double))"
RECORD = """
chapter: 03_lesson
questions:
  - id: Z1
    question: {en: "Why double?", zh: "为什么要加倍？"}
    level: working
    short_answer: {en: "Because.", zh: "因为。"}
    claims: [it]
    anchor: a-section
    pitfalls:
      - {en: "Halving.", zh: "减半。"}
    follow_ups:
      - question: {en: "And triple?", zh: "三倍呢？"}
        answer: {en: "Later.", zh: "以后。"}
quiz: []
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Project:
    monkeypatch.setenv("COURSE_REPOSITORY", "https://github.com/someone/course")
    found = make_project(tmp_path / "course")
    hidden = code(SOLUTION, "solution", "hide-cell")
    hidden["metadata"]["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
    shown = code("total = sum(numbers)\nprint(total)")
    shown |= {"outputs": [{"output_type": "stream", "name": "stdout", "text": "6\n"}]}
    cells = [
        markdown(
            "# 03 Lesson\n\nProse that recall leaves out.\n\n> Why double?\n>\n> And why not?"
        ),
        code(PARAMETERS, "parameters"),
        markdown("## A section\n\nMore prose.\n\n```python\n# not a heading\n```"),
        code("import math\n\nnumbers = [1, 2, 3]\nfactor = math.sqrt(4)"),
        shown,
        markdown("## Exercises\n\n### Exercise 03.1: double\n\nWrite `double`."),
        code("def double(x):\n    raise NotImplementedError", "exercise"),
        code(
            "def check_double(answer):\n    try:\n        return answer(2) == 2 * factor\n"
            "    except NotImplementedError:\n        return 'not attempted yet'\n\n\n"
            "print(check_double(double))",
            "check",
        ),
        hidden,
    ]
    write_notebook(found.notebooks / "03_lesson.ipynb", cells)
    records = found.root / "data" / "questions"
    records.mkdir(parents=True)
    (records / "03.yaml").write_text(RECORD, encoding="utf-8")
    (records / "schema.json").write_text("{}", encoding="utf-8")
    return found


def made(project: Project, kind: str) -> tuple[list[dict], str]:
    notebook = editions.make(project, select(project, ["3"])[0], kind)
    texts = [joined(cell["source"]) for cell in notebook["cells"]]
    return notebook["cells"], "\n".join(texts)


def test_learner_has_the_stub_and_neither_solution_nor_outputs(project):
    cells, text = made(project, "learner")
    assert "raise NotImplementedError" in text
    assert "return x + x" not in text
    assert all(not cell.get("outputs") for cell in cells)


def test_instructor_opens_the_solution_and_adds_notes(project):
    card = {"seconds": 61.0, "peak_memory_mb": 500.0, "sections": [["A section", 42.0]]}
    project.evidence.mkdir(parents=True, exist_ok=True)
    evidence = json.dumps({"03_lesson": {"full": card}})
    (project.evidence / "resources.json").write_text(evidence, encoding="utf-8")
    cells, text = made(project, "instructor")
    solution = next(cell for cell in cells if "solution" in editions.tags(cell))
    assert solution["metadata"] == {"tags": ["solution"]}
    assert any(cell.get("outputs") for cell in cells)
    assert "1 min 01 s" in text
    assert "A section: 42 s" in text
    for part in ("Why double?", "为什么要加倍？", "Because.", "Halving.", "And triple? Later."):
        assert part in text
    note = next(i for i, cell in enumerate(cells) if cell["id"] == "note-Z1")
    assert joined(cells[note - 1]["source"]).startswith("## A section")


def test_recall_keeps_headings_questions_and_what_exercises_need(project):
    _, text = made(project, "recall")
    assert "prose" not in text.lower()
    assert "# not a heading" not in text
    assert "# 03 Lesson\n\n> Why double?\n>\n> And why not?" in text
    assert "Write `double`." in text
    assert "**Z1** Why double?" in text
    assert "Because." not in text
    assert "total = sum" not in text
    assert "# It calls: sum, print.\n# It makes: total." in text
    assert "factor = math.sqrt(4)" in text, "the check needs it"
    assert "return x + x" not in text


def test_slides_are_marked_and_a_mark_of_the_author_stays(project):
    path = project.notebooks / "03_lesson.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][3]["metadata"]["slideshow"] = {"slide_type": "notes"}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    cells, _ = made(project, "slides")
    marks = [cell["metadata"]["slideshow"]["slide_type"] for cell in cells]
    assert marks == ["slide", "skip", "slide", "notes", "-", "slide", "-", "skip"]


@pytest.mark.parametrize("kind", editions.EDITIONS)
def test_each_edition_of_the_small_chapter_is_valid(project, tmp_path, kind):
    paths = editions.write(project, select(project, ["3"]), kind, tmp_path / "out")
    notebook = nbformat.read(paths[0], as_version=4)
    nbformat.validate(notebook)
    ids = [cell["id"] for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert len(paths) == (2 if kind == "slides" else 1)
    if kind == "slides":
        assert "reveal" in paths[1].read_text(encoding="utf-8")


def execute(path: Path, cwd: Path = ROOT / "notebooks") -> None:
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(cwd)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()


def test_the_recall_edition_of_the_small_chapter_executes(project, tmp_path):
    # The other editions hold more of the chapter; this one is the one that could miss a name.
    chosen = select(project, ["3"])
    execute(editions.write(project, chosen, "recall", tmp_path / "out")[0], project.notebooks)


def test_the_colab_edition_sets_up_a_bare_runtime_and_nothing_else(project, monkeypatch, tmp_path):
    cells, _ = made(project, "colab")
    source = cells[1]["source"]
    assert '"https://github.com/someone/course", "course"]' in source
    bare = tmp_path / "bare"
    bare.mkdir()
    monkeypatch.chdir(bare)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("it is installed here"))
    exec(compile(source, "cell", "exec"), {})
    assert Path.cwd() == bare
    (bare / "course" / "notebooks").mkdir(parents=True)
    exec(compile(source, "cell", "exec"), {})
    assert Path.cwd() == bare / "course" / "notebooks"
    exec(compile(source, "cell", "exec"), {})
    assert Path.cwd() == bare / "course" / "notebooks"


def test_colab_without_an_address_is_one_sentence(project, monkeypatch):
    monkeypatch.setenv("COURSE_REPOSITORY", "")
    with pytest.raises(CourseError, match="set COURSE_REPOSITORY to its address"):
        made(project, "colab")


def test_bad_requests_are_one_sentence_and_write_nothing(project, tmp_path):
    chosen = select(project, ["all"])
    with pytest.raises(CourseError, match="There is no edition 'student'"):
        editions.write(project, chosen, "student", tmp_path / "out")
    with pytest.raises(CourseError, match="cannot replace the chapters"):
        editions.write(project, chosen, "learner", project.notebooks)
    assert not (tmp_path / "out").exists()
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(CourseError, match="name another folder"):
        editions.write(project, chosen, "learner", blocked)


def real_chapters() -> list[Chapter]:
    try:
        return list(chapters(Project()))
    except CourseError:
        return []


def _body(source: str) -> list[str]:
    """The telling lines of a solution: those that the stub and the check do not share."""
    lines = [re.sub(r"\s+", " ", line).strip() for line in source.splitlines()]
    return [line for line in lines if len(line) > 12 and not line.startswith(("#", "def ", "@"))]


@pytest.mark.parametrize("chapter", real_chapters(), ids=lambda chapter: chapter.name)
def test_no_solution_of_the_course_leaks_into_the_learner_edition(chapter):
    original = json.loads(chapter.path.read_text(encoding="utf-8"))["cells"]
    solutions = [cell for cell in original if "solution" in editions.tags(cell)]
    assert solutions, "a chapter has exercises with solutions"
    # Lines that the chapter itself teaches outside its solutions are not secrets.
    taught = {
        line
        for cell in original
        if "solution" not in editions.tags(cell)
        for line in _body(joined(cell["source"]))
    }
    learner = editions.make(Project(), chapter, "learner")
    text = re.sub(r"\s+", " ", json.dumps(learner, ensure_ascii=False))
    for cell in solutions:
        source = joined(cell["source"])
        assert json.dumps(source, ensure_ascii=False)[1:-1] not in text
        for line in set(_body(source)) - taught:
            assert json.dumps(line, ensure_ascii=False)[1:-1] not in text, line


@pytest.mark.slow
@pytest.mark.parametrize("kind", editions.EDITIONS)
@pytest.mark.parametrize("chapter", real_chapters(), ids=lambda chapter: chapter.name)
def test_each_edition_of_each_chapter_executes(chapter, kind, tmp_path, monkeypatch):
    arranged = "in this chapter an edition only leaves out or arranges what nbval executes"
    if chapter.name not in contract.FIRST:
        pytest.skip(arranged)
    if kind not in ("learner", "recall") and chapter.number != "01":
        pytest.skip(arranged)
    monkeypatch.setenv("COURSE_REPOSITORY", "https://github.com/someone/course")
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    monkeypatch.setenv("COURSE_LEDGER", str(tmp_path / "ledger.json"))
    execute(editions.write(Project(), [chapter], kind, tmp_path / "out")[0])
