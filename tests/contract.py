"""What every chapter keeps to (CONTRIBUTING.md), as functions that list the breaches."""

from __future__ import annotations

import ast
import html
import io
import itertools
import json
import re
import tokenize
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SECTIONS = (
    "Sixty-second answer",
    "The data",
    "The trap",
    "At large-model scale",
    "Exercises",
    "Quiz",
    "What the interviewer asks next",
    "Takeaways",
    "References",
)
# The slow tests run these in every way, whatever their ledgers say: they use all the helpers.
FIRST = ("01_evaluation", "13_training_speed", "19_quantization")
LINES, LOW, HIGH, BYTES = 12, 20, 40, 1_000_000
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PATHS = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|work|Users|usr|opt|var|mnt)/|[A-Z]:\\\\")
# Decimals, shares and figures with a unit: what a measurement looks like in prose.
MEASURED = re.compile(
    r"(?<![\w.-])(?:\d[\d,]*(?:\.\d+)?\s?"
    r"(?:%|per cent|percent|x\b|×|times\b|ms\b|s\b|seconds?\b|minutes?\b|points?\b"
    r"|[kKMG]i?B\b|bytes\b|images/s)|\d[\d,]*\.\d+)"
)


def tags(cell: Any) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def code_lines(source: str) -> int:
    """Lines that hold code: no blank lines, no comment lines."""
    used: set[int] = set()
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped and token.type != tokenize.ENDMARKER:
            used.update(range(token.start[0], token.end[0] + 1))
    return len(used)


def headings(notebook: Any) -> list[tuple[int, str, int]]:
    """(level, text, cell index) of every Markdown heading outside code fences."""
    found = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        prose = re.sub(r"(?s)```.*?```", "", cell.source)
        for mark, text in re.findall(r"(?m)^(#{1,6}) (.+?)\s*$", prose):
            found.append((len(mark), text, index))
    return found


def texts(cell: Any) -> list[str]:
    """Every text a code cell has stored."""
    found = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            found.append(output.text)
        elif output.output_type in ("display_data", "execute_result"):
            found += [v for k, v in output.data.items() if k.startswith("text/")]
    return found


def typed_numbers(markdown: str) -> list[str]:
    """Numbers in prose that look measured and cite nothing."""
    # A heading is no sentence: "Exercise 01.1" counts exercises.
    markdown = re.sub(r"(?m)^#{1,6} .*$", "", markdown)
    prose = re.sub(r"(?s)```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]*\$|<!--.*?-->", " ", markdown)
    found = []
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*[-*|] |\s*\d+\. )", prose):
        if re.search(r"\]\(https?://|<https?://|<a href=", paragraph):
            continue
        plain = re.sub(r"<[^>]+>", " ", html.unescape(paragraph))
        found += [match.group().strip() for match in MEASURED.finditer(plain)]
    return found


