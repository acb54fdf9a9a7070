"""The ways through a graph: what has to happen so that a step runs, or a connection is decided."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from harness.data._picking import several
from harness.families._values import inside, plain, put, strong_references
from harness.oracle._conditions import Scope, evaluate
from harness.oracle._document import Edge, Graph, Step
from harness.oracle._reading import Names, Node, Wrong, read_path
from harness.solver import FALSE, TRUE, Solution, Solver, Unreachable, World

# A value has this place: "input" or a step, and a path in it.
Place = tuple[str, Any]

_MOST_AT_ONCE = 24
_MOST_COMBINATIONS = 3000


@attrs.frozen
class Need:
    """What a way needs: conditions with what they must say, steps that fail and that go well."""

    conditions: tuple[tuple[Node, bool], ...] = ()
    failing: tuple[str, ...] = ()
    completing: frozenset[str] = frozenset()

    def and_(self, other: Need) -> Need | None:
        """Return both together; None if they contradict each other."""
        failing = tuple(dict.fromkeys((*self.failing, *other.failing)))
        completing = self.completing | other.completing
        if completing.intersection(failing):
            return None
        more = tuple(each for each in other.conditions if each not in self.conditions)
        return Need((*self.conditions, *more), failing, completing)


def _all(options: Sequence[Sequence[Need]]) -> list[Need]:
    """Return what fulfils all of several needs at once, in some of the ways that there are."""
    found: list[Need] = []
    tried = 0

    def more(need: Need, rest: Sequence[Sequence[Need]]) -> None:
        nonlocal tried
        if not rest:
            found.append(need)
            return
        for each in rest[0]:
            if len(found) >= _MOST_AT_ONCE or tried >= _MOST_COMBINATIONS:
                return
            tried += 1
            both = need.and_(each)
            if both is not None:
                more(both, rest[1:])

    more(Need(), options)
    return found


@attrs.define(eq=False)
class Ways:
    """What makes the steps of a graph run, and its connections be decided; the likeliest first.

    Each answer is kept: in a graph of layers there are as many paths to a step as one can count.
    """

    graph: Graph
    _runs: dict[str, list[Need]] = attrs.field(factory=dict)
    _takes: dict[tuple[str, bool], list[Need]] = attrs.field(factory=dict)

    def run(self, step: Step, *, whatever_its_condition: bool = False) -> list[Need]:
        """Return what makes a step run, or be looked at as far as its own condition."""
        if step.id not in self._runs:
            self._runs[step.id] = list(itertools.islice(self._run(step), 2 * _MOST_AT_ONCE))
        if step.condition is None or whatever_its_condition:
            return self._runs[step.id]
        own = Need(((step.condition, True),))
        both = (need.and_(own) for need in self._runs[step.id])
        return [need for need in both if need is not None]

    def _run(self, step: Step) -> Iterator[Need]:
        steps = self.graph.steps
        needed = [
            self._complete(steps[each]) for each in sorted(strong_references(step)) if each in steps
        ]
        incoming = self.graph.into(step.id)
        if not incoming:
            yield from _all(needed)
        elif step.join == "all":
            yield from _all([*(self.take(edge, True) for edge in incoming), *needed])
        else:
            for edge in incoming:
                yield from _all([self.take(edge, True), *needed])

    def _complete(self, step: Step) -> list[Need]:
        both = (need.and_(Need(completing=frozenset([step.id]))) for need in self.run(step))
        return [need for need in both if need is not None]

    def _fail(self, step: Step) -> list[Need]:
        if step.type not in ("action", "workflow"):
            return []
        both = (need.and_(Need(failing=(step.id,))) for need in self.run(step))
        return [need for need in both if need is not None]

    def take(self, edge: Edge, taken: bool) -> list[Need]:
        """Return what makes a connection taken, or dead by its own condition."""
        key = (edge.id, taken)
        if key not in self._takes:
            self._takes[key] = list(itertools.islice(self._take(edge, taken), 2 * _MOST_AT_ONCE))
        return self._takes[key]

    def _take(self, edge: Edge, taken: bool) -> Iterator[Need]:
        source = self.graph.steps[edge.source]
        siblings = [
            each.condition
            for each in self.graph.out_of(edge.source)
            if each.conditional and each.on == edge.on and each.condition is not None
        ]
        wants: list[tuple[tuple[Node, bool], ...]] = [()]
        if edge.condition is not None:
            wants = [((edge.condition, taken),)]
        elif edge.default and taken:
            wants = [tuple((each, False) for each in siblings)]
        elif edge.default:
            wants = [((each, True),) for each in siblings]
        elif not taken:
            wants = []
        ends = {
            "success": [self._complete],
            "failure": [self._fail],
            "always": [self._complete, self._fail],
        }[edge.on]
        for ways in ends if wants else ():
            for need in ways(source):
                for want in wants:
                    both = need.and_(Need(want))
                    if both is not None:
                        yield both
        if not taken:
            # Dead because of how the source ended.
            others = {"success": [self._fail], "failure": [self._complete]}.get(edge.on, [])
            for ways in others:
                yield from ways(source)


# ---- values that make conditions true or false ----


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
    schemas = {
        step.id: step.fields.get("schema" if step.type == "wait" else "output_schema")
        for step in graph.steps.values()
    }
    return World(
        input=graph.fields.get("input_schema"),
        outputs={step: schema for step, schema in schemas.items() if schema is not None},
        defaults=graph.fields.get("input") or {},
        statuses={
            step: ("FAILED",) if step in need.failing else ("COMPLETED",) for step in graph.steps
        },
        workflow={"id": graph.id},
    )


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
            "error": {"code": "odd", "message": "no"} if step in need.failing else None,
            "attempts": 1,
        }
        for step in graph.steps
    }
    seen = {step: value for step, value in outputs.items() if step not in need.failing}
    for step in graph.steps.values():
        if step.for_each is not None and step.id in seen:
            seen[step.id] = [seen[step.id]] * 3
        elif step.type == "trigger":
            seen[step.id] = input
    return Scope(input, seen, facts, {"id": "x", "started_at": 0.0}, {"id": graph.id})


def places_of(node: Any) -> Iterator[Place]:
    """Yield the places to which the tree of a condition refers."""
    if isinstance(node, tuple) and node and node[0] == "ref":
        if node[1] == "input":
            yield "input", node[2]
        elif node[1] == "output":
            yield node[2][0], node[2][1:]
        elif node[1] == "steps" and node[2][1] == "output":
            yield node[2][0], node[2][2:]
    elif isinstance(node, tuple | list):
        for each in node:
            yield from places_of(each)


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
    for (root, parts), value in values.items():
        trigger = root in graph.steps and graph.steps[root].type == "trigger"
        if root == "input" or trigger:
            whole = put(whole, parts, value)
        elif root in made:
            if graph.steps[root].for_each is not None:
                parts = parts[1:]
            made[root] = put(made[root], parts, value)
    return whole, made
