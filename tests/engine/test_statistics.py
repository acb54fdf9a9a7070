"""Statistics: of an engine while it is open, and of what a store has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

import trioflow
import trioflow.aio
import trioflow.blocking
from trioflow import events as e
from trioflow.engine import Percentiles, Requester, statistics_of
from trioflow.engine import _logs as logs_module
from trioflow.engine import _statistics as module
from trioflow.engine._statistics import Counters, Durations
from trioflow.stores import Head, MemoryStore, SqliteStore
from trioflow.testing import open_engine

from .conftest import chain


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=trio.current_time)


def work(step: str, **fields: Any) -> dict[str, Any]:
    return {"id": step, "action": "work", **fields}


WAIT = {"id": "w", "steps": [{"id": "go", "type": "wait"}, work("a")]}
FLAKY = {
    "id": "flaky",
    "steps": [
        {
            "id": "a",
            "action": "flaky",
            "parameters": {"fails": 2, "code": "http.503"},
            "retry": {"max_attempts": 3, "initial_delay": 4, "multiplier": 1, "jitter": "none"},
        }
    ],
}


# ---- what an engine counts ----


async def test_nothing_has_happened(autojump_clock: Any) -> None:
    async with open_engine(max_concurrent_steps=3) as engine:
        await trio.sleep(5)
        found = engine.statistics()

    assert (0, 0, 3, 0, 0, 0, 0.0) == (
        found.running,
        found.waiting,
        found.slots,
        found.slots_used,
        found.commits,
        found.events,
        found.since,
    )
    assert {} == found.workflows


async def test_a_chain(autojump_clock: Any, actions: list[Any], store: MemoryStore) -> None:
    async with open_engine(store, actions=actions) as engine:
        execution = await engine.start(chain("a", "b"))
        await trio.sleep(0.5)
        during = engine.statistics()
        await execution.result()
        found = engine.statistics()

    assert (1, 1, 1) == (during.running, during.slots_used, during.workflows["chain"].open)
    one = found.workflows["chain"]
    assert (0, 0, 0, 1, 1) == (
        found.running,
        found.slots_used,
        one.open,
        one.started,
        one.completed,
    )
    assert Percentiles(2.0, 2.0, 2.0, 2.0, 1) == one.duration
    assert ["a", "b"] == list(one.steps)
    assert Percentiles(1.0, 1.0, 1.0, 1.0, 1) == one.steps["b"].duration
    assert (1, 1, 0) == (
        one.steps["b"].completed,
        one.steps["b"].attempts,
        one.steps["b"].failed_attempts,
    )
    assert len(await store.read(execution.id)) == found.events
    assert 3 == found.commits


async def test_failures(autojump_clock: Any, actions: list[Any]) -> None:
    """Attempts that are repeated, failures without an attempt, and a rate."""
    missing = {"id": "flaky", "steps": [work("a", parameters={"value": "${input.x[1]}"})]}
    async with open_engine(actions=actions) as engine:
        await engine.run(FLAKY)
        with pytest.raises(trioflow.ExecutionFailed):
            await engine.run(missing, {"x": [1]})
        found = engine.statistics().workflows["flaky"]

    assert (2, 1, 1, 0.5) == (found.started, found.completed, found.failed, found.failure_rate)
    step = found.steps["a"]
    assert (1, 1, 3, 2) == (step.completed, step.failed, step.attempts, step.failed_attempts)
    assert {"http.503": 2, "reference.missing": 1} == step.codes
    assert 0.5 == step.failure_rate
    # The delays are time at work; what never started has no duration.
    assert Percentiles(8.0, 8.0, 8.0, 8.0, 1) == step.duration


async def test_a_step_that_is_out_of_time(autojump_clock: Any, actions: list[Any]) -> None:
    document = {
        "id": "slow",
        "steps": [work("a", parameters={"seconds": 60}, total_timeout=5, continue_on_error=True)],
    }
    async with open_engine(actions=actions) as engine:
        await engine.run(document)
        step = engine.statistics().workflows["slow"].steps["a"]

    assert {"timeout.step": 1} == step.codes
    assert (1, 0, 5.0) == (step.attempts, step.failed_attempts, step.duration.max)


async def test_skipped_and_cancelled(autojump_clock: Any, actions: list[Any]) -> None:
    document = {
        "id": "c",
        "connections": [],
        "steps": [work("a", condition="false"), work("b", parameters={"seconds": 60})],
    }
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(document)
        await trio.sleep(3)
        await execution.cancel()
        found = engine.statistics().workflows["c"]

    assert (1, 0, 0) == (found.cancelled, found.open, found.failure_rate)
    assert (1, 0) == (found.steps["a"].skipped, found.steps["a"].duration.count)
    assert (1, 3.0) == (found.steps["b"].cancelled, found.steps["b"].duration.max)


async def test_items_count_within_their_step(autojump_clock: Any, actions: list[Any]) -> None:
    document = {
        "id": "each",
        "steps": [
            {
                "id": "a",
                "action": "flaky",
                "parameters": {"fails": "${item}"},
                "for_each": {"items": [0, 1, 0], "on_item_error": "continue"},
            },
            {
                "id": "b",
                "action": "work",
                "parameters": {"value": "${item.x}"},
                "for_each": {"items": [{}]},
                "continue_on_error": True,
            },
        ],
    }
    async with open_engine(actions=actions) as engine:
        await engine.run(document)
        steps = engine.statistics().workflows["each"].steps

    assert (1, 0, 3, 1) == (
        steps["a"].completed,
        steps["a"].failed,
        steps["a"].attempts,
        steps["a"].failed_attempts,
    )
    assert {"flaky": 1} == steps["a"].codes
    # Said once, though the step fails with what its item failed with.
    assert (1, {"reference.missing": 1}) == (steps["b"].failed, steps["b"].codes)


async def test_undoing_is_counted_apart(autojump_clock: Any, actions: list[Any]) -> None:
    document = {
        "id": "undo",
        "steps": [
            work("a", compensate={"action": "flaky", "parameters": {}}),
            work("b", compensate={"action": "work", "parameters": {}}),
            {"id": "c", "action": "flaky"},
        ],
    }
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.ExecutionFailed):
            await engine.run(document)
        steps = engine.statistics().workflows["undo"].steps

    assert (1, 0) == (steps["a"].compensations_failed, steps["a"].compensated)
    assert (0, 1) == (steps["b"].compensations_failed, steps["b"].compensated)
    assert [(1, 0, {})] * 2 == [
        (steps[one].attempts, steps[one].failed_attempts, steps[one].codes) for one in ("a", "b")
    ]


async def test_children_are_executions_of_their_workflow(
    autojump_clock: Any, actions: list[Any]
) -> None:
    child = trioflow.load_workflow(chain("x") | {"id": "child"})
    parent = {"id": "p", "steps": [{"id": "c", "type": "workflow", "workflow": "child"}]}
    async with open_engine(actions=actions, workflows=[child]) as engine:
        await engine.run(parent)
        found = engine.statistics().workflows

    assert ["child", "p"] == list(found)
    assert (1, 1.0) == (found["child"].completed, found["p"].steps["c"].duration.max)


async def test_a_fork_does_not_count_what_it_keeps(autojump_clock: Any, actions: list[Any]) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a", "b"))
        await execution.result()
        await (await execution.fork(["b"])).result()
        found = engine.statistics().workflows["chain"]

    assert (2, 1, 2) == (
        found.completed,
        found.steps["a"].completed,
        found.steps["b"].completed,
    )


# ---- pauses, restarts, conflicts ----


async def test_time_in_which_it_is_paused_is_no_duration(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(WAIT)
        await trio.sleep(500)
        during = engine.statistics()
        await execution.signal("go")
        await execution.result()
        found = engine.statistics()

    assert (0, 1, 1) == (during.running, during.waiting, during.workflows["w"].open)
    assert (0, 0, 0) == (found.running, found.waiting, found.workflows["w"].open)
    assert 1.0 == found.workflows["w"].duration.max
    assert 0 == found.workflows["w"].steps["go"].duration.count
    assert 1.0 == found.workflows["w"].steps["a"].duration.max


async def test_a_step_that_waits_for_a_decision(autojump_clock: Any, actions: list[Any]) -> None:
    """What it worked before is added to what it works after."""
    retry = {"initial_delay": 4, "jitter": "none", "on_exhausted": "pause", "max_attempts": 2}
    document = {
        "id": "d",
        "steps": [{"id": "a", "action": "flaky", "parameters": {"fails": 3}, "retry": retry}],
    }
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(document)
        await execution.wait_paused()
        await trio.sleep(1_000)
        await execution.resume(decisions={"a": "retry"})
        await execution.result()
        found = engine.statistics().workflows["d"]

    assert (8.0, 8.0) == (found.steps["a"].duration.max, found.duration.max)
    assert (4, 3) == (found.steps["a"].attempts, found.steps["a"].failed_attempts)


async def test_only_what_becomes_durable_while_it_is_open(
    autojump_clock: Any, actions: list[Any], store: MemoryStore
) -> None:
    """The second engine counts no old event, and knows when everything began."""
    async with open_engine(store, actions=actions) as engine:
        await engine.start(chain("a", "b"), execution_id="x")
        await engine.start(WAIT, execution_id="y")
        await trio.sleep(1.5)
    old = len(await store.read("x"))
    async with open_engine(store, actions=actions) as engine:
        opened = engine.statistics()
        await (await engine.execution("x")).result()
        found = engine.statistics()

    assert (1, 1, 1.5) == (opened.running, opened.waiting, opened.since)
    assert (0, 1) == (found.running, found.waiting)
    one = found.workflows["chain"]
    assert (0, 1, 2.5) == (one.started, one.completed, one.duration.max)
    assert ["b"] == list(one.steps)
    # From its start, the time of no engine (none, here) included; its attempt began anew.
    assert (1, 1.5) == (one.steps["b"].attempts, one.steps["b"].duration.max)
    assert len(await store.read("x")) - old == found.events


async def test_a_conflict_counts_nothing_twice(autojump_clock: Any, actions: list[Any]) -> None:
    """A request comes just before the commit of what it has not been seen by."""

    class Store(MemoryStore):
        conflicts = 0

        async def commit(self, head: Head, events: Any, *, owned: bool = True) -> None:
            if owned and not self.conflicts and isinstance(events[0], e.StepCompleted):
                self.conflicts += 1
                await Requester(self, head.id, clock=trio.current_time).signal("go", 1)
            await super().commit(head, events, owned=owned)

    document = {"id": "w", "connections": [], "steps": [{"id": "go", "type": "wait"}, work("a")]}
    seen: list[int] = []
    store = Store(clock=trio.current_time)
    async with open_engine(
        store, actions=actions, observers=[lambda _, event: seen.append(event.seq)]
    ) as engine:
        await engine.run(document, execution_id="x")
        found = engine.statistics()

    assert 1 == store.conflicts
    assert [event.seq for event in await store.read("x")] == seen
    assert (len(seen), 1) == (found.events, found.workflows["w"].completed)
    assert [1, 1] == [step.completed for step in found.workflows["w"].steps.values()]


async def test_requests_between_the_head_and_the_history(
    autojump_clock: Any, actions: list[Any]
) -> None:
    """One that comes while the engine looks at another is told once, too."""
    waits = ("come", "go")

    class Store(MemoryStore):
        async def head(self, execution_id: str) -> Head | None:
            head = await super().head(execution_id)
            if head is not None and head.seq == self.after:
                self.after = -1
                await Requester(self, execution_id, clock=trio.current_time).signal("go", 2)
            return head

        after = -1

    document = {
        "id": "w",
        "connections": [],
        # Nothing comes of them before the attempt has ended.
        "steps": [work("a"), *({"id": one, "type": "wait", "depends_on": ["a"]} for one in waits)],
    }
    seen: list[int] = []
    store = Store(clock=trio.current_time)
    async with open_engine(
        store, actions=actions, observers=[lambda _, event: seen.append(event.seq)]
    ) as engine:
        execution = await engine.start(document, execution_id="x")
        await trio.sleep(0.5)
        store.after = len(await store.read("x")) + 1
        await Requester(store, "x", clock=trio.current_time).signal("come", 1)
        await execution.result()
        found = engine.statistics()

    assert -1 == store.after
    assert [event.seq for event in await store.read("x")] == seen
    assert len(seen) == found.events


async def test_what_has_left_memory_is_not_tracked(autojump_clock: Any, actions: list[Any]) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(WAIT)
        await trio.sleep(1)
        parked = dict(engine.counters._tracks)
        await execution.signal("go")
        await execution.result()
        await trio.sleep(1)
        ended = dict(engine.counters._tracks)

    assert {} == parked == ended


# ---- of a store ----


async def test_of_a_store(autojump_clock: Any, actions: list[Any], store: MemoryStore) -> None:
    async with open_engine(store, actions=actions) as engine:
        for _ in range(3):
            await engine.run(chain("a", "b"))
        await engine.run(FLAKY)
        await (await engine.start(WAIT)).wait_paused()
        live = engine.statistics()
        found = await statistics_of(store)
        newest = await statistics_of(store, limit=3)
        one = await statistics_of(store, workflow="chain")

    assert live.workflows == found.workflows
    assert (0, 1, live.events, 0.0) == (found.running, found.waiting, found.events, found.since)
    assert (None, None, None) == (found.slots, found.slots_used, found.commits)
    assert (["chain", "flaky", "w"], 4.0) == (list(newest.workflows), newest.since)
    assert ["chain"] == list(one.workflows)
    assert found.to_json() == json.loads(json.dumps(found.to_json()))
    assert 3 == found.to_json()["workflows"]["chain"]["steps"]["a"]["duration"]["count"]


@pytest.mark.parametrize("page", (1, 2, 3, 4))
async def test_of_a_store_of_several_pages(
    autojump_clock: Any,
    actions: list[Any],
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
    page: int,
) -> None:
    monkeypatch.setattr(module, "_PAGE", page)
    async with open_engine(store, actions=actions) as engine:
        for _ in range(4):
            await engine.run(chain("a"))

    found = [(await statistics_of(store, limit=limit)).workflows for limit in (9, 4, 3, 1)]
    assert [4, 4, 3, 1] == [each["chain"].completed for each in found]


async def test_of_an_empty_store(store: MemoryStore) -> None:
    found = await statistics_of(store)

    assert (0, None, {}) == (found.events, found.since, found.workflows)


async def test_beside_a_running_engine(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    document = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
    async with trioflow.open_engine(f"sqlite:{path}") as engine:
        await (await engine.start(document)).wait_paused()
        async with SqliteStore(path, read_only=True) as beside:
            found = await statistics_of(beside)

    assert (1, 1) == (found.waiting, found.workflows["w"].started)


async def test_of_a_store_from_which_somebody_deletes(
    autojump_clock: Any, actions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a page has ended with is gone, and the older ones are not."""

    class Store(MemoryStore):
        async def heads(self, **conditions: Any) -> list[Head]:
            page = await super().heads(**conditions)
            await self.delete("3")
            return page

    monkeypatch.setattr(module, "_PAGE", 1)
    store = Store(clock=trio.current_time)
    async with open_engine(store, actions=actions) as engine:
        for number in range(1, 5):
            await engine.run(chain("a"), execution_id=str(number))
    found = await statistics_of(store)

    assert (3, 0.0) == (found.workflows["chain"].completed, found.since)


