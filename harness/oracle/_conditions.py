"""The oracle's own evaluation of conditions and templates: it walks over what `_reading` reads.

What both evaluators, this one and trioflow's, must agree on is the table
`tests/definitions/vectors.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import attrs

from harness.oracle._reading import STOPS, Names, Node, Part, Wrong, part_of, pieces_of


@attrs.frozen
class Absent:
    """The result of an expression that lacks values.

    `inputs` are paths that a resume can bring, `others` what nobody can bring. An evaluated
    expression has only one of the two, a template may have both.
    """

    inputs: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@attrs.frozen
class Scope:
    """What an expression can see."""

    input: Mapping[str, Any] = attrs.field(factory=dict)
    outputs: Mapping[str, Any] = attrs.field(factory=dict)
    steps: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    execution: Mapping[str, Any] = attrs.field(factory=dict)
    workflow: Mapping[str, Any] = attrs.field(factory=dict)
    item: Any = None
    item_index: int | None = None
    secrets: Mapping[str, str] | None = None


# ---- evaluating ----


def evaluate(node: Node | None, scope: Scope) -> bool | Absent:
    """Return whether a condition holds, or what it lacks. Raises `Wrong` for a type error."""
    if node is None:
        return True
    found = _value(node, scope)
    return found if isinstance(found, Absent) else bool(found)


def _value(node: Node, scope: Scope) -> Any:
    return _EVALUATORS[node[0]](node, scope)


def _strictly(found: Sequence[Any]) -> Absent | None:
    """All operands are needed: it helps nobody to bring one of them if another is gone."""
    absent = [each for each in found if isinstance(each, Absent)]
    if not absent:
        return None
    others = tuple(dict.fromkeys(path for each in absent for path in each.others))
    if others:
        return Absent((), others)
    return Absent(tuple(dict.fromkeys(path for each in absent for path in each.inputs)))


def _either(left: Any, right: Any) -> Absent:
    """One operand may be enough: what can be brought is worth waiting for."""
    absent = [each for each in (left, right) if isinstance(each, Absent)]
    inputs = tuple(dict.fromkeys(path for each in absent for path in each.inputs))
    if inputs:
        return Absent(inputs)
    return Absent((), tuple(dict.fromkeys(path for each in absent for path in each.others)))


def _and_or(node: Node, scope: Scope) -> Any:
    decides = node[0] == "or"
    left = _value(node[1], scope)
    return _joined(left, lambda: _value(node[2], scope), decides)


def _joined(left: Any, get_right: Callable[[], Any], decides: bool) -> Any:
    if not isinstance(left, Absent) and bool(left) is decides:
        return decides
    right = get_right()
    if not isinstance(right, Absent) and bool(right) is decides:
        return decides
    if isinstance(left, Absent) or isinstance(right, Absent):
        return _either(left, right)
    return not decides


def _chain(node: Node, scope: Scope) -> Any:
    operands: list[Any] = []

    def operand(index: int) -> Any:
        while len(operands) <= index:
            operands.append(_value(node[1][len(operands)], scope))
        return operands[index]

    def compared(index: int) -> Any:
        left, right = operand(index), operand(index + 1)
        return _strictly((left, right)) or _compare(node[2][index], left, right)

    result = compared(0)
    for index in range(1, len(node[2])):
        result = _joined(result, partial(compared, index), False)
    return result


def same(left: Any, right: Any) -> bool:
    """Return whether two values are equal as JSON: 1 is 1.0, and true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compare(operator: str, left: Any, right: Any) -> bool:
    if operator in ("==", "is"):
        return same(left, right)
    if operator in ("!=", "is not"):
        return not same(left, right)
    if operator in ("in", "not in"):
        return _contains(right, left) is (operator == "in")
    numbers = _is_number(left) and _is_number(right)
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        raise Wrong(f"{operator} does not compare these")
    order: int = (left > right) - (left < right)
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]


def _contains(container: Any, value: Any) -> bool:
    if isinstance(container, list | tuple):
        return any(same(each, value) for each in container)
    if isinstance(container, str | Mapping) and isinstance(value, str):
        return value in container
    raise Wrong("nothing can be in that")


def _arithmetic(node: Node, scope: Scope) -> Any:
    left, right = _value(node[1], scope), _value(node[2], scope)
    operator = node[3]
    if absent := _strictly((left, right)):
        return absent
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if not (_is_number(left) and _is_number(right)):
        raise Wrong(f"{operator} needs two numbers")
    try:
        found = {
            "+": lambda: left + right,
            "-": lambda: left - right,
            "*": lambda: left * right,
            "/": lambda: left / right,
            "//": lambda: left // right,
            "%": lambda: left % right,
        }[operator]()
    except ArithmeticError as error:
        raise Wrong(str(error)) from None
    if isinstance(found, float) and (found != found or found in (float("inf"), float("-inf"))):
        raise Wrong("the result is no number")
    return found


def _sign(node: Node, scope: Scope) -> Any:
    value = _value(node[1], scope)
    if isinstance(value, Absent):
        return value
    if not _is_number(value):
        raise Wrong(f"{node[2]} needs a number")
    return -value if node[2] == "-" else value


