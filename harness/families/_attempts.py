"""What attempts do: they fail, hang, are repeated, and return what does not fit."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from functools import partial
from itertools import islice

import attrs

from harness._scenario import Behaviour, Hangs, Raises, Returns
from harness.data._picking import violations
from harness.families._cases import (
    DEEP,
    SMOKE,
    Case,
    fails,
    fails_late,
    fallback_script,
    first_of,
    gives,
    lasting,
    no,
    reached,
    script,
    script_first,
    span,
    spoils,
    title,
    usual,
)
from harness.families._data import with_data
from harness.families._items import bad_items
from harness.families._plan import Plan
from harness.families._stories import Draft, Story
from harness.families._values import plain_parameters
from harness.oracle._document import Step
from harness.oracle._reading import references_of_template

# Just in time, and just too late: a thousandth of a second (R14).
HAIR = 0.001


def code_of(step: Step) -> str:
    """Return a code that the step's `retry` tries again."""
    for pattern in step.retry.on or ():
        return pattern.replace("*", "1").replace("?", "1")
    return "odd"


def fail(plan: Plan) -> Iterator[Case]:
    """Each action fails for good."""
    for step, story in reached(plan):
        if plan.raises(step.id) is not None:
            # That is what is usual for it.
            continue
        code = code_of(step)
        draft = script(plan, story, step, fails(plan, code))
        yield Case(
            step.id, f"{title(step)} fails each time", draft, SMOKE, (f"fault:{step.id}:raises",)
        )
        draft = script(plan, story, step, fails(plan, None))
        why = f"{title(step)} fails each time, with an error that has no code"
        yield Case(f"{step.id}-plainly", why, draft)
        if step.call is not None and step.retry.max_attempts > 1:
            draft = script(
                plan, story, step, lambda name: [attrs.evolve(no(plan, name), retryable=False)]
            )
            why = f"{title(step)} fails, and says that it is of no use to try again"
            yield Case(f"{step.id}-hopelessly", why, draft)


def timeout(plan: Plan) -> Iterator[Case]:
    """Each action hangs, comes just in time, and just too late."""
    for step, story in reached(plan):
        assert step.call is not None
        if step.call.timeout is not None:
            yield from _attempt_timeout(plan, step, story, step.call.timeout)
        if step.total_timeout is not None:
            draft = script_first(plan, story, step, lambda name: [Hangs()])
            why = f"{first_of(step)} never answers, and its time is over"
            yield Case(f"{step.id}-total", why, draft)
            yield from _just(plan, step, story, step.total_timeout, "total-")
        if step.call.timeout is None and step.total_timeout is None:
            draft = script_first(plan, story, step, lambda name: [Hangs()])
            why = f"{first_of(step)} takes three years: nothing limits it"
            if plan.graph.timeout is not None:
                why = f"{first_of(step)} never answers, until the time of all is over"
            level = SMOKE if plan.graph.timeout is not None else DEEP
            yield Case(f"{step.id}-hangs", why, draft, level, (f"fault:{step.id}:hangs",))
    yield from _whole_timeout(plan)


def _attempt_timeout(plan: Plan, step: Step, story: Story, limit: float) -> Iterator[Case]:
    draft = script_first(plan, story, step, lambda name: [Hangs()])
    most = "1 attempt" if step.retry.max_attempts == 1 else f"{step.retry.max_attempts} attempts"
    why = f"{first_of(step)} never answers: {most} of {span(limit)}"
    yield Case(f"{step.id}-hangs", why, draft, SMOKE, (f"fault:{step.id}:hangs",))
    yield from _just(plan, step, story, limit, "")
    after = round(limit + 0.5017, 6)
    draft = script_first(
        plan,
        story,
        step,
        lambda name: [attrs.evolve(usual(story, name), after=after, shielded=True)],
    )
    why = f"{first_of(step)} is out of time, does not let itself be stopped, and goes well"
    yield Case(f"{step.id}-late", why, draft)
    stubborn = Raises("no", "odd", after, shielded=True)
    draft = script_first(plan, story, step, lambda name: [stubborn, usual(story, name)])
    why = f"{first_of(step)} is out of time, does not let itself be stopped, and fails"
    yield Case(f"{step.id}-late-fails", why, draft)
    for label, value in islice(violations(step.fields.get("output_schema")), 1):
        unfit = Returns(value, after, shielded=True)
        draft = script_first(plan, story, step, partial(_then_usual, story, unfit))
        why = f"{first_of(step)} is out of time, and returns what does not fit ({label})"
        yield Case(f"{step.id}-late-unfit", why, draft)
    if step.retry.max_attempts > 1:
        draft = script_first(plan, story, step, lambda name: [Hangs(), plan.returns(name)])
        yield Case(f"{step.id}-then-ok", f"{first_of(step)} hangs once, then goes well", draft)


