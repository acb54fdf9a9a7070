"""Ids that are used again, and what others do with an execution, or with its store, meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

import trioflow
from trioflow import events
from trioflow.engine import Requester
from trioflow.stores import Head, MemoryStore, SqliteStore
from trioflow.testing import open_engine

Document = dict[str, Any]

WAITS: Document = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
NAPS: Document = {"id": "w", "steps": [{"id": "a", "action": "nap"}]}


@trioflow.action("nap")
async def nap() -> None:
    await trio.sleep(1000)


@trioflow.action("echo")
async def echo(value: Any) -> Any:
    return value


def echoes(value: Any, step: str = "a") -> Document:
    return {"id": "w", "steps": [{"id": step, "action": "echo", "parameters": {"value": value}}]}


# ---- the same id ----


async def test_a_fork_onto_the_id_of_what_runs_leaves_it_alone(autojump_clock: Any) -> None:
    async with MemoryStore(clock=trio.current_time) as store:
        async with open_engine(store, actions=[nap, echo]) as engine:
            done = await engine.start(echoes(1))
            await done.result()
            await engine.start(NAPS, execution_id="x")
            await trio.sleep(1)
            with pytest.raises(trioflow.DuplicateExecution):
                await done.fork(["a"], execution_id="x")
        assert 1 == trio.current_time()
        history = await store.read("x")

    assert "AttemptLeft" not in {event.type for event in history}
    assert 1 == sum(event.type == "AttemptStarted" for event in history)


@pytest.mark.parametrize("step", ("a", "b"))
async def test_an_id_that_is_used_again_is_that_of_the_new_one(
    autojump_clock: Any, step: str
) -> None:
    """Also for somebody who still holds the handle of the one that was deleted."""
    async with open_engine(actions=echo, retention=100) as engine:
        old = await engine.start(echoes("old"), execution_id="x")
        await old.result()
        await trio.sleep(200)
        new = await engine.start(echoes("new", step), execution_id="x")
        await new.result()

        assert {step: "new"} == await engine.run(echoes("new", step), execution_id="x")
        found = await engine.execution("x")
        assert {step: "new"} == await found.result()
        with pytest.raises(trioflow.ExecutionNotFound):
            await old.refresh()


async def test_a_child_with_an_id_that_is_used_again_says_what_it_waits_for(
    autojump_clock: Any,
) -> None:
    steps = [{"id": "one", "type": "workflow", "workflow": "w"}]
    async with open_engine(workflows=WAITS, retention=100) as engine:
        kept = []
        for _ in range(2):
            parent = await engine.start({"id": "parent", "steps": steps}, execution_id="p")
            await parent.wait_paused()
            assert ["p:one"] == [each.execution for each in parent.waiting_for]
            kept.append(await engine.execution("p:one"))
            await kept[-1].signal("go", 1)
            await parent.result()
            await trio.sleep(200)


async def test_a_request_for_an_id_that_is_used_again_is_noticed(autojump_clock: Any) -> None:
    async with (
        MemoryStore(clock=trio.current_time) as store,
        open_engine(store, retention=100) as engine,
    ):
        ask = Requester(store, "x", clock=trio.current_time)
        for _ in range(2):
            execution = await engine.start(WAITS, execution_id="x")
            await trio.sleep(1)
            await ask.signal("go", 1)
            await trio.sleep(1)
            await execution.refresh()
            assert "COMPLETED" == execution.status
            await trio.sleep(200)


async def test_a_handle_from_before_is_not_given_out_for_another_execution(
    autojump_clock: Any,
) -> None:
    """Another engine on the store has deleted it, and begun one with its id."""
    async with (
        MemoryStore(clock=trio.current_time) as store,
        open_engine(store, actions=echo) as here,
        open_engine(store, actions=echo) as there,
    ):
        old = await here.start(echoes("old"), execution_id="x")
        await old.result()
        await trio.sleep(1)
        await there.delete("x")
        new = await there.start(echoes("new", "b"), execution_id="x")
        await new.result()

        assert {"b": "new"} == await here.run(echoes("new", "b"), execution_id="x")
        assert {"b": "new"} == await (await here.execution("x")).result()


# ---- while somebody else winds up ----


class Again:
    """An action that hangs the first time, and needs five seconds to stop."""

    def __init__(self) -> None:
        self.calls = 0

    def action(self) -> Any:
        @trioflow.action("again")
        async def again() -> str:
            self.calls += 1
            if self.calls > 1:
                return "done"
            try:
                await trio.sleep(1000)
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(5)
            return "never"

        return again


AGAIN: Document = {"id": "w", "steps": [{"id": "a", "action": "again"}]}


async def test_a_second_run_goes_on_when_the_first_has_wound_up(autojump_clock: Any) -> None:
    found: list[Any] = []
    async with open_engine(actions=Again().action()) as engine, trio.open_nursery() as nursery:

        async def first() -> None:
            with trio.move_on_after(1):
                await engine.run(AGAIN, execution_id="x")

        async def second() -> None:
            await trio.sleep(3)
            found.append(await engine.run(AGAIN, execution_id="x"))

        nursery.start_soon(first)
        nursery.start_soon(second)

    assert [{"a": "done"}] == found


@pytest.mark.parametrize("after", (3, 10))
async def test_a_request_that_comes_while_it_winds_up_is_acted_upon(
    autojump_clock: Any, after: float
) -> None:
    async with (
        MemoryStore(clock=trio.current_time) as store,
        open_engine(store, actions=Again().action()) as engine,
        trio.open_nursery() as nursery,
    ):

        async def ask() -> None:
            await trio.sleep(after)
            await Requester(store, "x", clock=trio.current_time).cancel("elsewhere")

        nursery.start_soon(ask)
        with trio.move_on_after(1):
            await engine.run(AGAIN, execution_id="x")
        await trio.sleep(100)
        head = await store.head("x")

    assert head is not None
    assert "CANCELLED" == head.status


async def test_a_request_in_the_last_moment_before_parking_is_noticed(autojump_clock: Any) -> None:
    """At whichever step of the driver's way out it comes."""
    steps: list[Document] = [
        {"id": name, "type": "wait", "signal": name, "depends_on": []} for name in "abc"
    ]
    missed = []
    for number in range(240):
        moment = number % 24
        async with MemoryStore(clock=trio.current_time) as store, open_engine(store) as engine:
            ask = Requester(store, "x", clock=trio.current_time)
            await engine.start({"id": "w", "steps": steps}, execution_id="x")
            await trio.sleep(1)

            async def asks(ask: Requester = ask, moment: int = moment) -> None:
                for _ in range(moment):
                    await trio.lowlevel.checkpoint()
                await ask.signal("b", 1)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(asks)
                await engine.start({"id": "w", "steps": steps}, execution_id="x")
            await trio.sleep(1)
            execution = await engine.execution("x")
            await execution.refresh()
            if execution.steps["b"].status != "COMPLETED":
                missed.append(moment)

    assert [] == missed


