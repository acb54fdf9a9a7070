"""How one fact is worked off, with everything that it leads to, and what is due before it (R14)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

from harness._scenario import Scenario
from harness.oracle._attempts import ask, begin, drop, give_slots, queue
from harness.oracle._document import Graph
from harness.oracle._ending import end_step, form_group
from harness.oracle._looking import look_at_group
from harness.oracle._state import (
    COMPLETED,
    ENDED,
    FAILED,
    FOR_EVER,
    PAUSED,
    RUNNING,
    STEP_TIMEOUT,
    Attempt,
    Failure,
    Run,
    StepRun,
    Unit,
)
from harness.oracle._stopping import (
    begin_stopping,
    end_grace,
    end_if_over,
    stop_if_there_is_a_reason,
    undo_over,
    work_out_status,
)
from harness.oracle._units import attempt_over, cut_short, items_go_on, lack_of_secret, stop_items
from harness.oracle._world import TIMER, World


@attrs.define(eq=False)
class Working:
    """Works off facts about the executions of one scenario: the root, and its children."""

    scenario: Scenario
    graphs: dict[str, Graph]
    world: World
    root: Run = attrs.field(init=False)

    def halt_if_over(self) -> None:
        """Called after whatever comes from outside; the phase may be over."""

    # ---- time and facts ----

    def fact(self, run: Run, what: Callable[[], None] | None = None) -> None:
        """Work off one fact, with what is due before it."""
        if run.ended:
            return
        run.transaction += 1
        self.settle_due(run)
        if what is not None and run.status not in ENDED:
            what()
            stop_if_there_is_a_reason(self.world, run)
        while True:
            self.work_off_groups(run)
            if run.status in ENDED or not self.next_due(run):
                break
            self.settle_due(run)
        end_if_over(self.world, run)
        work_out_status(self.world, run)
        give_slots(self.world, run)

    def work_off_groups(self, run: Run) -> None:
        while run.groups:
            look_at_group(self.world, run, run.groups.popleft())
            stop_if_there_is_a_reason(self.world, run)

    def settle_due(self, run: Run) -> None:
        """R14: what is due comes before the fact, in the order of its instants."""
        while not run.ended and (due := self.next_due(run)):
            for each in due:
                each()
            stop_if_there_is_a_reason(self.world, run)
            self.work_off_groups(run)

    def next_due(self, run: Run) -> list[Callable[[], None]]:
        """Return what is to be recorded together at the earliest instant that is due."""
        found: dict[tuple[float, int], list[Callable[[], None]]] = {}
        if not self.world.ticks or self.world.ticks[0] > self.world.now:
            return []

        def note(instant: float | None, order: int, what: Callable[..., None], *args: Any) -> None:
            if instant is not None and instant <= self.world.now:
                found.setdefault((instant, order), []).append(partial(what, *args))

        if run.compensating:
            for unit in run.units():
                note(unit.retry_at, 3, self.back_off_over, run, unit)
        else:
            # R22: it counts, also as a later cause, until every step has ended.
            if run.status != PAUSED and not run.all_ended:
                note(run.deadline, 0, self.execution_times_out, run)
            if run.stopping is not None and not run.stopping.over:
                note(run.stopping.grace_end, 1, end_grace, self.world, run)
            for step in run.in_order():
                note(step.deadline, 2, self.step_times_out, run, step)
                note(step.wake, 3, self.wakes, run, step)
                for unit in step.units:
                    note(unit.retry_at, 3, self.back_off_over, run, unit)
        return found[min(found)] if found else []

    def tick(self, instant: float) -> None:
        """Look at the clock again at this instant."""
        if instant < FOR_EVER:
            heapq.heappush(self.world.ticks, instant)
            self.world.at(instant, TIMER, self.time_passes)

    def time_passes(self) -> None:
        for run in self.all_runs():
            if not run.ended and self.next_due(run):
                # What is due at one instant has an order of its own: it is one fact.
                self.world.note_fact(f"the clock of {run.id}")
                self.fact(run)
        while self.world.ticks and self.world.ticks[0] <= self.world.now:
            heapq.heappop(self.world.ticks)
        self.halt_if_over()

    def all_runs(self) -> list[Run]:
        found = [self.root]
        for run in found:
            found.extend(run.children())
        return found

    # ---- what is due (R14) ----

    def execution_times_out(self, run: Run) -> None:
        run.deadline = None
        failure = Failure("timeout.execution")
        run.unhandled.append((failure, None))
        if run.stopping is None:
            # R22: under every `on_failure` as if it were `cancel`.
            begin_stopping(self.world, run, FAILED, 0.0)
            run.unhandled.remove((failure, None))
            run.unhandled.insert(0, (failure, None))
        elif not run.stopping.over:
            end_grace(self.world, run)  # R22: it ends the grace

    def step_times_out(self, run: Run, step: StepRun) -> None:
        if step.ended:
            return
        step.deadline = None
        if step.step.for_each is not None and step.units:
            stop_items(self.world, run, step, STEP_TIMEOUT)
            items_go_on(self.world, run, step)
            return
        unit = step.units[0] if step.units else None
        if unit is not None and unit.current is not None and unit.current.gone is None:
            ask(self.world, run, unit, STEP_TIMEOUT)  # R14: it ends once it has stopped
            return
        if unit is not None and unit.child is not None:
            self.world.stop_child(unit, STEP_TIMEOUT, 0.0)
            return
        if unit is not None:
            unit.current = None  # R17: an attempt that is gone needs no stopping
            drop(self.world, run, unit)
            cut_short(self.world, run, unit, STEP_TIMEOUT)
        else:
            end_step(run, step, FAILED, failure=Failure(STEP_TIMEOUT))

    def wakes(self, run: Run, step: StepRun) -> None:
        step.wake = None
        if not step.ended:
            end_step(run, step, COMPLETED, by="sleep")

    def back_off_over(self, run: Run, unit: Unit) -> None:
        if unit.retry_at is not None:
            unit.retry_at = None
            queue(run, unit)

    # ---- attempts ----

    def start(self, run: Run, unit: Unit) -> None:
        """An attempt has its slot: record its start and call it (R17)."""
        if lacks_secret(unit):
            run.holding -= 1
            self.world.free += 1

            def what() -> None:
                lack_of_secret(self.world, run, unit)

            self.world.at(self.world.now, TIMER, lambda: self.fact(run, what))
            return
        begin(self.world, run, unit)

    def over(
        self, run: Run, unit: Unit, attempt: Attempt, failure: Failure | None, output: Any
    ) -> None:
        """An attempt has ended, and left its slot."""
        if run.ended:
            return

        def what() -> None:
            if unit.current is not attempt:
                return
            unit.current = None
            if unit.role == "compensate":
                undo_over(self.world, run, unit, attempt, failure)
            else:
                attempt_over(self.world, run, unit, attempt, failure, output)
                if unit.retry_at is not None:
                    self.tick(unit.retry_at)

        # R15: the slot is free as soon as the attempt has really stopped.
        run.holding -= 1
        self.world.free += 1
        self.fact(run, what)
        self.halt_if_over()

    # ---- the start ----

    def open_run(self, run: Run) -> None:
        """Record the start of an execution, and look at what nothing holds back."""
        run.started_at = self.world.now
        run.status = RUNNING
        if run.graph.timeout is not None:
            run.deadline = self.world.now + run.graph.timeout
            self.tick(run.deadline)

        # Those that nothing holds back; in a fork that is decided by what was kept.
        self.fact(run, lambda: form_group(run, run.graph.steps.values()))


def lacks_secret(unit: Unit) -> bool:
    """Whether the attempt needs a secret that nobody knows (R10)."""
    if unit.role == "compensate":
        return False
    return unit.fallback_lacks_secret if unit.role == "fallback" else unit.lacks_secret
