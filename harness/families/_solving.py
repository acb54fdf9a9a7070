"""Values with which conditions say what they must, and where in a document they belong."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness._built_in import raised_at
from harness.data._picking import several
from harness.families._raising import only_fails
from harness.families._values import at, inside, plain, put
from harness.families._ways import Need
from harness.oracle._conditions import Scope, evaluate
from harness.oracle._document import Graph, Step
from harness.oracle._reading import (
    Names,
    Node,
    Wrong,
    read_path,
    references_of,
    references_of_template,
)
from harness.solver import FALSE, TRUE, Solution, Solver, Unreachable, World

# A value has this place: "input" or a step, and a path in it.
Place = tuple[str, Any]

_MOST_COMBINATIONS = 3000
# A path to the whole of an output.
WHOLE = ((), ("output",))


def solve(
    graph: Graph, need: Need, input: Mapping[str, Any], outputs: Mapping[str, Any]
) -> dict[Place, Any] | None:
    """Return values with which all conditions say what they must; None if none were found."""
    values: dict[Place, Any] = {}
    done: list[tuple[Node, bool]] = []
    for condition, wanted in need.conditions:
        done.append((condition, wanted))
        if _holds(graph, need, done, input, outputs, values):
            continue
        found = _search(graph, need, done, input, outputs, values)
        if found is None:
            return _solved(graph, need, input, outputs)
        values = found
    return values


def world_of(graph: Graph, need: Need) -> World:
    """Return what conditions can see, for the solver."""
    return World(
        input=graph.fields.get("input_schema"),
        outputs={
            step.id: found
            for step in graph.steps.values()
            if (found := _output_of(step)) is not None
        },
        defaults=graph.fields.get("input") or {},
        statuses={
            step: ("FAILED",) if step in need.failing or only_fails(each) else ("COMPLETED",)
            for step, each in graph.steps.items()
        },
        workflow={"id": graph.id},
    )


def _output_of(step: Step) -> Any:
    schema = step.fields.get("schema" if step.type == "wait" else "output_schema")
    if step.for_each is None:
        return schema
    # The schema is that of each item. One with references of its own cannot be put into another.
    alone = schema is None or "$" in json.dumps(schema)
    return {"type": "array"} if alone else {"type": "array", "items": schema}


def _solved(
    graph: Graph, need: Need, input: Mapping[str, Any], outputs: Mapping[str, Any]
) -> dict[Place, Any] | None:
    """Ask the solver for all conditions at once: it knows more than the likeliest values."""
    solver = Solver([condition for condition, _ in need.conditions], world_of(graph, need))
    found = solver.solve(*(TRUE if wanted else FALSE for _, wanted in need.conditions))
    if isinstance(found, Unreachable):
        return None
    values = placed(graph, found)
    if not _holds(graph, need, need.conditions, input, outputs, values):
        return None
    return values if fits(graph, *assigned(graph, input, outputs, values)) else None


def placed(graph: Graph, found: Solution) -> dict[Place, Any]:
    """Return the values of a solution at their places."""
    names = Names(frozenset(graph.steps))
    values: dict[Place, Any] = {}
    for text, value in found.assignment.items():
        for place in places_of(read_path(text, names)):
            values[place] = value
    return values


def _search(
    graph: Graph,
    need: Need,
    conditions: Sequence[tuple[Node, bool]],
    input: Mapping[str, Any],
    outputs: Mapping[str, Any],
    values: Mapping[Place, Any],
) -> dict[Place, Any] | None:
    condition, _ = conditions[-1]
    places = list(dict.fromkeys(places_of(plain(condition))))
    options = [[*candidates(condition, place), *_of_schema(graph, place)] for place in places]
    for combination in itertools.islice(itertools.product(*options), _MOST_COMBINATIONS):
        tried = {**values, **dict(zip(places, combination, strict=True))}
        if not _holds(graph, need, conditions, input, outputs, tried):
            continue
        whole, made = assigned(graph, input, outputs, tried)
        if fits(graph, whole, made):
            return tried
    return None


def _of_schema(graph: Graph, place: Place) -> list[Any]:
    root, parts = place
    schema = graph.fields.get("input_schema")
    if root != "input":
        fields = graph.steps[root].fields
        schema = fields.get("schema") or fields.get("output_schema")
        parts = parts if graph.steps[root].for_each is None else parts[1:]
    inner = inside(schema, tuple(map(str, parts)))
    return [] if inner is None else several(inner, schema, 9)


def fits(graph: Graph, input: Mapping[str, Any], outputs: Mapping[str, Any]) -> bool:
    """Whether all these values are what the schemas allow."""
    if graph.fits_input is not None and not graph.fits_input(input):
        return False
    return all(
        (check := graph.steps[step].fits_output) is None or check(output)
        for step, output in outputs.items()
    )


def _holds(
    graph: Graph,
    need: Need,
    conditions: Sequence[tuple[Node, bool]],
    input: Mapping[str, Any],
    outputs: Mapping[str, Any],
    values: Mapping[Place, Any],
) -> bool:
    whole, made = assigned(graph, input, outputs, values)
    scope = scope_of(graph, need, whole, made)
    for condition, wanted in conditions:
        try:
            if evaluate(condition, scope) is not wanted:
                return False
        except Wrong:
            return False
    return True


def scope_of(
    graph: Graph, need: Need, input: Mapping[str, Any], outputs: Mapping[str, Any]
) -> Scope:
    """Return what conditions see if all goes as a way needs it."""
    facts = {
        step: {
            "status": "FAILED" if step in need.failing else "COMPLETED",
            "error": _error_of(graph, step) if step in need.failing else None,
            "attempts": 1,
        }
        for step in graph.steps
    }
    seen = {step: value for step, value in outputs.items() if step not in need.failing}
    for step in graph.steps.values():
        if step.for_each is not None and step.id in seen:
            seen[step.id] = [seen[step.id]] * count_items(graph, step, input, outputs)
        elif step.type == "trigger":
            seen[step.id] = input
    return Scope(input, seen, facts, {"id": "x", "started_at": 0.0}, {"id": graph.id})


def _error_of(graph: Graph, step: str) -> dict[str, str]:
    message, code, _ = raised_at(graph.fields, {}, step) or ("no", "odd", None)
    return {"code": code, "message": message}


def items_place(graph: Graph, step: Step) -> Place | None:
    """Return where the items of a step come from, if it is one place of the input or an output."""
    template = (step.for_each or {}).get("items")
    nodes = list(references_of_template(template, step.names))
    if len(nodes) != 1 or not isinstance(template, str):
        return None
    _, root, parts, _ = nodes[0]
    if root == "input":
        return "input", parts
    if root == "output" and graph.steps[parts[0]].type in ("action", "wait"):
        return parts[0], parts[1:]
    return None


def _behind_items(graph: Graph, place: Place) -> Place | None:
    """Return where the items come from, of which something is the output; or else the place."""
    root, parts = place
    # The word may stand there or not: a list has no such key.
    while parts in WHOLE and root in graph.steps and graph.steps[root].for_each is not None:
        found = items_place(graph, graph.steps[root])
        if found is None:
            return None
        root, parts = found
    return root, parts


def as_items(
    graph: Graph, place: Place, value: Any, input: Mapping[str, Any], outputs: Mapping[str, Any]
) -> tuple[Place, Any] | None:
    """Return what has to be put where, so that there is this value at a place; None if nothing has.

    The output of a step with items is what becomes of its items: to have one of some length, it is
    given as many items, and it is always a list.
    """
    found = _behind_items(graph, place)
    if found == place:
        return place, value
    if found is None or not isinstance(value, list):
        return None
    there = at(input if found[0] == "input" else outputs.get(found[0]), found[1])
    return found, _as_many(there, len(value))


def count_items(
    graph: Graph, step: Step, input: Mapping[str, Any], outputs: Mapping[str, Any]
) -> int:
    """Return how many items a step has, as far as that can be known before."""
    place = _behind_items(graph, (step.id, ()))
    found = (step.for_each or {}).get("items")
    if place is not None:
        found = at(input if place[0] == "input" else outputs.get(place[0]), place[1])
    return len(found) if isinstance(found, list) else 3


def _as_many(items: Any, count: int) -> list[Any]:
    """Return so many items: those that there are, and then more like the last one."""
    found = items if isinstance(items, list) else []
    last = found[-1] if found else "item-0"
    return [*found[:count], *(_like(last, number) for number in range(len(found), count))]


def _like(item: Any, number: int) -> Any:
    if isinstance(item, Mapping):
        return {key: _like(value, number) for key, value in item.items()}
    if isinstance(item, str) and (found := re.fullmatch(r"(.*-)\d+", item)):
        return f"{found[1]}{number}"
    return copy.deepcopy(item)


def places_of(node: Any) -> Iterator[Place]:
    """Yield the places to which the tree of a condition refers."""
    for _, root, parts, _ in references_of(node):
        if root == "input":
            yield "input", parts
        elif root == "output":
            yield parts[0], parts[1:]
        elif root == "steps" and parts[1] == "output":
            yield parts[0], parts[2:]


def constants_of(node: Any) -> Iterator[Any]:
    """Yield the constants in the tree of a condition."""
    if isinstance(node, tuple) and node and node[0] == "constant":
        yield node[1]
    elif isinstance(node, tuple) and node and node[0] == "ref":
        return
    elif isinstance(node, tuple | list):
        for each in node:
            yield from constants_of(each)


def candidates(condition: Node, place: Place) -> list[Any]:
    """Return values that may make a difference: around the constants, and one of each type."""
    found: list[Any] = []
    for each in constants_of(condition):
        if isinstance(each, bool) or each is None:
            found.append(each)
        elif isinstance(each, int | float):
            found += [each, each + 1, each - 1]
        elif isinstance(each, str):
            found += [each, each + "x", each[:-1]]
    found += [True, False, 1, 0, "x", "", None, -1, [], ["x"]]
    kept: list[Any] = []
    for value in found:
        if not any(value == each and type(value) is type(each) for each in kept):
            kept.append(value)
    return kept


def assigned(
    graph: Graph,
    input: Mapping[str, Any],
    outputs: Mapping[str, Any],
    values: Mapping[Place, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return input and outputs with values put in."""
    whole, made = copy.deepcopy(dict(input)), copy.deepcopy(dict(outputs))
    for wanted, leaf in values.items():
        found = as_items(graph, wanted, leaf, whole, made)
        if found is None:
            continue
        (root, parts), value = found
        trigger = root in graph.steps and graph.steps[root].type == "trigger"
        if root == "input" or trigger:
            whole = put(whole, parts, value)
        elif root in made:
            if graph.steps[root].for_each is not None:
                parts = parts[1:]
            made[root] = put(made[root], parts, value)
    return whole, made
