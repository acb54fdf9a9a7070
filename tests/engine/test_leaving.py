"""Leaving the engine interrupts; opening it again continues; what breaks is told once."""

from __future__ import annotations

import signal
from typing import Any

import pytest
import trio

import trioflow
from trioflow import events
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine

from .conftest import Calls, chain, parallel


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=trio.current_time)


async def test_leaving_interrupts_and_opening_continues(
    autojump_clock: Any, actions: list[Any], calls: Calls, store: MemoryStore
) -> None:
    async with open_engine(store, actions=actions) as engine:
        await engine.start(chain("a", "b", "c"), execution_id="x")
        await trio.sleep(1.5)
    assert 0 == calls.running
    interrupted = (await store.read("x"))[-1]
    async with open_engine(store, actions=actions) as engine:
        execution = await engine.execution("x")
        output = await execution.result()

    assert isinstance(interrupted, events.AttemptInterrupted)
    assert {"c": "c"} == output
    assert [(0, "a"), (1, "b"), (1.5, "b"), (2.5, "c")] == calls.of("start")
    assert 2 == execution.steps["b"].attempts


async def test_a_delay_and_a_sleep_go_on_through_a_restart(
    autojump_clock: Any, actions: list[Any], calls: Calls, store: MemoryStore
) -> None:
    retry = {"max_attempts": 2, "initial_delay": 100, "max_delay": 100}
    steps = [
        {"id": "a", "action": "flaky", "retry": retry},
        {"id": "nap", "type": "sleep", "duration": "30d"},
    ]
    async with open_engine(store, actions=actions) as engine:
        await engine.start({"id": "w", "steps": steps, "connections": []}, execution_id="x")
        await trio.sleep(10)
    await trio.sleep(20)
    async with open_engine(store, actions=actions) as engine:
        await (await engine.execution("x")).result()

    assert [(0, "a"), (100, "a")] == calls.of("start")
    assert 30 * 86_400 == trio.current_time()


async def test_what_came_due_while_no_engine_ran_happens_at_once(
    autojump_clock: Any, actions: list[Any], store: MemoryStore
) -> None:
    steps = [
        {"id": "nap", "type": "sleep", "duration": 50},
        {"id": "late", "type": "wait", "total_timeout": 60, "continue_on_error": True},
    ]
    async with open_engine(store, actions=actions) as engine:
        await engine.start({"id": "w", "steps": steps, "connections": []}, execution_id="x")
    await trio.sleep(1000)
    async with open_engine(store, actions=actions) as engine:
        execution = await engine.execution("x")
        await execution.result()

    assert 1000 == trio.current_time()
    assert ["COMPLETED", "FAILED"] == [step.status for step in execution.steps.values()]


async def test_recover_false_continues_only_what_is_asked_for(
    autojump_clock: Any, actions: list[Any], store: MemoryStore
) -> None:
    async with open_engine(store, actions=actions) as engine:
        await engine.start(chain("a"), execution_id="x")
        await engine.start(chain("a"), execution_id="y")
    async with open_engine(store, actions=actions, recover=False) as engine:
        again = await engine.start(chain("a"), execution_id="y")
        await again.result()
        await trio.sleep(100)
        other = await engine.execution("x")

    assert "COMPLETED" == again.status
    assert "RUNNING" == other.status


async def test_cancelling_run_interrupts_what_it_started(
    autojump_clock: Any, actions: list[Any], calls: Calls, store: MemoryStore
) -> None:
    async with open_engine(store, actions=actions) as engine:
        with trio.move_on_after(1.5):
            await engine.run(chain("a", "b"), execution_id="x")
        assert 0 == calls.running
        assert "RUNNING" == (await engine.execution("x")).status
        output = await engine.run(chain("a", "b"), execution_id="x")

    assert {"b": "b"} == output
    assert [(0, "a"), (1, "b"), (1.5, "b")] == calls.of("start")


