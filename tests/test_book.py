"""The book builds without a warning from the stored outputs, and loads nothing from elsewhere."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browsing
import pytest
import yaml
from bs4 import BeautifulSoup

from helpers.course import book, questions
from helpers.course import pages as generated
from helpers.course.book import BookError
from helpers.course.chapters import CourseError, Project, chapters
from helpers.course.question_index import question_index

PROJECT = Project()
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return browsing.built_once(browsing.shared_folder(tmp_path_factory))


@pytest.fixture(scope="module")
def site(built):
    return built[0]


def pages(site: Path) -> list[Path]:
    return [path for path in site.rglob("*.html") if "_static" not in path.parts]


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "lxml")


def test_builds_within_two_minutes(built):
    site, seconds = built
    assert (site / "index.html").exists()
    assert seconds < 120  # alone it takes a fifth of that; here another test runs beside it


def test_every_chapter_is_in_the_book_and_in_the_contents(site):
    listed = {link.get("href") for link in soup(site / "index.html").select("nav.bd-links a")}
    for chapter in chapters(PROJECT):
        assert (site / "notebooks" / f"{chapter.name}.html").exists()
        assert f"notebooks/{chapter.name}.html" in listed


def resources(page: BeautifulSoup) -> list[str]:
    """Addresses that a browser fetches by itself when it shows `page`."""
    found = []
    for tag in page.find_all(["script", "img", "iframe", "source", "video", "audio", "embed"]):
        found.append(tag.get("src"))
        found += [part.split()[0] for part in (tag.get("srcset") or "").split(",") if part.strip()]
    for link in page.find_all("link"):
        if set(link.get("rel", [])) & {"stylesheet", "preload", "icon", "prefetch", "manifest"}:
            found.append(link.get("href"))
    for style in page.find_all("style"):
        found += re.findall(r"url\(['\"]?([^'\")]+)", style.get_text())
    return [one for one in found if one]


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_missing(site):
    wrong = []
    for path in pages(site):
        for address in resources(soup(path)):
            if address.startswith("data:"):
                continue
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                wrong.append(f"{path.name} loads {address}")
            elif not (path.parent / unquote(parts.path)).exists():
                wrong.append(f"{path.name} misses {address}")
    for path in (site / "_static").rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        for address in re.findall(r"(?:url\(|@import\s+)['\"]?([^'\")\s]+)", text):
            if address.startswith(("http:", "https:", "//")):
                wrong.append(f"{path.name} loads {address}")
    assert not wrong


def test_the_check_for_foreign_resources_sees_them():
    planted = (
        '<script src="https://x.org/a.js"></script><link rel="stylesheet" href="//x.org/b.css">'
    )
    assert resources(BeautifulSoup(planted, "lxml")) == ["https://x.org/a.js", "//x.org/b.css"]


def test_headings_descend_by_one_level(site):
    wrong = []
    for path in pages(site):
        article = soup(path).select_one("article.bd-article")
        if article is None:
            continue
        levels = [int(tag.name[1]) for tag in article.find_all(re.compile(r"^h[1-6]$"))]
        if levels[:1] != [1] or levels.count(1) != 1:
            wrong.append(f"{path.name}: starts with {levels[:3]}")
        steps = itertools.pairwise(levels)
        wrong += [f"{path.name}: h{a} is followed by h{b}" for a, b in steps if b > a + 1]
    assert not wrong


def test_images_have_a_text_alternative(site):
    bare = [
        f"{path.name}: {str(image)[:80]}"
        for path in pages(site)
        for image in soup(path).select("article img")
        if not (image.get("alt") or "").strip()
    ]
    assert not bare


def test_no_page_is_heavy(site):
    assert [path.name for path in pages(site) if path.stat().st_size > 2_000_000] == []


def test_chapters_can_be_launched_and_downloaded(site):
    for chapter in chapters(PROJECT):
        page = soup(site / "notebooks" / f"{chapter.name}.html")
        links = [link.get("href", "") for link in page.select(".header-article-items a")]
        assert any(link.startswith("https://mybinder.org/") for link in links)
        colab = "https://colab.research.google.com/github/"
        (on_colab,) = [link for link in links if link.startswith(colab)]
        assert on_colab.endswith(f"/blob/colab/notebooks/{chapter.name}.ipynb")
        assert all(f"notebooks/{chapter.name}.ipynb" in link for link in links if "http" in link)
        download = next(link for link in links if link.endswith(".ipynb") and "http" not in link)
        assert (site / "notebooks" / download).resolve().exists()


def test_the_question_page_holds_every_question_with_answer_and_proof(site):
    page = soup(site / "questions.html")
    records = [questions.load(PROJECT, path) for path in questions.files(PROJECT)]
    assert records
    for one in records:
        for question in one.questions:
            place = page.find(id=f"question-{question['id'].lower()}")
            assert place is not None, question["id"]
            section = place if place.name == "section" else place.find_parent("section")
            text = section.get_text()
            assert question["question"]["zh"].strip() in text
            assert len(HAN.findall(section.select_one('div[lang="zh-CN"]').get_text())) > 5
            wanted = f"notebooks/{one.chapter}.html#{question['anchor']}"
            assert wanted in [link.get("href") for link in section.find_all("a")]
            chapter = soup(site / "notebooks" / f"{one.chapter}.html")
            assert chapter.find(id=question["anchor"]) is not None, wanted
            assert len(section.select("ul.course-proof > li")) == len(question["claims"])
    for text in page.select_one("article").find_all(string=re.compile(r"\{[a-z_0-9]+\}")):
        assert text.find_parent(["code", "span"]), f"a placeholder was left over: {text}"


def test_the_evidence_page_holds_every_claim_and_how_it_was_measured(site):
    page = soup(site / "evidence.html")
    ledgers = list((PROJECT.evidence / "claims").glob("*.json"))
    assert ledgers
    for path in ledgers:
        ledger = json.loads(path.read_text(encoding="utf-8"))
        place = page.find(id=f"evidence-{ledger['chapter'][:2]}")
        section = place if place.name == "section" else place.find_parent("section")
        runs = section.get_text()
        assert ledger["time"][:10] in runs
        assert f"keras {ledger['versions']['keras']}" in runs
        for record in ledger["records"]:
            if record["kind"] == "claim":
                place = page.find(id=f"claim-{ledger['chapter'][:2]}-{record['id']}")
                assert place is not None, record["id"]
                assert record["text"] in place.get_text()
                assert [link for link in place.parent.find_all("a") if "question-" in link["href"]]


# A small project of its own: what the book does with notebooks that are not as they should be.


def code(source: str, tags: tuple[str, ...] = (), count: int | None = 1, outputs=()) -> dict:
    return {
        "cell_type": "code",
        "id": f"c{abs(hash((source, tags))) % 10**8}",
        "metadata": {"tags": list(tags)},
        "source": source,
        "execution_count": count,
        "outputs": list(outputs),
    }


def text(source: str) -> dict:
    return {"cell_type": "markdown", "id": f"m{len(source)}", "metadata": {}, "source": source}


@pytest.fixture
def small(tmp_path):
    """A project with one chapter; returns (project, a function that writes its cells)."""
    root = tmp_path / "course"
    shutil.copytree(PROJECT.root / "book", root / "book")
    (root / "notebooks").mkdir()
    (root / "data" / "questions").mkdir(parents=True)
    shutil.copy(PROJECT.root / "data" / "questions" / "owners.yaml", root / "data" / "questions")

    def write(*cells: dict, name: str = "19_quantization") -> None:
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": kernel},
            "cells": [text(f"# {name}\n\nIt begins."), *cells],
        }
        path = root / "notebooks" / f"{name}.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")

    return Project(root), write


def test_a_notebook_without_outputs_is_refused_by_name(small, tmp_path):
    project, write = small
    write(code("1 + 1", count=None))
    with pytest.raises(BookError, match=r"19_quantization.*no stored outputs.*course refresh"):
        book.stage(project, tmp_path / "stage")


def test_a_stored_error_is_refused(small, tmp_path):
    project, write = small
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}
    write(code("1 / 0", outputs=[error]))
    with pytest.raises(BookError, match="holds an error in the output of cell 2"):
        book.stage(project, tmp_path / "stage")


def test_injected_parameters_are_removed_and_the_parameters_stay(small, tmp_path):
    project, write = small
    write(code("SEED = 0", ("parameters",)), code("SEED = 7", ("injected-parameters",)))
    stage = book.stage(project, tmp_path / "stage")
    staged = json.loads((stage / "notebooks" / "19_quantization.ipynb").read_text("utf-8"))
    found = {cell["source"]: cell["metadata"].get("tags", []) for cell in staged["cells"]}
    assert "remove-cell" in found["SEED = 7"]
    assert "remove-cell" not in found["SEED = 0"]


def test_the_contents_follow_the_notebooks(small, tmp_path):
    project, write = small
    write(code("1"))
    write(code("1"), name="08_augmentation")
    stage = book.stage(project, tmp_path / "stage")
    contents = yaml.safe_load((stage / "_toc.yml").read_text("utf-8"))
    found = {
        part["caption"]: [entry["file"] for entry in part["chapters"]] for part in contents["parts"]
    }
    assert found.pop("Find your way")
    assert found == {
        "Part II - Data": ["notebooks/08_augmentation"],
        "Part V - Compress and accelerate": ["notebooks/19_quantization"],
    }


def test_the_committed_contents_have_a_place_for_all_thirty_chapters():
    contents = yaml.safe_load((PROJECT.root / "book" / "_toc.yml").read_text("utf-8"))
    names = [f"{number:02d}_chapter" for number in range(1, 31)]
    parts = book.expanded_contents(contents, names)["parts"]
    entries = [entry["file"] for part in parts for entry in part["chapters"]]
    placed = [one for one in entries if one.startswith("notebooks/")]
    assert placed == [f"notebooks/{name}" for name in names]


def test_no_chapter_is_one_sentence(small, tmp_path):
    with pytest.raises(CourseError, match="No chapter was found"):
        book.build(out=tmp_path / "out", project=small[0])
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_builder_is_one_sentence(small, tmp_path, monkeypatch):
    monkeypatch.setattr(book.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BookError, match="jupyter-book is not installed"):
        book.build(out=tmp_path / "out", project=small[0])


def test_a_dead_link_stops_the_build_and_keeps_the_former_site(small, tmp_path):
    project, write = small
    write(text("## Next\n\n[chapter 2](02_missing.ipynb)"))
    former = tmp_path / "out" / "html" / "index.html"
    former.parent.mkdir(parents=True)
    former.write_text("former", encoding="utf-8")
    with pytest.raises(BookError, match=r"(?s)repair these.*02_missing"):
        book.build(out=tmp_path / "out", project=project)
    assert former.read_text(encoding="utf-8") == "former"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["html"]


@pytest.mark.parametrize(
    ("named", "address"),
    [
        ("git@github.com:someone/course.git", "https://github.com/someone/course"),
        ("https://github.com/someone/course/", "https://github.com/someone/course"),
        ("", "fallback"),
    ],
)
def test_the_address_of_the_repository(small, monkeypatch, named, address):
    monkeypatch.setenv("COURSE_REPOSITORY", named)
    assert book.repository(small[0], "fallback") == address


def test_an_unusable_address_is_one_sentence(small, monkeypatch):
    monkeypatch.setenv("COURSE_REPOSITORY", "somewhere")
    with pytest.raises(BookError, match="COURSE_REPOSITORY is 'somewhere'"):
        book.repository(small[0], "fallback")


RUN = {
    "chapter": "19_quantization",
    "profile": "full",
    "seed": 3,
    "time": "2030-01-02T03:04:05+00:00",
    "machine": {"processor": "x86_64", "system": "Linux", "cores": 2, "memory_gb": 8, "gpus": 0},
    "versions": {"python": "3.11.1", "keras": "3.15.0"},
    "records": [
        {
            "kind": "claim",
            "id": "size",
            "text": "The file is < half.",
            "value": 3.97,
            "bound": {"at_least": 3.5},
            "unit": "x",
            "status": "holds",
        },
        {"kind": "value", "id": "bytes", "text": "", "value": 1234, "unit": "bytes"},
    ],
}
TITLES = {"19_quantization": "19 Quantization"}


def keep(project: Project, name: str, content: dict) -> None:
    path = project.evidence / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def rows(markup: str) -> list[str]:
    found = BeautifulSoup(markup, "lxml").select("tbody tr")
    return [" | ".join(cell.get_text(" ", strip=True) for cell in row) for row in found]


def test_the_evidence_page_sets_the_profiles_side_by_side(small):
    project = small[0]
    claim = RUN["records"][0]
    tiny = {**claim, "value": 2.5, "status": "too small"}
    keep(project, "claims/19_quantization.full.json", RUN)
    quick = {**RUN, "profile": "quick", "seed": 0, "records": [tiny]}
    keep(project, "claims/19_quantization.quick.json", quick)
    question = {"id": "A18", "claims": ["size"]}
    records = [questions.Records("19_quantization", Path("19.yaml"), (question,), ())]
    found = rows(generated.evidence(project, TITLES, records))
    assert (
        found[0] == "The file is < half. size | at least 3.5 x | 3.97 x | 2.5 x (too small) | A18"
    )
    assert found[1].startswith("full | 3 | 2030-01-02 | Linux x86_64, 2 cores, 8 GB, no GPU")
    assert found[2].startswith("quick | 0 | 2030-01-02")
    assert "keras 3.15.0" in found[1]


def test_the_status_page_holds_costs_and_environment(small):
    project = small[0]
    cost = {"seconds": 12.4, "peak_memory_mb": 1240, "download_mb": 31, "time": RUN["time"]}
    keep(project, "resources.json", {"19_quantization": {"full": cost}})
    keep(project, "claims/19_quantization.full.json", RUN)
    found = rows(generated.status(project, TITLES))
    assert found[0] == "19 Quantization | full | 12 s | 1.2 GB | 31 MB | 2030-01-02"
    assert "keras | 3.15.0" in found


def test_the_benchmark_page_shows_rows_and_named_mappings(small):
    project = small[0]
    record = {
        "benchmark": "compression",
        "repeats": 3,
        **{name: RUN[name] for name in ("time", "machine", "versions")},
        "results": {
            "cores": 2,
            "models": [{"name": "float32", "same": True}, {"name": "int8", "p50_ms": 0.25}],
            "ways": {"naive": {"median": 4.0}, "tuned": {"median": 1.5}},
        },
    }
    keep(project, "bench-compression.json", record)
    page = generated.benchmarks(project)
    assert rows(page) == ["float32 | yes | -", "int8 | - | 0.25", "naive | 4", "tuned | 1.5"]
    assert "3 repetitions on 2030-01-02" in page


def test_pages_without_evidence_say_so(small):
    project = small[0]
    assert "No run has been recorded yet" in generated.evidence(project, TITLES, [])
    assert "No chapter has been measured yet" in generated.status(project, TITLES)
    assert "No benchmark has been recorded yet" in generated.benchmarks(project)


def test_answers_without_a_ledger_are_refused(small):
    records = [questions.Records("19_quantization", Path("19.yaml"), (), ())]
    with pytest.raises(CourseError, match="no committed full ledger of 19_quantization"):
        question_index(small[0], TITLES, records)


def test_a_question_with_an_unknown_claim_is_refused_by_name(small):
    both = {"en": "Words.", "zh": "话。"}
    question = {
        "id": "A18",
        "question": both,
        "short_answer": both,
        "claims": ["speed"],
        "anchor": "quiz",
    }
    keep(small[0], "claims/19_quantization.full.json", RUN)
    records = [questions.Records("19_quantization", Path("19.yaml"), (question,), ())]
    with pytest.raises(CourseError, match=r"19\.yaml: question A18: the claim 'speed' is not in"):
        question_index(small[0], TITLES, records)


def test_chinese_is_indexed_by_characters_and_pairs(monkeypatch):
    monkeypatch.syspath_prepend(PROJECT.root / "book" / "_ext")
    from chinese_search import pairs

    assert pairs("做int8校准，再量化") == [
        "做",
        "int8",
        "校",
        "准",
        "校准",
        "再",
        "量",
        "化",
        "再量",
        "量化",
    ]
    assert pairs("Plain words") == ["Plain", "words"]
