"""What all of the deciding half needs: recording, ending, failing, queueing.

The deciding half is one class on five floors: `Core` (here), `Attempts` (`_attempts.py`: what
becomes of attempts and children), `Beginning` (`_beginning.py`: how steps and items begin),
`Ending` (`_ending.py`: stopping, undoing, and the end) and `Machine` (`_machine.py`: being told,
and time). An upper floor calls a lower one; the other way round only worklists in the `State`
speak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import attrs

from trioflow.definitions._graph import Plan
from trioflow.definitions._model import Workflow
from trioflow.errors import Problem
from trioflow.kernel import _commands as c
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._apply import State
from trioflow.kernel._connections import Decisions, decide_at_end
from trioflow.kernel._records import LOST, QUEUED, Key, Series, StepRecord, Unit
from trioflow.kernel._states import COMPLETED, ENDED, EXECUTION, FAILED, PAUSED, PENDING, RUNNING

EventType = TypeVar("EventType", bound=e.Event)
Outcome = Callable[[], None]


class Core:
    """The state of one execution, and the few ways in which it is changed."""

    def __init__(self, plan: Plan, slots: int, children: Mapping[str, Workflow]) -> None:
        self.plan = plan
        # What steps of type `workflow` can start, by id: their inputs are checked before they are.
        self.children_known = children
        self.state = State(plan)
        # How many attempts the execution may have at a time: as many items are under way.
        self.slots = plan.workflow.max_concurrent_steps or slots
        self._recorded: list[e.Event] = []
        self._commands: list[c.Command] = []
        # What this turn has queued.
        self._queued: dict[Key, Series] = {}
        self._now = 0.0

    def _record(self, event_type: type[EventType], **fields: Any) -> None:
        state = self.state
        if state.status == PAUSED and event_type not in EXECUTION[PAUSED]:
            self._record(e.ExecutionResumed)
        event = event_type(state.seq + 1, self._now, **fields)
        state.apply(event)
        self._recorded.append(event)

    def _step_of(self, unit: Unit) -> StepRecord:
        return self.state.steps[unit.planned.index]

    def _units(self) -> Iterable[Unit]:
        """All steps and begun items, in the order of the document."""
        for record in self.state.steps:
            if record.items is None:
                yield record
            else:
                yield from (item for item in record.items if item.status != PENDING)

    # ---- ends ----

    def _complete(self, unit: Unit, output: Any, **fields: Any) -> None:
        """Record that a step or an item is COMPLETED."""
        if unit.item is None:
            self._end(self._step_of(unit), e.StepCompleted, COMPLETED, output=output, **fields)
        else:
            self._record(e.ItemCompleted, step=unit.id, item=unit.item, output=output, **fields)

    def _fail(self, unit: Unit, failure: e.Failure) -> None:
        """Record that a step or an item is FAILED."""
        if unit.item is None:
            self._end(self._step_of(unit), e.StepFailed, FAILED, failure=failure)
        else:
            self._record(e.ItemFailed, step=unit.id, item=unit.item, failure=failure)

    def _cancel(self, unit: Unit, failure: e.Failure | None = None) -> None:
        """Record that a step or an item is CANCELLED; nothing of it runs any more."""
        if unit.item is None:
            self._record(e.StepCancelled, step=unit.id, failure=failure)
        else:
            self._record(e.ItemCancelled, step=unit.id, item=unit.item, failure=failure)

    def _pause_unit(self, unit: Unit, kind: str, failure: e.Failure | None = None) -> None:
        """Record that a step or an item waits, for a decision or with its child."""
        if unit.item is None:
            self._record(e.StepPaused, step=unit.id, kind=kind, condition_met=True, failure=failure)
        else:
            self._record(e.ItemPaused, step=unit.id, item=unit.item, kind=kind, failure=failure)

    def _end(
        self, record: StepRecord, event_type: type[EventType], status: str, **fields: Any
    ) -> None:
        """Record the end of a step together with what its connections are by that."""
        decisions = Decisions()
        if self.state.stopping is None and record.planned.outgoing:
            decisions = decide_at_end(
                self.state, record, status, fields.get("output"), fields.get("failure")
            )
        if fields.get("by") == "items":
            # It is in the history already, item by item.
            del fields["output"]
        self._record(
            event_type,
            step=record.id,
            **fields,
            taken=tuple(decisions.taken),
            dead=tuple(decisions.dead),
        )
        self._record_failed_conditions(decisions)

    def _record_failed_conditions(self, decisions: Decisions) -> None:
        for connection_id, failure in decisions.failed:
            self._record(e.ConditionFailed, connection=connection_id, failure=failure)

    def _unseen(self, record: StepRecord) -> tuple[str, ...]:
        """Return the sources of a `first` step that have not ended: it will never see them."""
        if record.planned.join != "first":
            return ()
        sources = {self.plan.connections[index].source for index in record.planned.incoming}
        return tuple(
            self.state.steps[index].id
            for index in sorted(sources)
            if self.state.steps[index].status not in ENDED
        )

    def _timeout_failure(self, record: StepRecord) -> e.Failure:
        total = record.planned.total_timeout
        message = f"step {record.id!r} timed out after {total:g} s"
        return e.Failure("timeout.step", message, step=record.id)

    # ---- the queue ----

    @property
    def _held(self) -> bool:
        """Whether nothing may start because of a `pause()`, which holds up no stopping (R27)."""
        return self.state.pause and self.state.stopping is None

    def _queue(self, unit: Unit, series: Series) -> None:
        series.phase = QUEUED
        self._queued[unit.key] = series

    def _drop(self, unit: Unit) -> None:
        """Take a step or an item out of the queue, if it is in it."""
        series = unit.current
        if series is None or unit.status != RUNNING or series.phase != QUEUED:
            return
        if self._queued.pop(unit.key, None) is None and not self.state.pause:
            self._commands.append(c.DropAttempt(series.address, series.attempt + 1))

    def _stop_unit(self, unit: Unit, why: str, grace: float | None = 0.0) -> None:
        """Make what runs of a step or an item stop; of an attempt's the first reason counts."""
        series, child = unit.current, unit.child
        if child is not None:
            child.stop = why
            self._commands.append(c.StopChild(f.Address(unit.id, "step", unit.item), grace))
        elif series is not None and series.stop is None:
            series.stop = why
            self._commands.append(c.CancelAttempt(series.address, series.attempt))

    def _is_busy(self, unit: Unit) -> bool:
        """Whether something of a step or an item has to be waited for when it is stopped."""
        return unit.key in self.state.attempting or unit.child is not None


def in_items_end(record: StepRecord) -> bool:
    """Whether no further item of a step begins, and nothing of it is tried again."""
    return record.first_failed is not None or record.cut is not None


def has_lost(record: StepRecord) -> bool:
    """Whether an attempt of its items was lost, and nobody has decided yet what comes of it."""
    items = [record.items[index] for index in record.under_way] if record.items else []
    current = (item.current for item in items if item.status == RUNNING)
    return any(series is not None and series.phase == LOST for series in current)


def place_of(address: f.Address) -> dict[str, Any]:
    """Return the fields that say in an event whose attempt it is."""
    return {"step": address.step, "role": address.role, "item": address.item}


def sentence(what: str, problems: tuple[Problem, ...]) -> str:
    """Say that a value does not fit its schema."""
    listed = "; ".join(str(problem) for problem in problems[:5])
    more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
    fits = "do not fit their" if what.endswith("parameters") else "does not fit its"
    return f"{what} {fits} schema: {listed}{more}"


@attrs.frozen
class Resolved:
    """A value, so that a value that is itself callable or a failure is never mistaken."""

    value: Any
