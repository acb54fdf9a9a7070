"""`Execution`: what a program holds to see, steer and await one execution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import trio

from trioflow.definitions._model import Workflow
from trioflow.definitions._schemas import fresh
from trioflow.engine._arguments import as_json, as_names, as_object, check_grace, check_text
from trioflow.engine._driver import Driver
from trioflow.engine._inbox import NotDriven, NotOurs
from trioflow.engine._requester import leave_request
from trioflow.errors import (
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionNotFound,
    InvalidRequest,
    TooLarge,
)
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._machine import Machine
from trioflow.kernel._records import StepRecord
from trioflow.kernel._requests import Waiting
from trioflow.kernel._states import CANCELLED, COMPLETED, ENDED, FAILED, PAUSED
from trioflow.stores._protocol import Head

if TYPE_CHECKING:
    from trioflow.engine._engine import Engine


@attrs.frozen
class StepState:
    """What has become of one step so far.

    `error` is why it FAILED (or waits for a decision); `attempts` counts those of its own action
    that have started; `reason` says why it was SKIPPED. Instants are seconds since the epoch.
    """

    id: str
    status: str
    output: Any = None
    error: e.Failure | None = None
    attempts: int = 0
    reason: str | None = None
    by: str | None = None
    late: bool = False
    started_at: float | None = None
    ended_at: float | None = None


def step_state(record: StepRecord) -> StepState:
    return StepState(
        record.id,
        record.status,
        record.output,
        record.failure,
        record.attempts,
        record.reason,
        record.by,
        record.late,
        record.started_at,
        record.ended_at,
    )


@attrs.frozen
class Receipt:
    """What `cancel` did: `status` is how the execution ended.

    `stopped` are the steps that were CANCELLED, `late` those that ended well in spite of it,
    `compensated` those that were undone, in that order, and `not_compensated` those for which this
    failed. `unresponsive` are those that did not stop in time (they were waited for all the same).
    """

    execution_id: str
    status: str
    stopped: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    compensated: tuple[str, ...] = ()
    not_compensated: tuple[str, ...] = ()
    unresponsive: tuple[str, ...] = ()


class EventStream:
    """The events of an execution, in order, as they become durable; ends after the last one.

    It is a cursor on the history and keeps nothing: a slow reader loses nothing, and
    ``execution.events(after=event.seq)`` continues where another one stopped.
    """

    def __init__(self, engine: Engine, execution_id: str, after: int) -> None:
        self._engine = engine
        self._id = execution_id
        self._after = after
        self._read: list[e.Event] = []
        self._ended = False

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> e.Event:
        if self._ended:
            raise StopAsyncIteration
        while not self._read:
            events = await self._engine.store.read(self._id, self._after)
            if events:
                self._read = events[::-1]
            elif await self._at_the_end():
                raise StopAsyncIteration
            else:
                await self._engine.changed(self._id, self._after)
        event = self._read.pop()
        self._after = event.seq
        self._ended = isinstance(event, e.TERMINAL_EVENTS)
        return event

    async def _at_the_end(self) -> bool:
        """Whether the event after which it was to begin is the last one there will be."""
        last = await self._engine.store.read(self._id, self._after - 1) if self._after else []
        if not last and await self._engine.store.head(self._id) is None:
            # It was deleted, and nothing will ever come.
            raise ExecutionNotFound(self._id)
        return bool(last) and isinstance(last[0], e.TERMINAL_EVENTS)


class Execution:
    """One execution of a workflow, started or found by an engine.

    Its attributes are plain: current while this engine drives the execution, else as last read
    (`refresh`). It is valid as long as its engine is open.
    """

    def __init__(self, engine: Engine, machine: Machine, head: Head) -> None:
        self._engine = engine
        self._machine = machine
        self._head = head
        # The history was read after the head, and may know more.
        self._status = machine.state.status
        self._driver: Driver | None = None
        # Why the last driver has stopped, if what comes next cannot be recorded.
        self._too_large: TooLarge | None = None
        # Whether `start` has begun it, or gone on with it; and how many calls of `run` wait for it.
        self._started = False
        self._awaited = 0
        self._changed = trio.Event()
        # The handles of its children, so that what they wait for can be looked up.
        self._relatives: list[Execution] = []

    def __repr__(self) -> str:
        return f"<Execution {self.id!r} of {self.workflow!r}: {self.status}>"

    # ---- what is ----

    @property
    def id(self) -> str:
        return self._head.id

    @property
    def workflow(self) -> str:
        """The id of its workflow."""
        return self._head.workflow

    @property
    def labels(self) -> Mapping[str, str]:
        return self._head.labels

    @property
    def status(self) -> str:
        """PENDING, RUNNING, PAUSED, COMPLETED, FAILED or CANCELLED."""
        return self._status

    @property
    def input(self) -> Mapping[str, Any]:
        """Its input: the defaults, what it was started with, and what resumes have brought."""
        return self._machine.state.input

    @property
    def steps(self) -> Mapping[str, StepState]:
        """All steps by id, in the order of the document."""
        return MappingProxyType(
            {record.id: step_state(record) for record in self._machine.state.steps}
        )

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The outputs of the COMPLETED steps, by id."""
        return MappingProxyType(self._machine.state.outputs)

    @property
    def waiting_for(self) -> tuple[Waiting, ...]:
        """What somebody has to bring: inputs, signals, decisions, a resume.

        What its child executions wait for is there, too, with their ids: `resume` and `signal` go
        to those.
        """
        found = list(self._machine.waiting_for())
        for child_id in self._machine.children():
            child = self._engine.known_execution(child_id)
            if child is not None:
                found += [
                    entry if entry.execution else attrs.evolve(entry, execution=child_id)
                    for entry in child.waiting_for
                ]
        return tuple(found)

    @property
    def failed_steps(self) -> tuple[str, ...]:
        """The ids of all FAILED steps, also of those whose failure was tolerated."""
        return self._machine.failed_steps()

    @property
    def errors(self) -> tuple[e.Failure, ...]:
        """Why it has FAILED, the first cause first; empty until then."""
        return self._machine.state.failures

    async def refresh(self) -> None:
        """Read the execution anew, unless this engine drives it (then it is current)."""
        if self._driver is not None:
            await trio.lowlevel.checkpoint()
            return
        self._relatives = []
        for child_id in self._machine.children():
            # One that was to be started when its engine went away is not there yet.
            with suppress(ExecutionNotFound):
                self._relatives.append(await self._engine.execution(child_id))
        head = await self._engine.store.head(self.id)
        if head is None or head.created != self._head.created:
            # Or it was deleted, and there is another one with its id.
            raise ExecutionNotFound(self.id)
        if head.seq != self._machine.state.seq:
            events = await self._engine.store.read(self.id)
            if not events:
                # It was deleted just now.
                raise ExecutionNotFound(self.id)
            if self._driver is None:
                machine = self._engine.machine(self._machine.plan, events)
                state = machine.state
                # The history was read after the head, and may know more.
                head = attrs.evolve(head, seq=state.seq, status=state.status)
                self._publish(machine, head, ())

    async def history(self) -> list[e.Event]:
        """Return all events so far."""
        return await self._engine.store.read(self.id)

    def events(self, after: int = 0) -> EventStream:
        """Iterate over the events with a seq above `after`, those to come included."""
        return EventStream(self._engine, self.id, after)

    # ---- waiting ----

    async def result(self) -> Any:
        """Wait for the end, through pauses, and return the workflow's output.

        Cancelling this stops only the waiting. Raises `ExecutionFailed` or `ExecutionCancelled`;
        `TooLarge` if it cannot come to an end, since what comes next of it, or of a child, is too
        large to be recorded: then it stays as it is, and can be cancelled.
        """
        await trio.lowlevel.checkpoint()
        while self._status not in ENDED:
            await self._wait_change()
        return self._result()

    def _result(self) -> Any:
        state = self._machine.state
        if self._status == FAILED:
            raise ExecutionFailed(self.id, state.failures)
        if self._status == CANCELLED:
            raise ExecutionCancelled(self.id, state.reason)
        # Theirs to change: what a document holds as it is belongs to all of its executions.
        return fresh(state.output)

    async def wait_paused(self) -> None:
        """Wait until the execution is PAUSED; returns at once if it is.

        If it ends before that, raises what `result` raises, or `InvalidRequest` if it completed.
        """
        await trio.lowlevel.checkpoint()
        while self._status not in ENDED:
            if self._status == PAUSED:
                return
            await self._wait_change()
        self._result()
        raise InvalidRequest(f"execution {self.id!r} will not pause: it is {COMPLETED}")

    async def _wait_change(self) -> None:
        if self._driver is not None:
            await self._changed.wait()
        elif (error := self._too_large) is not None:
            raise TooLarge(error.execution_id, error.size, error.limit)
        else:
            await self._engine.changed(self.id, self._head.seq)
            await self.refresh()

    # ---- steering ----

    async def resume(
        self,
        input: Mapping[str, Any] | None = None,
        decisions: Mapping[str, Any] | None = None,
    ) -> None:
        """Bring inputs and decisions that are waited for, and end a `pause`.

        `decisions` maps the id of a step to ``"retry"``, ``"failed"`` or
        ``{"completed": output}``. Returns when it is durable. Refused as a whole
        (`InvalidRequest`, nothing recorded) if it answers nothing that is waited for, would
        change a value that is there, or does not fit the input schema.
        """
        await self.ask(
            f.Resume(
                self._engine.now(),
                as_object("the input", input),
                as_object("the decisions", decisions),
            )
        )

    async def signal(self, name: str, payload: Any = None) -> None:
        """Bring the payload for the step that waits, or will wait, for this signal.

        The first payload that fits is kept; everything else is refused with `InvalidRequest`.
        """
        name = check_text("the name of a signal", name)
        payload = as_json("the payload", payload)
        await self.ask(f.Signal(self._engine.now(), name, payload))

    async def pause(self) -> None:
        """Start no further attempt until `resume`; what runs may end."""
        await self.ask(f.Pause(self._engine.now()))

    async def cancel(self, reason: str = "", grace: float | str | None = 0.0) -> Receipt:
        """Cancel the execution, and wait until it has ended and nothing of it runs any more.

        For `grace`, seconds or text like ``"30s"`` (None: without end), running attempts may still
        end by themselves, and what they end as counts. Cancelling the call stops only the waiting:
        the request stands. Raises `InvalidRequest` if the execution has ended already.
        """
        asked_at = self._head.seq
        await self.request_cancel(reason, grace)
        while self._status not in ENDED:
            await self._wait_change()
        return receipt(self.id, self._status, await self._engine.store.read(self.id, asked_at))

    async def fork(
        self,
        from_steps: Iterable[str],
        input: Mapping[str, Any] | None = None,
        workflow: Workflow | str | Path | Mapping[str, Any] | None = None,
        *,
        execution_id: str | None = None,
    ) -> Execution:
        """Start a new execution that runs these steps, and what comes after them, again.

        What the others have done is kept. `input` replaces top-level keys; with another `workflow`
        what is kept must exist there, with the same type and an output that fits. Raises
        `InvalidRequest` for what cannot be kept and for an execution that has not ended;
        otherwise as `Engine.start`.
        """
        await self.refresh()
        return await self._engine.fork(
            self,
            as_names("from_steps", from_steps),
            as_object("the input", input),
            workflow,
            execution_id=execution_id,
        )

    async def request_cancel(self, reason: str = "", grace: float | str | None = 0.0) -> None:
        """Ask for what `cancel` does, and return when that is durable."""
        reason = check_text("the reason", reason)
        await self.ask(f.Cancel(self._engine.now(), reason, check_grace(grace)))

    async def ask(self, request: f.Fact) -> None:
        """Have a request recorded, by whoever drives the execution. Raises what refuses it."""
        while True:
            driver = self._driver
            try:
                if driver is None or driver.stopped.is_set() or self._status in ENDED:
                    await self.refresh()
                    # What would be refused anyway must not make this engine the owner.
                    self._machine.request(request)
                    try:
                        await self._engine.continue_execution(self, request)
                    except NotOurs:
                        # Whoever drives it will notice.
                        await leave_request(self._engine.store, self.id, request)
                        await self.refresh()
                else:
                    await driver.ask(request)
            except NotDriven:
                # It ended, or was interrupted, just before: see what has become of it.
                if (driver := self._driver) is not None:
                    await driver.stopped.wait()
            else:
                return

    # ---- what the driver says ----

    def _publish(self, machine: Machine, head: Head, events: Sequence[e.Event]) -> None:
        self._machine = machine
        self._head = head
        before, self._status = self._status, head.status
        self._engine.notify(self, events)
        # Whoever waits here waits for a status; who wants every event reads the history.
        if before != head.status:
            self._wake()

    def _catch_up(self, machine: Machine, head: Head) -> None:
        """Take in what others have recorded, before this engine drives it on."""
        self._machine, self._head = machine, head
        before, self._status = self._status, machine.state.status
        if before != self._status:
            self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()


def receipt(execution_id: str, status: str, events: Sequence[e.Event]) -> Receipt:
    """Return what a cancel did, from the events after it was asked for."""
    return Receipt(
        execution_id,
        status,
        stopped=tuple(event.step for event in events if isinstance(event, e.StepCancelled)),
        late=tuple(
            event.step for event in events if isinstance(event, e.StepCompleted) and event.late
        ),
        compensated=_names(events, e.StepCompensated),
        not_compensated=_names(events, e.CompensationFailed),
        unresponsive=_names(events, e.AttemptUnresponsive),
    )


def _names(events: Sequence[Any], event_type: type[Any]) -> tuple[str, ...]:
    """Return the steps and items (``pay[3]``) of all events of one type."""
    return tuple(
        event.step if event.item is None else f"{event.step}[{event.item}]"
        for event in events
        if isinstance(event, event_type)
    )
