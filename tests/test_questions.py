"""Question records: by the schema, owned, proved, and quoted in both directions; in seconds."""

from __future__ import annotations

import copy
import json
import shutil

import pytest
import yaml

from helpers.course import questions
from helpers.course.chapters import CourseError, Project, chapters

PROJECT = Project()


def test_the_owners_list_all_questions_once_and_every_chapter_owns_some():
    path = questions.folder(PROJECT) / "owners.yaml"
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert len(listed) == len({entry["id"] for entry in listed}) == 165
    assert {entry["chapter"] for entry in listed} == set(range(1, 31))
    assert {entry["article"][0] for entry in listed} == set("12345")


def test_every_chapter_has_question_records():
    found = {path.stem for path in questions.files(PROJECT)}
    assert found == {chapter.number for chapter in chapters(PROJECT)}


@pytest.mark.parametrize("path", questions.files(PROJECT), ids=lambda path: path.name)
def test_the_records_are_right(path):
    assert questions.problems(PROJECT, path) == []


# What the checks catch: records of a small project with one planted mistake each.

BOTH = {"en": "Words about {size}.", "zh": "关于 {size} 的话。"}
PLAIN = {"en": "Words.", "zh": "话。"}
QUESTION = {
    "id": "A18",
    "question": PLAIN,
    "level": "working",
    "short_answer": BOTH,
    "claims": ["size"],
    "anchor": "full-integer-quantization-int8",
    "pitfalls": [PLAIN],
    "follow_ups": [{"question": PLAIN, "answer": PLAIN}],
}
CHOICES = [
    {"text": "one", "right": True, "why": "because"},
    {"text": "two", "right": False, "why": "because not"},
    {"text": "three", "right": False, "why": "because not"},
]
ITEM = {"question": "Which?", "choices": CHOICES}
CLAIM = {
    "kind": "claim",
    "id": "size",
    "text": "The file is smaller.",
    "value": 3.9,
    "bound": {"at_least": 3.5},
    "unit": "x",
    "status": "holds",
}


@pytest.fixture
def small(tmp_path):
    """A right project whose chapter 19 owns one question; returns (project, check(records))."""
    project = Project(tmp_path)
    folder = questions.folder(project)
    folder.mkdir(parents=True)
    shutil.copy(questions.folder(PROJECT) / "schema.json", folder)
    owned = "- {id: A18, chapter: 19, article: a}\n- {id: A1, chapter: 25, article: a}\n"
    (folder / "owners.yaml").write_text(owned, encoding="utf-8")
    (project.evidence / "claims").mkdir(parents=True)
    ledger = project.evidence / "claims" / "19_quantization.full.json"
    ledger.write_text(json.dumps({"records": [CLAIM]}), encoding="utf-8")
    project.notebooks.mkdir()
    heading = "## Full-integer quantization (`int8`)\n\n```\n# no heading\n```"
    cells = [{"cell_type": "markdown", "metadata": {}, "source": heading}]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    path = project.notebooks / "19_quantization.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")

    def check(change=lambda records: None) -> list[str]:
        records = copy.deepcopy(
            {"chapter": "19_quantization", "questions": [QUESTION], "quiz": [ITEM] * 3}
        )
        records = copy.deepcopy(records)
        change(records)
        found = folder / "19.yaml"
        found.write_text(yaml.safe_dump(records, allow_unicode=True), encoding="utf-8")
        return questions.problems(project, found)

    return project, check


def test_right_records_have_no_problem(small):
    assert small[1]() == []


def plant(path: str, value):
    """A change of records: the entry at the dotted `path` becomes `value` (None: taken out)."""

    def change(records):
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        place = records
        for step in way:
            # One entry of a list may stand in it several times: change a copy.
            place[step] = copy.deepcopy(place[step])
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("questions.0.level", "expert", "questions[0].level: 'expert' is not one of"),
        ("questions.0.short_answer.zh", None, "'zh' is a required property"),
        ("questions.0.short_answer.zh", "English again", "does not match"),
        ("questions.0.claims", [], "questions[0].claims: [] should be non-empty"),
        ("questions.0.pitfalls", [], "should be non-empty"),
        ("questions.0.colour", "red", "Additional properties are not allowed"),
        ("questions.0.id", "A1", "question A1 belongs to another chapter"),
        ("questions.0.id", "A99", "question A18 is not answered"),
        ("questions.0.claims", ["speed"], "names the claim 'speed', which is not made"),
        ("questions.0.claims", ["speed"], "no question names 'size'"),
        ("questions.0.short_answer.en", "It is {speed}.", "quotes 'speed'"),
        ("questions.0.anchor", "somewhere", "points at '#somewhere', which is no heading"),
        ("questions.0.anchor", "no-heading", "points at '#no-heading', which is no heading"),
        ("questions", [QUESTION, QUESTION], "question A18 is answered twice"),
        ("chapter", "18_pruning", "belongs in another file"),
        ("quiz.0.choices.1.right", True, "exactly one choice has to be right"),
        ("quiz.0.choices.0.right", False, "exactly one choice has to be right"),
        ("quiz.0.choices.0.why", " ", "does not match"),
        ("quiz.0.choices", CHOICES[:2], "is too short"),
        ("quiz", [ITEM], "is too short"),
    ],
)
def test_a_planted_mistake_is_named(small, path, value, told):
    found = small[1](plant(path, value))
    assert any(told in problem for problem in found), found


def test_a_missing_ledger_is_named(small):
    project, check = small
    shutil.rmtree(project.evidence)
    assert check() == ["19.yaml: there is no committed full ledger of 19_quantization"]


def test_broken_yaml_is_one_sentence(small):
    path = questions.folder(small[0]) / "19.yaml"
    path.write_text("questions: [", encoding="utf-8")
    with pytest.raises(CourseError, match=r"19\.yaml cannot be read as YAML"):
        questions.problems(small[0], path)


def test_placeholders_are_filled_with_values_and_units():
    ledger = {"size": CLAIM, "share": {**CLAIM, "value": 0.0031, "unit": "%"}}
    text = "It is {size}, or {share}; `{code}` and $\\frac{1}{2}$ stay."
    assert questions.placeholders(text) == ["size", "share"]
    wanted = "It is 3.9 x, or 0.31 %; `{code}` and $\\frac{1}{2}$ stay."
    assert questions.filled(text, ledger) == wanted
    with pytest.raises(CourseError, match="is no claim or value"):
        questions.filled("{other}", ledger)
