"""The oracle: what the rules of docs/semantics.md say will happen. It shares no code with trioflow.

A discrete-event simulation. A fact is worked off as the page says under "How one fact is worked
off"; the rules themselves stand beside this module: `_ending` (connections, joins), `_looking`
(steps that start), `_attempts` and `_units` (attempts and items), `_stopping` (the end of an
execution) and `_requests` (what people ask for).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from harness import _requests as requests
from harness._attempts import ask, begin, drop, give_slots, queue, timeout_of
from harness._document import Document, Graph, Step, read_document
from harness._ending import end_step
from harness._looking import look_at_group
from harness._scenario import (
    Act,
    AtTime,
    Call,
    Cancel,
    Crash,
    During,
    Expected,
    Interrupt,
    Made,
    Phase,
    Resume,
    Scenario,
    Signal,
    seconds_of,
)
from harness._state import (
    CANCELLED,
    COMPLETED,
    FAILED,
    FOR_EVER,
    PAUSED,
    RUNNING,
    STEP_TIMEOUT,
    STOP,
    Attempt,
    Failure,
    Run,
    StepRun,
    Unit,
)
from harness._stopping import (
    begin_stopping,
    end_grace,
    end_if_over,
    stop_if_there_is_a_reason,
    undo_gone,
    undo_over,
    work_out_status,
)
from harness._units import (
    attempt_over,
    cancel,
    complete,
    cut_short,
    fail,
    gone,
    items_go_on,
    lack_of_secret,
    refresh,
    stop_items,
)
from harness._world import ACT, SAME, TIMER, World

_MOST_LEVELS = 32


@attrs.frozen
class Facts:
    """What a history has decided: an execution as it is, and what brought it to a halt.

    `halt`: "" (nothing more happens to it), "paused" (the next act is due), "down" (its process is
    gone, or was left). `acts` are those that are still to come. `ambiguous` names the instants
    at which two facts coincided in whatever order: what follows from them is not predicted.
    """

    run: Run = attrs.field(repr=False)
    at: float
    acts: tuple[Act, ...] = ()
    halt: str = ""
    ambiguous: tuple[tuple[float, str, str], ...] = ()


class _Halt(Exception):
    """The phase is over."""

    def __init__(self, why: str) -> None:
        self.why = why


@attrs.define(eq=False)
class _Oracle:
    scenario: Scenario
    graphs: dict[str, Graph]
    world: World
    root: Run
    acts: list[Act]
    answers: list[str] = attrs.field(factory=list)
    # For how long no engine runs after the phase.
    down: float = 0.0

    # ---- time and facts ----

    def fact(self, run: Run, what: Callable[[], None] | None = None) -> None:
        """Work off one fact, with what is due before it."""
        if run.ended:
            return
        run.transaction += 1
        self.settle_due(run)
        if what is not None and not run.ended:
            what()
            stop_if_there_is_a_reason(self.world, run)
        while True:
            self.work_off_groups(run)
            if run.ended or not self.next_due(run):
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

        def note(instant: float | None, order: int, what: Callable[[], None]) -> None:
            if instant is not None and instant <= self.world.now:
                found.setdefault((instant, order), []).append(what)

        if run.compensating:
            for unit in run.units():
                note(unit.retry_at, 3, lambda unit=unit: self.back_off_over(run, unit))
        else:
            if run.status != PAUSED:
                note(run.deadline, 0, lambda: self.execution_times_out(run))
            if run.stopping is not None and not run.stopping.over:
                note(run.stopping.grace_end, 1, lambda: end_grace(self.world, run))
            for step in run.in_order():
                note(step.deadline, 2, lambda step=step: self.step_times_out(run, step))
                note(step.wake, 3, lambda step=step: self.wakes(run, step))
                for unit in step.units:
                    note(unit.retry_at, 3, lambda unit=unit: self.back_off_over(run, unit))
        return found[min(found)] if found else []

    def tick(self, instant: float) -> None:
        """Look at the clock again at this instant."""
        if instant < FOR_EVER:
            self.world.at(instant, TIMER, self.time_passes)

    def time_passes(self) -> None:
        for run in self.all_runs():
            if not run.ended and self.next_due(run):
                # What is due at one instant has an order of its own: it is one fact.
                self.world.note_fact(f"the clock of {run.id}")
                self.fact(run)
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
            step.cut_by = step.cut_by or STEP_TIMEOUT  # R19
            stop_items(self.world, run, step, STEP_TIMEOUT)
            items_go_on(self.world, run, step)
            return
        unit = step.units[0] if step.units else None
        if unit is not None and unit.current is not None and unit.current.gone is None:
            ask(self.world, run, unit, STEP_TIMEOUT)  # R14: it ends once it has stopped
            return
        if unit is not None and unit.child is not None and not unit.child.ended:
            self.stop_child(unit, STEP_TIMEOUT, 0.0)
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
            end_step(run, step, COMPLETED)

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

    def began(self, unit: Unit, attempt: Attempt) -> None:
        """Plan what is to be done during this attempt."""
        seconds = seconds_of(attempt.behaviour, attempt.name, attempt.number)
        limits = [seconds, timeout_or_for_ever(unit)]
        step = self.step_run(unit)
        if step is not None and step.deadline is not None:
            limits.append(step.deadline - self.world.now)
        for act in list(self.acts):
            moment = act.moment
            if isinstance(moment, During) and (moment.step, moment.attempt) == (
                attempt.name,
                attempt.number,
            ):
                instant = self.world.now + moment.fraction * min(limits)
                self.world.at(
                    instant,
                    ACT,
                    lambda act=act: self.do(act) if unit.current is attempt else None,
                )

    def step_run(self, unit: Unit) -> StepRun | None:
        for run in self.all_runs():
            found = run.steps.get(unit.step.id)
            if found is not None and unit in found.units:
                return found
        return None

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

    # ---- children (R28) ----

    def child_graph(self, step: Step) -> Graph:
        return self.graphs[str(step.fields["workflow"])]

    def unfit_child(self, step: Step, value: Any) -> bool:
        graph = self.child_graph(step)
        whole = {**(graph.fields.get("input") or {}), **value}
        return graph.fits_input is not None and not graph.fits_input(whole)

    def start_child(self, run: Run, unit: Unit) -> None:
        if run.depth + 1 > _MOST_LEVELS:
            fail(self.world, run, unit, Failure("workflow.failed"))
            return
        graph = self.child_graph(unit.step)
        whole = {**(graph.fields.get("input") or {}), **unit.parameters}
        child = new_run(graph, f"{run.id}:{unit.name.replace('[', ':').rstrip(']')}", whole, self)
        child.parent, child.parent_unit = run, unit
        child.prefix = f"{run.prefix}{unit.name}/"
        child.depth = run.depth + 1
        unit.child = child
        unit.status = RUNNING
        child.pause = run.pause
        self.world.at(self.world.now, TIMER, lambda: self.first_fact(child))

    def first_fact(self, child: Run) -> None:
        if child.status == "PENDING" and not child.ended:
            open_run(self, child)

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
            child.status = RUNNING
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
            complete(self.world, run, unit, child.output)  # also late
        elif asked in (STEP_TIMEOUT, STOP, "item"):
            cut_short(self.world, run, unit, asked)
        elif child.status == COMPLETED:
            fail(self.world, run, unit, Failure("schema.output"))
        elif child.status == CANCELLED and asked == "grace" and by_parent:
            cancel(self.world, run, unit)
        else:
            code = "workflow.failed" if child.status == FAILED else "workflow.cancelled"
            fail(self.world, run, unit, Failure(code))

    # ---- acts ----

    def do(self, act: Act) -> None:
        """Do what somebody does to the execution, and note what came of it."""
        if act not in self.acts:
            return
        self.acts.remove(act)
        self.world.note_fact(repr(act))
        # What else was to happen at this instant may have happened before, or never will.
        for instant, order, _, _ in self.world.heap:
            if order != TIMER and instant - self.world.now < SAME:
                self.world.note_fact("something else")
        if isinstance(act, Crash | Interrupt):
            self.answers.append("accepted")
            self.down = act.down
            raise _Halt("crash" if isinstance(act, Crash) else "interrupt")
        run = self.root
        # R23: whatever is asked of what has ended is refused, also if that was just now.
        answer = "refused"

        def what() -> None:
            nonlocal answer
            try:
                self.ask_for(run, act)
            except requests.Refused:
                return
            answer = "accepted"

        self.fact(run, what)
        self.answers.append(answer)
        self.halt_if_over()

    def ask_for(self, run: Run, act: Act) -> None:
        if isinstance(act, Resume):
            requests.resume(self.world, run, act.input, act.decisions)
        elif isinstance(act, Signal):
            requests.signal(self.world, run, act.name, act.payload)
        elif isinstance(act, Cancel):
            requests.cancel(self.world, run, act.grace)
        elif isinstance(act, Call) and act.verb == "pause":
            requests.pause(self.world, run)
        elif isinstance(act, Call) and act.verb == "resume":
            requests.resume(self.world, run, None, None)
        elif isinstance(act, Call) and act.verb == "cancel":
            requests.cancel(self.world, run, 0.0)
        else:
            raise requests.Refused(str(act))

    def halt_if_over(self) -> None:
        """End the phase if its execution waits for the next act, or nothing is to come."""
        if not self.acts or self.acts[0].moment is not None:
            return
        if self.root.ended or (self.root.status == PAUSED and not self.pending_now()):
            raise _Halt("paused")

    def pending_now(self) -> bool:
        """Whether more is to happen at this very instant."""
        return any(
            entry[0] <= self.world.now + SAME and entry[1] != ACT for entry in self.world.heap
        )

    def go(self) -> str:
        """Let things happen until the phase is over; return what brought it to a halt."""
        try:
            self.halt_if_over()
            while self.world.step():
                self.halt_if_over()
                if self.root.ended and not self.acts:
                    return ""
        except _Halt as halt:
            return halt.why
        return ""


def lacks_secret(unit: Unit) -> bool:
    """Whether the attempt needs a secret that nobody knows (R10)."""
    if unit.role == "compensate":
        return False
    return unit.fallback_lacks_secret if unit.role == "fallback" else unit.lacks_secret


def timeout_or_for_ever(unit: Unit) -> float:
    """Return how long its attempt may take."""
    found = timeout_of(unit)
    return FOR_EVER if found is None else found


# ---- starting, opening again ----


def new_run(graph: Graph, id: str, input: Mapping[str, Any], oracle: _Oracle) -> Run:
    """Return an execution whose start is not recorded yet."""
    limit = graph.fields.get("max_concurrent_steps") or oracle.scenario.limit
    steps = {step.id: StepRun(step) for step in graph.steps.values()}
    return Run(graph, id, input, oracle.world.now, limit, steps)


def open_run(oracle: _Oracle, run: Run) -> None:
    """Record the start of an execution, and look at what nothing holds back."""
    run.started_at = oracle.world.now
    run.status = RUNNING
    if run.graph.timeout is not None:
        run.deadline = oracle.world.now + run.graph.timeout
        oracle.tick(run.deadline)

    def first() -> None:
        group = [
            step
            for step in run.graph.steps.values()
            if not step.gates and not run.graph.into(step.id)
        ]
        for step in group:
            run.steps[step.id].grouped = True
        run.groups.append(group)

    oracle.fact(run, first)


def reopen(oracle: _Oracle, run: Run) -> None:
    """R17: decide what comes of attempts that are gone, and let everything queue anew."""

    def what() -> None:
        for unit in list(run.units()):
            if unit.current is not None and unit.current.gone:
                if unit.role == "compensate":
                    undo_gone(oracle.world, run, unit)
                else:
                    gone(oracle.world, run, unit)
        # R8: in the order of the document, at the instant of opening.
        run.queue = [
            (run.transaction, unit) for unit in run.units() if unit.wants and not run.pause
        ]

    oracle.fact(run, what)
    for unit in run.units():
        if unit.child is not None and not unit.child.ended:
            reopen(oracle, unit.child)
        elif unit.child is not None and unit.child.ended and unit.status in (RUNNING, PAUSED):
            oracle.run_ended(unit.child)


def predict(
    document: Document, scenario: Scenario, facts: Facts | None = None
) -> tuple[Phase, Facts]:
    """Return one phase of a scenario, and the facts from which the next one goes on.

    Without `facts` that is the first phase, from the start on. Given the facts that the phase
    before has left, or that a history tells (`facts_of`), it goes on from them.
    """
    graphs = {id: read_document(each) for id, each in scenario.workflows.items()}
    graph = read_document(document)
    graphs.setdefault(graph.id, graph)
    facts = copy.deepcopy(facts)
    now = 0.0 if facts is None else facts.at
    world = World(scenario, graphs, now, scenario.limit)
    acts = list(scenario.actions if facts is None else facts.acts)
    refusal = _refusal(graph, graphs, scenario) if facts is None else None
    if refusal is not None:
        run = Run(graph, "x", {}, 0.0, 1, {})
        return Phase(refusal), Facts(run, 0.0)
    input = {**(graph.fields.get("input") or {}), **scenario.input}
    oracle = _Oracle(scenario, graphs, world, facts.run if facts else None, acts)  # type: ignore[arg-type]
    world.start, world.over, world.began = oracle.start, oracle.over, oracle.began
    world.tick = oracle.tick
    world.start_child, world.unfit_child = oracle.start_child, oracle.unfit_child
    world.stop_child, world.run_ended = oracle.stop_child, oracle.run_ended
    world.pause_child, world.resume_child = oracle.pause_child, oracle.resume_child
    world.child_changed = oracle.child_changed
    for act in acts:
        if isinstance(act.moment, AtTime) and act.moment.at >= now:
            world.at(act.moment.at, ACT, lambda act=act: oracle.do(act))
    if facts is None:
        oracle.root = new_run(graph, "x", input, oracle)
        halt = _begun(oracle, lambda: open_run(oracle, oracle.root))
    elif facts.halt == "paused":
        _arm(oracle)
        halt = _begun(oracle, lambda: oracle.do(acts[0]))
    else:
        _arm(oracle)
        halt = _begun(oracle, lambda: reopen(oracle, oracle.root))
    return _phase(oracle), _left(oracle, halt)


def _begun(oracle: _Oracle, first: Callable[[], None]) -> str:
    try:
        first()
    except _Halt as halt:
        return halt.why
    return oracle.go()


def _refusal(graph: Graph, graphs: Mapping[str, Graph], scenario: Scenario) -> str | None:
    """Return why a start is refused, and nothing stored."""
    # R31: every action that it could still come to, with all its children's.
    pending, seen = [graph], set[str]()
    while pending:
        each = pending.pop()
        if each.id in seen:
            continue
        seen.add(each.id)
        for step in each.steps.values():
            for called in (step.call, step.fallback, step.compensate):
                if called is not None and called.action in scenario.lacks:
                    return "UnknownAction"
            if step.type == "workflow":
                child = graphs.get(str(step.fields["workflow"]))
                if child is None:
                    return "UnknownAction"
                pending.append(child)
    # R25: the given keys replace the defaults, and the whole has to fit.
    whole = {**(graph.fields.get("input") or {}), **scenario.input}
    if graph.fits_input is not None and not graph.fits_input(whole):
        return "InputRejected"
    return None


def _arm(oracle: _Oracle) -> None:
    """Look at the clock at every instant that is recorded."""
    for run in oracle.all_runs():
        instants = [run.deadline]
        if run.stopping is not None and not run.stopping.over:
            instants.append(run.stopping.grace_end)
        for step in run.in_order():
            instants += [step.deadline, step.wake]
        instants += [unit.retry_at for unit in run.units()]
        for instant in instants:
            if instant is not None:
                oracle.tick(instant)


def _left(oracle: _Oracle, halt: str) -> Facts:
    """Return what is left of a phase for the next one."""
    world = oracle.world
    at = world.now
    if halt in ("crash", "interrupt"):
        at += oracle.down
        for run in oracle.all_runs():
            # What was queued loses its place, and what ran is gone.
            run.queue.clear()
            run.holding = 0
            for unit in run.units():
                if unit.current is not None:
                    unit.current.gone = halt
        halt = "down"
    return Facts(oracle.root, at, tuple(oracle.acts), halt, tuple(world.ties()))


def _phase(oracle: _Oracle) -> Phase:
    run, world = oracle.root, oracle.world
    calls: dict[float, list[Made]] = {}
    for instant, name, number, parameters in world.calls:
        near = next((each for each in calls if abs(each - instant) < SAME), instant)
        calls.setdefault(near, []).append((name, number, parameters))
    errors = [*run.unhandled, *run.deferred, *run.undo_failures]
    return Phase(
        status=run.status,
        steps={step.step.id: step.status for step in run.in_order()},
        calls=tuple((at, tuple(sorted(made, key=repr))) for at, made in sorted(calls.items())),
        outputs={step.step.id: step.output for step in run.in_order() if step.status == COMPLETED},
        output=run.output if run.status == COMPLETED else None,
        compensated=tuple(world.compensated),
        waiting_for=tuple(sorted(requests.waiting_for(run))),
        connections={
            edge.id: "taken" if run.decided[edge.id] else "dead"
            for edge in run.graph.edges
            if edge.id in run.decided
        },
        elapsed=world.now if run.status == RUNNING else run.since,
        answers=tuple(oracle.answers),
        errors=tuple((failure.code, step) for failure, step in errors) if run.ended else (),
    )


def expect(document: Document, scenario: Scenario) -> tuple[Expected, Facts]:
    """Predict all phases of a scenario, and return the facts that they leave."""
    phase, facts = predict(document, scenario)
    phases, ambiguous = [phase], facts.ambiguous
    while facts.halt:
        phase, facts = predict(document, scenario, facts)
        phases.append(phase)
        ambiguous += facts.ambiguous
    return Expected(tuple(phases)), attrs.evolve(facts, ambiguous=ambiguous)
