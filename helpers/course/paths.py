"""The book's page of reading paths: by interview role, and by the days that are left."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.course.chapters import CourseError, Project, cells, content, title
from helpers.course.pages import table

# Silent reading of non-fiction: 238 words a minute (Brysbaert 2019,
# https://doi.org/10.1016/j.jml.2019.104047). Code is read line by line, more slowly.
WORDS_A_MINUTE, CODE_LINES_A_MINUTE = 238, 12


def reading_minutes(path: Path) -> int:
    """Minutes to read the notebook at `path` from top to bottom, rounded up to five."""
    words = lines = 0
    for cell in cells(content(path)):
        if cell.kind == "markdown":
            words += len(re.findall(r"[A-Za-z]+|[\u4e00-\u9fff]{2}", cell.source))
        else:
            lines += sum(bool(line.strip()) for line in cell.source.splitlines())
    minutes = words / WORDS_A_MINUTE + lines / CODE_LINES_A_MINUTE
    return 5 * max(1, -int(-minutes // 5))


def load(project: Project) -> dict[str, Any]:
    """The roles and plans of `data/paths.yaml`; `CourseError` for a chapter that cannot be."""
    import yaml

    path = project.root / "data" / "paths.yaml"
    found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    roles, plans = found.get("roles", []), found.get("plans", [])
    for one in [*roles, *(day for plan in plans for day in plan["days"])]:
        wrong = [number for number in one["chapters"] if number not in range(1, 31)]
        if wrong:
            raise CourseError(
                f"paths.yaml: '{one['name']}' names chapter {wrong[0]}; chapters are 1 to 30."
            )
    return {"roles": roles, "plans": plans}


def page(project: Project, notebooks: Sequence[Path]) -> str:
    """The page of reading paths as Markdown, with the chapters that the book holds."""
    of = {int(path.stem[:2]): path for path in notebooks}
    minutes = {number: reading_minutes(path) for number, path in of.items()}

    def links(numbers: Sequence[int]) -> str:
        return "<br>".join(
            f'<a href="notebooks/{of[n].stem}.html">{html.escape(title(content(of[n])))}</a>'
            for n in numbers
            if n in of
        )

    def spell(numbers: Sequence[int]) -> str:
        total = sum(minutes.get(number, 0) for number in numbers)
        return f"{total // 60} h {total % 60:02d} min" if total >= 60 else f"{total} min"

    found = load(project)
    parts = [
        "# Paths\n\nWhich chapters first? By the role you apply for, or by the days you have left. "
        "The times are for reading; running a chapter and doing its exercises takes longer."
        '\n\n<p lang="zh-CN">先读哪几章？可以按应聘的岗位选，也可以按剩下的天数选。'
        "时间只算阅读，动手运行和做练习要另加。</p>\n"
    ]
    for role in found["roles"]:
        head = f'{role["name"]} <span lang="zh-CN">{role["zh"]}</span>'
        rows = [[links([number]), spell([number])] for number in role["chapters"] if number in of]
        parts.append(f"\n## {head}\n\n{role['why']} In all: {spell(role['chapters'])}.\n\n")
        parts.append(table(f"Chapters for a {role['name'].lower()}", ["Chapter", "Reading"], rows))
    for plan in found["plans"]:
        head = f'{plan["name"]} <span lang="zh-CN">{plan["zh"]}</span>'
        rows = [
            [html.escape(day["name"]), links(day["chapters"]), spell(day["chapters"])]
            for day in plan["days"]
            if any(number in of for number in day["chapters"])
        ]
        parts.append(f"\n## {head}\n\n{plan['how'].strip()}\n\n")
        parts.append(table(f"{plan['name']}, day by day", ["When", "Chapters", "Reading"], rows))
    return "".join(parts)
