"""Families of which a child needs what the engine was not given: they stay as they are (R31)."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio

import trioflow
from trioflow.engine import Requester
from trioflow.stores import Head, MemoryStore
from trioflow.testing import open_engine

Document = dict[str, Any]

NAMES = ("p", "p:one", "p:one:two")


@trioflow.action("nap")
async def nap() -> None:
    await trio.sleep(100)


@trioflow.action("old")
async def old() -> None:
    await trio.sleep(100)


def starts(name: str, step: str, child: str, *more: Document) -> Document:
    one = {"id": step, "type": "workflow", "workflow": child, "depends_on": []}
    return {"id": name, "steps": [one, *more]}


NAP: Document = {"id": "nap", "action": "nap", "depends_on": []}
TOP = starts("top", "one", "middle", NAP)
MIDDLE = starts("middle", "two", "bottom")
# Only the one that runs since long ago needs the old action.
OLD: Document = {"id": "bottom", "steps": [{"id": "a", "action": "old"}]}
NEW: Document = {"id": "bottom", "steps": [{"id": "a", "action": "nap"}]}


async def all_of_it(store: MemoryStore) -> list[tuple[Head | None, Any]]:
    return [(await store.head(name), await store.read(name)) for name in NAMES]


async def begun() -> MemoryStore:
    """Return a store with a family that was left when it had been under way for 1 s."""
    store = MemoryStore(clock=trio.current_time)
    async with open_engine(store, actions=[nap, old], workflows=[MIDDLE, OLD]) as engine:
        await engine.start(TOP, execution_id="p")
        await trio.sleep(1)
    return store


async def test_a_grandchild_that_lacks_an_action(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of the family is claimed, and it goes on where nothing is lacking."""
    caplog.set_level(logging.WARNING)
    store = await begun()
    before = await all_of_it(store)
    for _ in range(2):
        caplog.clear()
        async with open_engine(store, actions=nap, workflows=[MIDDLE, NEW], lease=30) as engine:
            await trio.sleep(1000)
            assert 0 == engine.statistics().slots_used
        assert [True] == ["unknown action 'old'" in said for said in caplog.messages]
    assert before == await all_of_it(store)

    async with open_engine(store, actions=[nap, old], workflows=[MIDDLE, NEW]) as engine:
        execution = await engine.execution("p")
        assert {"one": {"two": {"a": None}}, "nap": None} == await execution.result()


@pytest.mark.parametrize("asks", ("start", "pause", "cancel"))
async def test_what_is_asked_of_its_parent_is_refused(autojump_clock: Any, asks: str) -> None:
    store = await begun()
    before = await all_of_it(store)
    async with open_engine(store, actions=nap, workflows=[MIDDLE, NEW], recover=False) as engine:
        execution = await engine.execution("p")
        with pytest.raises(trioflow.UnknownAction, match="'old'"):
            if asks == "start":
                await engine.start(TOP, execution_id="p")
            elif asks == "cancel":
                await execution.cancel()
            else:
                await execution.pause()

    assert before == await all_of_it(store)


async def test_a_request_that_was_left_for_its_parent_is_all_that_comes(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    store = await begun()
    before = await all_of_it(store)
    async with open_engine(store, actions=nap, workflows=[MIDDLE, NEW]):
        await trio.sleep(1)
        await Requester(store, "p", clock=trio.current_time).pause()
        await trio.sleep(1)
    (_, top), *rest = await all_of_it(store)

    assert before[1:] == rest
    assert ["PauseRequested"] == [event.type for event in top[len(before[0][1]) :]]
    assert 1 == len(caplog.messages)


async def test_a_child_that_has_ended_lacks_nothing(autojump_clock: Any) -> None:
    """Whatever it needed: its parent goes on."""
    later = {"id": "later", "type": "sleep", "duration": 1000}
    parent = starts("top", "one", "bottom", later)
    store = MemoryStore(clock=trio.current_time)
    async with open_engine(store, actions=old, workflows=OLD) as engine:
        await engine.start(parent, execution_id="p")
        await trio.sleep(200)
    async with open_engine(store, actions=nap, workflows=NEW) as engine:
        execution = await engine.execution("p")
        await execution.result()

    assert "COMPLETED" == execution.status
