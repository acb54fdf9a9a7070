"""Parsing conditions: one function per kind of operand, and one loop for all binary operators.

How deep it calls itself depends on nesting alone (not even on precedence, for which the loop
keeps a list of what it has started), and nesting is limited.
"""

from __future__ import annotations

import attrs

from trioflow.definitions._lexer import (
    CONSTANTS,
    REFERENCE,
    WORDS,
    Token,
    shortened,
    split_path,
    tokenize,
)
from trioflow.definitions._paths import Names, Reference
from trioflow.definitions._syntax import (
    COMPARISON,
    LEVELS,
    NOT,
    OR,
    UNARY,
    Arithmetic,
    Comparison,
    Constant,
    Exists,
    Length,
    Link,
    ListOf,
    Logic,
    Lookup,
    Node,
    Segment,
    Unary,
)
from trioflow.errors import ExpressionError

# People get lost at four. It also keeps parsing and evaluating far away from the end of
# Python's stack: the worst condition needs half of its 1,000 frames.
DEEPEST_NESTING = 50
_CLOSING = {"(": ")", "[": "]", "${": "}"}


def parse(text: str, names: Names) -> tuple[Node, list[ExpressionError]]:
    """Parse a condition; return its tree and what is wrong with the names in it.

    Raises `ExpressionError` where the text cannot be read on.
    """
    parser = _Parser(text, names)
    return parser.whole(), parser.problems


