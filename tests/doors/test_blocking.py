"""The engine from threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trio

import trioflow
from trioflow.blocking import open_engine
from trioflow.engine._inbox import EngineLeft


@trioflow.action("double")
async def double(n: int) -> int:
    await trio.lowlevel.checkpoint()
    return 2 * n


@trioflow.action("forever")
async def forever() -> None:
    await trio.sleep_forever()


DOUBLE = {
    "id": "double",
    "steps": [{"id": "a", "action": "double", "parameters": {"n": "${input.n}"}}],
    "output": "${a}",
}
FOREVER = {"id": "forever", "steps": [{"id": "a", "action": "forever"}]}


def test_runs_from_many_threads_at_once() -> None:
    with open_engine(actions=[double]) as engine, ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(lambda n: engine.run(DOUBLE, {"n": n}), range(40)))

    assert [2 * n for n in range(40)] == outputs


def test_has_the_methods_of_the_engine(tmp_path: Path) -> None:
    with open_engine(f"sqlite:{tmp_path}/t.db", actions=[double]) as engine:
        engine.check(trioflow.load_workflow(DOUBLE))
        execution = engine.start(DOUBLE, execution_id="x", labels={"k": "v"})
        execution.wait_paused()
        execution.refresh()
        assert "PAUSED" == execution.status
        assert ["input.n (step 'a')"] == [str(entry) for entry in execution.waiting_for]
        assert {"k": "v"} == execution.labels
        execution.resume({"n": 4})
        assert 8 == execution.result()
        assert [event.seq for event in execution.history()] == [
            event.seq for event in execution.events()
        ]
        assert "COMPLETED" == engine.execution("x").steps["a"].status
        assert {"a": 8} == execution.outputs
        assert ((), ()) == (execution.failed_steps, execution.errors)
        assert ("double", {"n": 4}) == (execution.workflow, execution.input)
        assert ["x"] == [head.id for head in engine.executions(status="COMPLETED")]
        assert "double" in repr(execution)

    # What has been read stays readable.
    assert {"a": 8} == execution.outputs


def test_signal_pause_and_cancel() -> None:
    document = {
        "id": "w",
        "steps": [{"id": "go", "type": "wait"}, {"id": "a", "action": "forever"}],
    }
    with open_engine(actions=[forever]) as engine:
        execution = engine.start(document)
        execution.pause()
        execution.resume()
        execution.signal("go", 1)
        receipt = execution.cancel("enough")
        with pytest.raises(trioflow.ExecutionCancelled, match="enough"):
            execution.result()

    assert ("a",) == receipt.stopped


def test_errors_are_raised_where_they_belong() -> None:
    with open_engine() as engine:
        with pytest.raises(trioflow.UnknownAction):
            engine.run(DOUBLE)
        with pytest.raises(trioflow.ExecutionNotFound):
            engine.execution("nobody")
    with pytest.raises(trioflow.InvalidRequest), open_engine("nonsense:"):
        pass  # pragma: no cover


def test_what_the_body_raises_interrupts_and_leaves_as_itself() -> None:
    with pytest.raises(ZeroDivisionError), open_engine(actions=[forever]) as engine:
        execution = engine.start(FOREVER)
        _ = 1 / 0

    assert "RUNNING" == execution.status


def test_a_call_that_others_wait_in_ends_when_the_engine_is_left() -> None:
    raised: list[BaseException] = []

    def wait(execution: Any) -> None:
        try:
            execution.result()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    with open_engine(actions=[forever]) as engine:
        execution = engine.start(FOREVER)
        thread = threading.Thread(target=wait, args=[execution])
        thread.start()
    thread.join(5)

    assert not thread.is_alive()
    assert ["the engine was left while this call was waiting"] == [str(one) for one in raised]


USES: tuple[Callable[[Any, Any], object], ...] = (
    lambda engine, execution: engine.run(DOUBLE, {"n": 1}),
    lambda engine, execution: engine.execution("x"),
    lambda engine, execution: engine.executions(),
    lambda engine, execution: engine.statistics(),
    lambda engine, execution: engine.check(trioflow.load_workflow(DOUBLE)),
    lambda engine, execution: execution.result(),
    lambda engine, execution: execution.refresh(),
    lambda engine, execution: list(execution.events()),
    lambda engine, execution: execution.cancel(),
)
USE_NAMES = (
    "run",
    "execution",
    "executions",
    "statistics",
    "check",
    "result",
    "refresh",
    "events",
    "cancel",
)


@pytest.mark.parametrize("use", USES, ids=USE_NAMES)
def test_after_the_block_the_engine_is_left(use: Any) -> None:
    with open_engine(actions=[double]) as engine:
        execution = engine.start(DOUBLE, execution_id="x")
    with pytest.raises(EngineLeft, match="the engine was left; use it, and its executions, inside"):
        use(engine, execution)

    assert {} == execution.outputs


def test_from_the_engines_own_thread_nothing_waits_for_itself() -> None:
    raised: list[str] = []

    def observe(execution_id: str, event: trioflow.events.Event) -> None:
        if event.type == "ExecutionStarted":
            with pytest.raises(trioflow.InvalidRequest, match="would wait for itself") as caught:
                engine.executions()
            raised.append(type(caught.value).__name__)

    with open_engine(actions=[double], observers=observe) as engine:
        engine.run(DOUBLE, {"n": 1})

    assert ["InvalidRequest"] == raised


def test_a_known_workflow_a_status_that_is_none_and_a_grace() -> None:
    """As on trio: what is checked there is checked for all."""
    with open_engine(actions=[double, forever], workflows=DOUBLE) as engine:
        assert 4 == engine.run("double", {"n": 2})
        with pytest.raises(trioflow.InvalidRequest, match="did you mean 'COMPLETED'"):
            engine.executions(status="completed")
        execution = engine.start(FOREVER)
        assert "CANCELLED" == execution.cancel(grace="1ms").status


@pytest.mark.parametrize("store", ("memory:", "sqlite:{}/x.db"))
def test_a_call_ends_when_the_engine_breaks(tmp_path: Path, store: str) -> None:
    @trioflow.action("break")
    async def broken() -> None:
        await trio.lowlevel.checkpoint()
        raise SystemExit(3)

    document = {"id": "w", "steps": [{"id": "a", "action": "break"}]}
    with pytest.raises(SystemExit), open_engine(store.format(tmp_path), actions=broken) as engine:
        engine.run(document)
