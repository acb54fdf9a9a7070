"""`look`: one execution as its store has it, for whoever does not drive it.

An engine owns its store. To see what another process is doing, open the store with `read_only`
and look: nothing is claimed, continued or written.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import attrs

from trioflow.definitions._documents import load_workflow
from trioflow.definitions._model import Workflow
from trioflow.engine._execution import StepState, step_state
from trioflow.errors import ExecutionNotFound
from trioflow.kernel import _events as e
from trioflow.kernel._machine import Machine
from trioflow.kernel._requests import Waiting
from trioflow.stores._protocol import Head, Store


@attrs.frozen(eq=False)
class Snapshot:
    """What an execution was when somebody looked.

    The attributes are those of `Execution`; `connections` says of each, by id, whether it was
    taken (True), is dead (False), or has not been decided (None). `events` is the history.
    """

    head: Head
    workflow: Workflow = attrs.field(repr=False)
    events: tuple[e.Event, ...] = attrs.field(repr=False)
    status: str
    input: Mapping[str, Any] = attrs.field(repr=False)
    steps: Mapping[str, StepState] = attrs.field(repr=False)
    connections: Mapping[str, bool | None] = attrs.field(repr=False)
    waiting_for: tuple[Waiting, ...]
    output: Any = attrs.field(repr=False)
    errors: tuple[e.Failure, ...]
    reason: str

    @property
    def id(self) -> str:
        return self.head.id


async def look(store: Store, execution_id: str) -> Snapshot:
    """Read an execution from an open store. Raises `ExecutionNotFound`.

    All of it is as of one moment, that of its last event; a head that is a little older than
    that does not matter.
    """
    head = await store.head(execution_id)
    events = [] if head is None else await store.read(execution_id)
    # Without events: it was deleted between the two.
    if head is None or not events:
        raise ExecutionNotFound(execution_id)
    first = events[0]
    assert isinstance(first, e.ExecutionStarted)
    workflow = load_workflow(first.document)
    machine = Machine.from_history(workflow.plan, events)
    state = machine.state
    waiting = list(machine.waiting_for())
    for child_id in machine.children():
        # One that was to be started when its engine went away is not there yet.
        with suppress(ExecutionNotFound):
            child = await look(store, child_id)
            waiting += [
                entry if entry.execution else attrs.evolve(entry, execution=child_id)
                for entry in child.waiting_for
            ]
    return Snapshot(
        head=head,
        workflow=workflow,
        events=tuple(events),
        status=state.status,
        input=state.input,
        steps={record.id: step_state(record) for record in state.steps},
        connections={
            connection.id: decided
            for connection, decided in zip(workflow.plan.connections, state.decided, strict=True)
        },
        waiting_for=tuple(waiting),
        output=state.output,
        errors=state.failures,
        reason=state.reason,
    )
