"""What was acknowledged is there after the process has been killed, and nothing is half there."""

import shutil
import signal
import subprocess
import sys

import attrs
import pytest

from trioflow.errors import StoreError
from trioflow.kernel._events import StepCompleted
from trioflow.stores import SqliteStore, run_inline

# Commits from many tasks, for ever, and says so after each one: "execution seq".
WRITER = """
import os, sys
import attrs, trio
from trioflow.kernel._events import ExecutionStarted, StepCompleted
from trioflow.stores import Head, SqliteStore

async def live(store, name):
    head = Head(name, "order", "RUNNING", 1, owner="me", fence=1)
    events = [ExecutionStarted(1, 0.0, name, "order", "digest", {"name": "order"}, {})]
    while True:
        await store.commit(head, events)
        # One write for each line: the pipe keeps what was written, whatever becomes of us.
        os.write(1, f"{name} {head.seq}\\n".encode())
        head = attrs.evolve(head, seq=head.seq + 2, due=float(head.seq))
        events = [StepCompleted(head.seq + n, 0.0, "ship", {"name": name}) for n in (-1, 0)]

async def main():
    path, label, tasks = sys.argv[1:]
    async with SqliteStore(path) as store, trio.open_nursery() as nursery:
        for number in range(int(tasks)):
            nursery.start_soon(live, store, f"{label}-{number}")

trio.run(main)
"""

# Not a multiple of anything, so that kills come at all points of a group.
TASKS = 37


def _write_and_kill(path, label, lines):
    """Let a process write, kill it after so many acknowledgements, and return all it has sent."""
    command = [sys.executable, "-c", WRITER, str(path), label, str(TASKS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        found += process.stdout.readlines()
    assert -signal.SIGKILL == process.returncode
    acknowledged = {}
    for line in found:
        name, seq = line.split()
        acknowledged[name] = int(seq)
    return acknowledged


async def _check(path, acknowledged):
    """Open it again; return the heads that are in it, after a look at every history."""
    async with SqliteStore(path, run_sync=run_inline) as store:
        heads = {head.id: head for head in await store.heads(limit=10_000)}
        for head in heads.values():
            history = await store.read(head.id)

            # Contiguous, and as long as the head says.
            assert [event.seq for event in history] == list(range(1, head.seq + 1))
            # No commit is there by half: the first has one event, all others have two.
            assert 1 == head.seq % 2
            assert {"name": "order"} == history[0].document
    for name, seq in acknowledged.items():
        assert seq <= heads[name].seq
    return heads


async def _rounds(path, rounds):
    acknowledged = {}
    for number in range(rounds):
        acknowledged |= _write_and_kill(path, f"r{number}", lines=20 + 53 * number % 400)
        await _check(path, acknowledged)
    assert rounds * 10 < len(acknowledged)


async def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path):
    await _rounds(tmp_path / "store.db", 3)


@pytest.mark.slow
async def test_nothing_acknowledged_is_lost_by_forty_kills(tmp_path):
    await _rounds(tmp_path / "store.db", 40)


async def test_one_can_look_into_what_a_kill_left(tmp_path):
    path = tmp_path / "store.db"
    acknowledged = _write_and_kill(path, "x", lines=200)

    async with SqliteStore(path, read_only=True) as reader:
        for name, seq in acknowledged.items():
            assert seq <= len(await reader.read(name))


async def _many_commits(path, writing_to):
    """A file whose last commits are in its log; return the heads after each commit."""
    async with SqliteStore(path, run_sync=run_inline) as store:
        states = [{}]
        for _ in range(5):
            for name in "abc":
                old = states[-1].get(name)
                writing = writing_to(store)
                head = await writing.start(name) if old is None else await writing.grow(old)
                states.append({**states[-1], name: head})
        # Nothing has been moved from the log to the file yet.
        shutil.copy(path, path.with_name("before.db"))
        shutil.copy(path.with_name("store.db-wal"), path.with_name("whole.db-wal"))
    return states


async def test_a_log_that_ends_anywhere_is_a_prefix(tmp_path, writing_to):
    """Of what a disk was told without a sync, a power loss keeps any part."""
    states = await _many_commits(tmp_path / "store.db", writing_to)
    log = (tmp_path / "whole.db-wal").read_bytes()
    path = tmp_path / "cut.db"
    found = []
    for size in (*range(0, len(log), 20_011), len(log)):
        for name in ("cut.db", "cut.db-wal", "cut.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        shutil.copy(tmp_path / "before.db", path)
        (tmp_path / "cut.db-wal").write_bytes(log[:size])
        async with SqliteStore(path, run_sync=run_inline) as store:
            heads = {head.id: head for head in await store.heads()}
            for head in heads.values():
                assert head.seq == len(await store.read(head.id))
        found.append(states.index(heads))

    assert sorted(found) == found
    assert 0 == found[0]
    assert len(states) - 1 == found[-1]


async def test_a_full_disk(tmp_path, writing_to):
    """It is told, and what was acknowledged stays."""
    path = tmp_path / "store.db"
    store = SqliteStore(path, run_sync=run_inline)
    async with store:
        head = await writing_to(store).start()
        store._database.writer.execute("PRAGMA max_page_count = 20")
        with pytest.raises(StoreError, match="full"):
            for _ in range(1000):
                grown = attrs.evolve(head, seq=head.seq + 1)
                await store.commit(grown, [StepCompleted(grown.seq, 0.0, "ship", "x" * 1000)])
                head = grown
        with pytest.raises(StoreError, match="reopened"):
            await store.head("x")
    async with store:
        assert head == await store.head("x")
        assert head.seq == len(await store.read("x"))
        await writing_to(store).grow(head)
