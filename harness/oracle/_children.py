"""Children, executions that a step of another one starts (R28), and opening again (R17)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from harness.oracle import _requests as requests
from harness.oracle._document import Graph
from harness.oracle._state import (
    CANCELLED,
    COMPLETED,
    FAILED,
    FOR_EVER,
    PAUSED,
    RUNNING,
    STEP_TIMEOUT,
    STOP,
    Failure,
    Run,
    StepRun,
    Unit,
)
from harness.oracle._stopping import stop_if_there_is_a_reason, undo_gone
from harness.oracle._units import cancel, complete, cut_short, fail, gone, refresh
from harness.oracle._working import Working
from harness.oracle._world import TIMER

_MOST_LEVELS = 32


@attrs.define(eq=False)
class Family(Working):
    """Works off facts about executions that have children."""

    def new_run(self, graph: Graph, name: str, input: Mapping[str, Any]) -> Run:
        """Return an execution whose start is not recorded yet."""
        limit = graph.fields.get("max_concurrent_steps") or self.scenario.limit
        steps = {step.id: StepRun(step) for step in graph.steps.values()}
        return Run(graph, name, input, self.world.now, limit, steps)

    def start_child(self, run: Run, unit: Unit) -> None:
        if run.depth + 1 > _MOST_LEVELS:
            fail(self.world, run, unit, Failure("workflow.failed"))
            return
        graph = self.world.child_graph(unit.step)
        # R18, R28: its id is the idempotency key of its step or item.
        whole = {**(graph.fields.get("input") or {}), **unit.parameters}
        name = f"{run.id}:{unit.name.replace('[', ':').rstrip(']')}"
        child = self.new_run(graph, name, whole)
        child.parent, child.parent_unit = run, unit
        child.prefix = f"{run.prefix}{unit.name}/"
        child.depth = run.depth + 1
        unit.child = child
        unit.status = RUNNING
        child.pause = run.pause
        self.world.at(self.world.now, TIMER, lambda: self.first_fact(child))

    def first_fact(self, child: Run) -> None:
        if child.status == "PENDING" and not child.ended:
            self.open_run(child)

    def stop_child(self, unit: Unit, reason: str, grace: float) -> None:
        child = unit.child
        assert child is not None
        if reason == STOP and grace > 0:
            reason = "grace"
        # R28: the first reason counts, but the end of a grace comes after the grace.
        if reason and unit.child_asked in (None, "grace"):
            unit.child_asked = reason
        seconds = None if grace == FOR_EVER else grace

        def what() -> None:
            requests.cancel(self.world, child, seconds, by_parent=True)

        if child.status == "PENDING":
            # It was started and stopped in one transaction: it runs nothing. The engine calls its
            # first steps all the same, so that what follows is not compared.
            child.status = RUNNING
            self.world.note_undefined(child.id)
        self.world.at(self.world.now, TIMER, lambda: self.fact(child, what))

    def pause_child(self, child: Run) -> None:
        def what() -> None:
            if child.stopping is None and not child.compensating and not child.pause:
                requests.pause(self.world, child)

        self.world.at(self.world.now, TIMER, lambda: self.fact(child, what))

    def resume_child(self, child: Run) -> None:
        def what() -> None:
            if child.pause:
                requests.resume(self.world, child, None, None)

        self.world.at(self.world.now, TIMER, lambda: self.fact(child, what))

    def child_changed(self, child: Run) -> None:
        run, unit = child.parent, child.parent_unit
        assert run is not None
        assert unit is not None

        def what() -> None:
            if unit.child is child and not child.ended:
                unit.status = PAUSED if child.status == PAUSED else RUNNING
                refresh(self.world, run, unit)

        self.world.at(self.world.now, TIMER, lambda: self.fact(run, what))

    def run_ended(self, child: Run) -> None:
        run, unit = child.parent, child.parent_unit
        if run is None or unit is None:
            return
        self.world.child_ends.append((self.world.now, child.id))
        self.world.at(
            self.world.now,
            TIMER,
            lambda: self.fact(run, lambda: self.child_over(run, unit, child)),
        )

    def child_over(self, run: Run, unit: Unit, child: Run) -> None:
        asked = unit.child_asked
        by_parent = child.stopping is not None and child.stopping.by_parent
        fits = unit.step.fits_output
        if child.status == COMPLETED and (fits is None or fits(child.output)):
            # In a grace its step was not cancelled, and the child ends as its own.
            late = asked not in (None, "grace")
            complete(self.world, run, unit, child.output, "child", late=late)
        elif asked in (STEP_TIMEOUT, STOP, "item"):
            cut_short(self.world, run, unit, asked)
        elif child.status == COMPLETED:
            fail(self.world, run, unit, Failure("schema.output"))
        elif child.status == CANCELLED and asked == "grace" and by_parent:
            cancel(self.world, run, unit)
        else:
            if child.status == FAILED:
                # R23: all errors are kept, as a tree.
                causes = tuple(failure for failure, _ in child.errors)
                failure = Failure("workflow.failed", causes=causes)
            else:
                failure = Failure("workflow.cancelled", causes=None)
            fail(self.world, run, unit, failure)

    # ---- opening again ----

    def hear_of_pause(self, run: Run) -> bool:
        """R28: a child hears first of a pause that it has missed; return whether of a resume."""
        parent = run.parent
        if parent is None or parent.stopping is not None or run.stopping is not None:
            return False
        if parent.pause and not run.pause and run.pause_at < parent.pause_at:
            requests.pause(self.world, run)
        return not parent.pause and run.pause and run.pause_at <= parent.pause_at

    def reopen(self, run: Run) -> None:
        """R17: decide what comes of attempts that are gone, and let everything queue anew."""
        resumed = self.hear_of_pause(run)

        def what() -> None:
            if resumed:
                requests.resume(self.world, run, None, None)
                stop_if_there_is_a_reason(self.world, run)
                self.work_off_groups(run)
            lost = [unit for unit in run.units() if unit.current and unit.current.gone]
            for unit in lost:
                if unit.current is None:
                    continue  # What became of another one has cut it short.
                if unit.role == "compensate":
                    undo_gone(self.world, run, unit)
                else:
                    gone(self.world, run, unit)
            failed = [unit for unit in lost if unit.status == FAILED]
            if len(failed) > 1 and any(unit.index is not None for unit in failed):
                # Whether the steps of such items end before the execution begins to stop is not
                # defined: what follows is not compared.
                self.world.note_undefined(run.id)
            # R8: in the order of the document, at the instant of opening.
            run.queue = [
                (run.transaction, unit) for unit in run.units() if unit.wants and not run.pause
            ]

        # Not those that only start now.
        children = [unit for unit in run.units() if unit.child is not None]
        self.fact(run, what)
        for unit in children:
            child = unit.child
            assert child is not None
            if child.status == "PENDING":
                child.pause, child.pause_at = run.pause, self.world.now
                self.open_run(child)
            elif unit.child_asked is not None and not child.ended and child.stopping is None:
                # It has not been told yet; nothing of it is made again first. The page does not
                # say so: what follows is not compared.
                self.world.note_undefined(child.id)
                grace = run.stopping.grace_end - self.world.now if run.stopping else 0.0
                self.stop_child(unit, "", 0.0 if unit.child_asked != "grace" else grace)
            elif not child.ended:
                self.reopen(child)
                self.child_changed(child)
            elif unit.status in (RUNNING, PAUSED):
                self.run_ended(child)
