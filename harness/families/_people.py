"""What people do: bring what is missing, send signals, decide, pause, cancel, leave, misuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import attrs

from harness._scenario import (
    AtTime,
    Call,
    Cancel,
    Crash,
    During,
    Interrupt,
    Raises,
    Resume,
    Signal,
    seconds_of,
)
from harness.data._picking import violations
from harness.families._attempts import HAIR, code_of
from harness.families._cases import (
    DEEP,
    SMOKE,
    STANDARD,
    Case,
    called_at,
    doing,
    fails,
    no,
    reached,
    rows,
    script,
    script_first,
    title,
)
from harness.families._decisions import crashes_anew, decided_late, items_decided
from harness.families._errors import waiting
from harness.families._graces import graces
from harness.families._held import held
from harness.families._plan import Plan, acted, input_at
from harness.families._solving import places_of
from harness.families._stories import MOST_ATTEMPTS, Draft, Story
from harness.families._values import input_references, plain, put
from harness.oracle._attempts import delay_before
from harness.oracle._conditions import path_text
from harness.oracle._document import Step


def cancel(plan: Plan) -> Iterator[Case]:
    """It is cancelled during each attempt, in each delay, in each sleep and wait."""
    for step, story in reached(plan):
        name = rows(plan, story, step)[0]
        during = During(name)
        why = f"somebody cancels while {title(step)} runs"
        yield Case(step.id, why, doing(story.draft, Cancel(during)), SMOKE, (f"cancel:{step.id}",))
        draft = doing(story.draft, Cancel(during, None))
        yield Case(f"{step.id}-grace", f"{why}, and lets it finish", draft)
        failing = script(plan, story, step, fails(plan, code_of(step)))
        draft = doing(failing, Cancel(during, None))
        yield Case(f"{step.id}-grace-fails", f"{why}, and it fails by itself", draft)
        draft = doing(story.draft, Cancel(during, 0.0107))
        yield Case(f"{step.id}-short-grace", f"{why}, with too short a grace", draft, DEEP)
        late = script(
            plan, story, step, lambda each: [attrs.evolve(plan.returns(each), shielded=True)]
        )
        draft = doing(late, Cancel(during))
        yield Case(f"{step.id}-late", f"{why}, and it goes well all the same", draft)
        yield from graces(plan, step, story, name)
        yield from _in_delay(plan, step, story)
    yield from _items_cancelled(plan)
    for step, story in reached(plan, "wait"):
        answer = instead(story, step, Cancel())
        if answer is not None:
            why = f"somebody cancels while {title(step)} waits"
            yield Case(step.id, why, answer, SMOKE, (f"cancel:{step.id}",))
    for step, story in reached(plan, "sleep"):
        middle = _middle_of_sleep(story, step)
        if middle is not None:
            draft = doing(story.draft, Cancel(AtTime(middle)))
            yield Case(step.id, f"somebody cancels during {title(step)}", draft, SMOKE)
    draft = doing(plan.base.draft, Cancel(AtTime(0.0007)))
    yield Case("at-once", "somebody cancels as soon as it has started", draft, DEEP)


def _in_delay(plan: Plan, step: Step, story: Story) -> Iterator[Case]:
    """Cancel in each delay between two attempts."""
    if step.retry.max_attempts < 2 or step.for_each is not None:
        return
    failing = plan.told(script(plan, story, step, lambda name: [no(plan, name, code_of(step))]))
    for number in range(1, min(step.retry.max_attempts, 5)):
        first = called_at(failing, step.id, number)
        second = called_at(failing, step.id, number + 1)
        if first is None or second is None:
            return
        end = first + seconds_of(no(plan, step.id), step.id, number)
        if second - end < HAIR:
            return
        moment = AtTime(round((end + second) / 2 + 0.000317, 6))
        draft = doing(failing.draft, Cancel(moment))
        why = f"somebody cancels before attempt {number + 1} of {title(step)}"
        yield Case(f"{step.id}-delay-{number}", why, draft)


def _items_cancelled(plan: Plan) -> Iterator[Case]:
    """Somebody cancels while an item is queued, or waits for its next attempt (R22)."""
    for step, story in reached(plan):
        names = [] if step.for_each is None else rows(plan, story, step)
        if len(names) < 2:
            continue
        alone = attrs.evolve(story.draft.scenario, limit=1)
        draft = doing(attrs.evolve(story.draft, scenario=alone), Cancel(During(names[0])))
        why = f"somebody cancels while an item of {title(step)} waits for another one"
        yield Case(f"{step.id}-queued", why, draft)
        if step.retry.max_attempts < 2 or delay_before(step.retry, 1) <= HAIR:
            continue
        failing = script_first(plan, story, step, fails(plan, code_of(step), 1, story))
        again = called_at(plan.told(failing), names[0], 2)
        if again is not None:
            moment = AtTime(round(again - 0.613 * HAIR, 6))
            why = f"somebody cancels right before an item of {title(step)} is tried again"
            yield Case(f"{step.id}-delayed", why, doing(failing, Cancel(moment)))


def instead(story: Story, step: Step, *acts: Any, answered: bool = False) -> Draft | None:
    """Return a draft in which something is done where the signal for a wait step was sent."""
    given = list(story.scenario.actions)
    for index, act in enumerate(given):
        if isinstance(act, Signal) and act.name == step.signal and not act.to:
            scenario = acted(story.draft.scenario, (*given[:index], *acts))
            return attrs.evolve(story.draft, scenario=scenario, answered=answered)
    return None


def _middle_of_sleep(story: Story, step: Step) -> float | None:
    found = story.facts.run.steps[step.id]
    if found.wake is None or found.status != "COMPLETED":
        return None
    until = found.wake
    before = max((at for at, *_ in story.calls() if at < until), default=0.0)
    return round((until + max(before + 1, until - 1)) / 2 + 0.000413, 6)


def interrupt(plan: Plan) -> Iterator[Case]:
    """The program is left during each attempt, and goes on later."""
    for step, story in reached(plan):
        name = rows(plan, story, step)[0]
        draft = doing(story.draft, Interrupt(During(name), 0.3017))
        why = f"the program is left while {title(step)} runs, and started again"
        yield Case(step.id, why, draft)
        if step.retry.max_attempts > 1:
            first = script(plan, story, step, fails(plan, code_of(step), 1, story))
            draft = doing(first, Interrupt(During(name, 2), 0.3017))
            why = f"the program is left during the second attempt of {title(step)}"
            yield Case(f"{step.id}-second", why, draft, DEEP)
        yield from _killed(plan, step, story, name)
    for step, story in reached(plan, "wait"):
        left = instead(story, step, Interrupt(None, 0.3017), answered=False)
        if left is not None:
            given = next(
                act
                for act in story.scenario.actions
                if isinstance(act, Signal) and act.name == step.signal
            )
            acts = (*left.scenario.actions, given)
            draft = attrs.evolve(left, scenario=acted(left.scenario, acts))
            why = f"the program is left while {title(step)} waits"
            yield Case(step.id, why, draft)


def _killed(plan: Plan, step: Step, story: Story, name: str) -> Iterator[Case]:
    """The process dies during an attempt: once, and as often as it may (R17)."""
    for times, word in ((1, "killed"), (2, "killed-twice"), (3, "killed-thrice")):
        crashes = [Crash(During(name, number), 0.3017) for number in range(1, times + 1)]
        why = f"the process dies {times} times while {title(step)} runs"
        level = DEEP if times == 2 else STANDARD
        yield Case(f"{step.id}-{word}", why, doing(story.draft, *crashes), level)
    if step.fallback is not None:
        draft = script(plan, story, step, fails(plan, code_of(step)))
        crash = Crash(During(f"{step.id}:fallback"), 0.3017)
        why = f"the process dies while the fallback of {title(step)} runs"
        yield Case(f"{step.id}-fallback-killed", why, doing(draft, crash))


def needed_inputs(plan: Plan) -> Iterator[tuple[Step, Story, tuple[Any, ...]]]:
    """Yield what may be missing at the start, and the first step that asks for it."""
    seen = set()
    for step in plan.steps:
        story = plan.reach(step.id)
        if story is None:
            continue
        paths = dict(input_references(step))
        paths.update(
            {parts: True for root, parts in places_of(plain(step.condition)) if root == "input"}
        )
        for path in paths:
            if path and path not in seen and isinstance(path[0], str):
                seen.add(path)
                yield step, story, path


def without(input: Mapping[str, Any], path: tuple[Any, ...]) -> dict[str, Any] | None:
    """Return an input without what stands at the end of a path; None if there is nothing."""
    first, rest = path[0], path[1:]
    if first not in input:
        return None
    if not rest or not isinstance(input[first], Mapping):
        return {key: value for key, value in input.items() if key != first}
    inner = without(input[first], rest)
    return None if inner is None else {**input, first: inner}


def pause(plan: Plan) -> Iterator[Case]:
    """An input is missing: nobody brings it, somebody does, somebody brings something else."""
    for step, story, path in needed_inputs(plan):
        less = without(story.draft.scenario.input, path)
        whole = {**(plan.document.get("input") or {}), **(less or {})}
        if less is None or path[0] in (plan.document.get("input") or {}):
            continue
        if plan.graph.fits_input is not None and not plan.graph.fits_input(whole):
            continue
        name = f"{step.id}-{'-'.join(map(str, path))}"
        text = path_text("input", path)
        draft = attrs.evolve(story.draft, scenario=attrs.evolve(story.draft.scenario, input=less))
        missing = attrs.evolve(draft, answered=False)
        yield Case(name, f"{text} is missing, and nobody brings it", missing, SMOKE)
        yield Case(f"{name}-fed", f"{text} is missing, and somebody brings it", draft)
        wrong = Resume({"x-something-else": 1})
        yield Case(
            f"{name}-fed-wrong", f"somebody brings something else than {text}", doing(draft, wrong)
        )
        given = input_at(text, plan.input)
        unfit = put({}, path, [[text]])
        if plan.graph.fits_input is not None and not plan.graph.fits_input({**whole, **unfit}):
            draft_unfit = doing(draft, Resume(unfit))
            yield Case(f"{name}-fed-unfit", f"what is brought as {text} does not fit", draft_unfit)
        if given is not None:
            twice = doing(draft, Resume(given), Resume(given))
            yield Case(
                f"{name}-fed-twice", f"two people bring {text}: one of them is refused", twice
            )
        yield Case(
            f"{name}-cancelled",
            f"somebody cancels instead of bringing {text}",
            doing(draft, Cancel()),
        )
    yield from _undecided(plan)
    yield from waiting(plan)
    yield from held(plan)
    for step, story in reached(plan):
        during = During(rows(plan, story, step)[0])
        why = f"somebody pauses while {title(step)} runs, and resumes later"
        yield Case(f"during-{step.id}", why, doing(story.draft, Call("pause", during)))
        left = attrs.evolve(doing(story.draft, Call("pause", during)), answered=False)
        yield Case(
            f"during-{step.id}-for-good", f"somebody pauses while {title(step)} runs", left, DEEP
        )


def _undecided(plan: Plan) -> Iterator[Case]:
    """A connection lacks an input: it waits, and may speak for a source that has failed (R4)."""
    defaults = plan.document.get("input") or {}
    for edge in plan.graph.edges:
        story = plan.decide(edge, True) or plan.decide(edge, False)
        paths = [parts for root, parts in places_of(plain(edge.condition)) if root == "input"]
        for path in dict.fromkeys(paths) if story is not None else ():
            assert story is not None
            less = without(story.draft.scenario.input, path)
            whole = {**defaults, **(less or {})}
            fits = plan.graph.fits_input
            if less is None or path[0] in defaults or (fits is not None and not fits(whole)):
                continue
            text = path_text("input", path)
            scenario = attrs.evolve(story.draft.scenario, input=less)
            draft = attrs.evolve(story.draft, scenario=scenario)
            name, why = f"{edge.id}-{'-'.join(map(str, path))}", f"{edge.id} lacks {text}"
            missing = attrs.evolve(draft, answered=False)
            yield Case(name, f"{why}, and nobody brings it", missing, SMOKE)
            yield Case(f"{name}-fed", f"{why}, and somebody brings it", draft)
            yield Case(f"{name}-cancelled", f"{why}, and somebody cancels", doing(draft, Cancel()))
            source = plan.graph.steps[edge.source]
            if source.type != "action":
                continue
            failed = plan.failing(scenario, (source.id,))
            for word, answered in (("", False), ("-fed", True)):
                behind = attrs.evolve(draft, scenario=failed, answered=answered)
                more = f"{why} behind a failure" + (", and somebody brings it" if word else "")
                yield Case(f"{name}-behind-failure{word}", more, behind)


def wait(plan: Plan) -> Iterator[Case]:
    """A signal comes, does not fit, comes too early, too late, twice, or never."""
    for step, story in reached(plan, "wait"):
        payload = story.draft.payloads.get(step.id, plan.outputs[step.id])
        good = Signal(step.signal, payload)
        yield Case(step.id, f"{title(step)} gets its signal", story.draft)
        silent = attrs.evolve(story.draft, silent=frozenset([step.id]))
        yield Case(f"{step.id}-never", f"nobody answers {title(step)}", silent, SMOKE)
        for label, value in islice(violations(step.fields.get("schema")), 3):
            draft = instead(story, step, Signal(step.signal, value))
            if draft is not None:
                why = f"{title(step)} gets a signal that does not fit ({label}), then a good one"
                again = attrs.evolve(draft, answered=True)
                yield Case(f"{step.id}-bad-{label}", why, again)
        early = doing(story.draft, Signal(step.signal, payload, AtTime(0.0107)))
        yield Case(f"{step.id}-early", f"the signal for {title(step)} comes before it waits", early)
        acts = [Signal(step.signal, payload, AtTime(at)) for at in (0.0107, 0.0213)]
        why = f"two signals for {title(step)} come before it waits: the first one is kept"
        yield Case(f"{step.id}-early-twice", why, doing(story.draft, *acts))
        draft = instead(story, step, Call("pause"), good, answered=True)
        if draft is not None:
            why = f"somebody pauses before {title(step)} gets its signal, and resumes after that"
            yield Case(f"{step.id}-paused", why, draft)
        draft = instead(story, step, good, good, answered=True)
        if draft is not None:
            yield Case(f"{step.id}-twice", f"{title(step)} gets two signals", draft)
        draft = instead(story, step, Signal("no-such-signal"), answered=True)
        if draft is not None:
            yield Case(f"{step.id}-unknown", "a signal that nothing waits for comes instead", draft)
        deadline = plan.told(silent).facts.run.steps[step.id].deadline
        if deadline is not None:
            for word, at in (("in-time", deadline - HAIR), ("late", deadline + HAIR)):
                draft = doing(silent, Signal(step.signal, payload, AtTime(round(at, 6))))
                why = f"{title(step)} gets its signal just {word.replace('-', ' ')}"
                yield Case(f"{step.id}-just-{word}", why, draft)


def decision(plan: Plan) -> Iterator[Case]:
    """All attempts have failed, and somebody decides."""
    for step, story in reached(plan):
        if step.retry.on_exhausted != "pause" or step.for_each is not None:
            continue
        bad = code_of(step)
        # Nothing is told of more attempts than that, and no script is longer.
        most = min(step.retry.max_attempts, MOST_ATTEMPTS + 1)

        def failing(
            step: Step = step, story: Story = story, bad: str = bad, most: int = most
        ) -> Draft:
            draft = script(
                plan, story, step, lambda name: [*[no(plan, name, bad)] * most, plan.usual(name)]
            )
            if step.fallback is not None:
                no_other = plan.raises(f"{step.id}:fallback") or Raises("no", "other")
                fallbacks = {**draft.scenario.fallbacks, step.id: (no_other,)}
                draft = attrs.evolve(
                    draft, scenario=attrs.evolve(draft.scenario, fallbacks=fallbacks)
                )
            return draft

        waiting = attrs.evolve(failing(), answered=False)
        yield Case(step.id, f"{title(step)} has failed each time, and waits", waiting, SMOKE)
        answers: dict[str, Any] = {"retry": "retry", "failed": "failed"}
        answers["completed"] = {"completed": plan.outputs[step.id]}
        for word, answer in answers.items():
            draft = doing(failing(), Resume(None, {step.id: answer}))
            yield Case(f"{step.id}-{word}", f"somebody decides about {title(step)}: {word}", draft)
        for label, value in islice(violations(step.fields.get("output_schema")), 1):
            draft = doing(failing(), Resume(None, {step.id: {"completed": value}}))
            why = f"somebody brings an output for {title(step)} that does not fit ({label})"
            yield Case(f"{step.id}-completed-{label}", why, draft)
        draft = doing(failing(), Cancel())
        yield Case(f"{step.id}-cancelled", "somebody cancels instead of deciding", draft)
        yield from decided_late(plan, step, failing(), most)
        yield from crashes_anew(plan, step, failing(), most)
    yield from items_decided(plan)
