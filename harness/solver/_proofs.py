"""What can be proved: that no valid data make a condition true.

That nothing was found proves nothing. A proof looks at what has to hold together, clause by clause
in the disjunctive form of the condition: of one reference it knows all values (``enum``, ``const``,
``boolean``), or types and bounds, and each comparison with a constant takes something away. Where
nothing is left the condition cannot be true; of everything else it says nothing.

>>> world = World(input={"properties": {"n": {"type": "integer", "maximum": 5}}})
>>> [proved(text, world) for text in ("input.n > 5", "input.n > 3 and input.n < 2", "input.n == 5")]
[True, True, False]
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.data import is_fitting
from harness.oracle._conditions import Scope, same
from harness.oracle._reading import Names, Node, Part, read_condition, references_of
from harness.solver._clauses import FALSE, TRUE, outcome_of, plain
from harness.solver._guesses import constant
from harness.solver._terms import Name, World

# A condition with more ways to be true than this is not looked at.
_MOST_WAYS = 64
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}
_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}

Place = tuple[Name, tuple[Part, ...]]
# What has to be true of a reference: an operator, and a constant on its right.
Atom = tuple[str, Any]


def proved(text: str, world: World) -> bool:
    """Whether it is sure that the text of a condition cannot be true; see `never_true`."""
    return never_true(read_condition(text, Names(frozenset(world.outputs))), world)


def never_true(condition: Node | None, world: World) -> bool:
    """Whether it is sure that no valid data make a condition true."""
    if condition is None:
        return False
    try:
        ways = _ways(plain(condition), wanted=True)
    except (RecursionError, _TooMany):
        return False
    return all(_contradicts(way, world) for way in ways)


class _TooMany(Exception):
    pass


def _ways(node: Node, *, wanted: bool) -> list[list[tuple[Node, bool]]]:
    """Return the ways in which a condition is what is wanted: clauses, each with what it is."""
    if node[0] == "not":
        return _ways(node[1], wanted=not wanted)
    if node[0] not in ("and", "or"):
        return [[(node, wanted)]]
    left, right = (_ways(each, wanted=wanted) for each in node[1:3])
    if (node[0] == "or") is wanted:
        found = [*left, *right]
    else:
        found = [[*one, *other] for one in left for other in right]
    if len(found) > _MOST_WAYS:
        raise _TooMany
    return found


def _contradicts(way: Sequence[tuple[Node, bool]], world: World) -> bool:
    atoms: dict[Place, list[Atom]] = {}
    for clause, wanted in way:
        if not any(True for _ in references_of(clause)):
            if outcome_of(clause, Scope()) != (TRUE if wanted else FALSE):
                return True
            continue
        for place, atom in _atoms(clause, wanted, world):
            atoms.setdefault(place, []).append(atom)
    return any(_nothing_left(place, found, world) for place, found in atoms.items())


def _atoms(clause: Node, wanted: bool, world: World) -> Iterator[tuple[Place, Atom]]:
    if clause[0] == "ref" and not clause[3]:
        place = world.place(clause)
        # Of what is no boolean it is not said here what it counts for.
        if _schema_at(place, world).get("type") == "boolean":
            yield place, ("==", wanted)
    if clause[0] != "chain" or len(clause[2]) != 1 or clause[2][0] not in _FLIPPED:
        return
    (left, right), (operator,) = clause[1:]
    if left[0] != "ref":
        left, right, operator = right, left, _FLIPPED[operator]
    value = constant(right)
    if not wanted:
        # What is not equal may be anything else: that takes nothing away.
        operator = _NEGATED.get(operator, "")
    # An optional reference may be null as well, whatever its schema says.
    if left[0] == "ref" and not left[3] and value is not None and operator:
        yield world.place(left), (operator, value[0])


def _nothing_left(place: Place, atoms: Sequence[Atom], world: World) -> bool:
    schema = _schema_at(place, world)
    values = _all_values(schema)
    values = (
        [each for operator, each in atoms if operator == "=="][:1] if values is None else values
    )
    if values:
        # A part of a schema that refers to other parts of it cannot be asked alone.
        alone = "$" not in json.dumps(schema)
        fitting = [each for each in values if not alone or is_fitting(schema)(each)]
        return not any(all(_holds(each, atom) for atom in atoms) for each in fitting)
    if not all(_has_order(value) and _may_be(schema, value) for _, value in atoms):
        return True
    return _is_empty([*atoms, *_bounds(schema, atoms)])


def _holds(value: Any, atom: Atom) -> bool:
    operator, other = atom
    if operator == "==":
        return bool(same(value, other))
    node = ("chain", [("constant", value), ("constant", other)], [operator])
    return outcome_of(node, Scope()) == TRUE


def _is_empty(atoms: Sequence[Atom]) -> bool:
    """Whether no number, or no text, lies within all these bounds."""
    lows = [atom for atom in atoms if atom[0] in (">", ">=")]
    highs = [atom for atom in atoms if atom[0] in ("<", "<=")]
    for low, above in lows:
        for high, below in highs:
            if isinstance(above, str) is not isinstance(below, str):
                return True
            both = low == ">=" and high == "<="
            if above > below or (above == below and not both):
                return True
    return False


# ---- what schemas say ----


def _schema_at(place: Place, world: World) -> Mapping[str, Any]:
    """Return the schema of a place; an empty one if that is not simply said."""
    document, path = place
    schema = world.schema(document) if document[0] in ("input", "output") else None
    for part in path:
        inner = schema.get("properties") if isinstance(schema, Mapping) else None
        schema = inner.get(part) if isinstance(inner, Mapping) else None
    return schema if isinstance(schema, Mapping) else {}


def _all_values(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    if isinstance(schema.get("enum"), list):
        return list(schema["enum"])
    return [True, False] if schema.get("type") == "boolean" else None


def _has_order(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _may_be(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether what fits a schema may be of the kind of a number or a text; unsure is a yes."""
    types = schema.get("type")
    types = [types] if isinstance(types, str) else types
    if not isinstance(types, list):
        return True
    fitting = {"string"} if isinstance(value, str) else {"number", "integer"}
    return any(each in fitting for each in types)


def _bounds(schema: Mapping[str, Any], atoms: Sequence[Atom]) -> Iterator[Atom]:
    """Yield what a schema says of numbers, if it is one that is asked for."""
    if not any(isinstance(value, int | float) for _, value in atoms):
        return
    for key, operator in (
        ("minimum", ">="),
        ("exclusiveMinimum", ">"),
        ("maximum", "<="),
        ("exclusiveMaximum", "<"),
    ):
        # In the fourth draft two of them are booleans.
        if isinstance(schema.get(key), int | float) and not isinstance(schema[key], bool):
            yield operator, schema[key]
