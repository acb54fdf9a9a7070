"""What a history has decided: the facts from which the oracle predicts a recovery.

A history is read as JSON, event by event, and nothing is decided here that an event says. What no
event says is worked out from the document: parameters, for example, are resolved again, as of the
record that started the step (R10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from harness._scenario import Act, Scenario
from harness.oracle._document import Document, Graph, graph_of
from harness.oracle._ending import decide_all, judge, note_erred, verdict_of_join
from harness.oracle._looking import item_of
from harness.oracle._predict import Facts
from harness.oracle._requests import merge
from harness.oracle._state import (
    BESIDE,
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    FOR_EVER,
    PAUSED,
    PENDING,
    RUNNING,
    SKIPPED,
    STEP_TIMEOUT,
    STOP,
    Attempt,
    Failure,
    Run,
    StepRun,
    Stopping,
    Unit,
)
from harness.oracle._stopping import begin_undoing, prepare_undo, undo_of
from harness.oracle._units import fill, items_go_on
from harness.oracle._world import World

Event = Mapping[str, Any]


def facts_of(
    document: Document,
    scenario: Scenario,
    histories: Mapping[str, Sequence[Event]],
    at: float,
    acts: Sequence[Act] = (),
) -> Facts:
    """Return the facts that histories tell, of an engine that is gone; opened again at `at`.

    `histories` are those of the execution, `x`, and of its children, by their ids.
    """
    graphs = {name: graph_of(each) for name, each in scenario.workflows.items()}
    graph = graph_of(document)
    graphs.setdefault(graph.id, graph)
    world = World(scenario, graphs, at, scenario.limit)
    world.tick = lambda instant: None
    run = _Reader(world, histories, "x", graph).read()
    if run.status == PENDING:
        # Nothing was stored, so whoever started it does so again.
        run.input = {**(graph.fields.get("input") or {}), **scenario.input}
        return Facts(run, at, tuple(acts), "fresh")
    return Facts(run, at, tuple(acts), "down")


@attrs.define(eq=False)
class _Reader:
    world: World
    histories: Mapping[str, Sequence[Event]]
    id: str
    graph: Graph
    run: Run = attrs.field(init=False)
    # Undos that have been begun, by step and item, and those that are over.
    undos: dict[tuple[str, int | None], Unit] = attrs.field(factory=dict)
    undone: set[tuple[str, int | None]] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        limit = self.graph.fields.get("max_concurrent_steps") or self.world.scenario.limit
        steps = {step.id: StepRun(step) for step in self.graph.steps.values()}
        self.run = Run(self.graph, self.id, {}, 0.0, limit, steps)

    def read(self) -> Run:
        for event in self.histories.get(self.id, ()):
            self.world.now = event["at"]
            handler: Callable[[Event], None] | None = getattr(self, f"on_{event['type']}", None)
            if handler is not None:
                handler(event)
        self._settle()
        return self.run

    def _settle(self) -> None:
        """Work out what leaves no event."""
        run = self.run
        for found in run.in_order():
            ready = found.status == PENDING and verdict_of_join(run, found.step) is not None
            if run.pause and ready and not run.ended:
                # R27: whatever could start was looked at, and is held back.
                found.grouped = found.joined = found.condition_met = found.held = True
            has_items = found.step.for_each and found.step.type == "action" and found.units
            if has_items and not (found.ended or run.pause or run.stopping):
                # R19: an item whose turn has come leaves no trace before its first attempt.
                items_go_on(self.world, run, found)
        over = all(found.ended for found in run.in_order())
        if run.status not in (PENDING, PAUSED) and not run.ended and over:
            begin_undoing(run)
            assert run.undoing is not None
            run.undoing = [
                self.undos.get((undo.step.id, undo.index), undo)
                for undo in run.undoing
                if (undo.step.id, undo.index) not in self.undone
            ]
            for undo in run.undoing[:1]:
                prepare_undo(self.world, run, undo)
                undo.wants = undo.current is None and undo.retry_at is None
        for unit in run.units():
            if unit.current is not None and unit.current.gone is None:
                unit.current.gone = "crash"

    # ---- the execution ----

    def on_ExecutionStarted(self, event: Event) -> None:  # noqa: N802
        run = self.run
        run.input, run.started_at = event["input"], event["at"]
        run.status, run.since = RUNNING, event["at"]
        if self.graph.timeout is not None:
            run.deadline = event["at"] + self.graph.timeout

    def on_ExecutionPaused(self, event: Event) -> None:  # noqa: N802
        run = self.run
        if run.left is not None and run.left[0] == event["at"]:
            run.since = run.left[1]
        else:
            run.since = event["at"]
        run.status, run.paused_at = PAUSED, event["at"]

    def on_ExecutionResumed(self, event: Event) -> None:  # noqa: N802
        run = self.run
        if run.deadline is not None and run.paused_at is not None:
            run.deadline += event["at"] - run.paused_at
        run.left = (event["at"], run.since)
        run.status, run.paused_at, run.since = RUNNING, None, event["at"]

    def on_StoppingStarted(self, event: Event) -> None:  # noqa: N802
        run = self.run
        grace = event.get("grace", 0.0)
        seconds = FOR_EVER if grace is None else grace
        if run.stopping is not None:
            # R22: a later cause, which is only added to the errors, and ends the grace.
            run.unhandled.append((Failure("timeout.execution"), None))
            run.stopping.grace_end, run.stopping.over = event["at"], True
            run.deadline = None
            self._ask_all()
            return
        final = CANCELLED if event["cause"] == "cancel" else FAILED
        run.stopping = Stopping(final, event["at"] + seconds, seconds <= 0, since=event["at"])
        run.pause = False
        run.waiting_edges.clear()
        if event["cause"] == "timeout":
            run.unhandled.insert(0, (Failure("timeout.execution"), None))
            run.deadline = None
        elif event["cause"] == "failure" and not (run.unhandled or run.deferred):
            # R29: no step has failed, but the output.
            run.unhandled.append((_failure(event["failure"]), None))
        for found in run.in_order():
            late = found.deadline is not None and found.deadline <= event["at"]
            if late and event["cause"] != "timeout":
                self._out_of_time(found)
            self._nothing_more_begins(found, STOP if seconds <= 0 else None)
            self._ask_children(found, STOP if seconds <= 0 else "grace", event["at"])
        if seconds <= 0:
            self._ask_all()

    def _ask_all(self) -> None:
        for found in self.run.in_order():
            found.deadline = None
            for unit in found.units:
                if unit.current is not None:
                    unit.current.asked = unit.current.asked or STOP

    def _out_of_time(self, found: StepRun) -> None:
        """R14, R16: what runs was asked to stop, which leaves no event, and nothing comes after."""
        found.deadline = None
        if found.step.for_each is not None and found.first_failure is None:
            found.cut_by = found.cut_by or STEP_TIMEOUT
        for unit in found.units:
            if unit.current is not None:
                unit.current.asked = unit.current.asked or STEP_TIMEOUT
        self._ask_children(found, STEP_TIMEOUT, self.world.now)

    def _ask_children(self, found: StepRun, reason: str, at: float) -> None:
        """Ask the children of a step to stop; what became of them since then is known already."""
        for unit in found.units:
            child = unit.child
            if child is None or unit.status in ENDED or (child.ended and child.since < at):
                continue
            unit.child_asked = unit.child_asked or reason
            if child.stopping is not None and child.stopping.since >= at:
                child.stopping.by_parent = True

    def _nothing_more_begins(self, found: StepRun, reason: str | None) -> None:
        """R19: an item that has not begun is cut short without an event of its own."""
        if found.step.for_each is None or found.ended:
            return
        for unit in found.units:
            if unit.status == PENDING:
                unit.status = CANCELLED
                found.cut_by = found.cut_by or reason

    def on_CancelRequested(self, event: Event) -> None:  # noqa: N802
        stopping = self.run.stopping
        grace = event.get("grace", 0.0)
        if stopping is None or stopping.over or grace is None:
            return
        stopping.grace_end = min(stopping.grace_end, event["at"] + grace)
        if grace <= 0:
            stopping.over = True
            self._ask_all()

    def _on_end(self, event: Event, status: str) -> None:
        self.run.status, self.run.since = status, event["at"]

    def on_ExecutionCompleted(self, event: Event) -> None:  # noqa: N802
        self.run.output = event.get("output")
        self._on_end(event, COMPLETED)

    def on_ExecutionFailed(self, event: Event) -> None:  # noqa: N802
        run = self.run
        if not (run.unhandled or run.deferred):
            # R29: no step has failed, but the output.
            run.unhandled += [(_failure(each), None) for each in event["failures"][:1]]
        self._on_end(event, FAILED)

    def on_ExecutionCancelled(self, event: Event) -> None:  # noqa: N802
        self._on_end(event, CANCELLED)

    # ---- requests ----

    def on_InputReceived(self, event: Event) -> None:  # noqa: N802
        self.run.input = merge(self.run.input, event["input"])

    def on_SignalReceived(self, event: Event) -> None:  # noqa: N802
        self.run.signals[event["name"]] = event.get("payload")

    def on_PauseRequested(self, event: Event) -> None:  # noqa: N802
        self.run.pause, self.run.pause_at = True, event["at"]

    def on_ResumeRequested(self, event: Event) -> None:  # noqa: N802
        self.run.pause, self.run.pause_at = False, event["at"]
        for found in self.run.in_order():
            found.held = False

    # ---- steps ----

    def _unit(self, event: Event) -> Unit:
        step, item = event["step"], event.get("item")
        if event.get("role") == "compensate":
            place = step, item
            if place not in self.undos:
                of = next(unit for unit in self.run.steps[step].units if unit.index == item)
                self.undos[place] = undo_of(of)
            return self.undos[place]
        found = self.run.steps[step]
        return next(unit for unit in found.units if unit.index == item)

    def on_StepStarted(self, event: Event) -> None:  # noqa: N802
        found = self.run.steps[event["step"]]
        found.grouped = found.joined = found.condition_met = found.started = True
        found.held, found.missing, found.status = False, (), RUNNING
        found.deadline, found.wake = event.get("deadline"), event.get("wake")
        step = found.step
        if step.type not in ("action", "workflow"):
            return
        visible = self.run.has_ended() - set(event.get("unseen", ()))
        scope = self.run.scope(visible)
        if step.for_each is not None:
            items, *_ = fill(self.world, step.names, step.for_each["items"], scope)
            found.units = [
                item_of(self.world, step, index, item, scope)[0] for index, item in enumerate(items)
            ]
            return
        template = step.fields.get("parameters") or {}
        value, revealed, _, lacks = fill(self.world, step.names, template, scope)
        unit = Unit(step, None, "step", RUNNING, value, revealed, lacks)
        unit.wants = step.type == "action"
        found.units = [unit]

    def on_StepHeld(self, event: Event) -> None:  # noqa: N802
        found = self.run.steps[event["step"]]
        found.grouped = found.joined = found.condition_met = found.held = True

    def on_StepPaused(self, event: Event) -> None:  # noqa: N802
        found = self.run.steps[event["step"]]
        found.status = PAUSED
        found.grouped = found.joined = True
        if event["kind"] == "inputs":
            found.missing = tuple(event["inputs"])
            found.condition_met = bool(event.get("condition_met"))
        elif event["kind"] == "signal":
            found.missing = ()
            found.condition_met = found.awaits_signal = found.started = True
            found.deadline = event.get("deadline")
        elif event["kind"] == "decision":
            self._awaits_decision(found.units[0], event)
        if event["kind"] in ("decision", "items") and found.deadline is not None:
            found.time_left, found.deadline = found.deadline - event["at"], None

    def _awaits_decision(self, unit: Unit, event: Event) -> None:
        unit.status, unit.wants, unit.current = PAUSED, False, None
        unit.awaits_decision = True
        if event.get("failure"):
            unit.failure = _failure(event["failure"])

    def _goes_on(self, event: Event) -> None:
        found = self.run.steps[event["step"]]
        found.status = RUNNING
        if found.time_left is not None:
            found.deadline, found.time_left = event["at"] + found.time_left, None

    def on_StepRetried(self, event: Event) -> None:  # noqa: N802
        unit = self._unit(event)
        unit.role, unit.status = "step", RUNNING
        unit.counted = unit.crashes = 0
        unit.first_start, unit.awaits_decision, unit.wants = None, False, True
        if "item" not in event:
            self._goes_on(event)

    on_ItemRetried = on_StepRetried  # noqa: N815

    def on_StepResumed(self, event: Event) -> None:  # noqa: N802
        self._goes_on(event)
        found = self.run.steps[event["step"]]
        if found.step.for_each is None and found.units:
            found.units[0].status = RUNNING

    def on_ItemResumed(self, event: Event) -> None:  # noqa: N802
        self._unit(event).status = RUNNING

    def on_ItemPaused(self, event: Event) -> None:  # noqa: N802
        unit = self._unit(event)
        unit.status = PAUSED
        if event["kind"] == "decision":
            self._awaits_decision(unit, event)

    # ---- ends ----

    def _end(self, event: Event, status: str, output: Any = None) -> None:
        run, found = self.run, self.run.steps[event["step"]]
        found.grouped = found.joined = True
        found.status, found.output = status, output
        found.deadline = found.time_left = found.wake = None
        found.missing, found.awaits_signal, found.held = (), False, False
        if event.get("failure") and status == FAILED:
            found.failure = _failure(event["failure"])
        for unit in found.units:
            if found.step.for_each is None:
                self._end_unit(unit, status, output)
        run.decided.update(dict.fromkeys(event.get("taken", ()), True))
        run.decided.update(dict.fromkeys(event.get("dead", ()), False))
        if run.stopping is not None:
            if status == FAILED and not found.step.tolerant:
                assert found.failure is not None
                run.unhandled.append((found.failure, found.step.id))
            return
        # What is in neither list waits for an input.
        decide_all(run, found)

    def _end_unit(self, unit: Unit, status: str, output: Any = None) -> None:
        unit.status, unit.output = status, output
        unit.current = unit.retry_at = None
        unit.wants = unit.awaits_decision = False
        if status == COMPLETED and unit.step.compensate:
            self.run.done.append(unit)

    def on_StepCompleted(self, event: Event) -> None:  # noqa: N802
        found = self.run.steps[event["step"]]
        output = event.get("output")
        if found.step.for_each is not None:
            output = [u.output if u.status == COMPLETED else None for u in found.units]
        found.by, found.late = event.get("by", "attempt"), event.get("late", False)
        self._end(event, COMPLETED, output)

    def on_StepFailed(self, event: Event) -> None:  # noqa: N802
        self._end(event, FAILED)

    def on_StepSkipped(self, event: Event) -> None:  # noqa: N802
        self._end(event, SKIPPED)

    def on_StepCancelled(self, event: Event) -> None:  # noqa: N802
        self._end(event, CANCELLED)

    def on_ItemCompleted(self, event: Event) -> None:  # noqa: N802
        unit = self._unit(event)
        unit.by, unit.late = event.get("by", "attempt"), event.get("late", False)
        self._end_unit(unit, COMPLETED, event.get("output"))

    def on_ItemFailed(self, event: Event) -> None:  # noqa: N802
        unit, found = self._unit(event), self.run.steps[event["step"]]
        self._end_unit(unit, FAILED)
        unit.failure = _failure(event["failure"])
        for_each = found.step.for_each or {}
        if (for_each.get("on_item_error") or "fail") == "fail" and found.first_failure is None:
            found.first_failure = unit.failure
            self._nothing_more_begins(found, None)
            for other in found.units:
                if other.current is not None:
                    other.current.asked = other.current.asked or BESIDE
            self._ask_children(found, BESIDE, event["at"])

    def on_ItemCancelled(self, event: Event) -> None:  # noqa: N802
        self._end_unit(self._unit(event), CANCELLED)
        found, stopping = self.run.steps[event["step"]], self.run.stopping
        late = found.deadline is not None and found.deadline <= event["at"]
        # What its `total_timeout` has begun it begins again when the execution is opened.
        if stopping is not None and not late and stopping.grace_end <= event["at"]:
            found.cut_by = found.cut_by or STOP

    # ---- connections ----

    def on_ConnectionsDecided(self, event: Event) -> None:  # noqa: N802
        run = self.run
        for key, verdict in (("taken", True), ("dead", False)):
            for connection in event.get(key, ()):
                run.decided[connection] = verdict
                run.waiting_edges.pop(connection, None)
        for edge in self.graph.edges:
            if edge.id in (*event.get("taken", ()), *event.get("dead", ())):
                judge(run, run.steps[edge.source])

    def on_ConditionFailed(self, event: Event) -> None:  # noqa: N802
        self.run.erred.add(event["connection"])
        note_erred(self.run, 1)

    # ---- attempts ----

    def on_AttemptStarted(self, event: Event) -> None:  # noqa: N802
        unit = self._unit(event)
        role = event.get("role", "step")
        number = event["attempt"]
        counter = {"step": "attempts", "fallback": "fallback_attempts"}.get(role, "undo_attempts")
        setattr(unit, counter, number)
        if role == "compensate":
            # R30: nobody knows how far it got.
            for each in self.run.steps[unit.step.id].units:
                each.undone = each.undone or each.index == unit.index
        unit.wants, unit.retry_at, unit.status = False, None, RUNNING
        if unit.first_start is None:
            unit.first_start = event["at"]
        name = self.run.prefix + unit.label
        behaviour = self.world.scenario.behaviour(name, number)
        unit.current = Attempt(name, number, event["at"], behaviour)

    def on_AttemptFailed(self, event: Event) -> None:  # noqa: N802
        unit = self._unit(event)
        unit.current, unit.retry_at = None, event.get("retry_at")
        unit.counted += 1
        unit.failure = _failure(event["failure"])

    def on_AttemptInterrupted(self, event: Event) -> None:  # noqa: N802
        unit = self._unit(event)
        if unit.current is not None:
            unit.current.gone = "interrupt"

    def on_AttemptCrashed(self, event: Event) -> None:  # noqa: N802
        unit = self._unit(event)
        unit.current, unit.wants = None, True
        unit.crashes += 1

    def on_FallbackStarted(self, event: Event) -> None:  # noqa: N802
        unit = self._unit(event)
        unit.role, unit.wants, unit.current = "fallback", True, None
        unit.last_own = _failure(event["failure"])
        unit.counted = unit.crashes = 0
        unit.first_start = unit.retry_at = None
        unit.fallback_parameters, unit.fallback_revealed = unit.parameters, unit.revealed
        unit.fallback_lacks_secret = unit.lacks_secret
        called = unit.called()
        if called.parameters is not None:
            visible = self.run.has_ended() - set(event.get("unseen", ()))
            scope = self.run.scope(visible, item=unit.item, item_index=unit.index)
            found = fill(self.world, unit.step.names, called.parameters, scope)
            unit.fallback_parameters, unit.fallback_revealed = found[:2]
            unit.fallback_lacks_secret = found[3]

    # ---- children and undos ----

    def on_ChildStarted(self, event: Event) -> None:  # noqa: N802
        unit = self._unit(event)
        unit.status = RUNNING
        graph = self.world.graphs[str(unit.step.fields["workflow"])]
        reader = _Reader(self.world, self.histories, event["execution"], graph)
        child = reader.run
        child.parent, child.parent_unit = self.run, unit
        child.prefix = f"{self.run.prefix}{unit.name}/"
        child.depth = self.run.depth + 1
        child.input = {**(graph.fields.get("input") or {}), **unit.parameters}
        now = self.world.now
        unit.child = reader.read()
        self.world.now = now

    def on_StepCompensated(self, event: Event) -> None:  # noqa: N802
        self.undone.add((event["step"], event.get("item")))

    def on_CompensationFailed(self, event: Event) -> None:  # noqa: N802
        self.undone.add((event["step"], event.get("item")))
        self.run.undo_failures.append((_failure(event["failure"]), event["step"]))


def _failure(found: Mapping[str, Any]) -> Failure:
    causes = tuple(map(_failure, found.get("causes", ())))
    return Failure(found["code"], found.get("message", ""), found.get("retryable"), causes)
