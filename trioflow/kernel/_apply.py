"""What events mean: the state of one execution, and `State.apply`, which changes it.

This is the half of the kernel that replay uses, and the only code that changes a `State`. It
never decides: it follows the event, and keeps the counters and worklists from which the deciding
half (`_machine.py`) reads, in constant time, what may happen next. So old histories stay readable
when the rules change.

Cost: an event of a step costs O(its connections and gates); nothing scans all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trioflow.kernel import _events as e
from trioflow.kernel._blank import Blank
from trioflow.kernel._facts import Address
from trioflow.kernel._records import (
    ATTEMPTING,
    DELAYED,
    LOST,
    NOTHING,
    QUEUED,
    Child,
    Series,
    StepRecord,
    Stopping,
    Unit,
)
from trioflow.kernel._states import (
    CANCELLED,
    COMPLETED,
    EXECUTION,
    FAILED,
    PAUSED,
    PENDING,
    REQUESTS,
    RUNNING,
    STEP,
    impossible,
)

# What is due at one instant comes in this order (R14), and within it in that of the document.
EXECUTION_TIMEOUT, GRACE, STEP_TIMEOUT, WAKE = range(4)

# What somebody asked for may be recorded by another process, and acted upon only later.
_REQUESTS = frozenset(REQUESTS)


class State(Blank):
    """One execution, as its history tells it."""

    def apply(self, event: e.Event) -> None:
        """Change the state as the event says. `ProtocolError` if it cannot happen now."""
        following = EXECUTION[self.status].get(type(event))
        if following is None:
            raise impossible(event, "execution", self.id, self.status)
        self.status = following
        self.seq = event.seq
        self.now = event.at
        if type(event) not in _REQUESTS:
            self.asked_at = None
        elif self.asked_at is None:
            self.asked_at = event.at
        _APPLY[type(event)](self, event)

    # ---- the execution ----

    def _execution_started(self, event: e.ExecutionStarted) -> None:
        self.id = event.execution_id
        self.input = event.input
        self.labels = event.labels
        self.parent = event.parent
        self.depth = event.depth
        self.started_at = event.at
        self.about_itself = {"id": self.id, "started_at": event.at}
        self._remaining = self.plan.workflow.timeout
        self._clock_runs(event.at)
        self.groups.append([index for index, record in enumerate(self.steps) if record.ready()])

    def _clock_runs(self, at: float) -> None:
        if self._remaining is not None:
            self.deadline = at + self._remaining
            self._remaining = None
            self.add_timer(self.deadline, EXECUTION_TIMEOUT, "execution")

    def _execution_paused(self, event: e.ExecutionPaused) -> None:
        if self.deadline is not None:
            self._remaining = self.deadline - event.at
            self.deadline = None

    def _execution_resumed(self, event: e.ExecutionResumed) -> None:
        self._clock_runs(event.at)

    def _stopping_started(self, event: e.StoppingStarted) -> None:
        at = event.at
        if event.cause == "timeout" and self.deadline is not None:
            # It comes once. It was over then, however late somebody looked.
            at, self.deadline = self.deadline, None
        if self.stopping is None:
            self.stopping = Stopping(event.cause, event.failure, at, float("inf"))
        else:
            assert event.failure is not None
            # A later cause can only shorten the grace, never change what the end will be.
            self.unhandled[f"<{event.cause}>"] = event.failure
        self._shorten_grace(self.stopping, at, event.grace)

    def _shorten_grace(self, stopping: Stopping, at: float, grace: float | None) -> None:
        until = float("inf") if grace is None else at + grace
        if until < stopping.grace_until:
            stopping.grace_until = until
            # Without a grace there is nothing to wait for: attempts are stopped at once.
            if until > at:
                self.add_timer(until, GRACE, "grace")

    def _execution_ended(self, event: e.Event) -> None:
        self.ended_at = event.at
        self.deadline = self._remaining = None
        self.output = getattr(event, "output", None)
        self.failures = getattr(event, "failures", ())
        self.reason = getattr(event, "reason", "")

    # ---- what somebody asked for ----

    def _input_received(self, event: e.InputReceived) -> None:
        self.input = merge(self.input, event.input)
        self.look_at_connections = bool(self.waiting_connections)
        self.groups.append(
            [i for i, record in enumerate(self.steps) if record.waits_for == "inputs"]
        )

    def _decisions_received(self, event: e.DecisionsReceived) -> None:
        together = {**self.decisions, **event.decisions}
        in_order = sorted(together, key=lambda name: self.named(name).key)
        self.decisions = {name: together[name] for name in in_order}

    def _signal_received(self, event: e.SignalReceived) -> None:
        self.signals[event.name] = event.payload
        self.signalled.append(event.name)

    def _pause_requested(self, event: e.PauseRequested) -> None:
        self.pause, self.pause_at = True, event.at

    def _resume_requested(self, event: e.ResumeRequested) -> None:
        self.pause, self.pause_at = False, event.at
        # What was ready and could not start is looked at again.
        self.groups.append(
            [
                index
                for index, record in enumerate(self.steps)
                if (record.status == PENDING and record.ready()) or record.waits_for == "inputs"
            ]
        )
        for record in self.steps:
            if record.items is not None and record.status in (RUNNING, PAUSED):
                self.look_at_items[record.planned.index] = None

    def _cancel_requested(self, event: e.CancelRequested) -> None:
        if self.cancel is None:
            self.cancel = event
        if self.stopping is not None:
            self._shorten_grace(self.stopping, event.at, event.grace)

    # ---- steps ----

    def _move(self, event: Any) -> StepRecord:
        """Give the event's step its next status, and keep the counters."""
        record = self.steps[self.plan.index[event.step]]
        before = record.status
        after = STEP[before].get(type(event))
        if after is None:
            raise impossible(event, "step", event.step, before)
        if after is not before:
            record.status = after
            self.running += (after == RUNNING) - (before == RUNNING)
            self.paused += (after == PAUSED) - (before == PAUSED)
        return record

    def _series(self, unit: Unit, role: str, unseen: tuple[str, ...] | frozenset[str]) -> Series:
        address = Address(unit.id, role, unit.item)
        return Series(address, input=self.input, unseen=frozenset(unseen) if unseen else NOTHING)

    def _step_started(self, event: e.StepStarted) -> None:
        record = self._move(event)
        record.waits_for, record.missing = None, ()
        record.condition_met = True
        record.started_at = event.at
        record.deadline, record.wake = event.deadline, event.wake
        record.input = self.input
        record.unseen = frozenset(event.unseen) if event.unseen else NOTHING
        if event.deadline is not None:
            self.add_timer(event.deadline, STEP_TIMEOUT, "step", record.key)
        if event.wake is not None:
            self.add_timer(event.wake, WAKE, "sleep", record.key)
        if event.items is not None:
            record.items = [Unit(planned=record.planned, item=item) for item in range(event.items)]
            record.under_way = {}
            self.look_at_items[record.planned.index] = None
        elif record.planned.call is not None:
            record.series = self._series(record, "step", event.unseen)

    def begin_item(self, item: Unit) -> None:
        """Count an item as under way. That it has begun is recorded by whatever it does first."""
        if item.status != PENDING:
            return
        item.status = RUNNING
        record = self.steps[item.planned.index]
        record.under_way[item.key[1]] = None
        if item.planned.call is not None:
            item.series = Series(
                Address(item.id, "step", item.item), input=record.input, unseen=record.unseen
            )

    def _step_held(self, event: e.StepHeld) -> None:
        self._move(event).condition_met = True

    def _step_paused(self, event: e.StepPaused) -> None:
        record = self._move(event)
        record.waits_for = event.kind
        record.missing = event.inputs
        record.condition_met = event.condition_met
        record.failure = event.failure
        if event.kind in ("decision", "items") and record.deadline is not None:
            record.remaining = record.deadline - event.at
            record.deadline = None
        if event.kind == "decision":
            self._end_round(record)
        elif event.kind == "child":
            self.children.pop(record.key, None)
        elif event.kind == "signal":
            record.started_at = event.at
            record.deadline = event.deadline
            if event.deadline is not None:
                self.add_timer(event.deadline, STEP_TIMEOUT, "step", record.key)

    def _end_round(self, unit: Unit) -> None:
        """A round of attempts has come to nothing, and somebody is to decide."""
        if unit.fallback is not None:
            unit.fallback_attempts = unit.fallback.attempt
            unit.fallback = None

    def _begin_round(self, unit: Unit) -> None:
        unit.failure = None
        self.decisions.pop(unit.name, None)
        series = unit.series
        assert series is not None
        series.phase, series.tries, series.crashes = QUEUED, 0, 0
        series.first_at = series.retry_at = None

    def _step_goes_on(self, event: e.Event) -> StepRecord:
        record = self._move(event)
        record.waits_for = None
        if record.remaining is not None:
            record.deadline = event.at + record.remaining
            record.remaining = None
            self.add_timer(record.deadline, STEP_TIMEOUT, "step", record.key)
        return record

    def _step_retried(self, event: e.StepRetried) -> None:
        self._begin_round(self._step_goes_on(event))

    def _step_resumed(self, event: e.StepResumed) -> None:
        record = self._step_goes_on(event)
        if record.child is not None:
            self.children[record.key] = None

    def _end(self, event: Any) -> StepRecord:
        """End the event's step: open gates, decide connections, and note who is ready by that."""
        record = self._move(event)
        planned = record.planned
        record.ended_at = event.at
        # A failure that was pending a decision is history now.
        record.failure = getattr(event, "failure", None)
        record.waits_for, record.missing = None, ()
        record.deadline = record.remaining = record.wake = None
        self._over(record)
        for item in record.items or ():
            if item.status == PENDING:
                # It never began, so it needs no record of its own.
                item.status = CANCELLED
        self.look_at_items.pop(planned.index, None)
        kept = getattr(event, "facts", None)
        self.facts[record.id] = kept or record.facts(record.status, record.failure)
        self.open -= 1
        touched: set[int] = set()
        for gate in planned.member_of:
            self._gates[gate] -= 1
            if not self._gates[gate]:
                for waiter in self.plan.gates[gate].waiters:
                    self.steps[waiter].gates -= 1
                    touched.add(waiter)
        self._decide(getattr(event, "taken", ()), getattr(event, "dead", ()), touched)
        if self.stopping is None and record.status != CANCELLED:
            for index in planned.outgoing:
                if self.decided[index] is None:
                    self.waiting_connections[index] = None
        self._add_group(touched)
        return record

    def _over(self, unit: Unit) -> None:
        """Nothing more is to be done for a step or an item, unless it is undone."""
        for series in (unit.series, unit.fallback):
            if series is not None:
                # They are not needed any more, and may be large.
                series.parameters = None
        if self.decisions:
            self.decisions.pop(unit.name, None)
        self._attempt_over(unit)
        unit.child = None
        self.children.pop(unit.key, None)

    def _decide(self, taken: tuple[str, ...], dead: tuple[str, ...], touched: set[int]) -> None:
        for ids, value in ((taken, True), (dead, False)):
            for connection_id in ids:
                index = self.plan.connection_index[connection_id]
                self.decided[index] = value
                self.waiting_connections.pop(index, None)
                target = self.plan.connections[index].target
                self.steps[target].undecided -= 1
                self.steps[target].taken += value
                touched.add(target)

    def _add_group(self, touched: set[int]) -> None:
        group = []
        for index in touched:
            record = self.steps[index]
            if record.status == PENDING and record.ready():
                group.append(index)
        if group:
            self.groups.append(sorted(group))

    def _step_completed(self, event: e.StepCompleted) -> None:
        record = self._end(event)
        if event.by == "items":
            record.output = [item.output for item in record.items or ()]
        else:
            record.output = event.output
        record.by, record.late = event.by, event.late
        if record.started_at is None:
            record.started_at = event.at
        self.outputs[record.id] = record.output
        undoable = record.items is None and event.by != "fork"
        if undoable and record.planned.compensate is not None:
            self.to_undo.append(record.key)

    def _step_failed(self, event: e.StepFailed) -> None:
        self._classify(self._end(event))

    def _step_skipped(self, event: e.StepSkipped) -> None:
        record = self._end(event)
        record.reason = event.reason

    def _step_cancelled(self, event: e.StepCancelled) -> None:
        self._end(event)

    def _classify(self, record: StepRecord) -> None:
        """Note what a FAILED step means for its execution: nothing, deferred, or unhandled."""
        if record.planned.continue_on_error:
            return
        assert record.failure is not None
        standing = {
            self.plan.connections[index].on
            for index in record.planned.outgoing
            if self.decided[index] or index in self.waiting_connections
        }
        if "failure" not in standing and "always" in standing:
            self.deferred[record.id] = record.failure
            return
        self.deferred.pop(record.id, None)
        if "failure" not in standing:
            self.unhandled[record.id] = record.failure

    # ---- connections ----

    def _connections_decided(self, event: e.ConnectionsDecided) -> None:
        touched: set[int] = set()
        self._decide(event.taken, event.dead, touched)
        for connection_id in (*event.taken, *event.dead):
            source = self.plan.connections[self.plan.connection_index[connection_id]].source
            if self.steps[source].status == FAILED:
                self._classify(self.steps[source])
        self._add_group(touched)

    def _condition_failed(self, event: e.ConditionFailed) -> None:
        self.unhandled[f"->{event.connection}"] = event.failure

    # ---- attempts ----

    def _of(self, event: Any) -> tuple[Unit, Series]:
        unit = self._unit_of(event)
        if event.role == "compensate" and unit.undo is None:
            self.begin_undo(unit)
        series = unit.of_role(event.role)
        assert series is not None
        return unit, series

    def _unit_of(self, event: Any) -> Unit:
        """Return the step, or the item, that an event is about."""
        record = self._move(event)
        if event.item is None:
            return record
        assert record.items is not None
        item: Unit = record.items[event.item]
        self.begin_item(item)
        return item

    def _attempt_over(self, unit: Unit) -> None:
        series = unit.current
        if series is not None and series.phase == ATTEMPTING:
            series.phase = DELAYED
            del self.attempting[unit.key]

    def _attempt_started(self, event: e.AttemptStarted) -> None:
        unit, series = self._of(event)
        series.phase = ATTEMPTING
        series.attempt = event.attempt
        series.tries += 1
        series.retry_at = series.stop = None
        series.interrupted = series.unresponsive = False
        if series.first_at is None:
            series.first_at = event.at
        self.attempting[unit.key] = None

    def _attempt_failed(self, event: e.AttemptFailed) -> None:
        unit, series = self._of(event)
        self._attempt_over(unit)
        series.phase = DELAYED
        series.retry_at = event.retry_at
        series.stop = None
        if event.retry_at is not None:
            self.add_timer(event.retry_at, WAKE, "retry", unit.key)

    def _attempt_lost(self, event: Any) -> None:
        unit, series = self._of(event)
        self._attempt_over(unit)
        series.phase = LOST
        series.tries -= 1
        series.stop = None
        series.interrupted = isinstance(event, e.AttemptInterrupted)
        series.crashes += not series.interrupted
        self.lost[unit.key] = None

    def _attempt_unresponsive(self, event: e.AttemptUnresponsive) -> None:
        self._of(event)[1].unresponsive = True

    def _fallback_started(self, event: e.FallbackStarted) -> None:
        unit = self._unit_of(event)
        unit.failure = event.failure
        unit.fallback = self._series(unit, "fallback", event.unseen)
        unit.fallback.attempt = unit.fallback_attempts

    # ---- items, children, undoing ----

    def _end_item(self, event: Any, status: str) -> Unit:
        item = self._unit_of(event)
        item.status = status
        item.waits_for = None
        item.failure = getattr(event, "failure", None)
        self.paused_items.pop(item.key, None)
        self._over(item)
        del self.steps[item.planned.index].under_way[event.item]
        self.look_at_items[item.planned.index] = None
        return item

    def _item_completed(self, event: e.ItemCompleted) -> None:
        item = self._end_item(event, COMPLETED)
        item.output, item.by, item.late = event.output, event.by, event.late
        if item.planned.compensate is not None:
            self.to_undo.append(item.key)

    def _item_failed(self, event: e.ItemFailed) -> None:
        item = self._end_item(event, FAILED)
        record = self.steps[item.planned.index]
        assert record.planned.for_each is not None
        if record.planned.for_each.on_item_error == "fail" and record.first_failed is None:
            record.first_failed = item

    def _item_cancelled(self, event: e.ItemCancelled) -> None:
        self._end_item(event, CANCELLED)

    def _item_paused(self, event: e.ItemPaused) -> None:
        item = self._unit_of(event)
        item.status = PAUSED
        item.waits_for = event.kind
        item.failure = event.failure
        self.paused_items[item.key] = None
        if event.kind == "decision":
            self._end_round(item)
        self.children.pop(item.key, None)
        self.look_at_items[item.planned.index] = None

    def _item_retried(self, event: e.ItemRetried) -> None:
        self._begin_round(self._item_goes_on(event))

    def _item_resumed(self, event: e.ItemResumed) -> None:
        self.children[self._item_goes_on(event).key] = None

    def _item_goes_on(self, event: Any) -> Unit:
        item = self._unit_of(event)
        item.status = RUNNING
        item.waits_for = None
        self.paused_items.pop(item.key, None)
        self.look_at_items[item.planned.index] = None
        return item

    def _child_started(self, event: e.ChildStarted) -> None:
        unit = self._unit_of(event)
        unit.child = Child(event.execution)
        self.children[unit.key] = None

    def begin_undo(self, unit: Unit) -> Series:
        """Make the series of an undo. That it has begun is recorded by its first attempt."""
        unit.undo = self._series(unit, "compensate", ())
        return unit.undo

    def _undo_over(self, event: Any) -> Unit:
        unit = self._unit_of(event)
        self._attempt_over(unit)
        self.to_undo.remove(unit.key)
        if unit.undo is not None:
            unit.undo.phase, unit.undo.parameters = DELAYED, None
        return unit

    def _step_compensated(self, event: e.StepCompensated) -> None:
        self._undo_over(event)

    def _compensation_failed(self, event: e.CompensationFailed) -> None:
        self._undo_over(event)
        self.undo_failures.append(event.failure)


