"""Children: each end that one can come to, and what is done to it and to its parent (R28)."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from harness._scenario import (
    Act,
    Behaviour,
    Call,
    Cancel,
    Crash,
    During,
    Hangs,
    Interrupt,
    Raises,
    seconds_of,
)
from harness.data._picking import violations
from harness.families._cases import DEEP, Case, doing, reached, title
from harness.families._data import with_data
from harness.families._misuse import can_lack
from harness.families._plan import Plan, acted
from harness.families._stories import Draft, Story
from harness.families._values import plain_parameters
from harness.oracle._document import Step

_DOWN = 0.3017


def child(plan: Plan) -> Iterator[Case]:
    """A child ends in each way, waits for somebody, is stopped, and is left."""
    for step, story in reached(plan, "workflow"):
        if step.id not in plan.children:
            continue
        calls = dict.fromkeys(name for _, name, _, _ in story.calls())
        inside = [
            name
            for name in calls
            if name.startswith((f"{step.id}/", f"{step.id}[")) and "/" in name and ":" not in name
        ]
        for number, name in enumerate(inside):
            yield from _at(story, name)
            # What is about the child as a whole is told at its first call.
            yield from _around(story, name, 1 if number == 0 else DEEP)
        yield from _waiting(story, step)
        yield from _rejected(plan, story, step)
        if step.total_timeout is not None and inside:
            draft = _with_row(story, inside[0], Hangs())
            yield Case(f"{step.id}-hangs", f"the child of {title(step)} never ends", draft)
            late = _shielded(story, inside[0], step.total_timeout + 1.0213)
            why = f"the child of {title(step)} is out of time, and does not let itself be stopped"
            yield Case(f"{step.id}-late", why, late)
        for action in can_lack(plan.children[step.id].steps)[:1]:
            scenario = attrs.evolve(story.draft.scenario, lacks=(action,))
            draft = attrs.evolve(story.draft, scenario=scenario)
            why = f"the program lacks an action of the child of {title(step)}"
            yield Case(f"{step.id}-lacks-action", why, draft)


def _rejected(plan: Plan, story: Story, step: Step) -> Iterator[Case]:
    """What the child is given does not fit its own schema: it is never started (R28)."""
    schemas = (plan.children[step.id].document.get("input_schema"), step.fields.get("input_schema"))
    for number, schema in enumerate(schemas):
        for label, value in violations(schema):
            for key, place in plain_parameters(plan.graph, step).items():
                if place is None or not isinstance(value, dict) or key not in value:
                    continue
                draft = with_data(plan, story.draft, {place: value[key]})
                if draft is None or draft == story.draft:
                    continue
                if plan.told(draft).facts.run.steps[step.id].status == "FAILED":
                    why = f"the child of {title(step)} is given what does not fit ({label})"
                    name = f"{step.id}-rejected-{label}"
                    yield Case(name if number == 0 else f"{name}-by-the-step", why, draft)


def _label(name: str) -> str:
    return name.replace("/", "-").replace("[", "-").replace("]", "")


def _at(story: Story, name: str) -> Iterator[Case]:
    """One attempt in the child, and what may happen while it runs."""
    text, to = _label(name), name.rpartition("/")[0]
    seconds = seconds_of(story.scenario.behaviour(name, 1), name, 1)
    draft = _with_row(story, name, Raises("no", "odd", seconds))
    yield Case(f"{text}-fails", f"{name} fails in the child", draft)
    during = During(name)
    draft = doing(story.draft, Cancel(during, to=to))
    yield Case(f"{text}-child-cancelled", f"somebody cancels the child at {name}", draft)
    draft = doing(story.draft, Cancel(during))
    yield Case(f"{text}-cancelled", f"somebody cancels all while {name} runs", draft)
    draft = doing(story.draft, Crash(during, _DOWN))
    yield Case(f"{text}-killed", f"the process dies while {name} runs in the child", draft)


def _around(story: Story, name: str, level: int) -> Iterator[Case]:
    text, to = _label(name), name.rpartition("/")[0]
    during = During(name)
    for word, act in (
        ("paused", Call("pause", during)),
        ("child-paused", Call("pause", during, to)),
        ("grace", Cancel(during, None)),
        ("child-grace", Cancel(during, None, to)),
        ("left", Interrupt(during, _DOWN)),
    ):
        why = f"{word.replace('-', ' ')} while {name} runs in the child"
        yield Case(f"{text}-{word}", why, doing(story.draft, act), level)
    late = _shielded(story, name, None)
    why = f"somebody cancels all, and {name} in the child does not let itself be stopped"
    yield Case(f"{text}-cancelled-late", why, doing(late, Cancel(during)), level)
    why = f"all is paused while {name} runs in the child, and then cancelled"
    both = doing(story.draft, Call("pause", during), Cancel())
    yield Case(f"{text}-paused-cancelled", why, both, level)


def _waiting(story: Story, step: Step) -> Iterator[Case]:
    """The child waits for somebody: nobody comes, all is cancelled, or the program is left."""
    given: tuple[Act, ...] = tuple(story.scenario.actions)
    for index, act in enumerate(given):
        to = "" if isinstance(act, Crash | Interrupt) else act.to
        if act.moment is not None or to.partition("/")[0].partition("[")[0] != step.id:
            continue
        before = given[:index]
        scenario = acted(story.draft.scenario, before)
        left = attrs.evolve(story.draft, scenario=scenario, answered=False)
        text = f"{_label(to)}-waits-{index + 1}"
        yield Case(text, f"the child {to} waits, and nobody comes", left)
        answers: tuple[tuple[str, list[Act]], ...] = (
            ("cancelled", [Cancel()]),
            ("child-cancelled", [Cancel(to=to)]),
            ("wrong-resume", [Call("resume")]),
            ("left", [Interrupt(None, _DOWN), *given[index:]]),
            ("killed", [Crash(None, _DOWN), *given[index:]]),
        )
        for word, then in answers:
            done = acted(scenario, (*before, *then))
            draft = attrs.evolve(story.draft, scenario=done, answered=word == "wrong-resume")
            why = f"{word.replace('-', ' ')} while the child {to} waits"
            yield Case(f"{text}-{word}", why, draft)


def _with_row(story: Story, name: str, behaviour: Behaviour) -> Draft:
    scenario = story.draft.scenario
    steps = {**scenario.steps, name: (behaviour,)}
    return attrs.evolve(story.draft, scenario=attrs.evolve(scenario, steps=steps))


def _shielded(story: Story, name: str, seconds: float | None) -> Draft:
    usual = story.scenario.behaviour(name, 1)
    if isinstance(usual, Hangs):
        return story.draft
    after = usual.after if seconds is None else seconds
    return _with_row(story, name, attrs.evolve(usual, after=after, shielded=True))
