"""Guards against getting slower that need no clock: what is done is counted, and compared."""

from __future__ import annotations

import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest
import trio

import trioflow
from trioflow.kernel._events import Event, ExecutionStarted, StepCompleted
from trioflow.stores import Head, SqliteStore

Script = Callable[[str], ModuleType]

# ---- a step costs the same in a large graph ----


@contextmanager
def counting_lines() -> Iterator[Counter[str]]:
    """Count lines of Python as they are executed: those of a loop each time around."""
    counted: Counter[str] = Counter()

    def line(frame: FrameType, event: str, argument: object) -> Any:
        counted["lines"] += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        yield counted
    finally:
        sys.settrace(before)


def lines_per_step(kernel: ModuleType, document: Any) -> float:
    plan = trioflow.load_workflow(document).plan
    with counting_lines() as counted:
        kernel.execute(plan)
    return counted["lines"] / len(plan.steps)


def layers(kernel: ModuleType, side: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(kernel, "LAYERS", side)
    monkeypatch.setattr(kernel, "WIDTH", side)
    return kernel.layers()


def test_a_step_of_a_large_graph_costs_what_one_of_a_small_one_does(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = script("kernel")
    small = lines_per_step(kernel, kernel.chain())
    large = lines_per_step(kernel, layers(kernel, 15, monkeypatch))

    # It is 3 % more. Counts are the same each time, so this can be tighter than the goal.
    assert large < 1.2 * small


@pytest.mark.slow
def test_a_step_of_ten_thousand_costs_at_most_twice_what_one_of_ten_does(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = script("kernel")
    small = lines_per_step(kernel, kernel.chain())
    large = lines_per_step(kernel, layers(kernel, 100, monkeypatch))

    assert large < 2 * small


# ---- many commits share a transaction ----


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets every COMMIT of every connection that is opened from now on."""
    found: list[str] = []
    connect = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(
            lambda statement: found.append(statement) if statement == "COMMIT" else None
        )
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    return found


COMMITTERS, EACH = 100, 10


async def commit_some(store: SqliteStore, name: str) -> None:
    event: Event = ExecutionStarted(1, 1000.0, name, "w", "digest", {"id": "w"}, {})
    for seq in range(1, EACH + 1):
        await store.commit(Head(name, "w", "RUNNING", seq, owner="me", fence=1), [event])
        event = StepCompleted(seq + 1, 1000.0, f"s{seq}", {"n": seq}, 1)


async def test_a_hundred_committers_share_their_transactions(
    tmp_path: Path, transactions: list[str]
) -> None:
    async with SqliteStore(tmp_path / "store.db") as store:
        transactions.clear()
        async with trio.open_nursery() as nursery:
            for number in range(COMMITTERS):
                nursery.start_soon(commit_some, store, f"x{number}")
        made = len(transactions)

    assert 0 < made <= COMMITTERS * EACH / 10


async def test_a_lone_committer_has_a_transaction_for_each_commit(
    tmp_path: Path, transactions: list[str]
) -> None:
    """Each is durable before the next begins; the count of the other test means something."""
    async with SqliteStore(tmp_path / "store.db") as store:
        transactions.clear()
        await commit_some(store, "x")
        made = len(transactions)

    assert EACH == made


async def test_a_hundred_executions_share_their_transactions(
    tmp_path: Path, transactions: list[str]
) -> None:
    document = {"id": "w", "steps": [{"id": f"s{n}", "action": "number"} for n in range(5)]}

    @trioflow.action("number")
    async def number() -> dict[str, int]:
        return {"n": 1}

    workflow = trioflow.load_workflow(document)
    async with trioflow.open_engine(
        f"sqlite:{tmp_path}/store.db", actions=[number], max_concurrent_steps=100
    ) as engine:
        transactions.clear()
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(engine.run, workflow)
        made, commits = len(transactions), engine.statistics().commits

    assert commits >= 500
    assert 0 < made <= commits / 10
