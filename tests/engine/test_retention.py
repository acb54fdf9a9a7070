"""Retention: what ended long ago is deleted, and nothing else."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
import trio.testing

import trioflow
from trioflow.engine import _retention as module
from trioflow.engine._retention import parse_retention
from trioflow.errors import ExecutionNotFound, InvalidRequest
from trioflow.events import ExecutionCompleted
from trioflow.stores import Head, MemoryStore
from trioflow.testing import open_engine

from .conftest import chain

DAY = 86_400.0
WAIT = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
FAIL = {"id": "bad", "steps": [{"id": "a", "action": "flaky"}]}


class Store(MemoryStore):
    """Counts how often it is asked for what has ended."""

    asked = 0

    async def ended(self, status: str, *, limit: int = 100) -> list[Head]:
        self.asked += 1
        return await super().ended(status, limit=limit)


@pytest.fixture
def store() -> Store:
    return Store(clock=trio.current_time)


@pytest.fixture(params=("memory", "sqlite"), ids=str)
def url(request: pytest.FixtureRequest) -> str:
    return {"memory": "memory:", "sqlite": "sqlite::memory:"}[str(request.param)]


async def _ids(engine: trioflow.Engine) -> list[str]:
    return [head.id for head in await engine.executions()]


async def test_what_ended_longer_ago_goes(
    autojump_clock: Any, actions: list[Any], url: str
) -> None:
    async with open_engine(url, actions=actions, retention="10d") as engine:
        await engine.run(chain("a"), execution_id="x")
        await trio.sleep(5 * DAY)
        await engine.run(chain("a"), execution_id="y")
        await trio.sleep(4.9 * DAY)
        before = await _ids(engine)
        # It is deleted an hour late at most.
        await trio.sleep(0.2 * DAY)
        after = await _ids(engine)
        with pytest.raises(ExecutionNotFound):
            await engine.execution("x")
        await trio.sleep(5 * DAY)
        at_last = await _ids(engine)

    assert (["y", "x"], ["y"], []) == (before, after, at_last)


async def test_by_status(
    autojump_clock: Any,
    actions: list[Any],
    store: Store,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "trioflow")
    retention: Any = {"COMPLETED": 60, "FAILED": "1h", "CANCELLED": None}
    async with open_engine(store, actions=actions, retention=retention) as engine:
        await engine.run(chain("a"), execution_id="completed")
        with pytest.raises(trioflow.ExecutionFailed):
            await engine.run(FAIL, execution_id="failed")
        execution = await engine.start(WAIT, execution_id="cancelled")
        await execution.cancel()
        await trio.sleep(100)
        soon = await _ids(engine)
        await trio.sleep(4_000)
        later = await _ids(engine)
        await trio.sleep(100 * DAY)
        at_last = await _ids(engine)

    assert ["cancelled", "failed"] == soon
    assert ["cancelled"] == later == at_last
    deleted = [record.getMessage() for record in caplog.records if "deleted" in record.msg]
    assert [
        "deleted 1 executions that had been COMPLETED for more than 60 s",
        "deleted 1 executions that had been FAILED for more than 3600 s",
    ] == deleted


async def test_at_opening(autojump_clock: Any, actions: list[Any], store: Store) -> None:
    """More of them than are asked for at once."""
    async with open_engine(store, actions=actions, max_concurrent_steps=120) as engine:
        for number in range(120):
            await engine.start(chain("a"), execution_id=f"x{number}")
        await trio.sleep(2 * DAY)
        await engine.run(chain("a"), execution_id="young")
        await trio.sleep(100)
    async with open_engine(store, actions=actions, retention="1d") as engine:
        await trio.testing.wait_all_tasks_blocked()
        found = await _ids(engine)

    assert ["young"] == found


async def test_never_what_is_open(autojump_clock: Any, actions: list[Any], store: Store) -> None:
    async with open_engine(store, actions=actions, retention=1) as engine:
        execution = await engine.start(WAIT, execution_id="x")
        await trio.sleep(100 * DAY)
        await execution.signal("go")
        await execution.result()


async def test_children_stay_as_long_as_their_parent(
    autojump_clock: Any, actions: list[Any], url: str
) -> None:
    child = trioflow.load_workflow(chain("x") | {"id": "child"})
    document = {
        "id": "p",
        "steps": [{"id": "c", "type": "workflow", "workflow": "child"}, *WAIT["steps"]],
    }
    async with open_engine(url, actions=actions, workflows=[child], retention="1d") as engine:
        execution = await engine.start(document, execution_id="x")
        await trio.sleep(100 * DAY)
        while_open = await _ids(engine)
        await execution.signal("go")
        await execution.result()
        await trio.sleep(2 * DAY)
        at_last = await _ids(engine)

    assert (["x:c", "x"], []) == (while_open, at_last)


async def test_nothing_is_deleted_unasked(
    autojump_clock: Any, actions: list[Any], store: Store
) -> None:
    async with open_engine(store, actions=actions) as engine:
        await engine.run(chain("a"), execution_id="x")
        await trio.sleep(10_000 * DAY)
        found = await _ids(engine)

    assert (["x"], 0) == (found, store.asked)


async def test_it_seldom_wakes_up(autojump_clock: Any, actions: list[Any], store: Store) -> None:
    """At most ten times an age while something is due, and not at all while nothing is there."""
    async with open_engine(store, actions=actions, retention="10m") as engine:
        await trio.sleep(1_000 * DAY)
        idle = store.asked
        for _ in range(120):
            await trio.sleep(9)
            await engine.run(chain("a"))
        busy = store.asked
        await trio.sleep(1_000 * DAY)
        assert [] == await _ids(engine)

    # For three statuses, each time.
    assert (3, True, True) == (idle, busy <= 3 * 25, store.asked <= 3 * 40)


async def test_until_something_is_due_it_sleeps(
    autojump_clock: Any, actions: list[Any], store: Store
) -> None:
    async with open_engine(store, actions=actions, retention={"COMPLETED": "10d"}) as engine:
        await engine.run(chain("a"))
        await trio.sleep(9.9 * DAY)

    # At the opening, and when there was something.
    assert 2 == store.asked


async def test_a_deadlock_is_still_found(
    autojump_clock: Any, actions: list[Any], store: Store
) -> None:
    with pytest.raises(trio.TooSlowError):
        async with open_engine(store, actions=actions, retention="30d") as engine:
            await engine.run(chain("a"))
            await trio.sleep_forever()


async def test_what_the_store_refuses_is_said_once(
    autojump_clock: Any,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A parent that ended before its child, which no engine leaves behind."""
    monkeypatch.setattr(module, "_PAGE", 1)
    end = ExecutionCompleted(1, 5.0)
    await store.commit(Head("p", "w", "COMPLETED", 1, ended=5.0), [end])
    await store.commit(Head("c", "w", "RUNNING", 1, parent="p"), [ExecutionCompleted(1, 5.0)])
    await store.commit(Head("x", "w", "COMPLETED", 1, ended=7.0), [end])
    async with open_engine(store, retention="1d") as engine:
        await trio.sleep(10 * DAY)
        found = await _ids(engine)

    assert ["c", "p"] == found
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert ["can't delete execution 'c': it is RUNNING; cancel it first"] == [
        record.getMessage() for record in warnings
    ]


