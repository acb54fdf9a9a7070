"""trioflow, through its public API: the subject that the others are compared with."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any

import trio
from workloads import Case, Found, StepLog, above, main, measured, middle, ready, traced

import trioflow

Document = dict[str, Any]


@trioflow.action("number")
async def number() -> dict[str, int]:
    return {"n": 1}


def chain(length: int, name: str = "chain") -> Document:
    return {"id": name, "steps": [{"id": f"s{n}", "action": "number"} for n in range(length)]}


def wide(width: int) -> Document:
    steps: list[Document] = [{"id": f"s{n}", "action": "number"} for n in range(width)]
    connections = [{"source": step["id"], "target": "join"} for step in steps]
    return {
        "id": "wide",
        "connections": connections,
        "steps": [*steps, {"id": "join", "action": "number"}],
    }


def graph(layers: int, width: int) -> Document:
    steps: list[Document] = []
    for layer in range(layers):
        for place in range(width):
            step: Document = {"id": f"s{layer}_{place}", "action": "number"}
            parents = above(layer, place, width)
            if parents:
                step["depends_on"] = [f"s{upper}_{other}" for upper, other in parents]
            steps.append(step)
    return {"id": "graph", "connections": [], "steps": steps}


def opened(
    case: Case, actions: tuple[Any, ...] = (number,), **options: Any
) -> AbstractAsyncContextManager[trioflow.Engine]:
    url = f"sqlite:{case.database}?durability={case.durability}"
    return trioflow.open_engine(
        url, actions=actions, **{"max_concurrent_steps": case.sizes.limit, **options}
    )


def on_trio(work: Callable[[Case], Awaitable[Found]]) -> Callable[[Case], Found]:
    def call(case: Case) -> Found:
        found: Found = trio.run(work, case)
        found["durability"] = f"wal, synchronous={case.durability.upper()}"
        found["versions"] = f"trioflow {version('trioflow')}"
        return found

    return call


async def _warm(engine: trioflow.Engine) -> None:
    for _ in range(3):
        await engine.run(trioflow.load_workflow(chain(10, "warm")))


async def w1(case: Case) -> Found:
    workflow = trioflow.load_workflow(chain(case.sizes.chain))
    async with opened(case) as engine:
        await _warm(engine)
        with measured(case.sizes.chain * case.sizes.chains) as found:
            for _ in range(case.sizes.chains):
                await engine.run(workflow)
    return found


async def _once(case: Case, document: Document) -> Found:
    workflow = trioflow.load_workflow(document)
    async with opened(case) as engine:
        await _warm(engine)
        with measured(len(workflow.steps)) as found:
            await engine.run(workflow)
    return found


async def w2(case: Case) -> Found:
    return await _once(case, wide(case.sizes.wide))


async def w3(case: Case) -> Found:
    workflow = trioflow.load_workflow(chain(case.sizes.short))
    # All of them at once.
    async with opened(case, max_concurrent_steps=case.sizes.executions) as engine:
        await _warm(engine)
        with measured(case.sizes.short * case.sizes.executions) as found:
            async with trio.open_nursery() as nursery:
                for _ in range(case.sizes.executions):
                    nursery.start_soon(engine.run, workflow)
    return found


async def w4(case: Case) -> Found:
    return await _once(case, graph(case.sizes.layers, case.sizes.width))


async def w5(case: Case) -> Found:
    workflow = trioflow.load_workflow(
        {
            "id": "waits",
            "connections": [{"source": "go", "target": "done"}],
            "steps": [{"id": "go", "type": "wait"}, {"id": "done", "action": "number"}],
        }
    )

    async def start() -> None:
        # What `start` returns is let go of at once: nobody needs it while the execution waits.
        await engine.start(workflow)

    async def batch() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(case.sizes.waiting):
                nursery.start_soon(start)

    async with opened(case) as engine:
        await _warm(engine)
        with measured(case.sizes.waiting) as found:
            await batch()
        assert engine.statistics().waiting == case.sizes.waiting
        # What is made once and kept is made now.
        traced()
        await batch()
        await trio.sleep(0.5)
        before = traced()
        for _ in range(case.sizes.batches):
            await batch()
        await trio.sleep(0.5)
        more = case.sizes.waiting * case.sizes.batches
        found["bytes"] = (traced() - before) / more
    return found


def _logged(case: Case, halts: bool) -> tuple[trioflow.Workflow, Any, trio.Event]:
    """Return W6's workflow, the action of all its steps, and what is set in the middle."""
    log = StepLog(case)
    middle = trio.Event()
    arrived = 0

    @trioflow.action("logged")
    async def logged(step: int, context: trioflow.ActionContext) -> Mapping[str, int]:
        nonlocal arrived
        if halts and step == case.sizes.short // 2:
            arrived += 1
            if arrived == case.sizes.crashed:
                middle.set()
            await trio.sleep_forever()
        log.write(context.execution_id, step)
        return {"n": step}

    steps = [
        {"id": f"s{n}", "action": "logged", "parameters": {"step": n}}
        for n in range(case.sizes.short)
    ]
    return trioflow.load_workflow({"id": "logged", "steps": steps}), logged, middle


async def w6(case: Case) -> Found:
    sizes = case.sizes
    if case.phase == "begin":
        workflow, action, middle = _logged(case, halts=True)
        async with opened(case, (action,), max_concurrent_steps=sizes.crashed) as engine:
            async with trio.open_nursery() as nursery:
                for _ in range(sizes.crashed):
                    nursery.start_soon(engine.start, workflow)
            await middle.wait()
            ready()
            await trio.sleep_forever()
    _, action, _ = _logged(case, halts=False)
    ended, all_ended = 0, trio.Event()

    def observe(execution_id: str, event: Any) -> None:
        nonlocal ended
        ended += event.type == "ExecutionCompleted"
        if ended == sizes.crashed:
            all_ended.set()

    async with opened(case, (action,), observers=[observe]):
        await all_ended.wait()
    return {}


async def w7(case: Case) -> Found:
    workflow = trioflow.load_workflow(chain(1))
    times = []
    async with opened(case) as engine:
        await _warm(engine)
        with measured(case.sizes.single) as found:
            for _ in range(case.sizes.single):
                started = time.perf_counter()
                await engine.run(workflow)
                times.append(time.perf_counter() - started)
    found["ms"] = middle(times) * 1e3
    return found


SUBJECT = {
    name: on_trio(work)
    for name, work in {
        "W1": w1, "W2": w2, "W3": w3, "W4": w4, "W5": w5, "W6": w6, "W7": w7,
    }.items()
}  # fmt: skip

if __name__ == "__main__":
    main(SUBJECT)