@attrs.define(eq=False)
class SlowReads(MemoryStore):
    """A store that is read in a thread: a reading that has begun comes to its end."""

    slow: bool = attrs.field(default=False, init=False)

    async def read(self, execution_id: str, after: int = 0) -> list[events.Event]:
        if not self.slow:
            return await super().read(execution_id, after)
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
            return await super().read(execution_id, after)


async def test_who_goes_on_with_an_execution_and_is_cancelled_has_started_nothing(
    autojump_clock: Any,
) -> None:
    async with SlowReads(clock=trio.current_time) as store:
        async with open_engine(store, actions=nap) as engine:
            await engine.start(NAPS, execution_id="x")
        async with open_engine(store, actions=nap, recover=False) as engine:
            store.slow = True
            with trio.move_on_after(1.5) as scope:
                await engine.run(NAPS, execution_id="x")
            store.slow = False
            assert scope.cancelled_caught
            assert (2, 0) == (trio.current_time(), engine.statistics().slots_used)
            await trio.sleep(10)
            assert 0 == engine.statistics().slots_used


# ---- the same store ----


async def test_what_waits_with_a_dead_engine_is_taken_over_in_time(autojump_clock: Any) -> None:
    """The time of its step runs out, though nobody asks for anything."""
    steps = [{**WAITS["steps"][0], "total_timeout": 60}]
    async with (
        MemoryStore(clock=trio.current_time) as store,
        open_engine(store, lease=30) as lives,
    ):
        async with open_engine(store, lease=30) as dies:
            await dies.start({"id": "w", "steps": steps}, execution_id="x")
        await trio.sleep(200)
        head = await store.head("x")
        assert head is not None
        assert ("FAILED", lives.owner) == (head.status, head.owner)


