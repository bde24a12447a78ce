"""The reading paths name every chapter, know their time, and refuse a chapter that cannot be."""

from __future__ import annotations

import pytest
import yaml
from course_fixture import make_project

from helpers.course import paths
from helpers.course.chapters import CourseError, Project, chapters


def test_roles_and_the_long_plan_leave_no_chapter_out():
    found = paths.load(Project())
    roles = {number for role in found["roles"] for number in role["chapters"]}
    assert roles == set(range(1, 31))
    longest = max(found["plans"], key=lambda plan: len(plan["days"]))
    assert sorted(n for day in longest["days"] for n in day["chapters"]) == list(range(1, 31))


def test_reading_times_are_plausible():
    for chapter in chapters(Project()):
        assert 10 <= paths.reading_minutes(chapter.path) <= 60, chapter.name


def test_only_chapters_of_the_book_are_listed(tmp_path):
    project = make_project(tmp_path)
    (tmp_path / "data").mkdir(exist_ok=True)
    role = {"name": "Tester", "zh": "测试", "why": "Why.", "chapters": [1, 2, 30]}
    day = {"name": "Day 1", "chapters": [2]}
    plan = {"name": "One day", "zh": "一天", "how": "Read.", "days": [day]}
    text = yaml.safe_dump({"roles": [role], "plans": [plan]})
    (tmp_path / "data" / "paths.yaml").write_text(text, encoding="utf-8")
    page = paths.page(project, [chapter.path for chapter in chapters(project)])
    assert page.count('href="notebooks/01_tiny.html"') == 1
    assert page.count('href="notebooks/02_tiny.html"') == 2
    assert "30_" not in page
    assert "In all: 10 min" in page


def test_an_impossible_chapter_is_one_sentence(tmp_path):
    project = make_project(tmp_path)
    (tmp_path / "data").mkdir(exist_ok=True)
    text = yaml.safe_dump({"roles": [{"name": "Tester", "chapters": [31]}]})
    (tmp_path / "data" / "paths.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match="'Tester' names chapter 31"):
        paths.load(project)
