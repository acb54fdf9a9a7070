"""Forks: what has ended is done again from some step on, and the rest of it is kept (R30)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from harness._scenario import Call
from harness.families._attempts import code_of
from harness.families._cases import Case, fails, reached, script_first, title
from harness.families._plan import Plan, acted
from harness.families._stories import Draft, Story
from harness.families._undo import failing
from harness.oracle._document import Edge, Step


def fork(plan: Plan) -> Iterator[Case]:
    """It is run again from each step on."""
    base = plan.base.draft
    ended = plan.base.scenario.actions
    if plan.children:
        return
    for step in plan.steps:
        if step.id in plan.base.reached() and step.type == "action":
            acts = (*ended, Call("fork", steps=(step.id,)))
            draft = attrs.evolve(base, scenario=acted(base.scenario, acts), answered=False)
            yield Case(step.id, f"all of it is done again from {title(step)} on", draft)
    acts = (*ended, Call("fork", steps=("no-such-step",)))
    draft = attrs.evolve(base, scenario=acted(base.scenario, acts), answered=False)
    yield Case("unknown", "somebody forks from a step that there is not", draft)
    yield from _with_a_failure(plan)
    yield from _with_a_failed_item(plan)
    yield from _of_a_failure(plan)


def _of_a_failure(plan: Plan) -> Iterator[Case]:
    """It has FAILED, and what was not completed, or is undone, is done again."""
    for step in plan.steps:
        story = plan.reach(step.id)
        if step.type != "action" or story is None or step.tolerant:
            continue
        told = plan.told(failing(plan, story, step))
        if told.facts.run.ended and told.expected.last.status == "FAILED":
            why = f"{title(step)} has failed, and somebody lets all that is left be done again"
            yield Case(f"{step.id}-failed", why, _forked(told, Call("fork")))
    yield from _other_documents(plan)


def _other_documents(plan: Plan) -> Iterator[Case]:
    """The fork has a document of its own: with one more step, or with another schema."""
    other: Any = copy.deepcopy(plan.document)
    first = next((each for each in plan.steps if each.id in plan.base.reached()), None)
    last = [each for each in plan.steps if each.id in plan.base.reached()][-1:]
    if first is None or first.type != "action" or not last or last[0].id == first.id:
        return
    if plan.raises(first.id) is not None:
        # It has no output, and one more of its kind would fail.
        return
    for each in (*(other.get("steps") or ()), *(other.get("nodes") or ())):
        if each["id"] == first.id:
            each.get("config", each)["output_schema"] = {"minProperties": 999}
    why = f"the output of {title(first)} does not fit the document of the fork"
    call = Call("fork", steps=(last[0].id,), workflow=other)
    yield Case(f"{first.id}-unfit", why, _forked(plan.base, call))
    if first.call is None or "added" in plan.graph.steps:
        return
    more: Any = copy.deepcopy(plan.document)
    config: dict[str, Any] = {"action": first.call.action}
    if first.fields.get("parameters") and first.for_each is None:
        # A real action gets what it cannot do without.
        config["parameters"] = first.fields["parameters"]
    if "nodes" in more:
        more["nodes"].append({"id": "added", "config": config})
    else:
        added: dict[str, Any] = {"id": "added", **config}
        orders = [each["sequence_order"] for each in more["steps"] if "sequence_order" in each]
        if orders:
            # All of them have one, or none has.
            added["sequence_order"] = max(orders) + 1
        more["steps"].append(added)
    why = "the document of the fork has one more step, and everything else is kept"
    yield Case("added", why, _forked(plan.base, Call("fork", workflow=more)))


def _with_a_failure(plan: Plan) -> Iterator[Case]:
    """A step has failed, and that was tolerated or handled: the fork keeps it, if it still is."""
    for edge in plan.graph.edges:
        if edge.on != "failure" or plan.graph.steps[edge.source].type != "action":
            continue
        story = plan.decide(edge, True)
        if story is not None:
            target = plan.graph.steps[edge.target]
            yield from _kept(plan, story, plan.graph.steps[edge.source], target, edge)
    for step in plan.steps:
        story = plan.reach(step.id)
        if step.type == "action" and step.tolerant and story is not None:
            told = plan.told(failing(plan, story, step))
            yield from _kept(plan, told, step, None, None)


def _with_a_failed_item(plan: Plan) -> Iterator[Case]:
    """The null of an item that failed is no output: it need not fit the fork's schema (R30)."""
    for step, story in reached(plan):
        if (step.for_each or {}).get("on_item_error") != "continue":
            continue
        told = plan.told(script_first(plan, story, step, fails(plan, code_of(step))))
        if told.expected.last.steps[step.id] != "COMPLETED" or not told.facts.run.ended:
            continue
        after = [each.id for each in plan.steps if each.index > step.index]
        other: Any = copy.deepcopy(plan.document)
        for each in (*(other.get("steps") or ()), *(other.get("nodes") or ())):
            if each["id"] == step.id:
                each.get("config", each)["output_schema"] = {"not": {"type": "null"}}
        why = f"an item of {title(step)} has failed, and in the fork no output may be null"
        call = Call("fork", steps=after[-1:], workflow=other)
        yield Case(f"{step.id}-item-failed", why, _forked(told, call))


