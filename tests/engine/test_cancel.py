"""Cancelling, whatever the execution is doing just then."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import trioflow
from trioflow import events
from trioflow.testing import open_engine

from .conftest import Calls, chain

FAILING = {"action": "flaky", "parameters": {"fails": 9}}
STATES = {
    "paused for input": (
        {"steps": [{"id": "a", "action": "work", "parameters": {"value": "${input.x}"}}]},
        [],
    ),
    "paused for a signal": ({"steps": [{"id": "a", "type": "wait"}]}, []),
    "paused for a decision": (
        {"steps": [{"id": "a", **FAILING, "retry": {"max_attempts": 1, "on_exhausted": "pause"}}]},
        [],
    ),
    "in back-off": (
        {"steps": [{"id": "a", **FAILING, "retry": {"initial_delay": 60}}]},
        [],
    ),
    "asleep": ({"steps": [{"id": "a", "type": "sleep", "duration": "30d"}]}, []),
    "queued": (
        {
            "max_concurrent_steps": 1,
            "connections": [],
            "steps": [
                {"id": "b", "action": "work", "parameters": {"seconds": 60}},
                {"id": "a", "action": "work"},
            ],
        },
        ["b"],
    ),
    "in an attempt": (
        {"steps": [{"id": "a", "action": "work", "parameters": {"seconds": 60}}]},
        ["a"],
    ),
}


@pytest.mark.parametrize("state", tuple(STATES))
async def test_a_cancel_ends_it_at_once(
    autojump_clock: Any, actions: list[Any], calls: Calls, state: str
) -> None:
    document, running = STATES[state]
    async with open_engine(actions=actions) as engine:
        execution = await engine.start({"id": "w", **document})
        await trio.sleep(5)
        await execution.cancel("enough")
        history = await execution.history()

    assert 5 == trio.current_time()
    assert "CANCELLED" == execution.status
    assert running == [step for _, step in calls.of("cancelled")]
    assert isinstance(history[-1], events.ExecutionCancelled)
    assert "CANCELLED" == execution.steps["a"].status


async def test_of_two_cancels_the_first_reason_counts(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a", "b"))
        await trio.sleep(0.1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(execution.cancel, "first", 60)
            await trio.sleep(0.1)
            # The second one shortens the grace.
            await execution.cancel("second", 0.2)
        with pytest.raises(trioflow.ExecutionCancelled, match="first"):
            await execution.result()

    assert pytest.approx(0.4) == trio.current_time()


async def test_a_grace_without_end_waits_for_what_runs(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a", "b"))
        await trio.sleep(0.1)
        receipt = await execution.cancel(grace=None)

    assert 1 == trio.current_time()
    assert "COMPLETED" == execution.steps["a"].status
    assert ("b",) == receipt.stopped
