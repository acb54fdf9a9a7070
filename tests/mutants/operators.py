"""Automatic mutants: one small change of the source each, made from its syntax tree.

Statements deleted, comparisons, arithmetic and boolean operators exchanged, conditions negated,
constants changed. Left out is what cannot change behaviour: docstrings, annotations, what is only
said (log messages, texts of errors), `__slots__`, `__all__`, assertions.
"""

# ruff: noqa: N815 - `ast.NodeVisitor` wants such names

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator

import attrs

from tests.mutants.making import Mutant, engine_files, is_in_function, source

COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "/",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
}
SYMBOLS: dict[type[ast.AST], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.BitOr: "|", ast.BitAnd: "&", ast.And: "and", ast.Or: "or",
}  # fmt: skip

# Functions that only say something.
SAYING = frozenset({"__repr__", "__str__", "_log", "draw", "sentence", "why_dead"})
# What is called to say something.
_LOGGING = frozenset({"debug", "info", "warning", "error", "exception", "critical"})


@attrs.frozen
class Change:
    """Replace what is from `start` to `end` (offsets into the text) of a file."""

    file: str
    function: str
    operator: str
    start: int
    end: int
    new: str
    first: int
    last: int


@attrs.frozen
class Possible:
    """A mutant that could be made."""

    name: str
    operator: str
    line: str
    change: Change

    def made(self) -> Mutant:
        """Make it."""
        change = self.change
        text = source(change.file)
        span = range(change.first, change.last + 1)
        inside = all(is_in_function(change.file, number) for number in span)
        return Mutant(
            self.name,
            {change.file: text[: change.start] + change.new + text[change.end :]},
            {change.file: frozenset(span)} if inside else None,
            change.file,
            change.function,
            self.operator,
            self.line,
        )


def possible() -> list[Possible]:
    """Return all automatic mutants of kernel and engine, in the order of the source."""
    found: list[Possible] = []
    for file in engine_files():
        found += _possible_of(file)
    return found


def sample(size: int) -> list[Mutant]:
    """Return so many of them, chosen by the hash of their names: the same ones each time.

    A change of one line exchanges the mutants of that line and leaves the others.
    """

    def rank(each: Possible) -> str:
        return hashlib.sha256(each.name.encode()).hexdigest()

    everything = possible()
    chosen = {each.name for each in sorted(everything, key=rank)[:size]}
    return [each.made() for each in everything if each.name in chosen]


def _possible_of(file: str) -> Iterator[Possible]:
    text = source(file)
    lines = text.splitlines()
    seen: Counter[tuple[str, str, str]] = Counter()
    for change in _Changes(file, text).found():
        line = lines[change.first - 1].strip()
        key = (change.function, change.operator, line)
        seen[key] += 1
        operator = change.operator + (f" #{seen[key]}" if seen[key] > 1 else "")
        name = f"{file} | {change.function} | {operator} | {line}"
        yield Possible(name, operator, line, change)