def _kept(
    plan: Plan, story: Story, step: Step, again: Step | None, edge: Edge | None
) -> Iterator[Case]:
    if story.facts.run.steps[step.id].status != "FAILED" or not story.facts.run.ended:
        return
    how = "tolerated" if edge is None else f"handled by {edge.id}"
    name = step.id if edge is None else edge.id
    first = () if again is None else (again.id,)
    why = f"{title(step)} has failed, which is {how}, and what comes then is done again"
    yield Case(f"{name}-kept", why, _forked(story, Call("fork", steps=first)))
    if edge is not None:
        renamed = _document_renamed(plan.document, edge)
        if renamed is not None:
            why = f"{title(step)} has failed, which is {how}; in the fork the way has another name"
            call = Call("fork", steps=first, workflow=renamed)
            yield Case(f"{name}-renamed", why, _forked(story, call))
    other = _document_without(plan.document, step.id, edge)
    if other is not None:
        why = f"{title(step)} has failed, which is {how}, but is not so in the document of the fork"
        call = Call("fork", steps=first, workflow=other)
        yield Case(f"{name}-not-kept", why, _forked(story, call))


def _forked(story: Story, call: Call) -> Draft:
    """Return the story with a fork at its end; what the fork waits for nobody brings."""
    scenario = acted(story.draft.scenario, (*story.scenario.actions, call))
    return attrs.evolve(story.draft, scenario=scenario, answered=False)


def _document_renamed(document: Mapping[str, Any], edge: Edge) -> Mapping[str, Any] | None:
    """Return the document in which a connection has another id: it has to be decided anew."""
    found: Any = copy.deepcopy(document)
    same = [
        each
        for each in found.get("connections") or ()
        if (each["source"], each["target"], each.get("on")) == (edge.source, edge.target, edge.on)
    ]
    if len(same) != 1:
        return None
    same[0]["id"] = f"{edge.id} once more"
    return found  # type: ignore[no-any-return]


def _document_without(
    document: Mapping[str, Any], step: str, edge: Edge | None
) -> Mapping[str, Any] | None:
    """Return the document in which a failure is no longer tolerated, or only deferred."""
    found: Any = copy.deepcopy(document)
    if edge is None:
        for each in (*(found.get("steps") or ()), *(found.get("nodes") or ())):
            if each["id"] == step:
                (each.get("config") or each).pop("continue_on_error", None)
                each.pop("continue_on_error", None)
        return found if found != document else None
    siblings = [
        each
        for each in found.get("connections") or ()
        if each["source"] == edge.source and each.get("on") in ("failure", "always")
    ]
    if len(siblings) != 1 or edge.default:
        return None
    siblings[0]["on"] = "always"
    siblings[0].setdefault("id", edge.id)
    return found  # type: ignore[no-any-return]
