"""Ten thousand executions that wait for a signal, in one SQLite file: memory, listing, and waking.

    python benchmarks/waiting.py

They have left memory, so what is counted is what they leave behind in the process. Goals: less than
3 KiB each, the first page of a listing in less than 20 ms, and none lost when all are woken.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
import time
from pathlib import Path

import trio

import trioflow

COUNT, AT_ONCE = 10_000, 200

WORKFLOW = trioflow.load_workflow(
    {
        "id": "waits",
        "steps": [
            {"id": "go", "type": "wait"},
            {"id": "done", "action": "set", "parameters": {"got": "${go}"}},
        ],
    }
)


def resident() -> int:
    """Return the memory of this process, in bytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with trioflow.open_engine(f"sqlite:{folder}/store.db") as engine:
            gate = trio.CapacityLimiter(AT_ONCE)

            async def start(number: int) -> None:
                async with gate:
                    await engine.start(WORKFLOW, execution_id=f"x{number}")

            async def wake(number: int) -> None:
                async with gate:
                    execution = await engine.execution(f"x{number}")
                    await execution.signal("go", number)
                    assert await execution.result() == {"done": {"got": number}}

            for number in range(COUNT, COUNT + 100):
                await start(number)
            gc.collect()
            before = resident()
            started = time.perf_counter()
            for first in range(0, COUNT, 1_000):
                async with trio.open_nursery() as nursery:
                    for number in range(first, first + 1_000):
                        nursery.start_soon(start, number)
            print(f"started    {COUNT / (time.perf_counter() - started):8,.0f} a second")
            await trio.sleep(0.5)
            gc.collect()
            print(f"memory     {(resident() - before) / COUNT:8,.0f} bytes each while they wait")

            pages = []
            for _ in range(20):
                started = time.perf_counter()
                page = await engine.executions(limit=100)
                pages.append(time.perf_counter() - started)
                assert {head.status for head in page} == {"PAUSED"}
            print(f"first page {statistics.median(pages) * 1e3:8.1f} ms")

            started = time.perf_counter()
            for first in range(0, COUNT, 1_000):
                async with trio.open_nursery() as nursery:
                    for number in range(first, first + 1_000):
                        nursery.start_soon(wake, number)
            print(f"woken      {COUNT / (time.perf_counter() - started):8,.0f} a second, none lost")


if __name__ == "__main__":
    trio.run(main)
