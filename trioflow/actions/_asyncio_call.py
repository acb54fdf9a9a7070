"""Call an asyncio action: in a loop of its own, on a thread, under trio's cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import attrs
import outcome
import trio

from trioflow.actions._action import Action
from trioflow.errors import StepError


async def call_in_asyncio(
    action: Action, arguments: Mapping[str, Any], *, limiter: trio.CapacityLimiter
) -> Any:
    """Run the action in `asyncio.run` on a thread; a cancel becomes its task's `cancel()`.

    `trio.to_thread.run_sync` tells a thread about a cancellation only when the thread asks. An
    asyncio loop must be told, so this waits for the thread itself, and its abort function does
    the telling.
    """
    async with limiter:  # a checkpoint: what is cancelled already starts no thread
        run = _AsyncioRun(action, arguments)
        task = trio.lowlevel.current_task()
        token = trio.lowlevel.current_trio_token()
        context = _context_for_asyncio()
        raise_cancel: Callable[[], NoReturn] | None = None

        def deliver(result: outcome.Outcome[Any]) -> None:
            # The result comes as a value, so that it is unwrapped below, in this frame, and the
            # decision about a cancelled task is made there.
            token.run_sync_soon(trio.lowlevel.reschedule, task, outcome.Value(result))

        def abort(raise_trio_cancelled: Callable[[], NoReturn]) -> trio.lowlevel.Abort:
            nonlocal raise_cancel
            raise_cancel = raise_trio_cancelled
            run.cancel()
            return trio.lowlevel.Abort.FAILED

        trio.lowlevel.start_thread_soon(lambda: context.run(run), deliver)
        result: outcome.Outcome[Any] = await trio.lowlevel.wait_task_rescheduled(abort)
    try:
        return result.unwrap()
    except asyncio.CancelledError:
        if raise_cancel is not None:
            raise_cancel()
        # A BaseException of asyncio's means nothing to trio and would tear down the engine.
        raise StepError(
            f"the asyncio task of action {action.name!r} was cancelled, and not by the engine"
        ) from None


def _context_for_asyncio() -> contextvars.Context:
    context = contextvars.copy_context()
    # Under anyio (which is where the engine of a blocking or asyncio program runs) sniffio has
    # been told "trio", by a context variable that the thread would see, too. trio does the same
    # for its own threads. sniffio comes with trio; should it stop to, there is nothing to reset.
    with contextlib.suppress(ImportError):
        import sniffio

        context.run(sniffio.current_async_library_cvar.set, None)
    return context


@attrs.define(eq=False)
class _AsyncioRun:
    """One `asyncio.run`, and a way to cancel it from the thread of trio."""

    action: Action
    arguments: Mapping[str, Any]
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    # The running task and its loop: None before it runs, and again as soon as it has ended. The
    # lock keeps `cancel` from talking to a loop that is being closed.
    _running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = attrs.field(
        default=None, init=False
    )
    _cancelled: bool = attrs.field(default=False, init=False)

    def __call__(self) -> Any:
        return asyncio.run(self._main())

    def cancel(self) -> None:
        """Cancel the task; from any thread, at any time."""
        with self._lock:
            self._cancelled = True
            if self._running is not None:
                loop, task = self._running
                loop.call_soon_threadsafe(task.cancel)

    async def _main(self) -> Any:
        task = asyncio.current_task()
        assert task is not None
        with self._lock:
            if self._cancelled:
                raise asyncio.CancelledError
            self._running = asyncio.get_running_loop(), task
        try:
            return await self.action.function(**self.arguments)
        finally:
            with self._lock:
                self._running = None
