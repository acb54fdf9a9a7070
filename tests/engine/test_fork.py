"""Forks: a new execution that keeps what another one has done, but for some steps."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import trioflow
from trioflow.testing import open_engine

from .conftest import Calls, chain


async def test_runs_the_named_step_and_what_comes_after_it_again(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a", "b", "c"), execution_id="x")
        await execution.result()
        fork = await execution.fork(["b"], execution_id="y")
        output = await fork.result()
        first = (await fork.history())[0]

    assert {"c": "c"} == output
    assert ["a", "b", "c", "b", "c"] == [step for _, step in calls.of("start")]
    assert ("fork", "attempt") == (fork.steps["a"].by, fork.steps["b"].by)
    assert "x" == getattr(first, "forked_from", None)


async def test_what_failed_runs_again_by_itself(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    document = {
        "id": "w",
        "steps": [
            {"id": "a", "action": "work", "parameters": {"value": 1}},
            {
                "id": "b",
                "action": "work",
                "timeout": 2,
                "parameters": {"seconds": "${input.t}", "value": "${a}"},
            },
        ],
    }
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(document, {"t": 9})
        with pytest.raises(trioflow.ExecutionFailed):
            await execution.result()
        fork = await execution.fork([], {"t": 1})
        output = await fork.result()

    assert {"b": 1} == output
    assert ["a", "b", "b"] == [step for _, step in calls.of("start")]


async def test_a_changed_document_must_fit_what_is_kept(
    autojump_clock: Any, actions: list[Any]
) -> None:
    changed = chain("a", "b", "c")
    changed["steps"][0]["output_schema"] = {"type": "integer"}
    shorter = chain("b", "c")
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a", "b", "c"))
        await execution.result()
        with pytest.raises(trioflow.InvalidRequest, match=r"step 'a' would be kept.*does not fit"):
            await execution.fork(["c"], workflow=changed)
        with pytest.raises(trioflow.InvalidRequest, match=r"'a' would be kept.*no such step"):
            await execution.fork(["c"], workflow=shorter)
        fork = await execution.fork(["b"], workflow=chain("a", "b", "d"))
        assert {"d": "d"} == await fork.result()
        assert 2 == len(await engine.executions())


async def test_kept_connections_keep_their_decisions_and_facts(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    document = {
        "id": "w",
        "steps": [
            {"id": "a", "action": "flaky", "continue_on_error": True, "retry": 1},
            {"id": "b", "action": "work"},
            {"id": "c", "action": "set", "parameters": {"n": "${steps.a.attempts}"}},
        ],
        "connections": [
            {"source": "a", "target": "b", "condition": "steps.a.error.code == 'other'"},
            {"source": "a", "target": "c", "default": True},
        ],
    }
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(document)
        await execution.result()
        fork = await execution.fork(["c"])
        output = await fork.result()

    assert {"c": {"n": 1}} == output
    assert "SKIPPED" == fork.steps["b"].status
    assert 1 == len(calls.of("start"))


async def test_a_fork_undoes_only_what_it_ran_itself(
    autojump_clock: Any, actions: list[Any]
) -> None:
    undone = []

    @trioflow.action("undo")
    async def undo(output: Any) -> None:
        undone.append(output)

    document = {
        "id": "w",
        "compensate_on": ["cancelled"],
        "steps": [
            {"id": step, "action": "work", "compensate": "undo", "parameters": {"value": step}}
            for step in ("a", "b", "c")
        ],
    }
    async with open_engine(actions=[*actions, undo]) as engine:
        execution = await engine.start(document)
        await execution.result()
        fork = await execution.fork(["b"])
        await trio.sleep(1.5)
        await fork.cancel()

    assert ["b"] == undone


async def test_what_cannot_be_forked_is_refused(autojump_clock: Any, actions: list[Any]) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a"), execution_id="x")
        with pytest.raises(trioflow.InvalidRequest, match="only what has ended"):
            await execution.fork(["a"])
        await execution.result()
        with pytest.raises(trioflow.InvalidRequest, match="no step 'z'; its steps: a"):
            await execution.fork(["z"])
        with pytest.raises(trioflow.DuplicateExecution):
            await execution.fork(["a"], execution_id="x")
        assert ["x"] == [head.id for head in await engine.executions()]
