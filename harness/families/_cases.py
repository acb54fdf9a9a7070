"""A case: a draft with a name and a reason. What families yield."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs

from harness._scenario import Behaviour, Raises, Returns
from harness.families._plan import Plan, acted
from harness.families._stories import Draft, Story
from harness.oracle._document import Step

T = TypeVar("T")

SMOKE, STANDARD, DEEP = range(3)
LEVELS = {"smoke": SMOKE, "standard": STANDARD, "deep": DEEP}


@attrs.frozen
class Case:
    """One scenario to be. `name` is what it is called within its family."""

    name: str
    why: str
    draft: Draft
    level: int = STANDARD
    covers: tuple[str, ...] = ()


def title(step: Step) -> str:
    """Return what people call a step: its id, in a sentence."""
    return step.id


def first_of(step: Step) -> str:
    """Return what people call that of a step which `script_first` makes do something else."""
    return title(step) if step.for_each is None else f"the first item of {title(step)}"


def span(seconds: float) -> str:
    """Return a length of time in the largest unit of which it has two or more: ``2 d``."""
    for unit, length in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.6g} s"


def rows(plan: Plan, story: Story, step: Step) -> list[str]:
    """Return the names under which the attempts of a step are scripted: its items', or its own."""
    if step.for_each is None:
        return [step.id]
    made = {name.partition(":")[0] for _, name, _, _ in story.calls()}
    return sorted(name for name in made if name.startswith(f"{step.id}[")) or [step.id]


def script(
    plan: Plan, story: Story, step: Step, make: Callable[[str], Sequence[Behaviour]]
) -> Draft:
    """Return the story's draft in which all attempts of a step do something else."""
    scenario = story.draft.scenario
    names = rows(plan, story, step)
    steps = {
        name: row
        for name, row in scenario.steps.items()
        if name != step.id and not (name.startswith(f"{step.id}[") and "/" not in name)
    }
    for name in names:
        steps[name] = tuple(make(name))
    return attrs.evolve(story.draft, scenario=attrs.evolve(scenario, steps=steps))


def script_first(
    plan: Plan, story: Story, step: Step, make: Callable[[str], Sequence[Behaviour]]
) -> Draft:
    """Return the story's draft in which a step, or its first item only, does something else.

    Items that are all out of time are so at one instant, and then nothing is certain.
    """
    name = rows(plan, story, step)[0]
    steps = {**story.draft.scenario.steps, name: tuple(make(name))}
    return attrs.evolve(story.draft, scenario=attrs.evolve(story.draft.scenario, steps=steps))


def fallback_script(draft: Draft, step: str, *behaviours: Behaviour) -> Draft:
    """Return a draft in which the fallback of a step does something else."""
    fallbacks = {**draft.scenario.fallbacks, step: behaviours}
    return attrs.evolve(draft, scenario=attrs.evolve(draft.scenario, fallbacks=fallbacks))


def undo_script(draft: Draft, step: str, *behaviours: Behaviour) -> Draft:
    """Return a draft in which what undoes a step does something else."""
    undos = {**draft.scenario.compensations, step: behaviours}
    return attrs.evolve(draft, scenario=attrs.evolve(draft.scenario, compensations=undos))


def doing(draft: Draft, *acts: Any) -> Draft:
    """Return a draft to which something more is done."""
    scenario = draft.scenario
    return attrs.evolve(draft, scenario=acted(scenario, (*acts, *scenario.actions)))


def no(plan: Plan, name: str, code: str | None = "odd") -> Raises:
    """Return an attempt that fails after as long as it usually takes."""
    return plan.fails(name, code)


Make = Callable[[str], Sequence[Behaviour]]


def usual(story: Story, name: str) -> Returns:
    """Return what an attempt does in a story."""
    found = story.draft.scenario.behaviour(name, 1)
    return found if isinstance(found, Returns) else Returns({})


def fails(plan: Plan, code: str | None, times: int = 1, then: Story | None = None) -> Make:
    """Attempts that fail so many times, and then do what is usual in a story."""

    def made(name: str) -> list[Behaviour]:
        after: list[Behaviour] = [] if then is None else [usual(then, name)]
        return [*[no(plan, name, code)] * times, *after]

    return made


def fails_late(code: str, after: float, then: Story) -> Make:
    """Attempts of which the first fails after so many seconds."""
    return lambda name: [Raises("no", code, after), usual(then, name)]


def lasting(story: Story, seconds: float) -> Make:
    """Attempts that do what is usual, but take so long."""
    return lambda name: [attrs.evolve(usual(story, name), after=seconds)]


def gives(plan: Plan, value: Any) -> Make:
    """Attempts that return something else."""
    return lambda name: [Returns(value, plan.seconds(name))]


def spoils(plan: Plan, how: str) -> Make:
    """Attempts that return what is not worth recording."""
    return lambda name: [attrs.evolve(plan.returns(name), spoilt=how)]


def reached(plan: Plan, kind: str = "action") -> list[tuple[Step, Story]]:
    """Return the steps of a type, each with a story in which it runs."""
    found = [(step, plan.reach(step.id)) for step in plan.steps if step.type == kind]
    return [(step, story) for step, story in found if story is not None]


def called_at(story: Story, name: str, attempt: int = 1) -> float | None:
    """Return the instant of a call in a story."""
    return next(
        (at for at, each, number, _ in story.calls() if (each, number) == (name, attempt)), None
    )


def spread(row: Sequence[T], most: int) -> list[T]:
    """Return so many of them, as far apart as can be, the first and the last included."""
    if len(row) <= most:
        return list(row)
    if most < 2:
        return list(row[:most])
    return [row[round(index * (len(row) - 1) / (most - 1))] for index in range(most)]
