"""The oracle: what the rules of docs/semantics.md say will happen. It shares no code with trioflow.

A discrete-event simulation. `_working` works off one fact after the other, as the page says; the
rules themselves stand beside it: `_ending` (connections, joins), `_looking` (steps that start),
`_attempts` and `_units` (attempts and items), `_stopping` (the end of an execution), `_requests`
(what people ask for), `_children` (what steps of type workflow start).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import attrs

from harness._built_in import BUILT_IN
from harness._scenario import (
    Act,
    AtTime,
    Call,
    Cancel,
    Causes,
    Crash,
    During,
    Expected,
    Interrupt,
    Made,
    Phase,
    Resume,
    Scenario,
    Signal,
    causes_of,
    next_act,
    seconds_of,
)
from harness.oracle import _requests as requests
from harness.oracle._attempts import is_shielded, timeout_of
from harness.oracle._children import Family
from harness.oracle._document import Document, Graph, graph_of
from harness.oracle._forking import fork, kept_input
from harness.oracle._state import COMPLETED, FAILED, PAUSED, RUNNING, Attempt, Run, StepRun, Unit
from harness.oracle._stopping import work_out_status
from harness.oracle._world import ACT, SAME, TIMER, World


@attrs.frozen
class Facts:
    """What a history has decided: an execution as it is, and what brought it to a halt.

    `halt`: "" (nothing more happens to it), "paused" (the next act is due), "down" (its process is
    gone, or was left), "fresh" (its start is not recorded yet). `acts` are those that are still to
    come. `ambiguous` names the instants at which two facts coincided in whatever order: what
    follows from them is not predicted.
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
class _Oracle(Family):
    acts: list[Act]
    answers: list[str] = attrs.field(factory=list)
    # For how long no engine runs after the phase.
    down: float = 0.0
    forked: Run | None = None

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
        if isinstance(act, Call) and act.verb == "fork":
            self.fork(act)
            return
        if isinstance(act, Crash | Interrupt):
            self.answers.append("accepted")
            self.down = act.down
            if isinstance(act, Interrupt) and self.something_holds_up():
                self.world.note_fact("what cannot be stopped")
            raise _Halt("crash" if isinstance(act, Crash) else "interrupt")
        run = next((each for each in self.everybody() if each.prefix == _prefix(act)), None)
        # R23: whatever is asked of what has ended is refused, also if that was just now.
        answer = "refused"

        def what() -> None:
            nonlocal answer
            assert run is not None
            try:
                self.ask_for(run, act)
            except requests.Refused:
                return
            answer = "accepted"

        if run is not None:
            self.fact(run, what)
        self.answers.append(answer)
        self.halt_if_over()

    def something_holds_up(self) -> bool:
        """Whether an engine that is left waits for an attempt that cannot be stopped.

        How long it waits, and what else happens meanwhile, is no rule: it is not predicted.
        """
        running = (unit.current for run in self.all_runs() for unit in run.units())
        return any(each is not None and not each.gone and is_shielded(each) for each in running)

    def fork(self, act: Call) -> None:
        """Go on with a fork of the execution, if there can be one."""
        graph = self.root.graph if act.workflow is None else graph_of(act.workflow)
        new = self.new_run(graph, "y", kept_input(self.root, act.input))
        try:
            fork(self.root, new, act.steps)
        except requests.Refused:
            self.answers.append("refused")
            return
        self.answers.append("accepted")
        self.forked = new
        raise _Halt("fresh")

    def everybody(self) -> list[Run]:
        """Return all executions that there are, ended ones, too."""
        found = [self.root]
        for run in found:
            found.extend(unit.child for unit in run.units() if unit.child is not None)
        return found

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
        if next_act(self.acts) is None:
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
                if self.world.endless or (self.root.ended and not self.acts):
                    return ""
        except _Halt as halt:
            return halt.why
        return ""

    def began(self, unit: Unit, attempt: Attempt) -> None:
        """Plan what is to be done during this attempt."""
        if not any(isinstance(act.moment, During) for act in self.acts):
            return
        seconds = seconds_of(attempt.behaviour, attempt.name, attempt.number)
        limits = [seconds]
        timeout = timeout_of(unit)
        if timeout is not None:
            limits.append(timeout)
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
                self.world.at(instant, ACT, partial(self.do_during, act, unit, attempt))

    def do_during(self, act: Act, unit: Unit, attempt: Attempt) -> None:
        """Do what was to be done while an attempt runs, if it still does."""
        if unit.current is attempt:
            self.do(act)

    def step_run(self, unit: Unit) -> StepRun | None:
        for run in self.all_runs():
            found = run.steps.get(unit.step.id)
            if found is not None and unit in found.units:
                return found
        return None


def predict(
    document: Document, scenario: Scenario, facts: Facts | None = None, *, most: int | None = None
) -> tuple[Phase, Facts]:
    """Return one phase of a scenario, and the facts from which the next one goes on.

    Without `facts` that is the first phase, from the start on. Given the facts that the phase
    before has left, or that a history tells (`facts_of`), it goes on from them, and leaves them as
    they are. With `most` it gives up where something is attempted more often: what it says is then
    ambiguous.
    """
    return predict_on(document, scenario, copy.deepcopy(facts), most=most)


