"""What holds of every history, whatever was scripted: the second judge beside the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import attrs

from harness._scenario import Call, Scenario
from harness.oracle._document import Graph, graph_of
from harness.playing._seen import ENDED, Observed
from trioflow import events
from trioflow.events import Event

_TERMINAL = (
    events.ExecutionCompleted,
    events.ExecutionFailed,
    events.ExecutionCancelled,
)
_STEP_ENDS = (
    events.StepCompleted,
    events.StepFailed,
    events.StepSkipped,
    events.StepCancelled,
)


def broken(scenario: Scenario, observed: Observed) -> Iterator[str]:
    """Yield the rules that were broken: by a history, or as a witness saw; in sentences."""
    yield from observed.wrong
    history = observed.history
    everybody = observed.histories or {"x": history}
    for each in everybody.values():
        yield from _ends_once(each)
        yield from _runs_no_more(each)
        yield from _undoes_what_was_done(each)
        yield from _waits_once(each)
        yield from _has_graces_that_can_be(each)
    forked = any(isinstance(act, Call) and act.verb == "fork" for act in scenario.actions)
    if not forked:
        yield from _repeats_no_more_than_it_may(graph_of(scenario.workflow), history)
    if observed.phases and observed.phases[-1].status in ENDED:
        if history and not isinstance(history[-1], _TERMINAL):
            yield "it has ended, but its last record does not say so"
        ended = {event.step for event in history if isinstance(event, _STEP_ENDS)}
        missing = set(observed.phases[-1].steps) - ended
        if missing and not forked:
            yield f"it has ended, but not {', '.join(sorted(missing))}"


def _ends_once(history: Sequence[Event]) -> Iterator[str]:
    """R9, R23: whatever ends does so once, in order, and nothing comes after the last record."""
    ended: set[str] = set()
    last_at = 0.0
    for index, event in enumerate(history):
        name = type(event).__name__
        if event.seq != index + 1:
            yield f"{name} is record {event.seq}, and stands at place {index + 1}"
        if event.at < last_at:
            yield f"{name} at {event.at} is recorded after something later"
        last_at = event.at
        if isinstance(event, _TERMINAL) and index != len(history) - 1:
            yield f"{name} is not the last record"
        if isinstance(event, _STEP_ENDS):
            if event.step in ended:
                yield f"{event.step} ends a second time: {name}"
            ended.add(event.step)
    if history and isinstance(history[-1], _TERMINAL):
        begun = {event.step for event in history if isinstance(event, events.StepStarted)}
        for step in sorted(begun - ended):
            yield f"{step} has been started, and is not over at the end"


def _runs_no_more(history: Sequence[Event]) -> Iterator[str]:
    """R9, R17: what has ended does not run again, and every attempt has a number of its own."""
    ended: set[tuple[str, int | None]] = set()
    numbers: Counter[tuple[str, int | None, str]] = Counter()
    for event in history:
        if isinstance(event, _STEP_ENDS):
            ended.add((event.step, None))
        elif isinstance(event, events.ItemCompleted | events.ItemFailed | events.ItemCancelled):
            ended.add((event.step, event.item))
        elif isinstance(event, events.AttemptStarted):
            of = f"{event.step}, item {event.item}" if event.item is not None else event.step
            over = (event.step, None) in ended or (event.step, event.item) in ended
            if over and event.role != "compensate":
                yield f"{of} is over, and attempt {event.attempt} of it begins"
            key = event.step, event.item, event.role
            numbers[key] += 1
            if event.attempt != numbers[key]:
                yield f"attempt {event.attempt} of {of} is number {numbers[key]}"


def _undoes_what_was_done(history: Sequence[Event]) -> Iterator[str]:
    """R24: undone is what is completed, once, and what was completed last comes first."""
    done: list[tuple[str, int | None]] = []
    undone: list[tuple[str, int | None]] = []
    for event in history:
        if isinstance(event, events.StepCompleted):
            done.append((event.step, None))
        elif isinstance(event, events.ItemCompleted):
            done.append((event.step, event.item))
        elif isinstance(event, events.StepCompensated | events.CompensationFailed):
            key = event.step, event.item
            if key in undone:
                yield f"{event.step} is undone twice"
            elif key not in done:
                yield f"{event.step} is undone, but it has not been completed"
            undone.append(key)
    wanted = [each for each in reversed(done) if each in undone]
    if not set(undone) - set(done) and len(set(undone)) == len(undone) and undone != wanted:
        yield f"undone in the order {undone}, and not {wanted}"


def _waits_once(history: Sequence[Event]) -> Iterator[str]:
    """R9, R20: what is PAUSED is not PAUSED again for the same before something else happens."""
    waits: dict[tuple[str, int | None], Event] = {}
    for event in history:
        # The execution itself is in there under no name.
        step, item = getattr(event, "step", ""), getattr(event, "item", None)
        if isinstance(event, events.ExecutionPaused | events.StepPaused | events.ItemPaused):
            before = waits.get((step, item))
            if before is not None and _without_place(before) == _without_place(event):
                of = "the execution" if not step else step if item is None else f"{step}[{item}]"
                yield f"{of} is PAUSED, and so it is again in record {event.seq}"
            waits[step, item] = event
        elif isinstance(event, events.ExecutionResumed) or step:
            waits.pop((step, item), None)


def _without_place(event: Event) -> Event:
    return attrs.evolve(event, seq=0, at=0.0)


def _has_graces_that_can_be(history: Sequence[Event]) -> Iterator[str]:
    """R22: a grace has a length, or no end."""
    for event in history:
        grace = getattr(event, "grace", None)
        if grace is not None and grace < 0:
            yield f"{type(event).__name__} has a grace of {grace:g} s"


def _repeats_no_more_than_it_may(graph: Graph, history: Sequence[Event]) -> Iterator[str]:
    """R12: of one series of attempts so many fail as its policy allows, crashes not counted."""
    failed: Counter[tuple[str, int | None, str]] = Counter()
    for event in history:
        if isinstance(event, events.StepRetried | events.ItemRetried):
            item = event.item if isinstance(event, events.ItemRetried) else None
            for role in ("step", "fallback"):
                failed.pop((event.step, item, role), None)
        if not isinstance(event, events.AttemptFailed):
            continue
        step = graph.steps[event.step]
        called = {"step": step.call, "fallback": step.fallback, "compensate": step.compensate}
        policy = called[event.role]
        if policy is None:
            yield f"an attempt ({event.role}) of {event.step} failed, which has none"
            continue
        key = event.step, event.item, event.role
        failed[key] += 1
        most = policy.retry.max_attempts
        if failed[key] > most - (event.retry_at is not None):
            yield f"attempt {event.attempt} of {event.step} ({event.role}) is one of {most} at most"