def _then_usual(story: Story, first: Behaviour, name: str) -> list[Behaviour]:
    return [first, usual(story, name)]


def _just(plan: Plan, step: Step, story: Story, limit: float, kind: str) -> Iterator[Case]:
    if limit <= 2 * HAIR:
        return
    sides = (("in-time", limit - HAIR, "before"), ("late", limit + HAIR, "after"))
    for word, seconds, side in sides:
        draft = script_first(plan, story, step, lasting(story, round(seconds, 6)))
        why = f"{first_of(step)} answers just {word.replace('-', ' ')}: "
        why += f"{HAIR:g} s {side} its {span(limit)} are over"
        yield Case(f"{step.id}-{kind}just-{word}", why, draft)


def _whole_timeout(plan: Plan) -> Iterator[Case]:
    """The execution's own time is over."""
    limit = plan.graph.timeout
    if limit is None:
        return
    story = plan.base
    calls = list(story.calls())
    if not calls:
        return
    _, name, number, _ = calls[-1]
    step = plan.graph.steps.get(name.partition("[")[0])
    if step is None or step.call is None or number > 1:
        return
    elapsed = story.expected.last.elapsed
    for word, end in (("in-time", limit - HAIR), ("late", limit + HAIR)):
        after = round(usual(story, name).after + end - elapsed, 6)
        if after <= 0 or (step.call.timeout is not None and after >= step.call.timeout):
            continue
        draft = script_first(plan, story, step, lasting(story, after))
        yield Case(f"execution-just-{word}", f"all of it ends just {word.replace('-', ' ')}", draft)


def retry(plan: Plan) -> Iterator[Case]:
    """The first, the last, and none of the attempts goes well; some are not repeated."""
    for step, story in reached(plan):
        most = step.retry.max_attempts
        if most < 2:
            continue
        bad = code_of(step)

        def failing(times: int, step: Step = step, story: Story = story, bad: str = bad) -> Draft:
            return script(plan, story, step, fails(plan, bad, times, story))

        yield Case(f"{step.id}-once", f"{title(step)} fails once, then goes well", failing(1))
        if most > 2:
            why = f"{title(step)} fails {most - 1} times, and goes well the last time"
            yield Case(f"{step.id}-last", why, failing(min(most - 1, 9)))
        if most > 9:
            continue
        why = f"{title(step)} would go well if there were one more attempt"
        yield Case(f"{step.id}-never", why, failing(most))
        yield from _codes(plan, step, story)
        if step.retry.max_elapsed is not None:
            late = round(step.retry.max_elapsed - 0.0037, 6)
            draft = script(
                plan,
                story,
                step,
                fails_late(bad, late, story),
            )
            yield Case(
                f"{step.id}-too-late", f"{title(step)} fails too late to be tried again", draft
            )


def _codes(plan: Plan, step: Step, story: Story) -> Iterator[Case]:
    """Codes that `retry` names, and one that it does not."""
    repeats = step.retry
    codes = [
        pattern.replace("*", "1").replace("?", "1")
        for pattern in (*(repeats.on or ()), *repeats.not_on)
    ]
    if repeats.on is not None and not any(fnmatch.fnmatchcase("odd", each) for each in repeats.on):
        codes.append("odd")
    for code in codes:
        draft = script(plan, story, step, fails(plan, code, 1, story))
        yield Case(f"{step.id}-code-{code}", f"{title(step)} fails once with {code}", draft)


