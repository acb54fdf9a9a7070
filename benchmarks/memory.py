"""Whether memory stays flat: 10,000 executions through one engine, on a file.

    python benchmarks/memory.py [--executions 10000]

The memory of the process is compared before and after, once it is warm (a tenth as many executions
before); each is a chain of three steps and is kept in the store. The goal is less than 5 MiB more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from typing import Any

import trio
from workloads import resident

import trioflow

EXECUTIONS, AT_ONCE = 10_000, 100
GOAL = 5 * 2**20


@trioflow.action("number")
async def number() -> dict[str, int]:
    return {"n": 1}


WORKFLOW = {"id": "three", "steps": [{"id": f"s{n}", "action": "number"} for n in range(3)]}


async def grow(executions: int) -> dict[str, float]:
    """Return how many bytes the process is larger after so many executions."""
    workflow = trioflow.load_workflow(WORKFLOW)
    with tempfile.TemporaryDirectory() as folder:
        async with trioflow.open_engine(
            f"sqlite:{folder}/store.db", actions=[number], max_concurrent_steps=50
        ) as engine:

            async def execute(count: int) -> None:
                for _ in range(count):
                    await engine.run(workflow)

            async def execute_all(count: int) -> None:
                async with trio.open_nursery() as nursery:
                    for _ in range(AT_ONCE):
                        nursery.start_soon(execute, count // AT_ONCE)

            await execute_all(max(AT_ONCE, executions // 10))
            before = resident()
            await execute_all(executions)
            return {"executions": executions, "bytes": resident() - before}


def measure(executions: int = EXECUTIONS) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--executions", str(executions), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def describe(found: dict[str, Any]) -> str:
    verdict = "met" if found["bytes"] < GOAL else "not met"
    return (
        f"{found['executions']:,} executions through one engine: {found['bytes'] / 2**20:.2f} MiB "
        f"more memory (goal: less than {GOAL / 2**20:.0f} MiB: {verdict})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--executions", type=int, default=EXECUTIONS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = trio.run(grow, options.executions)
    print(json.dumps(found) if options.json else describe(found))


if __name__ == "__main__":
    main()
