"""How many commits a second a SQLite store takes, alone and together, as ratios.

    python benchmarks/commits.py [DIRECTORY] [--seconds 2]

Absolute numbers say more about a disk than about a store. Ratios last: a hundred tasks that commit
at once get at least ten times as much done as one, because they share the disk's syncs. A sync of
a WAL commit of one event is measured beside it, so that the two can be told apart.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import attrs
import trio

from trioflow.kernel._events import Event, ExecutionStarted, StepCompleted
from trioflow.stores import Head, SqliteStore

# Events of one execution, one commit each.
LENGTH = 25
# An instant like those of today, in seconds since the epoch: as long in JSON.
AT = 1_700_000_000.5


@attrs.frozen
class Measured:
    """One run: commits a second, and CPU time (microseconds) of the process per commit."""

    rate: float
    cpu: float


async def _commit_until(store: SqliteStore, name: str, end: float) -> int:
    """Execute one chain after the other, without what lies between the commits."""
    commits = 0
    while time.perf_counter() < end:
        commits += await _commit_chain(store, f"{name}-{commits}")
    return commits


async def _commit_chain(store: SqliteStore, name: str) -> int:
    event: Event = ExecutionStarted(1, AT, name, "benchmark", "digest", {"name": "b"}, {})
    for seq in range(1, LENGTH + 1):
        status, ended = ("RUNNING", None) if seq < LENGTH else ("COMPLETED", AT)
        head = Head(name, "benchmark", status, seq, due=AT, owner="benchmark", fence=1, ended=ended)
        await store.commit(head, [event])
        event = StepCompleted(seq + 1, AT, f"step-{seq}", {"total": 42.5, "sku": "tea"}, 1)
    return LENGTH


async def measure(path: Path, tasks: int, seconds: float) -> Measured:
    """Commit from that many tasks for about that long."""
    counts = []

    async def commit(number: int) -> None:
        counts.append(await _commit_until(store, f"{tasks}-{number}", end))

    async with SqliteStore(path) as store:
        start, cpu = time.perf_counter(), time.process_time()
        end = start + seconds
        async with trio.open_nursery() as nursery:
            for number in range(tasks):
                nursery.start_soon(commit, number)
        elapsed, used = time.perf_counter() - start, time.process_time() - cpu
    return Measured(sum(counts) / elapsed, used / sum(counts) * 1e6)


def measure_sync(path: Path, times: int = 300) -> float:
    """Return how long (seconds) it takes to append a frame of a WAL file and to sync it."""
    with path.open("wb") as file:
        start = time.perf_counter()
        for _ in range(times):
            file.write(bytes(4096 + 24))
            file.flush()
            getattr(os, "fdatasync", os.fsync)(file.fileno())
        return (time.perf_counter() - start) / times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", nargs="?", default=None)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        sync = measure_sync(Path(directory, "sync"))
        found = {
            tasks: trio.run(measure, Path(directory, f"{tasks}.db"), tasks, arguments.seconds)
            for tasks in (1, 10, 100, 1000)
        }
    print(f"one sync: {sync * 1e6:.0f} µs")
    for tasks, measured in found.items():
        print(
            f"N={tasks:<5} {measured.rate:8.0f} commits/s  {measured.cpu:6.1f} µs CPU per commit  "
            f"{measured.rate / found[1].rate:6.1f} x N=1  {measured.rate * sync:6.1f} per sync time"
        )


if __name__ == "__main__":
    main()
