"""Where an engine can be opened and used: on trio, and inside its block."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio

import trioflow
import trioflow.testing
from trioflow.actions._worker import LOADING
from trioflow.engine._inbox import EngineLeft
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine

from .conftest import chain

OPENING: tuple[Callable[..., AbstractAsyncContextManager[trioflow.Engine]], ...] = (
    trioflow.open_engine,
    trioflow.testing.open_engine,
)


@pytest.mark.parametrize("opening", OPENING, ids=("program", "test"))
@pytest.mark.parametrize("store", ("memory", "sqlite"))
def test_on_asyncio_it_names_the_door(opening: Any, store: str, tmp_path: Path) -> None:
    url = "memory:" if store == "memory" else f"sqlite:{tmp_path}/t.db"

    async def main() -> None:
        async with opening(url):
            pass  # pragma: no cover

    with pytest.raises(trioflow.InvalidRequest, match=r"trioflow\.aio\.open_engine"):
        asyncio.run(main())

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("opening", OPENING, ids=("program", "test"))
def test_without_a_loop_it_names_the_other_one(opening: Any) -> None:
    entering = opening().__aenter__()

    with pytest.raises(trioflow.InvalidRequest, match=r"trioflow\.blocking\.open_engine"):
        entering.send(None)


async def test_not_while_a_worker_imports_its_action(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, LOADING, types.ModuleType(LOADING))

    with pytest.raises(trioflow.InvalidRequest, match='`if __name__ == "__main__":`'):
        async with open_engine():
            pass  # pragma: no cover


# ---- run ----


async def test_run_inside_trio_names_what_to_write() -> None:
    with pytest.raises(trioflow.InvalidRequest, match=r"`await engine\.run\(\.\.\.\)`"):
        trioflow.run({"id": "w", "steps": []})


def test_run_inside_asyncio_names_the_door() -> None:
    async def main() -> None:
        trioflow.run({"id": "w", "steps": []})

    with pytest.raises(trioflow.InvalidRequest, match=r"trioflow\.aio\.open_engine"):
        asyncio.run(main())


def test_run_beside_loops() -> None:
    """In a thread there is none, whatever others there are."""
    document = {"id": "w", "steps": [{"id": "a", "action": "set", "parameters": {"x": 1}}]}

    async def on_asyncio() -> Any:
        return await asyncio.to_thread(trioflow.run, document)

    assert {"a": {"x": 1}} == asyncio.run(on_asyncio())
    assert {"a": {"x": 1}} == trio.run(trio.to_thread.run_sync, trioflow.run, document)


# ---- handles, after the block ----


USES: tuple[Callable[[Any], Any], ...] = (
    lambda one: one.result(),
    lambda one: one.wait_paused(),
    lambda one: one.resume({"x": 1}),
    lambda one: one.signal("go", 1),
    lambda one: one.pause(),
    lambda one: one.cancel(),
)
READING: tuple[Callable[[Any], Any], ...] = (
    lambda one: one.refresh(),
    lambda one: one.history(),
    lambda one: one.events().__anext__(),
)
NAMES = ("result", "wait_paused", "resume", "signal", "pause", "cancel")


async def left(store: Any) -> tuple[trioflow.Engine, trioflow.Execution]:
    document = {
        "id": "w",
        "connections": [],
        "steps": [
            {"id": "go", "type": "wait"},
            {"id": "nap", "type": "sleep", "duration": "1d"},
            {"id": "ask", "action": "set", "parameters": {"x": "${input.x}"}},
        ],
    }
    async with open_engine(store) as engine:
        return engine, await engine.start(document)


@pytest.mark.parametrize("use", USES, ids=NAMES)
@pytest.mark.parametrize("store", ("memory", "sqlite"))
async def test_a_handle_after_the_block_speaks_of_the_engine(
    autojump_clock: Any, tmp_path: Path, store: str, use: Callable[[Any], Any]
) -> None:
    _, execution = await left("memory:" if store == "memory" else f"sqlite:{tmp_path}/t.db")

    with pytest.raises(EngineLeft, match="engine"), trio.fail_after(1e6):
        await use(execution)


@pytest.mark.parametrize("use", READING, ids=("refresh", "history", "events"))
async def test_so_it_does_when_it_reads_a_file(
    autojump_clock: Any, tmp_path: Path, use: Callable[[Any], Any]
) -> None:
    engine, execution = await left(f"sqlite:{tmp_path}/t.db")

    with pytest.raises(EngineLeft, match="inside `async with open_engine"):
        await use(execution)
    with pytest.raises(EngineLeft, match="inside `async with open_engine"):
        await engine.executions()


async def test_what_a_store_of_ones_own_has_can_still_be_read(
    autojump_clock: Any, actions: list[Any]
) -> None:
    store = MemoryStore(clock=trio.current_time)
    async with open_engine(store, actions=actions) as engine:
        execution = await engine.start(chain("a"))
        output = await execution.result()

    assert await store.read(execution.id) == await execution.history()
    assert output == await execution.result()


async def test_an_engine_that_breaks_is_left_too(autojump_clock: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_engine() as engine:
            _ = 1 / 0

    await trio.lowlevel.checkpoint()
    with pytest.raises(EngineLeft):
        await engine.store.changed("x", 1)
