"""The engine on a real clock: threads, processes and files. Nothing here sleeps for long."""

from __future__ import annotations

import importlib
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

import trioflow

from .conftest import parallel


async def test_sixty_blocked_threads_delay_neither_commits_nor_a_cancel(tmp_path: Path) -> None:
    """The threads of sync actions are not those of the store, and not limited by trio's default."""
    release = threading.Event()
    blocked = threading.Semaphore(0)

    @trioflow.action("block")
    def block() -> None:
        blocked.release()
        assert release.wait(30)

    @trioflow.action("work")
    async def work() -> str:
        await trio.lowlevel.checkpoint()
        return "done"

    document = parallel(60)
    for step in document["steps"]:
        step["action"] = "block"
    store = f"sqlite:{tmp_path}/t.db"
    async with trioflow.open_engine(
        store, actions=[block, work], max_concurrent_steps=61
    ) as engine:
        execution = await engine.start(document)
        for _ in range(60):
            await trio.to_thread.run_sync(
                blocked.acquire, limiter=trio.CapacityLimiter(1), abandon_on_cancel=True
            )
        with trio.fail_after(5):
            output = await engine.run({"id": "w", "steps": [{"id": "a", "action": "work"}]})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(execution.cancel, "enough")
            with trio.fail_after(5):
                async for event in execution.events():
                    if event.type == "StoppingStarted":
                        break
            release.set()

    assert {"a": "done"} == output
    assert "CANCELLED" == execution.status


async def test_a_process_that_never_yields_is_killed_on_its_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A worker process must be able to import it, from wherever the tests are started.
    (tmp_path / "isolated.py").write_text(
        "import trioflow\n"
        "@trioflow.action('isolated.spin', isolation='process')\n"
        "def spin():\n"
        "    while True:\n"
        "        pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    isolated = importlib.import_module("isolated")
    document = {"id": "w", "steps": [{"id": "a", "action": "isolated.spin", "timeout": 0.2}]}
    async with trioflow.open_engine(actions=isolated) as engine:
        with pytest.raises(trioflow.ExecutionFailed, match=r"timed out after 0\.2 s"):
            await engine.run(document)


async def test_a_sync_action_leaves_where_it_asks_whether_it_is_cancelled() -> None:
    entered = threading.Event()

    @trioflow.action("patient")
    def patient(context: trioflow.ActionContext) -> None:
        entered.set()
        while True:
            context.check_cancelled()

    async with trioflow.open_engine(actions=[patient]) as engine:
        execution = await engine.start({"id": "w", "steps": [{"id": "a", "action": "patient"}]})
        await trio.to_thread.run_sync(entered.wait)
        receipt = await execution.cancel()

    assert ("a",) == receipt.stopped


async def test_an_asyncio_action_is_really_cancelled() -> None:
    import asyncio

    seen: list[str] = []
    entered = threading.Event()

    @trioflow.action("client", loop="asyncio")
    async def client() -> None:
        try:
            entered.set()
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append("closed the connection")
            raise

    async with trioflow.open_engine(actions=[client]) as engine:
        execution = await engine.start({"id": "w", "steps": [{"id": "a", "action": "client"}]})
        await trio.to_thread.run_sync(entered.wait)
        await execution.cancel()

    assert ["closed the connection"] == seen


async def test_a_second_engine_on_one_file_is_refused_at_once(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path}/t.db"
    async with trioflow.open_engine(store):
        with pytest.raises(trioflow.StoreLocked, match=r"t\.db"):
            async with trioflow.open_engine(store):
                pass  # pragma: no cover


async def test_survives_a_restart_on_a_file(tmp_path: Path) -> None:
    calls: list[str] = []

    @trioflow.action("work")
    async def work(context: trioflow.ActionContext) -> str:
        calls.append(context.step)
        if len(calls) == 2:
            await trio.sleep_forever()
        return context.step

    store = f"sqlite:{tmp_path}/t.db"
    document = {
        "id": "w",
        "steps": [{"id": step, "action": "work"} for step in ("a", "b", "c")],
    }
    async with trioflow.open_engine(store, actions=[work]) as engine:
        execution = await engine.start(document, execution_id="x")
        async for event in execution.events():
            if event.type == "AttemptStarted" and getattr(event, "step", "") == "b":
                break
    async with trioflow.open_engine(store, actions=[work]) as engine:
        output = await (await engine.execution("x")).result()

    assert {"c": "c"} == output
    assert ["a", "b", "b", "c"] == calls


def test_run_blocks_and_returns_the_output() -> None:
    document = {
        "id": "w",
        "steps": [{"id": "a", "action": "set", "parameters": {"n": "${input.n}"}}],
    }

    output: Any = trioflow.run(document, {"n": 3})

    assert {"a": {"n": 3}} == output


async def test_what_an_engine_cannot_continue_stays_as_it_is_on_the_disk(tmp_path: Path) -> None:
    def rows() -> list[Any]:
        with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
            head = connection.execute("SELECT * FROM executions WHERE id = 'x'").fetchall()
            events = connection.execute(
                "SELECT events.* FROM events JOIN executions ON key = execution WHERE id = 'x'"
            ).fetchall()
        return [*head, *events]

    @trioflow.action("mine")
    async def mine() -> None:
        await trio.sleep_forever()

    @trioflow.action("other")
    async def other() -> str:
        await trio.lowlevel.checkpoint()
        return "done"

    store = f"sqlite:{tmp_path}/t.db"
    waits = {"id": "w", "type": "wait", "signal": "go"}
    async with trioflow.open_engine(store, actions=[mine, other]) as engine:
        execution = await engine.start(
            {"id": "one", "steps": [{"id": "a", "action": "mine"}]}, execution_id="x"
        )
        async for event in execution.events():
            if event.type == "AttemptStarted":
                break
        await engine.start(
            {"id": "two", "steps": [waits, {"id": "b", "action": "other"}]}, execution_id="y"
        )
    before = rows()
    async with trioflow.open_engine(store, actions=[other]) as engine:
        execution = await engine.execution("y")
        await execution.signal("go")
        assert {"b": "done"} == await execution.result()

    assert before == rows()
