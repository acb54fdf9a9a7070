"""How long a cancel takes that has to stop 50 child executions, each with an action at work.

    python benchmarks/cancel.py

Two chains of children, 25 deep; `cancel` returns after the last of the 52 actions has stopped and
every execution is recorded as CANCELLED. The median of ten, on the memory store and on SQLite FULL
(where each of the executions needs some commits). The goal is 50 ms on an idle machine.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import trio

import trioflow

CHAINS, DEPTH = 2, 25


@trioflow.action("work")
async def work() -> None:
    await trio.sleep_forever()


def workflows() -> list[trioflow.Workflow]:
    beside = {"id": "beside", "action": "work"}
    found = []
    for depth in range(DEPTH):
        steps: list[dict[str, Any]] = [beside]
        if depth:
            below = {"id": "down", "type": "workflow", "workflow": f"level{depth - 1}"}
            steps = [below, beside]
        document = {"id": f"level{depth}", "connections": [], "steps": steps}
        found.append(trioflow.load_workflow(document))
    return found


async def seconds(store: str) -> float:
    known = workflows()
    root = {
        "id": "root",
        "connections": [],
        "steps": [
            {"id": f"chain{n}", "type": "workflow", "workflow": known[-1].id} for n in range(CHAINS)
        ],
    }
    running = 0
    all_run = trio.Event()

    def observe(execution_id: str, event: Any) -> None:
        nonlocal running
        running += event.type == "AttemptStarted"
        if running == CHAINS * DEPTH:
            all_run.set()

    async with trioflow.open_engine(
        store, actions=[work], workflows=known, max_concurrent_steps=200, observers=[observe]
    ) as engine:
        execution = await engine.start(root)
        await all_run.wait()
        started = time.perf_counter()
        await execution.cancel()
        took = time.perf_counter() - started
        heads = await engine.executions(limit=1000)
        assert all(head.status == "CANCELLED" for head in heads)
        assert len(heads) == CHAINS * DEPTH + 1
        return took


def main() -> None:
    for name, url in (("memory", "memory:"), ("SQLite FULL", "sqlite:{path}")):
        found = []
        for _ in range(10):
            with tempfile.TemporaryDirectory() as folder:
                found.append(trio.run(seconds, url.format(path=Path(folder) / "store.db")))
        print(
            f"{name:12} median {statistics.median(found) * 1e3:6.1f} ms, "
            f"best {min(found) * 1e3:6.1f} ms"
        )


if __name__ == "__main__":
    main()
