"""The engine for asyncio programs (FastAPI, aiohttp, anything on that loop).

::

    async with trioflow.aio.open_engine("sqlite:orders.db", actions=[charge]) as engine:
        output = await engine.run(order, {"sku": "tea"})

The engine lives on a trio thread of its own; the methods are those of `trioflow.Engine` and
`trioflow.Execution`. Actions run on trio there; mark those that need asyncio with
``@action(loop="asyncio")``. Cancelling passes through: when `asyncio.CancelledError` leaves a call,
nothing of the call is running any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio.from_thread

import trioflow.engine as trio_engine
from trioflow.definitions._model import Workflow
from trioflow.engine._execution import EventStream, Receipt, StepState
from trioflow.engine._inbox import EngineLeft
from trioflow.engine._leaving import LEFT_WAITING
from trioflow.engine._portal import Call, HeldEngine
from trioflow.engine._statistics import Statistics
from trioflow.errors import InvalidRequest
from trioflow.kernel._events import Event, Failure
from trioflow.kernel._requests import Waiting
from trioflow.stores._protocol import Head

__all__ = ["Engine", "Execution", "open_engine"]

T = TypeVar("T")
AnyWorkflow = Workflow | str | Path | Mapping[str, Any]


async def _call(
    held: HeldEngine,
    function: Callable[..., Coroutine[Any, Any, T]],
    *args: Any,
    **kwargs: Any,
) -> T:
    call = Call(held, function, *args, **kwargs)
    wrapped = asyncio.wrap_future(call.future)
    try:
        return await asyncio.shield(wrapped)
    except asyncio.CancelledError:
        if call.future.cancelled():
            raise EngineLeft(LEFT_WAITING) from None
        call.cancel()
        await _wait_ended(wrapped)
        raise


async def _wait_ended(future: asyncio.Future[Any]) -> None:
    """Wait until the future is done, however often this is cancelled; its result is not taken."""
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue
    if not future.cancelled():
        future.exception()


class Execution:
    """One execution; see `trioflow.Execution`.

    Its attributes are looked at in the engine's thread, which takes about 0.1 ms.
    """

    def __init__(self, held: HeldEngine, execution: trio_engine.Execution) -> None:
        self._held = held
        self._execution = execution

    def __repr__(self) -> str:
        return repr(self._execution)

    def _look(self, name: str) -> Any:
        try:
            return self._held.do(getattr, self._execution, name)
        except InvalidRequest:  # the engine was left, or this is its thread: nothing changes
            return getattr(self._execution, name)

    @property
    def id(self) -> str:
        return self._execution.id

    @property
    def workflow(self) -> str:
        """The id of its workflow."""
        return self._execution.workflow

    @property
    def labels(self) -> Mapping[str, str]:
        return self._execution.labels

    @property
    def status(self) -> str:
        """See `trioflow.Execution.status`."""
        return self._execution.status

    @property
    def input(self) -> Mapping[str, Any]:
        """See `trioflow.Execution.input`."""
        found: Mapping[str, Any] = self._look("input")
        return found

    @property
    def steps(self) -> Mapping[str, StepState]:
        """See `trioflow.Execution.steps`."""
        found: Mapping[str, StepState] = self._look("steps")
        return found

    @property
    def outputs(self) -> Mapping[str, Any]:
        """See `trioflow.Execution.outputs`."""
        return dict(self._look("outputs"))

    @property
    def waiting_for(self) -> tuple[Waiting, ...]:
        """See `trioflow.Execution.waiting_for`."""
        found: tuple[Waiting, ...] = self._look("waiting_for")
        return found

    @property
    def failed_steps(self) -> tuple[str, ...]:
        """See `trioflow.Execution.failed_steps`."""
        found: tuple[str, ...] = self._look("failed_steps")
        return found

    @property
    def errors(self) -> tuple[Failure, ...]:
        """See `trioflow.Execution.errors`."""
        found: tuple[Failure, ...] = self._look("errors")
        return found

    async def refresh(self) -> None:
        """See `trioflow.Execution.refresh`."""
        await _call(self._held, self._execution.refresh)

    async def history(self) -> list[Event]:
        """See `trioflow.Execution.history`."""
        return await _call(self._held, self._execution.history)

    def events(self, after: int = 0) -> Events:
        """Iterate over the events, those to come included; see `trioflow.Execution.events`."""
        return Events(self._held, self._execution.events(after))

    async def result(self) -> Any:
        """See `trioflow.Execution.result`."""
        return await _call(self._held, self._execution.result)

    async def wait_paused(self) -> None:
        """See `trioflow.Execution.wait_paused`."""
        await _call(self._held, self._execution.wait_paused)

    async def resume(
        self,
        input: Mapping[str, Any] | None = None,
        decisions: Mapping[str, Any] | None = None,
    ) -> None:
        """See `trioflow.Execution.resume`."""
        await _call(self._held, self._execution.resume, input, decisions)

    async def signal(self, name: str, payload: Any = None) -> None:
        """See `trioflow.Execution.signal`."""
        await _call(self._held, self._execution.signal, name, payload)

    async def pause(self) -> None:
        """See `trioflow.Execution.pause`."""
        await _call(self._held, self._execution.pause)

    async def cancel(self, reason: str = "", grace: float | str | None = 0.0) -> Receipt:
        """See `trioflow.Execution.cancel`."""
        return await _call(self._held, self._execution.cancel, reason, grace)


class Events:
    """The events of an execution, for `async for`."""

    def __init__(self, held: HeldEngine, stream: EventStream) -> None:
        self._held = held
        self._stream = stream

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        return await _call(self._held, self._stream.__anext__)


class Engine:
    """An engine; see `trioflow.Engine`."""

    def __init__(self, held: HeldEngine, engine: trio_engine.Engine) -> None:
        self._held = held
        self._engine = engine

    async def run(
        self,
        workflow: AnyWorkflow,
        input: Mapping[str, Any] | None = None,
        *,
        execution_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Any:
        """See `trioflow.Engine.run`."""
        return await _call(
            self._held,
            self._engine.run,
            workflow,
            input,
            execution_id=execution_id,
            labels=labels,
        )

    async def start(
        self,
        workflow: AnyWorkflow,
        input: Mapping[str, Any] | None = None,
        *,
        execution_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Execution:
        """See `trioflow.Engine.start`.

        On asyncio a cancelled call may have started it all the same, because `CancelledError` must
        be raised; give an `execution_id` and start again to find out.
        """
        execution = await _call(
            self._held,
            self._engine.start,
            workflow,
            input,
            execution_id=execution_id,
            labels=labels,
        )
        return Execution(self._held, execution)

    async def execution(self, execution_id: str) -> Execution:
        """See `trioflow.Engine.execution`."""
        execution = await _call(self._held, self._engine.execution, execution_id)
        return Execution(self._held, execution)

    async def executions(
        self,
        *,
        status: str | Iterable[str] | None = None,
        workflow: str | None = None,
        label: Mapping[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
        created_before: float | None = None,
        created_after: float | None = None,
        ended_before: float | None = None,
    ) -> list[Head]:
        """See `trioflow.Engine.executions`."""
        return await _call(
            self._held,
            self._engine.executions,
            status=status,
            workflow=workflow,
            label=label,
            limit=limit,
            before=before,
            created_before=created_before,
            created_after=created_after,
            ended_before=ended_before,
        )

    def statistics(self) -> Statistics:
        """See `trioflow.Engine.statistics`."""
        return self._held.do(self._engine.statistics)

    def check(self, workflow: Workflow) -> None:
        """See `trioflow.Engine.check`."""
        self._held.do(self._engine.check, workflow)


@asynccontextmanager
async def open_engine(store: str = "memory:", **options: Any) -> AsyncIterator[Engine]:
    """Open an engine on a trio thread of its own; takes what `trioflow.open_engine` takes.

    Leaving the block interrupts what runs, and waits until it has stopped. If the engine breaks,
    the body is cancelled and the cause is raised. Raises `InvalidRequest` where asyncio does not
    run.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise InvalidRequest(
            "this engine is for asyncio, which does not run here: on trio use "
            "`async with trioflow.open_engine(...)`, without an event loop "
            "`with trioflow.blocking.open_engine(...)`"
        ) from None
    body = asyncio.current_task()
    assert body is not None
    leaving = broken = failed = False

    def engine_ended() -> None:
        nonlocal broken
        if not leaving:
            broken = True
            body.cancel()

    with anyio.from_thread.start_blocking_portal(backend="trio") as portal:
        held = HeldEngine(portal, partial(trio_engine.open_engine, store, **options))
        closed = asyncio.wrap_future(held.closed)
        try:
            engine = await asyncio.shield(asyncio.wrap_future(held.opened))
            held.closed.add_done_callback(lambda _: loop.call_soon_threadsafe(engine_ended))
            yield Engine(held, engine)
        except BaseException:
            failed = True
            raise
        finally:
            leaving = True
            held.release()
            await _wait_ended(closed)
            held.stop_calls()
            # Where the cancellation was ours, what it stands for is the cause; and what has broken
            # the engine while it was left is the only one who says so.
            if (broken and body.uncancel() == 0) or not failed:
                closed.result()
