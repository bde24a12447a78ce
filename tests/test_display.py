"""Figures, tables, quizzes and feedback as a reader and a screen reader meet them."""

from __future__ import annotations

import pytest

from helpers import exercises, plots, quiz, resources, tables


@pytest.fixture
def shown(monkeypatch):
    found = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: found.append(data))
    return found


def test_a_figure_has_caption_alt_text_and_table(shown):
    with plots.figure() as (drawing, axes):
        axes.plot([1, 2, 3], [0.5, 0.25, 0.125], label="loss")
        axes.bar([0, 1], [3, 4], label="size")
        axes.scatter([1], [2], label="point")
        axes.axhline(1)
        axes.set(title="Training", xlabel="epoch", ylabel="loss (nats)")
        plots.show(drawing, "Loss falls.")
    (data,) = shown
    assert "<figcaption>Loss falls.</figcaption>" in data["text/html"]
    alt = data["text/html"].split('alt="')[1].split('"')[0]
    assert "Training: loss (nats) against epoch." in alt
    assert "loss: 1 0.5, 2 0.25, 3 0.125." in alt
    assert "<td>loss</td><td>2</td><td>0.25</td>" in data["text/html"]
    assert data["text/plain"].startswith("Figure: Loss falls.")


def test_long_series_are_summed_up(shown):
    with plots.figure() as (drawing, axes):
        axes.plot(range(100), range(100), label="line")
        text = plots.describe(drawing)
        plots.show(drawing, "A line.")
    assert "line: from 0 at 0 to 99 at 99, least 0, greatest 99." in text
    assert shown[0]["text/html"].count("<tr><td>") <= 25


def test_a_figure_without_caption_is_refused():
    with plots.figure() as (drawing, _), pytest.raises(ValueError, match="no caption"):
        plots.show(drawing, " ")


def test_a_table(shown):
    tables.show_table([{"model": "a<b", "p50": 1.25}], "Latency", p50=".1f")
    html = shown[0]["text/html"]
    assert '<th scope="row">a&lt;b</th><td>1.2</td>' in html
    assert shown[0]["text/plain"] == "Table: Latency\nmodel  p50\na<b  1.2"


@pytest.mark.parametrize(
    ("rows", "caption", "formats", "said"),
    [
        ([], "c", {}, "one row"),
        ([{"a": 1}], "", {}, "caption"),
        ([{"a": 1}], "c", {"b": ""}, "'b'"),
    ],
)
def test_a_table_used_wrongly(rows, caption, formats, said):
    with pytest.raises(ValueError, match=said):
        tables.show_table(rows, caption, **formats)


ITEMS = [
    {
        "question": "Is `a < b`?",
        "choices": [
            {"text": "Yes & no", "right": False, "why": "Decide."},
            {"text": "Yes", "right": True, "why": "It is."},
        ],
    }
]


def test_a_quiz_explains_every_choice():
    html = quiz.markup(ITEMS)
    assert html.count("<details") == html.count("<summary>") == 2
    assert "<code>a &lt; b</code>" in html
    assert "Yes &amp; no" in html
    assert html.count("Not so.") == html.count("Right.") == 1
    assert "<script" not in html


def test_a_missing_quiz():
    with pytest.raises(quiz.QuizError, match="no quiz for '99_none'"):
        quiz.load("99_none")


@exercises.checker("9.1", "Doubled.")
def check_double(function):
    exercises.expect(function(2) != 2, "You return the input.")
    exercises.expect(function(2) == 4, "2 should become 4.")


def stub(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (stub, exercises.OPEN, "Fill in the stub"),
        (None, exercises.OPEN, "Fill in the stub"),
        (lambda x: 2 * x, exercises.RIGHT, "Doubled."),
        (lambda x: x, exercises.WRONG, "You return the input."),
        (lambda x: x / 0, exercises.WRONG, "stopped with ZeroDivisionError"),
    ],
)
def test_feedback(answer, status, said):
    feedback = check_double(answer)
    assert feedback.status == status
    assert said in str(feedback)
    assert said in feedback._repr_mimebundle_()["text/html"]


def test_a_resource_card_shows_what_was_measured(tmp_path, monkeypatch):
    path = tmp_path / "resources.json"
    monkeypatch.setattr(resources, "PATH", path)
    assert "not measured yet" in resources.bundle("01_x")["text/plain"]
    path.write_text(
        '{"01_x": {"quick": {"seconds": 12.4, "peak_memory_mb": 1500, "download_mb": 0, '
        '"time": "2026-11-22T10:00:00+00:00"}}}',
        encoding="utf-8",
    )
    card = resources.bundle("01_x")
    assert "quick: 12 s, 1.5 GB, nothing, 2026-11-22" in card["text/plain"]
    assert "<td>12 s</td>" in card["text/html"]