async def test_cancelling_the_waiting_leaves_the_execution_alone(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a"))
        with trio.move_on_after(0.5):
            await execution.result()
        assert {"a": "a"} == await execution.result()


async def test_a_cancelled_start_has_recorded_nothing(
    autojump_clock: Any, actions: list[Any], store: MemoryStore
) -> None:
    async with open_engine(store, actions=actions) as engine:
        with trio.CancelScope() as scope:
            scope.cancel()
            await engine.start(chain("a"), execution_id="x")
        assert scope.cancelled_caught

    assert [] == await store.read("x")


@pytest.mark.parametrize("error", (ValueError("mine"), KeyboardInterrupt()), ids=repr)
async def test_what_the_body_raises_leaves_as_itself(
    autojump_clock: Any, actions: list[Any], calls: Calls, error: BaseException
) -> None:
    with pytest.raises(type(error)) as raised:
        async with open_engine(actions=actions) as engine:
            await engine.start(chain("a"))
            await trio.sleep(0.5)
            raise error

    assert error is raised.value
    assert 0 == calls.running


class BrokenStore(MemoryStore):
    """A store whose disk fails."""

    broken = False

    async def commit(self, *args: Any, **kwargs: Any) -> None:
        if self.broken:
            raise trioflow.StoreError("the disk is full")
        await super().commit(*args, **kwargs)


async def test_a_broken_engine_cancels_the_body_and_raises_the_cause(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    store = BrokenStore(clock=trio.current_time)
    with pytest.raises(trioflow.StoreError, match="the disk is full"):
        async with open_engine(store, actions=actions) as engine:
            await engine.start(parallel(2))
            store.broken = True
            await trio.sleep(1000)

    assert 0 == calls.running
    assert 1 == trio.current_time()


async def test_a_store_that_breaks_is_told_once(autojump_clock: Any, actions: list[Any]) -> None:
    """However many executions were writing to it."""
    store = BrokenStore(clock=trio.current_time)
    with pytest.raises(trioflow.StoreError, match="the disk is full"):
        async with open_engine(store, actions=actions) as engine:
            for _ in range(5):
                await engine.start(chain("a"))
            store.broken = True
            await trio.sleep(1000)


async def test_an_engine_without_the_actions_leaves_an_execution_byte_for_byte(
    autojump_clock: Any,
    actions: list[Any],
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stored() -> tuple[Any, list[str]]:
        row = store._rows["x"]
        return row.head, list(row.texts)

    @trioflow.action("other")
    async def other() -> str:
        return "done"

    async with open_engine(store, actions=[*actions, other]) as engine:
        await engine.start(chain("a"), execution_id="x")
        await engine.start(
            {
                "id": "o",
                "steps": [
                    {"id": "nap", "type": "sleep", "duration": 5},
                    {"id": "b", "action": "other"},
                ],
            },
            execution_id="y",
        )
    before = stored()
    async with open_engine(store, actions=[other]) as engine:
        assert {"b": "done"} == await (await engine.execution("y")).result()
        untouched = await engine.execution("x")
        with pytest.raises(trioflow.UnknownAction, match="'work'"):
            await untouched.cancel()

    assert before == stored()
    assert "1 executions are left as they are: x (unknown action 'work')" in caplog.text


async def test_another_engine_on_the_same_store_takes_the_execution_over(
    autojump_clock: Any, actions: list[Any], calls: Calls, store: MemoryStore
) -> None:
    async with open_engine(store, actions=actions) as first:
        execution = await first.start(chain("a", "b"), execution_id="x")
        await trio.sleep(0.5)
        # Its lease lapses, which the first engine does not notice until it writes.
        await store.renew(first.owner, ttl=0)
        async with open_engine(store, actions=actions) as second:
            taken = await second.execution("x")
            output = await taken.result()
            await execution.result()

    assert {"b": "b"} == output
    assert "COMPLETED" == execution.status
    starts = [step for _, step in calls.of("start")]
    assert ["a", "a", "b"] == starts


def test_an_interrupt_from_the_keyboard_leaves_as_itself(actions: list[Any]) -> None:
    async def main() -> None:
        async with trioflow.open_engine(actions=actions) as engine:
            await engine.start(chain("a"))
            signal.raise_signal(signal.SIGINT)
            await trio.sleep(1000)

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)


class SleepyStore(MemoryStore):
    """A store that does not hear that some owners are alive."""

    __slots__ = ("asleep",)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asleep: set[str] = set()

    async def renew(self, owner: str, *, ttl: float) -> None:
        await trio.lowlevel.checkpoint()
        if owner not in self.asleep:
            await super().renew(owner, ttl=ttl)


async def test_a_second_engine_takes_over_what_lapsed(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    """And the first one, when it comes to itself, stops what is not its own any more."""
    document = {"id": "w", "steps": [{"id": "a", "action": "work", "parameters": {"seconds": 500}}]}

    store = SleepyStore(clock=trio.current_time)
    async with open_engine(store, actions=actions, lease=30) as first:
        await first.start(document, execution_id="x")
        async with open_engine(store, actions=actions, lease=30) as second:
            # As if the machine of the first engine had been asleep: nothing is heard of it.
            store.asleep.add(first.owner)
            await trio.sleep(50)
            head = await store.head("x")
            assert head is not None
            assert second.owner == head.owner
            for driver in first._drivers.values():
                driver.look()
            await trio.sleep(1)
            assert {} == first._drivers
            assert 1 == calls.running
            await (await second.execution("x")).result()

    assert 2 == len(calls.of("start"))
    assert 1 == len(calls.of("end"))
