"""Many tasks, one commit: the first who comes writes for all who came meanwhile.

What makes a commit slow is the disk's sync, and a sync takes as long for a hundred entries as for
one. So a task that wants to write while nobody does becomes the *leader*: it writes everything
that is queued. Those that come while it writes queue up as *followers*; when the leader has
finished, the first of them leads the next group. There is no task of its own, so nothing to start,
to stop, or to lose.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import attrs
import trio

from trioflow.errors import StoreError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# For each item, in their order, its result, or the exception that its task is to raise.
Write = Callable[[Sequence[ItemT]], Sequence[ResultT | Exception]]


@attrs.define(eq=False)
class _Waiter(Generic[ItemT, ResultT]):
    item: ItemT
    task: trio.lowlevel.Task
    # A waiter that is woken without a result leads the next group.
    result: ResultT | Exception | None = None
    has_result: bool = False


@attrs.define(eq=False)
class Writing(Generic[ItemT, ResultT]):
    """One call of `write`, which remembers how far it got, whatever happens to its caller."""

    write: Write[ItemT, ResultT]
    items: Sequence[ItemT]
    started: bool = False
    results: Sequence[ResultT | Exception] | None = None

    def __call__(self) -> None:
        self.started = True
        self.results = self.write(self.items)


# Calls it on the spot, and returns None, or returns what calls it (in a thread) when it is awaited,
# which ends when the call has ended, not before.
RunWrite = Callable[[Writing[ItemT, ResultT]], Awaitable[None] | None]


@attrs.define(eq=False)
class GroupCommit(Generic[ItemT, ResultT]):
    """Writes the items of all tasks in groups, one group at a time.

    `write` takes the items of a group and returns a result for each, or the exception that its
    task is to raise. It must not raise itself: that would say that nobody knows what was written,
    and every member of the group would get a `StoreError`. `run_write` calls it.
    """

    _write: Write[ItemT, ResultT] = attrs.field(alias="write")
    _run_write: RunWrite[ItemT, ResultT] = attrs.field(alias="run_write")
    # Not yet in a group, first come first. While `_leading` is true, somebody has been made the
    # leader and will look here again; while it is false, this is empty.
    _queue: dict[_Waiter[ItemT, ResultT], None] = attrs.field(factory=dict, init=False)
    _leading: bool = attrs.field(default=False, init=False)

    # Protected, with everything that it calls: a KeyboardInterrupt between two lines of the
    # leader would leave followers parked for ever, and they cannot be cancelled.
    @trio.lowlevel.enable_ki_protection
    async def submit(self, item: ItemT) -> ResultT:
        """Write the item and return its result, or raise its error.

        When it raises `trio.Cancelled`, the item was certainly not written. Once the item is in a
        group, cancelling does nothing: the result is waited for, and returned.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        waiter: _Waiter[ItemT, ResultT] = _Waiter(item, trio.lowlevel.current_task())
        self._queue[waiter] = None
        if self._leading:
            await self._park(waiter)
        if not waiter.has_result:
            await self._lead()
        result = waiter.result
        if isinstance(result, Exception):
            raise result
        return result  # type: ignore[return-value]

    async def _park(self, waiter: _Waiter[ItemT, ResultT]) -> None:
        def abort(raise_cancel: object) -> trio.lowlevel.Abort:
            if waiter not in self._queue:
                return trio.lowlevel.Abort.FAILED
            del self._queue[waiter]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _lead(self) -> None:
        """Write everything that is queued. The calling task is the first of the queue."""
        self._leading = True
        # Whoever can run now, and has something to write, gets into the group, too.
        await trio.lowlevel.cancel_shielded_checkpoint()
        group = list(self._queue)
        self._queue.clear()
        writing = Writing(self._write, [waiter.item for waiter in group])
        try:
            pending = self._run_write(writing)
            if pending is not None:
                with trio.CancelScope(shield=True):
                    await pending
        except BaseException:
            # In the main task a KeyboardInterrupt passes any shield, and `run_write` may break.
            if writing.started:
                self._deliver(group, writing.results)
            else:
                # Nothing has happened: the others go on without us.
                self._queue = dict.fromkeys(group[1:]) | self._queue
            self._hand_over()
            raise
        self._deliver(group, writing.results)
        if len(group) > 1:
            # Those who were woken just now probably have more to write. They run once before the
            # next group is taken, and all get into it; otherwise the groups of a busy store
            # would break into a large and a tiny one. Trio runs the tasks of one round in any
            # order, so it is only after the second round that all of them have run. A lone
            # writer does not wait for anybody.
            await trio.lowlevel.cancel_shielded_checkpoint()
            await trio.lowlevel.cancel_shielded_checkpoint()
        self._hand_over()

    def _deliver(
        self,
        group: Sequence[_Waiter[ItemT, ResultT]],
        results: Sequence[ResultT | Exception] | None,
    ) -> None:
        if results is None:
            results = [
                StoreError("writing was interrupted, and what was written is not known")
                for _ in group
            ]
        for waiter, result in zip(group, results, strict=True):
            waiter.result = result
            waiter.has_result = True
        for follower in group[1:]:
            trio.lowlevel.reschedule(follower.task)

    def _hand_over(self) -> None:
        first = next(iter(self._queue), None)
        if first is None:
            self._leading = False
        else:
            # It stays in the queue, and takes itself with the others when it runs.
            trio.lowlevel.reschedule(first.task)