def fallback(plan: Plan) -> Iterator[Case]:
    """What is called when all attempts have failed fails, hangs, or returns what does not fit."""
    for step, story in reached(plan):
        if step.fallback is None:
            continue
        first = script(plan, story, step, fails(plan, code_of(step)))
        name = f"{step.id}:fallback"
        if plan.raises(name) is None:
            yield Case(step.id, f"{title(step)} fails, and its fallback goes well", first)
        draft = fallback_script(first, step.id, no(plan, name, "other"))
        yield Case(f"{step.id}-fails", f"{title(step)} fails, and so does its fallback", draft)
        if step.fallback.timeout is not None:
            draft = fallback_script(first, step.id, Hangs())
            yield Case(f"{step.id}-hangs", f"{title(step)} fails, and its fallback hangs", draft)
        if step.fallback.retry.max_attempts > 1:
            draft = fallback_script(first, step.id, no(plan, name), plan.returns(name))
            why = f"{title(step)} fails, and its fallback goes well the second time"
            yield Case(f"{step.id}-then-ok", why, draft)
        for label, value in islice(violations(step.fields.get("output_schema")), 1):
            draft = fallback_script(first, step.id, Returns(value, plan.seconds(name)))
            why = f"{title(step)} fails, and its fallback returns what does not fit ({label})"
            yield Case(f"{step.id}-{label}", why, draft)


def bad_output(plan: Plan) -> Iterator[Case]:
    """Each action returns what its schema excludes, and what is no JSON."""
    for step, story in reached(plan):
        for number, (label, value) in enumerate(violations(step.fields.get("output_schema"))):
            draft = script(plan, story, step, gives(plan, value))
            why = f"{title(step)} returns what does not fit its schema ({label})"
            yield Case(f"{step.id}-{label}", why, draft, 1 if number < 4 else DEEP)
        draft = script(plan, story, step, spoils(plan, "result.not_json"))
        yield Case(f"{step.id}-not-json", f"{title(step)} returns what is no JSON", draft)
        draft = script(plan, story, step, spoils(plan, "result.too_large"))
        yield Case(f"{step.id}-too-large", f"{title(step)} returns too much", draft, DEEP)


def bad_input(plan: Plan) -> Iterator[Case]:
    """What the execution, or a step, is given does not fit."""
    scenario = plan.base.draft.scenario
    schema = plan.document.get("input_schema")
    for label, value in violations(schema):
        if isinstance(value, dict):
            changed = attrs.evolve(scenario, input=value)
            draft = attrs.evolve(plan.base.draft, scenario=changed)
            yield Case(f"start-{label}", f"the input does not fit ({label}): nothing starts", draft)
    for step, story in reached(plan):
        for label, value in violations(step.fields.get("input_schema")):
            if not isinstance(value, dict):
                continue
            for key, place in plain_parameters(plan.graph, step).items():
                if key not in value or place is None:
                    continue
                if step.fits_input is None or step.fits_input(_with(story, step, key, value[key])):
                    continue
                draft = plan.with_values(story.draft, {place: value[key]})
                why = f"{title(step)} is given what does not fit ({label})"
                yield Case(f"{step.id}-{label}", why, draft)

    yield from bad_items(plan)
    for step, story in reached(plan, "sleep"):
        for key in ("duration", "until"):
            nodes = list(references_of_template(step.fields.get(key), step.names))
            if len(nodes) == 1 and nodes[0][1] == "input":
                unfit = with_data(plan, story.draft, {("input", tuple(nodes[0][2])): "soon"})
                if unfit is not None:
                    why = f"how long {title(step)} takes is no time"
                    yield Case(f"{step.id}-{key}", why, unfit)


def _with(story: Story, step: Step, key: str, value: object) -> dict[str, object]:
    made = next((given for _, name, _, given in story.calls() if name == step.id), {})
    return {**made, key: value}
