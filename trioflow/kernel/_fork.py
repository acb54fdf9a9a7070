"""What a fork keeps of a finished execution (R30).

`keep` reads the old state and the fork's plan, and returns the ends of the kept steps as drafts of
events, in the order in which they had ended; it changes nothing. What it cannot keep is an
`InvalidRequest`: a fork that silently ran a payment again would be worse than none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from trioflow.definitions._graph import Plan, PlannedStep
from trioflow.errors import InvalidRequest, Problem
from trioflow.kernel import _events as e
from trioflow.kernel._apply import State
from trioflow.kernel._records import StepRecord
from trioflow.kernel._states import COMPLETED, ENDED, FAILED, SKIPPED

_EVENTS: dict[str, type[e.Event]] = {
    COMPLETED: e.StepCompleted,
    FAILED: e.StepFailed,
    SKIPPED: e.StepSkipped,
}


def check_forkable(old: State, plan: Plan, from_steps: Collection[str]) -> None:
    """Raise `InvalidRequest` if the execution has not ended, or a step is not known."""
    who = f"execution {old.id!r}"
    if old.status not in ENDED:
        raise InvalidRequest(
            f"can't fork {who}: it is {old.status}, and only what has ended can be forked"
        )
    for step in from_steps:
        if step not in plan.index:
            known = ", ".join(plan.index)
            raise InvalidRequest(f"can't fork {who}: there is no step {step!r}; its steps: {known}")


def running_again(old: State, plan: Plan, from_steps: Collection[str]) -> set[str]:
    """Return the ids of the fork's steps that are to run, as far as the old ends say it.

    Those that are named, those whose old end cannot be kept, and all that come after one of them
    by the fork's own connections, gates and references.
    """
    first = [
        step.id for step in plan.steps if step.id in from_steps or not _can_be_kept(old, step.id)
    ]
    return with_all_after(plan, first)


def with_all_after(plan: Plan, steps: Collection[str]) -> set[str]:
    """Return the steps, and all that come after one of them."""
    found = set(steps)
    waiting = list(found)
    while waiting:
        for following in _after(plan, plan.index[waiting.pop()]):
            if following not in found:
                found.add(following)
                waiting.append(following)
    return found


def _after(plan: Plan, index: int) -> Iterator[str]:
    step = plan.steps[index]
    for connection in step.outgoing:
        yield plan.steps[plan.connections[connection].target].id
    for gate in step.member_of:
        for waiter in plan.gates[gate].waiters:
            yield plan.steps[waiter].id


def _can_be_kept(old: State, step_id: str) -> bool:
    index = old.plan.index.get(step_id)
    if index is None:
        return False
    record = old.steps[index]
    if record.undo is not None or any(item.undo is not None for item in record.items or ()):
        # Undone, or half undone: nobody knows how far it got.
        return False
    if record.status == FAILED:
        # Tolerated, or handled.
        return step_id not in old.unhandled and step_id not in old.deferred
    return record.status in _EVENTS


def kept_in_order(old: State, plan: Plan, again: Collection[str]) -> list[StepRecord]:
    """Return the records of the kept steps, in the order in which they had ended."""
    # What the fork's document lacks is out of the way if it came after a step that runs again.
    # What comes after what is otherwise for the fork's own document to say.
    after = with_all_after(old.plan, [step for step in again if step in old.plan.index])
    gone = {step for step in after if step not in plan.index}
    # The facts are in the order in which steps ended.
    return [
        old.step(step_id)
        for step_id in old.facts
        if step_id not in again and step_id not in gone and _can_be_kept(old, step_id)
    ]


def check_fits(old: State, plan: Plan, record: StepRecord) -> None:
    """Raise `InvalidRequest` if a kept step does not fit the fork's document."""
    why = f"can't fork execution {old.id!r}: step {record.id!r} would be kept, but "
    advice = "; name it, or a step before it, among those to run again"
    index = plan.index.get(record.id)
    if index is None:
        raise InvalidRequest(f"{why}the new document has no such step")
    planned = plan.steps[index]
    if planned.type != record.planned.type:
        raise InvalidRequest(
            f"{why}it is of type {planned.type!r} now, not {record.planned.type!r}{advice}"
        )
    problems = _misfits(old, planned, record) if record.status == COMPLETED else ()
    if problems:
        listed = "; ".join(str(problem) for problem in problems)
        raise InvalidRequest(f"{why}its output does not fit any more: {listed}{advice}")


def _misfits(old: State, planned: PlannedStep, record: StepRecord) -> tuple[Problem, ...]:
    """Return what is wrong with a kept output by the fork's schema, which is each item's (R19)."""
    schema = planned.output_schema or planned.payload_schema
    if planned.items is None:
        return () if schema is None else schema.problems(record.output)
    if not isinstance(record.output, list):
        return (Problem("$", "is no list, as the output of a step with `for_each` is"),)
    failed = {error["index"] for error in old.facts[record.id].get("item_errors", ())}
    return tuple(
        problem
        for index, output in enumerate(record.output)
        if schema is not None and index not in failed
        for problem in schema.problems(output, f"$[{index}]")
    )


def kept_end(old: State, record: StepRecord) -> tuple[type[e.Event], dict[str, Any]]:
    """Return the event, and its fields, that end a kept step in the fork."""
    fields: dict[str, Any] = {"step": record.id, "facts": old.facts[record.id]}
    if record.status == COMPLETED:
        fields |= {"output": record.output, "by": "fork"}
    elif record.status == FAILED:
        fields["failure"] = record.failure
    else:
        fields["reason"] = record.reason
    return _EVENTS[record.status], fields
