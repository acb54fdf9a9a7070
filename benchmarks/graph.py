"""What one step costs in a graph of 10,000 steps and in a chain of 10, on memory and on disk.

    python benchmarks/graph.py

Ratios in one run are what counts: the machine may be busy. The goal is that a step of the large
graph (100 layers of 100 steps, each after two of the layer above, 50 attempts at a time) costs at
most twice what one of the chain does, both on the memory store, so without waiting for a disk.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import trio

import trioflow

LAYERS, WIDTH, LIMIT = 100, 100, 50


@trioflow.action("number")
async def number() -> dict[str, int]:
    return {"n": 1}


def chain(length: int) -> dict[str, Any]:
    return {"id": "chain", "steps": [{"id": f"s{i}", "action": "number"} for i in range(length)]}


def graph() -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    for layer in range(LAYERS):
        for place in range(WIDTH):
            step: dict[str, Any] = {"id": f"s{layer}_{place}", "action": "number"}
            if layer:
                above = (f"s{layer - 1}_{place}", f"s{layer - 1}_{(place + 1) % WIDTH}")
                step["depends_on"] = list(above)
            steps.append(step)
    return {"id": "graph", "steps": steps}


async def seconds_per_step(store: str, workflow: trioflow.Workflow, repeat: int) -> float:
    async with trioflow.open_engine(store, actions=[number], max_concurrent_steps=LIMIT) as engine:
        started = time.perf_counter()
        for _ in range(repeat):
            await engine.run(workflow)
        return (time.perf_counter() - started) / repeat / len(workflow.steps)


def measure(store: str, document: dict[str, Any], repeat: int) -> float:
    workflow = trioflow.load_workflow(document)
    found = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            url = store.format(path=Path(folder) / "store.db")
            found.append(trio.run(seconds_per_step, url, workflow, repeat))
    return statistics.median(found)


def main() -> None:
    rows = {
        "chain of 10, memory": measure("memory:", chain(10), 100),
        "graph of 10,000, memory": measure("memory:", graph(), 1),
        "chain of 10, SQLite FULL": measure("sqlite:{path}", chain(10), 20),
        "graph of 10,000, SQLite FULL": measure("sqlite:{path}", graph(), 1),
    }
    base = rows["chain of 10, memory"]
    print(f"{'':32}{'µs a step':>12}{'steps a second':>16}{'ratio':>8}")
    for name, seconds in rows.items():
        print(f"{name:32}{seconds * 1e6:12.0f}{1 / seconds:16,.0f}{seconds / base:8.2f}")


if __name__ == "__main__":
    main()