class _Parser:
    def __init__(self, text: str, names: Names) -> None:
        self._text = text
        self._names = names
        self._tokens = tokenize(text)
        self._position = 0
        self._nesting = 0
        self.problems: list[ExpressionError] = []

    def whole(self) -> Node:
        tree = self._expression(OR)
        if self._token.kind != "end":
            raise self._unexpected()
        return tree

    @property
    def _token(self) -> Token:
        return self._tokens[self._position]

    def _next(self) -> Token:
        token = self._tokens[self._position]
        self._position += 1
        return token

    def _is(self, operator: str, ahead: int = 0) -> bool:
        # Never asks beyond the end, because what asks ahead has seen that this is not it.
        token = self._tokens[self._position + ahead]
        return token.kind == "op" and token.value == operator

    def _wrong(self, message: str, token: Token) -> ExpressionError:
        return ExpressionError(message, self._text, token.column)

    def _enter(self, opening: Token) -> None:
        self._nesting += 1
        if self._nesting > DEEPEST_NESTING:
            raise self._wrong(f"nested more than {DEEPEST_NESTING} deep", opening)

    def _nested(self, opening: Token, level: int) -> Node:
        self._enter(opening)
        node = self._expression(level)
        self._nesting -= 1
        return node

    def _close(self, opening: Token) -> None:
        if self._is(_CLOSING[opening.value]):
            self._next()
        elif self._token.kind == "end":
            raise self._wrong(
                f"`{opening.value}` is not closed by `{_CLOSING[opening.value]}`", opening
            )
        else:
            raise self._unexpected()

    # Binary operators

    def _level(self) -> int:
        if self._token.kind != "op":
            return 0
        if self._is("not"):
            return COMPARISON if self._is("in", ahead=1) else 0
        return LEVELS.get(self._token.value, 0)

    def _operator(self) -> tuple[str, int]:
        token = self._next()
        if token.value == "not":
            self._next()
            return "not in", token.column
        if token.value == "is":
            if self._is("not"):
                self._next()
                return "!=", token.column
            return "==", token.column
        return token.value, token.column

    def _expression(self, least: int) -> Node:
        node = self._operand(least)
        started: list[_Started] = []
        while True:
            level = self._level()
            while started and started[-1].level > level:
                node = started.pop().ended(node)
            if level < least:
                return node
            if started and started[-1].level == level:
                started[-1].go_on(node, *self._operator())
            else:
                started.append(_Started(level, node, *self._operator()))
            node = self._operand(level + 1)

    # Operands

    def _operand(self, least: int) -> Node:
        token = self._next()
        match token.kind:
            case "number" | "string":
                return self._postfix(Constant(token.value, token.column), token)
            case "path":
                return self._path(token)
            case "name":
                return self._name(token)
            case "op":
                return self._operator_first(token, least)
            case "end":
                raise self._wrong("a value is missing at the end", token)
            case _:
                raise self._wrong("a value must stand before `.`", token)

    def _operator_first(self, token: Token, least: int) -> Node:
        match token.value:
            case "(" | "${":
                node = self._nested(token, OR)
                self._close(token)
                return self._postfix(node, token)
            case "[":
                node = ListOf(self._items(token), token.column)
                return self._postfix(node, token)
            case "not" if least > NOT:
                raise self._wrong("put `not ...` in parentheses here, or write `!`", token)
            case "not":
                return Unary("not", self._nested(token, NOT), token.column)
            case "!":
                return Unary("not", self._nested(token, UNARY), token.column)
            case "-" | "+":
                return _signed(token, self._nested(token, UNARY))
            case _:
                raise self._wrong(f"a value is missing before `{token.value}`", token)

    def _items(self, opening: Token) -> tuple[Node, ...]:
        items: list[Node] = []
        self._enter(opening)
        if not self._is("]"):
            items.append(self._expression(OR))
            while self._is(","):
                self._next()
                items.append(self._expression(OR))
        self._nesting -= 1
        self._close(opening)
        return tuple(items)

    def _name(self, token: Token) -> Node:
        name = token.value
        if name in CONSTANTS:
            return self._postfix(Constant(CONSTANTS[name], token.column), token)
        if name not in ("exists", "len"):
            segments, end = self._segments()
            return self._refer(token, name, segments, self._text[token.start : end])
        opening = self._token
        if not self._is("("):
            raise self._wrong(
                f"`{name}` is a word of the language: write `{name}(path)`, "
                f"or `${{step.{name}}}` for a field of that name",
                token,
            )
        self._next()
        argument = self._nested(opening, OR)
        closing = self._token
        self._close(opening)
        if name == "len":
            return self._postfix(Length(argument, token.column), token)
        if isinstance(argument, Arithmetic) and not isinstance(argument.first, Constant):
            self._refuse_minus_in_path(self._text[opening.end : closing.start], opening.end)
        return self._postfix(Exists(self._asked(argument, token), token.column), token)

    def _refuse_minus_in_path(self, written: str, start: int) -> None:
        """Raise what to write if ``exists`` was given a path with a hyphen, but without ``${}``."""
        start += len(written) - len(written.lstrip())
        written = written.strip()
        if REFERENCE.fullmatch(f"${{{written}}}") is None:
            return
        first, segments, _ = split_path(self._text, written, start)
        # Or the path means nothing with its hyphen either.
        where = self._text, start + 1
        self._names.refer(first, segments, text=written, where=where)
        raise ExpressionError(
            f"`-` is minus here; write `exists(${{{shortened(written)}}})`", *where
        )

    def _asked(self, argument: Node, token: Token) -> Reference | Lookup:
        path = argument.base if isinstance(argument, Lookup) else argument
        if not isinstance(path, Reference) or not isinstance(argument, Reference | Lookup):
            raise self._wrong("`exists` asks for a path, as in `exists(input.name)`", token)
        if path.optional:
            raise self._wrong(
                "a path with a trailing `?` always has a value; write `exists` without the `?`",
                token,
            )
        return argument

    def _path(self, token: Token) -> Node:
        """Read ``${path}``, and what may follow it."""
        start = self._text.index(token.value, token.start + 2)
        first, known, optional = split_path(self._text, token.value, start)
        segments, end = self._segments()
        if not optional:
            text = token.value + self._text[token.end : end]
            return self._refer(token, first, (*known, *segments), text)
        reference = self._reference(token, first, known, token.value, optional=True)
        return _look_up(reference, segments, token)

    def _segments(self) -> tuple[tuple[Segment, ...], int]:
        """Read the fields and indexes that follow; return where they end as well."""
        segments: list[Segment] = []
        end = self._tokens[self._position - 1].end
        while self._token.kind == "field" or self._is("["):
            token = self._next()
            if token.kind == "field":
                segments.append(token.value)
            else:
                segments.append(self._index(token))
            end = self._tokens[self._position - 1].end
        return tuple(segments), end

    def _index(self, opening: Token) -> Segment:
        node = self._nested(opening, OR)
        self._close(opening)
        if not isinstance(node, Constant):
            return node
        if isinstance(node.value, bool) or not isinstance(node.value, str | int):
            raise self._wrong("an index is a whole number or a key in quotes", opening)
        return node.value

    def _postfix(self, node: Node, token: Token) -> Node:
        segments, _ = self._segments()
        return _look_up(node, segments, token)

    def _refer(self, token: Token, first: str, segments: tuple[Segment, ...], text: str) -> Node:
        known: list[str | int] = []
        for part in segments:
            if not isinstance(part, str | int):
                break
            known.append(part)
        reference = self._reference(token, first, tuple(known), text)
        return _look_up(reference, segments[len(known) :], token)

    def _reference(
        self,
        token: Token,
        first: str,
        segments: tuple[str | int, ...],
        text: str,
        *,
        optional: bool = False,
    ) -> Reference:
        try:
            return self._names.refer(
                first, segments, optional=optional, text=text, where=(self._text, token.column)
            )
        except ExpressionError as problem:
            # The text can be read on, so that all unknown names are found at once.
            self.problems.append(problem)
            return Reference("input", ())

    def _unexpected(self) -> ExpressionError:
        """Say what is wrong with a token behind a complete operand."""
        token = self._token
        before = self._tokens[self._position - 1]
        if token.kind == "op" and token.value == "(" and before.kind in ("name", "field"):
            return self._wrong("there are no functions but `exists` and `len`", token)
        if token.kind == "op" and token.value in (")", "]", "}"):
            return self._wrong(f"`{token.value}` closes nothing", token)
        if token.kind == "op":
            return self._wrong(f"an operator is missing before `{token.value}`", token)
        for word in (before, token):
            if word.kind == "name" and word.value.lower() in WORDS:
                return self._wrong(f"write `{word.value.lower()}` in small letters", word)
        written = shortened(self._text[token.start : token.end])
        return self._wrong(
            f"this reads like text, not like a condition: nothing joins `{written}` to what stands "
            "before it; write a comparison, as in `status == 'paid'`, with text in quotes",
            token,
        )


