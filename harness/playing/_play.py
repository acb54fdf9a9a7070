"""Scenarios on the real engine, in virtual time, and what is seen of them.

This is the one place of the harness that runs trioflow. It uses what any program can: the engine,
its handles, its events, a store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
import trio

import trioflow
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
    Interrupt,
    Phase,
    Resume,
    Scenario,
    Signal,
    next_act,
)
from harness.playing._actors import Actors
from harness.playing._compare import Mismatch, compare, compare_after_deaths
from harness.playing._loading import loaded
from harness.playing._seen import (
    ENDED,
    Death,
    Histories,
    Observed,
    connections_of,
    every_history,
    histories_of,
    phase_of,
    together,
    unrecorded_calls,
)
from harness.playing._stage import DyingStore, Gone, id_of
from trioflow import events
from trioflow.errors import TooLarge
from trioflow.events import Event
from trioflow.stores import MAX_EVENT_BYTES, MemoryStore, Store

# The engine's own end of time, in tests, is not much later.
_FOR_EVER = 9e12

# With these an execution changes its status, so that the next act may have its turn.
_STATUS_CHANGES = (
    events.ExecutionPaused,
    events.ExecutionResumed,
    events.ExecutionCompleted,
    events.ExecutionFailed,
    events.ExecutionCancelled,
)


@attrs.define(eq=False)
class Player:
    """Plays one scenario on a store that is open, one engine after the other."""

    scenario: Scenario
    disk: Store
    actors: Actors
    # What is still to be done.
    acts: list[Act]
    document: Mapping[str, Any]
    # How often was written before, and what the process does when it dies at a write.
    writes: int = 0
    last_words: Callable[[Player], None] = attrs.field(default=lambda player: None)
    # `x` is the execution, `y` its fork.
    current: str = "x"
    phases: list[Phase] = attrs.field(factory=list)
    deaths: list[Death] = attrs.field(factory=list)
    done: list[tuple[Act, float]] = attrs.field(factory=list)
    written: list[tuple[str, int]] = attrs.field(factory=list)
    _answers: list[str] = attrs.field(factory=list)
    _down: float = 0.0
    _opened: float = 0.0
    _leave: str = ""
    _execution: trioflow.Execution | None = None
    # Set once there is an execution to which something can be done.
    _exists: trio.Event = attrs.field(factory=trio.Event)
    _changed: trio.Event = attrs.field(factory=trio.Event)
    # For that event.
    _waiting: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    store: DyingStore = attrs.field(init=False)
    histories: Histories = attrs.field(init=False)
    _engine: trioflow.Engine = attrs.field(init=False)
    _nursery: trio.Nursery = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.actors.began = self._began
        self.histories = Histories(self.disk, self.written)

    async def play(self) -> Observed:
        """Play it to its end, and return what was seen."""
        more = True
        while more:
            more = await self._with_an_engine()
            if more:
                await trio.sleep(self._down)
        await self._judge_head()
        histories = await every_history(self.histories)
        self.actors.witness.look_at_histories(histories)
        return Observed(
            tuple(self.phases),
            histories.get(self.current, ()),
            tuple(self.deaths),
            self.writes,
            tuple(self.done),
            self.actors.did,
            tuple(self.actors.untold),
            histories=histories,
            wrong=tuple(dict.fromkeys(self.actors.witness.wrong)),
        )

    async def _judge_head(self) -> None:
        """Judge what the store says of the execution at once: as much as its history says."""
        head = await self.disk.head(self.current)
        told = self.phases[-1].status if self.phases else ""
        if head is not None and told != head.status:
            wrong = f"it is {told}, but its head in the store says {head.status}"
            self.actors.witness.wrong.append(wrong)

    def _judge_left(self, histories: Mapping[str, Any]) -> None:
        """Judge what a process has left on the disk beside what it has done."""
        calls = self.actors.calls
        self.actors.witness.wrong += unrecorded_calls(histories, calls, self.current)

    async def _with_an_engine(self) -> bool:
        """Play until the execution is at its end; True if another engine is to go on."""
        self._leave, self._execution, self._exists = "", None, trio.Event()
        self._opened = trio.current_time()
        self.actors.witness.engine_opens()
        last_words = partial(self.last_words, self)
        self.store = DyingStore(self.disk, self.writes, self.written, last_words=last_words)
        self.store.on_death = self.actors.let_go
        for act in self.acts:
            if isinstance(act.moment, AfterWrite | BeforeWrite):
                self.store.deadly = act.moment.write
                self.store.before = isinstance(act.moment, BeforeWrite)
        documents = [self.document, *self.scenario.workflows.values()]
        try:
            async with trio.open_nursery() as self._nursery:
                async with trioflow.testing.open_engine(
                    self.store,
                    actions=self.actors.actions(documents),
                    workflows=map(loaded, documents),
                    max_concurrent_steps=self.scenario.limit,
                    jitter=lambda: self.scenario.jitter,
                    secrets=self.scenario.secrets,
                    observers=[self._observe],
                ) as self._engine:
                    await self._in_the_engine()
                self._nursery.cancel_scope.cancel()
        except (Gone, BaseExceptionGroup) as error:
            if not self.store.dead:
                # The one thing that is wrong, and not the nurseries that it has come through.
                cause = _only_one_of(error)
                raise cause from cause.__cause__
            if not self._leave:
                # It died at a write; what is on the disk is what there was.
                self._leave = "crash"
                await self._tell_from_disk()
            await self.store.bury()
        self.writes = self.store.writes
        return self._leave in ("crash", "interrupt")

    async def _in_the_engine(self) -> None:
        for act in self.acts:
            if isinstance(act.moment, AtTime) and act.moment.at >= self._opened:
                self._nursery.start_soon(self._do_at, act, act.moment.at)
        try:
            self._execution = await self._started()
        except (trioflow.UnknownAction, trioflow.InputRejected) as error:
            self.phases.append(Phase(type(error).__name__))
        else:
            self._exists.set()
            await self._to_the_end()
            if self._execution.status in ENDED and not self._leaves():
                await self.actors.witness.look_at_end(self._engine, self.histories)
        if self._leave == "crash":
            raise Gone

    async def _started(self) -> trioflow.Execution:
        if await self.disk.head(self.current) is not None:
            # That it goes on is for the engine to see to, when it is opened.
            self.actors.witness.goes_on()
            return await self._engine.execution(self.current)
        workflow = loaded(self.document)
        return await self._engine.start(workflow, self.scenario.input, execution_id="x")

    async def _to_the_end(self) -> None:
        assert self._execution is not None
        while not self._leaves():
            # Whatever else happens at this instant happens first.
            await trioflow.testing.settled()
            status = self._execution.status
            ended = status in ENDED
            if self._leaves() or (ended and not self.acts):
                break
            act = next_act(self.acts)
            if act is not None and (ended or status == "PAUSED"):
                await self._tell()
                await self._do(act)
                continue
            if ended and not any(isinstance(act.moment, AtTime) for act in self.acts):
                break
            self._changed = trio.Event()
            with trio.CancelScope() as self._waiting:
                self._wait_as_long_as_it_may_take()
                await self._changed.wait()
            if self._waiting.cancelled_caught:
                break
        if not self.store.dead or self._leave:
            await self._tell()

    def _leaves(self) -> bool:
        return self._leave != ""

    def _wait_as_long_as_it_may_take(self) -> None:
        """Give the waiting a deadline: it is called whenever what runs has changed.

        What runs will end; if nothing says when, that is a deadlock, and the clock says so.
        """
        assert self._execution is not None
        endless = self._execution.status == "RUNNING" and not self.actors.asleep
        deadline = float("inf") if endless else _FOR_EVER
        if self._waiting.deadline != deadline:
            self._waiting.deadline = deadline

    def _observe(self, execution_id: str, event: Event) -> None:
        self.actors.witness.observe(execution_id, event, self.written)
        if isinstance(event, _STATUS_CHANGES):
            self._changed.set()
        elif self._execution is not None:
            self._wait_as_long_as_it_may_take()

    # ---- acts ----

    def _began(self, name: str, attempt: int, seconds: float) -> None:
        if self._execution is not None:
            self._wait_as_long_as_it_may_take()
        for act in self.acts:
            moment = act.moment
            if isinstance(moment, During) and (moment.step, moment.attempt) == (name, attempt):
                instant = trio.current_time() + moment.fraction * seconds
                self._nursery.start_soon(self._do_at, act, instant)

    async def _do_at(self, act: Act, instant: float) -> None:
        await trio.sleep_until(instant)
        await self._exists.wait()
        moment = act.moment
        over = isinstance(moment, During) and (
            (moment.step, moment.attempt) not in self.actors.running
        )
        if act in self.acts and not over and not self._leaves():
            await self._do(act)

    async def _do(self, act: Act) -> None:
        self.acts.remove(act)
        self.done.append((act, trio.current_time()))
        place = len(self._answers)
        self._answers.append("accepted")
        if isinstance(act, Crash | Interrupt):
            self._leave = "crash" if isinstance(act, Crash) else "interrupt"
            self._down = act.down
            self._changed.set()
            return
        assert self._execution is not None
        ended, writes = self._execution.status in ENDED, len(self.written)
        try:
            await self._ask(act)
        except (trioflow.InvalidRequest, trioflow.ExecutionNotFound, TooLarge):
            self._answers[place] = "refused"
            if ended:
                self.actors.witness.refused(type(act).__name__, len(self.written) - writes)
        self._changed.set()

    async def _fork(self, act: Call) -> None:
        assert self._execution is not None
        answers = list(self._answers)
        actors = self.actors
        calls, compensated = list(actors.calls), list(actors.compensated)
        # Before the fork begins, as far as it is accepted.
        await self._tell()
        try:
            new = await self._execution.fork(act.steps, act.input, act.workflow, execution_id="y")
        except trioflow.InvalidRequest:
            self._answers = answers
            actors.calls = [*calls, *actors.calls]
            actors.compensated = [*compensated, *actors.compensated]
            self.phases.pop()
            raise
        self._execution, self.current = new, "y"

    async def _ask(self, act: Act) -> None:
        assert self._execution is not None
        execution = self._execution
        if not isinstance(act, Crash | Interrupt) and act.to:
            execution = await self._engine.execution(id_of(self.current, act.to))
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
        elif verb == "too-large":
            await execution.resume({"x-something": "x" * MAX_EVENT_BYTES})
        elif isinstance(act, Cancel) or verb == "cancel":
            # `cancel` is this, and then waits for the end: nobody would hear when it was accepted.
            await execution.request_cancel(grace=act.grace if isinstance(act, Cancel) else 0.0)
            self.actors.witness.cancel_accepted(execution.id)

    # ---- what is seen ----

    async def _tell(self) -> None:
        """Note what is seen of the execution now, as a phase."""
        assert self._execution is not None
        history = await self.histories.read(self.current)
        now = trio.current_time()
        if self._leave == "crash":
            self._judge_left(await histories_of(self.histories))
        self.phases.append(phase_of(self._execution, history, now, **self._since_then()))
        if self._leave == "crash":
            self.store.die()

    async def _tell_from_disk(self) -> None:
        deadly = next(act for act in self.acts if isinstance(act.moment, AfterWrite | BeforeWrite))
        assert isinstance(deadly, Crash)
        self.acts.remove(deadly)
        self._down = deadly.down
        history = await self.histories.read(self.current)
        histories = await histories_of(self.histories)
        self._judge_left(histories)
        now = trio.current_time()
        left = histories, tuple(self.acts)
        self.deaths.append(Death(len(self.phases) + 1, now + deadly.down, *left, now))
        seen = self._since_then()
        self.phases.append(Phase("DIED", connections=connections_of(history), **seen))

    def _since_then(self) -> dict[str, Any]:
        """Return what was noted since the last phase, and forget it."""
        made, self.actors.calls = self.actors.calls, []
        undone, self.actors.compensated = self.actors.compensated, []
        # A cancel may still be refused; it is not, as far as the scenarios go.
        answers, self._answers = self._answers, []
        return {
            "calls": together(made),
            "compensated": tuple(undone),
            "answers": tuple(answers),
        }


def _only_one_of(error: BaseException) -> BaseException:
    """Return the one error in a group of groups, cancellations not counted; or the group."""
    found = error
    while isinstance(found, BaseExceptionGroup):
        inner = [each for each in found.exceptions if not isinstance(each, trio.Cancelled)]
        if len(inner) != 1:
            return error
        found = inner[0]
    return found


async def play(
    scenario: Scenario, document: Mapping[str, Any] | None = None, *, actions: Any = ()
) -> Observed:
    """Play a scenario on the engine, on a store in memory, and return what was seen.

    It runs under any virtual clock: that of `trioflow.testing.run`, or, without threads, trio's
    `MockClock(autojump_threshold=0)`. `observe` has a run and a clock of its own.
    """
    disk = MemoryStore(clock=trio.current_time)
    return await play_on(disk, scenario, document, actions=actions)


async def play_on(
    disk: Store,
    scenario: Scenario,
    document: Mapping[str, Any] | None = None,
    *,
    actions: Any = (),
) -> Observed:
    """Play a scenario as `play` does, on a store that is open, and stays so."""
    document = scenario.workflow if document is None else document
    actors = Actors(scenario, actions)
    return await Player(scenario, disk, actors, list(scenario.actions), document).play()


__all__ = (
    "Death",
    "Mismatch",
    "Observed",
    "Player",
    "compare",
    "compare_after_deaths",
    "play",
    "play_on",
)
