"""`for_each`: the same action for every item of a list."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import trioflow
from trioflow import events
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine


@pytest.fixture
def started() -> list[tuple[float, int | None]]:
    return []


@pytest.fixture
def pack(started: list[tuple[float, int | None]]) -> Any:
    @trioflow.action("pack")
    async def pack(
        context: trioflow.ActionContext, seconds: float = 1.0, fails: int = 0, value: Any = None
    ) -> Any:
        started.append((trio.current_time(), context.item_index))
        await trio.sleep(seconds)
        if context.attempt <= fails:
            raise trioflow.StepError(f"attempt {context.attempt} failed", "pack.failed")
        return value

    return pack


def step(**fields: Any) -> dict[str, Any]:
    for_each = fields.pop("for_each", {"items": "${input.lines}"})
    return {"id": "w", "steps": [{"id": "a", "action": "pack", "for_each": for_each, **fields}]}


async def test_the_output_is_the_list_of_the_outputs_in_order(
    autojump_clock: Any, pack: Any, started: list[Any]
) -> None:
    document = step(parameters={"seconds": "${item.s}", "value": "${item_index}: ${item.n}"})
    lines = [{"s": 3, "n": "x"}, {"s": 1, "n": "y"}, {"s": 2, "n": "z"}]
    async with open_engine(actions=[pack]) as engine:
        output = await engine.run(document, {"lines": lines})

    assert {"a": ["0: x", "1: y", "2: z"]} == output
    assert [(0, 0), (0, 1), (0, 2)] == sorted(started)


async def test_so_many_items_are_under_way_at_a_time(
    autojump_clock: Any, pack: Any, started: list[Any]
) -> None:
    for_each = {"items": "${input.lines}", "max_concurrent": 2, "as": "line"}
    document = step(for_each=for_each, parameters={"value": "${line}"})
    async with open_engine(actions=[pack]) as engine:
        output = await engine.run(document, {"lines": [5, 6, 7, 8, 9]})

    assert {"a": [5, 6, 7, 8, 9]} == output
    assert [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4)] == sorted(started)


async def test_an_empty_list_completes_at_once(
    autojump_clock: Any, pack: Any, started: list[Any]
) -> None:
    async with open_engine(actions=[pack]) as engine:
        output = await engine.run(step(), {"lines": []})

    assert ({"a": []}, []) == (output, started)


async def test_what_is_no_list_fails_the_step(autojump_clock: Any, pack: Any) -> None:
    async with open_engine(actions=[pack]) as engine:
        with pytest.raises(trioflow.ExecutionFailed, match="is a text, not a list"):
            await engine.run(step(), {"lines": "abc"})


async def test_the_first_failure_cancels_the_others(
    autojump_clock: Any, pack: Any, started: list[Any]
) -> None:
    document = step(parameters={"seconds": "${item}", "fails": 1})
    async with open_engine(actions=[pack], max_concurrent_steps=2) as engine:
        execution = await engine.start(document, {"lines": [9, 2, 1]})
        with pytest.raises(trioflow.ExecutionFailed, match="item 1: attempt 1 failed"):
            await execution.result()
        history = await execution.history()

    assert 2 == trio.current_time()
    assert [(0, 0), (0, 1)] == sorted(started)
    assert [0] == [event.item for event in history if isinstance(event, events.ItemCancelled)]


async def test_under_continue_null_stands_where_an_item_failed(
    autojump_clock: Any, pack: Any
) -> None:
    for_each = {"items": "${input.lines}", "on_item_error": "continue"}
    document = step(for_each=for_each, parameters={"fails": "${item.f}", "value": "ok"})
    document["output"] = ["${a}", "${steps.a.item_errors}", "${steps.a.attempts}"]
    async with open_engine(actions=[pack]) as engine:
        output = await engine.run(document, {"lines": [{"f": 0}, {"f": 1}, {}]})

    assert ["ok", None, None] == output[0]
    assert [(1, "pack.failed"), (2, "reference.missing")] == [
        (error["index"], error["code"]) for error in output[1]
    ]
    assert 2 == output[2]


async def test_each_item_has_its_own_retries_and_fallback(
    autojump_clock: Any, pack: Any, started: list[Any]
) -> None:
    document = step(
        parameters={"fails": "${item}", "value": "own"},
        retry={"max_attempts": 2, "initial_delay": 5},
        fallback={"action": "set", "parameters": {"instead": "${item}"}},
    )
    async with open_engine(actions=[pack]) as engine:
        output = await engine.run(document, {"lines": [0, 1, 2]})

    assert {"a": ["own", "own", {"instead": 2}]} == output
    assert [(0, 0), (0, 1), (0, 2), (6, 1), (6, 2)] == sorted(started)


async def test_decisions_are_made_about_items(autojump_clock: Any, pack: Any) -> None:
    document = step(
        parameters={"fails": "${item}", "value": "own"},
        retry={"max_attempts": 1, "on_exhausted": "pause"},
    )
    async with open_engine(actions=[pack]) as engine:
        execution = await engine.start(document, {"lines": [1, 0, 1]})
        await execution.wait_paused()
        waiting = [str(entry) for entry in execution.waiting_for]
        status = execution.steps["a"].status
        with pytest.raises(trioflow.InvalidRequest, match=r"these do: a\[0\], a\[2\]"):
            await execution.resume(decisions={"a": "retry"})
        await execution.resume(decisions={"a[0]": "retry", "a[2]": {"completed": "by hand"}})
        output = await execution.result()

    assert ["a decision about step 'a[0]'", "a decision about step 'a[2]'"] == waiting
    assert "PAUSED" == status
    assert {"a": ["own", "own", "by hand"]} == output


async def test_the_total_timeout_is_the_steps(autojump_clock: Any, pack: Any) -> None:
    document = step(parameters={"seconds": "${item}"}, total_timeout=5)
    async with open_engine(actions=[pack]) as engine:
        execution = await engine.start(document, {"lines": [1, 9, 9]})
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await execution.result()

    assert "timeout.step" == raised.value.errors[0].code
    assert 5 == trio.current_time()


async def test_missing_inputs_pause_the_step_before_it_starts(
    autojump_clock: Any, pack: Any
) -> None:
    document = step(parameters={"value": ["${item.x?}", "${input.who}"]})
    async with open_engine(actions=[pack]) as engine:
        execution = await engine.start(document, {"lines": [{"x": 1}, {}]})
        await execution.wait_paused()
        waiting = [entry.name for entry in execution.waiting_for]
        await execution.resume({"who": "Ann"})
        output = await execution.result()

    assert ["input.who"] == waiting
    assert {"a": [[1, "Ann"], [None, "Ann"]]} == output


async def test_a_cancel_stops_the_items_and_keeps_what_they_completed(
    autojump_clock: Any, pack: Any
) -> None:
    document = step(parameters={"seconds": "${item}", "value": "done"})
    async with open_engine(actions=[pack], max_concurrent_steps=2) as engine:
        execution = await engine.start(document, {"lines": [1, 9, 9, 9]})
        await trio.sleep(2)
        receipt = await execution.cancel()

    assert 2 == trio.current_time()
    assert ("a",) == receipt.stopped


async def test_a_pause_holds_back_the_items_that_have_not_begun(
    autojump_clock: Any, pack: Any, started: list[Any]
) -> None:
    document = step(for_each={"items": [1, 2, 3], "max_concurrent": 1})
    async with open_engine(actions=[pack]) as engine:
        execution = await engine.start(document)
        await trio.sleep(0.5)
        await execution.pause()
        await execution.wait_paused()
        await trio.sleep(9)
        await execution.resume()
        await execution.result()

    assert [(0, 0), (10, 1), (11, 2)] == [(round(at), item) for at, item in started]


@pytest.mark.parametrize("leave_at", (0.5, 1.0, 1.5, 2.5), ids=str)
async def test_finished_items_never_run_again(
    autojump_clock: Any, pack: Any, started: list[Any], leave_at: float
) -> None:
    document = step(for_each={"items": [1, 2, 3, 4], "max_concurrent": 2})
    store = MemoryStore(clock=trio.current_time)
    async with open_engine(store, actions=[pack]) as engine:
        await engine.start(document, execution_id="x")
        await trio.sleep(leave_at)
    before = await store.read("x")
    finished = {event.item for event in before if isinstance(event, events.ItemCompleted)}
    count = len(started)
    async with open_engine(store, actions=[pack]) as engine:
        await (await engine.execution("x")).result()

    assert not finished & {item for _, item in started[count:]}
    assert {0, 1, 2, 3} == {item for _, item in started}


async def test_the_keys_of_items(autojump_clock: Any) -> None:
    @trioflow.action("key")
    async def key(context: trioflow.ActionContext) -> str:
        return context.idempotency_key

    document = {
        "id": "w",
        "steps": [{"id": "a", "action": "key", "for_each": {"items": [7, 8]}}],
    }
    async with open_engine(actions=[key]) as engine:
        output = await engine.run(document, execution_id="x")

    assert {"a": ["x:a:0", "x:a:1"]} == output
