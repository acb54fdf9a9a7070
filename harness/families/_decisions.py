"""Decisions that come late, and decisions about items (R13, R14, R19)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from harness._scenario import AtTime, Behaviour, Cancel, Crash, During, Hangs, Resume
from harness.families._attempts import code_of
from harness.families._cases import Case, doing, no, reached, rows, script, title
from harness.families._plan import Plan, acted
from harness.families._stories import MOST_ATTEMPTS, Draft
from harness.oracle._document import Step

# So much later (seconds) than all the time that a step has somebody decides about it.
_LATER = 1.0413
_DOWN = 0.3017


def decided_late(plan: Plan, step: Step, failing: Draft, most: int) -> Iterator[Case]:
    """Somebody decides when the step's time would be over, had it not stood still (R14)."""
    if step.total_timeout is None:
        return
    told = plan.told(attrs.evolve(failing, answered=False))
    if told.expected.last.status != "PAUSED":
        return
    moment = AtTime(round(told.expected.last.elapsed + step.total_timeout + _LATER, 6))
    left = attrs.evolve(failing, silent=frozenset([step.id]))
    for word in ("retry", "completed"):
        answer = word if word == "retry" else {"completed": plan.outputs[step.id]}
        draft = doing(left, Resume(None, {step.id: answer}, moment))
        why = f"somebody decides about {title(step)} after longer than it may take: {word}"
        yield Case(f"{step.id}-late-{word}", why, draft)
    row = [*failing.scenario.steps[step.id][:most], Hangs()]
    steps = {**failing.scenario.steps, step.id: tuple(row)}
    hanging = attrs.evolve(left, scenario=attrs.evolve(failing.scenario, steps=steps))
    draft = doing(hanging, Resume(None, {step.id: "retry"}, moment))
    why = f"somebody lets {title(step)} be tried again, long after, and then its time is over"
    yield Case(f"{step.id}-late-hangs", why, draft)


def crashes_anew(plan: Plan, step: Step, failing: Draft, most: int) -> Iterator[Case]:
    """Crashes are counted anew when somebody lets it be tried again (R13, R17)."""
    if step.on_crash != "retry" or step.id not in failing.scenario.steps:
        return
    # The attempt that dies is made again, with the next number.
    *bad, good = failing.scenario.steps[step.id]
    steps = {**failing.scenario.steps, step.id: (*bad, bad[-1], good)}
    draft = attrs.evolve(failing, scenario=attrs.evolve(failing.scenario, steps=steps))
    left = attrs.evolve(doing(draft, Crash(During(step.id), _DOWN)), silent=frozenset([step.id]))
    # What it waits for before comes first.
    acts = (
        *plan.told(left).scenario.actions,
        Resume(None, {step.id: "retry"}),
        Crash(During(step.id, most + 2), _DOWN),
        Crash(During(step.id, most + 3), _DOWN),
    )
    draft = attrs.evolve(draft, scenario=acted(draft.scenario, acts))
    why = f"somebody lets {title(step)} be tried again, and the process dies twice, as once before"
    yield Case(f"{step.id}-retry-killed", why, draft)


def items_decided(plan: Plan) -> Iterator[Case]:
    """Items have failed each time, with different codes, and somebody decides about them."""
    for step, story in reached(plan):
        if step.retry.on_exhausted != "pause" or step.for_each is None:
            continue
        names = rows(plan, story, step)[:2]
        if len(names) < 2 or step.fallback is not None:
            continue
        one, other = names
        most = min(step.retry.max_attempts, MOST_ATTEMPTS + 1)
        usual = {name: story.draft.scenario.steps.get(name, ()) for name in rows(plan, story, step)}

        def row(
            name: str,
            usual: Mapping[str, Sequence[Behaviour]] = usual,
            step: Step = step,
            names: Sequence[str] = names,
            most: int = most,
        ) -> Sequence[Behaviour]:
            if name not in names:
                return usual[name] or [plan.usual(name)]
            first = no(plan, name, code_of(step) if name == names[0] else "other")
            return [*[first] * most, plan.usual(name)]

        draft = script(plan, story, step, row)
        waiting = attrs.evolve(draft, answered=False)
        yield Case(f"{step.id}-items", f"two items of {title(step)} wait for somebody", waiting)
        why = f"somebody cancels instead of deciding about two items of {title(step)}"
        yield Case(f"{step.id}-items-cancelled", why, doing(draft, Cancel()))
        left = attrs.evolve(draft, silent=frozenset(names))
        output = plan.outputs[step.id]
        for word, answers in (
            ("failed", {one: "failed", other: "failed"}),
            ("retry", {one: "retry", other: "retry"}),
            ("one-failed", {other: "failed"}),
            ("completed", {one: {"completed": output}, other: "retry"}),
        ):
            why = f"somebody decides about two items of {title(step)}: {word}"
            yield Case(f"{step.id}-items-{word}", why, doing(left, Resume(None, answers)))
        if step.total_timeout is not None:
            told = plan.told(waiting).expected.last
            moment = AtTime(round(told.elapsed + step.total_timeout + _LATER, 6))
            answers = {one: "retry", other: "retry"}
            why = f"somebody decides about items of {title(step)} after longer than it may take"
            yield Case(f"{step.id}-items-late", why, doing(left, Resume(None, answers, moment)))
