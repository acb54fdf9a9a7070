"""Finding executions while others delete, start and end them: from one page to the next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import combinations
from typing import Any

import attrs
import pytest
import trio

import trioflow
from trioflow import events as e
from trioflow.engine import _engine as engine_module
from trioflow.engine import find_executions
from trioflow.errors import ExecutionNotFound
from trioflow.stores import Head, MemoryStore, SqliteStore, Store
from trioflow.testing import open_engine

Change = Callable[[], Awaitable[None]]


class Changes:
    """A store in which something happens after each page of a listing."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.changes: list[Change] = []
        self.pages = 0

    async def heads(self, **conditions: Any) -> list[Head]:
        page: list[Head] = await super().heads(**conditions)  # type: ignore[misc]
        self.pages += 1
        if self.changes:
            await self.changes.pop(0)()
        return page


class InMemory(Changes, MemoryStore):
    pass


class InSqlite(Changes, SqliteStore):
    pass


@asynccontextmanager
async def memory() -> AsyncIterator[InMemory]:
    async with InMemory(clock=trio.current_time) as store:
        yield store


@asynccontextmanager
async def sqlite() -> AsyncIterator[InSqlite]:
    async with InSqlite(path=":memory:", clock=trio.current_time) as store:
        yield store


STORES = (memory, sqlite)


def name_of(open_store: Any) -> str:
    return str(open_store.__name__)


async def add(store: Store, name: str, at: float, status: str = "COMPLETED") -> None:
    """Every third one is red."""
    red = name.isdigit() and int(name) % 3 == 0
    labels = {"colour": "red"} if red else {}
    head = Head(name, "w", status, 1, labels, owner="me", fence=1, created=at, ended=at)
    await store.commit(head, [e.ExecutionStarted(1, at, name, "w", "d", {"id": "w"}, input={})])


async def end(store: Store, name: str) -> None:
    head = await store.head(name)
    assert head is not None
    moved = attrs.evolve(head, status="COMPLETED", seq=head.seq + 1)
    await store.commit(moved, [e.ExecutionCompleted(moved.seq, 100.0)])


async def fill(store: Store, count: int = 9, apart: float = 1.0) -> None:
    for number in range(1, count + 1):
        await add(store, str(number), number * apart)


def deletes(store: Store, names: Iterable[str]) -> Change:
    async def delete() -> None:
        for name in names:
            await store.delete(name)

    return delete


async def find(store: Store, **conditions: Any) -> list[str]:
    return [head.id for head in await find_executions(store, **conditions)]


RED = {"colour": "red"}


@pytest.mark.parametrize("open_store", STORES, ids=name_of)
async def test_what_a_page_ends_with_is_deleted(open_store: Any) -> None:
    """The pages are 9 8 7, 6 5 4, 3 2 1."""
    async with open_store() as store:
        await fill(store)
        store.changes = [deletes(store, "7"), deletes(store, "54")]

        assert ["9", "6", "3"] == await find(store, label=RED, limit=3)


@pytest.mark.parametrize("apart", (1.0, 0.0), ids=("seconds", "one instant"))
@pytest.mark.parametrize("before", (None, "9"), ids=str)
@pytest.mark.parametrize("open_store", STORES, ids=name_of)
async def test_whatever_is_deleted_between_two_pages(
    open_store: Any, before: str | None, apart: float
) -> None:
    """What stays is found, each once and in order, and so is what went after it was found."""
    names = "987654"
    for count in range(len(names) + 1):
        for gone in combinations(names, count):
            async with open_store() as store:
                await fill(store, 9, apart)
                store.changes = [deletes(store, gone)]
                found = await find(store, label=RED, limit=2, before=before)

            first_page = "87" if before else "98"
            there = [one for one in "987654321" if one in first_page or one not in gone]
            expected = [one for one in there if int(one) % 3 == 0 and one != before][:2]
            assert expected == found, gone