def _not(node: Node, scope: Scope) -> Any:
    value = _value(node[1], scope)
    return value if isinstance(value, Absent) else not value


def _length(node: Node, scope: Scope) -> Any:
    value = _value(node[1], scope)
    if isinstance(value, Absent):
        return value
    if not isinstance(value, str | list | tuple | Mapping):
        raise Wrong("that has no length")
    return len(value)


def _list(node: Node, scope: Scope) -> Any:
    values = [_value(each, scope) for each in node[1]]
    return _strictly(values) or values


def _at(node: Node, scope: Scope) -> Any:
    """Follow a path with parts that are computed; all of it counts as one path."""
    base, parts = node, []
    while base[0] == "at":
        parts.append(_value(base[2], scope))
        base = base[1]
    parts.reverse()
    if absent := _strictly(parts):
        return absent
    parts = [_index(part) for part in parts]
    if base[0] == "ref" and not base[3]:
        return _find(("ref", base[1], (*base[2], *parts), False), scope)
    value = _value(base, scope)
    return value if isinstance(value, Absent) else _follow(value, parts, False, "an expression")


def _index(part: Any) -> Part:
    if isinstance(part, float) and part.is_integer():
        return int(part)
    if isinstance(part, bool) or not isinstance(part, int | str):
        raise Wrong("an index is a whole number or a key")
    return part


def _find(node: Node, scope: Scope) -> Any:
    """Return the value of a reference, or what is missing of it."""
    _, root, parts, optional = node
    value: Any = Absent()
    name = path_text(root, tuple(parts))
    if root == "output":
        step, *parts = parts
        value = scope.outputs.get(step, value)
        # The word `output` may stand there or not, unless the output has such a key itself.
        if (
            parts
            and parts[0] == "output"
            and not (isinstance(value, Mapping) and "output" in value)
        ):
            parts = parts[1:]
    elif root == "steps":
        step, fact, *parts = parts
        if fact == "output":
            value = scope.outputs.get(step, value)
        elif step in scope.steps:
            value = scope.steps[step].get(fact, None if fact == "error" else value)
    elif root == "secret":
        if scope.secrets is None:
            return f"${{secret.{parts[0]}}}"
        value = scope.secrets
    elif root == "item_index":
        value = value if scope.item_index is None else scope.item_index
    else:
        value = getattr(scope, root)
    found = _follow(value, parts, root == "input", name)
    return None if optional and isinstance(found, Absent) else found


def _follow(value: Any, parts: Sequence[Part], can_grow: bool, name: str) -> Any:
    if isinstance(value, Absent):
        return Absent((), (name,))
    for part in parts:
        if isinstance(value, Mapping):
            if str(part) not in value:
                return Absent((name,)) if can_grow else Absent((), (name,))
            value = value[str(part)]
            continue
        # R11: only a key that an object lacks can be added.
        can_grow = False
        if not (isinstance(value, list | tuple) and isinstance(part, int)):
            return Absent((), (name,))
        if not -len(value) <= part < len(value):
            return Absent((), (name,))
        value = value[part]
    return value


@lru_cache(maxsize=16_384)
def path_text(root: str, parts: Sequence[Part]) -> str:
    """Return a path as it is written in `waiting_for`."""
    found = "" if root == "output" else root
    for part in parts:
        if isinstance(part, int):
            found += f"[{part}]"
        elif re.fullmatch(rf"[^{STOPS}]+", part) and part_of(part) == part:
            found += f".{part}" if found else part
        else:
            found += f"[{json.dumps(part, ensure_ascii=False)}]"
    return found


_EVALUATORS: dict[str, Callable[[Node, Scope], Any]] = {
    "constant": lambda node, scope: node[1],
    "group": lambda node, scope: _value(node[1], scope),
    "ref": _find,
    "at": _at,
    "list": _list,
    "not": _not,
    "sign": _sign,
    "and": _and_or,
    "or": _and_or,
    "chain": _chain,
    "arithmetic": _arithmetic,
    "exists": lambda node, scope: not isinstance(_value(node[1], scope), Absent),
    "len": _length,
}


# ---- templates ----


def resolve(template: Any, names: Names, scope: Scope) -> tuple[Any, Absent]:
    """Return a template with its references replaced, and everything that is missing in it."""
    inputs: dict[str, None] = {}
    others: dict[str, None] = {}

    def replaced(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: replaced(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [replaced(each) for each in value]
        if not isinstance(value, str):
            return value
        cut = pieces_of(value, names)
        pieces = [piece if isinstance(piece, str) else found(piece) for piece in cut]
        if len(pieces) == 1 and not isinstance(cut[0], str):
            return pieces[0]
        return "".join(
            piece
            if isinstance(piece, str)
            else json.dumps(piece, ensure_ascii=False, separators=(",", ":"))
            for piece in pieces
        )

    def found(node: Node) -> Any:
        value = _find(node, scope)
        if not isinstance(value, Absent):
            return value
        inputs.update(dict.fromkeys(value.inputs))
        others.update(dict.fromkeys(value.others))
        return None

    return replaced(template), Absent(tuple(inputs), tuple(others))