def merge(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `more` in it: objects are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


_APPLY: Mapping[type[e.Event], Callable[[State, Any], object]] = {
    e.ExecutionStarted: State._execution_started,
    e.ExecutionPaused: State._execution_paused,
    e.ExecutionResumed: State._execution_resumed,
    e.StoppingStarted: State._stopping_started,
    e.ExecutionCompleted: State._execution_ended,
    e.ExecutionFailed: State._execution_ended,
    e.ExecutionCancelled: State._execution_ended,
    e.InputReceived: State._input_received,
    e.DecisionsReceived: State._decisions_received,
    e.SignalReceived: State._signal_received,
    e.PauseRequested: State._pause_requested,
    e.ResumeRequested: State._resume_requested,
    e.CancelRequested: State._cancel_requested,
    e.StepStarted: State._step_started,
    e.StepHeld: State._step_held,
    e.StepPaused: State._step_paused,
    e.StepRetried: State._step_retried,
    e.StepResumed: State._step_resumed,
    e.StepCompleted: State._step_completed,
    e.StepFailed: State._step_failed,
    e.StepSkipped: State._step_skipped,
    e.StepCancelled: State._step_cancelled,
    e.ItemCompleted: State._item_completed,
    e.ItemFailed: State._item_failed,
    e.ItemCancelled: State._item_cancelled,
    e.ItemPaused: State._item_paused,
    e.ItemRetried: State._item_retried,
    e.ItemResumed: State._item_resumed,
    e.ChildStarted: State._child_started,
    e.StepCompensated: State._step_compensated,
    e.CompensationFailed: State._compensation_failed,
    e.ConnectionsDecided: State._connections_decided,
    e.ConditionFailed: State._condition_failed,
    e.AttemptStarted: State._attempt_started,
    e.AttemptFailed: State._attempt_failed,
    e.AttemptInterrupted: State._attempt_lost,
    e.AttemptCrashed: State._attempt_lost,
    e.AttemptUnresponsive: State._attempt_unresponsive,
    e.FallbackStarted: State._fallback_started,
}
