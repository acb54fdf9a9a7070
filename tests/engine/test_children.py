"""Child executions: a workflow inside the step of another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

import trioflow
from trioflow import events
from trioflow.engine import Requester
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine

from .conftest import Calls
from .crashing import Crash, CrashingStore, bury

CHILD = trioflow.load_workflow(
    {
        "id": "child",
        "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
        "steps": [
            {
                "id": "inner",
                "action": "work",
                "parameters": {"seconds": "${input.n}", "value": "${input.n}"},
            }
        ],
        "output": "${inner}",
    }
)


def parent(**fields: Any) -> dict[str, Any]:
    step = {"id": "call", "type": "workflow", "workflow": "child", "parameters": {"n": 5}}
    return {"id": "parent", "steps": [{**step, **fields}]}


async def test_the_childs_output_is_the_steps(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions, workflows=[CHILD]) as engine:
        output = await engine.run(parent(), execution_id="x")
        child = await engine.execution("x:call")

    assert {"call": 5} == output
    assert "COMPLETED" == child.status
    assert [(0, "inner")] == calls.of("start")


async def test_no_slot_is_held_by_the_step_whose_child_runs(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions, workflows=[CHILD], max_concurrent_steps=1) as engine:
        assert {"call": 5} == await engine.run(parent())


async def test_a_failed_child_fails_its_step(autojump_clock: Any, actions: list[Any]) -> None:
    bad = {"id": "child", "steps": [{"id": "inner", "action": "flaky"}]}
    async with open_engine(actions=actions, workflows=[trioflow.load_workflow(bad)]) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run(parent())

    assert "workflow.failed" == raised.value.errors[0].code
    assert ["flaky"] == [cause.code for cause in raised.value.errors[0].causes]


async def test_cancelling_the_child_by_its_own_id_fails_the_step(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions, workflows=[CHILD]) as engine:
        execution = await engine.start(parent(), execution_id="x")
        await trio.sleep(1)
        await (await engine.execution("x:call")).cancel()
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await execution.result()

    assert "workflow.cancelled" == raised.value.errors[0].code


async def test_cancel_passes_through_and_is_waited_for(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions, workflows=[CHILD]) as engine:
        execution = await engine.start(parent(), execution_id="x")
        await trio.sleep(1)
        receipt = await execution.cancel("enough")
        child = await engine.execution("x:call")

    assert 0 == calls.running
    assert ("call",) == receipt.stopped
    assert ("CANCELLED", "CANCELLED") == (execution.status, child.status)


async def test_the_total_timeout_of_the_step_stops_the_child(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions, workflows=[CHILD]) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run(parent(total_timeout=2))

    assert "timeout.step" == raised.value.errors[0].code
    assert [(2, "inner")] == calls.of("cancelled")


async def test_a_child_that_waits_pauses_its_parent(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions, workflows=[CHILD]) as engine:
        execution = await engine.start(parent(parameters={}), execution_id="x")
        await execution.wait_paused()
        assert "PAUSED" == execution.steps["call"].status
        (waiting,) = execution.waiting_for
        assert "input.n (step 'inner' of 'x:call')" == str(waiting)
        with pytest.raises(trioflow.InvalidRequest, match="waits for nothing"):
            await execution.resume({"n": 3})
        assert waiting.execution is not None
        await (await engine.execution(waiting.execution)).resume({"n": 3})
        output = await execution.result()

    assert {"call": 3} == output


async def test_a_pause_passes_through(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    two = {
        "id": "child",
        "steps": [
            {"id": "one", "action": "work"},
            {"id": "two", "action": "work", "depends_on": ["one"]},
        ],
    }
    async with open_engine(actions=actions, workflows=[trioflow.load_workflow(two)]) as engine:
        execution = await engine.start(parent(parameters={}), execution_id="x")
        await trio.sleep(0.5)
        await execution.pause()
        await execution.wait_paused()
        await trio.sleep(9)
        await execution.resume()
        await execution.result()

    assert [(0, "one"), (10, "two")] == calls.of("start")


async def test_an_input_that_does_not_fit_fails_the_step(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions, workflows=[CHILD]) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run(parent(parameters={"n": "five"}))

    assert "schema.input" == raised.value.errors[0].code


async def test_items_can_be_children(autojump_clock: Any, actions: list[Any]) -> None:
    document = parent(for_each={"items": [1, 2, 3]}, parameters={"n": "${item}"})
    async with open_engine(actions=actions, workflows=[CHILD]) as engine:
        output = await engine.run(document, execution_id="x")
        child = await engine.execution("x:call:2")

    assert {"call": [1, 2, 3]} == output
    assert {"n": 3} == child.input


async def test_a_workflow_that_starts_itself_comes_to_an_end(
    autojump_clock: Any, actions: list[Any]
) -> None:
    itself = {"id": "again", "steps": [{"id": "s", "type": "workflow", "workflow": "again"}]}
    workflow = trioflow.load_workflow(itself)
    async with open_engine(actions=actions, workflows=[workflow]) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run(workflow, execution_id="x")
        assert 33 == len(await engine.executions(limit=1000))

    failure = raised.value.errors[0]
    depth = 0
    while failure.causes:
        failure, depth = failure.causes[0], depth + 1
    assert "more than 32 levels deep" in failure.message
    assert 32 == depth


async def test_an_unknown_child_workflow_is_named_before_anything_starts(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.UnknownWorkflow, match="'child'"):
            await engine.run(parent())


@pytest.mark.parametrize("leave_at", (0.0, 1.0, 4.0), ids=str)
async def test_parent_and_child_go_on_after_a_restart(
    autojump_clock: Any, actions: list[Any], leave_at: float
) -> None:
    store = MemoryStore(clock=trio.current_time)
    async with open_engine(store, actions=actions, workflows=[CHILD]) as engine:
        await engine.start(parent(), execution_id="x")
        await trio.sleep(leave_at)
    async with open_engine(store, actions=actions, workflows=[CHILD]) as engine:
        execution = await engine.execution("x")
        output = await execution.result()
        history = await execution.history()

    assert {"call": 5} == output
    assert 1 == sum(isinstance(event, events.ChildStarted) for event in history)


async def test_fifty_nested_children_are_not_too_deep_for_a_cancel(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    workflows = [CHILD]
    for depth in range(30):
        below = "child" if depth == 0 else f"level{depth - 1}"
        workflows.append(
            trioflow.load_workflow(
                {
                    "id": f"level{depth}",
                    "connections": [],
                    "steps": [
                        {
                            "id": "down",
                            "type": "workflow",
                            "workflow": below,
                            "parameters": {"n": 99},
                        },
                        {"id": "beside", "action": "work", "parameters": {"seconds": 99}},
                    ],
                }
            )
        )
    async with open_engine(
        actions=actions, workflows=workflows, max_concurrent_steps=100
    ) as engine:
        execution = await engine.start(workflows[-1])
        await trio.sleep(5)
        assert 31 == calls.running
        await execution.cancel()
        assert 0 == calls.running

    assert 5 == trio.current_time()


async def test_workflows_come_from_values_files_and_folders(
    autojump_clock: Any, actions: list[Any], tmp_path: Path
) -> None:
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "child.workflow.json").write_text(json.dumps(CHILD.document))
    (folder / "notes.json").write_text("no workflow")
    single = tmp_path / "any.json"
    single.write_text(json.dumps({**CHILD.document, "id": "single"}))
    several: list[Any] = [[folder], [str(folder)], [folder / "child.workflow.json", single]]
    # One of them alone will do.
    for source in (*several, folder, str(folder), CHILD, CHILD.document, [CHILD.document]):
        async with open_engine(actions=actions, workflows=source) as engine:
            assert {"call": 5} == await engine.run(parent())
    async with open_engine(actions=actions, workflows=[single]) as engine:
        assert {"call": 5} == await engine.run(parent(workflow="single"))
    with pytest.raises(trioflow.InvalidRequest, match="no workflow in the folder"):
        async with open_engine(workflows=[tmp_path]):
            pass  # pragma: no cover
    for missing in (["nobody.json"], "nobody.json"):
        with pytest.raises(trioflow.DefinitionError, match=r'no file "nobody\.json"'):
            async with open_engine(workflows=missing):
                pass  # pragma: no cover
    for wrong in ([3], 3, None, b"x", [None]):
        with pytest.raises(trioflow.InvalidRequest, match="is no workflow: give a Workflow, a doc"):
            async with open_engine(workflows=wrong):  # type: ignore[arg-type]
                pass  # pragma: no cover
    with pytest.raises(trioflow.InvalidRequest, match="two workflows 'child'"):
        async with open_engine(
            workflows=[CHILD, trioflow.load_workflow({**CHILD.document, "name": "x"})]
        ):
            pass  # pragma: no cover


WAITS = trioflow.load_workflow(
    {"id": "child", "steps": [{"id": "p", "action": "work", "parameters": {"seconds": 1e6}}]}
)
CALL = {"id": "call", "type": "workflow", "workflow": "child"}


async def test_a_child_of_the_record_that_begins_to_stop_is_never_started(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    bad = {"id": "bad", "action": "work", "condition": "input.n > 'x'"}
    document = {"id": "w", "connections": [], "steps": [CALL, bad]}
    async with open_engine(actions=actions, workflows=[WAITS]) as engine:
        execution = await engine.start(document, {"n": 1}, execution_id="x")
        with pytest.raises(trioflow.ExecutionFailed):
            await execution.result()
        assert ["x"] == [head.id for head in await engine.executions()]

    assert [] == calls.log
    assert "CANCELLED" == execution.steps["call"].status


async def test_a_slot_that_stopping_sets_free_does_not_go_to_a_child(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    first = {"id": "first", "action": "work", "parameters": {"seconds": 1e6}}
    document = {"id": "w", "timeout": 3, "connections": [], "steps": [first, CALL]}
    async with open_engine(actions=actions, workflows=[WAITS], max_concurrent_steps=1) as engine:
        with pytest.raises(trioflow.ExecutionFailed):
            await engine.run(document)

    assert [(0, "first")] == calls.of("start")


async def test_a_child_hears_that_its_parent_stops_before_it_goes_on(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    for write in range(1, 9):
        disk = MemoryStore(clock=trio.current_time)
        try:
            store = CrashingStore(disk, write, before=False)
            async with open_engine(store, actions=actions, workflows=[WAITS]) as engine:
                execution = await engine.start({"id": "w", "steps": [CALL]}, execution_id="x")
                await trio.sleep(1)
                await execution.cancel()
        except Crash:
            await bury(disk)
        history = await disk.read("x")
        if not any(isinstance(event, events.StoppingStarted) for event in history):
            continue
        calls.log.clear()
        async with open_engine(disk, actions=actions, workflows=[WAITS]) as engine:
            execution = await engine.execution("x")
            with pytest.raises(trioflow.ExecutionCancelled):
                await execution.result()

        assert [] == calls.log, write


async def test_a_child_hears_of_the_pauses_that_it_has_missed_before_it_goes_on(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    """Whatever write the crash came after: both are paused, or neither is."""
    seen = set()
    for write in range(1, 11):
        disk = MemoryStore(clock=trio.current_time)
        try:
            store = CrashingStore(disk, write, before=False)
            async with open_engine(store, actions=actions, workflows=[CHILD]) as engine:
                execution = await engine.start(parent(), execution_id="x")
                await trio.sleep(1)
                await execution.pause()
                await trio.sleep(1)
                await execution.resume()
        except Crash:
            await bury(disk)
        calls.log.clear()
        paused = _pause_of(await disk.read("x"))
        seen.add((paused, _pause_of(await disk.read("x:call"))))
        async with open_engine(disk, actions=actions, workflows=[CHILD]) as engine:
            execution = await engine.execution("x")
            with trio.move_on_after(60):
                await (execution.wait_paused() if paused else execution.result())

            assert ("PAUSED" if paused else "COMPLETED") == execution.status, write
            assert paused == (not calls.log), write
            if paused:
                await execution.resume()

                assert {"call": 5} == await execution.result(), write

    # What it has missed is a pause, or the end of one; and sometimes nothing.
    assert {(True, False), (False, True), (True, True), (False, False)} == seen


def _pause_of(history: list[trioflow.events.Event]) -> bool:
    asked = [type(event) for event in history]
    return asked.count(events.PauseRequested) > asked.count(events.ResumeRequested)


async def test_a_child_that_ended_by_what_came_due_has_not_been_cancelled(
    autojump_clock: Any, actions: list[Any]
) -> None:
    """Its parent was cancelled, and the process died before the child could hear of it."""
    naps = trioflow.load_workflow(
        {"id": "naps", "steps": [{"id": "nap", "type": "sleep", "duration": "5s"}]}
    )
    step = {"id": "call", "type": "workflow", "workflow": "naps", "compensate": "undo"}
    disk = MemoryStore(clock=trio.current_time)
    undone = []

    @trioflow.action("undo")
    async def undo(output: dict[str, Any]) -> None:
        undone.append(output)

    try:
        store = CrashingStore(disk, 3, before=False)
        async with open_engine(store, actions=undo, workflows=[naps]) as engine:
            execution = await engine.start({"id": "w", "steps": [step]}, execution_id="x")
            await trio.sleep(2)
            await execution.cancel()
    except Crash:
        await bury(disk)
    asked = [type(event).__name__ for event in await disk.read("x")]
    assert ["CancelRequested", "StoppingStarted"] == asked[-2:]
    await trio.sleep(10)

    async with open_engine(disk, actions=undo, workflows=[naps]) as engine:
        execution = await engine.execution("x")
        with pytest.raises(trioflow.ExecutionCancelled):
            await execution.result()

        assert "COMPLETED" == execution.steps["call"].status
    assert [{"nap": None}] == undone


async def test_a_child_that_was_resumed_by_its_own_id_is_not_paused_again(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    disk = MemoryStore(clock=trio.current_time)
    async with open_engine(disk, actions=actions, workflows=[CHILD]) as engine:
        execution = await engine.start(parent(), execution_id="x")
        await trio.sleep(1)
        await execution.pause()
        await trio.sleep(1)
        await (await engine.execution("x:call")).resume()
        await trio.sleep(1)
    calls.log.clear()
    async with open_engine(disk, actions=actions, workflows=[CHILD]) as engine:
        child = await engine.execution("x:call")

        assert 5 == await child.result()


async def test_a_pause_from_elsewhere_reaches_the_child(
    autojump_clock: Any, actions: list[Any]
) -> None:
    disk = MemoryStore(clock=trio.current_time)
    async with open_engine(disk, actions=actions, workflows=[CHILD]) as engine:
        execution = await engine.start(parent(), execution_id="x")
        await trio.sleep(1)
        requester = Requester(disk, "x", clock=trio.current_time)
        await requester.pause()
        await trio.sleep(1)

        assert _pause_of(await disk.read("x:call"))

        await requester.resume()
        await trio.sleep(1)

        assert not _pause_of(await disk.read("x:call"))
        assert {"call": 5} == await execution.result()