# ---- the other doors ----


def test_blocking() -> None:
    with trioflow.blocking.open_engine() as engine:
        engine.run({"id": "t", "steps": [{"id": "t", "type": "trigger"}]})
        found = engine.statistics()

    assert 1 == found.workflows["t"].completed


def test_aio() -> None:
    import asyncio

    async def main() -> Any:
        async with trioflow.aio.open_engine() as engine:
            await engine.run({"id": "t", "steps": [{"id": "t", "type": "trigger"}]})
            return engine.statistics()

    assert 1 == asyncio.run(main()).workflows["t"].completed


# ---- the fold ----


def test_percentiles() -> None:
    durations = Durations()
    for seconds in range(1, 1_001):
        durations.add(seconds / 10)
    found = durations.percentiles()

    for exact, about in ((50.0, found.p50), (95.0, found.p95), (99.0, found.p99)):
        assert exact <= about <= exact * 1.02
    assert (100.0, 1_000) == (found.max, found.count)


def test_percentiles_of_little() -> None:
    assert Percentiles() == Durations().percentiles()

    durations = Durations()
    durations.add(0.0)
    durations.add(3.0)

    assert Percentiles(0.0, 3.0, 3.0, 3.0, 2) == durations.percentiles()


def test_durations_of_a_million_calls_are_small() -> None:
    durations = Durations()
    for number in range(50_000):
        durations.add(1e-5 * 1.0008**number)

    assert len(durations._buckets) <= 2_000


