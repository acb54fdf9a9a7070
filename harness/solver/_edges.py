"""What is just below, at and just above the limits that a condition compares with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from harness.oracle._reading import Node
from harness.solver._clauses import Condition, plain, text_of
from harness.solver._guesses import Guesses, beside, constant
from harness.solver._terms import Documents, World


@attrs.frozen
class EdgeValues:
    """A comparison, and what a reference in it is just below, at and just above the limit.

    `kind` is ``value``, or ``length`` where the condition asks for the length only.
    """

    comparison: str
    reference: str
    kind: str
    below: Any
    at: Any
    above: Any


def edge_values(condition: Node | None, world: World | None = None) -> list[EdgeValues]:
    """Return for each comparison with a number or a text what is just below, at and just above."""
    clauses = Condition.of(condition).clauses
    return [edge for clause in clauses for edge in edges_of(clause, world or World())]


def edges_of(clause: Node, world: World) -> Iterator[EdgeValues]:
    clause = plain(clause)
    if clause[0] != "chain" or clause[2][0] in ("in", "not in"):
        return
    for side, other in (clause[1], clause[1][::-1]):
        limit = constant(other)
        around = beside(limit[0]) if limit is not None else None
        if around is None:
            continue
        sides = []
        for value in around:
            guesses = Guesses(world, Documents(world))
            guesses.want(side, value)
            sides.append({term: next(iter(each.values())) for term, each in guesses.found.items()})
        for term in sides[0]:
            if term.kind == "there" or not all(term in each for each in sides):
                continue
            below, at, above = (each[term] for each in sides)
            if at in (below, above) or (term.kind == "length" and below < 0):
                continue
            if not _in_order(below, above):
                # `5 - a`: the more, the less.
                below, above = above, below
            yield EdgeValues(text_of(clause), term.text, term.kind, below, at, above)


def _in_order(left: Any, right: Any) -> bool:
    try:
        return bool(left <= right)
    except TypeError:
        return True