def predict_on(
    document: Document, scenario: Scenario, facts: Facts | None = None, *, most: int | None = None
) -> tuple[Phase, Facts]:
    """Predict one phase as `predict` does, and use up the facts: whoever needs them copies them."""
    graphs = {name: graph_of(each) for name, each in scenario.workflows.items()}
    graph = graph_of(document)
    graphs.setdefault(graph.id, graph)
    now = 0.0 if facts is None else facts.at
    world = World(scenario, graphs, now, scenario.limit, most_attempts=most)
    acts = list(scenario.actions if facts is None else facts.acts)
    refusal = _refusal(graph, graphs, scenario) if facts is None else None
    if refusal is not None:
        run = Run(graph, "x", {}, 0.0, 1, {})
        return Phase(refusal), Facts(run, 0.0)
    input = {**(graph.fields.get("input") or {}), **scenario.input}
    oracle = _Oracle(scenario, graphs, world, acts)
    world.start, world.over, world.began = oracle.start, oracle.over, oracle.began
    world.tick = oracle.tick
    world.start_child = oracle.start_child
    world.stop_child, world.run_ended = oracle.stop_child, oracle.run_ended
    world.pause_child, world.resume_child = oracle.pause_child, oracle.resume_child
    world.child_changed = oracle.child_changed
    for act in acts:
        if isinstance(act.moment, AtTime) and act.moment.at >= now:
            world.at(act.moment.at, ACT, partial(oracle.do, act))
    if facts is None:
        oracle.root = oracle.new_run(graph, "x", input)
        halt = _begun(oracle, lambda: oracle.open_run(oracle.root))
        return _phase(oracle), _left(oracle, halt)
    oracle.root = facts.run
    if facts.halt == "fresh":
        halt = _begun(oracle, lambda: oracle.open_run(oracle.root))
    elif facts.halt == "paused":
        _arm(oracle)
        due = next_act(acts)
        assert due is not None
        halt = _begun(oracle, partial(oracle.do, due))
    else:
        _arm(oracle)
        halt = _begun(oracle, lambda: oracle.reopen(oracle.root))
    return _phase(oracle), _left(oracle, halt)


def _begun(oracle: _Oracle, first: Callable[[], None]) -> str:
    try:
        first()
    except _Halt as halt:
        return halt.why
    return oracle.go()


def _prefix(act: Act) -> str:
    found = "" if isinstance(act, Crash | Interrupt) else act.to
    return f"{found}/" if found else ""


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
                lacks = set(scenario.lacks) - BUILT_IN
                if called is not None and called.action in lacks:
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
            if halt == "interrupt":
                # This is recorded when the engine is left, and after `pause()` nothing runs then.
                work_out_status(world, run)
        halt = "down"
    root = oracle.root if oracle.forked is None else oracle.forked
    return Facts(root, at, tuple(oracle.acts), halt, tuple(world.ties()))


def _phase(oracle: _Oracle) -> Phase:
    run, world = oracle.root, oracle.world
    calls: dict[float, list[Made]] = {}
    for instant, name, number, parameters in world.calls:
        # They come in order, so it can only be near the last one.
        last = next(reversed(calls), instant)
        near = last if instant - last < SAME else instant
        calls.setdefault(near, []).append((name, number, parameters))
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
        errors=tuple((failure.code, step) for failure, step in run.errors) if run.ended else (),
        completed_by={name: each.by for name, each in _completed(run) if each.by != "attempt"},
        # R16 speaks of an attempt, R28 of a child: of a list of items, and of what a fork keeps,
        # no rule says whether it is late.
        late=tuple(
            sorted(
                name
                for name, each in _completed(run)
                if each.late and each.by not in ("items", "fork")
            )
        ),
        causes={name: found for name, found in _causes(run) if found is None or found},
    )


def _causes(run: Run) -> Iterator[tuple[str, Causes]]:
    """Yield the causes of the errors of FAILED steps and items."""
    for found in run.in_order():
        if found.status == FAILED and found.failure is not None:
            # Nothing is said of those that a fork keeps.
            yield found.step.id, None if found.kept else causes_of(found.failure)
        for unit in found.units:
            if unit.index is not None and unit.status == FAILED and unit.failure and not found.kept:
                yield unit.name, causes_of(unit.failure)


def _completed(run: Run) -> Iterator[tuple[str, StepRun | Unit]]:
    """Yield the COMPLETED steps, and the items that this execution has completed itself."""
    for found in run.in_order():
        if found.status == COMPLETED:
            yield found.step.id, found
        for unit in found.units:
            if unit.index is not None and unit.status == COMPLETED and not found.kept:
                yield unit.name, unit


def expect(
    document: Document, scenario: Scenario, facts: Facts | None = None, *, most: int | None = None
) -> tuple[Expected, Facts]:
    """Predict all phases of a scenario, or those after `facts`; and the facts that they leave."""
    return expect_on(document, scenario, copy.deepcopy(facts), most=most)


def expect_on(
    document: Document, scenario: Scenario, facts: Facts | None = None, *, most: int | None = None
) -> tuple[Expected, Facts]:
    """Predict all phases as `expect` does, and use up the facts: whoever needs them copies them."""
    phase, facts = predict_on(document, scenario, facts, most=most)
    phases, ambiguous = [phase], facts.ambiguous
    while facts.halt:
        phase, facts = predict_on(document, scenario, facts, most=most)
        phases.append(phase)
        ambiguous += facts.ambiguous
    return Expected(tuple(phases)), attrs.evolve(facts, ambiguous=ambiguous)
