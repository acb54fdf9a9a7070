"""Misuse: what is asked in a state in which it makes no sense is refused, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from harness._built_in import BUILT_IN
from harness._scenario import Act, AtTime, Call, Cancel, During, Hangs, Moment, Resume, Signal
from harness.families._attempts import code_of
from harness.families._cases import DEEP, Case, doing, fails, reached, rows, script, title
from harness.families._delays import delays_of
from harness.families._plan import Plan, acted
from harness.families._stories import Draft, Story
from harness.families._undo import undone_by
from harness.oracle._document import Step

_UNKNOWN = Signal("no-such-signal", 1)


def can_lack(steps: Iterable[Step]) -> list[str]:
    """Return the actions that a program may lack: not those that are built in."""
    calls = [each for step in steps for each in (step.call, step.fallback, step.compensate)]
    return [each.action for each in calls if each is not None and each.action not in BUILT_IN]


def asked(moment: Moment | None, step: str) -> list[tuple[str, Act]]:
    """Return all that can be asked of an execution, each with a name."""
    return [
        ("pause", Call("pause", moment)),
        ("resume", Call("resume", moment)),
        ("resume-with-input", Resume({"x-something": 1}, None, moment)),
        ("decision", Resume(None, {step: "retry"}, moment)),
        ("signal", attrs.evolve(_UNKNOWN, moment=moment)),
        ("fork", Call("fork", moment, steps=(step,))),
        ("cancel", Call("cancel", moment)),
    ]


def misuse(plan: Plan) -> Iterator[Case]:
    """Each verb in each state in which it is refused, or means nothing."""
    base = plan.base.draft
    ended = plan.base.scenario.actions
    for verb in ("resume", "pause", "cancel"):
        draft = _at_the_end(base, ended, Call(verb))
        yield Case(f"{verb}-at-the-end", f"somebody asks for a {verb} when all is over", draft)
    draft = _at_the_end(base, ended, _UNKNOWN)
    yield Case("signal-at-the-end", "a signal comes when all is over", draft)
    actions = reached(plan)
    if not actions:
        return
    for action in can_lack([*(step for step, _ in actions), *plan.steps])[:1]:
        lacking = attrs.evolve(base, scenario=attrs.evolve(base.scenario, lacks=(action,)))
        yield Case("lacking-action", f"the program has no action {action}", lacking)
    step, story = actions[0]
    during = During(rows(plan, story, step)[0])
    draft = doing(story.draft, Resume({"x-something": 1}, None, during))
    yield Case("resume-while-running", "somebody resumes what does not wait", draft)
    draft = doing(story.draft, attrs.evolve(_UNKNOWN, moment=during))
    yield Case("unknown-signal", "a signal comes that nothing waits for", draft)
    later = During(during.step, 1, 0.75)
    draft = doing(story.draft, Call("pause", during), Call("pause", later))
    yield Case("pause-twice", "somebody pauses twice", draft)
    draft = doing(story.draft, Resume(None, {"no-such-step": "retry"}, during))
    yield Case("unknown-decision", "somebody decides about what nobody asks", draft)
    draft = doing(story.draft, Call("fork", during, steps=(step.id,)))
    yield Case("fork-while-running", "somebody forks what has not ended", draft)
    yield from _too_large(plan, step, story)
    yield from _while_stopping(plan, step, story, during)
    yield from _while_undoing(plan)
    yield from _after_an_end(plan, step, story)
    yield from _while_paused(story, step)


def _at_the_end(base: Draft, ended: Sequence[Act], act: Act) -> Draft:
    return attrs.evolve(base, scenario=acted(base.scenario, (*ended, act)), answered=False)


def _too_large(plan: Plan, step: Step, story: Story) -> Iterator[Case]:
    """In a pause, which every resume may end, somebody brings more than a record may have."""
    name = rows(plan, story, step)[0]
    # While an attempt runs, and when it has ended: then the pause is all that it waits for.
    acts = Call("pause", During(name)), Call("too-large", During(name, 1, 0.75)), Call("too-large")
    why = "in a pause somebody brings more than a record may have, and then resumes"
    yield Case("too-large", why, doing(story.draft, *acts))
    for other, reaching in reached(plan):
        if other.total_timeout is None or other.for_each is not None:
            continue
        draft = script(plan, reaching, other, fails(plan, code_of(other), 1, reaching))
        for _, middle, _ in delays_of(plan.told(draft), other.id):
            draft = doing(draft, Call("pause", AtTime(middle)), Call("too-large"))
            # And then nobody comes; but its time goes on, and is over.
            draft = attrs.evolve(draft, answered=False)
            why = f"before the second attempt of {title(other)} it is paused, and asked too much"
            yield Case(f"too-large-before-{other.id}", why, draft)
            return


def _while_stopping(plan: Plan, step: Step, story: Story, during: During) -> Iterator[Case]:
    later = During(during.step, 1, 0.75)
    for word, act in asked(later, step.id):
        draft = doing(story.draft, Cancel(during, None), act)
        yield Case(f"{word}-while-stopping", f"it is stopping, and somebody asks: {word}", draft)


def _while_undoing(plan: Plan) -> Iterator[Case]:
    for step, _ in reached(plan):
        found = None if step.compensate is None else undone_by(plan, step)
        if found is None:
            continue
        label = f"{step.id}:compensate"
        names = [name for _, name, _, _ in plan.told(found[1]).calls() if name.startswith(step.id)]
        label = next((name for name in names if name.endswith(":compensate")), label)
        for word, act in asked(During(label), step.id):
            why = f"its work is being undone, and somebody asks: {word}"
            yield Case(f"{word}-while-undoing", why, doing(found[1], act))
        return


def _after_an_end(plan: Plan, step: Step, story: Story) -> Iterator[Case]:
    """FAILED and CANCELLED are as final as COMPLETED (R23); only a fork is for them."""
    failed = script(plan, story, step, fails(plan, code_of(step)))
    cancelled = doing(story.draft, Cancel(During(rows(plan, story, step)[0])))
    for end, draft in (("failed", failed), ("cancelled", cancelled)):
        told = plan.told(draft)
        for word, act in asked(None, step.id):
            if word == "fork" and plan.children:
                continue
            done = _at_the_end(draft, told.scenario.actions, act)
            yield Case(f"{word}-when-{end}", f"it has {end}, and somebody asks: {word}", done)


def _while_paused(story: Story, step: Step) -> Iterator[Case]:
    """It waits for somebody, who asks for something else."""
    given = list(story.scenario.actions)
    index = next((place for place, act in enumerate(given) if act.moment is None), None)
    if index is None or any(isinstance(each[0], Hangs) for each in story.scenario.steps.values()):
        return
    for word, act in asked(None, step.id):
        scenario = acted(story.draft.scenario, (*given[:index], act))
        draft = attrs.evolve(story.draft, scenario=scenario)
        level = DEEP if word == "cancel" else 1
        yield Case(f"{word}-while-waiting", f"it waits, and somebody asks: {word}", draft, level)
