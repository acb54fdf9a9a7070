"""An engine on a trio thread of its own, for programs that are not on trio.

`blocking` and `aio` are thin doors over this, and this is thin over anyio's portal. What it adds:
a call that can be cancelled and then *waited for*, because "cancelled" means stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Generic, TypeVar

import anyio.from_thread
import trio

from trioflow.engine._engine import Engine
from trioflow.engine._inbox import EngineLeft
from trioflow.engine._leaving import LEFT_WAITING
from trioflow.errors import InvalidRequest

T = TypeVar("T")


class Call(Generic[T]):
    """One call in the engine's thread; `EngineLeft` once there is none any more."""

    def __init__(
        self,
        held: HeldEngine,
        function: Callable[..., Coroutine[Any, Any, T]],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self._held = held
        self._scope: trio.CancelScope | None = None
        self._cancelled = False

        async def perform() -> T:
            with trio.CancelScope() as self._scope:
                if self._cancelled:
                    self._scope.cancel()
                return await function(*args, **kwargs)
            raise CallCancelled

        # Never cancelled itself: a cancelled future tells nothing of what has ended when.
        self.future: Future[T] = held.start(perform)

    def cancel(self) -> None:
        """Cancel the call; `future` is done when nothing of it is left."""

        def cancel() -> None:
            self._cancelled = True
            if self._scope is not None:
                self._scope.cancel()

        self._held.start(_sync(cancel))


class CallCancelled(Exception):
    """The call was cancelled from its own side, and has ended."""


def _sync(function: Callable[[], T]) -> Callable[[], Coroutine[Any, Any, T]]:
    async def call() -> T:
        return function()

    return call


class HeldEngine:
    """An engine that is open in the engine's thread until `release`."""

    def __init__(
        self,
        portal: anyio.from_thread.BlockingPortal,
        manager: Callable[[], AbstractAsyncContextManager[Engine]],
    ) -> None:
        self.opened: Future[Engine] = Future()
        self.closed: Future[None] = Future()
        self._portal = portal
        self._manager = manager
        self._stop: trio.Event | None = None
        portal.start_task_soon(self._hold)

    def start(self, function: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Start something in the engine's thread; `EngineLeft` once there is none any more."""
        try:
            return self._portal.start_task_soon(function)
        except RuntimeError:
            if self.closed.done():
                raise EngineLeft(
                    "the engine was left; use it, and its executions, inside its `with` block"
                ) from None
            raise InvalidRequest(
                "this call would wait for itself: it comes from the engine's own thread, where "
                "observers and `async def` actions are; a plain `def` action has another thread"
            ) from None

    def do(self, function: Callable[..., T], *args: Any) -> T:
        """Call a plain function in the engine's thread; `EngineLeft` as above."""
        try:
            return self.start(_sync(partial(function, *args))).result()
        except CancelledError:
            raise EngineLeft(LEFT_WAITING) from None

    async def _hold(self) -> None:
        self._stop = trio.Event()
        try:
            async with self._manager() as engine:
                self.opened.set_result(engine)
                await self._stop.wait()
        except trio.Cancelled as error:
            self._tell(error)
            raise
        except BaseException as error:  # noqa: BLE001
            # Whoever opened the engine hears of it. What is no Exception would take the portal
            # down with it if it were raised here.
            self._tell(error)
        else:
            self._tell(None)

    def _tell(self, error: BaseException | None) -> None:
        if error is None:
            self.closed.set_result(None)
            return
        if not self.opened.done():
            self.opened.set_exception(error)
            self.closed.set_result(None)
        else:
            self.closed.set_exception(error)

    def release(self) -> None:
        """Leave the engine; `closed` is done when it has been left."""

        def stop() -> None:
            if self._stop is not None:
                self._stop.set()

        if not self.closed.done():
            self._portal.start_task_soon(_sync(stop))

    def stop_calls(self) -> None:
        """Cancel the calls that have not returned, once the engine has been left."""
        self._portal.call(self._portal.stop, True)
