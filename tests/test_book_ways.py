"""Every question is two clicks away, proof and question lead to each other, and other ways out."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date
from urllib.parse import urljoin

import browsing
import pytest
import yaml
from bs4 import BeautifulSoup
from course_fixture import code, make_project, markdown, write_notebook
from typer.testing import CliRunner

from helpers.course import book, pdf, questions
from helpers.course.book import BookError
from helpers.course.chapters import Project, chapters
from helpers.course.cli import app
from helpers.course.store import Result

PROJECT = Project()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return browsing.built_once(browsing.shared_folder(tmp_path_factory))[0]


@pytest.fixture(scope="module")
def soup(site):
    known = {}

    def read(name):
        if name not in known:
            known[name] = BeautifulSoup((site / name).read_text(encoding="utf-8"), "lxml")
        return known[name]

    return read


@pytest.fixture(scope="module")
def answered():
    records = [questions.load(PROJECT, path) for path in questions.files(PROJECT)]
    return {one["id"]: (record.chapter, one) for record in records for one in record.questions}


def linked(page, name):
    """Addresses inside the site that the page `name` links to, below its root."""
    found = {urljoin(name, link["href"]) for link in page.find_all("a", href=True)}
    return {address for address in found if "//" not in address}


def test_every_question_of_a_chapter_that_exists_is_two_clicks_from_the_start_page(soup, answered):
    numbers = {int(chapter.name[:2]) for chapter in chapters(PROJECT)}
    owed = {name for name, one in questions.owners(PROJECT).items() if one["chapter"] in numbers}
    assert set(answered) == owed
    first = {a.partition("#")[0] for a in linked(soup("index.html"), "index.html")}
    second = set().union(*(linked(soup(n), n) for n in first if n.endswith(".html")))
    missing = {n for n in owed if f"questions.html#question-{n.lower()}" not in second}
    assert missing == set()


def test_question_and_proving_claim_lead_to_each_other(soup, answered):
    index, evidence = soup("questions.html"), soup("evidence.html")
    there, back = set(), set()
    for name in answered:
        place = index.find(id=f"question-{name.lower()}")
        section = place if place.name == "section" else place.find_parent("section")
        for link in section.select("ul.course-proof a"):
            page, _, claim = link["href"].partition("#")
            assert page == "evidence.html"
            there.add((name, claim))
    for head in evidence.select("th[id^=claim-]"):
        for link in head.find_parent("tr").select("a[href^='questions.html#question-']"):
            back.add((link.get_text(), head["id"]))
    assert there == back
    assert {name for name, _ in there} == set(answered)


def test_the_finder_lists_every_question_with_what_it_is_found_by(soup, answered):
    rows = soup("find.html").select("tr[data-topic]")
    listed = {row.a["href"].rpartition("-")[2].upper(): row for row in rows}
    assert set(listed) == set(answered)
    assert len(rows) == len(listed)
    for name, (chapter, question) in answered.items():
        row = listed[name]
        assert question["question"]["zh"].strip() in row.get_text()
        assert row["data-level"] == question["level"]
        assert row["data-article"][0] == questions.owners(PROJECT)[name]["article"][0]
        assert row["data-chapter"].startswith(chapter[:2])


def test_the_head_of_a_chapter_says_what_it_was_measured_on_and_links_its_questions(soup, answered):
    for chapter in chapters(PROJECT):
        name = f"notebooks/{chapter.name}.html"
        line = soup(name).select_one("p.course-meta").get_text()
        ledger = PROJECT.evidence / "claims" / f"{chapter.name}.full.json"
        known = json.loads(ledger.read_text(encoding="utf-8"))
        assert known["time"][:10] in line
        assert f"profile full with seed {known['seed']}" in line
        assert known["machine"]["processor"] in line
        assert date.fromisoformat(re.search(r"\d{4}-\d\d-\d\d", line)[0]) <= date.today()
        own = {n for n, (owner, _) in answered.items() if owner == chapter.name}
        wanted = {f"questions.html#question-{n.lower()}" for n in own}
        assert wanted <= linked(soup(name), name)


@pytest.fixture
def small(tmp_path):
    """A project with one executed chapter."""
    root = tmp_path / "course"
    shutil.copytree(PROJECT.root / "book", root / "book")
    (root / "data" / "questions").mkdir(parents=True)
    shutil.copy(PROJECT.root / "data" / "questions" / "owners.yaml", root / "data" / "questions")
    cells = [markdown("# 19 Tiny\n\nIt begins.\n\nQuestions answered here: A18, F11"), code("1")]
    cells[1] |= {"execution_count": 1}
    write_notebook(root / "notebooks" / "19_quantization.ipynb", cells)
    return Project(root)


def test_a_run_of_ones_own_takes_the_place_of_the_stored_outputs(small, tmp_path):
    folder = tmp_path / "run"
    cell = code("2")
    cell["execution_count"] = 1
    write_notebook(folder / "19_quantization.ipynb", [markdown("# 19 Mine\n\nText."), cell])
    machine = {"system": "Linux", "processor": "abc", "cores": 2, "memory_gb": 8}
    ledger = {"time": "2026-01-02T03:04:05", "profile": "quick", "seed": 7, "machine": machine}
    (folder / "ledger.json").write_text(json.dumps(ledger), encoding="utf-8")
    fields = dict.fromkeys(Result.__dataclass_fields__)
    run = Result(**fields | {"chapter": "19_quantization", "folder": folder})
    staged = book.stage(small, tmp_path / "stage", {"19_quantization": run}) / "notebooks"
    shown = (staged / "19_quantization.ipynb").read_text(encoding="utf-8")
    assert "19 Mine" in shown
    assert "measured on 2026-01-02 in the profile <code>quick</code> with seed 7" in shown


@pytest.mark.parametrize(
    ("hub", "known"), [("", None), ("https://hub.example.org/", "https://hub.example.org")]
)
def test_a_jupyterhub_gets_its_launch_button(small, tmp_path, monkeypatch, hub, known):
    monkeypatch.setenv("COURSE_JUPYTERHUB", hub)
    stage = book.stage(small, tmp_path / "stage")
    found = yaml.safe_load((stage / "_config.yml").read_text("utf-8"))["launch_buttons"]
    assert found.get("jupyterhub_url") == known


def test_an_address_that_is_no_hub_is_one_sentence(small, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_JUPYTERHUB", "my hub")
    with pytest.raises(BookError, match="COURSE_JUPYTERHUB is 'my hub'; give an address"):
        book.stage(small, tmp_path / "stage")


@pytest.mark.browser
@browsing.needs_browser
def test_the_pdf_has_an_outline_and_leaves_out_what_needs_a_browser(small, tmp_path):
    path = pdf.write_pdf(tmp_path / "out", small)
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/Outlines" in content
    assert b"/MarkInfo" in content
    assert b"(19 Tiny)" in content
    assert b"(Practice)" not in content
    assert [one.name for one in path.parent.iterdir()] == ["book.pdf"]


def test_a_pdf_without_a_browser_is_one_sentence(small, tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "browser_path", lambda: "")
    with pytest.raises(BookError, match=r"none of chromium.* was found.*install a browser"):
        pdf.write_pdf(tmp_path / "out", small)


def call(project, *arguments):
    return CliRunner().invoke(app, ["--project", str(project.root), *arguments])


def test_a_pdf_of_runs_is_refused(small):
    found = call(small, "book", "--pdf", "--profile", "quick")
    assert found.exit_code != 0
    assert "leave --profile out" in f"{found.exception} {found.output}"


def test_the_book_of_a_profile_runs_what_is_not_fresh_and_shows_it(tmp_path):
    project = make_project(tmp_path / "course")
    shutil.copytree(PROJECT.root / "book", project.root / "book")
    (project.root / "data" / "questions").mkdir(parents=True)
    owners = PROJECT.root / "data" / "questions" / "owners.yaml"
    shutil.copy(owners, project.root / "data" / "questions")
    refused = call(project, "book")
    assert refused.exit_code != 0
    assert "no stored outputs" in f"{refused.exception} {refused.output}"
    found = call(project, "book", "--profile", "quick")
    assert found.exit_code == 0, f"{found.exception} {found.output}"
    site = project.root / "artifacts" / "book" / "html"
    page = (site / "notebooks" / "01_tiny.html").read_text(encoding="utf-8")
    assert "scale  1.0" in page
    assert "<code>quick</code> with seed 0" in page
    stored = (project.notebooks / "01_tiny.ipynb").read_text(encoding="utf-8")
    assert '"execution_count": null' in stored
