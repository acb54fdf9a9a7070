"""A crash at every write of every scenario: recovered, it ends as if nothing had happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

import trioflow
from trioflow import events
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine

from .conftest import chain
from .crashing import Crash, CrashingStore, bury

Act = Callable[[trioflow.Execution], Awaitable[None]]


@attrs.frozen
class Scenario:
    """A workflow, its input, and what is done to it once it waits for somebody."""

    name: str
    document: dict[str, Any]
    input: dict[str, Any] = attrs.field(factory=dict)
    answer: Act | None = None

    def __str__(self) -> str:
        return self.name


async def _feed(execution: trioflow.Execution) -> None:
    await execution.resume({"card": 1})


async def _approve(execution: trioflow.Execution) -> None:
    await execution.signal("approval", True)


async def _decide(execution: trioflow.Execution) -> None:
    await execution.resume(decisions={"a": {"completed": "by hand"}})


async def _feed_child(execution: trioflow.Execution) -> None:
    await execution.refresh()
    await trio.sleep(0.01)
    for entry in execution.waiting_for:
        assert entry.execution is not None
        child = await execution._engine.execution(entry.execution)
        await child.resume({"n": 3})


CHILD = trioflow.load_workflow(
    {
        "id": "child",
        "steps": [
            {"id": "one", "action": "work", "parameters": {"value": "${input.n}"}},
            {"id": "two", "action": "work", "parameters": {"value": "${one}"}},
        ],
        "output": "${two}",
    }
)
_FAILING = {"action": "flaky", "parameters": {"fails": 9}}

SCENARIOS = (
    Scenario("chain", chain("a", "b", "c")),
    Scenario(
        "diamond",
        {
            "id": "w",
            "steps": [
                {"id": "a", "action": "work", "parameters": {"value": 7}},
                {"id": "b", "action": "work"},
                {"id": "c", "action": "work", "condition": "a > 9"},
                {"id": "d", "action": "set", "parameters": {"x": "${a}"}},
            ],
            "connections": [
                {"source": "a", "target": "b", "condition": "a > 5"},
                {"source": "a", "target": "c", "default": True},
                {"source": "b", "target": "d"},
                {"source": "c", "target": "d"},
            ],
        },
    ),
    # Its output is the number of the attempt, which a crash changes.
    Scenario(
        "retry",
        {
            "id": "w",
            "steps": [
                {"id": "a", "action": "flaky", "retry": 3, "continue_on_error": True},
                {"id": "b", "action": "work"},
            ],
            "output": "${steps.a.status}",
        },
    ),
    Scenario(
        "fallback",
        {
            "id": "w",
            "steps": [{"id": "a", **_FAILING, "fallback": {"action": "set"}, "retry": 2}],
        },
    ),
    Scenario(
        "failure",
        {
            "id": "w",
            "on_failure": "continue",
            "connections": [{"source": "a", "target": "b", "on": "failure"}],
            "steps": [
                {"id": "a", **_FAILING},
                {"id": "b", "action": "work"},
                {"id": "c", **_FAILING},
            ],
        },
    ),
    Scenario(
        "stopping",
        {
            "id": "w",
            "connections": [],
            "steps": [
                {"id": "a", **_FAILING, "retry": {"max_attempts": 2, "initial_delay": 0.2}},
                {"id": "b", "action": "work", "parameters": {"seconds": 9}},
                {"id": "c", "type": "wait"},
            ],
        },
    ),
    Scenario(
        "input",
        {"id": "w", "steps": [{"id": "a", "action": "set", "parameters": {"x": "${input.card}"}}]},
        answer=_feed,
    ),
    Scenario(
        "signal",
        {"id": "w", "steps": [{"id": "approval", "type": "wait"}, {"id": "a", "action": "work"}]},
        answer=_approve,
    ),
    Scenario(
        "decision",
        {
            "id": "w",
            "steps": [
                {"id": "a", **_FAILING, "retry": {"max_attempts": 2, "on_exhausted": "pause"}},
                {"id": "b", "action": "set", "parameters": {"x": "${a}"}},
            ],
        },
        answer=_decide,
    ),
    Scenario(
        "sleep",
        {
            "id": "w",
            "steps": [
                {"id": "nap", "type": "sleep", "duration": "1d"},
                {"id": "a", "action": "set"},
            ],
        },
    ),
    Scenario(
        "items",
        {
            "id": "w",
            "steps": [
                {
                    "id": "a",
                    "action": "work",
                    "parameters": {"seconds": "${item}", "value": "${item_index}"},
                    "for_each": {"items": [3, 1, 2, 1], "max_concurrent": 2},
                },
                {"id": "b", "action": "set", "parameters": {"x": "${a}"}},
            ],
        },
    ),
    Scenario(
        "items-fail",
        {
            "id": "w",
            "steps": [
                {
                    "id": "a",
                    "action": "brittle",
                    "parameters": {"bad": "${item}"},
                    "for_each": {"items": [False, True, False], "on_item_error": "continue"},
                    "retry": {"max_attempts": 2, "initial_delay": 3},
                },
                {"id": "b", "action": "set", "parameters": {"x": "${steps.a.item_errors}"}},
            ],
        },
    ),
    Scenario(
        "undo",
        {
            "id": "w",
            "steps": [
                {"id": "a", "action": "work", "compensate": "undo"},
                {
                    "id": "b",
                    "action": "work",
                    "for_each": {"items": [1, 2]},
                    "compensate": {"action": "undo", "retry": 2},
                },
                {"id": "c", **_FAILING},
            ],
        },
    ),
    Scenario(
        "child",
        {
            "id": "w",
            "steps": [
                {"id": "a", "type": "workflow", "workflow": "child", "parameters": {"n": 5}},
                {"id": "b", "action": "set", "parameters": {"x": "${a}"}},
            ],
        },
    ),
    Scenario(
        "child-waits",
        {
            "id": "w",
            "steps": [{"id": "a", "type": "workflow", "workflow": "child"}],
        },
        answer=_feed_child,
    ),
    # Time in which no engine ran counts, and a repeated attempt takes its time again: so the
    # timeout must leave room for both if the same steps are to end before it.
    Scenario(
        "timeout",
        {
            "id": "w",
            "timeout": 100,
            "steps": [
                {"id": "a", "action": "work"},
                {"id": "b", "action": "work", "parameters": {"seconds": 999}},
            ],
        },
    ),
)


async def _to_the_end(
    engine: trioflow.Engine, scenario: Scenario, execution: trioflow.Execution
) -> dict[str, Any]:
    while execution.status not in ("COMPLETED", "FAILED", "CANCELLED"):
        if execution.status == "PAUSED":
            assert scenario.answer is not None
            try:
                await scenario.answer(execution)
            except trioflow.InvalidRequest:
                await trio.sleep(0.1)
        else:
            await execution._wait_change()
    return {
        "status": execution.status,
        "steps": {step: state.status for step, state in execution.steps.items()},
        # But for the number of an attempt, which a crash changes.
        "outputs": {k: v for k, v in execution.outputs.items() if not isinstance(v, int)},
        "codes": [failure.code for failure in execution.errors],
    }


def _play(scenario: Scenario, actions: list[Any], crash: tuple[int, bool] | None) -> Any:
    """Return how it ended, and its history; None if the crash did not come."""

    async def main() -> Any:
        disk = MemoryStore(clock=trio.current_time)
        if crash is not None:
            store = CrashingStore(disk, crash[0], before=crash[1])
            try:
                async with open_engine(store, actions=actions, workflows=[CHILD]) as engine:
                    execution = await engine.start(
                        scenario.document, scenario.input, execution_id="x"
                    )
                    await _to_the_end(engine, scenario, execution)
            except Crash:
                # Another process opens what is on the disk; the dead one's lease is void.
                await bury(disk)
            else:
                return None
        async with open_engine(disk, actions=actions, workflows=[CHILD]) as engine:
            execution = await engine.start(scenario.document, scenario.input, execution_id="x")
            return await _to_the_end(engine, scenario, execution), await execution.history()

    return trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_crash_at_any_write_changes_nothing(scenario: Scenario, actions: list[Any]) -> None:
    @trioflow.action("undo")
    async def undo(output: Any) -> None:
        await trio.sleep(1)

    @trioflow.action("brittle")
    async def brittle(bad: bool) -> str:
        await trio.sleep(1)
        if bad:
            raise ValueError("broken")
        return "fine"

    actions = [*actions, undo, brittle]
    expected, _ = _play(scenario, actions, None)
    for before in (False, True):
        write = 1
        while (played := _play(scenario, actions, (write, before))) is not None:
            found, history = played

            assert expected == found, (write, before)
            ends = Counter(
                event.step
                for event in history
                if isinstance(
                    event,
                    (
                        events.StepCompleted,
                        events.StepFailed,
                        events.StepSkipped,
                        events.StepCancelled,
                    ),
                )
            )
            assert {1} == set(ends.values())
            assert list(range(1, len(history) + 1)) == [event.seq for event in history]
            ended: set[Any] = set()
            for event in history:
                if isinstance(event, events.StepCompleted):
                    ended.add((event.step, None, "step"))
                elif isinstance(event, events.ItemCompleted):
                    ended.add((event.step, event.item, "step"))
                elif isinstance(event, events.StepCompensated):
                    ended.add((event.step, event.item, "compensate"))
                elif isinstance(event, events.AttemptStarted):
                    assert (event.step, event.item, event.role) not in ended
            write += 1
        assert write > 2


@pytest.mark.parametrize("on_crash", ("fail", "pause"))
def test_a_step_that_must_not_be_repeated_is_called_once(on_crash: str, actions: list[Any]) -> None:
    calls: list[int] = []

    @trioflow.action("once")
    async def once(context: trioflow.ActionContext) -> None:
        calls.append(context.attempt)
        await trio.sleep(1)

    scenario = Scenario(
        on_crash,
        {"id": "w", "steps": [{"id": "a", "action": "once", "on_crash": on_crash, "retry": 5}]},
        answer=_decide,
    )
    statuses = set()
    for write in range(1, 4):
        calls.clear()
        played = _play(scenario, [once], (write, False))
        if played is not None:
            statuses.add(played[0]["status"])
        assert len(calls) <= 1, write

    assert {"COMPLETED", "FAILED"} >= statuses
    assert ("FAILED" if on_crash == "fail" else "COMPLETED") in statuses
