"""``trioflow recover``: what a program with an engine does when it starts, once, by hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs
import click
import trio

from trioflow.cli._errors import DONE, FAILED, INTERRUPTED, PAUSED
from trioflow.cli._options import Job, job_options, require_store
from trioflow.timelines import ENDED

if TYPE_CHECKING:
    from trioflow import events as e
    from trioflow.cli._output import Screen
    from trioflow.cli._signals import Interrupts
    from trioflow.engine import Engine, Execution, Snapshot


@click.command("recover", short_help="Continue all executions that are open.")
@job_options
def recover_command(job: Job) -> int:
    """Continue all open executions until none of them can go on.

    Those that wait for somebody are listed, with the commands that answer. Exits with 1 if one of
    those that went on FAILED, else with 3 if somebody is waited for. Executions whose actions are
    not known here are named and left as they are.
    """
    from trioflow.cli._drive import Setting, told
    from trioflow.cli._output import err
    from trioflow.cli._progress import PlainProgress
    from trioflow.cli._signals import Interrupts

    require_store(job.store)
    setting = Setting(job)
    screen = err()
    with Interrupts() as interrupts, told(PlainProgress(screen, time.time)):
        recovering = _Recovering(job, screen, interrupts)

        async def in_engine() -> None:
            async with setting.engine(recovering.observe) as engine:
                await recovering.run(engine)

        trio.run(in_engine)
    return recovering.finish()


@attrs.define(eq=False)
class _Recovering:
    """Continues everything, with a line for whatever an execution becomes."""

    _job: Job
    _screen: Screen
    _interrupts: Interrupts
    _began_at: float = attrs.field(factory=time.time, init=False)
    _going_on: list[Execution] = attrs.field(factory=list, init=False)
    # By id: RUNNING while it may go on, else the status in which it has settled.
    _states: dict[str, str] = attrs.field(factory=dict, init=False)
    # Ids of what goes on, also because somebody answers it meanwhile, and is not followed yet.
    _new: list[str] = attrs.field(factory=list, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _ended: list[Snapshot] = attrs.field(factory=list, init=False)
    _paused: list[Snapshot] = attrs.field(factory=list, init=False)

    def observe(self, execution_id: str, event: e.Event) -> None:
        """See that something happens to an execution; its children are its own affair."""
        if ":" not in execution_id:
            self._take_in(execution_id)

    def _take_in(self, execution_id: str) -> None:
        if execution_id not in self._states:
            self._states[execution_id] = "RUNNING"
            self._new.append(execution_id)
            self._changed.set()

    async def run(self, engine: Engine) -> None:
        """Continue everything, and return when nothing can go on any more, or at the interrupt."""
        scope = trio.CancelScope()

        def interrupt() -> None:
            self._screen.line("interrupting; once more (Ctrl-C) ends it at once")
            scope.cancel()

        self._interrupts.on_first(interrupt)
        with scope:
            for execution in await engine.recover():
                self._take_in(execution.id)
            await self._until_nothing_goes_on(engine)
        await self._look_around(engine)

    async def _until_nothing_goes_on(self, engine: Engine) -> None:
        async with trio.open_nursery() as nursery:
            while "RUNNING" in self._states.values():
                self._changed = trio.Event()
                while self._new:
                    execution = await engine.execution(self._new.pop(0))
                    self._going_on.append(execution)
                    self._set(execution, "RUNNING")
                    nursery.start_soon(self._follow, engine, execution)
                await self._changed.wait()
            nursery.cancel_scope.cancel()

    async def _follow(self, engine: Engine, execution: Execution) -> None:
        """Tell when an execution settles, and when it goes on because somebody answers it."""
        from trioflow.cli._drive import settled

        while (paused := await settled(engine, execution)) is not None:
            self._set(execution, "PAUSED")
            await engine.store.changed(execution.id, len(paused.events))
            self._set(execution, "RUNNING")
        self._set(execution, execution.status)

    def _set(self, execution: Execution, state: str) -> None:
        from trioflow.cli._text import since

        self._states[execution.id] = state
        self._changed.set()
        words = "goes on" if state == "RUNNING" else state
        took = since(time.time() - self._began_at)
        self._screen.line(f"{took} s  {execution.workflow}  {execution.id}  {words}")

    async def _look_around(self, engine: Engine) -> None:
        """See what has become of everything, and what is waited for, also since long ago."""
        from trioflow.engine import look

        for execution in self._going_on:
            if execution.status in ENDED:
                self._ended.append(await look(engine.store, execution.id))
        for head in await engine.executions(status="PAUSED", limit=1000):
            # What a child waits for is told of the one at the top of the family.
            if head.parent is None:
                self._paused.append(await look(engine.store, head.id))

    def finish(self) -> int:
        """Print what became of them, and return the exit code."""
        from trioflow.cli._ending import result, tell_errors, tell_how_to_continue
        from trioflow.cli._output import print_json

        if self._job.as_json:
            print_json([result(one, one.output) for one in (*self._ended, *self._paused)])
        failed = [one for one in self._ended if one.status == "FAILED"]
        for one in failed:
            self._screen.line(f"{one.id} is FAILED")
            tell_errors(self._screen, one)
        for one in self._paused:
            tell_how_to_continue(self._job, self._screen, one)
        if not (self._going_on or self._paused):
            self._screen.line("nothing is open that can go on")
        if self._interrupts.received:
            self._screen.line("interrupted; `trioflow recover` goes on where it was")
            return INTERRUPTED
        if failed:
            return FAILED
        return PAUSED if self._paused else DONE
