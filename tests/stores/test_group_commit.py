"""The first who comes writes for all who came meanwhile, and nobody is ever left behind."""

import signal
import sys
from pathlib import Path

import attrs
import outcome
import pytest
import trio
import trio.testing

from trioflow.errors import StoreError
from trioflow.stores import _group_commit
from trioflow.stores._group_commit import GroupCommit
from trioflow.stores._sqlite import run_inline


@attrs.define(eq=False)
class Disk:
    """Takes groups, and can be told to wait before or after the next one, or to break."""

    groups: list = attrs.field(factory=list)
    gate: trio.Event | None = None
    error: BaseException | None = None
    late_error: BaseException | None = None
    broken: bool = False

    async def run_sync(self, writing):
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if self.gate is not None:
            await self.gate.wait()
        await run_inline(writing)
        if self.late_error is not None:
            error, self.late_error = self.late_error, None
            raise error

    def write(self, items):
        self.groups.append(list(items))
        if self.broken:
            raise RuntimeError("no idea")
        return [ValueError(item) if item.startswith("bad") else item.upper() for item in items]

    def group_commit(self):
        return GroupCommit(self.write, self.run_sync)


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def group(disk):
    return disk.group_commit()


@attrs.define(eq=False)
class Tasks:
    """Submit in tasks, each in a scope of its own, and say what became of them."""

    nursery: trio.Nursery
    group: GroupCommit
    outcomes: dict = attrs.field(factory=dict)
    scopes: dict = attrs.field(factory=dict)

    async def submit(self, *items):
        for item in items:
            self.scopes[item] = trio.CancelScope()
            self.nursery.start_soon(self._submit, item)
            # One after the other, so that the order is known.
            await trio.testing.wait_all_tasks_blocked()

    async def _submit(self, item):
        with self.scopes[item] as scope:
            try:
                self.outcomes[item] = await self.group.submit(item)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told by the outcome
                self.outcomes[item] = error
        if scope.cancelled_caught:
            self.outcomes[item] = "cancelled"


async def test_a_lone_item_is_written_at_once(disk, group):
    assert "A" == await group.submit("a")
    assert "B" == await group.submit("b")
    assert [["a"], ["b"]] == disk.groups


async def test_those_who_come_meanwhile_are_one_group(disk, group):
    disk.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, group)
        await tasks.submit("a", "b", "c", "d")

        assert [] == disk.groups

        disk.gate.set()

    assert [["a"], ["b", "c", "d"]] == disk.groups
    assert {"a": "A", "b": "B", "c": "C", "d": "D"} == tasks.outcomes


async def test_those_who_go_on_are_one_group_again(disk, group):
    """Also when trio runs the leader before its followers, which it does every other time."""

    async def live(name):
        for number in range(20):
            await group.submit(f"{name}{number}")

    async with trio.open_nursery() as nursery:
        for name in "abcdef":
            nursery.start_soon(live, name)

    # The first ones come in alone; from then on all go together.
    assert len(disk.groups) <= 22
    assert {6} == {len(items) for items in disk.groups[2:-2]}


async def test_an_error_is_for_its_own_task(disk, group):
    disk.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, group)
        await tasks.submit("bad1", "b", "bad2", "d")
        disk.gate.set()

    assert "B" == tasks.outcomes["b"]
    assert "D" == tasks.outcomes["d"]
    assert ("bad1",) == tasks.outcomes["bad1"].args
    assert ("bad2",) == tasks.outcomes["bad2"].args


# ---- cancelling ----


async def test_cancelled_before(disk, group):
    with trio.CancelScope() as scope:
        scope.cancel()
        await group.submit("a")

    assert scope.cancelled_caught
    assert [] == disk.groups


async def test_cancelled_in_the_queue_is_not_written(disk, group):
    disk.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, group)
        await tasks.submit("a", "b", "c")
        tasks.scopes["b"].cancel()
        await trio.testing.wait_all_tasks_blocked()

        assert {"b": "cancelled"} == tasks.outcomes

        disk.gate.set()

    assert [["a"], ["c"]] == disk.groups
    assert {"a": "A", "b": "cancelled", "c": "C"} == tasks.outcomes


@pytest.mark.parametrize("cancelled", ("b", "c"), ids=("leader", "follower"))
async def test_cancelled_in_a_group_is_written(disk, group, cancelled):
    """And the call returns: what has happened is not hidden behind a Cancelled."""
    gate = disk.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, group)
        await tasks.submit("a", "b", "c", "d")
        disk.gate = trio.Event()
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        tasks.scopes[cancelled].cancel()
        await trio.testing.wait_all_tasks_blocked()

        assert {"a": "A"} == tasks.outcomes

        disk.gate.set()

    assert [["a"], ["b", "c", "d"]] == disk.groups
    assert {"a": "A", "b": "B", "c": "C", "d": "D"} == tasks.outcomes


async def test_the_next_leader_is_cancelled_as_it_is_woken(disk, group):
    gate = disk.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, group)
        await tasks.submit("a", "b", "c")
        gate.set()
        disk.gate = None
        while "a" not in tasks.outcomes:
            await trio.lowlevel.checkpoint()
        tasks.scopes["b"].cancel()

    assert "C" == tasks.outcomes["c"]
    assert ("B" if ["b", "c"] in disk.groups else "cancelled") == tasks.outcomes["b"]


