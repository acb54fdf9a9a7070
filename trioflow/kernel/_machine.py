"""The machine: what should happen next in one execution.

``machine.receive(fact)`` takes what has happened and returns a `Turn`: the events to store, and
the commands to perform once they are durable. It is sans-IO: no clock, no randomness, nothing to
wait for; instants and chance come in inside facts.

This is the deciding half. It never changes the `State` but by recording an event, which the
applying half (`_apply.py`) then carries out, with one exception that is marked "not recorded"
there: what is safe to forget, because it is found out again.

A turn goes like this: the instants that have come, in order (`_pass_time`), then the fact itself,
then to a fixed point whatever follows (`_settle`). Steps that one record made ready are looked at
together, each seeing only what had ended before it; so nothing depends on the order of a set.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from trioflow.definitions._graph import Plan
from trioflow.definitions._model import Workflow
from trioflow.errors import (
    InputRejected,
    InvalidRequest,
    ProtocolError,
)
from trioflow.kernel import _commands as c
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._apply import State
from trioflow.kernel._attempts import MAX_CRASHES, NOT_RETRYABLE, retry_delay
from trioflow.kernel._connections import (
    Decisions,
    decide_at_end,
    decide_waiting,
)
from trioflow.kernel._core import has_lost, in_items_end
from trioflow.kernel._ending import Ending
from trioflow.kernel._fork import (
    check_fits,
    check_forkable,
    kept_end,
    kept_in_order,
    running_again,
    with_all_after,
)
from trioflow.kernel._records import (
    ATTEMPTING,
    DELAYED,
    LOST,
    QUEUED,
    Key,
    Series,
    StepRecord,
    Unit,
)
from trioflow.kernel._requests import Waiting, accept, waiting_for
from trioflow.kernel._states import (
    ENDED,
    FAILED,
    PAUSED,
    PENDING,
    RUNNING,
)

__all__ = [
    "MAX_CRASHES",
    "NOT_RETRYABLE",
    "Machine",
    "Turn",
    "retry_delay",
]

# As many attempts at a time as an engine allows where nobody says otherwise.
DEFAULT_SLOTS = 5


@attrs.frozen
class Turn:
    """What came of a fact: events to store, then commands to perform.

    `refused` is why a request was refused; there may be events all the same, because time passed.
    """

    recorded: tuple[e.Event, ...]
    commands: tuple[c.Command, ...]
    refused: InvalidRequest | None = None


class Machine(Ending):
    """The rules of one execution.

    `slots` is how many attempts it may have at a time if its document does not say: so many items
    of a `for_each` step are under way. `children` are the workflows that steps can start, by id.
    """

    def __init__(
        self,
        plan: Plan,
        slots: int = DEFAULT_SLOTS,
        children: Mapping[str, Workflow] = MappingProxyType({}),
    ) -> None:
        super().__init__(plan, slots, children)

    @classmethod
    def from_history(
        cls,
        plan: Plan,
        events: Iterable[e.Event],
        slots: int = DEFAULT_SLOTS,
        children: Mapping[str, Workflow] = MappingProxyType({}),
    ) -> Machine:
        """Rebuild the machine of an execution. Tell it `Recovered` (or `Check`) next."""
        machine = cls(plan, slots, children)
        for event in events:
            machine.state.apply(event)
        machine._now = machine.state.now
        return machine

    # ---- questions ----

    @property
    def deadline(self) -> float | None:
        """The next instant at which the machine wants to be told that time has passed."""
        timers = self.state.timers
        while timers:
            due, _, key, what = timers[0]
            if self._current(due, what, key):
                return due
            heapq.heappop(timers)
        return None

    @property
    def due(self) -> float | None:
        """When somebody has to look after this execution: None while only others can."""
        if self.state.status in ENDED:
            return None
        if self.state.status in (PENDING, RUNNING) or self._has_to_be_opened():
            return self._now
        return self.deadline

    def _has_to_be_opened(self) -> bool:
        """Whether more than its own history says what comes next, even if it is PAUSED.

        What comes of an attempt that was left in a pause is decided when it is opened (R17); and a
        child may have ended without its knowledge, if the process died in between.
        """
        return any(
            unit.child is not None or ((series := unit.current) and series.phase == LOST)
            for unit in self._units()
        )

    def waiting_for(self) -> tuple[Waiting, ...]:
        """Return what somebody has to bring."""
        return waiting_for(self.state)

    def children(self) -> tuple[str, ...]:
        """Return the ids of the child executions that have not ended."""
        return tuple(unit.child.execution for unit in self._units() if unit.child is not None)

    def failed_steps(self) -> tuple[str, ...]:
        """Return the ids of all FAILED steps, tolerated ones too."""
        return tuple(record.id for record in self.state.steps if record.status == FAILED)

    def outstanding(self) -> tuple[c.Command, ...]:
        """Return everything that is to be performed now; performing it again is safe."""
        found: list[c.Command] = []
        for unit in self._units():
            series = unit.current
            if unit.child is not None:
                found.append(self._child_command(unit))
                found += self._child_wish(unit, missed=True)
            elif series is None or (unit.status != RUNNING and unit.undo is None):
                continue
            elif series.phase == QUEUED and not self._held:
                found.append(self._queue_command(unit, series))
            elif series.phase == ATTEMPTING:
                found.append(self._attempt_command(unit, series))
                if series.stop is not None:
                    found.append(c.CancelAttempt(series.address, series.attempt))
        if self.state.status in ENDED:
            found.append(c.Finish())
        return tuple(found)

    # ---- being told ----

    def receive(self, fact: f.Fact, slots: int = 0) -> Turn:
        """Take in a fact or a request; return what is to be stored, and then performed.

        So many `slots` are free now, and nobody waits for them: they need not be asked for.
        Facts about attempts that nobody waits for are ignored. Raises `InputRejected` for a
        `Start` whose input does not fit, `ProtocolError` for what cannot happen.
        """
        self._recorded, self._commands, self._queued = [], [], {}
        self._now = max(self._now, fact.at)
        refused = None
        asked_at = self.state.asked_at
        if isinstance(fact, f.Recovered):
            # First what was lost, so that a timeout that came meanwhile finds nothing running.
            self._mark_lost()
        if isinstance(fact, (f.Recovered, f.Check)) and asked_at is not None:
            # What others have asked for was accepted, and came before what is due since then.
            self._pass_time(asked_at)
            self._settle()
        self._pass_time()
        try:
            _RECEIVE[type(fact)](self, fact)
        except InvalidRequest as error:
            refused = error
        if not isinstance(fact, f.AttemptLeft):
            self._settle()
            self._pass_time()
        self._follow_status()
        if self._queued:
            self._line_up(slots)
        if isinstance(fact, f.Recovered):
            self._commands = list(self.outstanding())
        elif isinstance(fact, f.Check) and self.state.stopping is None:
            # Somebody else may have asked for a pause, or for its end.
            for unit in self._units():
                if unit.child is not None:
                    self._commands += self._child_wish(unit, missed=True)
        return Turn(tuple(self._recorded), tuple(self._commands), refused)

    def request(self, request: f.Fact) -> tuple[e.Event, ...]:
        """Return the events that record a request, without acting on it; the owner will.

        Raises `InvalidRequest` if it cannot be accepted now.
        """
        drafts = accept(self.state, request)
        at = max(self._now, request.at)
        return tuple(
            event_type(seq=self.state.seq + number, at=at, **fields)
            for number, (event_type, fields) in enumerate(drafts, 1)
        )

    def _start(self, fact: f.Start) -> None:
        defaults = self.plan.workflow.input or {}
        self._begin(fact, {**defaults, **fact.input}, parent=fact.parent, depth=fact.depth)
        if fact.paused:
            self._record(e.PauseRequested)

    def _begin(self, fact: f.Start | f.Fork, input: Mapping[str, Any], **fields: Any) -> None:
        if self.state.status != PENDING:
            raise ProtocolError(f"execution {self.state.id!r} has started already")
        schema = self.plan.input_schema
        problems = () if schema is None else schema.problems(input)
        if problems:
            raise InputRejected(problems)
        workflow = self.plan.workflow
        self._record(
            e.ExecutionStarted,
            execution_id=fact.execution_id,
            workflow=workflow.id,
            digest=workflow.digest,
            document=workflow.document,
            input=input,
            labels={**(workflow.labels or {}), **fact.labels},
            **fields,
        )

    def _fork(self, fact: f.Fork) -> None:
        """Begin with the ends of the steps that are kept (R30)."""
        old: State = fact.old
        check_forkable(old, self.plan, fact.from_steps)
        again = running_again(old, self.plan, fact.from_steps)
        for record in kept_in_order(old, self.plan, again):
            check_fits(old, self.plan, record)
        self._begin(fact, {**old.input, **fact.input}, forked_from=old.id)
        for record in kept_in_order(old, self.plan, again):
            if record.id in again:
                continue
            mine = self.state.step(record.id)
            if record.status == FAILED and not self._still_tolerated(old, record, mine):
                again |= with_all_after(self.plan, [record.id])
                continue
            self._keep(old, record, mine)
        # Everything that is kept is there before anything is looked at (R30).
        ready = {index for group in self.state.groups for index in group}
        self.state.groups.clear()
        self.state.groups.append(sorted(ready))

    def _keep(self, old: State, record: StepRecord, mine: StepRecord) -> None:
        event_type, fields = kept_end(old, record)
        decisions = self._kept_decisions(old, record, mine)
        self._record(event_type, **fields, taken=tuple(decisions.taken), dead=tuple(decisions.dead))
        self._record_failed_conditions(decisions)

    def _kept_decisions(self, old: State, record: StepRecord, mine: StepRecord) -> Decisions:
        """Return what the connections of a kept step were, or are if they are new."""
        fresh = decide_at_end(
            self.state,
            mine,
            record.status,
            record.output,
            record.failure,
            old.facts[record.id],
        )
        before = {
            connection.id: old.decided[connection.index] for connection in old.plan.connections
        }
        decisions = Decisions()
        for index in mine.planned.outgoing:
            name = self.plan.connections[index].id
            taken = before.get(name)
            if taken is None:
                taken = True if name in fresh.taken else False if name in fresh.dead else None
                decisions.failed += [each for each in fresh.failed if each[0] == name]
            if taken is not None:
                (decisions.taken if taken else decisions.dead).append(name)
        return decisions

    def _still_tolerated(self, old: State, record: StepRecord, mine: StepRecord) -> bool:
        if mine.planned.continue_on_error:
            return True
        taken = self._kept_decisions(old, record, mine).taken
        return any(
            self.plan.connections[self.plan.connection_index[name]].on == "failure"
            for name in taken
        )

    def _ask(self, request: f.Fact) -> None:
        paused = self.state.pause
        for event_type, fields in accept(self.state, request):
            self._record(event_type, **fields)
        if self.state.pause is paused:
            return
        for unit, series in self._series_in(QUEUED):
            if unit.key in self._queued:
                continue
            if paused:
                # They have lost their places, and queue anew with what starts now (R27).
                self._queue(unit, series)
            else:
                self._commands.append(c.DropAttempt(series.address, series.attempt + 1))
        self._commands += self._child_wishes()

    def _nothing(self, fact: f.Fact) -> None:
        """There is no more in it than that time has passed."""

    def _series_in(self, phase: str) -> list[tuple[Unit, Series]]:
        return [
            (unit, unit.current)
            for unit in self._units()
            if (unit.status == RUNNING or unit.undo is not None)
            and unit.current is not None
            and unit.current.phase == phase
        ]

    # ---- the fixed point ----

    def _settle(self) -> None:
        """Do whatever follows from what is recorded, until nothing does."""
        state = self.state
        while state.status not in ENDED and state.status != PENDING:
            if state.stopping is None:
                if state.cancel is not None:
                    self._stop("cancel", None, state.cancel.grace)
                elif state.unhandled and self.plan.workflow.on_failure != "continue":
                    grace = None if self.plan.workflow.on_failure == "finish" else 0.0
                    self._stop("failure", next(iter(state.unhandled.values())), grace)
            if state.stopping is not None:
                if self._now >= state.stopping.grace_until:
                    self._stop_attempts()
                self._look_at_items()
                if not state.open and not self._undo():
                    self._finish()
                return
            if state.look_at_connections:
                state.look_at_connections = False
                self._decide_waiting_connections()
            elif state.signalled:
                self._deliver(state.signalled.pop(0))
            elif state.decisions:
                self._carry_out(*next(iter(state.decisions.items())))
            elif state.look_at_items:
                self._look_at_items()
            elif state.groups:
                group = state.groups.popleft()
                outcomes = [self._look_at(state.steps[index]) for index in group]
                for outcome in outcomes:
                    if outcome is not None:
                        outcome()
            elif not state.open and not state.waiting_connections:
                self._finish()
            else:
                return

    def _follow_status(self) -> None:
        """Record that the execution has entered or left PAUSED, if it has (R20)."""
        state = self.state
        if state.status not in (RUNNING, PAUSED):
            return
        somebody = bool(state.paused or state.waiting_connections)
        busy = state.attempting or state.children
        paused = state.stopping is None and (
            (not state.running and somebody) or (state.pause and not busy)
        )
        if paused and state.status == RUNNING:
            self._record(e.ExecutionPaused)
        elif not paused and state.status == PAUSED:
            self._record(e.ExecutionResumed)
        if state.open and not (state.running or somebody or state.pause):
            stuck = [record.id for record in state.steps if record.status == PENDING][:5]
            raise ProtocolError(
                f"execution {state.id!r} has stalled: nothing runs and nothing is waited for, "
                f"but {', '.join(stuck)} cannot start; please report this"
            )

    # ---- what somebody brought ----

    def _decide_waiting_connections(self) -> None:
        decisions = decide_waiting(self.state)
        if decisions.taken or decisions.dead:
            self._record(
                e.ConnectionsDecided, taken=tuple(decisions.taken), dead=tuple(decisions.dead)
            )
        self._record_failed_conditions(decisions)

    def _deliver(self, name: str) -> None:
        record = self.state.steps[self.plan.signals[name]]
        if record.status == PAUSED and record.waits_for == "signal":
            self._complete(record, self.state.signals[name], by="signal")

    def _carry_out(self, name: str, decision: Any) -> None:
        """Do what somebody decided about a paused step or item, which takes it off the list."""
        unit = self.state.named(name)
        if decision == "retry":
            if unit.item is None:
                self._record(e.StepRetried, step=unit.id)
            else:
                self._record(e.ItemRetried, step=unit.id, item=unit.item)
            assert unit.series is not None
            self._queue(unit, unit.series)
        elif decision == "failed":
            assert unit.failure is not None
            self._fail(unit, unit.failure)
        else:
            self._complete(unit, decision["completed"], by="decision")

    # ---- time ----

    def _current(self, due: float, what: str, key: Key) -> bool:
        """Whether a timer still means something."""
        state = self.state
        if state.status in ENDED:
            return False
        stopping = state.stopping
        if what == "execution":
            # What is undone is not stopped by it any more (R24).
            return state.deadline == due and (stopping is None or state.open > 0)
        if what == "grace":
            return stopping is not None and stopping.grace_until == due
        if what == "retry":
            unit = state.unit(key)
            series = unit.current
            return (
                (unit.status == RUNNING or unit.undo is not None)
                and series is not None
                and series.phase == DELAYED
                and series.retry_at == due
            )
        record = state.steps[key[0]]
        if what == "sleep":
            return record.wake == due
        asked = self._asked_to_stop(record)
        allowed = stopping is None or stopping.allows(due)
        return record.deadline == due and allowed and not asked

    def _asked_to_stop(self, record: StepRecord) -> bool:
        """Whether what runs of a step is on its way out already."""
        if record.items is not None:
            return in_items_end(record) and not has_lost(record)
        if record.child is not None:
            return record.child.stop not in (None, "grace")
        series = record.current
        return series is not None and series.phase == ATTEMPTING and series.stop is not None

    def _pass_time(self, until: float | None = None) -> None:
        """Let everything happen that is due by now: by instant, timeouts first."""
        timers = self.state.timers
        while timers and timers[0][0] <= (self._now if until is None else until):
            kind = timers[0][:2]
            together = []
            while timers and timers[0][:2] == kind:
                together.append(heapq.heappop(timers))
            for due, _, key, what in together:
                if self._current(due, what, key):
                    _DUE[what](self, key)
            self._settle()

    def _execution_due(self, key: Key) -> None:
        workflow = self.plan.workflow
        failure = e.Failure(
            "timeout.execution", f"the execution timed out after {workflow.timeout:g} s"
        )
        self._stop("timeout", failure, 0.0)

    def _grace_due(self, key: Key) -> None:
        self._stop_attempts()
        for unit, _ in self._series_in(LOST):
            # What is gone needs no stopping (R17).
            if unit.undo is None:
                self._cancel(unit)

    def _step_due(self, key: Key) -> None:
        record = self.state.steps[key[0]]
        if record.items is not None:
            self._cut(record, "timeout")
            self.state.look_at_items[key[0]] = None
        elif self._is_busy(record):
            self._stop_unit(record, "timeout")
        else:
            self._drop(record)
            self._fail(record, self._timeout_failure(record))

    def _sleep_due(self, key: Key) -> None:
        self._complete(self.state.steps[key[0]], None, by="sleep")

    def _retry_due(self, key: Key) -> None:
        unit = self.state.unit(key)
        assert unit.current is not None
        self._queue(unit, unit.current)


_DUE: Mapping[str, Callable[[Machine, Key], None]] = {
    "execution": Machine._execution_due,
    "grace": Machine._grace_due,
    "step": Machine._step_due,
    "sleep": Machine._sleep_due,
    "retry": Machine._retry_due,
}

_RECEIVE: Mapping[type[f.Fact], Callable[[Machine, Any], None]] = {
    f.Start: Machine._start,
    f.Fork: Machine._fork,
    f.SlotsTaken: Machine._slots_taken,
    f.AttemptRejected: Machine._attempt_rejected,
    f.AttemptReturned: Machine._attempt_returned,
    f.AttemptRaised: Machine._attempt_raised,
    f.AttemptStopped: Machine._attempt_stopped,
    f.AttemptLeft: Machine._attempt_left,
    f.AttemptHangs: Machine._attempt_hangs,
    f.ChildRejected: Machine._child_rejected,
    f.ChildEnded: Machine._child_ended,
    f.ChildPaused: Machine._child_paused,
    f.ChildResumed: Machine._child_resumed,
    f.TimePassed: Machine._nothing,
    f.Recovered: Machine._decide_lost,
    f.Check: Machine._decide_lost,
    f.Resume: Machine._ask,
    f.Signal: Machine._ask,
    f.Pause: Machine._ask,
    f.Cancel: Machine._ask,
}
