"""The ways through a graph: branches, edges of conditions, limits, orders, items, children."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, combinations, islice
from typing import Any

import attrs

from harness._scenario import Hangs, Returns, seconds_of
from harness.families._cases import DEEP, SMOKE, Case, Make, no, rows, script, title
from harness.families._plan import Plan
from harness.families._solving import (
    as_items,
    assigned,
    candidates,
    constants_of,
    fits,
    items_place,
    placed,
    places_of,
    solve,
    world_of,
)
from harness.families._stories import Draft, Story
from harness.families._values import plain, put
from harness.families._ways import Need
from harness.oracle._document import Step
from harness.oracle._reading import Node
from harness.solver import Solver, Unreachable

_MOST_PAIRS = 10
_MOST_EDGES = 400


def ok(plan: Plan) -> Iterator[Case]:
    """All goes well."""
    fails = any(plan.raises(name) for _, name, _, _ in plan.base.calls())
    why = "nothing goes wrong but what is meant to" if fails else "all goes well"
    yield Case("", why, plan.base.draft, SMOKE)
    given = plan.document.get("input")
    schema = plan.graph.fits_input
    scenario = plan.base.draft.scenario
    if given and (schema is None or schema(given)):
        bare = attrs.evolve(plan.base.draft, scenario=attrs.evolve(scenario, input={}))
        yield Case("defaults", "nothing is given but the defaults", bare)


def reach(plan: Plan) -> Iterator[Case]:
    """Each step that is not on the usual way is reached."""
    for step in plan.steps:
        story = plan.reach(step.id)
        if story is not None and story is not plan.base:
            yield Case(step.id, f"{title(step)} is reached", story.draft, SMOKE)


def branch(plan: Plan) -> Iterator[Case]:
    """Each connection is taken and dead; each condition of a step is true and false."""
    told: list[Story] = []
    few = len(plan.graph.edges) <= _MOST_EDGES
    for edge in plan.graph.edges:
        for taken, word in ((True, "taken"), (False, "dead")):
            story = plan.decide(edge, taken)
            # The same story again only adds a name for it.
            if story is not None and (few or not any(story is each for each in told)):
                told.append(story)
                why = f"the way {edge.id} is {word}"
                yield Case(
                    f"{edge.id}-{word}", why, story.draft, covers=(f"edge:{edge.id}:{word}",)
                )
    for step in plan.steps:
        if step.condition is None:
            continue
        for draft in islice(_condition(plan, step), 1):
            yield Case(f"{step.id}-skipped", f"the condition of {title(step)} is false", draft)


def _condition(plan: Plan, step: Step) -> Iterator[Draft]:
    assert step.condition is not None
    for need in plan.ways.run(step, whatever_its_condition=True):
        both = need.and_(Need(((step.condition, False),)))
        found = None if both is None else solve(plan.graph, both, plan.whole_input, plan.outputs)
        if both is not None and found is not None:
            draft = plan.with_need(both, found)
            if plan.told(draft).expected.last.steps.get(step.id) == "SKIPPED":
                yield draft


def clause(plan: Plan) -> Iterator[Case]:
    """Each clause of a condition decides alone, once this way and once the other."""
    asked: list[tuple[str, Node, Story | None]] = [
        (each.id, each.condition, plan.decide(each, True) or plan.decide(each, False))
        for each in plan.graph.edges
        if each.condition is not None
    ]
    asked += [
        (step.id, step.condition, plan.reach(step.id))
        for step in plan.steps
        if step.condition is not None
    ]
    for name, condition, story in asked:
        if story is None:
            continue
        solver = Solver([condition], world_of(plan.graph, Need()))
        if len(solver.clauses) < 2:
            continue
        for number, pair in enumerate(solver.pairs(), 1):
            if isinstance(pair, Unreachable):
                continue
            for word, solution in (("true", pair.true), ("false", pair.false)):
                draft: Draft | None = story.draft
                for place, value in placed(plan.graph, solution).items():
                    draft = None if draft is None else _with_value(plan, draft, place, value)
                if draft is not None:
                    why = f"{pair.clause} is {word}, and that alone decides {name}"
                    yield Case(f"{name}-{number}-{word}", why, draft)


def edge(plan: Plan) -> Iterator[Case]:
    """Each value that a condition compares with, and its neighbours; values that make it err."""
    for each in plan.graph.edges:
        if each.condition is not None:
            story = plan.decide(each, True) or plan.decide(each, False)
            if story is not None:
                yield from _edges_of(plan, f"{each.id}", each.condition, story)
    for step in plan.steps:
        story = plan.reach(step.id)
        if step.condition is not None and story is not None:
            yield from _edges_of(plan, step.id, step.condition, story)


def _edges_of(plan: Plan, name: str, condition: Node, story: Story) -> Iterator[Case]:
    tree = plain(condition)
    count = len(list(constants_of(tree)))
    for place in dict.fromkeys(places_of(tree)):
        root, parts = place
        text = ".".join(map(str, (root, *parts)))
        # First what stands beside the constants, then one value of each type.
        near = 3 * count
        for number, value in enumerate(candidates(condition, place)):
            draft = _with_value(plan, story.draft, place, value)
            if draft is None:
                continue
            label = "".join(c if c.isalnum() else "_" for c in repr(value)).strip("_") or "empty"
            if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
                label = f"minus_{label}"
            why = f"{text} is {value!r} where {name} is decided"
            level = 1 if number < near + 4 else DEEP
            yield Case(f"{name}-{text}-{type(value).__name__}-{label}", why, draft, level)


def _with_value(plan: Plan, draft: Draft, place: Any, value: Any) -> Draft | None:
    found = as_items(plan.graph, place, value, plan.whole_input, plan.outputs)
    if found is None:
        return None
    place, value = found
    whole, outputs = assigned(plan.graph, plan.whole_input, plan.outputs, {place: value})
    if not fits(plan.graph, whole, outputs):
        return None
    root, parts = place
    scenario = draft.scenario
    if root == "input" or plan.graph.steps[root].type != "action":
        return plan.with_values(draft, {place: value})
    # What else the story has put into this output stays.
    steps = dict(scenario.steps)
    inner = parts[1:] if plan.graph.steps[root].for_each is not None else parts
    for name in [each for each in steps if each.partition("[")[0] == root]:
        steps[name] = tuple(
            attrs.evolve(one, output=put(one.output, inner, value))
            if isinstance(one, Returns)
            else one
            for one in steps[name]
        )
    return attrs.evolve(draft, scenario=attrs.evolve(scenario, steps=steps))


def side_by_side(plan: Plan, story: Story) -> list[tuple[Step, Step]]:
    """Return the pairs of action steps that run at the same time in a story."""
    spans: dict[str, tuple[float, float]] = {}
    for at, name, number, _ in story.calls():
        if "/" in name or ":" in name or "[" in name:
            continue
        end = at + seconds_of(story.scenario.behaviour(name, number), name, number)
        first = spans.get(name, (at, end))
        spans[name] = (min(first[0], at), max(first[1], end))
    found = [
        (plan.graph.steps[one], plan.graph.steps[other])
        for one, other in combinations(sorted(spans, key=lambda s: plan.graph.steps[s].index), 2)
        if spans[one][0] < spans[other][1] and spans[other][0] < spans[one][1]
    ]
    return found[:_MOST_PAIRS]


def _width(plan: Plan) -> int:
    """Return how many attempts run at once if all goes well."""
    changes = []
    for at, name, number, _ in plan.base.calls():
        end = at + seconds_of(plan.base.scenario.behaviour(name, number), name, number)
        changes += [(at, 1), (end, -1)]
    return max(accumulate(change for _, change in sorted(changes)), default=1)


def limit(plan: Plan) -> Iterator[Case]:
    """Fewer slots than steps that could run."""
    # With one less than there could be at once it shows whether one too many is let in.
    for number in sorted({1, 2, max(1, _width(plan) - 1)}):
        scenario = attrs.evolve(plan.base.draft.scenario, limit=number)
        draft = attrs.evolve(plan.base.draft, scenario=scenario)
        yield Case(f"{number}", f"there is only room for {number} at a time", draft)
    pairs = side_by_side(plan, plan.base)
    if pairs:
        step = pairs[0][0]
        draft = script(plan, plan.base, step, lambda name: [no(plan, name)])
        scenario = attrs.evolve(draft.scenario, limit=1)
        why = f"there is only room for one at a time, and {title(step)} fails"
        yield Case(f"1-{step.id}-fails", why, attrs.evolve(draft, scenario=scenario))


def order(plan: Plan) -> Iterator[Case]:
    """Of two steps side by side each ends first once."""
    for first, second in side_by_side(plan, plan.base):
        for one, other in ((first, second), (second, first)):
            draft = script(
                plan,
                plan.base,
                other,
                lambda name: [attrs.evolve(plan.usual(name), after=plan.seconds(name) + 0.7003)],
            )
            if other.call is not None and (other.call.timeout or 9) < plan.seconds(other.id) + 1:
                continue
            why = f"{title(one)} ends before {title(other)}"
            yield Case(f"{one.id}-before-{other.id}", why, draft)


# ---- items ----


def for_each(plan: Plan) -> Iterator[Case]:
    """No items, one, and each kind of failure among several."""
    for step in plan.steps:
        story = plan.reach(step.id)
        if step.for_each is None or story is None:
            continue
        place = items_place(plan.graph, step)
        if place is not None:
            items = plan.items_of(step)
            for word, value in (("empty", []), ("one", items[:1])):
                draft = _with_value(plan, story.draft, place, value)
                if draft is not None:
                    why = f"{title(step)} has {'no' if word == 'empty' else 'one'} item"
                    yield Case(f"{step.id}-{word}", why, draft)
            draft = plan.with_values(story.draft, {place: "no list"})
            if not fits(plan.graph, {**plan.whole_input, **draft.scenario.input}, {}):
                continue
            yield Case(f"{step.id}-no-list", f"the items of {title(step)} are no list", draft)
        if step.type == "action":
            yield from _failing_items(plan, step, story)


def _failing_in(plan: Plan, bad: Sequence[str]) -> Make:
    return lambda name: [no(plan, name) if name in bad else plan.returns(name)]


def _failing_items(plan: Plan, step: Step, story: Story) -> Iterator[Case]:
    names = rows(plan, story, step)
    if not names or "[" not in names[0]:
        return
    which = {"first": names[:1], "last": names[-1:], "all": names}
    for word, bad in which.items():
        draft = script(plan, story, step, _failing_in(plan, bad))
        yield Case(f"{step.id}-{word}-fails", f"{word} of the items of {title(step)} fails", draft)
    draft = script(
        plan,
        story,
        step,
        lambda name: [Hangs() if name == names[0] else plan.returns(name)],
    )
    if step.call is not None and step.call.timeout is not None:
        yield Case(f"{step.id}-first-hangs", f"the first item of {title(step)} hangs", draft)
