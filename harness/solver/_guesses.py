"""Values worth trying: from the constants in a condition, from schemas, by turning it around.

For `a + 1 > 5` what is wanted of the left side is 4, 5 and 6, so of `a` it is 3, 4 and 5. For
`a > b`, where nothing is constant, each side is wanted to be what the other side may be.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeGuard

import attrs

from harness.data._instances import key_of
from harness.oracle._reading import Node, Wrong
from harness.solver._terms import ABSENT, GONE, Documents, Nothing, Term, World, replaced, term_of

# Of each term so many values are tried, and so many are taken on to the other side of a comparison.
_MOST, _MOST_SAMPLES = 40, 6
_ORDERING = ("<", "<=", ">", ">=")
# One of each type, in case a type is all that matters.
_OTHERS: tuple[Any, ...] = (True, False, 0, 1, "", "a", None, [], [None], {}, {"a": None})


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def constant(node: Any) -> tuple[Any] | None:
    """Return the value of an expression without references, in a tuple; else None."""
    try:
        return (_value(node),)
    except (Wrong, LookupError):
        return None


def _value(node: Any) -> Any:
    if node[0] == "constant":
        return node[1]
    if node[0] == "list":
        return [_value(each) for each in node[1]]
    if node[0] == "sign" and _is_number(found := _value(node[1])):
        return -found if node[2] == "-" else found
    if node[0] == "arithmetic":
        return arithmetic(node[3], _value(node[1]), _value(node[2]))
    if node[0] == "len" and isinstance(found := _value(node[1]), str | list | dict):
        return len(found)
    raise Wrong("not constant")


def arithmetic(operator: str, left: Any, right: Any) -> Any:
    """Return what an operator makes of two values. Raises `Wrong`."""
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if not (_is_number(left) and _is_number(right)):
        raise Wrong("not numbers")
    try:
        match operator:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/":
                return left / right
            case "//":
                return left // right
        return left % right
    except ArithmeticError as error:
        raise Wrong(str(error)) from None


def step_beside(value: float) -> float:
    """Return how far from a number the next one is that one would write."""
    if value == int(value):
        return 1
    text = repr(value)
    if "e" in text:
        return abs(value) / 10
    return float(f"1e-{len(text.partition('.')[2])}")


def beside(value: Any) -> tuple[Any, Any, Any] | None:
    """Return what is just below, at and just above a number or a text; None for anything else."""
    if _is_number(value):
        step = step_beside(value)
        digits = len(repr(step).partition(".")[2])
        if digits:
            return round(value - step, digits + 5), value, round(value + step, digits + 5)
        return value - step, value, value + step
    if isinstance(value, str):
        return (value[:-1] if value else value), value, value + "a"
    return None


def _near(operator: str, value: Any) -> Iterator[Any]:
    """Yield what the other side of a comparison with `value` may be."""
    if operator in ("in", "not in"):
        if isinstance(value, list | str | dict):
            yield from value
        if isinstance(value, str):
            yield from (value, "", value + "?")
            return
        strings = isinstance(value, list | dict) and any(isinstance(each, str) for each in value)
        yield from ("other",) if strings else (-1, "other")
        return
    yield value
    around = beside(value)
    if isinstance(value, bool):
        yield not value
    elif around is not None:
        yield from (around[2], around[0])
        yield 0 if _is_number(value) else "other"
    else:
        yield from _OTHERS


def _finely_near(operator: str, value: Any) -> Iterator[Any]:
    """Yield what is nearer to a whole number than the next one, for where fractions are allowed."""
    if _is_number(value) and operator not in ("in", "not in"):
        yield from (value + 0.01, value - 0.01)


def _holding(value: Any) -> Iterator[Any]:
    """Yield what `value` may be in."""
    yield from ([value], [])
    if isinstance(value, str):
        yield from (value, {value: None}, f"a{value}", "", {})
    yield ["other"]


@attrs.define(eq=False)
class Guesses:
    """Collects values for the terms of some clauses."""

    world: World
    documents: Documents
    found: dict[Term, dict[str, Any]] = attrs.field(factory=dict)
    most: int = _MOST

    def collect(self, clauses: Sequence[Node], terms: Sequence[Term]) -> dict[Term, list[Any]]:
        """Return for each term what is worth trying: what the conditions ask for comes first."""
        self.found = {term: {} for term in terms}
        # One term may be compared with something in every clause, and with what is beside it.
        self.most = max(_MOST, 4 * len(clauses))
        for clause in clauses:
            if clause[0] != "chain":
                for value in (True, False):
                    self.want(clause, value)
        for clause in clauses:
            self.compare(clause, only_constants=True)
        for clause in clauses:
            self.compare(clause, only_constants=True, finely=True)
        # Twice, so that what has been found on one side gets to the other, and on.
        for _ in range(2):
            for clause in clauses:
                self.compare(clause, only_constants=False)
        return {term: self._tried(term) for term in terms}

    def _tried(self, term: Term) -> list[Any]:
        found = list(self.found[term].values())
        match term.kind:
            case "there":
                found = [True, False]
            case "length":
                found = [each for each in found if isinstance(each, int) and each >= 0]
                found += [1, 0, 2, ABSENT]
            case _:
                asked = [each for each in found if self.documents.may_be(term, each)][: self.most]
                samples = self.documents.samples(term, 10)
                others = [each for each in _OTHERS if self.documents.may_be(term, each)]
                found = [*asked, *samples, *others, ABSENT]
                if term.document == ("input",) and len(term.path) > 1:
                    found.append(GONE)
        return list(
            {
                repr(each) if isinstance(each, Nothing) else key_of(each): each for each in found
            }.values()
        )

    def compare(self, node: Any, *, only_constants: bool, finely: bool = False) -> None:
        """Look at every comparison in a clause, and at the operators in it."""
        if isinstance(node, list):
            for each in node:
                self.compare(each, only_constants=only_constants, finely=finely)
        if not isinstance(node, tuple) or node[0] in ("constant", "ref"):
            return
        if node[0] == "chain":
            (left, right), operator = node[1], node[2][0]
            near = _finely_near if finely else _near
            for value in self._values(right, only_constants):
                for each in near(operator, value):
                    self.want(left, each)
            for value in self._values(left, only_constants):
                held = operator in ("in", "not in")
                for each in _holding(value) if held else near(operator, value):
                    self.want(right, each)
        for each in node[1:]:
            self.compare(each, only_constants=only_constants, finely=finely)

    def _values(self, node: Node, only_constants: bool) -> list[Any]:
        found = constant(node)
        if found is not None:
            return [found[0]]
        return [] if only_constants else list(self.samples(node))

    def samples(self, node: Node) -> Iterator[Any]:
        """Yield some values that an expression may have."""
        terms = list(dict.fromkeys(self._terms(node)))
        options = []
        for term in terms:
            known = list(self.found.get(term, {}).values())[:_MOST_SAMPLES]
            options.append(known or self.documents.samples(term, 3) or [0])
        for values in itertools.islice(itertools.product(*options), 12):
            given = dict(zip(terms, values, strict=True))
            value = constant(replaced(node, given, self.world))
            if value is not None:
                yield value[0]

    def _terms(self, node: Any) -> Iterator[Term]:
        if isinstance(node, list):
            for each in node:
                yield from self._terms(each)
        elif isinstance(node, tuple) and node[0] != "constant":
            term = term_of(node, self.world)
            if term is not None:
                yield term
                return
            for each in node[1:]:
                yield from self._terms(each)

    # ---- turning around ----

    def want(self, node: Node, value: Any) -> None:
        """Note what the terms of an expression have to be for it to have a value."""
        term = term_of(node, self.world)
        if term is not None:
            if len(self.found.setdefault(term, {})) < 2 * self.most:
                self.found[term].setdefault(key_of(value), value)
            return
        match node[0]:
            case "group":
                self.want(node[1], value)
            case "sign" if _is_number(value):
                self.want(node[1], -value if node[2] == "-" else value)
            case "not":
                self.want(node[1], not value)
            case "list" if isinstance(value, list) and len(value) == len(node[1]):
                for item, each in zip(node[1], value, strict=True):
                    self.want(item, each)
            case "list":
                for item in node[1]:
                    self.want(item, value)
            case "at":
                self.want(node[1], [value])
                self.want(node[1], {"a": value})
                for part in (0, "a", 1):
                    self.want(node[2], part)
            case "arithmetic":
                for left in self._few(node[1]):
                    for each in _right_of(node[3], left, value):
                        self.want(node[2], each)
                for right in self._few(node[2]):
                    for each in _left_of(node[3], right, value):
                        self.want(node[1], each)

    def _few(self, node: Node) -> Iterable[Any]:
        found = constant(node)
        return [found[0]] if found is not None else itertools.islice(self.samples(node), 3)


def _left_of(operator: str, right: Any, value: Any) -> Iterator[Any]:
    """Yield which left operands make `left operator right` the value."""
    if isinstance(right, str) and isinstance(value, str) and operator == "+":
        # Without that end it cannot be; then something else is as good.
        yield value.removesuffix(right)
    if not (_is_number(right) and _is_number(value)):
        return
    match operator:
        case "+":
            yield _tidy(value - right)
        case "-":
            yield _tidy(value + right)
        case "*" if right:
            yield _tidy(value / right)
        case "/":
            yield _tidy(value * right)
        case "//":
            yield from (_tidy(value * right), _tidy(value * right + right - 1))
        case "%":
            yield from (value, _tidy(value + right), _tidy(value + 2 * right))


def _right_of(operator: str, left: Any, value: Any) -> Iterator[Any]:
    """Yield which right operands make `left operator right` the value."""
    if isinstance(left, str) and isinstance(value, str) and operator == "+":
        yield value.removeprefix(left)
    if not (_is_number(left) and _is_number(value)):
        return
    match operator:
        case "+":
            yield _tidy(value - left)
        case "-":
            yield _tidy(left - value)
        case "*" if left:
            yield _tidy(value / left)
        case "/" | "//" if value:
            yield _tidy(left / value)
        case "%":
            yield from (_tidy(left - value), left)


def _tidy(value: float) -> int | float:
    """Return a number as one would write it: without the dust of floating point."""
    if isinstance(value, int):
        return value
    try:
        value = round(value, 9)
        return int(value) if value.is_integer() else value
    except (OverflowError, ValueError):
        return 0
