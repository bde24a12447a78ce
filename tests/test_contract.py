"""Every chapter keeps the contract; and the contract can be broken, which it must notice."""

from __future__ import annotations

import copy

import nbformat
import pytest

import contract

CHAPTERS = [pytest.param(path, id=path.stem) for path in contract.NOTEBOOKS]


@pytest.fixture(scope="module")
def read():
    return lambda path: nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", CHAPTERS)
def test_form(path, read):
    assert contract.form(read(path), path.stem, path.stat().st_size) == []


@pytest.mark.parametrize("path", CHAPTERS)
def test_anatomy(path, read):
    assert contract.anatomy(read(path), path.stem) == []


@pytest.mark.parametrize("path", CHAPTERS)
def test_ledger(path, read):
    folder = contract.ROOT / "data" / "evidence" / "claims"
    assert contract.ledger(read(path), path.stem, folder) == []


def test_there_are_chapters():
    assert contract.NOTEBOOKS


def test_the_start_page_lists_every_chapter(read):
    start = read(contract.ROOT / "notebooks" / "START_HERE.ipynb")
    stored = [
        text for cell in start.cells if cell.cell_type == "code" for text in contract.texts(cell)
    ]
    titles = [
        read(path).cells[0].source.splitlines()[0].lstrip("# ") for path in contract.NOTEBOOKS
    ]
    assert "\n".join(titles) in stored


def test_cell_ids_are_unique_over_all_chapters(read):
    ids = [cell.id for path in contract.NOTEBOOKS for cell in read(path).cells]
    assert len(ids) == len(set(ids))


def breaches(notebook, path):
    return contract.form(notebook, path.stem, 1) + contract.anatomy(notebook, path.stem)


def code(notebook, tag):
    return next(cell for cell in notebook.cells if tag in contract.tags(cell))


def plant_stderr(notebook):
    output = nbformat.v4.new_output("stream", name="stderr", text="x")
    code(notebook, "parameters").outputs = [output]


def plant_progress(notebook):
    output = nbformat.v4.new_output("stream", name="stdout", text="1/9\r2/9")
    code(notebook, "parameters").outputs = [output]


def plant_path(notebook):
    notebook.cells[0].source += "\nSee /home/someone/notes."


def plant_typed_number(notebook):
    notebook.cells[0].source += "\n\nThe model reaches 93.1 % here."


def plant_missing_count(notebook):
    code(notebook, "parameters").execution_count = None


def plant_long_cell(notebook):
    code(notebook, "parameters").source += "\n" + "\n".join(f"x{i} = {i}" for i in range(13))


def plant_untagged_claim(notebook):
    code(notebook, "nbval-check-output").metadata.tags = []


def plant_open_solution(notebook):
    code(notebook, "solution").metadata.pop("jupyter")


def plant_lost_section(notebook):
    cell = next(c for c in notebook.cells if "## The trap\n" in c.source)
    cell.source = cell.source.replace("## The trap", "## Something else")


def plant_picture(notebook):
    output = nbformat.v4.new_output("display_data", data={"image/png": "aaaa"})
    code(notebook, "parameters").outputs = [output]


def plant_wrong_solution(notebook):
    code(notebook, "solution").outputs = []


def plant_typed_sentence(notebook):
    cell = code(notebook, "parameters")
    cell.source += '\nsay("It takes 12 ms, {x}.", x=1)'


PLANTED = [
    (plant_stderr, "stored standard error"),
    (plant_progress, "a progress bar"),
    (plant_path, "a machine's path"),
    (plant_typed_number, "typed '93.1 %'"),
    (plant_missing_count, "not one run from a fresh kernel"),
    (plant_long_cell, "lines of code"),
    (plant_untagged_claim, "do not match"),
    (plant_open_solution, "is not collapsed"),
    (plant_lost_section, "the sections are"),
    (plant_picture, "did not go through show()"),
    (plant_wrong_solution, "not judged right"),
    (plant_typed_sentence, "typed '12 ms' in a sentence"),
]


@pytest.mark.parametrize(
    ("plant", "said"), PLANTED, ids=lambda value: getattr(value, "__name__", "")
)
def test_the_contract_notices(plant, said, read):
    path = contract.NOTEBOOKS[-1]
    notebook = copy.deepcopy(read(path))
    plant(notebook)
    assert any(said in breach for breach in breaches(notebook, path))


@pytest.mark.parametrize(
    ("prose", "found"),
    [
        ("It reaches 0.93 at once.", ["0.93"]),
        ("It is 3.5x smaller and takes 20 ms.", ["3.5x", "20 ms"]),
        ("The bound is `0.93`, and $x = 0.93$.", []),
        ("[Hinton](https://arxiv.org/abs/1503.02531) reports 12.5 %.", []),
        ("The data has 10 classes, Python 3.11 or chapter 13.", ["3.11"]),
        ("A 70B model, int8 weights, top-1.", []),
    ],
)
def test_typed_numbers(prose, found):
    assert contract.typed_numbers(prose) == found
