"""Which statements of the engine are executed: its modules, with a note in front of each one.

An import hook compiles them with these notes. That is exact where it matters, statement by
statement, and far cheaper than a trace function, which is called for everything else as well.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from functools import cache
from types import CodeType, ModuleType
from typing import Any

from tests.mutants.making import engine_folder, module_of, source

# Two underscores in front would be mangled inside of classes.
_NOTE = "_reached_"
_PARTS = ("kernel", "engine", "definitions")
_BLOCKS = ("body", "orelse", "finalbody")


class Reaching(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """The import hook; `found` has, by file, the lines of the statements executed since `clear`."""

    def __init__(self) -> None:
        self.found: dict[str, set[int]] = {}
        self._files = {
            module_of(f"{part}/{path.name}"): f"{part}/{path.name}"
            for part in _PARTS
            for path in (engine_folder() / part).glob("*.py")
            if path.name != "__init__.py"
        }

    def install(self) -> None:
        """Let what is imported from now on be noted."""
        sys.meta_path.insert(0, self)

    def clear(self) -> None:
        """Forget what was executed."""
        for lines in self.found.values():
            lines.clear()

    def taken(self) -> dict[str, frozenset[int]]:
        """Return what was executed since the last `clear`."""
        return {file: frozenset(lines) for file, lines in self.found.items() if lines}

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> Any:
        if name not in self._files:
            return None
        return importlib.util.spec_from_file_location(name, self.get_filename(name), loader=self)

    def get_filename(self, name: str | None = None) -> str:
        assert name is not None
        return str(engine_folder() / self._files[name])

    def get_code(self, name: str) -> CodeType:
        tree = _noted(ast.parse(source(self._files[name])))
        code: CodeType = compile(tree, self.get_filename(name), "exec", dont_inherit=True)
        return code

    def exec_module(self, module: ModuleType) -> None:
        lines = self.found.setdefault(self._files[module.__name__], set())
        setattr(module, _NOTE, lines.add)
        super().exec_module(module)


def _noted(tree: ast.Module) -> ast.Module:
    for function in list(ast.walk(tree)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            _note_in(function)
    ast.fix_missing_locations(tree)
    return tree


def _note_in(node: ast.AST) -> None:
    """Put notes into the blocks of a function, but not into those of functions in it."""
    for field in _BLOCKS:
        block = getattr(node, field, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
            noted: list[ast.stmt] = []
            for place, statement in enumerate(block):
                says = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
                declares = isinstance(statement, ast.Global | ast.Nonlocal)
                if not (declares or (place == 0 and says)):
                    noted.append(_note(statement.lineno))
                noted.append(statement)
                if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    _note_in(statement)
            setattr(node, field, noted)
    for each in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        _note_in(each)


def _note(line: int) -> ast.stmt:
    call = ast.Call(ast.Name(_NOTE, ast.Load()), [ast.Constant(line)], [])
    return ast.Expr(call)


@cache
def statements(file: str) -> dict[int, int]:
    """Return for each line of a file the line on which the innermost statement there begins."""
    found: dict[int, int] = {}

    def note(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                assert child.end_lineno is not None
                for line in range(child.lineno, child.end_lineno + 1):
                    found[line] = child.lineno
            note(child)

    note(ast.parse(source(file)))
    return found
