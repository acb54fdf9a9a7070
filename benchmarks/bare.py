"""A bare loop: the least that somebody could write instead, on trio and SQLite.

It executes graphs, makes every step durable before what is behind it, shares a commit among all
that end meanwhile, and goes on where a lost process was. It has no documents, conditions,
retries, timeouts, pauses, undo, history or checks. The commit is made on the loop itself.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import trio
from workloads import (
    Case,
    Found,
    StepLog,
    above,
    main,
    measured,
    middle,
    ready,
    set_durability,
    traced,
)

Action = Callable[[str, int], Awaitable[dict[str, int]]]
# The steps behind each step, and how many each is behind.
Graph = tuple[Mapping[int, Sequence[int]], Mapping[int, int]]


class Loop:
    def __init__(self, case: Case, action: Action, limit: int = 0) -> None:
        self.connection = sqlite3.connect(case.database, isolation_level=None)
        self.durability = set_durability(self.connection, case.durability)
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS done (execution, step, output, PRIMARY KEY "
            "(execution, step)) WITHOUT ROWID"
        )
        self.action = action
        self.limiter = trio.CapacityLimiter(limit or case.sizes.limit)
        self.batch: list[tuple[str, int, str]] = []
        self.written = trio.Event()

    async def commit(self, execution: str, step: int, output: object) -> None:
        """Write a row, together with those of all who come in this round of the loop."""
        self.batch.append((execution, step, json.dumps(output)))
        written = self.written
        first = len(self.batch) == 1
        if not first:
            await written.wait()
            return
        await trio.lowlevel.checkpoint()
        rows, self.batch, self.written = self.batch, [], trio.Event()
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany("INSERT INTO done VALUES (?, ?, ?)", rows)
        self.connection.execute("COMMIT")
        written.set()

    async def execute(self, execution: str, graph: Graph, done: Sequence[int] = ()) -> None:
        """Do all steps that are not done; -1 is the start of the execution."""
        behind, parents = graph
        waits = dict(parents)

        async def step(number: int) -> None:
            async with self.limiter:
                output = await self.action(execution, number)
            await self.commit(execution, number, output)
            follow(number)

        def follow(number: int) -> None:
            for other in behind.get(number, ()):
                waits[other] -= 1
                if not waits[other] and other not in done:
                    nursery.start_soon(step, other)

        if not done:
            await self.commit(execution, -1, {})
        async with trio.open_nursery() as nursery:
            for number in done:
                follow(number)
            for number, count in parents.items():
                if not count and number not in done:
                    nursery.start_soon(step, number)

    def unfinished(self, steps: int) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for execution, step in self.connection.execute("SELECT execution, step FROM done"):
            found.setdefault(execution, []).append(step)
        return {execution: done for execution, done in found.items() if len(done) <= steps}


def graph_of(parents: Mapping[int, Sequence[int]]) -> Graph:
    behind: dict[int, list[int]] = {}
    for number, above_it in parents.items():
        for each in above_it:
            behind.setdefault(each, []).append(number)
    return behind, {number: len(above_it) for number, above_it in parents.items()}


def chain(length: int) -> Graph:
    return graph_of({n: [n - 1] if n else [] for n in range(length)})


def layers(depth: int, width: int) -> Graph:
    return graph_of(
        {
            layer * width + place: [up * width + other for up, other in above(layer, place, width)]
            for layer in range(depth)
            for place in range(width)
        }
    )


async def number(execution: str, step: int) -> dict[str, int]:
    await trio.lowlevel.checkpoint()
    return {"n": step}


def on_trio(work: Callable[[Case, Loop], Awaitable[Found]]) -> Callable[[Case], Found]:
    async def call(case: Case) -> Found:
        loop = Loop(case, number)
        with closing(loop.connection):
            await loop.execute("warm", chain(30))
            found = await work(case, loop)
        return {**found, "durability": loop.durability}

    return lambda case: trio.run(call, case)


async def w1(case: Case, loop: Loop) -> Found:
    graph = chain(case.sizes.chain)
    with measured(case.sizes.chain * case.sizes.chains) as found:
        for n in range(case.sizes.chains):
            await loop.execute(str(n), graph)
    return found


async def w2(case: Case, loop: Loop) -> Found:
    wide = case.sizes.wide
    graph = graph_of({**{n: [] for n in range(wide)}, wide: list(range(wide))})
    with measured(wide + 1) as found:
        await loop.execute("x", graph)
    return found


async def w3(case: Case, loop: Loop) -> Found:
    graph = chain(case.sizes.short)
    with measured(case.sizes.short * case.sizes.executions) as found:
        async with trio.open_nursery() as nursery:
            for n in range(case.sizes.executions):
                nursery.start_soon(loop.execute, str(n), graph)
    return found


async def w4(case: Case, loop: Loop) -> Found:
    graph = layers(case.sizes.layers, case.sizes.width)
    with measured(case.sizes.layers * case.sizes.width) as found:
        await loop.execute("x", graph)
    return found


async def w5(case: Case, loop: Loop) -> Found:
    """What waits is a row and nothing else."""

    async def batch(name: str) -> None:
        async with trio.open_nursery() as nursery:
            for n in range(case.sizes.waiting):
                nursery.start_soon(loop.commit, f"{name}-{n}", -1, {})

    with measured(case.sizes.waiting) as found:
        await batch("first")
    traced()
    await batch("second")
    before = traced()
    for n in range(case.sizes.batches):
        await batch(str(n))
    found["bytes"] = (traced() - before) / (case.sizes.waiting * case.sizes.batches)
    return found


async def w6(case: Case) -> Found:
    sizes, log = case.sizes, StepLog(case)
    arrived = 0

    async def logged(execution: str, step: int) -> dict[str, int]:
        nonlocal arrived
        if case.phase == "begin" and step == sizes.short // 2:
            arrived += 1
            if arrived == sizes.crashed:
                ready()
            await trio.sleep_forever()
        log.write(execution, step)
        return {"n": step}

    loop = Loop(case, logged, sizes.crashed if case.phase == "begin" else 0)
    graph = chain(sizes.short)
    async with trio.open_nursery() as nursery:
        if case.phase == "begin":
            for n in range(sizes.crashed):
                nursery.start_soon(loop.execute, str(n), graph)
        for execution, done in loop.unfinished(sizes.short).items():
            nursery.start_soon(loop.execute, execution, graph, done)
    return {"durability": loop.durability}


async def w7(case: Case, loop: Loop) -> Found:
    graph, times = chain(1), []
    with measured(case.sizes.single) as found:
        for n in range(case.sizes.single):
            started = time.perf_counter()
            await loop.execute(str(n), graph)
            times.append(time.perf_counter() - started)
    found["ms"] = middle(times) * 1e3
    return found


SUBJECT: dict[str, Callable[[Case], Any]] = {
    "W1": on_trio(w1), "W2": on_trio(w2), "W3": on_trio(w3), "W4": on_trio(w4),
    "W5": on_trio(w5), "W6": lambda case: trio.run(w6, case), "W7": on_trio(w7),
}  # fmt: skip

if __name__ == "__main__":
    main(SUBJECT)
