"""Values as JSON sees them: which kind they are of, and when they are equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KINDS = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def kind(value: Any) -> str:
    """Say what a value is; messages never show the value itself."""
    for known, name in _KINDS.items():
        if isinstance(value, known):
            return name
    if isinstance(value, tuple):
        return "a list"
    return "an object" if isinstance(value, Mapping) else "a value that is not JSON"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(left: Any, right: Any) -> bool:
    """Compare as JSON does: ``1 == 1.0``, and true is no number; to any depth."""
    # By a list of what is left to compare, because a payload may be nested deeper than the stack.
    todo = [(left, right)]
    while todo:
        left, right = todo.pop()
        if isinstance(left, list | tuple):
            if not isinstance(right, list | tuple) or len(left) != len(right):
                return False
            todo.extend(zip(left, right, strict=True))
        elif isinstance(left, Mapping):
            if not isinstance(right, Mapping) or left.keys() != right.keys():
                return False
            todo.extend((left[key], right[key]) for key in left)
        elif isinstance(left, bool) or isinstance(right, bool):
            if left is not right:
                return False
        elif left != right:
            return False
    return True