def calls(source: str, name: str) -> list[ast.Call]:
    """The calls of the function `name` in a cell."""
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def claim_ids(notebook: Any) -> list[str]:
    """Ids of all claims, in order; an id that is not a literal is given as `?`."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for call in calls(cell.source, "claim"):
            ids = [word.value for word in call.keywords if word.arg == "id"]
            literal = ids and isinstance(ids[0], ast.Constant)
            found.append(ids[0].value if literal else "?")
    return found


def form(notebook: Any, name: str, size: int) -> list[str]:
    """File name, format, size, execution, outputs."""
    breaches = []
    if not re.fullmatch(r"\d\d_[a-z0-9_]+", name):
        breaches.append(f"the file name {name} is not NN_slug")
    if size > BYTES:
        breaches.append(f"the file has {size:,} bytes, more than {BYTES:,}")
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        breaches.append(f"not a valid notebook: {error.message[:100]}")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        breaches.append("the kernel is not python3")
    counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
    if counts != list(range(1, len(counts) + 1)):
        breaches.append(f"execution counts are {counts}: not one run from a fresh kernel")
    for index, cell in enumerate(notebook.cells):
        if PATHS.search(cell.source):
            breaches.append(f"cell {index}: a machine's path in the source")
        if cell.cell_type != "code":
            continue
        if re.search(r"(?m)^\s*[!%]", cell.source):
            breaches.append(f"cell {index}: a magic or shell line")
            continue
        if code_lines(cell.source) > LINES:
            breaches.append(f"cell {index}: {code_lines(cell.source)} lines of code")
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                breaches.append(f"cell {index}: a stored error")
            if output.get("name") == "stderr":
                breaches.append(f"cell {index}: stored standard error")
            if any(kind.startswith("image/") for kind in output.get("data", {})):
                breaches.append(f"cell {index}: a picture that did not go through show()")
        for text in texts(cell):
            visible = re.sub(r'src="data:image/png;base64,[^"]*"', "", text)
            if PATHS.search(visible):
                breaches.append(f"cell {index}: a machine's path in the output")
            if re.search(r"Traceback|Warning:|\r|it/s\]", visible):
                breaches.append(f"cell {index}: a warning, a traceback or a progress bar")
            for alt in re.findall(r'<img [^>]*alt="([^"]*)"', text):
                if len(alt) < 30:
                    breaches.append(f"cell {index}: alt text {alt!r} is too short")
            if text.count("<img ") != len(re.findall(r"<img [^>]*alt=", text)):
                breaches.append(f"cell {index}: a picture without alt text")
    return breaches


def anatomy(notebook: Any, name: str) -> list[str]:
    """Order and completeness of the sections, tags, head and exercises."""
    breaches = []
    found = headings(notebook)
    if [level for level, _, _ in found].count(1) != 1 or found[0][0] != 1:
        breaches.append("there is not exactly one title, first")
    if any(b - a > 1 for (a, *_), (b, *_) in itertools.pairwise(found)):
        breaches.append("a heading level is skipped")
    second = [text for level, text, _ in found if level == 2]
    order = [text for text in second if text in SECTIONS]
    if order != list(SECTIONS):
        breaches.append(f"the sections are {order}, expected {list(SECTIONS)}")
        return breaches
    place = {text: index for level, text, index in found if level == 2}
    teaching = len(notebook.cells) - (place["Quiz"] - place["Exercises"])
    if not LOW <= teaching <= HIGH:
        breaches.append(f"{teaching} cells outside the exercises; {LOW} to {HIGH} are a chapter")
    head = notebook.cells[0].source
    for part in ("Questions answered here:", "What you will be able to say", "Prerequisites"):
        if part not in head:
            breaches.append(f"the head has no '{part}'")
    quote = "\n".join(line for line in head.splitlines() if line.startswith(">"))
    if not (CHINESE.search(quote) and re.search(r"[A-Za-z]{4}", quote)):
        breaches.append("the head does not ask its question in English and Chinese")
    tagged = [i for i, c in enumerate(notebook.cells) if "parameters" in tags(c)]
    if len(tagged) != 1:
        return [*breaches, "there is not exactly one parameters cell"]
    parameters = notebook.cells[tagged[0]].source
    for line in ('PROFILE: str = ""', "SEED: int = 0"):
        if line not in parameters:
            breaches.append(f"the parameters cell has no `{line}`")
    for line in parameters.splitlines():
        if re.match(r"[A-Z]", line) and not (re.match(r"[A-Z_]+: \w+", line) and "# " in line):
            breaches.append(f"parameter without type or comment: {line}")
    everything = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    for needed in (f'resource_card("{name}")', f'start("{name}", PROFILE, SEED', f'quiz("{name}")'):
        if needed not in everything:
            breaches.append(f"no cell calls {needed}")
    return breaches + exercises(notebook) + evidence_cells(notebook)


def exercises(notebook: Any) -> list[str]:
    """Stub, check, collapsed solution, in this order, two or three times."""
    kinds = [
        kind
        for cell in notebook.cells
        for kind in ("exercise", "check", "solution")
        if kind in tags(cell)
    ]
    breaches = []
    rounds = len(kinds) // 3
    if kinds != ["exercise", "check", "solution"] * rounds or rounds not in (2, 3):
        breaches.append(f"exercise cells come as {kinds}")
    for index, cell in enumerate(notebook.cells):
        if "solution" in tags(cell):
            if "hide-cell" not in tags(cell) or not cell.metadata.get("jupyter"):
                breaches.append(f"cell {index}: the solution is not collapsed")
            if not any(": Right." in text for text in texts(cell)):
                breaches.append(f"cell {index}: the stored solution is not judged right")
        if "check" in tags(cell) and not any("Not attempted yet" in t for t in texts(cell)):
            breaches.append(f"cell {index}: the untouched stub is not 'not attempted yet'")
        if "exercise" in tags(cell) and "NotImplementedError" not in cell.source:
            breaches.append(f"cell {index}: the stub does not raise NotImplementedError")
    return breaches


def evidence_cells(notebook: Any) -> list[str]:
    """Claims tagged and compared, measured numbers produced by code."""
    breaches = []
    ids = claim_ids(notebook)
    if "?" in ids:
        breaches.append("a claim without a literal id")
    if len(set(ids)) != len(ids):
        breaches.append("a claim id is used twice")
    if not ids:
        breaches.append("the chapter claims nothing")
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            breaches += [f"cell {index}: typed '{number}'" for number in typed_numbers(cell.source)]
            continue
        claims = calls(cell.source, "claim")
        if bool(claims) != ("nbval-check-output" in tags(cell)) and "exercise" not in tags(cell):
            breaches.append(f"cell {index}: claims and the tag nbval-check-output do not match")
        if claims and any(output.output_type == "stream" for output in cell.outputs):
            breaches.append(f"cell {index}: a claim cell that prints")
        for call in calls(cell.source, "say") + calls(cell.source, "show"):
            for part in call.args:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    bare = re.sub(r"\{[^}]*\}", " ", part.value)
                    for number in typed_numbers(bare):
                        breaches.append(f"cell {index}: typed '{number}' in a sentence")
    return breaches


def ledger(notebook: Any, name: str, folder: Path) -> list[str]:
    """Stored outputs, claims in the source and the committed ledgers tell the same."""
    breaches = []
    shown = html.unescape(
        "\n".join(t for c in notebook.cells if c.cell_type == "code" for t in texts(c))
    )
    for profile in ("quick", "full"):
        path = folder / f"{name}.{profile}.json"
        if not path.exists():
            breaches.append(f"no committed ledger for the profile {profile}")
            continue
        records = json.loads(path.read_text(encoding="utf-8"))["records"]
        claims = [record for record in records if record["kind"] == "claim"]
        if sorted(record["id"] for record in claims) != sorted(claim_ids(notebook)):
            breaches.append(f"the {profile} ledger and the notebook claim different things")
        for record in claims:
            if record["status"] == "fails" or (profile == "full" and record["status"] != "holds"):
                breaches.append(f"{profile}: the claim {record['id']} {record['status']}")
            if record["status"] != "holds":
                continue
            if profile == "full" and f"measured {spelled(record)}, claimed" not in shown:
                breaches.append(f"the page does not show the ledger's {record['id']}")
    return breaches


def spelled(record: dict[str, Any]) -> str:
    """A record's value as the page shows it."""
    from helpers.evidence import spell

    return spell(record["value"], record["unit"])
