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
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import attrs

from trioflow.definitions._durations import parse_duration, parse_instant
from trioflow.definitions._finding import Scope
from trioflow.definitions._graph import Plan, PlannedCall
from trioflow.definitions._model import Retry
from trioflow.definitions._references import Template
from trioflow.errors import (
    ExpressionError,
    InputRejected,
    InvalidRequest,
    MissingInputError,
    Problem,
    ProtocolError,
)
from trioflow.kernel import _commands as c
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._apply import (
    ATTEMPTING,
    DELAYED,
    LOST,
    QUEUED,
    Series,
    State,
    StepRecord,
)
from trioflow.kernel._connections import Decisions, decide_at_end, decide_waiting, scope, why_dead
from trioflow.kernel._requests import Waiting, accept, waiting_for
from trioflow.kernel._states import (
    COMPLETED,
    ENDED,
    EXECUTION,
    FAILED,
    PAUSED,
    PENDING,
    RUNNING,
    SKIPPED,
)

# After so many crashes of one series, `on_crash: retry` gives up: an action that kills its process
# would otherwise do so for ever (R17).
MAX_CRASHES = 3

# What no repetition can mend, so it is not repeated unless `retry.on` says so (R12).
NOT_RETRYABLE = ("schema.*", "reference.*", "condition.*", "result.*")

_Event = TypeVar("_Event", bound=e.Event)


@attrs.frozen
class Turn:
    """What came of a fact: events to store, then commands to perform.

    `refused` is why a request was refused; there may be events all the same, because time passed.
    """

    recorded: tuple[e.Event, ...]
    commands: tuple[c.Command, ...]
    refused: InvalidRequest | None = None


def unsupported(plan: Plan) -> list[str]:
    """Return what a workflow asks for that this machine cannot do, as sentences."""
    found = []
    for step in plan.steps:
        if step.type == "workflow":
            found.append(f"step {step.id!r} is a child workflow")
        if step.for_each is not None:
            found.append(f"step {step.id!r} has `for_each`")
        if step.compensate is not None:
            found.append(f"step {step.id!r} has `compensate`")
    return found


