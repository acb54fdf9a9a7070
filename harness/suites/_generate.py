"""Generated test modules as files: written, and compared with what is there."""

from __future__ import annotations

import ast
import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.families._plan import Plan
from harness.suites._emitting import emit
from harness.suites._library import Suite, read, suite
from harness.suites._words import usual_of


def module_name(document: Path) -> str:
    """Return the name of the module for a document: ``test_order.py``."""
    stem = document.name
    for ending in (".json", ".yaml", ".yml", ".workflow"):
        stem = stem.removesuffix(ending)
    return f"test_{stem.replace('-', '_').replace('.', '_')}.py"


def module_for(
    document: Path, folder: Path, level: str = "standard", families: Iterable[str] | None = None
) -> tuple[str, Suite]:
    """Return the text of the module that goes into a folder, and the suite it was made from."""
    made = suite(document, level, families)
    found, _, children = read(document)
    path = Path(os.path.relpath(document.resolve(), folder.resolve())).as_posix()
    text = emit(
        made,
        usual_of(Plan(found, children)),
        file=document.name,
        path=path,
        folder=f"{folder.as_posix()}/",
    )
    return text, made


def scenarios_in(text: str) -> dict[str, str]:
    """Return the text of each scenario of a module, by its id; and that of what is usual."""
    lines = text.splitlines()
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id == "workflow":
            found["what is usual"] = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        if node.func.id == "scenario" and node.args and isinstance(node.args[0], ast.Constant):
            first = node.lineno - 1
            while first and lines[first - 1].lstrip().startswith("#"):
                first -= 1
            found[str(node.args[0].value)] = "\n".join(lines[first : node.end_lineno])
    return found


def drift(before: str, after: str) -> Iterator[str]:
    """Yield in lines what a module says otherwise than another: added, removed, changed."""
    old, new = scenarios_in(before), scenarios_in(after)
    for name in new:
        if name not in old:
            yield f"added: {name}"
    for name in old:
        if name not in new:
            yield f"removed: {name}"
    for name in new:
        if name in old and old[name] != new[name]:
            yield f"changed: {name}"
            diff = difflib.ndiff(old[name].splitlines(), new[name].splitlines())
            yield from (f"    {line[0]} {line[2:].strip()}" for line in diff if line[0] in "-+")
    if before != after and old == new:
        yield "changed: the overview, or the order"
