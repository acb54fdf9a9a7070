"""Conditions without an answer: they err, or they wait for an input (R4, R6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from harness._scenario import Cancel, Resume
from harness.families._cases import Case, doing, title
from harness.families._data import with_solution
from harness.families._plan import Plan
from harness.families._solving import places_of, world_of
from harness.families._stories import Draft, Story
from harness.families._values import put
from harness.families._ways import Need
from harness.oracle._document import Edge, Step
from harness.oracle._reading import Names, Node, read_path
from harness.solver import FALSE, MISSING, NO_INPUT, TRUE, WRONG, Solution, Solver

Owner = Edge | Step
_HOW = {WRONG: "is of the wrong type", MISSING: "is missing for good"}


def asked_of(plan: Plan) -> Iterator[tuple[Owner, Node, Story]]:
    """Yield connections and steps with their conditions, each with a story that comes to it."""
    for edge in plan.graph.edges:
        story = plan.decide(edge, True) or plan.decide(edge, False)
        if edge.condition is not None and story is not None:
            yield edge, edge.condition, story
    for step in plan.steps:
        story = plan.reach(step.id)
        if step.condition is not None and story is not None:
            yield step, step.condition, story


def _solver(plan: Plan, owner: Owner, condition: Node) -> Solver:
    fails = isinstance(owner, Edge) and owner.on == "failure"
    need = Need(failing=(owner.source,)) if fails and isinstance(owner, Edge) else Need()
    return Solver([condition], world_of(plan.graph, need))


def _who(owner: Owner) -> str:
    return f"the way {owner.id}" if isinstance(owner, Edge) else title(owner)


def error(plan: Plan) -> Iterator[Case]:
    """Each condition errs: something in it is of the wrong type, or missing for good."""
    for owner, condition, story in asked_of(plan):
        solver = _solver(plan, owner, condition)
        for verdict, word in ((WRONG, "wrong"), (MISSING, "missing")):
            found = solver.solve(verdict)
            draft = with_solution(plan, story.draft, found) if isinstance(found, Solution) else None
            if draft is not None and _errs(plan, draft, owner):
                why = f"what the condition of {_who(owner)} asks for {_HOW[verdict]}"
                yield Case(f"{owner.id}-{word}", why, draft)


def _errs(plan: Plan, draft: Draft, owner: Owner) -> bool:
    run = plan.told(draft).facts.run
    if isinstance(owner, Edge):
        return owner.id in run.erred
    failure = run.steps[owner.id].failure
    return failure is not None and failure.code == "condition.error"


def waiting(plan: Plan) -> Iterator[Case]:
    """Each condition waits for an input, which makes it true, false, or err."""
    for owner, condition, story in asked_of(plan):
        solver = _solver(plan, owner, condition)
        found = solver.solve(NO_INPUT)
        draft = with_solution(plan, story.draft, found) if isinstance(found, Solution) else None
        if draft is None or not isinstance(found, Solution):
            continue
        left = attrs.evolve(draft, answered=False)
        if all(each[2] != owner.id for each in plan.told(left).expected.last.waiting_for):
            continue
        why = f"{_who(owner)} waits for an input"
        yield Case(f"{owner.id}-waits", f"{why}, and nobody brings it", left)
        yield Case(f"{owner.id}-waits-cancelled", f"{why}, and all is cancelled", _cancelled(draft))
        behind = _behind_a_failure(plan, draft, owner)
        for verdict, word in ((TRUE, "true"), (FALSE, "false"), (WRONG, "wrong")):
            brought = _brought(plan, solver, found, verdict)
            if brought is None:
                continue
            done = doing(draft, Resume(brought))
            yield Case(f"{owner.id}-waits-{word}", f"{why}, which makes it {word}", done)
            if behind is not None:
                more = f"{why} behind a failure, which makes it {word}"
                done = doing(behind, Resume(brought))
                yield Case(f"{owner.id}-waits-behind-failure-{word}", more, done)


def _cancelled(draft: Draft) -> Draft:
    return doing(draft, Cancel())


def _behind_a_failure(plan: Plan, draft: Draft, owner: Owner) -> Draft | None:
    """Return the draft in which the source fails, if the connection is then asked all the same."""
    if not isinstance(owner, Edge) or owner.on == "success":
        return None
    if plan.graph.steps[owner.source].type != "action":
        return None
    return attrs.evolve(draft, scenario=plan.failing(draft.scenario, (owner.source,)))


def _brought(plan: Plan, solver: Solver, lacking: Solution, verdict: str) -> dict[str, Any] | None:
    """Return the inputs that a condition lacks, such that it comes out like this."""
    answer = solver.solve(verdict, given=lacking.assignment)
    if not isinstance(answer, Solution):
        return None
    names = Names(frozenset(plan.graph.steps))
    brought: dict[str, Any] = {}
    for text in lacking.absent:
        for root, parts in places_of(read_path(text, names)):
            if root == "input" and text in answer.assignment:
                brought = put(brought, parts, answer.assignment[text])
    return brought or None
