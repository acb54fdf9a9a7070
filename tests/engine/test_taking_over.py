"""What is counted as open of executions that come from another engine, or go to one."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import trioflow
from trioflow.engine import Engine
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine

Document = dict[str, Any]

LEASE = 30.0
GO: Document = {"id": "go", "type": "wait"}
SLEEP: Document = {"id": "s", "type": "sleep", "duration": 1000}
WAITS: Document = {"id": "w", "steps": [GO]}
SLEEPS: Document = {"id": "w", "steps": [SLEEP]}
# It sleeps when it has its signal.
BOTH: Document = {"id": "w", "steps": [GO, SLEEP]}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=trio.current_time)


@trioflow.action("nap")
async def nap() -> None:
    await trio.sleep(1000)


def opened(store: MemoryStore, **arguments: Any) -> Any:
    return open_engine(store, lease=LEASE, actions=nap, **arguments)


async def falls_asleep(store: MemoryStore, engine: Engine) -> None:
    """As if the engine's machine had slept for longer than its lease."""
    await store.renew(engine.owner, ttl=0)


def counted(engine: Engine, workflow: str = "w") -> tuple[int, int, int]:
    found = engine.statistics()
    return found.running, found.waiting, found.workflows[workflow].open


async def test_what_was_started_elsewhere_is_counted_when_its_lease_has_lapsed(
    autojump_clock: Any, store: MemoryStore
) -> None:
    """Beside one of its own, which would hide that one is missing; and again with its id."""
    async with opened(store) as lives:
        await lives.start(WAITS)
        found = []
        for _ in range(2):
            async with opened(store) as leaves:
                await leaves.start(SLEEPS, execution_id="x")
                await trio.sleep(1)
                found.append(counted(lives))
            await trio.sleep(2 * LEASE)
            found.append(counted(lives))
            execution = await lives.execution("x")
            await execution.cancel()
            found.append(counted(lives))
            await lives.delete("x")

    assert [(0, 1, 1), (1, 1, 2), (0, 1, 1)] * 2 == found


async def test_what_was_found_at_opening_is_counted_once(
    autojump_clock: Any, store: MemoryStore
) -> None:
    async with opened(store) as there:
        await there.start(SLEEPS, execution_id="x")
        await there.start(WAITS, execution_id="y")
        await trio.sleep(1)
        async with opened(store) as here:
            found = [counted(here)]
            await falls_asleep(store, there)
            await here.recover()
            found.append(counted(here))
            await (await here.execution("y")).signal("go")
            await trio.sleep(1)
            found.append(counted(here))
            await (await here.execution("x")).cancel()
            found.append(counted(here))

    assert [(1, 1, 2), (1, 1, 2), (1, 0, 1), (0, 0, 0)] == found


@pytest.mark.parametrize("recover", (True, False))
async def test_what_is_claimed_to_be_continued_is_counted_with_its_family(
    autojump_clock: Any, store: MemoryStore, recover: bool
) -> None:
    parent = {"id": "p", "steps": [{"id": "one", "type": "workflow", "workflow": "w"}, SLEEP]}
    async with opened(store, workflows=WAITS, recover=recover) as lives:
        async with opened(store, workflows=WAITS) as leaves:
            await leaves.start(parent, execution_id="x")
            await trio.sleep(1)
        assert (0, 0, {}) == (
            lives.statistics().running,
            lives.statistics().waiting,
            lives.statistics().workflows,
        )
        await (await lives.execution("x:one")).signal("go")
        await trio.sleep(1)

        assert (1, 0, 0) == counted(lives)
        assert (1, 0, 1) == counted(lives, "p")
        await trio.sleep(2000)
        assert (0, 0, 0) == counted(lives, "p")


async def test_its_status_is_that_at_which_it_is_taken_over(
    autojump_clock: Any, store: MemoryStore
) -> None:
    """It was found PAUSED, and has gone on since with the engine that had it."""
    async with opened(store) as there:
        execution = await there.start(BOTH, execution_id="x")
        await trio.sleep(1)
        async with opened(store) as here:
            await execution.signal("go")
            await trio.sleep(1)
            # What others do is not noticed.
            found = [counted(here)]
            await falls_asleep(store, there)
            await here.recover()
            found.append(counted(here))
            await trio.sleep(2000)
            found.append(counted(here))

    assert [(0, 1, 1), (1, 0, 1), (0, 0, 0)] == found


async def test_what_was_lost_and_comes_back_is_counted_once(
    autojump_clock: Any, store: MemoryStore
) -> None:
    """It waits by then, as it did not when it was lost."""
    document = {"id": "w", "steps": [{"id": one, "action": "nap"} for one in "ab"]}
    async with opened(store) as here:
        execution = await here.start(document, execution_id="x")
        await trio.sleep(1)
        await falls_asleep(store, here)
        async with opened(store) as there:
            here._drivers["x"].look()
            await trio.sleep(1)
            assert [] == list(here._drivers)
            found = [counted(here)]
            await (await there.execution("x")).pause()
            await trio.sleep(1000)
            await execution.refresh()
            assert "PAUSED" == execution.status
        await execution.resume()
        await trio.sleep(1)
        found.append(counted(here))
        await execution.result()
        found.append(counted(here))

    assert [(1, 0, 1), (1, 0, 1), (0, 0, 0)] == found
