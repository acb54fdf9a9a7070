"""What only waits leaves memory, and comes back when there is something to do."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import trio

import trioflow
from trioflow.testing import open_engine

from .conftest import Calls


async def test_what_waits_for_somebody_is_not_in_memory(
    autojump_clock: Any, actions: list[Any]
) -> None:
    document = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(document, execution_id="x")
        await execution.wait_paused()
        await trio.sleep(1)
        forgotten = weakref.ref(execution)
        del execution
        gc.collect()
        assert forgotten() is None
        again = await engine.execution("x")
        await again.signal("go", 7)
        output = await again.result()

    assert {"go": 7} == output


async def test_long_sleeps_and_timeouts_wake_by_themselves(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    document = {
        "id": "w",
        "connections": [],
        "steps": [
            {"id": "nap", "type": "sleep", "duration": "2h"},
            {"id": "go", "type": "wait", "total_timeout": "1h", "continue_on_error": True},
            {"id": "a", "action": "work", "depends_on": ["nap"]},
        ],
    }
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(document)
        await trio.sleep(3_500)
        assert {} == engine._drivers
        assert "PAUSED" == execution.steps["go"].status
        await trio.sleep(200)
        assert "FAILED" == execution.steps["go"].status
        await execution.result()

    assert [(7_200, "a")] == calls.of("start")


async def test_a_handle_that_is_held_hears_of_what_happens_later(
    autojump_clock: Any, actions: list[Any]
) -> None:
    document = {"id": "w", "steps": [{"id": "go", "type": "wait", "total_timeout": "1d"}]}
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(document)
        await trio.sleep(1)
        try:
            await execution.result()
        except trioflow.ExecutionFailed as error:
            assert "timeout.step" == error.errors[0].code  # noqa: PT017

    assert 86_400 == trio.current_time()
