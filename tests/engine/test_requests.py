"""Requests that come from elsewhere: another engine, or another process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

import trioflow
from trioflow.engine import Requester
from trioflow.stores import MemoryStore, SqliteStore
from trioflow.testing import open_engine

from .conftest import Calls, chain


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=trio.current_time)


async def test_a_cancel_reaches_the_engine_that_drives_it(
    autojump_clock: Any, actions: list[Any], calls: Calls, store: MemoryStore
) -> None:
    async with open_engine(store, actions=actions) as first:
        execution = await first.start(chain("a", "b"), execution_id="x")
        async with open_engine(store, actions=actions) as second:
            await trio.sleep(0.5)
            receipt = await (await second.execution("x")).cancel("from elsewhere")
        with pytest.raises(trioflow.ExecutionCancelled, match="from elsewhere"):
            await execution.result()

    assert ("b", "a") == receipt.stopped
    assert [(0.5, "a")] == calls.of("cancelled")


async def test_all_requests_reach_it(
    autojump_clock: Any, actions: list[Any], store: MemoryStore
) -> None:
    document = {
        "id": "w",
        "steps": [
            {"id": "go", "type": "wait"},
            {"id": "a", "action": "work", "parameters": {"value": "${input.card}"}},
        ],
        "output": ["${go}", "${a}"],
    }
    requester = Requester(store, "x", clock=trio.current_time)
    async with open_engine(store, actions=actions) as engine:
        execution = await engine.start(document, execution_id="x")
        await requester.signal("go", 1)
        await execution.events(after=3).__anext__()
        await requester.pause()
        with pytest.raises(trioflow.InvalidRequest, match=r"the first one is kept|too late"):
            await requester.signal("go", 2)
        await requester.resume({"card": 7})
        output = await execution.result()

    assert [1, 7] == output


async def test_what_was_left_while_no_engine_ran_is_acted_upon_at_the_next_opening(
    autojump_clock: Any, actions: list[Any], store: MemoryStore
) -> None:
    document = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
    async with open_engine(store, actions=actions) as engine:
        await engine.start(document, execution_id="x")
    await Requester(store, "x", clock=trio.current_time).signal("go", 5)
    async with open_engine(store, actions=actions) as engine:
        output = await (await engine.execution("x")).result()

    assert {"go": 5} == output


async def test_a_request_beside_running_attempts_disturbs_none_of_them(
    autojump_clock: Any, actions: list[Any], calls: Calls, store: MemoryStore
) -> None:
    document = {
        "id": "w",
        "connections": [],
        "steps": [
            {"id": "go", "type": "wait"},
            *({"id": f"s{n}", "action": "work"} for n in range(4)),
        ],
    }
    async with open_engine(store, actions=actions, max_concurrent_steps=2) as engine:
        execution = await engine.start(document, execution_id="x")
        await trio.sleep(0.5)
        await Requester(store, "x", clock=trio.current_time).signal("go", 5)
        await execution.result()

    assert [0, 0, 1, 1] == [at for at, _ in calls.of("start")]
    assert 4 == len(calls.of("end"))


async def test_from_another_connection_to_the_file(tmp_path: Path) -> None:
    document = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
    path = tmp_path / "t.db"
    async with trioflow.open_engine(f"sqlite:{path}") as engine:
        execution = await engine.start(document, execution_id="x")
        async with SqliteStore(path, requests_only=True) as beside:
            await Requester(beside, "x").signal("go", {"by": "Ann"})
        with trio.fail_after(10):
            output = await execution.result()

    assert {"go": {"by": "Ann"}} == output


async def test_nobody_is_not_found(store: MemoryStore) -> None:
    with pytest.raises(trioflow.ExecutionNotFound):
        await Requester(store, "nobody").cancel()
    with pytest.raises(trioflow.InvalidRequest, match="seconds from 0 on"):
        await Requester(store, "nobody").cancel(grace=-1)
    with pytest.raises(trioflow.InvalidRequest, match="not JSON"):
        await Requester(store, "nobody").resume({"x": {1}})
