"""A story with other data: values put in, values taken away, conditions that come out otherwise."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from harness._scenario import Returns
from harness.families._plan import Plan
from harness.families._solving import WHOLE, Place, as_items, placed, places_of
from harness.families._stories import Draft
from harness.families._values import put
from harness.oracle._reading import Names, read_path
from harness.solver import Solution


def dropped(value: Any, parts: tuple[Any, ...]) -> Any:
    """Return a copy of a value without what stands at the end of a path."""
    first, rest = parts[0], parts[1:]
    if isinstance(value, list) and isinstance(first, int) and -len(value) <= first < len(value):
        found = list(value)
        if not rest:
            # Of a list the end is taken away: what stands there is there no more.
            return found[:first]
        found[first] = dropped(found[first], rest)
        return found
    if not isinstance(value, Mapping) or str(first) not in value:
        return copy.deepcopy(value)
    if not rest:
        return {key: each for key, each in value.items() if key != str(first)}
    return {**value, str(first): dropped(value[str(first)], rest)}


def absent_places(plan: Plan, solution: Solution) -> tuple[Place, ...]:
    """Return the places at which nothing may be, that a solution may hold."""
    names = Names(frozenset(plan.graph.steps))
    return tuple(
        place for text in solution.absent for place in places_of(read_path(text, names)) if place[1]
    )


def with_solution(plan: Plan, draft: Draft, solution: Solution) -> Draft | None:
    """Return a draft with the data of a solution; None if the schemas do not allow it."""
    return with_data(plan, draft, placed(plan.graph, solution), absent_places(plan, solution))


def with_data(
    plan: Plan, draft: Draft, values: Mapping[Place, Any], absent: Iterable[Place] = ()
) -> Draft | None:
    """Return a draft with values put in and others taken away: of the input, outputs, payloads.

    What else the story has put there stays. None if the schemas do not allow it, or if it is not
    for a scenario to say: an input with a default of the document, the output of a child.
    """
    for root, parts in values:
        draft_or_none = _changed(plan, draft, root, parts, values[root, parts], taken=False)
        if draft_or_none is None:
            return None
        draft = draft_or_none
    for root, parts in absent:
        draft_or_none = _changed(plan, draft, root, parts, None, taken=True)
        if draft_or_none is None:
            return None
        draft = draft_or_none
    roots = {root for root, _ in (*values, *absent)}
    return draft if _fits(plan, draft, roots) else None


def _changed(
    plan: Plan, draft: Draft, root: str, parts: tuple[Any, ...], value: Any, *, taken: bool
) -> Draft | None:
    def new(old: Any, path: tuple[Any, ...]) -> Any:
        return dropped(old, path) if taken and path else put(old, path, value)

    scenario = draft.scenario
    step = plan.graph.steps.get(root)
    if step is not None and step.for_each is not None and parts in WHOLE:
        found = as_items(plan.graph, (root, parts), value, plan.whole_input, plan.outputs)
        if taken or found is None:
            return None
        (root, parts), value = found
        return _changed(plan, draft, root, parts, value, taken=False)
    if step is None or step.type == "trigger":
        defaults = plan.document.get("input") or {}
        whole = new({**defaults, **scenario.input}, parts)
        if not isinstance(whole, dict) or not set(defaults) <= set(whole):
            return None
        kept = {
            key: each
            for key, each in whole.items()
            if key not in defaults or each != defaults[key] or type(each) is not type(defaults[key])
        }
        return attrs.evolve(draft, scenario=attrs.evolve(scenario, input=kept))
    if step.type == "wait":
        payload = draft.payloads.get(root, plan.outputs.get(root))
        return attrs.evolve(draft, payloads={**draft.payloads, root: new(payload, parts)})
    if step.type != "action":
        return None
    inner = parts[1:] if step.for_each is not None else parts
    if taken and not inner:
        return None
    steps = dict(scenario.steps)
    for name in [each for each in steps if each.partition("[")[0] == root]:
        steps[name] = tuple(
            attrs.evolve(one, output=new(one.output, inner)) if isinstance(one, Returns) else one
            for one in steps[name]
        )
    return attrs.evolve(draft, scenario=attrs.evolve(scenario, steps=steps))


def _fits(plan: Plan, draft: Draft, roots: Iterable[str]) -> bool:
    graph = plan.graph
    whole = {**(plan.document.get("input") or {}), **draft.scenario.input}
    if graph.fits_input is not None and not graph.fits_input(whole):
        return False
    for root in roots:
        step = graph.steps.get(root)
        fits = None if step is None else step.fits_output
        if step is None or fits is None:
            continue
        outputs = [draft.payloads[root]] if root in draft.payloads else []
        outputs += [
            one.output
            for name, row in draft.scenario.steps.items()
            if name.partition("[")[0] == root
            for one in row
            if isinstance(one, Returns)
        ]
        if not all(map(fits, outputs)):
            return False
    return True