async def test_a_handle_of_what_was_deleted(
    autojump_clock: Any, actions: list[Any], store: Store
) -> None:
    async with open_engine(store, actions=actions, retention="1d") as engine:
        execution = await engine.start(chain("a"), execution_id="x")
        slow = execution.events()
        await execution.result()
        rest = execution.events(after=2)
        await trio.sleep(2 * DAY)
        with pytest.raises(ExecutionNotFound):
            await slow.__anext__()
        with pytest.raises(ExecutionNotFound):
            await rest.__anext__()
        with pytest.raises(ExecutionNotFound):
            await execution.refresh()
        again = await engine.start(chain("a"), execution_id="x")
        await again.result()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    (
        (0, "retention: a duration is above 0, not 0"),
        ("30", "retention: .*no unit"),
        ({"RUNNING": "1d"}, "retention: executions do not end as 'RUNNING'; name COMPLETED"),
        ({"FAILED": True}, "retention: a duration cannot be a boolean"),
    ),
    ids=str,
)
async def test_what_is_no_retention(wrong: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        async with open_engine(retention=wrong):
            pass


def test_what_is_a_retention() -> None:
    assert {} == parse_retention(None)
    assert {"COMPLETED": 5.0, "FAILED": 5.0, "CANCELLED": 5.0} == parse_retention(5)
    assert {"FAILED": 3_600.0} == parse_retention({"FAILED": "1h", "COMPLETED": None})


# ---- by age ----


async def test_executions_by_age(autojump_clock: Any, actions: list[Any]) -> None:
    async with open_engine(actions=actions) as engine:
        await engine.start(WAIT, execution_id="open")
        for number in range(5):
            await trio.sleep(9)
            await engine.run(chain("a"), execution_id=f"x{number}")
        created = [head.id for head in await engine.executions(created_before=29)]
        ended = [head.id for head in await engine.executions(ended_before=30, limit=1)]
        rest = [head.id for head in await engine.executions(ended_before=30, before="x1")]

    assert ["x1", "x0", "open"] == created
    assert (["x1"], ["x0"]) == (ended, rest)