@attrs.define(eq=False)
class PausesBetween(MemoryStore):
    """A store in which an owner is faster than somebody who reads a head, and then a history."""

    between: Any = attrs.field(default=None, init=False)

    async def head(self, execution_id: str) -> Head | None:
        found = await super().head(execution_id)
        if self.between is not None:
            between, self.between = self.between, None
            await between()
        return found


async def test_a_request_leaves_the_status_of_the_history(autojump_clock: Any) -> None:
    async with (
        PausesBetween(clock=trio.current_time) as store,
        open_engine(store, actions=nap) as engine,
    ):
        steps = [
            *WAITS["steps"],
            {"id": "a", "action": "echo", "parameters": {"value": "${input.v}"}},
        ]
        execution = await engine.start(
            {"id": "w", "steps": [NAPS["steps"][0], {**steps[0], "depends_on": []}]},
            execution_id="x",
        )
        del steps
        await trio.sleep(999)

        async def later() -> None:
            await trio.sleep(2)

        store.between = later
        ask = Requester(store, "x", clock=trio.current_time)
        driver = engine._drivers["x"]
        driver.look = lambda: None  # type: ignore[method-assign]
        await ask.pause()
        head = await store.head("x")

        assert head is not None
        assert execution.status == head.status == "PAUSED"


@pytest.mark.parametrize("asks", ("pause", "start"))
async def test_what_is_deleted_between_the_two_is_not_there(autojump_clock: Any, asks: str) -> None:
    async with (
        PausesBetween(clock=trio.current_time) as store,
        open_engine(store, actions=echo) as engine,
    ):
        await engine.run(echoes(1), execution_id="x")

        async def delete() -> None:
            await store.delete("x")

        store.between = delete
        with pytest.raises(trioflow.ExecutionNotFound):
            if asks == "pause":
                await Requester(store, "x", clock=trio.current_time).pause()
            else:
                await engine.start(echoes(1), execution_id="x")


async def test_two_engines_on_one_file_in_one_program_both_notice_requests(
    autojump_clock: Any, tmp_path: Path
) -> None:
    from trioflow.stores._sqlite import run_inline

    store = SqliteStore(tmp_path / "x.db", clock=trio.current_time, run_sync=run_inline)
    async with (
        store,
        open_engine(Shared(store)) as one,
        open_engine(Shared(store), recover=False) as two,
    ):
        for name, engine in (("x", one), ("y", two)):
            await engine.start(WAITS, execution_id=name)
        await trio.sleep(1)
        for name in "xy":
            await Requester(store, name, clock=trio.current_time).signal("go", 1)
        await trio.sleep(1)
        heads = {head.id: head.status for head in await store.heads()}

    assert {"x": "COMPLETED", "y": "COMPLETED"} == heads


class Shared:
    """A store that is open already, and stays so."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *error: object) -> None:
        await trio.lowlevel.checkpoint()


# ---- what an engine lacks ----


async def test_a_request_for_what_lacks_an_action_is_told_once(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    document = {"id": "w", "steps": [*WAITS["steps"], {"id": "a", "action": "nap"}]}
    caplog.set_level(logging.WARNING)
    async with MemoryStore(clock=trio.current_time) as store:
        async with open_engine(store, actions=nap) as engine:
            await engine.start(document, execution_id="x")
            await trio.sleep(1)
        async with open_engine(store) as engine:
            await trio.sleep(1)
            assert [] == caplog.messages
            for ask in (lambda it: it.signal("go", 1), lambda it: it.pause()):
                await ask(Requester(store, "x", clock=trio.current_time))
                await trio.sleep(1)
            history = await store.read("x")

    (said,) = caplog.messages
    assert said.startswith("execution x is left as it is: unknown action 'nap'")
    assert ["SignalReceived", "PauseRequested"] == [event.type for event in history[-2:]]


async def test_a_parent_is_left_alone_with_a_child_that_lacks_an_action(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The child was begun with a document that knew another action (R31)."""
    parent: Mapping[str, Any] = {
        "id": "parent",
        "steps": [{"id": "one", "type": "workflow", "workflow": "w"}],
    }
    caplog.set_level(logging.WARNING)
    async with MemoryStore(clock=trio.current_time) as store:
        async with open_engine(store, actions=[nap, echo], workflows=NAPS) as engine:
            await engine.start(parent, execution_id="p")
            await trio.sleep(1)
        before = {name: await store.read(name) for name in ("p", "p:one")}
        async with open_engine(store, actions=echo, workflows=echoes(1)) as engine:
            await trio.sleep(10)
            assert 0 == engine.statistics().slots_used
        heads = {head.id: head.status for head in await store.heads()}
        after = {name: await store.read(name) for name in ("p", "p:one")}

    assert {"p": "RUNNING", "p:one": "RUNNING"} == heads
    assert before == after
    assert any("unknown action 'nap'" in each for each in caplog.messages)


