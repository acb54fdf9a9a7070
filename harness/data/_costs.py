"""Patterns that take for ever: what Python's `re` goes through before it says no, or yes.

It tries one way after the other, and of `(a?){30}a{30}` there are a thousand million. It cannot be
stopped, so those ways are counted here first, up to a limit, if a pattern looks like it.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

_parser: Any = importlib.import_module("re._parser")

_MOST_STEPS = 100_000
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_ONE = ("LITERAL", "NOT_LITERAL", "ANY", "IN")
# One after the other so many optional parts take a thousand ways.
_MANY = 10


class _TooDear(Exception):
    pass


def is_dear(pattern: str, text: str) -> bool:
    """Whether it may take very long to say if a pattern is found in a text."""
    tree = _suspicious(pattern)
    if tree is None:
        return False
    counting = _Counting(text)
    try:
        any(True for start in range(len(text) + 1) for _ in counting.ends(tree, 0, start))
    except _TooDear:
        return True
    except RecursionError:
        # It is long, and that is not what is looked for.
        return False
    return False


@functools.lru_cache(maxsize=256)
def _suspicious(pattern: str) -> Sequence[Any] | None:
    """Return the tree of a pattern that may take for ever; None for most of them."""
    try:
        tree = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):
        return None
    found: Sequence[Any] = list(tree)
    return found if _forks(found) >= _MANY else None


def _forks(nodes: Any) -> int:
    """Return how many times something is decided; within what is repeated, many times."""
    found = 0
    for op, argument in nodes:
        name = str(op)
        if name in _REPEATS:
            least, most, inner = argument
            inside = _forks(inner)
            found += (least != most) + inside * (_MANY if int(most) > 2 else int(most))
        elif name == "BRANCH":
            found += 1 + sum(_forks(each) for each in argument[1])
        else:
            found += sum(_forks(each) for each in _inner(name, argument))
    return found


def _inner(name: str, argument: Any) -> list[Any]:
    if name == "SUBPATTERN":
        return [argument[3]]
    if name in ("ASSERT", "ASSERT_NOT"):
        return [argument[1]]
    return [argument] if name == "ATOMIC_GROUP" else []


@attrs.define(eq=False)
class _Counting:
    """Finds where parts of a pattern may end in a text, and counts how often it looks."""

    text: str
    left: int = _MOST_STEPS
    # Which characters a node of one character lets pass, by the node and the character.
    known: dict[tuple[int, str], bool] = attrs.field(factory=dict)

    def ends(self, nodes: Any, index: int, start: int) -> Iterator[int]:
        self.left -= 1
        if self.left < 0:
            raise _TooDear
        if index == len(nodes):
            yield start
            return
        op, argument = nodes[index]
        for end in self.node(op, argument, start):
            yield from self.ends(nodes, index + 1, end)

    def node(self, op: Any, argument: Any, start: int) -> Iterator[int]:
        name = str(op)
        if name in _ONE:
            if self.passes(op, argument, start):
                yield start + 1
        elif name == "AT":
            if self.is_at(str(argument), start):
                yield start
        elif name == "BRANCH":
            for each in argument[1]:
                yield from self.ends(each, 0, start)
        elif name == "SUBPATTERN":
            yield from self.ends(argument[3], 0, start)
        elif name in _REPEATS:
            least, most, inner = argument
            yield from self.repeats(least, most, inner, start)
        else:
            # Looking around, back-references and the like: as if they were always there.
            yield start

    def repeats(
        self, least: int, most: Any, inner: Any, start: int, count: int = 0
    ) -> Iterator[int]:
        nodes = list(inner)
        if len(nodes) == 1 and str(nodes[0][0]) in _ONE:
            end, (op, argument) = start, nodes[0]
            while end - start < int(most) and self.passes(op, argument, end):
                end += 1
            yield from range(end, start + least - 1, -1)
            return
        if count < int(most):
            for end in self.ends(nodes, 0, start):
                if end > start or count < least:
                    yield from self.repeats(least, most, inner, end, count + 1)
        if count >= least:
            yield start

    def passes(self, op: Any, argument: Any, place: int) -> bool:
        if place >= len(self.text):
            return False
        character = self.text[place]
        key = (id(argument) if str(op) == "IN" else hash((str(op), argument)), character)
        if key not in self.known:
            self.known[key] = _passes(str(op), argument, character)
        return self.known[key]

    def is_at(self, where: str, place: int) -> bool:
        if where in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
            return place == 0
        if where in ("AT_END", "AT_END_STRING"):
            return place == len(self.text)
        return True


def _passes(name: str, argument: Any, character: str) -> bool:
    if name == "LITERAL":
        return ord(character) == int(argument)
    if name == "NOT_LITERAL":
        return ord(character) != int(argument)
    if name == "ANY":
        return character != "\n"
    negated = str(argument[0][0]) == "NEGATE"
    tests = argument[1:] if negated else argument
    return any(is_member(str(op), each, character) for op, each in tests) is not negated


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


def is_member(op: str, argument: Any, character: str) -> bool:
    """Whether a character is what one part of a set says."""
    if op == "LITERAL":
        return bool(ord(character) == argument)
    if op == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    category = _CATEGORIES.get(str(argument))
    return category is not None and re.fullmatch(category, character) is not None
