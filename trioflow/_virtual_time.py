"""Virtual time: a clock that moves when nothing else can, also where threads are at work.

Trio's own `MockClock(autojump_threshold=0)` moves whenever all tasks are blocked, and a task that
waits for a thread is blocked: while a commit is on its way to the disk every timeout would fire.
Here a task of its own moves the clock, after it has asked whether a thread is at work. And because
it knows when nothing at all is left to wait for, a deadlock is an error with the tasks' names, and
not a test that stands still.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import attrs
import trio
import trio.testing

T = TypeVar("T")

# Seconds. Longer than any workflow waits: an instant from here on is a deadline that somebody
# set in order to have one, and nobody hopes to see.
FOR_EVER = 1e13

_TRIO = os.path.dirname(trio.__file__)  # noqa: PTH120 - to be compared with names of code objects

# The roots of runs that nothing but force could end. Were they collected, their tasks would be
# torn up, and would each complain about it somewhere else.
_ABANDONED: list[object] = []


class Deadlock(Exception):
    """Nothing can happen any more: all tasks wait for one another, and none for an instant.

    `tree` names each task and the line where it stands, those below another with more indent.
    """

    def __init__(self, tree: str) -> None:
        super().__init__(tree)
        self.tree = tree

    def __str__(self) -> str:
        return (
            f"nothing can happen any more; these tasks wait, and none for an instant:\n{self.tree}"
        )


@attrs.define(eq=False)
class VirtualClock(trio.abc.Clock):
    """The clock of `run`. Its instants are seconds, from `now` on."""

    now: float = 0.0
    # How many `hold` blocks are open, and the event that the last of them sets.
    _holders: int = attrs.field(default=0, init=False)
    _released: trio.Event = attrs.field(factory=trio.Event, init=False)
    # Set when everything that can happen at an instant has happened; None if nobody asks.
    _settled: trio.Event | None = attrs.field(default=None, init=False)
    _deadlock: Deadlock | None = attrs.field(default=None, init=False)
    _main: trio.lowlevel.Task | None = attrs.field(default=None, init=False)
    _root: trio.lowlevel.Task | None = attrs.field(default=None, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _helpless: bool = attrs.field(default=False, init=False)

    def start_clock(self) -> None:
        """Do nothing: it starts when it is made."""

    def current_time(self) -> float:
        """Return the instant that it is."""
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return 0 if the instant has come, and else infinity: waiting does not bring it nearer."""
        if self._helpless:
            # Not even a cancellation has helped, so a shield is in the way. An error in the clock
            # is what ends `trio.run` without asking the tasks.
            assert self._deadlock is not None
            _ABANDONED.append(self._root)
            raise self._deadlock
        return 0.0 if deadline <= self.now else float("inf")

    async def settle(self) -> None:
        """Return when everything else that can happen at this instant has happened."""
        if self._settled is None:
            self._settled = trio.Event()
        await self._settled.wait()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Stand still while the block runs."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                released, self._released = self._released, trio.Event()
                released.set()

    async def guard(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Call the function, and move on whenever it is stuck."""
        self._main = trio.lowlevel.current_task()
        self._root = trio.lowlevel.current_root_task()
        trio.lowlevel.spawn_system_task(self._jump)
        try:
            with self._scope:
                result = await function(*args)
                if self._deadlock is None:
                    return result
        except BaseException as error:
            if self._deadlock is None:
                raise
            raise self._deadlock from error
        # Nothing else cancels the scope.
        assert self._deadlock is not None
        raise self._deadlock

    async def _jump(self) -> None:
        while True:
            await trio.testing.wait_all_tasks_blocked()
            if self._holders:
                await self._released.wait()
            elif trio.testing.active_thread_count():
                await trio.testing.wait_all_threads_completed()
            elif self._settled is not None:
                settled, self._settled = self._settled, None
                settled.set()
            else:
                seconds = trio.lowlevel.current_statistics().seconds_to_next_deadline
                if self.now + seconds < FOR_EVER:
                    self.now += seconds
                else:
                    self._give_up()

    def _give_up(self) -> None:
        assert self._main is not None
        self._helpless = self._deadlock is not None
        if self._deadlock is None:
            self._deadlock = Deadlock("\n".join(_tree(self._main, 0)))
        self._scope.cancel()


def run(function: Callable[..., Awaitable[T]], *args: Any, start: float = 0.0) -> T:
    """Call an async function as `trio.run` does, in virtual time; return what it returns.

    The clock begins at `start` (seconds) and jumps to the next deadline whenever all tasks are
    blocked and no thread of `trio.to_thread` is at work. What else goes on outside trio's tasks
    has to `hold` the clock. Raises `Deadlock` at once if there is nothing left to wait for.
    """
    clock = VirtualClock(start)
    try:
        return trio.run(clock.guard, function, *args, clock=clock)
    except trio.TrioInternalError as error:
        if isinstance(error.__cause__, Deadlock):
            raise error.__cause__ from None
        raise


@contextmanager
def hold() -> Iterator[None]:
    """Let virtual time stand still while the block runs.

    For what trio does not see: a thread that was not started by `trio.to_thread`, a process, a
    socket with somebody else at its other end. Under any other clock it does nothing.
    """
    clock = trio.lowlevel.current_clock()
    if isinstance(clock, VirtualClock):
        with clock.hold():
            yield
    else:
        yield


async def settled() -> None:
    """Return when everything else that can happen at this instant has happened."""
    clock = trio.lowlevel.current_clock()
    if isinstance(clock, VirtualClock):
        await clock.settle()
    else:
        await trio.testing.wait_all_tasks_blocked()


def _tree(task: trio.lowlevel.Task, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}- {task.name}: {_place(task)}"
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda each: each.name):
            yield from _tree(child, depth + 1)


def _place(task: trio.lowlevel.Task) -> str:
    """Return the innermost line of a task that is not trio's own."""
    found = "not begun"
    for frame, line in task.iter_await_frames():
        code = frame.f_code
        if code.co_filename.startswith(_TRIO):
            continue
        file = "/".join(code.co_filename.replace(os.sep, "/").rsplit("/", 2)[-2:])
        source = linecache.getline(code.co_filename, line).strip()
        found = f"{file}:{line} in {code.co_name}: {source}"
    return found
