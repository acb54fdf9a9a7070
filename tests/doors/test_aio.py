"""The engine from asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import trio

import trioflow
from trioflow import events
from trioflow.aio import open_engine
from trioflow.engine._inbox import EngineLeft
from trioflow.stores import Head, MemoryStore

from .test_blocking import DOUBLE, FOREVER, double


def on_asyncio(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@pytest.fixture
def stopped() -> list[str]:
    return []


@pytest.fixture
def forever(stopped: list[str]) -> Any:
    @trioflow.action("forever")
    async def forever() -> None:
        try:
            await trio.sleep_forever()
        finally:
            stopped.append("stopped")

    return forever


@on_asyncio
async def test_runs_many_at_once() -> None:
    async with open_engine(actions=[double]) as engine:
        outputs = await asyncio.gather(*(engine.run(DOUBLE, {"n": n}) for n in range(40)))

    assert [2 * n for n in range(40)] == outputs


@on_asyncio
async def test_has_the_methods_of_the_engine(tmp_path: Path) -> None:
    async with open_engine(f"sqlite:{tmp_path}/t.db", actions=[double]) as engine:
        engine.check(trioflow.load_workflow(DOUBLE))
        execution = await engine.start(DOUBLE, execution_id="x", labels={"k": "v"})
        await execution.wait_paused()
        await execution.refresh()
        assert "PAUSED" == execution.status
        assert ["input.n (step 'a')"] == [str(entry) for entry in execution.waiting_for]
        await execution.resume({"n": 4})
        assert 8 == await execution.result()
        history = await execution.history()
        assert history == [event async for event in execution.events()]
        again = await engine.execution("x")
        assert "COMPLETED" == again.steps["a"].status
        assert {"a": 8} == execution.outputs
        assert ((), ()) == (execution.failed_steps, execution.errors)
        assert ("double", {"k": "v"}) == (execution.workflow, execution.labels)
        assert {"n": 4} == execution.input
        assert ["x"] == [head.id for head in await engine.executions(workflow="double")]
        assert "double" in repr(execution)

    assert {"a": 8} == execution.outputs


@on_asyncio
async def test_cancelling_a_run_stops_its_attempts_before_it_leaves(
    forever: Any, stopped: list[str]
) -> None:
    async with open_engine(actions=[forever]) as engine:
        task = asyncio.create_task(engine.run(FOREVER, execution_id="x"))
        execution = None
        while execution is None or not execution.steps["a"].attempts:
            await asyncio.sleep(0)
            try:
                execution = await engine.execution("x")
            except trioflow.ExecutionNotFound:
                continue
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert ["stopped"] == stopped
        await execution.refresh()
        assert "RUNNING" == execution.status


@on_asyncio
async def test_a_timeout_of_asyncio_stops_only_the_waiting(forever: Any) -> None:
    async with open_engine(actions=[forever]) as engine:
        execution = await engine.start(FOREVER)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await execution.result()
        await execution.pause()
        await execution.resume()
        receipt = await execution.cancel("enough")

    assert ("a",) == receipt.stopped


@on_asyncio
async def test_signals() -> None:
    document = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
    async with open_engine() as engine:
        execution = await engine.start(document)
        await execution.signal("go", {"by": "Ann"})
        output = await execution.result()

    assert {"go": {"by": "Ann"}} == output


@on_asyncio
async def test_errors_are_raised_where_they_belong() -> None:
    async with open_engine() as engine:
        with pytest.raises(trioflow.UnknownAction):
            await engine.run(DOUBLE)
    with pytest.raises(trioflow.InvalidRequest):
        async with open_engine("nonsense:"):
            pass  # pragma: no cover
    with pytest.raises(ZeroDivisionError):
        async with open_engine():
            _ = 1 / 0


@on_asyncio
async def test_a_broken_engine_cancels_the_body_and_raises_the_cause(tmp_path: Path) -> None:
    @trioflow.action("break")
    async def broken() -> None:
        await trio.lowlevel.checkpoint()
        raise SystemExit(3)

    document = {"id": "w", "steps": [{"id": "a", "action": "break"}]}
    with pytest.raises(SystemExit):
        async with open_engine(actions=[broken]) as engine:
            await engine.start(document)
            await asyncio.sleep(1000)


class BreaksAtTheEnd(MemoryStore):
    """A disk that is full when interrupts are to be recorded."""

    async def commit(
        self, head: Head, events_: Sequence[events.Event], *, owned: bool = True
    ) -> None:
        if any(isinstance(event, events.AttemptInterrupted) for event in events_):
            raise trioflow.StoreError("the disk is full")
        await super().commit(head, events_, owned=owned)


@on_asyncio
async def test_what_breaks_the_engine_while_it_is_left_is_raised() -> None:
    @trioflow.action("nap")
    async def nap() -> None:
        await trio.sleep_forever()

    document = {"id": "w", "steps": [{"id": "a", "action": "nap"}]}
    with pytest.raises(trioflow.StoreError, match="the disk is full"):
        async with open_engine(BreaksAtTheEnd(), actions=nap) as engine:  # type: ignore[arg-type]
            await engine.start(document)
    with pytest.raises(ZeroDivisionError):
        async with open_engine(BreaksAtTheEnd(), actions=nap) as engine:  # type: ignore[arg-type]
            await engine.start(document)
            _ = 1 / 0


USES: tuple[Callable[[Any, Any], Any], ...] = (
    lambda engine, execution: engine.run(DOUBLE, {"n": 1}),
    lambda engine, execution: engine.execution("x"),
    lambda engine, execution: engine.executions(),
    lambda engine, execution: asyncio.to_thread(engine.statistics),
    lambda engine, execution: execution.result(),
    lambda engine, execution: execution.refresh(),
    lambda engine, execution: anext(execution.events()),
    lambda engine, execution: execution.cancel(),
)
USE_NAMES = (
    "run",
    "execution",
    "executions",
    "statistics",
    "result",
    "refresh",
    "events",
    "cancel",
)


@pytest.mark.parametrize("use", USES, ids=USE_NAMES)
@on_asyncio
async def test_after_the_block_the_engine_is_left(use: Any) -> None:
    async with open_engine(actions=[double]) as engine:
        execution = await engine.start(DOUBLE, execution_id="x")
    with pytest.raises(EngineLeft, match="the engine was left; use it, and its executions, inside"):
        await use(engine, execution)

    assert {} == execution.outputs


async def test_on_trio_it_names_the_engine() -> None:
    with pytest.raises(trioflow.InvalidRequest, match=r"`async with trioflow\.open_engine"):
        async with open_engine():
            pass  # pragma: no cover


@on_asyncio
async def test_a_known_workflow_a_status_that_is_none_and_a_grace(forever: Any) -> None:
    """As on trio: what is checked there is checked for all."""
    async with open_engine(actions=[double, forever], workflows=DOUBLE) as engine:
        assert 4 == await engine.run("double", {"n": 2})
        with pytest.raises(trioflow.InvalidRequest, match="did you mean 'COMPLETED'"):
            await engine.executions(status="completed")
        execution = await engine.start(FOREVER)
        assert "CANCELLED" == (await execution.cancel(grace="1ms")).status
