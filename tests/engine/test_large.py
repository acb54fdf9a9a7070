"""What is too large for a record harms the one that it is of, and nobody else."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import trio

import trioflow
from trioflow import events
from trioflow.stores import MAX_EVENT_BYTES, Head, MemoryStore
from trioflow.testing import open_engine

SMALL = {"id": "small", "steps": [{"id": "a", "action": "nap"}]}


@trioflow.action("big")
async def big() -> str:
    return "x" * 600_000


@trioflow.action("nap")
async def nap() -> int:
    await trio.sleep(5)
    return 1


@trioflow.action("echo")
async def echo(x: str) -> int:
    return len(x)


async def test_outputs_that_do_not_fit_together_fail_their_execution(autojump_clock: Any) -> None:
    steps = [{"id": each, "action": "big", "depends_on": []} for each in "ab"]
    async with open_engine(actions=[big, nap]) as engine:
        other = await engine.start(SMALL)
        execution = await engine.start({"id": "w", "steps": steps})
        with pytest.raises(trioflow.ExecutionFailed, match=r"result\.too_large"):
            await execution.result()

        assert {"a": 1} == await other.result()


async def test_a_request_that_is_too_large_leaves_nothing(autojump_clock: Any) -> None:
    steps = [{"id": "a", "action": "echo", "parameters": {"x": "${input.x}"}}]
    async with open_engine(actions=[echo]) as engine:
        # Who comes next, the one who asks or the driver, is trio's choice.
        for _ in range(10):
            execution = await engine.start({"id": "w", "steps": steps})
            await execution.wait_paused()
            before = execution.waiting_for
            with pytest.raises(trioflow.InvalidRequest, match="the whole input has 1048584 bytes"):
                await execution.resume({"x": "x" * MAX_EVENT_BYTES})

            now = (execution.status, execution.input, execution.waiting_for)
            assert ("PAUSED", {}, before) == now
            await execution.resume({"x": "abc"})
            assert {"a": 3} == await execution.result()


@attrs.define(eq=False)
class Narrow(MemoryStore):
    """As long as it is narrow, the end of a step of one execution is too large for it."""

    execution_id: str = attrs.field(kw_only=True)
    narrow: bool = attrs.field(default=True, init=False)

    async def commit(
        self, head: Head, events_: Sequence[events.Event], *, owned: bool = True
    ) -> None:
        meant = self.narrow and head.id == self.execution_id
        if meant and any(isinstance(each, events.StepCompleted) for each in events_):
            raise trioflow.TooLarge(head.id, MAX_EVENT_BYTES + 1, MAX_EVENT_BYTES)
        await super().commit(head, events_, owned=owned)


async def test_what_cannot_be_recorded_stops_its_execution_alone(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when an engine opens the store again: the others go on."""
    caplog.set_level(logging.WARNING)
    async with Narrow(clock=trio.current_time, execution_id="x") as store:
        async with open_engine(store, actions=nap) as engine:
            await engine.start(SMALL, execution_id="x")
            await engine.start(SMALL, execution_id="y")
            await trio.sleep(1)
        for _ in range(2):
            async with open_engine(store, actions=nap) as engine:
                other = await engine.execution("y")
                assert {"a": 1} == await other.result()
                execution = await engine.execution("x")
                with pytest.raises(trioflow.TooLarge, match="execution 'x' has 1048577"):
                    await execution.result()
                await trio.sleep(100)
                with pytest.raises(trioflow.TooLarge):
                    await execution.wait_paused()
                assert ("RUNNING", "RUNNING") == (execution.status, execution.steps["a"].status)
        heads = {head.id: head.status for head in await store.heads()}

    assert {"x": "RUNNING", "y": "COMPLETED"} == heads
    told = [record.getMessage() for record in caplog.records if "execution x" in record.message]
    assert len(told) == 2
    assert all("more than the 1048576 that a store takes" in each for each in told)
    assert all("it is stopped here" in each for each in told)


PARENT = {
    "id": "parent",
    "steps": [
        {"id": "one", "type": "workflow", "workflow": "small"},
        {"id": "nap", "action": "nap", "depends_on": []},
    ],
}


async def test_a_parent_does_not_wait_for_ever_for_what_cannot_be_recorded(
    autojump_clock: Any,
) -> None:
    """Neither does whoever waits for the parent; a cancel ends all of it."""

    async with (
        Narrow(clock=trio.current_time, execution_id="p:one") as store,
        open_engine(store, actions=nap, workflows=[SMALL]) as engine,
    ):
        execution = await engine.start(PARENT, execution_id="p")
        with pytest.raises(trioflow.TooLarge, match="an event of execution 'p:one' has 1048577"):
            await execution.result()
        receipt = await execution.cancel("stuck")
        child = await store.head("p:one")

        assert "CANCELLED" == receipt.status == execution.status
        assert child is not None
        assert "CANCELLED" == child.status


async def test_where_there_is_room_again_it_goes_on(autojump_clock: Any) -> None:
    async with (
        Narrow(clock=trio.current_time, execution_id="p:one") as store,
        open_engine(store, actions=nap, workflows=SMALL) as engine,
    ):
        execution = await engine.start(PARENT, execution_id="p")
        with pytest.raises(trioflow.TooLarge):
            await execution.result()
        store.narrow = False
        await execution.pause()
        await execution.resume()

        assert {"one": {"a": 1}, "nap": 1} == await execution.result()
