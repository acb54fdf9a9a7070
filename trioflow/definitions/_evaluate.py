"""What conditions mean: a tree is compiled, once, into functions of a scope.

Missing values travel as `MissingInputError`. Whether something is missing for good or could still
be brought is known where it is looked up; here it is only decided what matters:

* an operator that needs all of its operands lacks its value for good if one of them is lacking
  for good, whatever a resume brings for the others;
* a side of `and` and `or` that can still be brought may decide, so then that is waited for.

So an error that leaves here has either `inputs` or `others`, never both.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from trioflow.definitions._finding import Getter, Scope, compile_reference, find, follow
from trioflow.definitions._paths import Reference, Segments
from trioflow.definitions._syntax import (
    Arithmetic,
    Comparison,
    Constant,
    Exists,
    Length,
    Link,
    ListOf,
    Lookup,
    Node,
    Unary,
    column_of,
    unparse,
    walk,
)
from trioflow.definitions._values import equal, is_number, kind
from trioflow.errors import ExpressionError, MissingInputError

Test = Callable[[Any, Any], bool]
_NUMBERS = frozenset({int, float})

# A condition is short, but each `+` or `*` in it can double what the input holds.
_LONGEST_TEXT = 1 << 20
_MOST_BITS = 1 << 14


class _Compiler:
    """Compiles the nodes of one condition, whose text its errors show."""

    def __init__(self, text: str) -> None:
        self._text = text
        # By identity: equal nodes at two places have two columns.
        self._compiled: dict[int, Getter] = {}

    def error(self, message: str, column: int) -> ExpressionError:
        return ExpressionError(message, self._text, column)

    def compile(self, tree: Node) -> Getter:
        """Compile from the leaves up, which takes no stack."""
        for node in reversed([*walk(tree)]):
            self._compiled[id(node)] = self._compile(node)
        return self._get(tree)

    def _get(self, node: Node) -> Getter:
        return self._compiled[id(node)]

    def _compile(self, node: Node) -> Getter:
        match node:
            case Constant(value):
                return lambda scope: value
            case Reference():
                return compile_reference(node)
            case ListOf(items):
                return self._list(items)
            case Lookup():
                return self._lookup(node)
            case Exists(target):
                return _exists(self._get(target))
            case Length(operand):
                return self._length(self._get(operand), node.column)
            case Unary("not", operand):
                return _negation(self._get(operand))
            case Unary():
                return self._sign(node)
            case Arithmetic(first, links):
                return self._arithmetic(first, links)
            case Comparison(first, links):
                return self._comparison(first, links)
            case _:
                sides = [self._get(part) for part in node.operands]
                return _logic(sides, decisive=node.operator == "or")

    def _list(self, items: Sequence[Node]) -> Getter:
        if all(isinstance(item, Constant) for item in items):
            constant = [item.value for item in items if isinstance(item, Constant)]
            return lambda scope: constant
        getters = [self._get(item) for item in items]
        return lambda scope: _all(getters, scope)

    def _lookup(self, node: Lookup) -> Getter:
        base = node.base
        indexes = [
            _fixed(part) if isinstance(part, str | int) else self._index(part)
            for part in node.segments
        ]
        if isinstance(base, Reference) and not base.optional:
            # Found in one go from the root on, so that the message has the whole path.
            return lambda scope: find(base, scope, tuple(_all(indexes, scope)))
        getters = [self._get(base), *indexes]
        name = unparse(base)

        def get(scope: Scope) -> Any:
            value, *segments = _all(getters, scope)
            path: Segments = tuple(segments)
            return follow(value, path, False, name, path)

        return get

    def _index(self, node: Node) -> Getter:
        get = self._get(node)
        column = column_of(node)

        def get_index(scope: Scope) -> str | int:
            index = get(scope)
            if isinstance(index, str | int) and not isinstance(index, bool):
                return index
            if isinstance(index, float) and index.is_integer():
                return int(index)
            raise self.error(f"an index is a whole number or a string, not {kind(index)}", column)

        return get_index

    def _length(self, get: Getter, column: int) -> Getter:
        def length(scope: Scope) -> int:
            value = get(scope)
            if isinstance(value, str | list | tuple | Mapping):
                return len(value)
            raise self.error(f"`len` cannot count {kind(value)}", column)

        return length

    # Arithmetic

    def _sign(self, node: Unary) -> Getter:
        get = self._get(node.operand)
        negative = node.operator == "-"

        def sign(scope: Scope) -> Any:
            value = get(scope)
            if not is_number(value):
                raise self.error(
                    f"`{node.operator}` needs a number, not {kind(value)}", node.column
                )
            return -value if negative else value

        return sign

    def _arithmetic(self, first: Node, links: Sequence[Link]) -> Getter:
        get_first = self._get(first)
        rest = [(self._calculation(link), self._get(link.operand)) for link in links]

        def calculate(scope: Scope) -> Any:
            missing: list[MissingInputError] = []
            result: Any = None
            try:
                result = get_first(scope)
            except MissingInputError as error:
                missing.append(error)
            for calculation, get in rest:
                try:
                    value = get(scope)
                except MissingInputError as error:
                    missing.append(error)
                    continue
                if not missing:
                    result = calculation(result, value)
            if missing:
                raise _all_needed(missing)
            return result

        return calculate

    def _calculation(self, link: Link) -> Callable[[Any, Any], Any]:
        symbol, column = link.operator, link.column
        function = _CALCULATIONS[symbol]

        def calculation(left: Any, right: Any) -> Any:
            if is_number(left) and is_number(right):
                try:
                    result = function(left, right)
                except ZeroDivisionError:
                    raise self.error("division by zero", column) from None
                except OverflowError:
                    raise self.error("the number becomes too large", column) from None
                if isinstance(result, float):
                    fits = math.isfinite(result)
                else:
                    fits = result.bit_length() <= _MOST_BITS
                if fits:
                    return result
                raise self.error("the number becomes too large", column)
            if symbol == "+" and isinstance(left, str) and isinstance(right, str):
                if len(left) + len(right) <= _LONGEST_TEXT:
                    return left + right
                raise self.error(f"the string gets over {_LONGEST_TEXT:,} characters", column)
            raise self.error(f"`{symbol}` does not work for {kind(left)} and {kind(right)}", column)

        return calculation

    # Comparing

    def _comparison(self, first: Node, links: Sequence[Link]) -> Getter:
        if len(links) > 1:
            return self._chain(first, links)
        (link,) = links
        left = self._get(first)
        if isinstance(link.operand, Constant):
            return self._with_constant(left, link, link.operand.value)
        right = self._get(link.operand)
        test = self._test(link)

        def compare(scope: Scope) -> bool:
            try:
                value = left(scope)
            except MissingInputError as error:
                missing = error
            else:
                return test(value, right(scope))
            _, also = _try(right, scope)
            raise _all_needed([missing] if also is None else [missing, also])

        return compare

    def _with_constant(self, get: Getter, link: Link, constant: Any) -> Getter:
        """Compare with a literal: what nearly all conditions do, and worth to be quick."""
        test = self._test(link)
        if link.operator in ("==", "!=") and (constant is None or isinstance(constant, bool)):
            equal = link.operator == "=="
            return lambda scope: (get(scope) is constant) is equal
        if link.operator == "==" and isinstance(constant, str):
            return lambda scope: bool(get(scope) == constant)
        if link.operator in _ORDERINGS and type(constant) in _NUMBERS:
            order = _ORDERINGS[link.operator]

            def compare(scope: Scope) -> bool:
                value = get(scope)
                return order(value, constant) if type(value) in _NUMBERS else test(value, constant)

            return compare
        return lambda scope: test(get(scope), constant)

    def _chain(self, first: Node, links: Sequence[Link]) -> Getter:
        """Compare neighbours until one pair decides, like `and` over the pairs."""
        get_first = self._get(first)
        rest = [(self._test(link), self._get(link.operand)) for link in links]

        def compare(scope: Scope) -> bool:
            undecided: list[MissingInputError] = []
            left, left_missing = _try(get_first, scope)
            for test, get in rest:
                right, right_missing = _try(get, scope)
                missing = [error for error in (left_missing, right_missing) if error]
                if missing:
                    undecided.append(_all_needed(missing))
                elif not test(left, right):
                    return False
                left, left_missing = right, right_missing
            if undecided:
                raise _one_may_decide(undecided)
            return True

        return compare

    def _test(self, link: Link) -> Test:
        symbol, column = link.operator, link.column
        if symbol == "==":
            return equal
        if symbol == "!=":
            return lambda left, right: not equal(left, right)
        if symbol in _ORDERINGS:
            return self._ordering(symbol, column)
        negated = symbol == "not in"

        def contains(left: Any, right: Any) -> bool:
            if isinstance(right, list | tuple):
                return any(equal(left, item) for item in right) is not negated
            if isinstance(right, str | Mapping) and isinstance(left, str):
                return (left in right) is not negated
            raise self.error(f"`{symbol}` cannot find {kind(left)} in {kind(right)}", column)

        return contains

    def _ordering(self, symbol: str, column: int) -> Test:
        function = _ORDERINGS[symbol]

        def order(left: Any, right: Any) -> bool:
            if (isinstance(left, str) and isinstance(right, str)) or (
                is_number(left) and is_number(right)
            ):
                return bool(function(left, right))
            raise self.error(f"`{symbol}` cannot order {kind(left)} and {kind(right)}", column)

        return order


_CALCULATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_ORDERINGS: dict[str, Test] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compile_tree(tree: Node, text: str) -> Getter:
    """Return the function that evaluates the tree; `text` is for its messages."""
    return _Compiler(text).compile(tree)


def _fixed(part: str | int) -> Getter:
    return lambda scope: part


def _exists(get: Getter) -> Getter:
    def exists(scope: Scope) -> bool:
        try:
            get(scope)
        except MissingInputError:
            return False
        return True

    return exists


def _negation(get: Getter) -> Getter:
    return lambda scope: not get(scope)


def _logic(sides: Sequence[Getter], decisive: bool) -> Getter:
    """Return `or` (which true decides) or `and` (which false decides)."""

    def decide(scope: Scope) -> bool:
        missing: list[MissingInputError] | None = None
        for side in sides:
            try:
                value = side(scope)
            except MissingInputError as error:
                if missing is None:
                    missing = []
                missing.append(error)
            else:
                if (not value) is not decisive:
                    return decisive
        if missing is not None:
            raise _one_may_decide(missing)
        return not decisive

    return decide


# Missing operands…


def _try(get: Getter, scope: Scope) -> tuple[Any, MissingInputError | None]:
    try:
        return get(scope), None
    except MissingInputError as error:
        return None, error


def _all(getters: Iterable[Getter], scope: Scope) -> list[Any]:
    """Return all values, or raise for all that are missing."""
    values, missing = [], []
    for get in getters:
        value, error = _try(get, scope)
        values.append(value)
        if error is not None:
            missing.append(error)
    if missing:
        raise _all_needed(missing)
    return values


def _all_needed(missing: Sequence[MissingInputError]) -> MissingInputError:
    others = tuple(dict.fromkeys(path for error in missing for path in error.others))
    return _missing((), others) if others else _missing(_inputs(missing), ())


def _one_may_decide(missing: Sequence[MissingInputError]) -> MissingInputError:
    inputs = _inputs(missing)
    others = tuple(dict.fromkeys(path for error in missing for path in error.others))
    return _missing(inputs, () if inputs else others)


def _inputs(missing: Sequence[MissingInputError]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for error in missing for path in error.inputs))


def _missing(inputs: tuple[str, ...], others: tuple[str, ...]) -> MissingInputError:
    return MissingInputError((*inputs, *others)[0], inputs, others)
