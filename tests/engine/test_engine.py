"""The engine in virtual time: what a program sees of it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import trio

import trioflow
from trioflow import events
from trioflow.engine._inbox import Request
from trioflow.kernel import _facts as f
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine

from .conftest import Calls, chain, parallel


async def test_returns_the_output_of_the_last_step(autojump_clock: Any, actions: list[Any]) -> None:
    async with open_engine(actions=actions) as engine:
        output = await engine.run(chain("a", "b", "c"))

    assert {"c": "c"} == output
    assert 3 == trio.current_time()


async def test_runs_independent_steps_side_by_side_up_to_the_limit(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions, max_concurrent_steps=5) as engine:
        await engine.run(parallel(12))

    assert 5 == calls.peak
    assert 3 == trio.current_time()


async def test_the_slot_of_a_failure_that_stops_everything_goes_to_nobody(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    document = parallel(3, max_concurrent_steps=2)
    document["steps"][0] = {"id": "bad", "action": "flaky"}
    async with open_engine(actions=actions, max_concurrent_steps=1) as engine:
        with pytest.raises(trioflow.ExecutionFailed):
            await engine.run(document)

    assert [(0, "bad")] == calls.of("start")


async def test_the_limit_of_the_workflow_binds_too(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions, max_concurrent_steps=5) as engine:
        await engine.run(parallel(4, max_concurrent_steps=2))

    assert 2 == calls.peak


async def test_slots_are_given_in_the_order_of_the_document(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions, max_concurrent_steps=1) as engine:
        await engine.run(parallel(4))

    assert [(0, "s0"), (1, "s1"), (2, "s2"), (3, "s3")] == calls.of("start")


async def test_so_are_those_of_the_engine_to_who_waits_for_one(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions, max_concurrent_steps=1) as engine:
        await engine.run(parallel(4, max_concurrent_steps=9))

    assert [(0, "s0"), (1, "s1"), (2, "s2"), (3, "s3")] == calls.of("start")


async def test_an_execution_with_many_ready_steps_delays_another_by_one_step_at_most(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions, max_concurrent_steps=5) as engine:
        await engine.start(parallel(1000))
        await trio.sleep(0.5)
        await engine.run(chain("other"))

    assert [(1, "other")] == [call for call in calls.of("start") if call[1] == "other"]


async def test_retries_with_the_delays_of_the_document(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    step = {"id": "a", "action": "flaky", "parameters": {"fails": 3}}
    retry = {"max_attempts": 4, "initial_delay": 1, "multiplier": 3}
    async with open_engine(actions=actions) as engine:
        output = await engine.run({"id": "w", "steps": [{**step, "retry": retry}]})

    assert {"a": 4} == output
    assert [0, 1, 4, 13] == [at for at, _ in calls.of("start")]


async def test_a_day_of_retries_takes_no_time(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    retry = {"max_attempts": 1_441, "initial_delay": 60, "max_delay": 60}
    step = {"id": "a", "action": "flaky", "parameters": {"fails": 1_440}, "retry": retry}
    async with open_engine(actions=actions) as engine:
        output = await engine.run({"id": "w", "steps": [step]})

    assert {"a": 1_441} == output
    assert 86_400 == trio.current_time()


async def test_an_attempt_of_exactly_its_timeout_has_timed_out(
    autojump_clock: Any, actions: list[Any]
) -> None:
    step = {"id": "a", "action": "work", "timeout": 3, "parameters": {"seconds": "${input.t}"}}
    async with open_engine(actions=actions) as engine:
        await engine.run({"id": "w", "steps": [step]}, {"t": 2.999})
        with pytest.raises(trioflow.ExecutionFailed, match="timed out after 3 s") as raised:
            await engine.run({"id": "w", "steps": [step]}, {"t": 3})

    assert "timeout.attempt" == raised.value.errors[0].code


async def test_the_total_timeout_of_a_step_stops_its_attempt(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    step = {"id": "a", "action": "work", "total_timeout": 5, "parameters": {"seconds": 60}}
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run({"id": "w", "steps": [{**step, "retry": 3}]})

    assert "timeout.step" == raised.value.errors[0].code
    assert [(5, "a")] == calls.of("cancelled")
    assert 5 == trio.current_time()


async def test_the_timeout_of_the_execution_stops_everything(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run(chain("a", "b", "c", timeout=1.5))

    assert "timeout.execution" == raised.value.errors[0].code
    assert [(1.5, "b")] == calls.of("cancelled")


async def test_a_value_that_comes_in_spite_of_a_timeout_counts(
    autojump_clock: Any, actions: list[Any]
) -> None:
    step = {"id": "a", "action": "stubborn", "timeout": 1}
    async with open_engine(actions=actions) as engine:
        execution = await engine.start({"id": "w", "steps": [step]})
        output = await execution.result()

    assert {"a": "done all the same"} == output
    assert execution.steps["a"].late


async def test_reports_an_attempt_that_does_not_stop(
    autojump_clock: Any, actions: list[Any]
) -> None:
    step = {"id": "a", "action": "stubborn", "parameters": {"seconds": 60}}
    async with open_engine(actions=actions) as engine:
        execution = await engine.start({"id": "w", "steps": [step]})
        await trio.sleep(1)
        receipt = await execution.cancel("enough")

    assert 60 == trio.current_time()
    assert ("a",) == receipt.unresponsive
    assert ("a",) == receipt.late
    assert "CANCELLED" == receipt.status


async def test_a_failure_cancels_what_runs_beside_it(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    steps = [
        {"id": "long", "action": "work", "parameters": {"seconds": 60}},
        {"id": "bad", "action": "flaky"},
        {"id": "later", "action": "work", "depends_on": ["long"]},
    ]
    async with open_engine(actions=actions) as engine:
        execution = await engine.start({"id": "w", "steps": steps})
        with pytest.raises(trioflow.ExecutionFailed, match="attempt 1 failed"):
            await execution.result()

    assert ["CANCELLED", "FAILED", "CANCELLED"] == [s.status for s in execution.steps.values()]
    assert [(0, "long")] == calls.of("cancelled")


async def test_pauses_for_missing_input_and_resumes(
    autojump_clock: Any, actions: list[Any]
) -> None:
    document = {
        "id": "w",
        "steps": [
            {"id": "a", "action": "work", "parameters": {"value": "${input.card}"}},
            {"id": "b", "action": "set", "parameters": {"x": "${a}", "y": "${input.more}"}},
        ],
    }
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.ExecutionPaused) as raised:
            await engine.run(document, execution_id="x")
        execution = await engine.execution("x")
        waiting = [str(entry) for entry in execution.waiting_for]
        await execution.resume({"card": 7})
        await execution.wait_paused()
        with pytest.raises(trioflow.InvalidRequest, match=r"input\.card has a value already"):
            await execution.resume({"card": 8})
        await execution.resume({"more": [1]})
        output = await execution.result()

    assert ["input.card (step 'a')"] == waiting
    assert "x" == raised.value.execution_id
    assert {"b": {"x": 7, "y": [1]}} == output


async def test_of_ten_equal_resumes_one_wins(autojump_clock: Any, actions: list[Any]) -> None:
    document = {
        "id": "w",
        "steps": [{"id": "a", "action": "work", "parameters": {"value": "${input.card}"}}],
    }
    won = []

    async def resume(execution: trioflow.Execution, number: int) -> None:
        try:
            await execution.resume({"card": number})
        except trioflow.InvalidRequest:
            return
        won.append(number)

    async with open_engine(actions=actions) as engine:
        execution = await engine.start(document)
        await execution.wait_paused()
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(resume, execution, number)
        output = await execution.result()

    assert 1 == len(won)
    assert {"a": won[0]} == output


async def test_cancel_returns_after_the_last_thing_has_stopped(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(parallel(3))
        await trio.sleep(0.5)
        receipt = await execution.cancel("customer changed their mind")
        history = await execution.history()

    assert 0 == calls.running
    assert ["s0", "s1", "s2"] == sorted(receipt.stopped)
    last = history[-1]
    assert isinstance(last, events.ExecutionCancelled)
    assert "customer changed their mind" == last.reason


async def test_a_grace_lets_attempts_end_by_themselves(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a", "b"))
        await trio.sleep(0.5)
        receipt = await execution.cancel(grace=2)

    assert 1 == trio.current_time()
    assert ("b",) == receipt.stopped
    assert "COMPLETED" == execution.steps["a"].status


async def test_cancelling_a_finished_execution_is_refused(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a"))
        await execution.result()
        with pytest.raises(trioflow.InvalidRequest, match="it is COMPLETED"):
            await execution.cancel()


async def test_pause_starts_nothing_until_resume(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a", "b"))
        await trio.sleep(0.5)
        await execution.pause()
        assert "RUNNING" == execution.status
        await execution.wait_paused()
        assert 1 == trio.current_time()
        assert ["a resume"] == [str(entry) for entry in execution.waiting_for]
        await trio.sleep(9)
        await execution.resume()
        await execution.result()

    assert [(0, "a"), (10, "b")] == calls.of("start")


async def test_signals_reach_a_wait_step_early_or_late(
    autojump_clock: Any, actions: list[Any]
) -> None:
    document = {
        "id": "w",
        "steps": [
            {"id": "a", "action": "work"},
            {"id": "approval", "type": "wait", "schema": {"type": "boolean"}},
            {"id": "second", "type": "wait", "signal": "again"},
        ],
        "output": ["${approval}", "${second}"],
    }
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(document)
        with pytest.raises(trioflow.InvalidRequest, match="does not fit"):
            await execution.signal("approval", "yes")
        await execution.signal("approval", True)
        with pytest.raises(trioflow.InvalidRequest, match="the first one is kept"):
            await execution.signal("approval", False)
        await execution.wait_paused()
        await execution.signal("again", {"by": "Ann"})
        output = await execution.result()

    assert [True, {"by": "Ann"}] == output


async def test_a_month_of_sleep_takes_no_time(autojump_clock: Any) -> None:
    document = {"id": "w", "steps": [{"id": "nap", "type": "sleep", "duration": "30d"}]}
    async with open_engine() as engine:
        await engine.run(document)

    assert 30 * 86_400 == trio.current_time()


async def test_events_are_a_cursor(autojump_clock: Any, actions: list[Any]) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a"))
        seen = [event async for event in execution.events()]
        rest = [event async for event in execution.events(after=seen[2].seq)]
        nothing = [event async for event in execution.events(after=seen[-1].seq)]

    assert list(range(1, len(seen) + 1)) == [event.seq for event in seen]
    assert seen[3:] == rest
    assert [] == nothing
    assert isinstance(seen[-1], events.ExecutionCompleted)


async def test_observers_hear_of_everything_in_order_after_its_commit(
    autojump_clock: Any, actions: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[str, int]] = []

    def observe(execution_id: str, event: events.Event) -> None:
        heard.append((execution_id, event.seq))
        if event.seq == 2:
            raise RuntimeError("observers may fail")

    async with open_engine(actions=actions, observers=[observe]) as engine:
        execution = await engine.start(chain("a"), execution_id="x")
        await execution.result()
        history = await execution.history()

    assert [("x", event.seq) for event in history] == heard
    assert "an observer failed" in caplog.text


async def test_starting_again_with_the_same_id_is_idempotent(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions) as engine:
        first = await engine.start(chain("a"), {"n": 1}, execution_id="x")
        second = await engine.start(chain("a"), {"n": 1}, execution_id="x")
        with pytest.raises(trioflow.DuplicateExecution, match="another input"):
            await engine.start(chain("a"), {"n": 2}, execution_id="x")
        with pytest.raises(trioflow.DuplicateExecution, match="another workflow"):
            await engine.start(chain("b"), {"n": 1}, execution_id="x")
        await first.result()
        await second.result()

    assert [(0, "a")] == calls.of("start")


async def test_ten_starts_at_once_with_one_id_start_one_execution(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    async with open_engine(actions=actions) as engine, trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(lambda: engine.run(chain("a"), {"n": 1}, execution_id="x"))

    assert [(0, "a")] == calls.of("start")


@pytest.mark.parametrize(
    ("bad", "message"),
    (
        ({"execution_id": "a:b"}, "no ':'"),
        ({"execution_id": ""}, "1 to 200 characters"),
        ({"input": {"x": float("nan")}}, "not JSON"),
        ({"input": {"x": {1, 2}}}, "not JSON"),
    ),
    ids=str,
)
async def test_refuses_what_cannot_be_started(
    autojump_clock: Any, actions: list[Any], bad: dict[str, Any], message: str
) -> None:
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.InvalidRequest, match=message):
            await engine.start(chain("a"), bad.get("input"), execution_id=bad.get("execution_id"))
        assert [] == await engine.executions()


async def test_an_input_that_does_not_fit_is_rejected_and_nothing_is_stored(
    autojump_clock: Any, actions: list[Any]
) -> None:
    document = chain("a", input_schema={"type": "object", "required": ["sku"]})
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.InputRejected, match="sku"):
            await engine.start(document)
        assert [] == await engine.executions()


async def test_an_unknown_action_is_named_before_anything_is_stored(
    autojump_clock: Any, actions: list[Any]
) -> None:
    document = {"id": "w", "steps": [{"id": "a", "action": "wrok"}]}
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.UnknownAction, match=r"'wrok'.*did you mean 'work'"):
            await engine.start(document)
        assert [] == await engine.executions()


async def test_parameters_that_an_action_does_not_take_are_named(
    autojump_clock: Any, actions: list[Any]
) -> None:
    wrong = {"action": "work", "parameters": {"secs": 1}}
    step = {"id": "a", **wrong, "fallback": wrong, "compensate": wrong}
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.DefinitionError, match="takes no parameter 'secs'") as raised:
            await engine.start({"id": "w", "steps": [step]})

    assert [
        "$.steps[0].parameters",
        "$.steps[0].fallback.parameters",
        "$.steps[0].compensate.parameters",
    ] == [problem.path for problem in raised.value.problems]


async def test_secrets_do_not_reach_the_log(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither by the built-in action, nor by `context.log` of one's own; nor in what follows it."""
    caplog.set_level(logging.INFO)

    @trioflow.action("call")
    async def call(token: str, context: trioflow.ActionContext) -> None:
        context.log(f"I have {token}", deep={"is": [token, 1]}, own=7)

    steps = [
        {
            "id": "a",
            "action": "log",
            "parameters": {"message": "with ${secret.API}", "key": "${secret.API}"},
        },
        {"id": "b", "action": "call", "parameters": {"token": "${secret.API}"}},
    ]
    async with open_engine(actions=call, secrets={"API": "s3cr3t!"}) as engine:
        await engine.run({"id": "w", "steps": steps})

    records = [each for each in caplog.records if each.name == "trioflow.actions"]
    shown = "${secret.API}"
    assert [
        f"a: with {shown} key={shown!r}",
        f"b: I have {shown} deep={{'is': [{shown!r}, 1]}} own=7",
    ] == [each.getMessage() for each in records]
    assert {"deep": {"is": [shown, 1]}, "own": 7} == vars(records[1])["fields"]
    assert not any("s3cr3t" in str(vars(each)) for each in caplog.records)


