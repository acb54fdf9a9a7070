"""Mutants: the engine's source with one small fault in it, and nothing of the engine imported."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]


@cache
def package_folder(name: str) -> Path:
    """Return where the package is that would be imported; it is not imported by this."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def engine_folder() -> Path:
    """Return where trioflow is."""
    return package_folder("trioflow")


@cache
def source(file: str) -> str:
    """Return the text of a module, named relative to the package: ``kernel/_machine.py``."""
    return (engine_folder() / file).read_text("utf-8")


def module_of(file: str) -> str:
    """Return the name of the module that is in a file."""
    return "trioflow." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def documents() -> list[Path]:
    """Return the workflow documents whose generated scenarios are to kill."""
    found = [
        *ROOT.glob("tests/fixtures/*.workflow.json"),
        *ROOT.glob("examples/*/*.workflow.json"),
    ]
    return sorted(found)


@attrs.frozen
class Mutant:
    """The engine with one fault.

    `sources` are the changed texts by their files. `lines` are those of the unchanged files that
    a scenario has to reach in order to notice it; None for what is executed by the import.
    """

    name: str
    sources: Mapping[str, str]
    lines: Mapping[str, frozenset[int]] | None
    file: str = ""
    function: str = ""
    operator: str = ""
    line: str = ""


class CannotApply(Exception):
    """The text that is to be replaced is not there exactly once."""


@attrs.frozen
class Edit:
    """One replacement: `old` occurs exactly once in the file."""

    file: str
    old: str
    new: str


def edited(name: str, edits: tuple[Edit, ...]) -> Mutant:
    """Return the mutant that some edits make. Raises `CannotApply`, and `SyntaxError`."""
    sources: dict[str, str] = {}
    lines: dict[str, frozenset[int]] = {}
    at_import = False
    for edit in edits:
        before = source(edit.file)
        count = before.count(edit.old)
        if count != 1:
            raise CannotApply(f"{name}: {edit.file} has {count} times {edit.old!r}")
        if edit.old == edit.new:
            raise CannotApply(f"{name}: nothing is changed by replacing {edit.old!r}")
        text = sources.get(edit.file, before)
        sources[edit.file] = text.replace(edit.old, edit.new)
        start = before.index(edit.old)
        first = before.count("\n", 0, start) + 1
        span = frozenset(range(first, first + edit.old.count("\n") + 1))
        lines[edit.file] = lines.get(edit.file, frozenset()) | span
        at_import = at_import or not all(is_in_function(edit.file, number) for number in span)
    for file, text in sources.items():
        compile(text, file, "exec")
    return Mutant(name, sources, None if at_import else lines, edits[0].file)


@cache
def _function_lines(file: str) -> frozenset[int]:
    found: set[int] = set()
    for node in ast.walk(ast.parse(source(file))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            found |= set(range(node.body[0].lineno, node.end_lineno + 1))
    return frozenset(found)


def is_in_function(file: str, line: int) -> bool:
    """Whether a line is executed by calling something, rather than by the import."""
    return line in _function_lines(file)


def engine_files() -> Iterator[str]:
    """Yield the files of the engine proper: those over which automatic mutants are made."""
    for folder in ("kernel", "engine"):
        for path in sorted((engine_folder() / folder).glob("*.py")):
            yield f"{folder}/{path.name}"
