"""How faults are collected and worded: places, kinds of values, suggestions.

A document is checked in one go and all its faults are reported together, so checking code never
raises: it adds to a `Faults` and goes on with what is left.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from trioflow.errors import DefinitionError, ExpressionError, Problem

# What RFC 9535 lets one write after a dot; all other keys are quoted, `$["a b"]`.
_SHORTHAND = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Suggestions are a courtesy, and difflib compares each word with each candidate. A document of
# megabytes in which everything is misspelt shall not take minutes for that.
_SUGGESTION_BUDGET = 50_000
_LONGEST_WORD = 64

# Keys that are usual for the same thing elsewhere, and what they are here. Which of them is meant
# depends on the object: it is the first that the object can have.
USUAL: Mapping[str, Sequence[str]] = {
    "after": ("depends_on",),
    "args": ("parameters",),
    "arguments": ("parameters",),
    "attempts": ("max_attempts", "retry"),
    "backoff": ("multiplier", "retry"),
    "call": ("action",),
    "delay": ("initial_delay",),
    "do": ("action",),
    "each": ("items", "for_each"),
    "edges": ("connections",),
    "env": ("parameters",),
    "foreach": ("for_each",),
    "from": ("source",),
    "function": ("action",),
    "if": ("condition",),
    "in": ("items",),
    "jobs": ("steps",),
    "label": ("title", "name"),
    "links": ("connections",),
    "loop": ("for_each",),
    "max_retries": ("max_attempts", "retry"),
    "name": ("title", "id"),
    "needs": ("depends_on",),
    "on": ("depends_on",),
    "on_error": ("fallback",),
    "params": ("parameters",),
    "requires": ("depends_on",),
    "retries": ("max_attempts", "retry"),
    "rollback": ("compensate",),
    "run": ("action",),
    "tasks": ("steps",),
    "to": ("target",),
    "transitions": ("connections",),
    "undo": ("compensate",),
    "uses": ("action",),
    "when": ("condition",),
    "with": ("parameters",),
}


def at(path: str, *keys: str | int) -> str:
    """The JSON path of a part: ``at("$.steps", 2, "a b")`` is ``$.steps[2]["a b"]``."""
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) else _segment(key)
    return path


# A document repeats the same few keys thousands of times.
@lru_cache(maxsize=512)
def _segment(key: str) -> str:
    return f".{key}" if _SHORTHAND.fullmatch(key) else f"[{json.dumps(key, ensure_ascii=False)}]"


def kind(value: object) -> str:
    """What a value is in JSON's words, with an article: ``a string``, ``null``, ``an object``."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return f"a Python {type(value).__qualname__}"


def shown(value: object) -> str:
    """A value for a message: scalars as JSON, shortened; of everything else only its kind."""
    match value:
        case str():
            short = value if len(value) <= 60 else value[:57] + "..."
            return json.dumps(short, ensure_ascii=False)
        case None | bool() | float():
            return json.dumps(value)
        case int():
            return json.dumps(value) if value.bit_length() < 200 else "a number of very many digits"
        case _:
            return kind(value)


def listed(words: Iterable[str], last: str = "or") -> str:
    """Words as prose: ``a, b or c``."""
    *head, tail = words
    return f"{', '.join(head)} {last} {tail}" if head else tail


def quoted(words: Iterable[str], last: str = "or") -> str:
    """Words as prose, each in double quotes."""
    return listed([shown(word) for word in words], last)


class Faults:
    """All the faults of one document, in the order in which they were found."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}
        self._final: set[str] = set()
        self._budget = _SUGGESTION_BUDGET

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, path: str, message: str, *, final: bool = False) -> None:
        """Report a fault; a `final` one says all that there is to say about its place."""
        if path not in self._final:
            self._problems[Problem(path, message)] = None
        if final:
            self._final.add(path)

    def extend(self, problems: Iterable[Problem]) -> None:
        self._problems.update(dict.fromkeys(problems))

    def add_expression(self, path: str, error: ExpressionError) -> None:
        self.add(path, str(error))

    def suggestion(self, word: str, candidates: Iterable[str]) -> str:
        """`` - did you mean "x"?``, or nothing if no candidate is near."""
        known = list(candidates)
        for meant in USUAL.get(word, ()):
            if meant in known:
                return f" - did you mean {shown(meant)}?"
        self._budget -= len(known)
        if len(word) > _LONGEST_WORD or self._budget < 0:
            return ""
        near = difflib.get_close_matches(word, known, n=1)
        return f" - did you mean {shown(near[0])}?" if near else ""

    def raise_if_any(self, source: str) -> None:
        if self._problems:
            raise DefinitionError(tuple(self._problems), source)


def check_keys(
    value: Mapping[str, Any],
    known: Sequence[str] | Mapping[str, Any],
    path: str,
    faults: Faults,
    *,
    what: str,
    hints: Callable[[str], str | None] = lambda key: None,
) -> None:
    """Report every key that is neither known nor an extension (``x-...``).

    `hints` may know better than "unknown key" what an author had in mind.
    """
    for key in value:
        if key in known or key.startswith("x-"):
            continue
        message = hints(key) or (
            f"unknown key {shown(key)} in {what}{faults.suggestion(key, known)}"
        )
        faults.add(at(path, key), message)


def extensions(value: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that are kept and ignored."""
    return {key: item for key, item in value.items() if key.startswith("x-")}
