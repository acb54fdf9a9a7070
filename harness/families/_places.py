"""Places in the queue: who is dropped from it keeps none, and who comes back is last (R8, R27)."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from harness._scenario import Call, During, Returns
from harness.families._attempts import code_of
from harness.families._cases import (
    Case,
    doing,
    fails,
    no,
    reached,
    rows,
    script,
    script_first,
    title,
    usual,
)
from harness.families._plan import Plan
from harness.families._stories import Draft, Story
from harness.oracle._document import Step

# So many attempts are tried as the one that has the slot while another one is dropped.
_MOST_TRIED = 8


def places(plan: Plan) -> Iterator[Case]:
    """There is room for one, and of those that wait for it one gives up, or all do in a pause."""
    for step, story in reached(plan):
        if step.for_each is not None:
            yield from _items_dropped(plan, step, story)
    yield from _paused(plan)


def _narrow(draft: Draft) -> Draft:
    return attrs.evolve(draft, scenario=attrs.evolve(draft.scenario, limit=1))


def _items_dropped(plan: Plan, step: Step, story: Story) -> Iterator[Case]:
    """The other items wait for the slot of the first one, which fails: they are never begun."""
    names = rows(plan, story, step)
    if "[" not in names[0] or len(names) < 2:
        return
    draft = script(
        plan,
        story,
        step,
        lambda name: [no(plan, name) if name == names[0] else usual(story, name)],
    )
    draft = _narrow(draft)
    if not any(name == names[-1] for _, name, _, _ in plan.told(draft).calls()):
        why = f"there is only room for one at a time, and the first item of {title(step)} fails"
        yield Case(f"1-{step.id}-first-fails", why, draft)


def _paused(plan: Plan) -> Iterator[Case]:
    """In a pause something gets ready that the document has before what was queued already."""
    for draft, names in _busy(plan):
        for name in names[:_MOST_TRIED]:
            long = _lasting(plan, draft, name)
            acts = Call("pause", During(name, 1, 0.05)), Call("resume", During(name, 1, 0.95))
            paused = doing(long, *acts)
            before, after = _order(plan.told(long)), _order(plan.told(paused))
            certain = plan.told(paused).certain
            if certain and before != after and sorted(before) == sorted(after):
                why = (
                    f"in a pause all but {name} lose their places, and those before them get ready"
                )
                yield Case(f"1-{name}-paused", why, paused)
                return


def _busy(plan: Plan) -> Iterator[tuple[Draft, list[str]]]:
    """Yield drafts with room for one in which something gets ready later, and who may have it."""
    whole = [step.id for step, _ in reached(plan) if step.for_each is None]
    yield _narrow(plan.base.draft), whole
    for step, story in reached(plan):
        if step.retry.max_attempts > 1:
            failing = script_first(plan, story, step, fails(plan, code_of(step), 1, story))
            items = rows(plan, story, step)[1:]
            yield _narrow(failing), items or [each for each in whole if each != step.id]


def _lasting(plan: Plan, draft: Draft, name: str) -> Draft:
    """Return the draft in which an attempt takes almost as long as it may."""
    step = plan.graph.steps[name.partition("[")[0]]
    limits = [
        step.total_timeout,
        plan.graph.timeout,
        None if step.call is None else step.call.timeout,
    ]
    longest = min((each for each in limits if each is not None), default=30.0)
    found = draft.scenario.behaviour(name, 1)
    if not isinstance(found, Returns):
        return draft
    later = attrs.evolve(found, after=round(0.6137 * longest, 6))
    steps = {**draft.scenario.steps, name: (later,)}
    return attrs.evolve(draft, scenario=attrs.evolve(draft.scenario, steps=steps))


def _order(story: Story) -> list[tuple[str, int]]:
    return [(name, number) for _, name, number, _ in story.calls()]
