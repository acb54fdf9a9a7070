"""Steps that a pause holds back: their conditions were asked, and are not asked again (R6, R27)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from harness._scenario import AtTime, Call, Interrupt, Resume
from harness.families._attempts import HAIR
from harness.families._cases import Case, called_at, doing, reached, rows, title
from harness.families._data import with_data
from harness.families._plan import Plan, acted
from harness.families._solving import candidates, places_of
from harness.families._stories import Story
from harness.families._values import plain, put
from harness.oracle._document import Step


def held(plan: Plan) -> Iterator[Case]:
    """It is paused right before a step with a condition: that is asked, and the step held back."""
    for step, story in reached(plan):
        began = called_at(story, rows(plan, story, step)[0])
        if step.condition is None or began is None or began <= HAIR:
            continue
        draft = doing(story.draft, Call("pause", AtTime(round(began - 0.613 * HAIR, 6))))
        why = f"somebody pauses right before {title(step)} starts, and resumes"
        yield Case(f"{step.id}-held", why, draft)
        left = attrs.evolve(draft, answered=False)
        again = doing(left, Interrupt(None, 0.3017), Call("resume"))
        why = f"somebody pauses right before {title(step)} starts; the program is left, and goes on"
        first = next(iter(draft.scenario.actions))
        scenario = acted(again.scenario, (first, Interrupt(None, 0.3017), Call("resume")))
        yield Case(f"{step.id}-held-left", why, attrs.evolve(again, scenario=scenario))
        yield from _overtaken(plan, step, story)


def _overtaken(plan: Plan, step: Step, story: Story) -> Iterator[Case]:
    """What the resume brings would have made the condition false, but it was true once."""
    found = _left_out(plan, step, story)
    if found is None:
        return
    told, brought = found
    began = called_at(told, rows(plan, told, step)[0])
    if began is None or began <= HAIR:
        return
    pause = Call("pause", AtTime(round(began - 0.613 * HAIR, 6)))
    resume = Resume(brought, None, AtTime(round(began + 1.0413, 6)))
    acts = (*told.scenario.actions, pause, resume)
    draft = attrs.evolve(told.draft, scenario=acted(told.draft.scenario, acts), answered=False)
    why = f"{title(step)} is held back, and what is brought then would have skipped it"
    yield Case(f"{step.id}-held-overtaken", why, draft)


def _left_out(plan: Plan, step: Step, story: Story) -> tuple[Story, dict[str, Any]] | None:
    """Return a story without an input that would skip the step, and that input."""
    if step.condition is None:
        return None
    for root, path in dict.fromkeys(places_of(plain(step.condition))):
        if root != "input" or not all(isinstance(part, str) for part in path):
            continue
        draft = with_data(plan, story.draft, {}, [(root, path)])
        told = None if draft is None else plan.told(draft)
        if draft is None or told is None or step.id not in told.reached():
            continue
        if any(isinstance(act, Resume) for act in told.scenario.actions):
            # It waits for this input, or for another one.
            continue
        for value in candidates(step.condition, (root, path)):
            other = with_data(plan, draft, {(root, path): value})
            if other is not None and plan.told(other).expected.last.steps[step.id] == "SKIPPED":
                return told, put({}, path, value)
    return None
