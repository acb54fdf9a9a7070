"""DBOS on SQLite, through its asyncio functions.

Its file has the journal mode that SQLite has by default. WAL is faster and as durable, so it is set
before DBOS opens the file, and DBOS leaves it so.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from dbos import DBOS, SetWorkflowID
from sqlalchemy import event
from sqlalchemy.engine import Engine
from workloads import Case, Found, StepLog, above, main, measured, ready, set_durability, traced

# `durability`, and for W6 `act`: what the process does with an execution's step.
_settings: dict[str, Any] = {}


@event.listens_for(Engine, "connect")
def _set(connection: Any, record: object) -> None:
    connection.execute(f"PRAGMA synchronous = {_settings['durability']}")


@DBOS.step()
async def number(n: int) -> dict[str, int]:
    return {"n": n}


@DBOS.workflow()
async def chain(length: int) -> int:
    for n in range(length):
        await number(n)
    return length


@DBOS.workflow()
async def wide(width: int, limit: int) -> int:
    gate = asyncio.Semaphore(limit)

    async def one(n: int) -> None:
        async with gate:
            await number(n)

    await asyncio.gather(*(one(n) for n in range(width)))
    await number(width)
    return width + 1


@DBOS.workflow()
async def graph(layers: int, width: int, limit: int) -> int:
    gate = asyncio.Semaphore(limit)
    places = [(layer, place) for layer in range(layers) for place in range(width)]
    ended = {place: asyncio.Event() for place in places}

    async def one(layer: int, place: int) -> None:
        for parent in above(layer, place, width):
            await ended[parent].wait()
        async with gate:
            await number(place)
        ended[layer, place].set()

    await asyncio.gather(*(one(*place) for place in places))
    return len(places)


@DBOS.workflow()
async def waits() -> None:
    await number(await DBOS.recv_async("go", timeout_seconds=3600))


@DBOS.step()
async def logged(n: int) -> dict[str, int]:
    await _settings["act"](str(DBOS.workflow_id), n)
    return {"n": n}


@DBOS.workflow()
async def logged_chain(length: int) -> int:
    for n in range(length):
        await logged(n)
    return length


def on_asyncio(work: Callable[[Case], Awaitable[Found]]) -> Callable[[Case], Found]:
    async def call(case: Case) -> Found:
        _settings["durability"] = case.durability
        connection = sqlite3.connect(case.database)
        durability = set_durability(connection, case.durability)
        DBOS(
            config={
                "name": "benchmark",
                "system_database_url": f"sqlite:///{case.database}",
                "run_admin_server": False,
                "log_level": "ERROR",
                "application_version": "1",
            }
        )
        logging.disable(logging.WARNING)
        DBOS.launch()
        found = await work(case)
        return {
            **found,
            "durability": f"{durability} (WAL was set for it)",
            "versions": f"dbos {version('dbos')}",
        }

    return lambda case: asyncio.run(call(case))


async def w1(case: Case) -> Found:
    await chain(30)
    with measured(case.sizes.chain * case.sizes.chains) as found:
        for _ in range(case.sizes.chains):
            await chain(case.sizes.chain)
    return found


async def w2(case: Case) -> Found:
    await chain(30)
    with measured(case.sizes.wide + 1) as found:
        await wide(case.sizes.wide, case.sizes.limit)
    return found


async def w3(case: Case) -> Found:
    await chain(30)
    with measured(case.sizes.short * case.sizes.executions) as found:
        await asyncio.gather(*(chain(case.sizes.short) for _ in range(case.sizes.executions)))
    return found


async def w4(case: Case) -> Found:
    await chain(30)
    sizes = case.sizes
    with measured(sizes.layers * sizes.width) as found:
        await graph(sizes.layers, sizes.width, sizes.limit)
    return found


async def w5(case: Case) -> Found:
    await chain(30)

    async def batch() -> None:
        # What `start_workflow` returns is let go of.
        await asyncio.gather(*(DBOS.start_workflow_async(waits) for _ in range(case.sizes.waiting)))

    with measured(case.sizes.waiting) as found:
        await batch()
    traced()
    await batch()
    await asyncio.sleep(1)
    before = traced()
    for _ in range(case.sizes.batches):
        await batch()
    await asyncio.sleep(1)
    found["bytes"] = (traced() - before) / (case.sizes.waiting * case.sizes.batches)
    return found


async def w6(case: Case) -> Found:
    handles = await DBOS.list_workflows_async(status=["PENDING"])
    for one in handles:
        handle: Any = await DBOS.retrieve_workflow_async(one.workflow_id)
        # Its own interval is a second, which would be most of what is measured.
        await handle.get_result(polling_interval_sec=0.01)
    return {}


def w6_prepared(case: Case) -> Found:
    sizes, log = case.sizes, StepLog(case)
    arrived = 0

    async def act(execution: str, step: int) -> None:
        nonlocal arrived
        if case.phase == "begin" and step == sizes.short // 2:
            arrived += 1
            if arrived == sizes.crashed:
                ready()
            await asyncio.Event().wait()
        log.write(execution, step)

    _settings["act"] = act
    return on_asyncio(begin if case.phase == "begin" else w6)(case)


async def begin(case: Case) -> Found:
    async def one(n: int) -> None:
        with SetWorkflowID(f"x{n}"):
            await logged_chain(case.sizes.short)

    await asyncio.gather(*(one(n) for n in range(case.sizes.crashed)))
    return {}


async def w7(case: Case) -> Found:
    await chain(30)
    times = []
    with measured(case.sizes.single) as found:
        for _ in range(case.sizes.single):
            started = time.perf_counter()
            await chain(1)
            times.append(time.perf_counter() - started)
    found["ms"] = statistics.median(times) * 1e3
    return found


if __name__ == "__main__":
    main(
        {
            "W1": on_asyncio(w1), "W2": on_asyncio(w2), "W3": on_asyncio(w3),
            "W4": on_asyncio(w4), "W5": on_asyncio(w5), "W6": w6_prepared, "W7": on_asyncio(w7),
        }
    )  # fmt: skip
