"""Python expressions as text: on one line where it fits, else one part below the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from harness._scenario import Act, Behaviour, Hangs, Raises, Returns
from harness.suites._telling import seconds_text

WIDTH = 100
# A text of one character is told by its length from here on.
_MANY = 24
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@attrs.frozen
class Word:
    """What stands for itself: a number, a name."""

    text: str

    def __str__(self) -> str:
        return self.text


@attrs.frozen
class Text:
    """A string."""

    value: str

    def __str__(self) -> str:
        if len(self.value) >= _MANY and len(set(self.value)) == 1:
            return f"{literal(self.value[0])} * {len(self.value)}"
        return literal(self.value)


@attrs.frozen
class Group:
    """Brackets with parts, each with what stands before it: ``after=``, ``"sku": ``."""

    opens: str
    parts: tuple[tuple[str, Expression], ...]
    closes: str

    def __str__(self) -> str:
        inside = ", ".join(f"{before}{part}" for before, part in self.parts)
        return f"{self.opens}{inside}{self.closes}"


Expression = Word | Text | Group


def literal(value: str) -> str:
    """Return a string as it is written in Python; what cannot be seen is written as its number."""
    # In the quotes that need fewer backslashes, as formatters have it.
    quote = "'" if value.count('"') > value.count("'") else '"'
    escapes = {**_ESCAPES, quote: f"\\{quote}"}
    return f"{quote}{visible(''.join(escapes.get(each, each) for each in value))}{quote}"


def visible(text: str) -> str:
    """Return a text in which characters that cannot be seen are written as their numbers."""
    return "".join(each if each.isprintable() else _number(each) for each in text)


def _number(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def lines_of(
    expression: Expression, before: str = "", indent: int = 0, tail: str = ""
) -> list[str]:
    """Return an expression in as many lines as it takes."""
    space = " " * indent
    line = f"{space}{before}{expression}{tail}"
    if len(line) <= WIDTH:
        return [line]
    if isinstance(expression, Group) and expression.parts:
        inner = [
            each
            for name, part in expression.parts
            for each in lines_of(part, name, indent + 4, ",")
        ]
        return [f"{space}{before}{expression.opens}", *inner, f"{space}{expression.closes}{tail}"]
    if isinstance(expression, Text) and len(set(expression.value)) > 1:
        pieces = _pieces(expression.value, WIDTH - indent - 6)
        inner = [f"{space}    {literal(each)}" for each in pieces]
        return [f"{space}{before}(", *inner, f"{space}){tail}"]
    return [line]


def _pieces(text: str, room: int) -> Iterator[str]:
    """Cut a text into pieces that fit, behind a space where there is one."""
    room = max(room, 20)
    while len(literal(text)) - 2 > room:
        # What is escaped takes more room than it has characters.
        end = room
        while len(literal(text[:end])) - 2 > room:
            end -= 1
        space = text.rfind(" ", 0, end)
        end = space + 1 if space > 0 else end
        yield text[:end]
        text = text[end:]
    yield text


# ---- values ----


def value(found: Any) -> Expression:
    """Return how a JSON value is written."""
    if isinstance(found, str):
        return Text(found)
    if isinstance(found, Mapping):
        return mapping({str(key): value(each) for key, each in found.items()})
    if isinstance(found, list | tuple):
        return listed(map(value, found))
    if isinstance(found, float) and not math.isfinite(found):
        return Word(f'float("{found}")')
    return Word(repr(found))


def listed(parts: Iterable[Expression]) -> Group:
    """Return a list."""
    return Group("[", tuple(("", part) for part in parts), "]")


def mapping(parts: Mapping[str, Expression]) -> Group:
    """Return a dictionary."""
    return Group("{", tuple((f"{literal(key)}: ", part) for key, part in parts.items()), "}")


def called(name: str, given: Iterable[tuple[str, Expression]]) -> Group:
    """Return a call; arguments without a name have an empty one."""
    parts = tuple((f"{key}=" if key else "", part) for key, part in given)
    return Group(f"{name}(", parts, ")")


# ---- what happens in scenarios ----


def row(found: Sequence[Behaviour]) -> Expression:
    """Return what the attempts of a step do, one after the other."""
    made = [behaviour(each) for each in found]
    return made[0] if len(made) == 1 else listed(made)


def behaviour(found: Behaviour) -> Expression:
    """Return what an attempt does: what is not usual."""
    if isinstance(found, Hangs):
        return called("hangs", ())
    parts: list[tuple[str, Expression]] = []
    if isinstance(found, Returns):
        if found.output != {}:
            parts.append(("", value(found.output)))
    elif found.code is not None:
        parts.append(("", Text(found.code)))
    if found.after != 1.0:
        parts.append(("after", Text(seconds_text(found.after))))
    if isinstance(found, Raises):
        if found.error != "no":
            parts.append(("error", Text(found.error)))
        if found.retryable is not None:
            parts.append(("retryable", Word(repr(found.retryable))))
    elif found.spoilt is not None:
        parts.append(("spoilt", Text(found.spoilt)))
    if found.shielded:
        parts.append(("shielded", Word("True")))
    return called("returns" if isinstance(found, Returns) else "raises", parts)


def act(found: Act | Any) -> Expression:
    """Return what is done, or its moment: what differs from the defaults."""
    parts: list[tuple[str, Expression]] = []
    for field in attrs.fields(type(found)):
        each = getattr(found, field.name)
        if each == field.default and type(each) is type(field.default):
            continue
        made = act(each) if field.name == "moment" else value(each)
        parts.append(("" if field.default is attrs.NOTHING else field.name, made))
    return called(type(found).__name__, parts)
