"""Executions to draw: played in virtual time, so that every instant is known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
import trio

import trioflow
from trioflow.engine import Requester, Snapshot, look
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine

Act = Callable[[trioflow.Execution], Awaitable[None]]
Ask = Callable[[Callable[[str], Requester]], Awaitable[None]]
Played = Callable[..., Awaitable[Snapshot]]


@trioflow.action("work")
async def work(context: trioflow.ActionContext, seconds: float = 1.0, fails: int = 0) -> int:
    """Take some seconds, and fail the first times."""
    await trio.sleep(seconds)
    if context.attempt <= fails:
        raise trioflow.StepError("no <answer>", code="bank.down", retryable=True)
    return context.attempt


@trioflow.action("give")
async def give(value: Any) -> Any:
    return value


async def _end(execution: trioflow.Execution) -> None:
    await execution.result()


async def play(
    workflow: trioflow.Workflow,
    act: Act = _end,
    *,
    input: Mapping[str, Any] = {},
    children: tuple[trioflow.Workflow, ...] = (),
    secrets: Mapping[str, Any] | None = None,
    leave_after: float | None = None,
    away: float = 0.0,
    ask: Ask | None = None,
    see: str = "one",
) -> Snapshot:
    """Execute a workflow and look at it (or at `see`); `act` is what is done to it.

    With `leave_after` (seconds) its engine is left then, for `away` seconds. `ask` leaves requests
    in the store when no engine has it any more, so that nobody acts upon them.
    """
    store = MemoryStore(clock=trio.current_time)
    options: dict[str, Any] = {
        "actions": [work, give],
        "workflows": [*children, workflow],
        "secrets": secrets,
    }
    async with store:
        async with open_engine(store, **options) as engine:
            execution = await engine.start(workflow, input, execution_id="one")
            if leave_after is not None:
                await trio.sleep(leave_after)
            else:
                await _quietly(act, execution)
        if leave_after is not None:
            await trio.sleep(away)
            async with open_engine(store, **options) as engine:
                await _quietly(act, await engine.execution("one"))
        if ask is not None:
            await ask(lambda name: Requester(store, name, clock=trio.current_time))
        return await look(store, see)


async def _quietly(act: Act, execution: trioflow.Execution) -> None:
    with suppress(trioflow.ExecutionError):
        await act(execution)


@pytest.fixture
def played() -> Played:
    """Return what executes a workflow in virtual time and looks at it."""
    return play