@attrs.define(eq=False)
class _Started:
    """Operators of one level, the last of which lacks what stands to the right of it."""

    level: int
    first: Node
    operator: str
    column: int
    links: list[Link] = attrs.field(factory=list)

    def go_on(self, operand: Node, operator: str, column: int) -> None:
        self.links.append(Link(self.operator, operand, self.column))
        self.operator, self.column = operator, column

    def ended(self, operand: Node) -> Node:
        links = (*self.links, Link(self.operator, operand, self.column))
        if self.level == COMPARISON:
            return Comparison(self.first, links)
        if self.level > COMPARISON:
            return Arithmetic(self.first, links)
        word = "or" if self.level == OR else "and"
        return Logic(word, (self.first, *(link.operand for link in links)))


def _signed(token: Token, operand: Node) -> Node:
    """Apply a sign, to a number at once, so that ``-5`` is a literal."""
    if isinstance(operand, Constant) and type(operand.value) in (int, float):
        number: float = operand.value  # type: ignore[assignment]
        return Constant(-number if token.value == "-" else number, token.column)
    return Unary(token.value, operand, token.column)


def _look_up(base: Node, segments: tuple[Segment, ...], token: Token) -> Node:
    if not segments:
        return base
    if isinstance(base, Lookup):
        return Lookup(base.base, (*base.segments, *segments), base.column)
    return Lookup(base, segments, token.column)
