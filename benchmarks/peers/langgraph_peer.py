"""LangGraph with its SQLite saver: ``durability="sync"``, a commit for every write.

What it calls a thread is an execution here, and a superstep is a layer of steps: those behind it
begin when all of it has ended. W1, W6 and W7 use the blocking saver, as a program would that does
one thing at a time; the others the one for asyncio.
"""

from __future__ import annotations

import asyncio
import operator
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Annotated, Any, TypedDict

import aiosqlite
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from workloads import Case, Found, StepLog, above, in_force, main, measured, ready, traced


class State(TypedDict):
    n: Annotated[int, operator.add]


def number(state: State) -> dict[str, int]:
    return {"n": 1}


async def anumber(state: State) -> dict[str, int]:
    return {"n": 1}


def graph_of(parents: Mapping[str, Sequence[str]], action: Any) -> StateGraph:
    graph = StateGraph(State)
    behind = {parent for all_of in parents.values() for parent in all_of}
    for name in parents:
        graph.add_node(name, action)
    for name, all_of in parents.items():
        graph.add_edge(list(all_of) if len(all_of) > 1 else (all_of[0] if all_of else START), name)
        if name not in behind:
            graph.add_edge(name, END)
    return graph


def chain(length: int, action: Any) -> StateGraph:
    return graph_of({f"s{n}": [f"s{n - 1}"] if n else [] for n in range(length)}, action)


def config(name: str, case: Case) -> dict[str, Any]:
    return {
        "configurable": {"thread_id": name},
        "recursion_limit": 100_000,
        "max_concurrency": case.sizes.limit,
    }


def saver(case: Case) -> tuple[SqliteSaver, str]:
    connection = sqlite3.connect(case.database, check_same_thread=False)
    found = SqliteSaver(connection)
    found.setup()
    connection.execute(f"PRAGMA synchronous = {case.durability}")
    return found, in_force(connection)


def said(found: Found, durability: str, note: str = "") -> Found:
    return {
        **found,
        "durability": f'{durability}, durability="sync"',
        "versions": f"langgraph {version('langgraph')}",
        "note": note,
    }


def on_asyncio(work: Callable[[Case, AsyncSqliteSaver], Awaitable[Found]]) -> Callable[..., Found]:
    async def call(case: Case) -> Found:
        async with aiosqlite.connect(case.database) as connection:
            found = AsyncSqliteSaver(connection)
            await found.setup()
            await connection.execute(f"PRAGMA synchronous = {case.durability}")
            warm = chain(10, anumber).compile(checkpointer=found)
            await warm.ainvoke({"n": 0}, config("warm", case), durability="sync")
            result = await work(case, found)
            durability = await connection._execute(in_force, connection._conn)
            return said(result, durability)

    return lambda case: asyncio.run(call(case))


def w1(case: Case) -> Found:
    checkpointer, durability = saver(case)
    chain(10, number).compile(checkpointer=checkpointer).invoke(
        {"n": 0}, config("warm", case), durability="sync"
    )
    app = chain(case.sizes.chain, number).compile(checkpointer=checkpointer)
    with measured(case.sizes.chain * case.sizes.chains) as found:
        for n in range(case.sizes.chains):
            app.invoke({"n": 0}, config(str(n), case), durability="sync")
    return said(found, durability)


async def _once(case: Case, checkpointer: Any, parents: Mapping[str, Sequence[str]]) -> Found:
    app = graph_of(parents, anumber).compile(checkpointer=checkpointer)
    with measured(len(parents)) as found:
        state = await app.ainvoke({"n": 0}, config("x", case), durability="sync")
    assert state == {"n": len(parents)}, state
    return found


async def w2(case: Case, checkpointer: AsyncSqliteSaver) -> Found:
    wide: dict[str, Sequence[str]] = {f"s{n}": () for n in range(case.sizes.wide)}
    return await _once(case, checkpointer, {**wide, "join": tuple(wide)})


async def w3(case: Case, checkpointer: AsyncSqliteSaver) -> Found:
    app = chain(case.sizes.short, anumber).compile(checkpointer=checkpointer)
    with measured(case.sizes.short * case.sizes.executions) as found:
        await asyncio.gather(
            *(
                app.ainvoke({"n": 0}, config(str(n), case), durability="sync")
                for n in range(case.sizes.executions)
            )
        )
    return found


async def w4(case: Case, checkpointer: AsyncSqliteSaver) -> Found:
    parents = {
        f"s{layer}_{place}": [f"s{a}_{b}" for a, b in above(layer, place, case.sizes.width)]
        for layer in range(case.sizes.layers)
        for place in range(case.sizes.width)
    }
    return await _once(case, checkpointer, parents)


async def w5(case: Case, checkpointer: AsyncSqliteSaver) -> Found:
    def wait(state: State) -> dict[str, int]:
        return {"n": interrupt("go")}

    app = graph_of({"go": (), "done": ("go",)}, wait).compile(checkpointer=checkpointer)

    async def batch(name: str) -> None:
        await asyncio.gather(
            *(
                app.ainvoke({"n": 0}, config(f"{name}-{n}", case), durability="sync")
                for n in range(case.sizes.waiting)
            )
        )

    with measured(case.sizes.waiting) as found:
        await batch("first")
    traced()
    await batch("second")
    before = traced()
    for n in range(case.sizes.batches):
        await batch(str(n))
    found["bytes"] = (traced() - before) / (case.sizes.waiting * case.sizes.batches)
    return found


async def _w6(case: Case) -> Found:
    sizes, log = case.sizes, StepLog(case)
    arrived = 0

    def action(step: int) -> Any:
        async def logged(state: State, config: Any) -> dict[str, int]:
            nonlocal arrived
            if case.phase == "begin" and step == sizes.short // 2:
                arrived += 1
                if arrived == sizes.crashed:
                    ready()
                await asyncio.Event().wait()
            log.write(config["configurable"]["thread_id"], step)
            return {"n": 1}

        # Its annotations are looked up by name, and are not there for a function in a function.
        logged.__annotations__.clear()
        return logged

    graph = StateGraph(State)
    for n in range(sizes.short):
        graph.add_node(f"s{n}", action(n))
        graph.add_edge(f"s{n - 1}" if n else START, f"s{n}")
    async with aiosqlite.connect(case.database) as connection:
        checkpointer = AsyncSqliteSaver(connection)
        await checkpointer.setup()
        await connection.execute(f"PRAGMA synchronous = {case.durability}")
        app = graph.compile(checkpointer=checkpointer)
        given = {"n": 0} if case.phase == "begin" else None
        await asyncio.gather(
            *(
                app.ainvoke(given, config(str(n), case), durability="sync")
                for n in range(sizes.crashed)
            )
        )
        return said({}, await connection._execute(in_force, connection._conn))


def w6(case: Case) -> Found:
    return asyncio.run(_w6(case))


def w7(case: Case) -> Found:
    checkpointer, durability = saver(case)
    app, times = chain(1, number).compile(checkpointer=checkpointer), []
    app.invoke({"n": 0}, config("warm", case), durability="sync")
    with measured(case.sizes.single) as found:
        for n in range(case.sizes.single):
            started = time.perf_counter()
            app.invoke({"n": 0}, config(str(n), case), durability="sync")
            times.append(time.perf_counter() - started)
    found["ms"] = statistics.median(times) * 1e3
    return said(found, durability)


if __name__ == "__main__":
    main(
        {
            "W1": w1, "W2": on_asyncio(w2), "W3": on_asyncio(w3), "W4": on_asyncio(w4),
            "W5": on_asyncio(w5), "W6": w6, "W7": w7,
        }
    )  # fmt: skip
