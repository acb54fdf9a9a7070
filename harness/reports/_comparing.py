"""Comparisons that can never hold, because the schemas say of what kinds the two sides are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.families._plan import Plan
from harness.oracle._document import Step
from harness.oracle._reading import Node
from harness.solver._clauses import plain, text_of
from harness.suites._referring import Place, Reference, place_of, schema_at

Kinds = frozenset[str]

TEXT, NUMBER, BOOLEAN = frozenset(("text",)), frozenset(("number",)), frozenset(("boolean",))
NULL = frozenset(("null",))
_ORDERED = TEXT | NUMBER
_OF_SCHEMA = {
    "string": "text",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
    "array": "list",
    "object": "object",
}
_WORDS = {
    "text": "text",
    "number": "a number",
    "boolean": "a boolean",
    "null": "null",
    "list": "a list",
    "object": "an object",
}
# What is known of the facts about a step, of the execution and of the workflow.
_FACTS: Mapping[str, Kinds] = {"status": TEXT, "attempts": NUMBER}
_OTHERS: Mapping[tuple[str, str], Kinds] = {
    ("execution", "id"): TEXT,
    ("execution", "started_at"): NUMBER,
    ("workflow", "id"): TEXT,
    ("workflow", "version"): TEXT,
}
_SAME, _ORDER = ("==", "is"), ("<", "<=", ">", ">=")


def impossible(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the comparisons that never hold: the step or connection, and why."""
    conditions: list[tuple[str, Node | None, Step | None]] = [
        (step.id, step.condition, step) for step in plan.steps
    ]
    conditions += [(edge.id, edge.condition, None) for edge in plan.graph.edges]
    for where, condition, step in conditions:
        found = (_why(plan, where, step, each) for each in _comparisons(plain(condition)))
        yield from ((where, why) for why in dict.fromkeys(found) if why)


def _comparisons(node: Any) -> Iterator[Node]:
    if isinstance(node, tuple) and node and node[0] == "chain":
        yield node
    if isinstance(node, tuple | list):
        for each in node:
            yield from _comparisons(each)


def _why(plan: Plan, where: str, step: Step | None, chain: Node) -> str:
    _, (left, right), (operator,) = chain
    one = kinds_of(plan, where, step, left)
    if operator == "in" and right[0] == "list":
        members = [kinds_of(plan, where, step, each) for each in right[1]]
        if one is None or not members or any(each is None for each in members):
            return ""
        other = frozenset().union(*(each for each in members if each is not None))
        if one & other:
            return ""
        return f"{text_of(chain)} looks for {_told(one)} among {_told(other)}: it is never true"
    other_one = kinds_of(plan, where, step, right)
    if one is None or other_one is None:
        return ""
    compared = f"{text_of(chain)} compares {_told(one)} with {_told(other_one)}"
    if operator in _ORDER and not one & other_one & _ORDERED:
        return f"{compared}, which is always an error"
    if operator in _SAME and not one & other_one:
        return f"{compared}: it is never true"
    return ""


def _told(kinds: Kinds) -> str:
    return " or ".join(word for kind, word in _WORDS.items() if kind in kinds)


def kinds_of(plan: Plan, where: str, step: Step | None, node: Node) -> Kinds | None:
    """Return of which kinds the value of an expression may be; None if it may be of any."""
    match node[0]:
        case "constant":
            return _of_value(node[1])
        case "ref":
            return _of_reference(plan, Reference(where, "", node, step))
        case "len" | "sign":
            return NUMBER
        case "exists" | "not" | "chain" | "and" | "or":
            return BOOLEAN
        case "list":
            return frozenset(("list",))
        case "arithmetic" if node[3] != "+":
            return NUMBER
        case "arithmetic":
            # Both or none of the two sides of a plus are texts.
            sides = (kinds_of(plan, where, step, each) for each in node[1:3])
            known = frozenset(_ORDERED).intersection(*(each for each in sides if each is not None))
            return known or None
    return None


def _of_reference(plan: Plan, reference: Reference) -> Kinds | None:
    _, root, parts, optional = reference.node
    found: Kinds | None = None
    if root == "item_index":
        found = NUMBER
    elif root == "steps" and parts[1] != "output":
        found = _FACTS.get(parts[1]) if len(parts) == 2 else None
    elif (root, str(parts[0]) if parts else "") in _OTHERS and len(parts) == 1:
        found = _OTHERS[root, parts[0]]
    elif (place := place_of(plan, reference)) is not None and not _may_be_no_item(plan, place):
        found = _of_schema(schema_at(place))
    return found | NULL if found is not None and optional else found


def _may_be_no_item(plan: Plan, place: Place) -> bool:
    """Whether it is the output of an item: one that fails may leave a null there (R19)."""
    step = plan.graph.steps.get(place.document)
    tolerant = ((step and step.for_each) or {}).get("on_item_error") == "continue"
    return tolerant and not place.path


def _of_schema(schema: Any) -> Kinds | None:
    if not isinstance(schema, Mapping):
        return None
    found: list[Kinds] = []
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        found.append(frozenset(_OF_SCHEMA[each] for each in types if each in _OF_SCHEMA))
    if "const" in schema:
        found.append(_of_value(schema["const"]))
    if "enum" in schema:
        found.append(frozenset[str]().union(*map(_of_value, schema["enum"])))
    return frozenset.intersection(*found) or None if found else None


def _of_value(value: Any) -> Kinds:
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int | float):
        return NUMBER
    if isinstance(value, str):
        return TEXT
    if value is None:
        return NULL
    return frozenset(("object" if isinstance(value, Mapping) else "list",))
