"""Compensation: what was completed is undone, in reverse order, whatever happens meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import trioflow
from trioflow import events
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine

from .conftest import Calls


@pytest.fixture
def undone() -> list[tuple[float, Any]]:
    return []


@pytest.fixture
def undo(undone: list[tuple[float, Any]]) -> Any:
    @trioflow.action("undo")
    async def undo(
        context: trioflow.ActionContext, output: Any, seconds: float = 0.0, fails: int = 0
    ) -> object:
        await trio.sleep(seconds)
        if context.attempt <= fails:
            raise trioflow.StepError(f"cannot undo {output}", "undo.failed")
        undone.append((trio.current_time(), output))
        assert context.idempotency_key.endswith(":compensate")
        # Nobody looks at what an undo returns, so it need not be JSON.
        return object()

    return undo


def document(*, last: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    step = {"action": "work", "compensate": "undo"}
    return {
        "id": "w",
        "steps": [
            {"id": "a", **step, "parameters": {"value": "A"}},
            {"id": "b", **step, "parameters": {"value": "B"}},
            {"id": "c", **(last or {"action": "flaky", "parameters": {"fails": 9}})},
        ],
        **fields,
    }


async def test_a_failure_undoes_what_was_completed_the_last_first(
    autojump_clock: Any, actions: list[Any], undo: Any, undone: list[Any]
) -> None:
    async with open_engine(actions=[*actions, undo]) as engine:
        execution = await engine.start(document())
        with pytest.raises(trioflow.ExecutionFailed, match="attempt 1 failed"):
            await execution.result()
        history = await execution.history()

    assert [(2, "B"), (2, "A")] == undone
    assert "COMPLETED" == execution.steps["a"].status
    assert ["b", "a"] == [
        event.step for event in history if isinstance(event, events.StepCompensated)
    ]


async def test_a_cancel_undoes_and_says_so(
    autojump_clock: Any, actions: list[Any], undo: Any, undone: list[Any]
) -> None:
    last = {"action": "work", "parameters": {"seconds": 9}, "compensate": "undo"}
    async with open_engine(actions=[*actions, undo]) as engine:
        execution = await engine.start(document(last=last))
        await trio.sleep(2.5)
        receipt = await execution.cancel()

    assert ("b", "a") == receipt.compensated
    assert ("c",) == receipt.stopped
    assert [(2.5, "B"), (2.5, "A")] == undone


async def test_nothing_is_undone_where_the_document_says_so(
    autojump_clock: Any, actions: list[Any], undo: Any, undone: list[Any]
) -> None:
    async with open_engine(actions=[*actions, undo]) as engine:
        with pytest.raises(trioflow.ExecutionFailed):
            await engine.run(document(compensate_on=["cancelled"]))

    assert [] == undone


async def test_under_continue_it_begins_when_everything_has_ended(
    autojump_clock: Any, actions: list[Any], undo: Any, undone: list[Any]
) -> None:
    async with open_engine(actions=[*actions, undo]) as engine:
        with pytest.raises(trioflow.ExecutionFailed):
            await engine.run(
                {
                    "id": "w",
                    "on_failure": "continue",
                    "connections": [],
                    "steps": [
                        {"id": "bad", "action": "flaky"},
                        {"id": "a", "action": "work", "compensate": "undo"},
                    ],
                }
            )

    assert [(1, None)] == undone


async def test_an_undo_that_fails_does_not_stop_the_others(
    autojump_clock: Any, actions: list[Any], undo: Any, undone: list[Any]
) -> None:
    found = document()
    found["steps"][1]["compensate"] = {
        "action": "undo",
        "parameters": {"output": "${b}", "fails": 9},
        "retry": {"max_attempts": 2, "initial_delay": 10},
    }
    async with open_engine(actions=[*actions, undo]) as engine:
        execution = await engine.start(found)
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await execution.result()

    assert [(12, "A")] == undone
    assert ["flaky", "undo.failed"] == [failure.code for failure in raised.value.errors]


async def test_an_undo_that_hangs_times_out(
    autojump_clock: Any, actions: list[Any], undo: Any, undone: list[Any]
) -> None:
    found = document()
    found["steps"][1]["compensate"] = {
        "action": "undo",
        "parameters": {"output": "${b}", "seconds": 1e6},
    }
    async with open_engine(actions=[*actions, undo]) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run(found)

    assert [(902, "A")] == undone
    assert ["flaky", "timeout.attempt"] == [failure.code for failure in raised.value.errors]


async def test_a_second_cancel_and_the_timeout_change_nothing(
    autojump_clock: Any, actions: list[Any], undo: Any, undone: list[Any]
) -> None:
    found = document(timeout=3)
    for step in found["steps"][:2]:
        step["compensate"] = {
            "action": "undo",
            "parameters": {"output": f"${{{step['id']}}}", "seconds": 5},
        }
    async with open_engine(actions=[*actions, undo]) as engine:
        execution = await engine.start(found)
        await trio.sleep(4)
        receipt = await execution.cancel("again")

    assert [(7, "B"), (12, "A")] == undone
    assert "FAILED" == receipt.status


async def test_leaving_interrupts_an_undo_and_it_goes_on(
    autojump_clock: Any, actions: list[Any], undo: Any, undone: list[Any]
) -> None:
    found = document()
    for step in found["steps"][:2]:
        step["compensate"] = {
            "action": "undo",
            "parameters": {"output": f"${{{step['id']}}}", "seconds": 5},
        }
    store = MemoryStore(clock=trio.current_time)
    async with open_engine(store, actions=[*actions, undo]) as engine:
        await engine.start(found, execution_id="x")
        await trio.sleep(8)
    async with open_engine(store, actions=[*actions, undo]) as engine:
        execution = await engine.execution("x")
        with pytest.raises(trioflow.ExecutionFailed):
            await execution.result()

    assert [(7, "B"), (13, "A")] == undone


async def test_completed_items_are_undone_whatever_became_of_their_step(
    autojump_clock: Any, actions: list[Any], undo: Any, undone: list[Any]
) -> None:
    @trioflow.action("book")
    async def book(seconds: float) -> str:
        await trio.sleep(seconds)
        if seconds == 3:
            raise ValueError("full")
        return f"seat {seconds:g}"

    step = {
        "id": "a",
        "action": "book",
        "for_each": {"items": [2, 1, 3, 9]},
        "parameters": {"seconds": "${item}"},
        "compensate": {"action": "undo", "parameters": {"output": "${a} of ${item} ${item_index}"}},
    }
    async with open_engine(actions=[book, undo]) as engine:
        execution = await engine.start({"id": "w", "steps": [step]})
        with pytest.raises(trioflow.ExecutionFailed, match="item 2: full"):
            await execution.result()

    assert [(3, "seat 2 of 2 0"), (3, "seat 1 of 1 1")] == undone


async def test_what_is_missing_fails_that_undo(
    autojump_clock: Any, actions: list[Any], calls: Calls, undo: Any, undone: list[Any]
) -> None:
    found = document()
    found["steps"][1]["compensate"] = {
        "action": "undo",
        "parameters": {"output": "${input.nobody}"},
    }
    async with open_engine(actions=[*actions, undo]) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run(found)

    assert ["flaky", "reference.missing"] == [failure.code for failure in raised.value.errors]
    assert [(2, "A")] == undone
