"""The oracle's own reading of conditions and templates.

It shares nothing with trioflow's: a table of binding powers instead of a grammar of functions,
and a plain tuple for each node of the tree. `_conditions` walks over them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any, NoReturn

import attrs


class Wrong(Exception):
    """An expression is no expression, or its operands do not fit."""


@attrs.frozen(cache_hash=True)
class Names:
    """What a first segment may be: the steps, the source of a connection, the name of the item."""

    steps: frozenset[str] = frozenset()
    source: str | None = None
    item: str | None = None
    secrets: bool = False


Node = tuple[Any, ...]
Part = str | int

STOPS = r"""\s.\[\]{}()<>=!&|+*/%,"'$"""
_STRING = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_PATH = rf"[^{STOPS}]+(?:\.[^{STOPS}]+|\[\s*(?:-?[0-9]+|{_STRING})\s*\])*"
_REFERENCE = re.compile(rf"\$\{{\s*({_PATH}\??)\s*\}}", re.DOTALL)
_SEGMENT = re.compile(
    rf"(?:^|\.)([^{STOPS}]+)|\[\s*(?:(-?[0-9]+)|({_STRING}))\s*\]",
    re.DOTALL,
)
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<path>\$\{{\s*{_PATH}\??\s*\}})
    | (?P<open>\$\{{)
    | (?P<number>(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![^{STOPS}\-]|\.))
    | (?P<string>{_STRING})
    | (?P<field>\.[^{STOPS}\-]+)
    | (?P<name>[^{STOPS}\-0-9][^{STOPS}\-]*)
    | (?P<op>==|!=|<=|>=|//|&&|\|\||[-<>()\[\]}}+*/%!,])
    | (?P<end>$)
    )""",
    re.DOTALL | re.VERBOSE,
)
_CONSTANTS = {
    "true": True,
    "false": False,
    "null": None,
    "True": True,
    "False": False,
    "None": None,
}
_RESERVED = {"and", "or", "not", "in", "is", "exists", "len"}
_ROOTS = {"input", "steps", "execution", "workflow", "item", "item_index", "secret"}
_FACTS = {"status", "output", "error", "attempts", "item_errors"}
_LONGEST, _DEEPEST = 4096, 50

# Each operator with how tightly it binds; comparisons are chained, the others join to the left.
_BINDING = {"or": 1, "and": 2, "compare": 4, "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6}
_NOT = 3
_COMPARISONS = {"==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not"}


# ---- reading ----


def unquote(text: str) -> str:
    """Return what a quoted string means."""
    inside = text[1:-1]
    if re.search(r"\{\{.*?\}\}", inside, re.DOTALL):
        raise Wrong("{{ }} is not written here")
    found, position = "", 0
    while position < len(inside):
        character = inside[position]
        if inside.startswith("${", position):
            raise Wrong("a reference stands inside of quotes")
        if character != "\\":
            found += character
            position += 1
            continue
        escape = inside[position + 1]
        if escape == "u":
            match = re.compile(r"\\u([0-9a-fA-F]{4})").match(inside, position)
            if match is None:
                raise Wrong("four digits follow \\u")
            found += chr(int(match[1], 16))
            position += 6
            continue
        plain = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
        if escape not in plain and escape not in "\"'\\/$":
            raise Wrong(f"\\{escape} means nothing")
        found += plain.get(escape, escape)
        position += 2
    # Two halves of a character outside of the first plane become one.
    return found.encode("utf-16", "surrogatepass").decode("utf-16")


def part_of(text: str) -> Part:
    return int(text) if re.fullmatch(r"0|[1-9][0-9]{0,17}", text) else text


def read_path(text: str, names: Names) -> Node:
    """Return the reference that a path means: ("ref", root, parts, optional)."""
    text = text.strip()
    optional = text.endswith("?")
    text = text.removesuffix("?")
    if not re.fullmatch(_PATH, text, re.DOTALL):
        raise Wrong(f"{text!r} is no path")
    parts: list[Part] = []
    for match in _SEGMENT.finditer(text):
        name, index, quoted = match.groups()
        if quoted is not None:
            parts.append(unquote(quoted))
        elif index is not None:
            parts.append(int(index))
        else:
            parts.append(part_of(name) if parts else name)
    return _reference(parts, names, optional)


def _reference(parts: list[Part], names: Names, optional: bool = False) -> Node:
    first, rest = parts[0], tuple(parts[1:])
    if first in names.steps:
        return ("ref", "output", (first, *rest), optional)
    if first == names.item:
        return ("ref", "item", rest, optional)
    if first == "input":
        return ("ref", "input", rest, optional)
    if first == "item_index" and names.item is not None:
        return ("ref", "item_index", rest, optional)
    if first == "steps":
        return ("ref", "steps", _checked_fact(rest, names), optional)
    if first in ("execution", "workflow"):
        known = {"execution": ("id", "started_at"), "workflow": ("id", "version")}[str(first)]
        if not rest or rest[0] not in known:
            raise Wrong(f"{first} has no such field")
        return ("ref", first, rest, optional)
    if first == "secret" and names.secrets:
        if len(rest) != 1:
            raise Wrong("a secret has one name")
        return ("ref", "secret", rest, optional)
    if first in _ROOTS or names.source is None:
        raise Wrong(f"{first!r} is nothing that is known here")
    # A bare name is a field of what the source of the connection has returned.
    return ("ref", "output", (names.source, first, *rest), optional)


def _checked_fact(rest: tuple[Part, ...], names: Names) -> tuple[Part, ...]:
    if len(rest) < 2 or rest[0] not in names.steps or rest[1] not in _FACTS:
        raise Wrong("write steps.<id> and one of its facts")
    if rest[1] == "error" and len(rest) > 2 and rest[2] not in ("code", "message"):
        raise Wrong("an error has a code and a message")
    return rest


@attrs.define
class _Reader:
    text: str
    names: Names
    tokens: list[tuple[str, str]]
    depth: int = 0

    def next(self) -> tuple[str, str]:
        return self.tokens.pop(0)

    def take(self, *wanted: str) -> bool:
        kind, text = self.tokens[0]
        if kind not in ("op", "name") or text not in wanted:
            return False
        self.next()
        return True

    def need(self, wanted: str) -> None:
        if not self.take(wanted):
            self.fail()

    def fail(self) -> NoReturn:
        raise Wrong(f"{self.tokens[0][1]!r} does not belong there, in {self.text!r}")

    def operator(self) -> str | None:
        kind, text = self.tokens[0]
        if kind not in ("op", "name"):
            return None
        text = {"||": "or", "&&": "and"}.get(text, text)
        if text == "not":
            return "not in" if self.tokens[1] == ("name", "in") else None
        if text == "is" and self.tokens[1] == ("name", "not"):
            return "is not"
        return text if text in _BINDING or text in _COMPARISONS else None

    def expression(self, power: int = 0) -> Node:
        """Read as long as operators bind more tightly than `power`."""
        left = self.prefix(power)
        while (operator := self.operator()) is not None:
            binding = _BINDING["compare" if operator in _COMPARISONS else operator]
            if binding <= power:
                break
            if operator in _COMPARISONS:
                left = self.chain(left, binding)
                continue
            self.next()
            right = self.expression(binding)
            kind = operator if operator in ("and", "or") else "arithmetic"
            left = (kind, left, right, operator)
        return left

    def chain(self, first: Node, binding: int) -> Node:
        operands, operators = [first], []
        while (operator := self.operator()) in _COMPARISONS:
            assert operator is not None
            for _ in operator.split():
                self.next()
            operators.append(operator)
            operands.append(self.expression(binding))
        return ("chain", operands, operators)

    @contextmanager
    def deeper(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Wrong("it is nested too deeply")
        yield
        self.depth -= 1

    def prefix(self, power: int) -> Node:
        if self.tokens[0] != ("name", "not"):
            return self.postfix()
        if power > _NOT:
            self.fail()
        self.next()
        with self.deeper():
            return ("not", self.expression(_NOT))

    def postfix(self) -> Node:
        kind, text = self.tokens[0]
        if kind == "op" and text in "-+!":
            self.next()
            with self.deeper():
                operand = self.postfix()
            return ("not", operand) if text == "!" else ("sign", operand, text)
        with self.deeper() if text[:1] in ("(", "[", "$") else nullcontext():
            base = self.primary()
        while True:
            kind, text = self.tokens[0]
            if kind == "field" and base[0] != "number":
                self.next()
                if text.endswith("?"):
                    self.fail()
                base = ("at", base, ("constant", part_of(text[1:])))
            elif self.take("["):
                index = self.expression()
                if index[0] == "constant" and type(index[1]) not in (int, str):
                    raise Wrong("an index is a whole number or a key")
                self.need("]")
                base = ("at", base, index)
            else:
                return ("constant", base[1]) if base[0] == "number" else base

    def primary(self) -> Node:
        kind, text = self.next()
        if kind == "number":
            value = json.loads(text)
            if value in (float("inf"), float("-inf")):
                raise Wrong("the number is too large")
            return ("number", value)
        if kind == "string":
            return ("constant", unquote(text))
        if kind == "path":
            return self.braces(text[2:-1])
        if kind == "open":
            found = self.expression()
            self.need("}")
            return found
        if kind == "name":
            return self.named(text)
        if text == "(":
            found = self.expression()
            self.need(")")
            # Not the bare node: what stands in brackets is an operand, whatever is in it.
            return found if found[0] in ("ref", "at") else ("group", found)
        if text == "[":
            return self.list()
        self.tokens.insert(0, (kind, text))
        return self.fail()

    def braces(self, inside: str) -> Node:
        word = inside.strip()
        if word in _CONSTANTS:
            return ("constant", _CONSTANTS[word])
        if re.fullmatch(r"[0-9.]+", word):
            return ("constant", json.loads(word))
        # Without blanks, an operator that may be part of a name is one.
        return read_path(inside, self.names)

    def named(self, text: str) -> Node:
        if text in _CONSTANTS:
            return ("constant", _CONSTANTS[text])
        if text in ("exists", "len"):
            self.need("(")
            argument = self.expression()
            self.need(")")
            if text == "exists" and not _is_path(argument):
                raise Wrong("exists() asks for a path")
            return (text, argument)
        if text in _RESERVED or text.endswith("?"):
            self.tokens.insert(0, ("name", text))
            self.fail()
        # The first field may say which root it is: `steps.pay.status`, `execution.id`.
        parts: list[Part] = [text]
        while len(parts) < 4 and text in ("steps", "execution", "workflow"):
            kind, more = self.tokens[0]
            if kind == "field":
                self.next()
                parts.append(part_of(more[1:]))
            elif (kind, more) == ("op", "[") and self.tokens[2] == ("op", "]"):
                kind, more = self.tokens[1]
                if kind not in ("string", "number"):
                    break
                parts.append(unquote(more) if kind == "string" else int(more))
                del self.tokens[:3]
            else:
                break
        return _reference(parts, self.names)

    def list(self) -> Node:
        items: list[Node] = []
        if self.take("]"):
            return ("list", items)
        while True:
            items.append(self.expression())
            if self.take("]"):
                return ("list", items)
            self.need(",")


def _is_path(node: Node) -> bool:
    if node[0] == "at":
        return _is_path(node[1])
    return bool(node[0] == "ref" and not node[3])


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise Wrong(f"{text[position:].strip()[:9]!r} cannot be read")
        assert match.lastgroup is not None
        yield match.lastgroup, match[match.lastgroup]
        if match.lastgroup == "end":
            return
        position = match.end()


def read_condition(text: Any, names: Names) -> Node | None:
    """Return the tree of a condition; None is always true. Raises `Wrong`."""
    if text is None or isinstance(text, bool):
        return None if text is not False else ("constant", False)
    if not text.strip():
        return None
    if len(text) > _LONGEST:
        raise Wrong("it is too long")
    reader = _Reader(text, names, list(_tokens(text)))
    found = reader.expression()
    if reader.tokens[0][0] != "end":
        reader.fail()
    return found


# ---- templates ----


@lru_cache(maxsize=16_384)
def pieces_of(text: str, names: Names) -> Sequence[str | Node]:
    """Cut a text into what stands for itself and the references."""
    if "${" not in text:
        return (text,)
    found: list[str | Node] = []
    plain, position = "", 0
    while position < len(text):
        if text.startswith("\\${", position):
            plain += "${"
            position += 3
        elif text.startswith("${", position):
            match = _REFERENCE.match(text, position)
            if match is None:
                raise Wrong(f"{text[position:]!r} is no reference")
            if plain:
                found.append(plain)
            found.append(read_path(match[1], attrs.evolve(names, secrets=True)))
            plain, position = "", match.end()
        else:
            plain += text[position]
            position += 1
    return [*found, plain] if plain or not found else found


# ---- which steps are meant ----


def references_of(node: Any) -> Iterator[Node]:
    """Yield the references in the tree of a condition."""
    if isinstance(node, tuple) and node and node[0] == "ref":
        yield node
    elif isinstance(node, tuple | list):
        for each in node:
            yield from references_of(each)


def steps_of(node: Any) -> Iterator[str]:
    """Yield the steps to which the tree of a condition refers."""
    for _, root, parts, _ in references_of(node):
        if root in ("output", "steps"):
            yield parts[0]


def steps_of_template(template: Any, names: Names) -> Iterator[str]:
    """Yield the steps to which a template refers."""
    for piece in references_of_template(template, names):
        if piece[1] in ("output", "steps"):
            yield piece[2][0]


def references_of_template(template: Any, names: Names) -> Iterator[Node]:
    """Yield the references of a template."""
    if isinstance(template, Mapping):
        template = list(template.values())
    if isinstance(template, list | tuple):
        for each in template:
            yield from references_of_template(each, names)
    elif isinstance(template, str):
        for piece in pieces_of(template, names):
            if not isinstance(piece, str):
                yield piece
