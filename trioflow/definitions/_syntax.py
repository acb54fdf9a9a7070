"""The syntax of conditions: frozen nodes, and how they are written down.

Operators of one level make one flat node (``a or b or c`` has three operands), so the depth of a
tree, and with it every recursion over trees, is bounded by the nesting and not by the length.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from trioflow.definitions._lexer import BARE_NAME, quote, segment
from trioflow.definitions._paths import Reference

# How tight the operators bind, loosest first.
OR, AND, NOT, COMPARISON, SUM, PRODUCT, UNARY, POSTFIX = range(1, 9)
LEVELS = {
    **dict.fromkeys(("or", "||"), OR),
    **dict.fromkeys(("and", "&&"), AND),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "not in", "is"), COMPARISON),
    **dict.fromkeys(("+", "-"), SUM),
    **dict.fromkeys(("*", "/", "//", "%"), PRODUCT),
}


def _with_type(value: object) -> object:
    return type(value).__name__, repr(value)


@attrs.frozen
class Constant:
    """A literal; equal only to a literal of the same kind (to Python ``1 == True``)."""

    value: str | int | float | bool | None = attrs.field(eq=_with_type)
    column: int = attrs.field(default=1, eq=False)


@attrs.frozen
class ListOf:
    """``[a, b]``."""

    items: tuple[Node, ...]
    column: int = attrs.field(default=1, eq=False)


@attrs.frozen
class Lookup:
    """Fields and indexes behind something: ``pay.items[input.n].price``.

    A segment is a name, a number, or a node whose value is one of both. What can be told without
    evaluating anything is part of the `Reference` already.
    """

    base: Node
    segments: tuple[Segment, ...]
    column: int = attrs.field(default=1, eq=False)


@attrs.frozen
class Exists:
    """``exists(path)``."""

    target: Reference | Lookup
    column: int = attrs.field(default=1, eq=False)


@attrs.frozen
class Length:
    """``len(x)``."""

    operand: Node
    column: int = attrs.field(default=1, eq=False)


@attrs.frozen
class Unary:
    """``not``, ``-`` or ``+`` before its operand."""

    operator: str
    operand: Node
    column: int = attrs.field(default=1, eq=False)


@attrs.frozen
class Link:
    """An operator and what stands to the right of it."""

    operator: str
    operand: Node
    column: int = attrs.field(default=1, eq=False)


@attrs.frozen
class Arithmetic:
    """``a + b - c`` or ``a * b / c``: from left to right, all of one level."""

    first: Node
    links: tuple[Link, ...]


@attrs.frozen
class Comparison:
    """``a < b <= c``: true if it is for each two neighbours. ``is`` is kept as ``==``."""

    first: Node
    links: tuple[Link, ...]

    @property
    def pairs(self) -> tuple[tuple[Node, str, Node], ...]:
        """The neighbours: left operand, operator, right operand."""
        operands = (self.first, *(link.operand for link in self.links))
        return tuple(
            (left, link.operator, link.operand)
            for left, link in zip(operands, self.links, strict=False)
        )


@attrs.frozen
class Logic:
    """``a and b and c``, or the same with ``or``."""

    operator: str
    operands: tuple[Node, ...]


Node = (
    Constant
    | Reference
    | ListOf
    | Lookup
    | Exists
    | Length
    | Unary
    | Arithmetic
    | Comparison
    | Logic
)
Segment = str | int | Node


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below, from left to right."""
    match node:
        case ListOf(items):
            return items
        case Lookup(base, segments):
            return (base, *(part for part in segments if not isinstance(part, str | int)))
        case Exists(target):
            return (target,)
        case Length(operand) | Unary(_, operand):
            return (operand,)
        case Arithmetic(first, links) | Comparison(first, links):
            return (first, *(link.operand for link in links))
        case Logic(_, operands):
            return operands
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything below it, as one reads it."""
    todo = [node]
    while todo:
        node = todo.pop()
        yield node
        todo.extend(reversed(children(node)))


def column_of(node: Node) -> int:
    """Return the column at which the node's first word stands."""
    while isinstance(node, Arithmetic | Comparison | Logic):
        node = children(node)[0]
    return node.column


# Writing down…

# What has been written so far, by identity: the text, and the level of what binds loosest in it.
_Written = dict[int, tuple[str, int]]


def unparse(node: Node) -> str:
    """Write a tree down, with no more parentheses than it needs; parsing gives it back."""
    written: _Written = {}
    for part in reversed([*walk(node)]):  # from the leaves up, which takes no stack
        written[id(part)] = _write(part, written)
    return written[id(node)][0]


def _write(node: Node, written: _Written) -> tuple[str, int]:
    def text_of(part: Node) -> str:
        return written[id(part)][0]

    def bound(part: Node, level: int) -> str:
        text, own = written[id(part)]
        return text if own >= level else f"({text})"

    match node:
        case Constant(value):
            return _write_constant(value)
        case ListOf(items):
            return f"[{', '.join(map(text_of, items))}]", POSTFIX
        case Lookup(base, segments):
            # Behind a bare reference a known segment would become part of the reference.
            merges = isinstance(base, Reference) and not base.optional
            merges = merges and isinstance(segments[0], str | int)
            first = f"({base})" if merges else bound(base, POSTFIX)
            parts = (
                _write_segment(part) if isinstance(part, str | int) else f"[{text_of(part)}]"
                for part in segments
            )
            return first + "".join(parts), POSTFIX
        case Exists(target):
            return f"exists({text_of(target)})", POSTFIX
        case Length(operand):
            return f"len({text_of(operand)})", POSTFIX
        case Unary("not", operand):
            return f"not {bound(operand, NOT)}", NOT
        case Unary(operator, operand):
            return f"{operator}{bound(operand, UNARY)}", UNARY
        case Arithmetic(first_operand, links) | Comparison(first_operand, links):
            level = LEVELS[links[0].operator]
            words = [bound(first_operand, level + 1)]
            for link in links:
                words += link.operator, bound(link.operand, level + 1)
            return " ".join(words), level
        case Logic(operator, operands):
            level = LEVELS[operator]
            return f" {operator} ".join(bound(part, level + 1) for part in operands), level
        case _:
            return str(node), POSTFIX


def _write_constant(value: str | int | float | bool | None) -> tuple[str, int]:
    if isinstance(value, str):
        return quote(value), POSTFIX
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value], POSTFIX
    return repr(value), UNARY


def _write_segment(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if BARE_NAME.fullmatch(part) and not part.endswith("?") and segment(part) == part:
        return f".{part}"
    return f"[{quote(part)}]"