@pytest.mark.parametrize("open_store", STORES, ids=name_of)
async def test_a_page_of_which_all_is_deleted_with_what_it_came_before(open_store: Any) -> None:
    """What is newer than the page is not in the next one, whenever it was started."""
    async with open_store() as store:
        await fill(store)
        await add(store, "12", 12.0)

        async def change() -> None:
            await deletes(store, "987")()
            await add(store, "15", 15.0)

        store.changes = [change]

        assert ["6", "3"] == await find(store, label=RED, limit=2, before="9")


@pytest.mark.parametrize("limit", (1, 2, 3))
@pytest.mark.parametrize("open_store", STORES, ids=name_of)
async def test_many_that_are_newer_are_passed_over(open_store: Any, limit: int) -> None:
    """More of them than a page has."""
    async with open_store() as store:
        await fill(store, 4)

        async def change() -> None:
            await deletes(store, "4321"[:limit])()
            for number in range(6, 15, 3):
                await add(store, str(number), number)

        store.changes = [change]
        found = await find(store, label=RED, limit=limit)

    assert ["3"] == found


@pytest.mark.parametrize("open_store", STORES, ids=name_of)
async def test_an_id_that_is_used_again_leads_nowhere(open_store: Any) -> None:
    async with open_store() as store:
        await fill(store)

        async def change() -> None:
            await store.delete("7")
            await add(store, "7", 17.0)

        store.changes = [change]

        assert ["9", "6", "3"] == await find(store, label=RED, limit=3)


@pytest.mark.parametrize("open_store", STORES, ids=name_of)
async def test_what_has_ended_since_its_page_comes_in_no_later_one(open_store: Any) -> None:
    """Its place is before what the page ended with."""
    async with open_store() as store:
        for number in range(1, 7):
            status = "RUNNING" if number == 5 else "COMPLETED"
            await add(store, str(number), number, status)

        async def change() -> None:
            await end(store, "5")
            await store.delete("4")

        store.changes = [change]
        # Two pages: 6 4 and 3 2.
        found = await find(store, status="COMPLETED", created_before=6, limit=2)

    assert ["4", "3"] == found


@pytest.mark.parametrize("open_store", STORES, ids=name_of)
async def test_nothing_more_is_asked_for_than_is_needed(open_store: Any) -> None:
    async with open_store() as store:
        await fill(store)

        assert ["9", "8", "7"] == await find(store, limit=3)
        assert 1 == store.pages
        assert ["9", "6", "3"] == await find(store, label=RED, limit=3)
        assert 4 == store.pages
        assert [] == await find(store, limit=0)
        assert 4 == store.pages


@pytest.mark.parametrize("open_store", STORES, ids=name_of)
async def test_a_page_after_what_there_is_not(open_store: Any) -> None:
    async with open_store() as store:
        with pytest.raises(ExecutionNotFound, match="'gone'"):
            await find(store, before="gone")


async def test_retention_deletes_what_a_page_ends_with(autojump_clock: Any) -> None:
    """All of it by an engine and its retention, which is due just between two pages."""
    document = {"id": "t", "steps": [{"id": "t", "type": "trigger"}]}
    async with memory() as store, open_engine(store, retention=100) as engine:
        await engine.start({"id": "w", "steps": [{"id": "go", "type": "wait"}]}, labels=RED)
        for name in ("x", "y"):
            await engine.run(document, execution_id=name)

        async def change() -> None:
            await trio.sleep(500)

        store.changes = [change]
        found = await engine.executions(label=RED, limit=2)

        assert ["w"] == [head.workflow for head in found]
        with pytest.raises(trioflow.ExecutionNotFound):
            await engine.execution("x")


async def test_an_engine_is_opened_while_another_one_deletes(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_PAGE", 1)
    document = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
    async with memory() as store, open_engine(store) as there:
        for name in "abc":
            await there.start(document, execution_id=name)
        await trio.sleep(1)

        async def change() -> None:
            await (await there.execution("c")).cancel()
            await there.delete("c")

        store.changes = [change]
        async with open_engine(store, recover=False) as here:
            found = here.statistics()

    # One of them was there when it was counted.
    assert (0, 3) == (found.running, found.waiting)
