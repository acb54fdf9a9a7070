"""What is JSON, and what is not: values that actions return, and values that documents hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from trioflow.definitions._faults import at, kind
from trioflow.errors import Problem, SchemaValidationError

# Deep enough for every honest value, and far from the depth at which Python's own JSON encoder,
# and anything else that recurses, gives up.
DEEPEST_VALUE = 200

# Keys of a path: behind so many nobody counts.
_LONGEST_TRAIL = 8

# One integer of more digits than this is an attack on whoever converts it back to text (Python
# itself refuses at 4,300 digits).
LONGEST_INTEGER_BITS = 3_300  # about 1,000 digits


def not_json(value: object, path: str = "$") -> Problem | None:
    """The first reason why a value is no JSON value, or None if it is one.

    Tuples count as lists. Not JSON are keys that are not strings, NaN and the infinities, sets,
    bytes, dates, other objects, and what is nested more than 200 deep (as what contains itself).
    """
    found = _first_fault(value, 0)
    if found is None:
        return None
    trail, message = found
    if len(trail) > DEEPEST_VALUE:
        return _too_deep(value, path, trail[::-1])
    return Problem(at(path, *reversed(trail)), message)


def _too_deep(value: Any, path: str, keys: list[str | int]) -> Problem:
    """Say where it contains itself, or else where the long way down begins."""
    message = f"is nested more than {DEEPEST_VALUE} deep"
    outer: set[int] = set()
    for number, key in enumerate(keys):
        outer.add(id(value))
        value = value[key]
        if id(value) in outer:
            return Problem(at(path, *keys[: number + 1]), f"{message}: it contains itself")
    return Problem(f"{at(path, *keys[:_LONGEST_TRAIL])}...", message)


# The trail to a fault is gathered on the way back: that costs nothing where there is no fault.
_Found = tuple[list[str | int], str]


def _first_fault(value: object, depth: int) -> _Found | None:
    if depth > DEEPEST_VALUE:
        return [], f"is nested more than {DEEPEST_VALUE} deep"
    # The frequent ones first: whether something is a Mapping takes longer than all the rest.
    match value:
        case str():
            message = unwritable(value)
        case float():
            message = None if math.isfinite(value) else f"is {float(value)!r}, which JSON lacks"
        case None | bool():
            message = None
        case int():
            message = None if is_short(value) else "is an integer of more than 1,000 digits"
        case list() | tuple():
            return _first_in(enumerate(value), depth)
        case dict() | Mapping():
            for key in value:
                if not isinstance(key, str):
                    return [], f"has a key that is {kind(key)}; keys in JSON are strings"
                if (message := unwritable(key)) is not None:
                    return [], f"has a key that {message}"
            return _first_in(value.items(), depth)
        case _:
            message = f"is {kind(value)}, which is not JSON"
    return None if message is None else ([], message)


def _first_in(items: Iterable[tuple[Any, object]], depth: int) -> _Found | None:
    for key, item in items:
        if (found := _first_fault(item, depth + 1)) is not None:
            found[0].append(key)
            return found
    return None


def is_short(value: int) -> bool:
    return value.bit_length() <= LONGEST_INTEGER_BITS


def unwritable(text: str) -> str | None:
    """Why a string cannot be written to a file, or None if it can."""
    # Half of a surrogate pair: Python's strings may hold it, UTF-8 (so every file) cannot.
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return None
    return "is no Unicode text: it has half of a surrogate pair"


def to_json(value: object) -> Any:
    """Return the JSON value that a Python value stands for, sharing nothing with it.

    Tuples become lists, mappings dicts, and members of string and number enumerations their
    values. Raises `SchemaValidationError` for what `not_json` objects to.
    """
    copied = _copy_of_plain(value, 0)
    if copied is not _NOT_PLAIN:
        return copied
    if (problem := not_json(value)) is not None:
        raise SchemaValidationError([problem])
    return _copy(value)


_NOT_PLAIN = object()


def _copy_of_plain(value: Any, depth: int) -> Any:
    """Return a copy in one pass, or `_NOT_PLAIN`, by which nothing is said yet.

    Nearly all values are made of the very types that JSON is read as, and of nothing else.
    """
    exactly = type(value)
    if exactly is str:
        return value if unwritable(value) is None else _NOT_PLAIN
    if exactly is int:
        return value if is_short(value) else _NOT_PLAIN
    if value is None or exactly is bool or (exactly is float and math.isfinite(value)):
        return value
    if depth >= DEEPEST_VALUE:
        return _NOT_PLAIN
    if exactly is list:
        items = []
        for item in value:
            if (copied := _copy_of_plain(item, depth + 1)) is _NOT_PLAIN:
                return _NOT_PLAIN
            items.append(copied)
        return items
    if exactly is dict:
        fields = {}
        for key, item in value.items():
            if type(key) is not str or unwritable(key) is not None:
                return _NOT_PLAIN
            if (copied := _copy_of_plain(item, depth + 1)) is _NOT_PLAIN:
                return _NOT_PLAIN
            fields[key] = copied
        return fields
    return _NOT_PLAIN


def _copy(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            # Not str(value): an enumeration's __str__ may be anything.
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case list() | tuple():
            return [_copy(item) for item in value]
        case _:
            return {str.__str__(key): _copy(item) for key, item in value.items()}


def fresh(value: Any) -> Any:
    """Return a copy of a JSON value that shares no list and no object with it, at any depth."""
    try:
        return _fresh(value)
    except RecursionError:
        # What the children of children return is nested within what each of them adds.
        return _fresh_by_level(value)


def _fresh(value: Any) -> Any:
    if type(value) is dict:
        return {key: _fresh(item) for key, item in value.items()}
    if type(value) is list:
        return [_fresh(item) for item in value]
    return value


def _fresh_by_level(value: Any) -> Any:
    root = [value]
    todo: list[Any] = [root]
    while todo:
        container = todo.pop()
        entries = container.items() if type(container) is dict else enumerate(container)
        for key, item in list(entries):
            if type(item) is dict or type(item) is list:
                container[key] = item.copy()
                todo.append(container[key])
    return root[0]


_SCALARS = frozenset({int, float, bool, type(None)})


def is_small(value: Any) -> bool:
    """Whether a JSON value is certainly small, without looking deep: some thousand characters."""
    if type(value) is dict:
        if len(value) > 10:
            return False
        for key, item in value.items():
            short = type(item) in _SCALARS or (type(item) is str and len(item) <= 100)
            if not short or len(key) > 100:
                return False
        return True
    return type(value) in _SCALARS or (type(value) is str and len(value) <= 1_000)
