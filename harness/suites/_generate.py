"""Generated test modules as files: written, and compared with what is there."""

from __future__ import annotations

import ast
import difflib
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from harness.families._plan import Plan
from harness.suites._emitting import OWNED, emit
from harness.suites._library import Suite, read, suite
from harness.suites._words import usual_of


class NotOurs(ValueError):
    """A file stands in the way that no generator has written, or for another document."""


@attrs.frozen
class Module:
    """The text of a module, where it goes, and the suite that it was made from."""

    path: Path
    text: str
    suite: Suite


def module_name(document: Path) -> str:
    """Return the name of the module for a document: ``test_order.py``."""
    stem = document.name
    for ending in (".json", ".yaml", ".yml", ".workflow"):
        stem = stem.removesuffix(ending)
    return f"test_{re.sub(r'[^A-Za-z0-9]+', '_', stem).strip('_').lower() or 'workflow'}.py"


def module_for(
    document: Path,
    folder: Path,
    level: str | None = None,
    families: Iterable[str] | None = None,
) -> Module:
    """Return the module for a document that goes into a folder.

    Raises what `suite` does.
    """
    wanted = None if families is None else list(families)
    made = suite(document, level, wanted)
    found, _, children = read(document)
    command = ["python", "-m", "harness", "generate", _typed(document), "-o", f"{_typed(folder)}/"]
    command += ["--level", level] if level else []
    command += ["--families", ",".join(wanted)] if wanted else []
    text = emit(
        made,
        usual_of(Plan(found, children)),
        file=document.name,
        path=Path(os.path.relpath(document.resolve(), folder.resolve())).as_posix(),
        command=[shlex.quote(word) for word in command],
    )
    return Module(folder / module_name(document), text, made)


def _typed(path: Path) -> str:
    """Return a path as somebody else would type it: relative, if that stays below here."""
    if path.is_absolute():
        found = os.path.relpath(path)
        path = path if found.startswith("..") else Path(found)
    return path.as_posix()


def text_at(path: Path, document: Path) -> str | None:
    """Return the text of the generated module for a document; None if there is none yet.

    Raises `NotOurs` for a file that was not generated, or was for another document that is still
    there, and `OSError`.
    """
    if not path.exists():
        return None
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        text = "?"
    if text.strip() and OWNED not in text.partition("import pytest")[0]:
        raise NotOurs(
            f"{path} was not generated, so it is left alone: move it, or give another folder"
        )
    other = _document_of(text, path)
    if other is not None and other.is_file() and not other.samefile(document):
        raise NotOurs(
            f"{path} is the module of {_typed(other)}, so it is left alone: "
            "rename one of the documents, or give another folder"
        )
    return text


def _document_of(text: str, path: Path) -> Path | None:
    """Return the document that a module says it is for, as far as it says so."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return None
    for node in body:
        match node:
            case ast.Assign(
                value=ast.Call(func=ast.Name("workflow"), args=[ast.Constant(str(named)), *_])
            ):
                return (path.parent.resolve() / named).resolve()
    return None


# ---- what has changed ----

OVERVIEW_CHANGED = "changed: the overview"

# The command depends on where somebody stood, and nothing else does.
_COMMAND = re.compile(r"^    python -m harness generate (?:.*\\\n)*.*$", re.MULTILINE)


def is_same(before: str, after: str) -> bool:
    """Whether two modules say the same; they may have been generated from different places."""
    return _everywhere(before) == _everywhere(after)


def _everywhere(text: str) -> str:
    # A long command has backslashes, and with them the docstring an r.
    return _COMMAND.sub("", text.removeprefix("r"), 1)


def scenarios_in(text: str) -> dict[str, str]:
    """Return the text of each scenario of a module, by its id; and that of what is usual."""
    lines = text.split("\n")
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


def drift(before: str | None, after: str) -> Iterator[str]:
    """Yield in lines what a module says otherwise than another: added, removed, changed.

    First what the document says and how it ends, line by line; then each scenario.
    """
    if before is None or not before.strip():
        what = "not there" if before is None else "empty"
        yield f"it is {what}; it would have {len(scenarios_in(after)) - 1} tests"
        return
    if is_same(before, after):
        return
    try:
        old = scenarios_in(before)
    except SyntaxError as error:
        yield f"it is no Python any more (line {error.lineno}): generate it again"
        return
    new = scenarios_in(after)
    heads = [_COMMAND.sub("", _head(text), 1).splitlines() for text in (before, after)]
    changed = list(_changes(*heads))
    if changed:
        yield OVERVIEW_CHANGED
        yield from changed
    for name in new:
        if name not in old:
            yield f"added: {name}"
    for name in old:
        if name not in new:
            yield f"removed: {name}"
    for name in new:
        if name in old and old[name] != new[name]:
            yield f"changed: {name}"
            yield from _changes(old[name].split("\n"), new[name].split("\n"))
    if not changed and old == new:
        yield "changed: something between the scenarios, or their order"


def _head(text: str) -> str:
    return ast.get_docstring(ast.parse(text), clean=False) or ""


def _changes(before: list[str], after: list[str]) -> Iterator[str]:
    for line in difflib.ndiff(before, after):
        if line[0] in "-+" and line[2:].strip():
            yield f"    {line[0]} {line[2:].strip()}"
