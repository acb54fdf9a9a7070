"""The engine for programs without an event loop: scripts, Flask, notebooks; from any thread.

::

    with trioflow.blocking.open_engine("sqlite:orders.db", actions=[charge]) as engine:
        output = engine.run(order, {"sku": "tea"})

The engine lives on a trio thread of its own; the methods are those of `trioflow.Engine` and
`trioflow.Execution`, and block. Any number of threads may use them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, wait
from contextlib import contextmanager
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


def _call(
    held: HeldEngine,
    function: Callable[..., Coroutine[Any, Any, T]],
    *args: Any,
    **kwargs: Any,
) -> T:
    call = Call(held, function, *args, **kwargs)
    try:
        return call.future.result()
    except CancelledError:
        raise EngineLeft(LEFT_WAITING) from None
    except BaseException:
        # Only an interrupt of the waiting leaves the call undone.
        if not call.future.done():
            call.cancel()
            wait([call.future])
        raise


class Execution:
    """One execution; see `trioflow.Execution`."""

    def __init__(self, held: HeldEngine, execution: trio_engine.Execution) -> None:
        self._held = held
        self._execution = execution

    def __repr__(self) -> str:
        return repr(self._execution)

    def _look(self, name: str) -> Any:
        # In the engine's thread, so that nothing changes while it is looked at.
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

    def refresh(self) -> None:
        """See `trioflow.Execution.refresh`."""
        _call(self._held, self._execution.refresh)

    def history(self) -> list[Event]:
        """See `trioflow.Execution.history`."""
        return _call(self._held, self._execution.history)

    def events(self, after: int = 0) -> Iterator[Event]:
        """Iterate over the events, those to come included; see `trioflow.Execution.events`."""
        stream = self._execution.events(after)
        while (event := _call(self._held, _next, stream)) is not None:
            yield event

    def result(self) -> Any:
        """See `trioflow.Execution.result`."""
        return _call(self._held, self._execution.result)

    def wait_paused(self) -> None:
        """See `trioflow.Execution.wait_paused`."""
        _call(self._held, self._execution.wait_paused)

    def resume(
        self,
        input: Mapping[str, Any] | None = None,
        decisions: Mapping[str, Any] | None = None,
    ) -> None:
        """See `trioflow.Execution.resume`."""
        _call(self._held, self._execution.resume, input, decisions)

    def signal(self, name: str, payload: Any = None) -> None:
        """See `trioflow.Execution.signal`."""
        _call(self._held, self._execution.signal, name, payload)

    def pause(self) -> None:
        """See `trioflow.Execution.pause`."""
        _call(self._held, self._execution.pause)

    def cancel(self, reason: str = "", grace: float | str | None = 0.0) -> Receipt:
        """See `trioflow.Execution.cancel`."""
        return _call(self._held, self._execution.cancel, reason, grace)


async def _next(stream: EventStream) -> Event | None:
    async for event in stream:
        return event
    return None


class Engine:
    """An engine; see `trioflow.Engine`."""

    def __init__(self, held: HeldEngine, engine: trio_engine.Engine) -> None:
        self._held = held
        self._engine = engine

    def run(
        self,
        workflow: AnyWorkflow,
        input: Mapping[str, Any] | None = None,
        *,
        execution_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Any:
        """See `trioflow.Engine.run`. An interrupt (Ctrl-C) of the call interrupts the execution."""
        return _call(
            self._held,
            self._engine.run,
            workflow,
            input,
            execution_id=execution_id,
            labels=labels,
        )

    def start(
        self,
        workflow: AnyWorkflow,
        input: Mapping[str, Any] | None = None,
        *,
        execution_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Execution:
        """See `trioflow.Engine.start`."""
        execution = _call(
            self._held,
            self._engine.start,
            workflow,
            input,
            execution_id=execution_id,
            labels=labels,
        )
        return Execution(self._held, execution)

    def execution(self, execution_id: str) -> Execution:
        """See `trioflow.Engine.execution`."""
        return Execution(self._held, _call(self._held, self._engine.execution, execution_id))

    def executions(
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
        return _call(
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


@contextmanager
def open_engine(store: str = "memory:", **options: Any) -> Iterator[Engine]:
    """Open an engine on a trio thread of its own; takes what `trioflow.open_engine` takes.

    Leaving the block interrupts what runs, and waits until it has stopped. Calls that other
    threads have not finished by then are cancelled.

    Not for the top level of a module that others import: it is not imported as long as that waits,
    so an action that imports it waits for ever. One with ``isolation="process"`` in that module is
    refused. Put it into a function, or under ``if __name__ == "__main__":``.
    """
    with anyio.from_thread.start_blocking_portal(backend="trio") as portal:
        held = HeldEngine(portal, partial(trio_engine.open_engine, store, **options))
        try:
            yield Engine(held, held.opened.result())
        finally:
            held.release()
            try:
                held.closed.result()
            finally:
                held.stop_calls()
