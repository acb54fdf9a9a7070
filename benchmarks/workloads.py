"""The seven workloads: what is done, how often, what is measured, and what we want of it.

Only the standard library is imported here, because the peers' own environments have nothing else
of ours. A *subject* is a script with a function for each workload that it can do; `main` calls the
one that the command line names and prints what it found as one line of JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sqlite3
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple


class Sizes(NamedTuple):
    """How much of everything; `scaled` makes a small version for trying out."""

    # W1: chains one after the other, each of so many steps. W2: independent steps, and one join.
    chain: int = 100
    chains: int = 5
    wide: int = 1_000
    # W3 and W6: executions at once, of so many steps each.
    executions: int = 500
    crashed: int = 200
    short: int = 10
    # W4: layers of so many steps, each behind two of the layer above.
    layers: int = 100
    width: int = 100
    # W5: executions that wait, in one batch, and the batches whose memory is counted.
    waiting: int = 1_000
    batches: int = 2
    # W7: executions of one step, one after the other.
    single: int = 200
    # How many steps run at once.
    limit: int = 50

    def scaled(self, factor: float) -> Sizes:
        """Return sizes that are smaller (or larger) by a factor; the limit stays."""
        if factor == 1:
            return self
        small = {
            name: max(2, round(value * factor))
            for name, value in self._asdict().items()
            if name not in ("short", "limit", "layers", "width")
        }
        # The number of steps of the graph is their product.
        small["layers"] = max(2, round(self.layers * factor**0.5))
        small["width"] = max(2, round(self.width * factor**0.5))
        return self._replace(**small)


class Metric(NamedTuple):
    """One figure of a workload. `format` is how to print it."""

    name: str
    title: str
    format: str = "{:,.0f}"
    more_is_better: bool = True


class Goal(NamedTuple):
    """At least (or at most) so much, or so many times what another subject has.

    `of` is the name of a subject, ``"peers"`` for the best of them, or empty for an absolute one.
    """

    metric: str
    bound: float
    of: str = ""


class Workload(NamedTuple):
    """What is done and measured; its first metric is the one that is compared."""

    name: str
    title: str
    metrics: tuple[Metric, ...]
    goals: tuple[Goal, ...] = ()


CPU = Metric("cpu", "µs CPU a step", "{:,.1f}", more_is_better=False)
RATE = Metric("rate", "steps/s")

WORKLOADS = (
    Workload(
        "W1",
        "one chain of 100 steps, each durable before the next",
        (RATE, CPU),
        (Goal("rate", 0.5, "raw"), Goal("rate", 3.5, "peers")),
    ),
    Workload(
        "W2",
        "1,000 independent steps and a join, 50 at once",
        (RATE, CPU),
        (Goal("rate", 12_000), Goal("rate", 12 / 36, "bare")),
    ),
    Workload(
        "W3",
        "500 executions of 10-step chains at once",
        (RATE, CPU),
        (Goal("rate", 15_000), Goal("rate", 15 / 87, "bare")),
    ),
    Workload(
        "W4",
        "a graph of 10,000 steps (100 x 100, two parents each), 50 at once",
        (RATE, CPU),
        (Goal("rate", 10_000), Goal("rate", 10 / 33, "bare")),
    ),
    Workload(
        "W5",
        "1,000 executions that wait for a signal",
        (
            Metric("rate", "starts/s"),
            Metric("bytes", "bytes each while they wait", more_is_better=False),
            Metric("cpu", "µs CPU a start", "{:,.1f}", more_is_better=False),
        ),
        (Goal("rate", 5_000), Goal("bytes", 1_024)),
    ),
    Workload(
        "W6",
        "200 executions with 5 of 10 steps done, kill -9, a new process until all are done",
        (
            Metric("seconds", "s, start of the process included", "{:.3f}", more_is_better=False),
            Metric("redone", "completed steps done again", more_is_better=False),
        ),
        (Goal("seconds", 0.4), Goal("seconds", 0.4 / 0.17, "bare"), Goal("redone", 0)),
    ),
    Workload(
        "W7",
        "start to done of one durable step",
        (
            Metric("ms", "ms (median of 200)", "{:.3f}", more_is_better=False),
            CPU,
        ),
        (Goal("ms", 1.0), Goal("ms", 2.0, "bare")),
    ),
)


class Variant(NamedTuple):
    """Some workloads once more, on a disk of which each sync takes so many milliseconds longer."""

    title: str
    durability: str
    slow_disk: float
    workloads: tuple[Workload, ...]


_BROAD = tuple(
    # The bare loop that the goals come from had durability full.
    each._replace(goals=tuple(goal for goal in each.goals if not goal.of))
    for each in WORKLOADS
    if each.name in ("W2", "W3", "W4")
)
# Of a slow disk the wish is that commits are still shared.
_SHARED = tuple(
    each._replace(goals=(Goal("rate", 5_000),) if each.name == "W3" else ()) for each in _BROAD
)

VARIANTS = (
    Variant('With durability="normal"', "normal", 0.0, _BROAD),
    Variant("On a slow disk, 4 ms more for each sync", "full", 4.0, _SHARED),
)


class Case(NamedTuple):
    """What a subject's function is told."""

    sizes: Sizes
    # A folder of its own, empty (but for W6, which comes twice).
    folder: Path
    # ``"full"`` or ``"normal"``: what SQLite calls `synchronous`.
    durability: str
    # Of W6: ``"begin"`` comes to the middle and says `ready`, ``"finish"`` does the rest.
    phase: str

    @property
    def database(self) -> Path:
        return self.folder / "store.db"


