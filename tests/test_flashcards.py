"""The Anki package is one that Anki can read, and a newer one keeps every card's identity."""

from __future__ import annotations

import sqlite3
import zipfile

import pytest

from helpers.course import flashcards, questions
from helpers.course.chapters import Project

PROJECT = Project()


@pytest.fixture(scope="module")
def records():
    return [questions.load(PROJECT, path) for path in questions.files(PROJECT)]


def collection(package, folder):
    """Rows (guid, fields, tags) of the collection inside an Anki package."""
    with zipfile.ZipFile(package) as archive:
        assert "collection.anki2" in archive.namelist()
        archive.extract("collection.anki2", folder)
    with sqlite3.connect(folder / "collection.anki2") as base:
        assert base.execute("pragma integrity_check").fetchone() == ("ok",)
        cards = base.execute("select count(*) from cards").fetchone()[0]
        rows = base.execute("select guid, flds, tags from notes order by guid").fetchall()
    assert cards == len(rows)
    return rows


def test_every_answered_question_is_a_card_in_both_languages(records, tmp_path):
    path = tmp_path / "cards.apkg"
    count = flashcards.write_package(PROJECT, records, path)
    answered = {one["id"] for record in records for one in record.questions}
    assert count == len(answered) > 30
    rows = collection(path, tmp_path)
    assert {fields.split("\x1f")[0] for _, fields, _ in rows} == answered
    for _, fields, tags in rows:
        name, english, chinese, answer, answer_zh = fields.split("\x1f")
        assert all((english, chinese, answer, answer_zh)), name
        assert "{" not in answer.replace("\\(", ""), f"{name} holds an unfilled value"
        assert "chapter::" in tags
        assert "level::" in tags
    assert not list(tmp_path.glob("*.part"))


def test_a_newer_package_changes_no_identity(records, tmp_path):
    first, second = tmp_path / "first.apkg", tmp_path / "second.apkg"
    flashcards.write_package(PROJECT, records, first)
    flashcards.write_package(PROJECT, records[::-1], second)
    old, new = (collection(path, tmp_path) for path in (first, second))
    assert [row[0] for row in old] == [row[0] for row in new]
    # Anki keeps a learner's reviews by these; another value would make every card a new one.
    assert flashcards.guid("C18") == flashcards.guid("C18") != flashcards.guid("C16")


def test_markdown_becomes_html_and_formulas_become_mathjax():
    found = flashcards.as_html("Use `a < b` and **not** $x^2$.")
    assert found == r"<p>Use <code>a &lt; b</code> and <strong>not</strong> \(x^2\).</p>"


def test_the_sheet_holds_every_card_and_the_page_the_download(records):
    sheet = flashcards.sheet(PROJECT, records)
    assert sheet.count("<section") == sum(len(one.questions) for one in records)
    page = (PROJECT.root / "book" / "flashcards.md").read_text(encoding="utf-8")
    assert f"({flashcards.NAME})" in page


def imported(package, base, review=False):
    """(new, updated, notes, reviews) after Anki itself has imported `package` into `base`."""
    from anki.collection import (
        Collection,
        ImportAnkiPackageOptions,
        ImportAnkiPackageRequest,
    )

    collection = Collection(str(base))
    try:
        options = ImportAnkiPackageOptions()
        request = ImportAnkiPackageRequest(package_path=str(package), options=options)
        log = collection.import_anki_package(request).log
        if review:
            deck = collection.get_note(collection.find_notes("")[0]).cards()[0].did
            collection.decks.select(deck)
            card = collection.sched.getCard()
            card.start_timer()
            collection.sched.answerCard(card, 3)
        notes = [collection.get_note(one) for one in collection.find_notes("")]
        reviews = sum(card.reps for note in notes for card in note.cards())
        return len(log.new), len(log.updated), sorted(note.guid for note in notes), reviews
    finally:
        collection.close()


def test_anki_imports_it_and_a_newer_one_keeps_a_learners_reviews(records, tmp_path):
    first, second = tmp_path / "first.apkg", tmp_path / "second.apkg"
    count = flashcards.write_package(PROJECT, records, first)
    flashcards.write_package(PROJECT, records[::-1], second)
    base = tmp_path / "learner.anki2"
    new, _, guids, reviews = imported(first, base, review=True)
    assert (new, len(guids), reviews) == (count, count, 1)
    again, _, guids_again, reviews_again = imported(second, base)
    assert (again, guids_again, reviews_again) == (0, guids, 1)