# ---- when things break ----


async def test_not_even_started(disk, group):
    """The leader leaves, and the first of the others leads instead."""
    gate = disk.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, group)
        await tasks.submit("a", "b", "c", "d")
        disk.error = KeyboardInterrupt()
        gate.set()

    assert [["a"], ["c", "d"]] == disk.groups
    assert isinstance(tasks.outcomes.pop("b"), KeyboardInterrupt)
    assert {"a": "A", "c": "C", "d": "D"} == tasks.outcomes


async def test_interrupted_after_writing(disk, group):
    """What is written is told to everybody whom one can still tell."""
    gate = disk.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, group)
        await tasks.submit("a", "b", "c", "d")
        disk.gate = trio.Event()
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        disk.late_error = KeyboardInterrupt()
        disk.gate.set()

    assert isinstance(tasks.outcomes.pop("b"), KeyboardInterrupt)
    assert {"a": "A", "c": "C", "d": "D"} == tasks.outcomes
    assert "E" == await group.submit("e")


async def test_nobody_knows_what_was_written(disk, group):
    gate = disk.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery, group)
        await tasks.submit("a", "b", "c", "d")
        disk.broken = True
        gate.set()

    assert isinstance(tasks.outcomes["a"], RuntimeError)
    assert isinstance(tasks.outcomes["b"], RuntimeError)
    assert isinstance(tasks.outcomes["c"], StoreError)
    assert tasks.outcomes["c"] is not tasks.outcomes["d"]
    disk.broken = False
    assert "E" == await group.submit("e")


async def test_a_run_sync_that_does_not_run(disk):
    async def run_sync(writing):
        await trio.lowlevel.checkpoint()

    with pytest.raises(StoreError, match="not known"):
        await GroupCommit(disk.write, run_sync).submit("a")


# ---- interrupts ----


@attrs.define(eq=False)
class InterruptAt:
    """A trace function that sends us SIGINT at the nth line of the group commit."""

    line: int
    seen: int = 0

    def __call__(self, frame, event, argument):
        if Path(frame.f_code.co_filename) != Path(_group_commit.__file__):
            return None
        if event == "line":
            self.seen += 1
            if self.seen == self.line:
                signal.raise_signal(signal.SIGINT)
        return self


class LeftHangingError(Exception):
    """Given to a task that nobody would ever have woken."""


@attrs.define(eq=False)
class Interrupted:
    """The main task and three others commit, and an interrupt comes at one line."""

    main_leads: bool
    disk: Disk = attrs.field(factory=Disk)
    outcomes: dict = attrs.field(factory=dict)
    hanging: dict = attrs.field(factory=dict)

    async def run(self, group):
        trio.lowlevel.spawn_system_task(self._free_the_hanging)
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(self._commit, group, name)
            if not self.main_leads:
                await trio.lowlevel.checkpoint()
            await self._commit(group, "main")
            await self._commit(group, "main again")

    async def _commit(self, group, name):
        self.hanging[name] = trio.lowlevel.current_task()
        try:
            self.outcomes[name] = await group.submit(name)
        except trio.Cancelled:
            self.outcomes[name] = "cancelled"
            raise
        finally:
            del self.hanging[name]

    # The clock jumps when everybody is blocked, so this is reached in a deadlock only.
    async def _free_the_hanging(self):
        await trio.sleep(1)
        for task in self.hanging.values():
            trio.lowlevel.reschedule(task, outcome.Error(LeftHangingError(task.name)))


def _run_traced(scenario, group, tracer):
    before = sys.gettrace()
    clock = trio.testing.MockClock(autojump_threshold=0)
    sys.settrace(tracer)
    try:
        trio.run(scenario.run, group, clock=clock)
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("step", (11, pytest.param(1, marks=pytest.mark.slow)))
@pytest.mark.parametrize("main_leads", (True, False), ids=("main leads", "main follows"))
def test_an_interrupt_at_any_line_leaves_nobody_hanging(main_leads, step):
    """At every eleventh line in the quick suite: each costs two runs of trio."""
    quiet = InterruptAt(0)
    _run_traced(Interrupted(main_leads), Disk().group_commit(), quiet)

    assert quiet.seen > 100

    for line in range(1, quiet.seen + 1, step):
        scenario = Interrupted(main_leads)
        group = scenario.disk.group_commit()
        # Trio shuffles tasks, so now and then the last lines are not reached.
        tracer = InterruptAt(line)
        interrupted = False
        try:
            _run_traced(scenario, group, tracer)
        except* KeyboardInterrupt:
            interrupted = True

        assert interrupted or tracer.seen < line

        written = {item for items in scenario.disk.groups for item in items}
        for name in "abc":
            if name in scenario.outcomes:
                assert (name in written) == (scenario.outcomes[name] == name.upper())
            else:
                assert name not in written
        assert "LATER" == trio.run(group.submit, "later")
