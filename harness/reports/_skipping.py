"""References to steps that may be skipped, in what goes on without them.

Nothing is concluded from the shape of a document: a reference is told of only if a scenario was
found in which its step is SKIPPED, and what refers to it is resolved all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from harness._scenario import Scenario
from harness.families._plan import Plan
from harness.oracle._conditions import Absent, Scope, evaluate, resolve
from harness.oracle._document import Graph, Step
from harness.oracle._predict import expect
from harness.oracle._reading import Names, Node, Wrong
from harness.oracle._state import COMPLETED, FAILED, SKIPPED, Run
from harness.suites._referring import CALLED, FIELDS, Reference, called_parameters, references

# Where null would help, where it would be of the wrong kind, and where one can ask.
_VALUE, _NEEDED, _CONDITION = "value", "needed", "condition"


@attrs.frozen(order=True)
class _Lacking:
    where: str
    step: str
    path: str
    kind: str


def skipped_references(plan: Plan, scenarios: Iterable[Scenario]) -> Iterator[tuple[str, str]]:
    """Yield the references that lack a value because their step was skipped: where, and why."""
    wanted = _wanted(plan)
    found = dict[_Lacking, None]()
    remaining = iter(scenarios)
    # None is asked for when nothing is left to be seen: to make one takes time.
    while wanted and (scenario := next(remaining, None)) is not None:
        if scenario.expected is None:
            continue
        statuses = scenario.expected.last.steps
        skipped = {step for step, status in statuses.items() if status == SKIPPED}
        if any(step in skipped for _, step in wanted):
            run = expect(scenario.workflow, scenario)[1].run
            lacking = [each for each in _lacking(run) if (each.where, each.step) in wanted]
            found.update(dict.fromkeys(lacking))
            # Once is enough, and to play a scenario takes time.
            wanted -= {(each.where, each.step) for each in lacking}
    order = {each.where: number for number, each in enumerate(references(plan.graph))}
    for each in sorted(found, key=lambda each: order[each.where]):
        yield each.where, _told(each)


def _wanted(plan: Plan) -> set[tuple[str, str]]:
    """Return what refers to which step and does not allow for its absence."""
    found, skipped = set(), _may_be_skipped(plan.graph)
    for each in references(plan.graph):
        asked = _asked(each)
        if asked in skipped and not each.node[3]:
            found.add((each.where, asked))
    return found


def _may_be_skipped(graph: Graph) -> set[str]:
    """Return the steps that may be SKIPPED by their shape: of others no scenario is looked at."""
    found = {step.id for step in graph.steps.values() if step.condition is not None}
    goes_on = graph.on_failure != "cancel"
    before = -1
    while before != len(found):
        before = len(found)
        for edge in graph.edges:
            # R2, R21: a failure that stops nothing lets the other connections be dead.
            handled = goes_on or any(each.on != "success" for each in graph.out_of(edge.source))
            tolerant = graph.steps[edge.source].tolerant
            plain = edge.on == "success" and not (edge.conditional or edge.default)
            if not plain or edge.source in found or (handled and not tolerant):
                found.add(edge.target)
    return found


def _asked(reference: Reference) -> str:
    _, root, parts, _ = reference.node
    is_output = root == "output" or (root == "steps" and parts[1] == "output")
    return str(parts[0]) if is_output else ""


def _told(lacking: _Lacking) -> str:
    step, path = lacking.step, lacking.path
    why = f"{step} may be skipped, and {path} then has no value"
    if lacking.kind == _CONDITION:
        return f"{why}; ask exists({path}) first"
    if lacking.kind == _NEEDED:
        return f"{why}; give {lacking.where} the condition exists({path}), or one that implies it"
    return f"{why}; write ${{{path}?}} instead, which is null then"


# ---- what is missing at the end of an execution ----


def _lacking(run: Run) -> Iterator[_Lacking]:
    scope = run.scope()
    for found in run.in_order():
        step = found.step
        if found.status == FAILED:
            yield from _before_its_start(run, step, scope)
        if found.status == COMPLETED or (found.status == FAILED and found.attempts):
            for key in CALLED:
                template = called_parameters(step, key)
                yield from _of_template(run, step.id, template, step.names, scope, _VALUE)
    for edge in run.graph.edges:
        if edge.id in run.erred and edge.condition is not None:
            yield from _of_condition(run, edge.id, edge.condition, scope)
    if any(step is None and error.code == "reference.missing" for error, step in run.errors):
        output = run.graph.fields.get("output")
        yield from _of_template(run, "output", output, run.graph.names, scope, _VALUE)


def _before_its_start(run: Run, step: Step, scope: Scope) -> Iterator[_Lacking]:
    """Yield what made it fail before its first attempt, if anything of that kind did."""
    lacks = list(_of_condition(run, step.id, step.condition, scope)) if step.condition else []
    yield from lacks
    if lacks:
        return
    items = (step.for_each or {}).get("items")
    yield from _of_template(run, step.id, items, step.names, scope, _NEEDED)
    for key in FIELDS:
        kind = _VALUE if key == "parameters" else _NEEDED
        yield from _of_template(run, step.id, step.fields.get(key), step.names, scope, kind)


def _of_template(
    run: Run, where: str, template: Any, names: Names, scope: Scope, kind: str
) -> Iterator[_Lacking]:
    if template is not None:
        yield from _skipped_in(run, where, resolve(template, names, scope)[1], kind)


def _of_condition(run: Run, where: str, condition: Node, scope: Scope) -> Iterator[_Lacking]:
    try:
        found = evaluate(condition, scope)
    except Wrong:
        return
    if isinstance(found, Absent):
        yield from _skipped_in(run, where, found, _CONDITION)


def _skipped_in(run: Run, where: str, absent: Absent, kind: str) -> Iterator[_Lacking]:
    for path in absent.others:
        for step, found in run.steps.items():
            is_of_it = path == step or path.startswith((f"{step}.", f"{step}[", f"steps.{step}."))
            if found.status == SKIPPED and is_of_it:
                yield _Lacking(where, step, path, kind)