class _Changes(ast.NodeVisitor):
    """Collects the changes of a file."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._names: list[str] = []
        self._changes: list[Change] = []
        # Inside of what is said.
        self._saying = 0

    def found(self) -> list[Change]:
        self.visit(ast.parse(self._text))
        return self._changes

    # ---- places ----

    def _place(self, line: int, column: int) -> int:
        start = self._starts[line - 1]
        end = self._text.find("\n", start)
        # Columns count bytes.
        row = self._text[start : None if end < 0 else end].encode()
        return start + len(row[:column].decode())

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._place(node.lineno, node.col_offset)

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._place(node.end_lineno, node.end_col_offset)

    def _add(self, operator: str, node: ast.expr | ast.stmt, new: str) -> None:
        self._add_at(operator, node, self._start(node), self._end(node), new)

    def _add_at(
        self, operator: str, node: ast.expr | ast.stmt, start: int, end: int, new: str
    ) -> None:
        assert node.end_lineno is not None
        function = ".".join(self._names)
        self._changes.append(
            Change(self._file, function, operator, start, end, new, node.lineno, node.end_lineno)
        )

    def _between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> None:
        """Exchange the operator between two operands."""
        start, end = self._end(left), self._start(right)
        gap = self._text[start:end]
        at = gap.find(old)
        if at >= 0:
            changed = gap[:at] + new + gap[at + len(old) :]
            self._add_at(f"{old} -> {new}", right, start, end, changed)

    # ---- what is left out ----

    def _visit_named(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        if node.name in SAYING:
            return
        self._names.append(node.name)
        for each in node.body:
            self.visit(each)
        if not isinstance(node, ast.ClassDef):
            for default in (*node.args.defaults, *node.args.kw_defaults):
                if default is not None:
                    self.visit(default)
        self._names.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_named

    def visit_Import(self, node: ast.Import) -> None:
        pass

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        pass

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass

    def visit_Raise(self, node: ast.Raise) -> None:
        self._delete(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in ("Literal", "Annotated"):
            return
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if _says(node):
            return
        if isinstance(node.func, ast.Name) and node.func.id in ("TypeVar", "cast"):
            return
        if isinstance(node.func, ast.Attribute) and node.func.attr == "Failure":
            # Its code matters, its message does not.
            self.visit(node.args[0])
            for keyword in node.keywords:
                self.visit(keyword)
            return
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        # What is shown of a value.
        if node.arg != "repr":
            self.generic_visit(node)

    # ---- statements ----

    def _delete(self, node: ast.stmt) -> None:
        if self._names and self._is_local():
            self._add("delete", node, "pass")

    def _is_local(self) -> bool:
        return self._names[-1][:1].islower() or self._names[-1][:1] == "_"

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if not _says(node.value):
            self._delete(node)
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(each, ast.Name) and each.id.startswith("__") for each in node.targets):
            return
        self._delete(node)
        self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None and _is_alias(node):
            return
        if node.value is not None:
            self._delete(node)
            self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._delete(node)
        new = ARITHMETIC.get(type(node.op))
        if new is not None:
            old = SYMBOLS[type(node.op)]
            start, end = self._end(node.target), self._start(node.value)
            gap = self._text[start:end]
            changed = gap.replace(f"{old}=", f"{new}=")
            self._add_at(f"{old}= -> {new}=", node, start, end, changed)
        self.visit(node.value)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self._delete(node)
            self.visit(node.value)

    def _visit_word(self, node: ast.Continue | ast.Break | ast.Delete) -> None:
        self._delete(node)

    visit_Continue = visit_Break = visit_Delete = _visit_word

    # ---- conditions ----

    def _negate(self, test: ast.expr) -> None:
        if isinstance(test, ast.Name) and test.id == "TYPE_CHECKING":
            return
        single = isinstance(test, ast.Compare) and len(test.ops) == 1
        negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        # Those are exchanged by themselves.
        if not single and not negated and not isinstance(test, ast.Constant):
            text = self._text[self._start(test) : self._end(test)]
            self._add("negate", test, f"(not ({text}))")

    def _visit_test(self, node: ast.If | ast.While | ast.IfExp) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self._negate(node.test)
        self.generic_visit(node)

    visit_If = visit_While = visit_IfExp = _visit_test

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._negate(test)
        self.generic_visit(node)

    # ---- operators ----

    def visit_Compare(self, node: ast.Compare) -> None:
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            for new in COMPARISONS[type(operator)]:
                self._between(left, right, SYMBOLS[type(operator)], new)
            left = right
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old = SYMBOLS[type(node.op)]
        new = "or" if old == "and" else "and"
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(left, right, old, new)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        new = ARITHMETIC.get(type(node.op))
        said = any(isinstance(each, ast.JoinedStr) for each in (node.left, node.right))
        if new is not None and not said:
            self._between(node.left, node.right, SYMBOLS[type(node.op)], new)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        operand = self._text[self._start(node.operand) : self._end(node.operand)]
        if isinstance(node.op, ast.Not):
            self._add("not x -> x", node, f"({operand})")
        elif isinstance(node.op, ast.USub):
            self._add("-x -> x", node, operand)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._add(f"{value} -> {not value}", node, str(not value))
        elif isinstance(value, int | float):
            for more in (1, -1):
                self._add(f"{value} -> {value + more}", node, f"({value + more!r})")
        elif isinstance(value, str) and value and " " not in value:
            self._add(f"{value!r} -> ''", node, "''")


def _says(node: ast.AST) -> bool:
    """Whether a call only says something."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if name in _LOGGING:
        return True
    return isinstance(node.func, ast.Name) and node.func.id in SAYING


def _is_alias(node: ast.AnnAssign) -> bool:
    return isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias"
