"""A child execution, as the driver of its parent follows it (R28).

The child has a driver of its own, like every execution. What its parent wants of it (stop, pause,
resume) goes to it as a request, and what becomes of it goes to the parent as facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from trioflow.engine._inbox import EngineLeft, NotDriven
from trioflow.errors import InputRejected, InvalidRequest, TrioflowError
from trioflow.kernel import _commands as c
from trioflow.kernel import _facts as f
from trioflow.kernel._events import Failure
from trioflow.kernel._states import ENDED, PAUSED

if TYPE_CHECKING:
    from trioflow.engine._driver import Driver
    from trioflow.engine._engine import Engine
    from trioflow.engine._execution import Execution

Wish = c.StopChild | c.PauseChild | c.ResumeChild
WISHES = (c.StopChild, c.PauseChild, c.ResumeChild)


class Child:
    """One child execution, from its start until it has ended or is interrupted."""

    def __init__(self, engine: Engine, parent: Driver, command: c.StartChild) -> None:
        self.address = command.address
        self._engine = engine
        self._parent = parent
        self._command = command
        self._wishes: list[Wish] = []
        self._interrupting = trio.Event()
        self._wake = trio.Event()

    def tell(self, wish: Wish) -> None:
        """Ask something of the child; the latest wish counts."""
        self._wishes.append(wish)
        self._wake.set()

    def interrupt(self) -> None:
        """Interrupt the child; what follows it ends when nothing of it runs any more."""
        self._interrupting.set()
        self._wake.set()

    async def follow(self) -> None:
        """Start the child, or go on with it, and tell its parent what becomes of it."""
        command = self._command
        if self._interrupting.is_set():
            return
        try:
            execution = await self._engine.start_child(self._parent.head.id, command)
        except (NotDriven, EngineLeft):
            # It was interrupted before it had begun, as its parent is being.
            return
        except InputRejected as error:
            self._tell_rejected("schema.input", str(error))
            return
        except TrioflowError as error:
            self._tell_rejected("workflow.failed", str(error))
            return
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
            await self._wait(execution)
        state = execution._machine.state
        self._parent.tell(
            f.ChildEnded(
                self._engine.now(), self.address, execution.status, state.output, state.failures
            )
        )

    async def _carry_out(self, execution: Execution, wish: Wish) -> None:
        try:
            if isinstance(wish, c.StopChild):
                await execution.request_cancel("its parent stops", wish.grace)
            elif isinstance(wish, c.PauseChild):
                await execution.pause()
            elif execution._machine.state.pause:
                await execution.resume()
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
