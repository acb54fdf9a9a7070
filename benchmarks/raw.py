"""What cannot be beaten: SQLite's commits alone (W1, W5, W7), trio's own work alone (W2 to W4)."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import trio
from workloads import Case, Found, above, main, measured, middle, set_durability


@contextmanager
def _connect(case: Case) -> Iterator[tuple[sqlite3.Connection, str]]:
    with closing(sqlite3.connect(case.database, isolation_level=None)) as connection:
        durability = set_durability(connection, case.durability)
        connection.execute("CREATE TABLE done (id INTEGER PRIMARY KEY, output)")
        for _ in range(30):
            connection.execute("INSERT INTO done (output) VALUES ('{\"n\": 1}')")
        yield connection, durability


def w1(case: Case) -> Found:
    """One row, one commit, as many as there are steps."""
    commits = case.sizes.chain * case.sizes.chains
    with _connect(case) as (connection, durability), measured(commits) as found:
        for n in range(commits):
            connection.execute("INSERT INTO done (output) VALUES (?)", (f'{{"n": {n}}}',))
    return {**found, "durability": durability}


def w5(case: Case) -> Found:
    """A row for each execution, all in one commit."""
    with _connect(case) as (connection, durability), measured(case.sizes.waiting) as found:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(case.sizes.waiting):
            connection.execute("INSERT INTO done (output) VALUES ('{}')")
        connection.execute("COMMIT")
    return {**found, "durability": durability}


def w7(case: Case) -> Found:
    """One commit."""
    times = []
    with _connect(case) as (connection, durability), measured(case.sizes.single) as found:
        for n in range(case.sizes.single):
            started = time.perf_counter()
            connection.execute("INSERT INTO done (output) VALUES (?)", (f'{{"n": {n}}}',))
            times.append(time.perf_counter() - started)
    found["ms"] = middle(times) * 1e3
    return {**found, "durability": durability}


async def _number(limiter: trio.CapacityLimiter, n: int) -> dict[str, int]:
    async with limiter:
        await trio.lowlevel.checkpoint()
        return {"n": n}


async def _wide(case: Case) -> Found:
    limiter = trio.CapacityLimiter(case.sizes.limit)
    with measured(case.sizes.wide + 1) as found:
        async with trio.open_nursery() as nursery:
            for n in range(case.sizes.wide):
                nursery.start_soon(_number, limiter, n)
        await _number(limiter, 0)
    return found


async def _chains(case: Case) -> Found:
    limiter = trio.CapacityLimiter(case.sizes.limit)

    async def chain() -> None:
        for n in range(case.sizes.short):
            await _number(limiter, n)

    with measured(case.sizes.short * case.sizes.executions) as found:
        async with trio.open_nursery() as nursery:
            for _ in range(case.sizes.executions):
                nursery.start_soon(chain)
    return found


async def _graph(case: Case) -> Found:
    limiter, width = trio.CapacityLimiter(case.sizes.limit), case.sizes.width
    places = [(layer, place) for layer in range(case.sizes.layers) for place in range(width)]
    ended = {place: trio.Event() for place in places}

    async def step(place: tuple[int, int], parents: Sequence[tuple[int, int]]) -> None:
        for parent in parents:
            await ended[parent].wait()
        await _number(limiter, place[1])
        ended[place].set()

    with measured(len(places)) as found:
        async with trio.open_nursery() as nursery:
            for place in places:
                nursery.start_soon(step, place, above(*place, width))
    return found


def sync(case: Case) -> Found:
    """Append a frame of a WAL file and sync it, 200 times: the median, in microseconds."""
    times = []
    with (case.folder / "sync").open("wb") as file:
        for _ in range(200):
            file.write(bytes(4096 + 24))
            file.flush()
            started = time.perf_counter()
            getattr(os, "fdatasync", os.fsync)(file.fileno())
            times.append(time.perf_counter() - started)
    return {"us": middle(times) * 1e6, "sqlite": sqlite3.sqlite_version}


SUBJECT = {
    "sync": sync,
    "W1": w1,
    "W2": lambda case: {**trio.run(_wide, case), "durability": "none"},
    "W3": lambda case: {**trio.run(_chains, case), "durability": "none"},
    "W4": lambda case: {**trio.run(_graph, case), "durability": "none"},
    "W5": w5,
    "W7": w7,
}

if __name__ == "__main__":
    main(SUBJECT)
