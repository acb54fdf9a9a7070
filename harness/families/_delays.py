"""Between two attempts: what is done while a back-off runs, and how long it is (R12, R27)."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from harness._scenario import AtTime, Call, Cancel, Crash, Interrupt, seconds_of
from harness.families._attempts import HAIR, code_of
from harness.families._cases import (
    DEEP,
    Case,
    called_at,
    doing,
    fails,
    fallback_script,
    no,
    reached,
    script,
    title,
    undo_script,
)
from harness.families._plan import Plan
from harness.families._stories import Draft, Story
from harness.families._undo import undone_by
from harness.oracle._attempts import delay_before
from harness.oracle._document import Step

_DOWN = 0.3017
_MOST_DELAYS = 4


def delays_of(story: Story, name: str) -> Iterator[tuple[int, float, float]]:
    """Yield the delays after the attempts of a name: the number, the middle, and the end."""
    for number in range(1, _MOST_DELAYS + 1):
        began, again = called_at(story, name, number), called_at(story, name, number + 1)
        if began is None or again is None:
            return
        ended = began + seconds_of(story.scenario.behaviour(name, number), name, number)
        if again - ended >= HAIR:
            yield number, round((ended + again) / 2 + 0.000317, 6), again


def delay(plan: Plan) -> Iterator[Case]:
    """It is paused, left, or killed while a back-off runs; of fallbacks and undos, too."""
    for step, story in reached(plan):
        if step.for_each is not None:
            continue
        if step.retry.max_attempts > 1:
            draft = script(plan, story, step, fails(plan, code_of(step), 1, story))
            yield from _during(plan, draft, step.id, step.id, title(step))
        if step.fallback is not None and step.fallback.retry.max_attempts > 1:
            first = script(plan, story, step, fails(plan, code_of(step)))
            name = f"{step.id}:fallback"
            draft = fallback_script(first, step.id, no(plan, name), plan.returns(name))
            yield from _during(
                plan, draft, name, f"{step.id}-fallback", f"the fallback of {title(step)}"
            )
        if step.compensate is not None and step.compensate.retry.max_attempts > 1:
            yield from _during_undo(plan, step)


def _during(plan: Plan, draft: Draft, name: str, label: str, who: str) -> Iterator[Case]:
    for _, middle, end in delays_of(plan.told(draft), name):
        moment = AtTime(middle)
        if ":" in name:
            why = f"somebody cancels before the second attempt of {who}"
            yield Case(f"{label}-cancelled", why, doing(draft, Cancel(moment)))
        why = f"somebody pauses before the second attempt of {who}, and resumes"
        resumed = Call("resume", AtTime(round(end + 1.0413, 6)))
        yield Case(f"{label}-paused", why, doing(draft, Call("pause", moment), resumed))
        why = f"the process dies before the second attempt of {who}"
        yield Case(f"{label}-killed", why, doing(draft, Crash(moment, _DOWN)))
        why = f"the process dies before the second attempt of {who}, and comes back after its time"
        down = round(end - middle + 1.0413, 6)
        yield Case(f"{label}-killed-long", why, doing(draft, Crash(moment, down)))
        why = f"the program is left before the second attempt of {who}"
        yield Case(f"{label}-left", why, doing(draft, Interrupt(moment, _DOWN)), DEEP)
        return


def _during_undo(plan: Plan, step: Step) -> Iterator[Case]:
    found = undone_by(plan, step)
    if found is None:
        return
    name = f"{step.id}:compensate"
    draft = undo_script(
        found[1], step.id, attrs.evolve(no(plan, step.id), after=1.0137), plan.returns(step.id, {})
    )
    for _, middle, _ in delays_of(plan.told(draft), name):
        for word, act in (
            ("cancelled", Cancel(AtTime(middle))),
            ("paused", Call("pause", AtTime(middle))),
            ("killed", Crash(AtTime(middle), _DOWN)),
        ):
            why = f"it is {word} before the second attempt to undo {title(step)}"
            yield Case(f"{step.id}-undo-{word}", why, doing(draft, act))
        return


def jitter(plan: Plan) -> Iterator[Case]:
    """Delays are drawn: the shortest there is, and one in between; or not, without a jitter."""
    for step, story in reached(plan):
        retry = step.retry
        if retry.max_attempts < 2 or delay_before(retry, 1) == 0:
            continue
        times = min(retry.max_attempts - 1, _MOST_DELAYS)
        draft = script(plan, story, step, fails(plan, code_of(step), times, story))
        draws = {"none": 0.0, "some": 0.3713} if retry.jitter == "full" else {"no-matter": 0.3713}
        for word, part in draws.items():
            why = f"{part:g} of each delay of {title(step)} is waited, if it has a jitter"
            scenario = attrs.evolve(draft.scenario, jitter=part)
            yield Case(f"{step.id}-{word}", why, attrs.evolve(draft, scenario=scenario))