class Machine:
    """The rules of one execution."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.state = State(plan)
        self._recorded: list[e.Event] = []
        self._commands: list[c.Command] = []
        # What this turn has queued, by the position of the step; and how much all turns have.
        self._queued: dict[int, Series] = {}
        self._places = 0
        self._now = 0.0

    @classmethod
    def from_history(cls, plan: Plan, events: Iterable[e.Event]) -> Machine:
        """Rebuild the machine of an execution. Tell it `Recovered` (or `Check`) next."""
        machine = cls(plan)
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
            due, _, index, what = timers[0]
            if self._current(due, what, index):
                return due
            heapq.heappop(timers)
        return None

    @property
    def due(self) -> float | None:
        """When somebody has to look after this execution: None while only others can."""
        if self.state.status in ENDED:
            return None
        return self._now if self.state.status in (PENDING, RUNNING) else self.deadline

    def waiting_for(self) -> tuple[Waiting, ...]:
        """Return what somebody has to bring."""
        return waiting_for(self.state)

    def failed_steps(self) -> tuple[str, ...]:
        """Return the ids of all FAILED steps, tolerated ones too."""
        return tuple(record.id for record in self.state.steps if record.status == FAILED)

    def outstanding(self) -> tuple[c.Command, ...]:
        """Return everything that is to be performed now; performing it again is safe."""
        found: list[c.Command] = []
        for record in self.state.steps if self.state.running else ():
            series = record.current
            if record.status != RUNNING or series is None:
                continue
            if series.phase == QUEUED and not self.state.pause:
                found.append(self._queue_command(record, series))
            elif series.phase == ATTEMPTING:
                found.append(self._attempt_command(record, series))
                if series.stop is not None:
                    found.append(c.CancelAttempt(series.address, series.attempt))
        if self.state.status in ENDED:
            found.append(c.Finish())
        return tuple(found)

    # ---- being told ----

    def receive(self, fact: f.Fact) -> Turn:
        """Take in a fact or a request; return what is to be stored, and then performed.

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
        self._line_up()
        if isinstance(fact, f.Recovered):
            for _, series in self._series_in(QUEUED):
                series.place = 0
            self._commands = list(self.outstanding())
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

    def _record(self, event_type: type[_Event], **fields: Any) -> None:
        state = self.state
        if state.status == PAUSED and event_type not in EXECUTION[PAUSED]:
            self._record(e.ExecutionResumed)
        event = event_type(state.seq + 1, self._now, **fields)
        state.apply(event)
        self._recorded.append(event)

    def _start(self, fact: f.Start) -> None:
        if self.state.status != PENDING:
            raise ProtocolError(f"execution {self.state.id!r} has started already")
        workflow = self.plan.workflow
        found = {**(workflow.input or {}), **fact.input}
        schema = self.plan.input_schema
        problems = () if schema is None else schema.problems(found)
        if problems:
            raise InputRejected(problems)
        self._record(
            e.ExecutionStarted,
            execution_id=fact.execution_id,
            workflow=workflow.id,
            digest=workflow.digest,
            document=workflow.document,
            input=found,
            labels={**(workflow.labels or {}), **fact.labels},
            parent=fact.parent,
        )

    def _ask(self, request: f.Fact) -> None:
        paused = self.state.pause
        for event_type, fields in accept(self.state, request):
            self._record(event_type, **fields)
        if self.state.pause is paused:
            return
        queued = [
            (record, series)
            for record, series in self._series_in(QUEUED)
            if record.planned.index not in self._queued
        ]
        # They keep their places while a pause keeps them from getting a slot (R27).
        for record, series in sorted(queued, key=lambda each: each[1].place):
            if paused:
                self._commands.append(self._queue_command(record, series))
            else:
                self._commands.append(c.DropAttempt(series.address, series.attempt + 1))

    def _nothing(self, fact: f.Fact) -> None:
        """There is no more in it than that time has passed."""

    def _series_in(self, phase: str) -> list[tuple[StepRecord, Series]]:
        return [
            (record, record.current)
            for record in self.state.steps
            if record.status == RUNNING
            and record.current is not None
            and record.current.phase == phase
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
                if not state.open:
                    self._finish()
                return
            if state.look_at_connections:
                state.look_at_connections = False
                self._decide_waiting_connections()
            elif state.signalled:
                self._deliver(state.signalled.pop(0))
            elif state.decisions:
                self._carry_out(*next(iter(state.decisions.items())))
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
        paused = state.stopping is None and (
            (not state.running and somebody) or (state.pause and not state.attempting)
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

    # ---- looking at a step whose gates are open ----

    def _look_at(self, record: StepRecord) -> Callable[[], None] | None:
        """Return what is to be recorded for a step that may be ready, or None.

        Only what had ended before is seen, so the outcomes of a group are found first and
        recorded afterwards.
        """
        if record.status == PENDING:
            if not record.ready():
                return None
            if not _joined(record):
                return self._skip_dead(record)
        elif record.waits_for != "inputs":
            return None
        seen = scope(self.state)
        condition = record.planned.condition
        if condition is not None and not record.condition_met:
            try:
                met = condition.test(seen)
            except MissingInputError as error:
                if error.inputs:
                    return self._pause_for(record, error.inputs, condition_met=False)
                return self._fail(record, "condition.error", f"its condition: {error}")
            except ExpressionError as error:
                return self._fail(record, "condition.error", f"its condition: {error}")
            if not met:
                reason = f"its condition is false: {condition.text}"
                return lambda: self._end(record, e.StepSkipped, SKIPPED, reason=reason)
        return _BEGIN[record.planned.type](self, record, seen)

    def _begin_action(self, record: StepRecord, seen: Scope) -> Callable[[], None] | None:
        planned = record.planned
        call = planned.call
        assert call is not None
        found = self._resolve(record, call.parameters, seen)
        if callable(found):
            return found
        parameters = found.value
        schema = planned.input_schema
        problems = () if schema is None else schema.problems(parameters, "$.parameters")
        if problems:
            return self._fail(record, "schema.input", _sentence("its parameters", problems))
        if self.state.pause:
            return self._hold(record)
        unseen = self._unseen(record)

        def begin() -> None:
            self._record(
                e.StepStarted, step=record.id, deadline=self._deadline_of(record), unseen=unseen
            )
            assert record.series is not None
            record.series.parameters = parameters
            self._queue(record, record.series)

        return begin

    def _begin_sleep(self, record: StepRecord, seen: Scope) -> Callable[[], None] | None:
        planned = record.planned
        template = planned.duration if planned.duration is not None else planned.until
        assert template is not None
        found = self._resolve(record, template, seen)
        if callable(found):
            return found
        try:
            if planned.duration is not None:
                wake = self._now + parse_duration(found.value)
            else:
                wake = parse_instant(found.value)
        except ValueError as error:
            return self._fail(record, "schema.input", str(error))
        if self.state.pause:
            return self._hold(record)
        return lambda: self._record(e.StepStarted, step=record.id, wake=wake)

    def _begin_wait(self, record: StepRecord, seen: Scope) -> Callable[[], None] | None:
        if self.state.pause:
            return self._hold(record)
        name = str(record.planned.signal)
        if name in self.state.signals:
            return lambda: self._complete(record, self.state.signals[name], by="signal")
        return lambda: self._record(
            e.StepPaused,
            step=record.id,
            kind="signal",
            condition_met=True,
            deadline=self._deadline_of(record),
        )

    def _begin_trigger(self, record: StepRecord, seen: Scope) -> Callable[[], None] | None:
        if self.state.pause:
            return self._hold(record)
        output = dict(self.state.input)
        return lambda: self._complete(record, output, by="trigger")

    def _begin_unsupported(self, record: StepRecord, seen: Scope) -> Callable[[], None] | None:
        raise ProtocolError(f"step {record.id!r} is a {record.planned.type} step")

    def _resolve(
        self, record: StepRecord, template: Template, seen: Scope
    ) -> _Resolved | Callable[[], None]:
        try:
            return _Resolved(template.resolve(seen))
        except MissingInputError as error:
            if error.others:
                return self._fail(record, "reference.missing", str(error))
            return self._pause_for(record, error.inputs, condition_met=True)

    def _hold(self, record: StepRecord) -> Callable[[], None] | None:
        """Leave a step that could start to the resume that ends the pause (R27)."""
        if record.planned.condition is None or record.condition_met:
            return None
        return lambda: self._record(e.StepHeld, step=record.id)

    def _pause_for(
        self, record: StepRecord, inputs: tuple[str, ...], *, condition_met: bool
    ) -> Callable[[], None]:
        def pause() -> None:
            same = record.status == PAUSED and record.missing == inputs
            if not same or record.condition_met != condition_met:
                self._record(
                    e.StepPaused,
                    step=record.id,
                    kind="inputs",
                    inputs=inputs,
                    condition_met=condition_met,
                )

        return pause

    def _fail(self, record: StepRecord, code: str, message: str) -> Callable[[], None]:
        failure = e.Failure(code, message, step=record.id)
        return lambda: self._end(record, e.StepFailed, FAILED, failure=failure)

    def _skip_dead(self, record: StepRecord) -> Callable[[], None]:
        dead = [i for i in record.planned.incoming if self.state.decided[i] is False]
        reason = "; ".join(why_dead(self.state, index) for index in dead)
        killed_by = tuple(self.plan.connections[index].id for index in dead)
        return lambda: self._end(record, e.StepSkipped, SKIPPED, reason=reason, killed_by=killed_by)

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

    def _deadline_of(self, record: StepRecord) -> float | None:
        total = record.planned.total_timeout
        return None if total is None else self._now + total

    # ---- ending a step ----

    def _end(
        self, record: StepRecord, event_type: type[_Event], status: str, **fields: Any
    ) -> None:
        """Record the end of a step together with what its connections are by that."""
        decisions = Decisions()
        if self.state.stopping is None and record.planned.outgoing:
            decisions = decide_at_end(
                self.state, record, status, fields.get("output"), fields.get("failure")
            )
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

    def _complete(self, record: StepRecord, output: Any, **fields: Any) -> None:
        self._end(record, e.StepCompleted, COMPLETED, output=output, **fields)

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

    def _carry_out(self, step: str, decision: Any) -> None:
        """Do what somebody decided about a paused step; its end or retry takes it off the list."""
        record = self.state.step(step)
        if decision == "retry":
            self._record(e.StepRetried, step=step)
            assert record.series is not None
            self._queue(record, record.series)
        elif decision == "failed":
            assert record.failure is not None
            self._end(record, e.StepFailed, FAILED, failure=record.failure)
        else:
            self._complete(record, decision["completed"], by="decision")

    # ---- attempts ----

    def _queue(self, record: StepRecord, series: Series) -> None:
        series.phase = QUEUED
        self._queued[record.planned.index] = series

    def _line_up(self) -> None:
        """Give places to what this turn has queued: in the order of the document (R8)."""
        for index in sorted(self._queued):
            series = self._queued[index]
            self._places += 1
            series.place = self._places
            if not self.state.pause:
                self._commands.append(self._queue_command(self.state.steps[index], series))

    def _queue_command(self, record: StepRecord, series: Series) -> c.QueueAttempt:
        template = self._call(record, series).parameters
        return c.QueueAttempt(series.address, series.attempt + 1, template.secrets)

    def _attempt_command(self, record: StepRecord, series: Series) -> c.RunAttempt:
        call = self._call(record, series)
        if series.parameters is None:
            # A fallback without parameters of its own gets those of its step, as of its start.
            assert record.planned.call is not None
            assert record.series is not None
            shared = call.parameters is record.planned.call.parameters
            origin = record.series if shared else series
            seen = scope(self.state, input=origin.input, unseen=origin.unseen)
            series.parameters = call.parameters.resolve(seen)
        return c.RunAttempt(
            series.address,
            series.attempt,
            call.action,
            series.parameters,
            key=f"{self.state.id}:{series.address}",
            timeout=call.timeout,
            deadline=record.deadline,
        )

    def _call(self, record: StepRecord, series: Series) -> PlannedCall:
        call = record.planned.fallback if series.address.role == "fallback" else record.planned.call
        assert call is not None
        return call

    def _awaited(
        self, address: f.Address, attempt: int, phase: str = ATTEMPTING
    ) -> tuple[StepRecord, Series] | None:
        """Return whose answer this is, or None if nobody waits for it (any more)."""
        index = self.plan.index.get(address.step)
        record = None if index is None else self.state.steps[index]
        series = None if record is None else record.current
        if record is None or series is None or record.status != RUNNING:
            return None
        expected = series.attempt + (phase == QUEUED)
        if series.address != address or series.phase != phase or expected != attempt:
            return None
        return record, series

    def _slot_taken(self, fact: f.SlotTaken) -> None:
        found = self._awaited(fact.address, fact.attempt, QUEUED)
        if found is None or self.state.pause or self.state.stopping is not None:
            return
        record, series = found
        self._record(e.AttemptStarted, attempt=fact.attempt, **_place(fact.address))
        self._commands.append(self._attempt_command(record, series))

    def _attempt_rejected(self, fact: f.AttemptRejected) -> None:
        found = self._awaited(fact.address, fact.attempt, QUEUED)
        if found is not None:
            failure = attrs.evolve(fact.failure, step=fact.address.step)
            self._end(found[0], e.StepFailed, FAILED, failure=failure)

    def _attempt_returned(self, fact: f.AttemptReturned) -> None:
        found = self._awaited(fact.address, fact.attempt)
        if found is None:
            return
        record, series = found
        problems = fact.problems
        if problems is None:
            schema = record.planned.output_schema
            problems = () if schema is None else schema.problems(fact.output)
        if problems:
            failure = e.Failure("schema.output", _sentence("its output", problems))
            timeout = self._call(record, series).timeout
            if fact.late and series.stop is None and timeout is not None:
                # A late value that does not fit counts as if the action had raised (R16).
                message = f"attempt {fact.attempt} timed out after {timeout:g} s"
                failure = e.Failure("timeout.attempt", message, causes=(failure,))
            self._attempt_ended_badly(record, series, failure, fact.chance)
            return
        self._complete(
            record,
            fact.output,
            attempt=fact.attempt,
            by="fallback" if series.address.role == "fallback" else "attempt",
            late=fact.late or series.stop is not None,
        )

    def _attempt_raised(self, fact: f.AttemptRaised) -> None:
        found = self._awaited(fact.address, fact.attempt)
        if found is not None:
            self._attempt_ended_badly(*found, fact.failure, fact.chance)

    def _attempt_stopped(self, fact: f.AttemptStopped) -> None:
        found = self._awaited(fact.address, fact.attempt)
        if found is None:
            return
        record, series = found
        if series.stop is None:
            raise ProtocolError(f"attempt {fact.attempt} of {fact.address} was not to be stopped")
        cause = fact.failure
        if cause is not None:
            cause = attrs.evolve(cause, step=record.id, attempt=series.attempt)
        self._attempt_was_stopped(record, series, cause)

    def _attempt_was_stopped(
        self, record: StepRecord, series: Series, cause: e.Failure | None
    ) -> None:
        if series.stop == "timeout":
            failure = self._timeout_failure(record)
            if cause is not None:
                failure = attrs.evolve(failure, causes=(cause,))
            self._end(record, e.StepFailed, FAILED, failure=failure)
        else:
            self._record(e.StepCancelled, step=record.id, failure=cause)

    def _attempt_ended_badly(
        self, record: StepRecord, series: Series, failure: e.Failure, chance: float
    ) -> None:
        failure = attrs.evolve(failure, step=record.id, attempt=series.attempt)
        if series.stop is not None:
            self._attempt_was_stopped(record, series, failure)
            return
        retry_at = None
        if self.state.stopping is None:
            retry_at = self._retry_at(self._call(record, series).retry, series, failure, chance)
        self._record(
            e.AttemptFailed,
            attempt=series.attempt,
            failure=failure,
            retry_at=retry_at,
            **_place(series.address),
        )
        if retry_at is None:
            self._used_up(record, failure)

    def _retry_at(
        self, retry: Retry | None, series: Series, failure: e.Failure, chance: float
    ) -> float | None:
        """Return when the next attempt is to start, or None if there is to be none (R12)."""
        if retry is None or series.tries >= retry.max_attempts or not _retryable(retry, failure):
            return None
        at = self._now + retry_delay(retry, series.tries, chance)
        if retry.max_elapsed is not None:
            assert series.first_at is not None
            if at > series.first_at + retry.max_elapsed:
                return None
        return at

    def _used_up(self, record: StepRecord, failure: e.Failure) -> None:
        """The series has failed and is not repeated: fallback, then a decision, then FAILED."""
        if self.state.stopping is None:
            if record.planned.fallback is not None and record.fallback is None:
                failure_of_fallback = self._fall_back(record, failure)
                if failure_of_fallback is None:
                    return
                failure = failure_of_fallback
            elif record.fallback is not None and record.failure is not None:
                failure = attrs.evolve(failure, causes=(*failure.causes, record.failure))
            call = record.planned.call
            assert call is not None
            if call.retry is not None and call.retry.on_exhausted == "pause":
                self._pause_for_decision(record, failure)
                return
        self._end(record, e.StepFailed, FAILED, failure=failure)

    def _fall_back(self, record: StepRecord, failure: e.Failure) -> e.Failure | None:
        """Begin the fallback, or return why it cannot begin."""
        assert record.planned.fallback is not None
        template = record.planned.fallback.parameters
        own = record.planned.call
        assert own is not None
        if template is not own.parameters:
            try:
                template.resolve(scope(self.state))
            except MissingInputError as error:
                message = f"its fallback: {error}"
                return e.Failure("reference.missing", message, step=record.id, causes=(failure,))
        self._record(
            e.FallbackStarted, step=record.id, failure=failure, unseen=self._unseen(record)
        )
        assert record.fallback is not None
        self._queue(record, record.fallback)
        return None

    def _pause_for_decision(self, record: StepRecord, failure: e.Failure) -> None:
        self._record(
            e.StepPaused, step=record.id, kind="decision", condition_met=True, failure=failure
        )

    # ---- crashes and interrupts ----

    def _attempt_left(self, fact: f.AttemptLeft) -> None:
        if self._awaited(fact.address, fact.attempt) is not None:
            self._record(e.AttemptInterrupted, attempt=fact.attempt, **_place(fact.address))

    def _attempt_hangs(self, fact: f.AttemptHangs) -> None:
        found = self._awaited(fact.address, fact.attempt)
        if found is not None and not found[1].unresponsive:
            self._record(
                e.AttemptUnresponsive,
                attempt=fact.attempt,
                grace=fact.grace,
                **_place(fact.address),
            )

    def _mark_lost(self) -> None:
        for _, series in self._series_in(ATTEMPTING):
            self._record(e.AttemptCrashed, attempt=series.attempt, **_place(series.address))

    def _decide_lost(self, fact: f.Fact) -> None:
        """Decide about the attempts that were lost, in the order of the document (R17)."""
        lost, self.state.lost = self.state.lost, {}
        for index in sorted(lost):
            record = self.state.steps[index]
            series = record.current
            if record.status != RUNNING or series is None or series.phase != LOST:
                continue
            on_crash = record.planned.on_crash
            if self.state.stopping is not None:
                self._record(e.StepCancelled, step=record.id)
            elif on_crash == "retry" and (series.interrupted or series.crashes < MAX_CRASHES):
                self._queue(record, series)
            else:
                how = "was interrupted" if series.interrupted else "crashed"
                if on_crash == "retry":
                    how = f"crashed {series.crashes} times"
                failure = e.Failure(
                    "crash",
                    f"its process {how}, and how far it got is not known",
                    step=record.id,
                    attempt=series.attempt,
                )
                if on_crash == "pause":
                    self._pause_for_decision(record, failure)
                else:
                    self._used_up(record, failure)

    # ---- time ----

    def _current(self, due: float, what: str, index: int) -> bool:
        """Whether a timer still means something."""
        state = self.state
        if state.status in ENDED:
            return False
        stopping = state.stopping
        if what == "execution":
            return state.deadline == due
        if what == "grace":
            return stopping is not None and stopping.grace_until == due
        record = state.steps[index]
        if what == "sleep":
            return record.wake == due
        series = record.current
        if what == "step":
            asked = series is not None and series.phase == ATTEMPTING and series.stop is not None
            allowed = stopping is None or stopping.allows(due)
            return record.deadline == due and allowed and not asked
        return (
            record.status == RUNNING
            and series is not None
            and series.phase == DELAYED
            and series.retry_at == due
        )

    def _pass_time(self, until: float | None = None) -> None:
        """Let everything happen that is due by now: by instant, timeouts first."""
        timers = self.state.timers
        while timers and timers[0][0] <= (self._now if until is None else until):
            kind = timers[0][:2]
            together = []
            while timers and timers[0][:2] == kind:
                together.append(heapq.heappop(timers))
            for due, _, index, what in together:
                if self._current(due, what, index):
                    _DUE[what](self, index)
            self._settle()

    def _execution_due(self, index: int) -> None:
        workflow = self.plan.workflow
        failure = e.Failure(
            "timeout.execution", f"the execution timed out after {workflow.timeout:g} s"
        )
        self._stop("timeout", failure, 0.0)

    def _grace_due(self, index: int) -> None:
        self._stop_attempts()

    def _step_due(self, index: int) -> None:
        record = self.state.steps[index]
        series = record.current
        if series is not None and series.phase == ATTEMPTING:
            self._stop_attempt(series, "timeout")
            return
        self._drop(record)
        self._end(record, e.StepFailed, FAILED, failure=self._timeout_failure(record))

    def _timeout_failure(self, record: StepRecord) -> e.Failure:
        total = record.planned.total_timeout
        message = f"step {record.id!r} timed out after {total:g} s"
        return e.Failure("timeout.step", message, step=record.id)

    def _sleep_due(self, index: int) -> None:
        self._complete(self.state.steps[index], None, by="sleep")

    def _retry_due(self, index: int) -> None:
        record = self.state.steps[index]
        assert record.current is not None
        self._queue(record, record.current)

    # ---- stopping ----

    def _stop(self, cause: str, failure: e.Failure | None, grace: float | None) -> None:
        """Begin to stop (R22): from here on nothing starts, and what does not run ends at once."""
        state = self.state
        first = state.stopping is None
        self._record(e.StoppingStarted, cause=cause, failure=failure, grace=grace)
        if not first:
            return
        for record in state.steps:
            series = record.current
            if record.status not in ENDED and (series is None or series.phase != ATTEMPTING):
                self._drop(record)
                self._record(e.StepCancelled, step=record.id)

    def _drop(self, record: StepRecord) -> None:
        series = record.current
        if series is None or record.status != RUNNING or series.phase != QUEUED:
            return
        if self._queued.pop(record.planned.index, None) is None and not self.state.pause:
            self._commands.append(c.DropAttempt(series.address, series.attempt + 1))

    def _stop_attempts(self) -> None:
        for index in sorted(self.state.attempting):
            series = self.state.steps[index].current
            assert series is not None
            self._stop_attempt(series, "stopping")

    def _stop_attempt(self, series: Series, why: str) -> None:
        if series.stop is None:
            series.stop = why
            self._commands.append(c.CancelAttempt(series.address, series.attempt))

    # ---- the end ----

    def _finish(self) -> None:
        """Record how the execution ended; everything of it has."""
        state = self.state
        stopping = state.stopping
        if stopping is None and not state.unhandled and not state.deferred:
            found = self._output()
            if not isinstance(found, e.Failure):
                self._record(e.ExecutionCompleted, output=found.value)
                self._commands.append(c.Finish())
                return
            failures = [found]
        else:
            failures = [] if stopping is None or stopping.failure is None else [stopping.failure]
            others = (*state.unhandled.values(), *state.deferred.values())
            failures += [failure for failure in others if [failure] != failures[:1]]
        if stopping is not None and stopping.cause == "cancel":
            reason = "" if state.cancel is None else state.cancel.reason
            self._record(e.ExecutionCancelled, reason=reason, failures=tuple(failures))
        else:
            self._record(e.ExecutionFailed, failures=tuple(failures))
        self._commands.append(c.Finish())

    def _output(self) -> _Resolved | e.Failure:
        """Return the execution's output, or why it has none (R29)."""
        plan = self.plan
        if plan.output is None:
            value: Any = {
                plan.steps[index].id: self.state.steps[index].output
                for index in plan.final_steps
                if self.state.steps[index].status == COMPLETED
            }
        else:
            try:
                value = plan.output.resolve(scope(self.state))
            except MissingInputError as error:
                return e.Failure("reference.missing", f"the workflow's output: {error}")
        problems = () if plan.output_schema is None else plan.output_schema.problems(value)
        if problems:
            return e.Failure("schema.output", _sentence("the workflow's output", problems))
        return _Resolved(value)


@attrs.frozen
class _Resolved:
    """A value, so that a value that is itself callable or a failure is never mistaken."""

    value: Any


def _joined(record: StepRecord) -> bool:
    """Whether a step whose join is decided is to run (R5)."""
    if not record.planned.incoming:
        return True
    if record.planned.join == "all":
        return record.taken == len(record.planned.incoming)
    return record.taken > 0


def _place(address: f.Address) -> dict[str, Any]:
    return {"step": address.step, "role": address.role, "item": address.item}


def _sentence(what: str, problems: tuple[Problem, ...]) -> str:
    listed = "; ".join(str(problem) for problem in problems[:5])
    more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
    return f"{what} does not fit its schema: {listed}{more}"


def _retryable(retry: Retry, failure: e.Failure) -> bool:
    if failure.retryable is not None:
        return failure.retryable
    if any(fnmatchcase(failure.code, pattern) for pattern in retry.not_on):
        return False
    if retry.on is not None:
        return any(fnmatchcase(failure.code, pattern) for pattern in retry.on)
    return not any(fnmatchcase(failure.code, pattern) for pattern in NOT_RETRYABLE)


def retry_delay(retry: Retry, tries: int, chance: float = 1.0) -> float:
    """Return the delay in seconds after `tries` attempts; `chance` in [0, 1] draws the jitter."""
    try:
        delay = retry.initial_delay * float(retry.multiplier) ** (tries - 1)
    except OverflowError:
        delay = retry.max_delay
    delay = min(retry.max_delay, delay)
    return delay * chance if retry.jitter == "full" else delay


_BEGIN: Mapping[str, Callable[[Machine, StepRecord, Scope], Callable[[], None] | None]] = {
    "action": Machine._begin_action,
    "trigger": Machine._begin_trigger,
    "wait": Machine._begin_wait,
    "sleep": Machine._begin_sleep,
    "workflow": Machine._begin_unsupported,
}

_DUE: Mapping[str, Callable[[Machine, int], None]] = {
    "execution": Machine._execution_due,
    "grace": Machine._grace_due,
    "step": Machine._step_due,
    "sleep": Machine._sleep_due,
    "retry": Machine._retry_due,
}

_RECEIVE: Mapping[type[f.Fact], Callable[[Machine, Any], None]] = {
    f.Start: Machine._start,
    f.SlotTaken: Machine._slot_taken,
    f.AttemptRejected: Machine._attempt_rejected,
    f.AttemptReturned: Machine._attempt_returned,
    f.AttemptRaised: Machine._attempt_raised,
    f.AttemptStopped: Machine._attempt_stopped,
    f.AttemptLeft: Machine._attempt_left,
    f.AttemptHangs: Machine._attempt_hangs,
    f.TimePassed: Machine._nothing,
    f.Recovered: Machine._decide_lost,
    f.Check: Machine._decide_lost,
    f.Resume: Machine._ask,
    f.Signal: Machine._ask,
    f.Pause: Machine._ask,
    f.Cancel: Machine._ask,
}