Found = dict[str, Any]


@contextmanager
def measured(steps: int) -> Iterator[Found]:
    """Fill in the rate and the CPU time of the process (user and system) per step."""
    gc.collect()
    found: Found = {}
    started, cpu = time.perf_counter(), time.process_time()
    yield found
    found["rate"] = steps / (time.perf_counter() - started)
    found["cpu"] = (time.process_time() - cpu) / steps * 1e6


def middle(values: Sequence[float]) -> float:
    """Return the (upper) median. W6 counts what is imported, so not that of `statistics`."""
    return sorted(values)[len(values) // 2]


def resident() -> int:
    """Return the memory of this process, in bytes (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def traced() -> int:
    """Return the memory that Python's objects take, in bytes; the first call begins to count.

    The memory of the process would say more, but changes by a megabyte or two for no reason, which
    is more than what a thousand executions leave behind.
    """
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


class StepLog:
    """What W6's steps write down: each line is an execution and a step that has been done.

    One `write` to a file opened for appending is whole, and survives the process.
    """

    def __init__(self, case: Case) -> None:
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY
        self._file = os.open(case.folder / "steps.log", flags, 0o600)

    def write(self, execution: str, step: int) -> None:
        os.write(self._file, f"{execution} {step}\n".encode())


def ready() -> None:
    """Say that W6 has come to its middle; whoever listens will kill this process."""
    print("ready", flush=True)


def above(layer: int, place: int, width: int) -> tuple[tuple[int, int], ...]:
    """Return the two parents of a step of W4's graph, or none in its first layer."""
    if not layer:
        return ()
    return ((layer - 1, place), (layer - 1, (place + 1) % width))


def set_durability(connection: sqlite3.Connection, durability: str) -> str:
    """Set WAL and `synchronous` of a connection, and say what is then in force."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {durability}")
    return in_force(connection)


def in_force(connection: sqlite3.Connection) -> str:
    """Say which durability a connection has, as SQLite itself tells it."""
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    return f"{journal}, synchronous={('OFF', 'NORMAL', 'FULL', 'EXTRA')[synchronous]}"


def main(subject: Mapping[str, Callable[[Case], Found]]) -> None:
    """Do the workload that the command line names, and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=sorted(subject))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--durability", default="full", choices=("full", "normal"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--phase", default="", choices=("", "begin", "finish"))
    options = parser.parse_args()
    case = Case(Sizes().scaled(options.scale), options.folder, options.durability, options.phase)
    found = subject[options.workload](case)
    found["python"] = platform.python_version()
    print(json.dumps(found), flush=True)
    # What a subject leaves running (threads that wait, for instance) is not measured.
    sys.stdout.flush()
    os._exit(0)
