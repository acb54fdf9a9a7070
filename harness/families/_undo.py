"""What is undone, and what happens at once: compensations, and pairs of faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise

import attrs

from harness._scenario import Behaviour, Cancel, Crash, During, Hangs, Interrupt, Raises, Returns
from harness.families._attempts import HAIR, code_of
from harness.families._cases import (
    DEEP,
    Case,
    doing,
    no,
    reached,
    rows,
    script,
    script_first,
    spread,
    title,
    undo_script,
    usual,
)
from harness.families._flow import side_by_side
from harness.families._plan import Plan
from harness.families._stories import Draft, Story
from harness.oracle._document import Step

_MOST_PAIRS = 12


def failing(plan: Plan, story: Story, step: Step) -> Draft:
    """Return the story in which a step fails for good, its fallback too."""
    draft = script(plan, story, step, lambda name: [no(plan, name, code_of(step))])
    if step.fallback is not None:
        row = (plan.raises(f"{step.id}:fallback") or Raises("no", "other"),)
        fallbacks = {**draft.scenario.fallbacks, step.id: row}
        draft = attrs.evolve(draft, scenario=attrs.evolve(draft.scenario, fallbacks=fallbacks))
    return draft


def undone_by(plan: Plan, step: Step) -> tuple[Step, Draft] | None:
    """Return a later step, and the story in which its failure undoes the given one."""
    for other, story in reversed(reached(plan)):
        if other.id == step.id or step.id not in story.reached():
            continue
        if other.id not in plan.undoing:
            draft = failing(plan, story, other)
            told = plan.told(draft)
            undone = {each.partition("[")[0] for each in told.expected.last.compensated}
            undone |= _tried_in_vain(plan, told)
            plan.undoing[other.id] = draft, frozenset(undone if told.certain else ())
        draft, compensated = plan.undoing[other.id]
        if step.id in compensated:
            return other, draft
    return None


def _tried_in_vain(plan: Plan, told: Story) -> set[str]:
    """Return the steps of a story that it was tried to undo with `fail`, which never works."""
    names = {name for _, name, _, _ in told.calls() if name.endswith(":compensate")}
    return {each.partition("[")[0].partition(":")[0] for each in names if plan.raises(each)}


def compensation(plan: Plan) -> Iterator[Case]:
    """Work is undone: that fails, hangs, is cancelled, interrupted, goes well the second time."""
    for step, story in reached(plan):
        if step.compensate is None:
            continue
        found = undone_by(plan, step)
        if found is None:
            name = rows(plan, story, step)[-1]
            draft = _cancelled_after(plan, story, step, name)
            if draft is None:
                continue
            cause = "all is cancelled"
        else:
            cause, draft = f"{title(found[0])} fails", found[1]
        label = _label_of(plan, draft, step)
        vain = plan.raises(f"{step.id}:compensate")
        if vain is None:
            yield Case(step.id, f"{cause}: {title(step)} is undone", draft)
        why = f"{cause}, and {title(step)} cannot be undone"
        no_undo = vain or Raises("no", "odd", 1.0137)
        yield Case(f"{step.id}-fails", why, undo_script(draft, step.id, no_undo))
        why = f"{cause}, and the undoing of {title(step)} never ends"
        yield Case(f"{step.id}-hangs", why, undo_script(draft, step.id, Hangs()))
        if step.compensate.retry.max_attempts > 1:
            again = undo_script(draft, step.id, Raises("no", "odd", 1.0137), Returns(None, 1.0))
            why = f"{cause}, and {title(step)} is undone at the second attempt"
            yield Case(f"{step.id}-then-ok", why, again)
        yield from _undo_limits(step, draft, cause)
        during = During(label)
        why = f"somebody cancels while {title(step)} is undone: that changes nothing"
        yield Case(f"{step.id}-cancel", why, doing(draft, Cancel(during)))
        why = f"the program is left while {title(step)} is undone, and goes on later"
        yield Case(f"{step.id}-interrupt", why, doing(draft, Interrupt(during, 0.3017)))
        for times, word in ((1, "killed"), (3, "killed-thrice")):
            crashes = [Crash(During(label, number), 0.3017) for number in range(1, times + 1)]
            why = f"the process dies {times} times while {title(step)} is undone"
            yield Case(f"{step.id}-{word}", why, doing(draft, *crashes))
        stubborn = Returns(None, 2.0031, shielded=True)
        why = f"somebody cancels while {title(step)} is undone, which cannot be stopped"
        late = doing(undo_script(draft, step.id, stubborn), Cancel(during))
        yield Case(f"{step.id}-cancel-late", why, late, DEEP)
    yield from _each_later_step(plan)
    yield from _order_of_completion(plan)


def _undo_limits(step: Step, draft: Draft, cause: str) -> Iterator[Case]:
    """How long an undo may take, and how often it is tried (R24)."""
    assert step.compensate is not None
    own = step.call.timeout if step.call else None
    limit = step.compensate.timeout or own or 15 * 60.0
    for word, seconds in (("in-time", limit - HAIR), ("late", limit + HAIR)):
        if seconds <= 0:
            continue
        row = [Returns(None, round(seconds, 6)), Returns(None, 1.0)]
        why = f"{cause}, and the undoing of {title(step)} ends just {word.replace('-', ' ')}"
        yield Case(f"{step.id}-just-{word}", why, undo_script(draft, step.id, *row))
    most = step.compensate.retry.max_attempts
    if 1 < most < 10:
        code = next(iter(step.compensate.retry.on or ("odd",))).replace("*", "1")
        never: list[Behaviour] = [*[Raises("no", code, 1.0137)] * most, Returns(None, 1.0)]
        why = f"{cause}, and {title(step)} would be undone if there were one more attempt"
        yield Case(f"{step.id}-never", why, undo_script(draft, step.id, *never))


def _label_of(plan: Plan, draft: Draft, step: Step) -> str:
    names = [name for _, name, _, _ in plan.told(draft).calls() if name.endswith(":compensate")]
    of_step = [each for each in names if each.partition("[")[0].partition(":")[0] == step.id]
    return of_step[0] if of_step else f"{step.id}:compensate"


def _cancelled_after(plan: Plan, story: Story, step: Step, name: str) -> Draft | None:
    """Return the story, cancelled while something runs that is later than the step."""
    for other, also in reversed(reached(plan)):
        if other.id == step.id or step.id not in also.reached():
            continue
        draft = doing(also.draft, Cancel(During(rows(plan, also, other)[0])))
        told = plan.told(draft)
        undone = {each.partition("[")[0] for each in told.expected.last.compensated}
        if step.id in undone | _tried_in_vain(plan, told):
            return draft
    return None


def _each_later_step(plan: Plan) -> Iterator[Case]:
    """Each step fails, and whatever was completed before is undone."""
    for step, story in reached(plan):
        undone = {
            each.id
            for each in plan.steps
            if each.compensate is not None and plan.raises(f"{each.id}:compensate") is None
        } - {step.id}
        if undone & story.reached():
            draft = failing(plan, story, step)
            yield Case(f"after-{step.id}", f"{title(step)} fails: what was done is undone", draft)


def _order_of_completion(plan: Plan) -> Iterator[Case]:
    """What ended last is undone first, whatever the order of the document."""
    for first, second in side_by_side(plan, plan.base):
        if first.compensate is None or second.compensate is None:
            continue
        for later, _ in ((first, second), (second, first)):
            found = undone_by(plan, later)
            if found is None:
                continue
            cause, draft = found
            steps = dict(draft.scenario.steps)
            row = steps.get(later.id, ())
            given = row[0] if row else plan.returns(later.id)
            if not isinstance(given, Returns):
                continue
            steps[later.id] = (attrs.evolve(given, after=round(given.after + 1.3007, 6)),)
            changed = attrs.evolve(draft, scenario=attrs.evolve(draft.scenario, steps=steps))
            why = f"{title(later)} ends last, {title(cause)} fails: it is undone first"
            yield Case(f"{first.id}-{second.id}-{later.id}-last", why, changed)


def pair(plan: Plan) -> Iterator[Case]:
    """Two things go wrong."""
    for first, second in side_by_side(plan, plan.base):
        one = failing(plan, plan.base, first)
        story = Story(one, plan.base.scenario, plan.base.expected, plan.base.facts)
        both = failing(plan, story, second)
        name = f"{first.id}-{second.id}"
        why = f"{title(first)} and {title(second)} fail one after the other"
        yield Case(name, why, both)
        hanging = script(plan, story, second, lambda each: [Hangs()])
        yield Case(f"{name}-hangs", f"{title(first)} fails while {title(second)} hangs", hanging)
        stubborn = script(
            plan,
            story,
            second,
            lambda each: [
                attrs.evolve(plan.returns(each), after=plan.seconds(each) + 2.0031, shielded=True)
            ],
        )
        why = f"{title(first)} fails, and {title(second)} does not let itself be stopped"
        yield Case(f"{name}-late", why, stubborn)
    yield from _one_after_the_other(plan)
    undoing = [(step, story) for step, story in reached(plan) if step.compensate is not None]
    for (step, _), (other, _) in pairwise(undoing):
        found = undone_by(plan, step)
        if found is None:
            continue
        draft = undo_script(found[1], step.id, Raises("no", "odd", 1.0137))
        draft = undo_script(draft, other.id, Raises("no", "odd", 1.0251))
        why = f"neither {title(step)} nor {title(other)} can be undone"
        yield Case(f"undo-{step.id}-{other.id}", why, draft, DEEP)


def _one_after_the_other(plan: Plan) -> Iterator[Case]:
    """The first goes wrong in a way that can be overcome, and then a later one fails for good."""
    found = reached(plan)
    near = [(found[index], found[index + 1]) for index in range(len(found) - 1)]
    far = [(found[index], found[-1]) for index in range(len(found) - 2)]
    for (first, _), (second, story) in spread([*near, *far], _MOST_PAIRS):
        if first.id not in story.reached():
            continue
        row: list[Behaviour]
        if first.retry.max_attempts > 1:
            row = [no(plan, first.id, code_of(first)), usual(story, first.id)]
            how = "fails once"
        elif first.tolerant:
            row = [no(plan, first.id)]
            how = "fails, which is tolerated"
        else:
            continue
        draft = script_first(plan, story, first, partial(_always, tuple(row)))
        told = Story(draft, story.scenario, story.expected, story.facts)
        both = failing(plan, told, second)
        why = f"{title(first)} {how}, and then {title(second)} fails for good"
        yield Case(f"{first.id}-then-{second.id}", why, both)
        if second.call is not None and second.call.timeout is not None:
            hanging = script_first(plan, told, second, lambda name: [Hangs()])
            why = f"{title(first)} {how}, and then {title(second)} hangs"
            yield Case(f"{first.id}-then-{second.id}-hangs", why, hanging)


def _always(row: Sequence[Behaviour], name: str) -> Sequence[Behaviour]:
    """Return what an attempt does, whatever its name."""
    return row
