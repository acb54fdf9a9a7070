"""Scenarios on the real engine, in virtual time, and what is seen of them.

This is the one place of the harness that runs trioflow. It uses what any program can: the engine,
its handles, its events, a store.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import trio
import trio.testing

import trioflow
import trioflow.events
import trioflow.testing
from harness._scenario import (
    Act,
    AfterWrite,
    AtTime,
    BeforeWrite,
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
    next_act,
)
from harness.oracle._history import facts_of
from harness.oracle._predict import expect
from harness.oracle._world import SAME
from harness.playing._stage import Actors, DyingStore, Gone, prefix_of
from trioflow.events import Event
from trioflow.stores import MemoryStore

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})

# The engine's own end of time, in tests, is not much later.
_FOR_EVER = 9e8


class Mismatch(AssertionError):
    """The engine did something else than was predicted."""


@attrs.frozen
class Death:
    """What a process that died at a write has left.

    `at` is when the next one came, and `phase` the number of the phase that began then; `acts` are
    what was still to be done.
    """

    phase: int
    at: float
    histories: Mapping[str, Sequence[Mapping[str, Any]]]
    acts: tuple[Act, ...]


@attrs.frozen
class Observed:
    """What was seen of a scenario: its phases, and the history of its execution."""

    phases: tuple[Phase, ...]
    history: tuple[Event, ...] = ()
    deaths: tuple[Death, ...] = ()


@attrs.define(eq=False)
class _Player:
    scenario: Scenario
    document: Mapping[str, Any]
    disk: MemoryStore
    acts: list[Act]
    phases: list[Phase] = attrs.field(factory=list)
    answers: list[str] = attrs.field(factory=list)
    writes: int = 0
    # `x` is the execution, `y` its fork.
    current: str = "x"
    told: int = 0
    down: float = 0.0
    deaths: list[Death] = attrs.field(factory=list)
    actors: Actors = attrs.field(init=False)
    store: DyingStore = attrs.field(init=False)
    engine: trioflow.Engine = attrs.field(init=False)
    execution: trioflow.Execution | None = None
    nursery: trio.Nursery | None = None
    leave: str = ""
    changed: trio.Event = attrs.field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.actors = Actors(self.scenario, self._began)

    async def play(self) -> None:
        """Play it, one engine after the other."""
        more = True
        while more:
            more = await self._with_an_engine()
            await trio.sleep(self.down if more else 0)

    async def _with_an_engine(self) -> bool:
        """Play until the execution is at its end; True if another engine is to go on."""
        self.leave, self.execution = "", None
        self.store = DyingStore(self.disk, self.writes)
        for act in self.acts:
            if isinstance(act.moment, AfterWrite | BeforeWrite):
                self.store.deadly = act.moment.write
                self.store.before = isinstance(act.moment, BeforeWrite)
        documents = [self.document, *self.scenario.workflows.values()]
        try:
            async with trio.open_nursery() as self.nursery:
                async with trioflow.testing.open_engine(
                    self.store,
                    actions=self.actors.actions(documents),
                    workflows=[trioflow.load_workflow(each) for each in documents],
                    max_concurrent_steps=self.scenario.limit,
                    secrets=self.scenario.secrets,
                    observers=[self._observe],
                ) as self.engine:
                    await self._in_the_engine()
                self.nursery.cancel_scope.cancel()
        except (Gone, BaseExceptionGroup):
            if not self.store.dead:
                raise
            if not self.leave:
                # It died at a write; what is on the disk is what there was.
                self.leave = "crash"
                await self._tell_from_disk()
            await self.store.bury()
        self.writes = self.store.writes
        return self.leave in ("crash", "interrupt")

    async def _in_the_engine(self) -> None:
        assert self.nursery is not None
        now = trio.current_time()
        for act in self.acts:
            if isinstance(act.moment, AtTime) and act.moment.at >= now:
                self.nursery.start_soon(self._do_at, act, act.moment.at)
        try:
            self.execution = await self._started()
        except (trioflow.UnknownAction, trioflow.InputRejected) as error:
            self.phases.append(Phase(type(error).__name__))
        else:
            await self._to_the_end()
        if self.leave == "crash":
            raise Gone

    async def _started(self) -> trioflow.Execution:
        if self.current != "x":
            return await self.engine.execution(self.current)
        return await self.engine.start(self.document, self.scenario.input, execution_id="x")

    async def _to_the_end(self) -> None:
        assert self.execution is not None
        with trio.move_on_at(_FOR_EVER):
            while not self._leaves():
                # Whatever else happens at this instant happens first.
                await trio.testing.wait_all_tasks_blocked()
                ended = self.execution.status in ENDED
                if self._leaves() or (ended and not self.acts):
                    break
                act = next_act(self.acts)
                if act is not None and (ended or self.execution.status == "PAUSED"):
                    await self._tell()
                    await self._do(act)
                    continue
                if ended and not any(isinstance(act.moment, AtTime) for act in self.acts):
                    break
                self.changed = trio.Event()
                await self.changed.wait()
        if not self.store.dead or self.leave:
            await self._tell()

    def _leaves(self) -> bool:
        return self.leave != ""

    def _observe(self, execution_id: str, event: Event) -> None:
        self.changed.set()

    # ---- acts ----

    def _began(self, name: str, attempt: int, seconds: float) -> None:
        for act in self.acts:
            moment = act.moment
            if isinstance(moment, During) and (moment.step, moment.attempt) == (name, attempt):
                assert self.nursery is not None
                instant = trio.current_time() + moment.fraction * seconds
                self.nursery.start_soon(self._do_at, act, instant)

    async def _do_at(self, act: Act, instant: float) -> None:
        await trio.sleep_until(instant)
        moment = act.moment
        over = isinstance(moment, During) and (
            (moment.step, moment.attempt) not in self.actors.running
        )
        if act in self.acts and not over and not self.leave:
            await self._do(act)

    async def _do(self, act: Act) -> None:
        self.acts.remove(act)
        place = len(self.answers)
        self.answers.append("accepted")
        if isinstance(act, Crash | Interrupt):
            self.leave = "crash" if isinstance(act, Crash) else "interrupt"
            self.down = act.down
            self.changed.set()
            return
        try:
            await self._ask(act)
        except trioflow.InvalidRequest:
            self.answers[place] = "refused"
        self.changed.set()

    async def _fork(self, act: Call) -> None:
        assert self.execution is not None
        answers = list(self.answers)
        # Before the fork begins, as far as it is accepted.
        await self._tell()
        try:
            new = await self.execution.fork(act.steps, act.input, execution_id="y")
        except trioflow.InvalidRequest:
            self.answers = answers
            self.phases.pop()
            raise
        self.execution, self.current = new, "y"

    async def _ask(self, act: Act) -> None:
        assert self.execution is not None
        execution = self.execution
        if not isinstance(act, Crash | Interrupt) and act.to:
            execution = await self.engine.execution(_id_of(act.to))
        verb = act.verb if isinstance(act, Call) else ""
        if isinstance(act, Resume) or verb == "resume":
            given = (act.input, act.decisions) if isinstance(act, Resume) else (None, None)
            await execution.resume(*given)
        elif isinstance(act, Signal):
            await execution.signal(act.name, act.payload)
        elif verb == "fork":
            assert isinstance(act, Call)
            await self._fork(act)
        elif verb == "pause":
            await execution.pause()
        elif isinstance(act, Cancel) or verb == "cancel":
            await execution.cancel(grace=act.grace if isinstance(act, Cancel) else 0.0)

    # ---- what is seen ----

    async def _tell(self) -> None:
        """Note what is seen of the execution now, as a phase."""
        execution = self.execution
        assert execution is not None
        history = await self.disk.read(self.current)
        self.phases.append(
            Phase(
                status=execution.status,
                steps={step: state.status for step, state in execution.steps.items()},
                calls=self._calls(),
                outputs=dict(execution.outputs),
                output=_output(history),
                compensated=self._compensated(),
                waiting_for=tuple(sorted(_waiting(execution.waiting_for))),
                connections=_connections(history),
                elapsed=_elapsed(execution.status, history),
                answers=self._answers(),
                errors=tuple((error.code, error.step) for error in execution.errors),
            )
        )
        if self.leave == "crash":
            self.store.die()

    async def _tell_from_disk(self) -> None:
        deadly = next(act for act in self.acts if isinstance(act.moment, AfterWrite | BeforeWrite))
        assert isinstance(deadly, Crash)
        self.acts.remove(deadly)
        self.down = deadly.down
        history = await self.disk.read(self.current)
        histories = {
            head.id: [trioflow.events.to_json(event) for event in await self.disk.read(head.id)]
            for head in await self.disk.heads()
        }
        at = trio.current_time() + deadly.down
        self.deaths.append(Death(len(self.phases) + 1, at, histories, tuple(self.acts)))
        self.phases.append(
            Phase(
                "DIED",
                calls=self._calls(),
                compensated=self._compensated(),
                connections=_connections(history),
                answers=self._answers(),
            )
        )

    def _calls(self) -> tuple[tuple[float, tuple[Made, ...]], ...]:
        made, self.actors.calls = self.actors.calls, []
        found: dict[float, list[Made]] = {}
        for instant, name, number, parameters in made:
            near = next((each for each in found if abs(each - instant) < SAME), instant)
            found.setdefault(near, []).append((name, number, dict(parameters)))
        return tuple((at, tuple(sorted(calls, key=repr))) for at, calls in sorted(found.items()))

    def _compensated(self) -> tuple[str, ...]:
        found, self.actors.compensated = self.actors.compensated, []
        return tuple(found)

    def _answers(self) -> tuple[str, ...]:
        # A cancel may still be refused; it is not, as far as the scenarios go.
        found, self.answers = self.answers, []
        return tuple(found)


def _output(history: list[Event]) -> Any:
    last = history[-1] if history else None
    return last.output if isinstance(last, trioflow.events.ExecutionCompleted) else None


def _waiting(found: Any) -> Iterator[tuple[str, str, str]]:
    for each in found:
        at = prefix_of(each.execution or "x")
        yield each.kind, each.name, at + (each.step or each.connection or "")


def _id_of(child: str) -> str:
    return "x:" + child.replace("/", ":").replace("[", ":").replace("]", "")


def _connections(history: list[Event]) -> dict[str, str]:
    found = {}
    for event in history:
        for verdict in ("taken", "dead"):
            for connection in getattr(event, verdict, ()):
                found[connection] = verdict
        if isinstance(event, trioflow.events.ConditionFailed):
            found[event.connection] = "dead"
    return found


def _elapsed(status: str, history: list[Event]) -> float:
    """Return since when the execution has its status; while it is RUNNING, the present."""
    if status == "RUNNING":
        return trio.current_time()
    if status != "PAUSED":
        return history[-1].at
    left = since = -1.0
    for event in history:
        if isinstance(event, trioflow.events.ExecutionResumed):
            left = event.at
        elif isinstance(event, trioflow.events.ExecutionPaused) and event.at > left:
            # It may be left and entered again in one transaction.
            since = event.at
    return since


async def play(scenario: Scenario, document: Mapping[str, Any] | None = None) -> Observed:
    """Play a scenario on the engine; under a `MockClock(autojump_threshold=0)`."""
    document = scenario.workflow if document is None else document
    disk = MemoryStore(clock=trio.current_time)
    player = _Player(scenario, document, disk, list(scenario.actions))
    await player.play()
    history = await disk.read(player.current)
    return Observed(tuple(player.phases), tuple(history), tuple(player.deaths))


# ---- comparing ----


def check(scenario: Scenario) -> None:
    """Play a scenario and compare with what is expected; raises `Mismatch`.

    Expected is what the scenario says itself, and what the oracle predicts.
    """
    predicted, _ = expect(scenario.workflow, scenario)
    clock = trio.testing.MockClock(autojump_threshold=0)
    observed = trio.run(play, scenario, clock=clock)
    if scenario.expected is not None:
        compare(scenario, scenario.expected, observed)
    if observed.deaths:
        compare_after_deaths(scenario, observed)
    else:
        compare(scenario, predicted, observed)


def compare_after_deaths(scenario: Scenario, observed: Observed) -> None:
    """Compare what came after each death at a write with what the history left there says.

    How far it had come before the write is not predicted, but the next process knows it.
    """
    if not observed.deaths:
        return
    ends = [*(death.phase - 1 for death in observed.deaths[1:]), len(observed.phases)]
    for death, end in zip(observed.deaths, ends, strict=True):
        facts = facts_of(scenario.workflow, scenario, death.histories, death.at, death.acts)
        expected, left = expect(scenario.workflow, scenario, facts)
        if left.ambiguous:
            continue
        phases = expected.phases[: end - death.phase]
        seen = attrs.evolve(observed, phases=observed.phases[death.phase : end])
        compare(scenario, Expected(phases), seen)


def compare(scenario: Scenario, expected: Expected, observed: Observed) -> None:
    """Raise `Mismatch`, with both sides line by line, unless they say the same."""
    wanted = [_rounded(phase.to_json()) for phase in expected.phases]
    seen = [_rounded(phase.to_json()) for phase in observed.phases]
    if _alike(wanted, seen):
        return
    lines = difflib.unified_diff(
        _lines(wanted), _lines(seen), "expected", "observed", lineterm="", n=2
    )
    raise Mismatch(f"{scenario.id}: {scenario.why}\n" + "\n".join(lines))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value


def _alike(wanted: Any, seen: Any) -> bool:
    if isinstance(wanted, float) and isinstance(seen, float | int):
        return math.isclose(wanted, seen, rel_tol=1e-12, abs_tol=2 * SAME)
    if isinstance(wanted, dict) and isinstance(seen, dict):
        return wanted.keys() == seen.keys() and all(
            _alike(wanted[key], seen[key]) for key in wanted
        )
    if isinstance(wanted, list) and isinstance(seen, list):
        return len(wanted) == len(seen) and all(map(_alike, wanted, seen))
    return bool(wanted == seen)


def _lines(phases: list[Any]) -> list[str]:
    found = []
    for number, phase in enumerate(phases, 1):
        for key, value in phase.items():
            if key in ("calls", "steps", "connections") and value:
                pairs = value.items() if isinstance(value, dict) else value
                found += [f"{number} {key}: {json.dumps(pair)}" for pair in pairs]
            else:
                found.append(f"{number} {key}: {json.dumps(value)}")
    return found