async def test_secrets_reach_the_action_and_nothing_else(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    got = []

    @trioflow.action("call")
    async def call(token: str, header: str) -> dict[str, str]:
        got.append((token, header))
        if len(got) == 1:
            raise ValueError(f"401 for {token}")
        return {"echo": f"I was given {token}"}

    parameters = {"token": "${secret.API}", "header": "Bearer ${secret.API}"}
    document = {
        "id": "w",
        "steps": [{"id": "a", "action": "call", "retry": 2, "parameters": parameters}],
    }
    store = MemoryStore(clock=trio.current_time)
    async with open_engine(store, actions=[call], secrets={"API": "s3cr3t!"}) as engine:
        output = await engine.run(document, execution_id="x")
        history = str(await store.read("x"))

    assert [("s3cr3t!", "Bearer s3cr3t!")] * 2 == got
    assert {"a": {"echo": "I was given ${secret.API}"}} == output
    assert "s3cr3t!" not in history + caplog.text


async def test_a_secret_that_goes_while_the_attempt_waits_fails_it(
    autojump_clock: Any, actions: list[Any]
) -> None:
    """As one that was unknown before: there is no further attempt."""
    answers = ["s3cr3t", None, "s3cr3t", "s3cr3t"]
    step = {
        "id": "a",
        "action": "work",
        "parameters": {"value": "${secret.API}"},
        "retry": {"max_attempts": 3, "on": ["*"]},
    }
    document = {"id": "w", "steps": [step]}
    async with open_engine(actions=actions, secrets=lambda name: answers.pop(0)) as engine:
        with pytest.raises(trioflow.ExecutionFailed, match=r"\$\{secret.API\}") as raised:
            await engine.run(document)

    assert "reference.missing" == raised.value.errors[0].code


async def test_an_unknown_secret_fails_the_step_before_its_first_attempt(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    document = {
        "id": "w",
        "steps": [{"id": "a", "action": "work", "parameters": {"value": "${secret.NO}"}}],
    }
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.ExecutionFailed, match=r"\$\{secret.NO\}") as raised:
            await engine.run(document)

    assert "reference.missing" == raised.value.errors[0].code
    assert [] == calls.log


@pytest.mark.parametrize(
    ("value", "code"),
    (
        (float("nan"), "result.not_json"),
        ({1: 2}, "result.not_json"),
        ({1, 2}, "result.not_json"),
        (b"bytes", "result.not_json"),
        ("x" * (2 << 20), "result.too_large"),
    ),
    ids=("nan", "key", "set", "bytes", "2 MiB"),
)
async def test_an_output_that_cannot_be_stored_fails_the_step(
    autojump_clock: Any, value: Any, code: str
) -> None:
    @trioflow.action("give")
    async def give() -> Any:
        return value

    async with open_engine(actions=[give]) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run({"id": "w", "steps": [{"id": "a", "action": "give", "retry": 3}]})

    assert code == raised.value.errors[0].code
    assert 0 == trio.current_time()


async def test_a_large_output_is_checked_against_its_schema_too(autojump_clock: Any) -> None:
    @trioflow.action("give")
    async def give(last: Any) -> Any:
        return [*range(5_000), last]

    schema = {"items": {"type": "integer"}}
    step = {"id": "a", "action": "give", "parameters": {"last": "${input.last}"}}
    document = {"id": "w", "steps": [{**step, "output_schema": schema}], "output": 1}
    async with open_engine(actions=[give]) as engine:
        assert 1 == await engine.run(document, {"last": 1})
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run(document, {"last": "no"})

    assert "schema.output" == raised.value.errors[0].code


async def test_an_action_cannot_change_what_others_see(autojump_clock: Any) -> None:
    @trioflow.action("spoil")
    async def spoil(data: dict[str, Any]) -> None:
        data["spoiled"] = True
        data["list"].append(2)

    document = {
        "id": "w",
        "steps": [
            {"id": "a", "action": "spoil", "parameters": {"data": "${input.data}"}},
            {"id": "b", "action": "set", "parameters": {"data": "${input.data}"}},
        ],
    }
    async with open_engine(actions=[spoil]) as engine:
        output = await engine.run(document, {"data": {"list": [1]}})

    assert {"b": {"data": {"list": [1]}}} == output


async def test_what_an_action_changes_its_next_attempt_does_not_see(autojump_clock: Any) -> None:
    """Nor the next item, nor the next execution of the same document."""
    seen: list[Any] = []

    @trioflow.action("spoil")
    async def spoil(context: trioflow.ActionContext, given: Any, item: Any) -> None:
        seen.append(([*given["list"]], [*item]))
        given["list"].append(2)
        item.append(3)
        if context.attempt == 1:
            raise trioflow.StepError("once more", "again")

    step = {
        "id": "a",
        "action": "spoil",
        "for_each": {"items": [[1], [1]]},
        "parameters": {"given": {"list": [1]}, "item": "${item}"},
        "retry": {"max_attempts": 2, "initial_delay": 1},
    }
    workflow = trioflow.load_workflow({"id": "w", "steps": [step]})
    async with open_engine(actions=[spoil]) as engine:
        for _ in range(2):
            await engine.run(workflow)

    assert [([1], [1])] * 8 == seen


async def test_what_run_returns_is_the_programs_to_change(autojump_clock: Any) -> None:
    document = {
        "id": "w",
        "input": {"list": [1]},
        "steps": [{"id": "a", "action": "set", "parameters": {}}],
        "output": {"given": "${input.list}", "constant": {"list": [1]}},
    }
    workflow = trioflow.load_workflow(document)
    async with open_engine() as engine:
        output = await engine.run(workflow)
        output["given"].append(2)
        output["constant"]["list"].append(2)

        assert {"given": [1], "constant": {"list": [1]}} == await engine.run(workflow)


async def test_a_python_workflow_brings_its_functions(autojump_clock: Any) -> None:
    @trioflow.action("add")
    async def add(a: int, b: int) -> int:
        return a + b

    workflow = trioflow.Workflow(
        "sum",
        steps=[
            trioflow.Step("one", add, parameters={"a": "${input.n}", "b": 1}),
            trioflow.Step("two", add, parameters={"a": "${one}", "b": 1}, depends_on=["one"]),
        ],
    )
    async with open_engine() as engine:
        output = await engine.run(workflow, {"n": 1})

    assert {"two": 3} == output


async def test_lists_executions_newest_first_by_status_workflow_and_label(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions) as engine:
        for number in range(3):
            await engine.run(chain("a"), execution_id=f"x{number}", labels={"n": str(number)})
        await engine.start(parallel(1), execution_id="y")
        everything = [head.id for head in await engine.executions()]
        done = [head.id for head in await engine.executions(status="COMPLETED", limit=2)]
        rest = [head.id for head in await engine.executions(status="COMPLETED", before=done[-1])]
        labelled = [head.id for head in await engine.executions(label={"n": "1"})]
        of_workflow = [head.id for head in await engine.executions(workflow="parallel")]

    assert ["y", "x2", "x1", "x0"] == everything
    assert ["x2", "x1"] == done
    assert ["x0"] == rest
    assert ["x1"] == labelled
    assert ["y"] == of_workflow


async def test_an_unknown_execution_is_not_found(autojump_clock: Any) -> None:
    async with open_engine() as engine:
        with pytest.raises(trioflow.ExecutionNotFound, match="'nobody'"):
            await engine.execution("nobody")


async def test_a_deadlock_fails_at_once() -> None:
    @trioflow.action("stuck")
    async def stuck() -> None:
        await trio.sleep_forever()

    from trio.testing import MockClock

    async def main() -> None:
        async with open_engine(actions=[stuck]) as engine:
            await engine.run({"id": "w", "steps": [{"id": "a", "action": "stuck"}]})

    def run() -> None:
        trio.run(main, clock=MockClock(autojump_threshold=0))

    with pytest.raises(trio.TooSlowError):
        await trio.to_thread.run_sync(run)


@pytest.mark.parametrize("limit", (0, -1, True, 1.5, "5"), ids=str)
async def test_a_limit_that_makes_no_sense_is_refused(limit: Any) -> None:
    with pytest.raises(trioflow.InvalidRequest, match="whole number from 1 on"):
        async with open_engine(max_concurrent_steps=limit):
            pass  # pragma: no cover


async def test_a_function_for_secrets_that_breaks_is_one_that_knows_none(
    autojump_clock: Any, actions: list[Any], calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    def secrets(name: str) -> str:
        raise OSError("the vault at vault.example is closed")

    document = {
        "id": "w",
        "steps": [{"id": "a", "action": "work", "parameters": {"value": "${secret.API}"}}],
    }
    async with open_engine(actions=actions, secrets=secrets) as engine:
        with pytest.raises(trioflow.ExecutionFailed, match=r"\$\{secret.API\}"):
            await engine.run(document)

    assert [] == calls.log
    assert "secret API cannot be had: OSError" in caplog.text
    assert "vault.example" not in caplog.text


def _nested(levels: int, leaf: Any) -> Any:
    for _ in range(levels):
        leaf = {"x": leaf}
    return leaf


@pytest.mark.parametrize("what", ("output", "input"))
async def test_what_is_handed_on_does_not_become_deeper_and_deeper(
    autojump_clock: Any, actions: list[Any], what: str
) -> None:
    """Each level of children would add its own, until nothing can write it down any more."""
    lowest = {"id": "w0", "steps": [{"id": "a", "action": "set", "parameters": {"x": 1}}]}
    found = [trioflow.load_workflow({**lowest, "output": _nested(90, "${a}")})]
    for level in range(1, 6):
        step: dict[str, Any] = {"id": "a", "type": "workflow", "workflow": f"w{level - 1}"}
        document: dict[str, Any] = {"id": f"w{level}", "steps": [step]}
        if what == "output":
            document["output"] = _nested(90, "${a}")
        else:
            step["parameters"] = {"y": _nested(90, "${input}")}
        found.append(trioflow.load_workflow(document))
    async with open_engine(actions=actions, workflows=found) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run(found[-1])

    failure = raised.value.errors[0]
    while failure.causes:
        failure = failure.causes[0]

    assert "is nested more than 200 deep" in failure.message


@pytest.mark.parametrize(
    ("store", "message"),
    (
        (Path("orders.db"), r"not PosixPath; write f'sqlite:\{path\}' for this file: 'orders.db'"),
        (5, "named by a text, like 'sqlite:orders.db', or is a `Store`, not int"),
        (None, "not NoneType"),
    ),
)
async def test_what_is_no_store(store: Any, message: str) -> None:
    with pytest.raises(trioflow.InvalidRequest, match=message):
        async with open_engine(store):
            pass


async def test_what_becomes_ready_does_not_overtake_what_queues(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    steps = [
        {"id": "a", "action": "work", "depends_on": []},
        {"id": "b", "action": "work", "depends_on": []},
        {"id": "behind", "action": "work", "depends_on": ["a"]},
    ]
    async with open_engine(actions=actions, max_concurrent_steps=1) as engine:
        await engine.run({"id": "w", "steps": steps})

    assert ["a", "b", "behind"] == [step for _, step in calls.of("start")]


async def test_a_slot_that_nobody_wants_any_more_is_given_back(
    autojump_clock: Any, actions: list[Any]
) -> None:
    @trioflow.action("pauses")
    async def pauses() -> None:
        # In one round the other one hears of this, and that it has got this attempt's slot.
        assert other._driver is not None
        other._driver.tell(Request(f.Pause(engine.now())))

    async with open_engine(actions=[*actions, pauses], max_concurrent_steps=1) as engine:
        first = await engine.start(chain("a"))
        second = await engine.start({"id": "w", "steps": [{"id": "p", "action": "pauses"}]})
        other = await engine.start(chain("b"))
        await first.result()
        await second.result()
        await other.wait_paused()

        assert {"c": "c"} == await engine.run(chain("c"))
