"""Secrets that go: there when an attempt queues, and not any more when it is called (R10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

import trioflow
from trioflow import events as e
from trioflow.kernel import _facts as f
from trioflow.stores import Head, MemoryStore
from trioflow.testing import open_engine

from .conftest import Calls

SECRET = {"value": "${secret.API}"}


def goes(after: int, then: Callable[[], object] = lambda: None) -> Callable[[str], str | None]:
    """Return secrets that are there so many times; `then` is called whenever one is not."""
    asked = 0

    def secrets(name: str) -> str | None:
        nonlocal asked
        asked += 1
        if asked <= after:
            return "s3cr3t"
        then()
        return None

    return secrets


def one(**fields: Any) -> dict[str, Any]:
    return {"id": "w", "steps": [{"id": "a", "action": "work", "parameters": SECRET, **fields}]}


FALLBACK = {"action": "work", "parameters": {}}
RETRY = {"max_attempts": 3, "on": ["*"], "initial_delay": 1, "jitter": "none"}


@pytest.mark.parametrize(
    "fields",
    (
        {"fallback": FALLBACK},
        {"retry": {**RETRY, "on_exhausted": "pause"}},
        {"retry": RETRY, "fallback": FALLBACK, "timeout": 5},
        {"for_each": {"items": [1]}, "fallback": FALLBACK},
    ),
    ids=("fallback", "pause", "both", "item"),
)
@pytest.mark.parametrize("there", (0, 1), ids=("before", "in between"))
async def test_a_step_without_its_secret_fails_whenever_that_is_noticed(
    autojump_clock: Any,
    actions: list[Any],
    calls: Calls,
    fields: dict[str, Any],
    there: int,
) -> None:
    """No further attempt, no fallback, and no decision of somebody."""
    async with open_engine(actions=actions, secrets=goes(there)) as engine:
        execution = await engine.start(one(**fields))
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await execution.wait_paused()
        kinds = [event.type for event in await execution.history()]
        codes = engine.statistics().workflows["w"].steps["a"].codes

    assert [] == calls.log
    assert there == kinds.count("AttemptStarted")
    assert not {"AttemptFailed", "FallbackStarted", "StepPaused"} & set(kinds)
    (failure,) = raised.value.errors
    assert ("reference.missing", {"reference.missing": 1}) == (failure.code, codes)
    assert "${secret.API} has no value; bring it with open_engine(secrets=...)" in str(failure)


@pytest.mark.parametrize("there", (0, 1), ids=("before", "in between"))
async def test_a_fallback_without_its_secret_fails_its_step(
    autojump_clock: Any, actions: list[Any], there: int
) -> None:
    step = {
        "id": "a",
        "action": "flaky",
        "retry": {"max_attempts": 1, "on_exhausted": "pause"},
        "fallback": {"action": "work", "parameters": SECRET, "retry": RETRY},
    }
    async with open_engine(actions=actions, secrets=goes(there)) as engine:
        execution = await engine.start({"id": "w", "steps": [step]})
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await execution.wait_paused()

    assert ["reference.missing"] == [failure.code for failure in raised.value.errors]


@pytest.mark.parametrize("there", (0, 1), ids=("before", "in between"))
async def test_an_undo_without_its_secret_fails(
    autojump_clock: Any, actions: list[Any], calls: Calls, there: int
) -> None:
    """It is not tried again, and the other one is made."""
    undo = {"action": "work", "parameters": {}}
    steps = [
        {"id": "a", "action": "work", "compensate": undo},
        {"id": "b", "action": "work", "compensate": {**undo, "parameters": SECRET, "retry": RETRY}},
        {"id": "c", "action": "flaky"},
    ]
    async with open_engine(actions=actions, secrets=goes(there)) as engine:
        execution = await engine.start({"id": "w", "steps": steps})
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await execution.result()
        kinds = [event.type for event in await execution.history()]

    assert ["flaky", "reference.missing"] == [failure.code for failure in raised.value.errors]
    assert ["a", "b", "c", "a"] == [step for _, step in calls.of("start")]
    assert (1, 1) == (kinds.count("CompensationFailed"), kinds.count("StepCompensated"))


# ---- while it stops ----


class Hooked(MemoryStore):
    """A store that tells when the start of an attempt was written, before the attempt is called."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__(clock=trio.current_time)
        self.then = then

    async def commit(self, head: Head, events: Any, *, owned: bool = True) -> None:
        await super().commit(head, events, owned=owned)
        if any(isinstance(event, e.AttemptStarted) for event in events):
            self.then()


async def test_a_cancel_that_comes_before_it_is_missed_counts(
    autojump_clock: Any, actions: list[Any]
) -> None:
    """The step is CANCELLED, and what it misses is attached (R16)."""

    def cancel() -> None:
        engine._drivers["x"].tell(f.Cancel(trio.current_time(), "", 0.0))

    store = Hooked(cancel)
    async with open_engine(store, actions=actions, secrets=goes(1)) as engine:
        execution = await engine.start(one(), execution_id="x")
        with pytest.raises(trioflow.ExecutionCancelled):
            await execution.result()
        (stopped,) = (
            event for event in await execution.history() if isinstance(event, e.StepCancelled)
        )

    assert stopped.failure is not None
    assert "reference.missing" == stopped.failure.code


async def test_an_engine_that_is_left_before_it_is_missed(
    autojump_clock: Any, actions: list[Any]
) -> None:
    """Nothing has failed: the attempt is made again, and finds its secret or not."""

    def leave() -> None:
        driver = engine._drivers["x"]
        driver.interrupt()
        driver.tell(f.Check(trio.current_time()))

    store = Hooked(leave)
    async with open_engine(store, actions=actions, secrets=goes(1)) as engine:
        await engine.start(one(on_crash="fail", fallback=FALLBACK), execution_id="x")
        await trio.sleep(1)
    last = (await store.read("x"))[-1]

    assert "AttemptInterrupted" == last.type


async def test_an_engine_that_is_left_just_when_it_is_missed(
    autojump_clock: Any, actions: list[Any]
) -> None:
    """The step has failed then, and has not crashed."""

    def leave() -> None:
        engine._drivers["x"].interrupt()

    store = MemoryStore(clock=trio.current_time)
    async with open_engine(store, actions=actions, secrets=goes(1, leave)) as engine:
        await engine.start(one(), execution_id="x")
        await trio.sleep(1)
    async with open_engine(store, actions=actions) as engine:
        execution = await engine.execution("x")
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await execution.result()
        kinds = {event.type for event in await execution.history()}

    assert ["reference.missing"] == [failure.code for failure in raised.value.errors]
    assert "AttemptCrashed" not in kinds
