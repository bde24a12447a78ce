"""The recall edition's code: which cells the exercises need, and stubs for all others."""

from __future__ import annotations

import ast
from typing import Any

from helpers.course.chapters import joined
from helpers.course.fingerprint import syntax_tree

_KEPT = {"parameters", "exercise", "check", "quiz"}


def _stored(tree: ast.AST) -> set[str]:
    """Names that running `tree` binds at the top level of the notebook."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return found


def _loaded(tree: ast.AST) -> set[str]:
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def needed_cells(notebook: dict[str, Any]) -> set[int]:
    """Indices of the code cells that parameters, exercises, checks and quiz need to execute."""
    code = {
        index: syntax_tree(joined(cell["source"]))
        for index, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code"
    }
    kept = {i for i in code if _KEPT & set(notebook["cells"][i]["metadata"].get("tags", ()))}
    waiting = list(kept)
    while waiting:
        index = waiting.pop()
        wanted = _loaded(code[index])
        for earlier, tree in code.items():
            if earlier < index and earlier not in kept and _stored(tree) & wanted:
                kept.add(earlier)
                waiting.append(earlier)
    return kept


def stub(source: str) -> str:
    """A code cell that asks for itself: what it defines and calls, as comments."""
    tree = syntax_tree(source)
    calls = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    lines = ["# Write this cell from memory."]
    # In the order of the source, which is easier to recall than that of the alphabet.
    named = sorted((name for name in calls if name), key=source.find)
    if named:
        lines.append(f"# It calls: {', '.join(named)}.")
    made = sorted(_defined(tree), key=source.find)
    if made:
        lines.append(f"# It makes: {', '.join(made)}.")
    return "\n".join(lines)


def _defined(tree: ast.Module) -> set[str]:
    """Names bound by the cell's own statements, imports left out."""
    body = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return {
        name
        for node in body
        for name in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else _stored(node)
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.With)
            else []
        )
    }
