"""How steps and items begin: gates, joins, conditions, parameters (R1 to R11, R19).

The third floor of the deciding half (see `_core.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from trioflow.definitions._durations import parse_duration, parse_instant
from trioflow.definitions._finding import Scope
from trioflow.definitions._json import not_json
from trioflow.definitions._references import Template
from trioflow.errors import ExpressionError, MissingInputError
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._attempts import Attempts
from trioflow.kernel._connections import item_scope, scope, why_dead
from trioflow.kernel._core import Outcome, Resolved, has_lost, in_items_end, sentence
from trioflow.kernel._records import StepRecord, Unit
from trioflow.kernel._states import COMPLETED, FAILED, PAUSED, PENDING, RUNNING, SKIPPED

# How deep child executions may be nested: a workflow that starts itself must come to an end (R28).
MAX_DEPTH = 32


class Beginning(Attempts):
    """Decides what becomes of a step when it is its turn."""

    # ---- looking at a step whose gates are open ----

    def _look_at(self, record: StepRecord) -> Outcome | None:
        """Return what is to be recorded for a step that may be ready, or None.

        Only what had ended before is seen, so the outcomes of a group are found first and
        recorded afterwards.
        """
        if record.status == PENDING:
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
                return self._failed(record, "condition.error", f"its condition: {error}")
            except ExpressionError as error:
                return self._failed(record, "condition.error", f"its condition: {error}")
            if not met:
                reason = f"its condition is false: {condition.text}"
                return lambda: self._end(record, e.StepSkipped, SKIPPED, reason=reason)
        return _BEGIN[record.planned.type](self, record, seen)

    def _begin_action(self, record: StepRecord, seen: Scope) -> Outcome | None:
        planned = record.planned
        if planned.items is not None:
            return self._begin_items(record, seen)
        template = planned.child_input if planned.call is None else planned.call.parameters
        assert template is not None
        found = self._resolve(record, template, seen)
        if callable(found):
            return found
        problems = self._input_problems(record, found.value)
        if problems is not None:
            return lambda: self._fail(record, problems)
        if self.state.pause:
            return self._hold(record)
        unseen = self._unseen(record)

        def begin() -> None:
            self._record(
                e.StepStarted, step=record.id, deadline=self._deadline_of(record), unseen=unseen
            )
            self._begin_unit(record, found.value)

        return begin

    def _input_problems(self, unit: Unit, parameters: Any) -> e.Failure | None:
        schema = unit.planned.input_schema
        problems = () if schema is None else schema.problems(parameters, "$.parameters")
        if problems:
            return e.Failure("schema.input", sentence("its parameters", problems), step=unit.id)
        child = self.children_known.get(unit.planned.workflow or "")
        if child is None:
            return None
        # With the defaults, and before anything of the child is recorded (R28).
        schema, given = child.plan.input_schema, {**(child.input or {}), **parameters}
        # What is handed down from level to level must not become deeper and deeper.
        fault = not_json(given, "$.parameters")
        problems = (fault,) if fault is not None else ()
        if not problems and schema is not None:
            problems = schema.problems(given, "$.parameters")
        if not problems:
            return None
        what = f"the input of workflow {child.id!r}"
        return e.Failure("schema.input", sentence(what, problems), step=unit.id)

    def _begin_unit(self, unit: Unit, parameters: Any) -> None:
        """Queue the first attempt of a step or an item, or start its child."""
        if unit.series is not None:
            unit.series.parameters = parameters
            self._queue(unit, unit.series)
            return
        if self.state.depth + 1 > MAX_DEPTH:
            message = f"its child execution would be more than {MAX_DEPTH} levels deep"
            self._fail(unit, e.Failure("workflow.failed", message, step=unit.id))
            return
        address = f.Address(unit.id, "step", unit.item)
        execution = address.key(self.state.id)
        if self._step_of(unit).status == PAUSED:
            # All items that were under way have paused, and one has made room for this one.
            self._record(e.StepResumed, step=unit.id)
        self._record(e.ChildStarted, step=unit.id, execution=execution, item=unit.item)
        self._commands.append(self._child_command(unit))

    # ---- the items of a step ----

    def _begin_items(self, record: StepRecord, seen: Scope) -> Outcome | None:
        planned = record.planned
        assert planned.items is not None
        found = self._resolve(record, planned.items, seen)
        if callable(found):
            return found
        values = found.value
        if not isinstance(values, list):
            message = f"`for_each.items` is {_kind(values)}, not a list"
            failure = e.Failure("schema.input", message, step=record.id)
            return lambda: self._fail(record, failure)
        template = planned.child_input if planned.call is None else planned.call.parameters
        assert template is not None
        if values:
            # What is missing besides the item's own paths is the same for all items (R19).
            seen.item, seen.item_index = values[0], 0
            try:
                template.resolve(seen)
            except MissingInputError as error:
                assert planned.for_each is not None
                name = planned.for_each.as_
                others = [path for path in error.others if not _is_of_item(path, name)]
                if others:
                    message = str(MissingInputError(others[0], (), others))
                    failure = e.Failure("reference.missing", message, step=record.id)
                    return lambda: self._fail(record, failure)
                if error.inputs:
                    return self._pause_for(record, error.inputs, condition_met=True)
        if self.state.pause:
            return self._hold(record)
        unseen = self._unseen(record)

        def begin() -> None:
            self._record(
                e.StepStarted,
                step=record.id,
                deadline=self._deadline_of(record),
                items=len(values),
                unseen=unseen,
            )
            record.values = values
            # At once, so that what cannot even begin ends the step in the group that it is of.
            self.state.look_at_items.pop(record.planned.index, None)
            self._go_on_with(record)

        return begin

    def _look_at_items(self) -> None:
        """Begin items, and end steps whose items have ended, as far as that goes by now."""
        waiting, self.state.look_at_items = self.state.look_at_items, {}
        for index in sorted(waiting):
            self._go_on_with(self.state.steps[index])

    def _go_on_with(self, record: StepRecord) -> None:
        for_each, items = record.planned.for_each, record.items
        assert for_each is not None
        assert items is not None
        if record.first_failed is not None and record.cut is None and not has_lost(record):
            self._cut(record, "items")
        if self.state.stopping is None and not in_items_end(record):
            limit = for_each.max_concurrent or self.slots
            while record.next_item < len(items):
                item = items[record.next_item]
                if item.status != PENDING:
                    record.next_item += 1
                    continue
                # In a pause nothing begins; the resume looks again.
                if self.state.pause or len(record.under_way) >= limit:
                    break
                self._begin_item(record, item)
                if in_items_end(record):
                    self._cut(record, "items")
                    break
        if not record.under_way and (
            record.next_item >= len(items)
            or self.state.stopping is not None
            or in_items_end(record)
        ):
            self._end_items(record)
            return
        running = any(items[index].status == RUNNING for index in record.under_way)
        if not running and record.under_way and record.status == RUNNING:
            waits = {items[index].waits_for for index in record.under_way}
            self._pause_unit(record, "child" if waits == {"child"} else "items")
        elif running and record.status == PAUSED:
            self._record(e.StepResumed, step=record.id)

    def _begin_item(self, record: StepRecord, item: Unit) -> None:
        template = (
            record.planned.child_input
            if record.planned.call is None
            else record.planned.call.parameters
        )
        assert template is not None
        self.state.begin_item(item)
        seen = scope(self.state, input=record.input, unseen=record.unseen)
        failure: e.Failure | None = None
        parameters: Any = None
        try:
            parameters = template.resolve(item_scope(self.state, item, seen))
        except MissingInputError as error:
            failure = e.Failure("reference.missing", str(error), step=record.id)
        else:
            failure = self._input_problems(item, parameters)
        if failure is not None:
            self._fail(item, failure)
        else:
            self._begin_unit(item, parameters)

    def _cut(self, record: StepRecord, why: str, grace: float | None = 0.0) -> None:
        """Stop what is under way of a step's items: no other begins, and nothing is repeated."""
        record.cut = why
        assert record.items is not None
        for index in list(record.under_way):
            item = record.items[index]
            if self._is_busy(item):
                self._stop_unit(item, why, grace)
            else:
                self._drop(item)
                self._cancel(item)

    def _end_items(self, record: StepRecord) -> None:
        """End a step none of whose items is under way any more (R19)."""
        items = record.items
        assert items is not None
        failed = record.first_failed
        if failed is not None:
            assert failed.failure is not None
            failure = attrs.evolve(
                failed.failure,
                message=f"item {failed.item}: {failed.failure.message}",
                step=record.id,
            )
            self._fail(record, failure)
        elif all(item.status in (COMPLETED, FAILED) for item in items):
            self._complete(
                record,
                [item.output for item in items],
                by="items",
                late=any(item.late for item in items),
            )
        elif record.cut == "timeout":
            self._fail(record, self._timeout_failure(record))
        else:
            self._cancel(record)

    def _begin_sleep(self, record: StepRecord, seen: Scope) -> Outcome | None:
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
            return self._failed(record, "schema.input", str(error))
        if self.state.pause:
            return self._hold(record)
        return lambda: self._record(e.StepStarted, step=record.id, wake=wake)

    def _begin_wait(self, record: StepRecord, seen: Scope) -> Outcome | None:
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

    def _begin_trigger(self, record: StepRecord, seen: Scope) -> Outcome | None:
        if self.state.pause:
            return self._hold(record)
        output = dict(self.state.input)
        return lambda: self._complete(record, output, by="trigger")

    def _resolve(self, record: StepRecord, template: Template, seen: Scope) -> Resolved | Outcome:
        try:
            return Resolved(template.resolve(seen))
        except MissingInputError as error:
            if error.others:
                return self._failed(record, "reference.missing", str(error))
            return self._pause_for(record, error.inputs, condition_met=True)

    def _hold(self, record: StepRecord) -> Outcome | None:
        """Leave a step that could start to the resume that ends the pause (R27)."""
        if record.planned.condition is None or record.condition_met:
            return None
        return lambda: self._record(e.StepHeld, step=record.id)

    def _pause_for(
        self, record: StepRecord, inputs: tuple[str, ...], *, condition_met: bool
    ) -> Outcome:
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

    def _failed(self, record: StepRecord, code: str, message: str) -> Outcome:
        failure = e.Failure(code, message, step=record.id)
        return lambda: self._fail(record, failure)

    def _skip_dead(self, record: StepRecord) -> Outcome:
        dead = [i for i in record.planned.incoming if self.state.decided[i] is False]
        reason = "; ".join(why_dead(self.state, index) for index in dead)
        killed_by = tuple(self.plan.connections[index].id for index in dead)
        return lambda: self._end(record, e.StepSkipped, SKIPPED, reason=reason, killed_by=killed_by)

    def _deadline_of(self, record: StepRecord) -> float | None:
        total = record.planned.total_timeout
        return None if total is None else self._now + total


def _joined(record: StepRecord) -> bool:
    """Whether a step whose join is decided is to run (R5)."""
    if not record.planned.incoming:
        return True
    if record.planned.join == "all":
        return record.taken == len(record.planned.incoming)
    return record.taken > 0


def _kind(value: Any) -> str:
    kinds = {dict: "an object", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _is_of_item(path: str, name: str) -> bool:
    """Whether a missing path is one of the item; no step can have its name."""
    return path.startswith((f"{name}.", f"{name}["))


_BEGIN: Mapping[str, Callable[[Beginning, StepRecord, Scope], Outcome | None]] = {
    "action": Beginning._begin_action,
    "trigger": Beginning._begin_trigger,
    "wait": Beginning._begin_wait,
    "sleep": Beginning._begin_sleep,
    "workflow": Beginning._begin_action,
}
