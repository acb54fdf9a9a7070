"""Conditions: a small language of comparisons that decides whether a connection is taken.

A text is cut into words (`_lexer.py`), parsed into a tree of frozen nodes (`_syntax.py`), in
which every name is absolute (`_paths.py`), and compiled once into functions (`_evaluate.py`).
There is no `eval`, and the tree stays there for whoever wants to reason about the condition.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs

from trioflow.definitions._evaluate import compile_tree
from trioflow.definitions._finding import MISSING, Scope
from trioflow.definitions._parser import parse
from trioflow.definitions._paths import Names, Reference, names
from trioflow.definitions._syntax import Comparison, Constant, Node, unparse, walk
from trioflow.errors import ExpressionError

__all__ = ["MISSING", "Condition", "Scope"]


@attrs.frozen(eq=False)
class Condition:
    """A condition, parsed and ready to be tested.

    `tree` is its syntax tree; `references`, `literals` and `comparisons` are what stands in it,
    in the order in which one reads it.
    """

    text: str
    tree: Node
    _run: Callable[[Scope], Any] = attrs.field(alias="run", repr=False)

    @classmethod
    def parse(
        cls,
        text: str | bool | None,
        *,
        source: str | None = None,
        steps: Collection[str] = (),
        item_name: str | None = None,
        items: Mapping[str, str] | None = None,
        fields: Collection[str] = (),
    ) -> Condition:
        """Parse a condition; raises `ExpressionError` for its first fault.

        On a connection `source` is the step that it comes from: a name that is neither a step's
        id (`steps`) nor a root is a field of its output. `item_name` is what an item is called
        inside ``for_each``; `items`, for messages, what it is called elsewhere, and in which step.
        None and an empty text are true.

        ``net-tax`` is a fault if there is a step of that name, unless `net` and `tax` are among
        the `fields` that the output of `source` is known to have; ``net - tax`` never is.
        """
        known = names(steps, source, item_name, items=items, compares=True, fields=fields)
        text, tree, problems = _read(text, known)
        if problems:
            raise problems[0]
        return cls(text, tree, run=compile_tree(tree, text))

    @staticmethod
    def problems(
        text: str | bool | None,
        *,
        source: str | None = None,
        steps: Collection[str] = (),
        item_name: str | None = None,
        items: Mapping[str, str] | None = None,
        fields: Collection[str] = (),
    ) -> list[ExpressionError]:
        """Return every fault: all names that mean nothing, or what the text breaks off at.

        An empty list means that `parse` succeeds.
        """
        known = names(steps, source, item_name, items=items, compares=True, fields=fields)
        try:
            return _read(text, known)[2]
        except ExpressionError as problem:
            return [problem]

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every reference, with an absolute path; one that is written twice is there twice."""
        return tuple(node for node in walk(self.tree) if isinstance(node, Reference))

    @property
    def literals(self) -> tuple[str | int | float | bool | None, ...]:
        """The values of all literals."""
        return tuple(node.value for node in walk(self.tree) if isinstance(node, Constant))

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every comparison; a chain is one, with its neighbours in `Comparison.pairs`."""
        return tuple(node for node in walk(self.tree) if isinstance(node, Comparison))

    def test(self, scope: Scope) -> bool:
        """Return whether the condition is true of these values.

        Raises `ExpressionError` for operands that do not fit, and `MissingInputError` if a value
        that matters is missing. Then the error's `inputs` are the paths that a resume could
        still bring; if it has none, the value is missing for good.
        """
        return bool(self._run(scope))

    def __str__(self) -> str:
        """Write the condition down anew, with absolute names."""
        return unparse(self.tree)


def _read(text: str | bool | None, known: Names) -> tuple[str, Node, list[ExpressionError]]:
    if isinstance(text, bool):
        return str(text).lower(), Constant(text), []
    if text is None:
        return "", Constant(True), []
    if not isinstance(text, str):
        raise ExpressionError("a condition is text, true, false or null", repr(text)[:40], 1)
    # Blanks alone may well be longer than any condition.
    if len(text) == 0 or text.isspace():
        return text, Constant(True), []
    return text, *parse(text, known)