def test_no_more_than_so_many_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_WORKFLOWS", 2)
    monkeypatch.setattr(module, "_MAX_STEPS", 3)
    monkeypatch.setattr(module, "_MAX_CODES", 2)
    counters = Counters()
    for workflow in "abcd":
        for seq, step in enumerate(("s1", "s2"), 1):
            failure = e.Failure(f"code-{workflow}", "no")
            counters.add(workflow, workflow, [e.AttemptFailed(seq, 0.0, step, 1, failure)])
    for seq in range(3, 6):
        failure = e.Failure(f"code-{seq}", "no")
        counters.add("a", "a", [e.AttemptFailed(seq, 0.0, "s1", 1, failure)])
    found = counters.statistics(since=0.0).workflows

    assert ["*", "a", "b"] == list(found)
    assert [["*"], ["s1", "s2"], ["s1", "*"]] == [list(one.steps) for one in found.values()]
    assert {"code-a": 1, "code-3": 1, "*": 2} == found["a"].steps["s1"].codes
    assert 4 == found["*"].steps["*"].failed_attempts


def test_each_event_once() -> None:
    counters = Counters()
    history = [
        e.ExecutionResumed(1, 4.0),
        e.StepStarted(2, 5.0, "a"),
        e.StepCompleted(3, 8.0, "a"),
    ]
    counters.remember("x", history[:2])
    for event in history * 2:
        counters.add("x", "w", [event])
    found = counters.statistics(since=0.0)

    assert 1 == found.events
    assert Percentiles(3.0, 3.0, 3.0, 3.0, 1) == found.workflows["w"].steps["a"].duration


def test_clocks_that_disagree() -> None:
    """A step that another process began at an instant that is still to come here."""
    counters = Counters()
    history = [
        e.ExecutionResumed(1, 100.0),
        e.StepStarted(2, 100.0, "a"),
        e.StepCompleted(3, 90.0, "a"),
        e.StepStarted(4, 120.0, "b"),
        e.StepCompleted(5, 110.0, "b"),
    ]
    for event in history:
        counters.add("x", "w", [event])
    steps = counters.statistics(since=0.0).workflows["w"].steps

    assert [0.0, 0.0] == [step.duration.max for step in steps.values()]


# ---- long histories ----


async def test_a_long_history_is_warned_about_once(
    autojump_clock: Any,
    actions: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(logs_module, "LONG_HISTORY", 5)
    async with open_engine(actions=actions) as engine:
        await engine.run(chain("a", "b", "c"), execution_id="x")

    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert ["x"] == [record.execution_id for record in warnings]  # type: ignore[attr-defined]
    assert "its history has 5 events" in warnings[0].getMessage()
    assert "child workflows" in warnings[0].getMessage()
