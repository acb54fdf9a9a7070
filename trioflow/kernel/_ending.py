"""How an execution comes to its end: stopping, undoing, the final record (R20 to R24, R29).

The fourth floor of the deciding half (see `_core.py`).
"""

from __future__ import annotations

from typing import Any

from trioflow.definitions._json import is_small, not_json
from trioflow.errors import MissingInputError
from trioflow.kernel import _commands as c
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._beginning import Beginning
from trioflow.kernel._codec import encode_json
from trioflow.kernel._connections import scope, undo_scope
from trioflow.kernel._core import Resolved, sentence
from trioflow.kernel._records import StepRecord, Unit
from trioflow.kernel._sizes import MAX_OUTPUT_BYTES, as_many_as_fit, size_of, too_large
from trioflow.kernel._states import COMPLETED, ENDED


class Ending(Beginning):
    """Decides how what runs is stopped, what is undone, and what the end is."""

    def _child_wishes(self) -> list[c.Command]:
        """Return what children have to be told about pausing and stopping."""
        wishes: list[c.Command] = []
        for unit in self._units():
            if unit.child is None or unit.child.stop not in (None, "grace"):
                continue
            unit.child.stop = self._why_stopped(unit.child)
            wishes += self._child_wish(unit)
        return wishes

    def _child_wish(self, unit: Unit, missed: bool = False) -> list[c.Command]:
        """Return what a child has to be told, with its instant if it may have `missed` it."""
        assert unit.child is not None
        address = f.Address(unit.id, "step", unit.item)
        why, stopping = self._why_stopped(unit.child), self.state.stopping
        if why == "grace" and stopping is not None:
            left = stopping.grace_until - self._now
            return [c.StopChild(address, None if left == float("inf") else left)]
        if why is not None:
            return [c.StopChild(address, 0.0)]
        asked_at = self.state.pause_at
        if asked_at is None:
            return []
        wish = c.PauseChild if self.state.pause else c.ResumeChild
        return [wish(address, asked_at if missed else None)]

    # ---- stopping ----

    def _stop(self, cause: str, failure: e.Failure | None, grace: float | None) -> None:
        """Begin to stop (R22): from here on nothing starts, and what does not run ends at once."""
        state = self.state
        first = state.stopping is None
        self._record(e.StoppingStarted, cause=cause, failure=failure, grace=grace)
        if first:
            for record in state.steps:
                if record.status not in ENDED:
                    self._stop_step(record)
        self._commands += self._child_wishes()

    def _stop_step(self, record: StepRecord) -> None:
        if record.items is None:
            self._stop_idle(record)
            return
        for index in list(record.under_way):
            self._stop_idle(record.items[index])
        self.state.look_at_items[record.planned.index] = None

    def _stop_idle(self, unit: Unit) -> None:
        """Cancel a step or an item of which nothing runs."""
        if not self._is_busy(unit):
            self._drop(unit)
            self._cancel(unit)

    def _stop_attempts(self) -> None:
        for key in sorted((*self.state.attempting, *self.state.children)):
            unit = self.state.unit(key)
            if unit.undo is not None:
                continue
            if unit.child is None or unit.child.stop in (None, "grace"):
                self._stop_unit(unit, "stopping")

    # ---- the end ----

    def _undo(self) -> bool:
        """Undo what was completed, the last first (R24). False: there is nothing (more) to undo."""
        state = self.state
        assert state.stopping is not None
        status = "cancelled" if state.stopping.cause == "cancel" else "failed"
        if status not in self.plan.workflow.compensate_on:
            return False
        while state.to_undo:
            unit = state.unit(state.to_undo[-1])
            if unit.undo is not None:
                # It is under way: queued, running, or between two attempts.
                return True
            assert unit.planned.compensate is not None
            try:
                parameters = unit.planned.compensate.parameters.resolve(undo_scope(state, unit))
            except MissingInputError as error:
                self._cannot_undo(unit, e.Failure("reference.missing", str(error), step=unit.id))
                continue
            undo = state.begin_undo(unit)
            undo.parameters = parameters
            self._queue(unit, undo)
            return True
        return False

    def _finish(self) -> None:
        """Record how the execution ended; everything of it has."""
        state = self.state
        stopping = state.stopping
        if stopping is None:
            failures = [*state.unhandled.values(), *state.deferred.values()]
            if not failures:
                found = self._output()
                if not isinstance(found, e.Failure):
                    self._record(e.ExecutionCompleted, output=found.value)
                    self._commands.append(c.Finish())
                    return
                failures = [found]
            if state.to_undo and "failed" in self.plan.workflow.compensate_on:
                # Nothing is left to stop, but this fixes how it ends, whatever comes meanwhile.
                self._stop("failure", failures[0], 0.0)
                return
        else:
            failures = [] if stopping.failure is None else [stopping.failure]
            others = (
                *state.unhandled.values(),
                *state.deferred.values(),
                *state.undo_failures,
            )
            failures += [failure for failure in others if [failure] != failures[:1]]
        if stopping is not None and stopping.cause == "cancel":
            reason = "" if state.cancel is None else state.cancel.reason
            self._record(e.ExecutionCancelled, reason=reason, failures=as_many_as_fit(failures))
        else:
            self._record(e.ExecutionFailed, failures=as_many_as_fit(failures))
        self._commands.append(c.Finish())

    def _output(self) -> Resolved | e.Failure:
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
        fault = not_json(value)
        if fault is not None:
            # It is made of outputs that are JSON, but it may be nested too deeply by now.
            return e.Failure("result.not_json", sentence("the workflow's output", (fault,)))
        if not is_small(value):
            # Each of the outputs that it is made of fits, but all of them together may not.
            size = size_of(encode_json(value))
            if size > MAX_OUTPUT_BYTES:
                return too_large("the workflow's output", size)
        problems = () if plan.output_schema is None else plan.output_schema.problems(value)
        if problems:
            return e.Failure("schema.output", sentence("the workflow's output", problems))
        return Resolved(value)
