"""A child execution, as the driver of its parent follows it (R28).

The child has a driver of its own, like every execution. What its parent wants of it (stop, pause,
resume) goes to it as a request, and what becomes of it goes to the parent as facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from trioflow.engine._inbox import EngineLeft, NotDriven, Request
from trioflow.errors import InputRejected, InvalidRequest, TrioflowError
from trioflow.kernel import _commands as c
from trioflow.kernel import _facts as f
from trioflow.kernel._events import Failure
from trioflow.kernel._states import CANCELLED, ENDED, PAUSED

if TYPE_CHECKING:
    from trioflow.engine._driver import Driver
    from trioflow.engine._engine import Engine
    from trioflow.engine._execution import Execution
    from trioflow.kernel._apply import State

Wish = c.StopChild | c.PauseChild | c.ResumeChild
WISHES = (c.StopChild, c.PauseChild, c.ResumeChild)


def request_for(wish: Wish, state: State, now: float) -> f.Fact | None:
    """Return the request that a wish is, if the child is not as it is wished to be."""
    if isinstance(wish, c.StopChild):
        return f.Cancel(now, "its parent stops", wish.grace)
    asked_at, heard_at = wish.asked_at, state.pause_at
    if isinstance(wish, c.PauseChild):
        # Whoever has resumed the child by its own id since then was heard.
        missed = asked_at is None or heard_at is None or heard_at < asked_at
        return f.Pause(now) if missed and not state.pause else None
    missed = asked_at is None or heard_at is None or heard_at <= asked_at
    return f.Resume(now) if missed and state.pause else None


class Child:
    """One child execution, from its start until it has ended or is interrupted."""

    def __init__(self, engine: Engine, parent: Driver, command: c.StartChild) -> None:
        self.address = command.address
        self._engine = engine
        self._parent = parent
        self._command = command
        self._wishes: list[Wish] = []
        self._execution: Execution | None = None
        self._interrupting = trio.Event()
        self._wake = trio.Event()

    def tell(self, wish: Wish) -> None:
        """Ask something of the child, or remember it until there is one to be asked.

        It is in the inbox of the child's driver when this returns: so a slot that stopping sets
        free finds a child that will not take it any more.
        """
        driver = None if self._execution is None else self._execution._driver
        if self._execution is None or driver is None or driver.stopped.is_set():
            self._wishes.append(wish)
            self._wake.set()
            return
        fact = request_for(wish, driver.machine.state, self._engine.now())
        if fact is not None:
            driver.tell(Request(fact))

    def interrupt(self) -> None:
        """Interrupt the child; what follows it ends when nothing of it runs any more."""
        self._interrupting.set()
        self._wake.set()

    async def follow(self) -> None:
        """Start the child, or go on with it, and tell its parent what becomes of it."""
        command = self._command
        if self._interrupting.is_set():
            return
        # If its parent stops or is paused, it must not begin anything before it hears of that.
        first = self._wishes.pop(0) if self._wishes else None
        try:
            execution = await self._engine.start_child(self._parent.head.id, command, first)
        except (NotDriven, EngineLeft):
            # It was interrupted before it had begun, as its parent is being.
            return
        except InputRejected as error:
            self._tell_rejected("schema.input", str(error))
            return
        except TrioflowError as error:
            if await self._engine.store.head(command.execution_id) is None:
                self._tell_rejected("workflow.failed", str(error))
            else:
                # It is there and cannot go on (R31), so neither can its parent.
                self._parent.lose(error)
            return
        if execution is None:
            # It was never started, and now it will not be.
            ended = f.ChildEnded(self._engine.now(), self.address, CANCELLED)
            self._parent.tell(ended)
            return
        self._execution = execution
        # After a restart the parent may not know what the child has become; so it is told anyway.
        told_paused: bool | None = None
        while execution.status not in ENDED:
            if self._interrupting.is_set():
                await self._engine.interrupt(execution)
                return
            paused = execution.status == PAUSED
            if paused is not told_paused:
                told_paused = paused
                fact = f.ChildPaused if paused else f.ChildResumed
                self._parent.tell(fact(self._engine.now(), self.address))
            if self._wishes:
                await self._carry_out(execution, self._wishes.pop(0))
                continue
            if execution._too_large is not None:
                # Nobody will ever hear of its end.
                self._parent.lose(execution._too_large)
                return
            await self._wait(execution)
        state = execution._machine.state
        self._parent.tell(
            f.ChildEnded(
                self._engine.now(), self.address, execution.status, state.output, state.failures
            )
        )

    async def _carry_out(self, execution: Execution, wish: Wish) -> None:
        fact = request_for(wish, execution._machine.state, self._engine.now())
        try:
            if fact is not None:
                await execution.ask(fact)
        except (InvalidRequest, NotDriven):
            # It has ended, or is what it is wished to be.
            await trio.lowlevel.checkpoint()

    async def _wait(self, execution: Execution) -> None:
        """Wait until the child has changed, or something is wished of it."""
        self._wake = trio.Event()
        if self._wishes or self._interrupting.is_set():
            return
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await self._wake.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            await execution._wait_change()
            nursery.cancel_scope.cancel()

    def _tell_rejected(self, code: str, message: str) -> None:
        failure = Failure(code, f"child execution {self._command.execution_id!r}: {message}")
        self._parent.tell(f.ChildRejected(self._engine.now(), self.address, failure))