async def test_what_is_deleted_is_no_longer_left_alone(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Another one with its id, which lacks something, too, is told anew."""
    document = {"id": "w", "steps": [*WAITS["steps"], {"id": "a", "action": "nap"}]}
    caplog.set_level(logging.WARNING)
    async with MemoryStore(clock=trio.current_time) as store, open_engine(store) as engine:
        ask = Requester(store, "x", clock=trio.current_time)
        for number in (1, 2):
            async with open_engine(store, actions=nap) as other:
                await other.start(document, execution_id="x")
                await trio.sleep(1)
            await ask.signal("go", number)
            await trio.sleep(1)
            assert number == sum("left as it is" in each for each in caplog.messages)
            async with open_engine(store, actions=nap) as other:
                await (await other.execution("x")).cancel()
            await engine.delete("x")


async def test_siblings_of_a_child_that_lacks_an_action_do_not_begin(autojump_clock: Any) -> None:
    """At no opening, as often as there is one."""
    parent = {
        "id": "parent",
        "steps": [
            {"id": "one", "type": "workflow", "workflow": "w", "depends_on": []},
            {"id": "nap", "action": "nap", "depends_on": []},
        ],
    }
    old = {"id": "w", "steps": [{"id": "old", "action": "old"}]}

    @trioflow.action("old")
    async def waits() -> None:
        await trio.sleep(1000)

    async with MemoryStore(clock=trio.current_time) as store:
        async with open_engine(store, actions=[nap, waits], workflows=old) as engine:
            await engine.start(parent, execution_id="p")
            await trio.sleep(1)
        before = [(await store.head(name), await store.read(name)) for name in ("p", "p:one")]
        for _ in range(4):
            async with open_engine(store, actions=nap, workflows=NAPS):
                await trio.sleep(1)
        after = [(await store.head(name), await store.read(name)) for name in ("p", "p:one")]

    assert before == after


@pytest.mark.parametrize("recover", (True, False))
async def test_a_family_that_is_claimed_by_its_child_goes_on_as_a_whole(
    autojump_clock: Any, recover: bool
) -> None:
    child = {"id": "w", "steps": [*WAITS["steps"], {"id": "on", "type": "wait", "signal": "on"}]}
    steps = [
        {"id": "one", "type": "workflow", "workflow": "w", "depends_on": []},
        {"id": "time", "type": "sleep", "duration": 5, "depends_on": []},
        {**echoes(1)["steps"][0], "depends_on": ["time"]},
    ]
    async with (
        MemoryStore(clock=trio.current_time) as store,
        open_engine(store, actions=echo, workflows=child, recover=recover) as lives,
    ):
        async with open_engine(store, actions=echo, workflows=child) as leaves:
            await leaves.start({"id": "p", "steps": steps}, execution_id="p")
            await trio.sleep(1)
        await (await lives.execution("p:one")).signal("go", 1)
        await trio.sleep(20)

        assert 1 == (await lives.execution("p")).outputs["a"]


async def test_a_family_stays_as_it_is_if_only_its_child_is_to_end(autojump_clock: Any) -> None:
    steps = [
        {"id": "one", "type": "workflow", "workflow": "w", "depends_on": []},
        {"id": "time", "type": "sleep", "duration": 5, "depends_on": []},
    ]
    async with MemoryStore(clock=trio.current_time) as store:
        async with open_engine(store, workflows=WAITS) as engine:
            await engine.start({"id": "p", "steps": steps}, execution_id="p")
            await trio.sleep(1)
        before = await store.read("p")
        async with open_engine(store, workflows=WAITS, recover=False) as engine:
            engine.families_go_on = False
            await (await engine.execution("p:one")).cancel()
            await trio.sleep(20)
        after = await store.read("p")
        async with open_engine(store, workflows=WAITS) as engine:
            with pytest.raises(trioflow.ExecutionFailed):
                await (await engine.execution("p")).result()

    assert before == after


# ---- who waits, and who gives up ----


@pytest.mark.parametrize("how", ("result", "wait_paused", "events"))
async def test_who_waits_while_the_engine_is_left_is_told(autojump_clock: Any, how: str) -> None:
    told: list[BaseException] = []

    async def waits(execution: trioflow.Execution) -> None:
        try:
            if how == "events":
                async for _ in execution.events():
                    pass
            else:
                await getattr(execution, how)()
        except trioflow.InvalidRequest as error:
            told.append(error)

    async with trio.open_nursery() as nursery, open_engine(actions=nap) as engine:
        for document in (NAPS, {**WAITS, "id": "other"}):
            execution = await engine.start(document)
            if document is NAPS or how != "wait_paused":
                nursery.start_soon(waits, execution)
        await trio.sleep(1)

    assert 1 == trio.current_time()
    assert (1 if how == "wait_paused" else 2) == len(told)
    assert all("the engine" in str(each) and "was left" in str(each) for each in told)


async def test_a_run_that_is_given_up_leaves_it_to_the_other_one(autojump_clock: Any) -> None:
    """Whichever of the two has begun it; and the last one who waits interrupts it."""
    document = {"id": "w", "steps": [{"id": "time", "type": "sleep", "duration": 10}]}
    found: list[Any] = []
    async with open_engine() as engine, trio.open_nursery() as nursery:

        async def waits(after: float, patience: float) -> None:
            await trio.sleep(after)
            with trio.move_on_after(patience):
                found.append(await engine.run(document, execution_id="x"))

        nursery.start_soon(waits, 0, 2)
        nursery.start_soon(waits, 1, 100)
        nursery.start_soon(waits, 3, 1)

    assert (1, 10) == (len(found), trio.current_time())


async def test_a_run_leaves_alone_what_was_started(autojump_clock: Any) -> None:
    async with open_engine(actions=nap) as engine:
        execution = await engine.start(NAPS, execution_id="x")
        with trio.move_on_after(1):
            await engine.run(NAPS, execution_id="x")
        await trio.sleep(1)
        assert 1 == engine.statistics().slots_used
        await execution.cancel()


async def test_a_request_that_is_given_up_drives_nothing_on(autojump_clock: Any) -> None:
    """Whether it is too late to take it back is the scheduler's choice; then it is carried out."""
    for _ in range(20):
        async with SlowReads(clock=trio.current_time) as store:
            async with open_engine(store, actions=nap) as engine:
                await engine.start(NAPS, execution_id="x")
            async with open_engine(store, actions=nap, recover=False) as engine:
                execution = await engine.execution("x")
                store.slow = True
                with trio.move_on_after(0.5):
                    await execution.cancel()
                store.slow = False
                await trio.sleep(10)
                assert 0 == engine.statistics().slots_used
                asked = "CancelRequested" in {each.type for each in await execution.history()}
                assert ("CANCELLED" if asked else "RUNNING") == execution.status


async def test_a_request_for_what_another_engine_has_taken_over_is_left_for_it(
    autojump_clock: Any,
) -> None:
    """The one that is asked finds only then that it was taken over."""
    steps = [{**WAITS["steps"][0], "depends_on": []}, {**NAPS["steps"][0], "depends_on": []}]
    async with (
        MemoryStore(clock=trio.current_time) as store,
        open_engine(store, actions=nap) as one,
    ):
        here = await one.start({"id": "w", "steps": steps}, execution_id="x")
        await trio.sleep(1)
        # As if its machine had slept.
        await store.renew(one.owner, ttl=0)
        await trio.sleep(1)
        async with open_engine(store, actions=nap) as other:
            there = await other.execution("x")
            await here.signal("go", 1)
            await trio.sleep(1)
            await there.refresh()

            assert "COMPLETED" == there.steps["go"].status


async def test_who_takes_over_an_id_that_is_used_again_takes_the_new_one(
    autojump_clock: Any,
) -> None:
    """Though somebody here still holds the handle of the one that was deleted."""
    sleeps = {"id": "other", "steps": [{"id": "time", "type": "sleep", "duration": 60}]}
    async with (
        MemoryStore(clock=trio.current_time) as store,
        open_engine(store, actions=echo, lease=30) as lives,
    ):
        old = await lives.start(echoes("old"), execution_id="x")
        await old.result()
        await trio.sleep(1)
        async with open_engine(store, actions=echo, lease=30) as leaves:
            await leaves.delete("x")
            await leaves.start(sleeps, execution_id="x")
            await trio.sleep(1)
        await trio.sleep(200)
        head = await store.head("x")

    assert head is not None
    assert "COMPLETED" == head.status
    assert {"a": "old"} == old.outputs
