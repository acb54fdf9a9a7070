"""What holds of every history, whatever was scripted: the second judge beside the oracle."""

from __future__ import annotations

from collections.abc import Iterator

from harness._scenario import Call, Scenario
from harness.playing._seen import ENDED, Observed
from trioflow import events

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
    """Yield the rules that a history breaks, in sentences."""
    history = observed.history
    ended: set[str] = set()
    undone: set[tuple[str, int | None]] = set()
    completed: list[str] = []
    last_at = 0.0
    for index, event in enumerate(history):
        name = type(event).__name__
        if event.at < last_at:
            yield f"{name} at {event.at} is recorded after something later"
        last_at = event.at
        if isinstance(event, _TERMINAL) and index != len(history) - 1:
            yield f"{name} is not the last record"
        if isinstance(event, _STEP_ENDS):
            if event.step in ended:
                yield f"{event.step} ends a second time: {name}"
            ended.add(event.step)
            if isinstance(event, events.StepCompleted):
                completed.append(event.step)
        elif isinstance(event, events.StepCompensated):
            key = (event.step, event.item)
            if key in undone:
                yield f"{event.step} is undone twice"
            undone.add(key)
    if observed.phases and observed.phases[-1].status in ENDED:
        if history and not isinstance(history[-1], _TERMINAL):
            yield "it has ended, but its last record does not say so"
        forked = any(isinstance(act, Call) and act.verb == "fork" for act in scenario.actions)
        missing = set(observed.phases[-1].steps) - ended
        if missing and not forked:
            yield f"it has ended, but not {', '.join(sorted(missing))}"
    order = [
        event.step
        for event in history
        if isinstance(event, events.StepCompensated) and event.item is None
    ]
    wanted = [step for step in reversed(completed) if step in order]
    if order != wanted:
        yield f"undone in the order {order}, and not {wanted}"
