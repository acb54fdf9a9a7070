"""What becomes of attempts and of children: repeated, replaced, undone, given up (R10 to R18).

The second floor of the deciding half (see `_core.py`).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import attrs

from trioflow.definitions._graph import PlannedCall
from trioflow.definitions._model import Retry
from trioflow.errors import MissingInputError, ProtocolError
from trioflow.kernel import _commands as c
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._connections import item_scope, scope, undo_scope
from trioflow.kernel._core import Core, in_items_end, place_of, sentence
from trioflow.kernel._records import ATTEMPTING, LOST, QUEUED, Child, Series, Unit
from trioflow.kernel._states import PAUSED, RUNNING

# After so many crashes of one series, `on_crash: retry` gives up: an action that kills its process
# would otherwise do so for ever (R17).
MAX_CRASHES = 3

# What no repetition can mend, so it is not repeated unless `retry.on` says so (R12).
NOT_RETRYABLE = ("schema.*", "reference.*", "condition.*", "result.*")

# How long (seconds) one attempt to undo may take where neither it nor its step says (R24).
UNDO_TIMEOUT = 900.0


class Attempts(Core):
    """Decides what follows from how attempts and children end."""

    # ---- calling ----

    def _line_up(self, slots: int) -> None:
        """Start what this turn has queued, or queue it, in the order of the document (R8)."""
        for key in sorted(self._queued):
            if self._held:
                continue
            unit, series = self.state.unit(key), self._queued[key]
            # A secret is looked for before the slot is taken, and not by the machine.
            if slots > 0 and not self._call(unit, series).parameters.secrets:
                slots -= 1
                self._start_attempt(unit, series)
            else:
                slots = 0
                self._commands.append(self._queue_command(unit, series))

    def _start_attempt(self, unit: Unit, series: Series) -> None:
        self._record(e.AttemptStarted, attempt=series.attempt + 1, **place_of(series.address))
        self._commands.append(self._attempt_command(unit, series))

    def _queue_command(self, unit: Unit, series: Series) -> c.QueueAttempt:
        template = self._call(unit, series).parameters
        return c.QueueAttempt(series.address, series.attempt + 1, template.secrets)

    def _attempt_command(self, unit: Unit, series: Series) -> c.RunAttempt:
        call = self._call(unit, series)
        if series.parameters is None:
            series.parameters = self._parameters(unit, series, call)
        undoing = series.address.role == "compensate"
        timeout = call.timeout
        if undoing and timeout is None:
            own = unit.planned.call
            timeout = UNDO_TIMEOUT if own is None or own.timeout is None else own.timeout
        return c.RunAttempt(
            series.address,
            series.attempt,
            call.action,
            series.parameters,
            key=series.address.key(self.state.id),
            timeout=timeout,
            deadline=self._step_of(unit).deadline,
        )

    def _parameters(self, unit: Unit, series: Series, call: PlannedCall) -> Any:
        """Resolve the parameters of a series as of the record that began it (R10)."""
        role = series.address.role
        if role == "compensate":
            return call.parameters.resolve(undo_scope(self.state, unit))
        # A fallback without parameters of its own gets those of its step, as of its start.
        shared = unit.planned.call is not None and call.parameters is unit.planned.call.parameters
        origin = unit.series if shared and unit.series is not None else series
        seen = scope(self.state, input=origin.input, unseen=origin.unseen)
        return call.parameters.resolve(item_scope(self.state, unit, seen))

    def _call(self, unit: Unit, series: Series) -> PlannedCall:
        found = unit.planned.call_of(series.address.role)
        assert found is not None
        return found

    # ---- being told about attempts ----

    def _awaited(
        self, address: f.Address, attempt: int, phase: str = ATTEMPTING
    ) -> tuple[Unit, Series] | None:
        """Return whose answer this is, or None if nobody waits for it (any more)."""
        unit = self._addressed(address)
        series = None if unit is None else unit.current
        if unit is None or series is None or series.address != address:
            return None
        if unit.status != RUNNING and unit.undo is None:
            return None
        expected = series.attempt + (phase == QUEUED)
        return (unit, series) if series.phase == phase and expected == attempt else None

    def _addressed(self, address: f.Address) -> Unit | None:
        index = self.plan.index.get(address.step)
        if index is None:
            return None
        record = self.state.steps[index]
        if address.item is None:
            return record
        items = record.items or []
        return items[address.item] if 0 <= address.item < len(items) else None

    def _slots_taken(self, fact: f.SlotsTaken) -> None:
        for address, attempt in fact.attempts:
            found = self._awaited(address, attempt, QUEUED)
            if found is None or self._held:
                continue
            self._start_attempt(*found)

    def _attempt_rejected(self, fact: f.AttemptRejected) -> None:
        # A secret may go while the attempt waits for its slot, and is missed when it is called.
        found = self._awaited(fact.address, fact.attempt, QUEUED)
        found = found or self._awaited(fact.address, fact.attempt)
        if found is None:
            return
        unit, series = found
        failure = attrs.evolve(fact.failure, step=fact.address.step)
        if series.stop is not None:
            self._was_stopped(unit, series.stop, failure)
        elif series.address.role == "compensate":
            self._cannot_undo(unit, failure)
        else:
            self._fail(unit, failure)

    def _attempt_returned(self, fact: f.AttemptReturned) -> None:
        found = self._awaited(fact.address, fact.attempt)
        if found is None:
            return
        unit, series = found
        if series.address.role == "compensate":
            self._record(e.StepCompensated, step=unit.id, attempt=fact.attempt, item=unit.item)
            return
        problems = fact.problems
        if problems is None:
            schema = unit.planned.output_schema
            problems = () if schema is None else schema.problems(fact.output)
        if problems:
            failure = e.Failure("schema.output", sentence("its output", problems))
            timeout = self._call(unit, series).timeout
            if fact.late and series.stop is None and timeout is not None:
                # A late value that does not fit counts as if the action had raised (R16).
                message = f"attempt {fact.attempt} timed out after {timeout:g} s"
                failure = e.Failure("timeout.attempt", message, causes=(failure,))
            self._attempt_ended_badly(unit, series, failure, fact.chance)
            return
        self._complete(
            unit,
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
        unit, series = found
        if series.stop is None:
            raise ProtocolError(f"attempt {fact.attempt} of {fact.address} was not to be stopped")
        cause = fact.failure
        if cause is not None:
            cause = attrs.evolve(cause, step=unit.id, attempt=series.attempt)
        self._was_stopped(unit, series.stop, cause)

    def _attempt_left(self, fact: f.AttemptLeft) -> None:
        if self._awaited(fact.address, fact.attempt) is not None:
            self._record(e.AttemptInterrupted, attempt=fact.attempt, **place_of(fact.address))

    def _attempt_hangs(self, fact: f.AttemptHangs) -> None:
        found = self._awaited(fact.address, fact.attempt)
        if found is not None and not found[1].unresponsive:
            self._record(
                e.AttemptUnresponsive,
                attempt=fact.attempt,
                grace=fact.grace,
                **place_of(fact.address),
            )

    # ---- failing ----

    def _was_stopped(self, unit: Unit, why: str, cause: e.Failure | None) -> None:
        """What was asked to stop has stopped; `cause` is what it raised besides, if anything."""
        if why == "timeout" and unit.item is None:
            failure = self._timeout_failure(self._step_of(unit))
            if cause is not None:
                failure = attrs.evolve(failure, causes=(cause,))
            self._fail(unit, failure)
        else:
            self._cancel(unit, cause)

    def _attempt_ended_badly(
        self, unit: Unit, series: Series, failure: e.Failure, chance: float
    ) -> None:
        failure = attrs.evolve(failure, step=unit.id, attempt=series.attempt)
        if series.stop is not None:
            self._was_stopped(unit, series.stop, failure)
            return
        undoing = series.address.role == "compensate"
        retry_at = None
        if undoing or self._may_go_on(unit):
            retry_at = self._retry_at(self._call(unit, series).retry, series, failure, chance)
        self._record(
            e.AttemptFailed,
            attempt=series.attempt,
            failure=failure,
            retry_at=retry_at,
            **place_of(series.address),
        )
        if retry_at is not None:
            return
        if undoing:
            self._cannot_undo(unit, failure)
        else:
            self._used_up(unit, failure)

    def _may_go_on(self, unit: Unit) -> bool:
        """Whether anything may still be tried for a step or an item."""
        if self.state.stopping is not None:
            return False
        return unit.item is None or not in_items_end(self._step_of(unit))

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

    def _used_up(self, unit: Unit, failure: e.Failure) -> None:
        """The series has failed and is not repeated: fallback, then a decision, then FAILED."""
        if unit.fallback is not None and unit.failure is not None:
            failure = attrs.evolve(failure, causes=(*failure.causes, unit.failure))
        if self._may_go_on(unit):
            if unit.planned.fallback is not None and unit.fallback is None:
                failure_of_fallback = self._fall_back(unit, failure)
                if failure_of_fallback is None:
                    return
                failure = failure_of_fallback
            call = unit.planned.call
            assert call is not None
            if call.retry is not None and call.retry.on_exhausted == "pause":
                self._pause_unit(unit, "decision", failure)
                return
        self._fail(unit, failure)

    def _fall_back(self, unit: Unit, failure: e.Failure) -> e.Failure | None:
        """Begin the fallback, or return why it cannot begin."""
        assert unit.planned.fallback is not None
        template = unit.planned.fallback.parameters
        own = unit.planned.call
        assert own is not None
        if template is not own.parameters:
            try:
                template.resolve(item_scope(self.state, unit, scope(self.state)))
            except MissingInputError as error:
                message = f"its fallback: {error}"
                return e.Failure("reference.missing", message, step=unit.id, causes=(failure,))
        self._record(
            e.FallbackStarted,
            step=unit.id,
            failure=failure,
            item=unit.item,
            unseen=self._unseen(self._step_of(unit)),
        )
        assert unit.fallback is not None
        self._queue(unit, unit.fallback)
        return None

    def _cannot_undo(self, unit: Unit, failure: e.Failure) -> None:
        self._record(e.CompensationFailed, step=unit.id, failure=failure, item=unit.item)

    # ---- crashes and interrupts ----

    def _mark_lost(self) -> None:
        for key in sorted(self.state.attempting):
            series = self.state.unit(key).current
            assert series is not None
            self._record(e.AttemptCrashed, attempt=series.attempt, **place_of(series.address))

    def _decide_lost(self, fact: f.Fact) -> None:
        """Decide about the attempts that were lost, in the order of the document (R17)."""
        lost, self.state.lost = self.state.lost, {}
        for key in sorted(lost):
            unit = self.state.unit(key)
            series = unit.current
            if series is not None and series.phase == LOST and self._awaits_decision(unit):
                self._decide_about_lost(unit, series)

    def _awaits_decision(self, unit: Unit) -> bool:
        return unit.status == RUNNING or unit.undo is not None

    def _decide_about_lost(self, unit: Unit, series: Series) -> None:
        undoing = series.address.role == "compensate"
        on_crash = "retry" if undoing else unit.planned.on_crash
        if not undoing and not self._may_go_on(unit):
            self._cancel(unit)
            return
        if on_crash == "retry" and series.crashes < MAX_CRASHES:
            self._queue(unit, series)
            return
        how = "was interrupted" if series.interrupted else "crashed"
        if on_crash == "retry":
            how = f"crashed {series.crashes} times"
        failure = e.Failure(
            "crash",
            f"its process {how}, and how far it got is not known",
            step=unit.id,
            attempt=series.attempt,
        )
        if undoing:
            self._cannot_undo(unit, failure)
        elif on_crash == "pause":
            self._pause_unit(unit, "decision", failure)
        else:
            self._used_up(unit, failure)

    # ---- children ----

    def _with_child(self, address: f.Address) -> Unit | None:
        unit = self._addressed(address)
        return unit if unit is not None and unit.child is not None else None

    def _why_stopped(self, child: Child) -> str | None:
        """Why a child was asked to stop, if it was: with its execution every child is."""
        stopping = self.state.stopping
        if stopping is None or child.stop not in (None, "grace"):
            return child.stop
        return "grace" if self._now < stopping.grace_until else "stopping"

    def _child_command(self, unit: Unit) -> c.StartChild:
        template = unit.planned.child_input
        assert unit.child is not None
        assert template is not None
        record = self._step_of(unit)
        seen = scope(self.state, input=record.input, unseen=record.unseen)
        return c.StartChild(
            f.Address(unit.id, "step", unit.item),
            unit.child.execution,
            str(unit.planned.workflow),
            template.resolve(item_scope(self.state, unit, seen)),
            self.state.depth + 1,
        )

    def _child_rejected(self, fact: f.ChildRejected) -> None:
        unit = self._with_child(fact.address)
        if unit is None:
            return
        assert unit.child is not None
        stop = self._why_stopped(unit.child)
        if stop is not None:
            self._was_stopped(unit, stop, fact.failure)
        else:
            self._fail(unit, attrs.evolve(fact.failure, step=unit.id))

    def _child_ended(self, fact: f.ChildEnded) -> None:
        """Carry the end of a child over to its step (R28)."""
        unit = self._with_child(fact.address)
        if unit is None:
            return
        assert unit.child is not None
        stop, execution = self._why_stopped(unit.child), unit.child.execution
        if fact.status == "COMPLETED":
            schema = unit.planned.output_schema
            problems = () if schema is None else schema.problems(fact.output)
            if not problems:
                late = stop not in (None, "grace")
                self._complete(unit, fact.output, by="child", late=late)
                return
            failure = e.Failure(
                "schema.output", sentence("the child's output", problems), step=unit.id
            )
        else:
            verb = "failed" if fact.status == "FAILED" else "was cancelled"
            failure = e.Failure(
                f"workflow.{fact.status.lower()}",
                f"child execution {execution!r} {verb}",
                step=unit.id,
                causes=fact.failures,
            )
        # In a grace a child may still fail by itself, and then that counts.
        if stop is not None and (stop != "grace" or fact.status == "CANCELLED"):
            self._was_stopped(unit, stop, failure)
        else:
            self._fail(unit, failure)

    def _child_paused(self, fact: f.ChildPaused) -> None:
        unit = self._with_child(fact.address)
        if unit is not None and unit.status == RUNNING and self.state.stopping is None:
            self._pause_unit(unit, "child")

    def _child_resumed(self, fact: f.ChildResumed) -> None:
        unit = self._with_child(fact.address)
        if unit is None or unit.status != PAUSED:
            return
        if unit.item is None:
            self._record(e.StepResumed, step=unit.id)
        else:
            self._record(e.ItemResumed, step=unit.id, item=unit.item)


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
