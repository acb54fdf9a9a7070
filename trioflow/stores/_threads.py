"""Blocking calls in a thread, with as little around them as possible."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import attrs
import trio

T = TypeVar("T")

# A write that takes no longer than this (seconds: of itself, and for each row of its group) is
# waited for on the spot. To go to a thread and back takes 0.1 ms on an idle machine and many
# times that beside busy threads, and what the rows take is Python's time wherever it is spent.
QUICK = 0.001
QUICK_EACH = 0.000015

# After a write that was slow, so many go to a thread before the next trial; each trial that
# fails doubles it. A checkpoint of the log is a lone slow write; a slow disk is slow every time.
_FEWEST, _MOST = 8, 8_192


@attrs.define(eq=False)
class Pace:
    """Whether a disk is so quick that to wait for it is cheaper than to send a thread."""

    _in_threads: int = 0
    _penalty: int = _FEWEST

    def is_quick(self) -> bool:
        """Whether the next write is to be waited for on the spot; then `note` how long it took."""
        if self._in_threads:
            self._in_threads -= 1
            return False
        return True

    def note(self, seconds: float, rows: int) -> None:
        """Take in how long a write on the spot has taken."""
        if seconds > QUICK + rows * QUICK_EACH:
            self._in_threads = self._penalty
            self._penalty = min(_MOST, self._penalty * 2)
        else:
            self._penalty = _FEWEST


async def run_in_thread(function: Callable[[], T]) -> T:
    """Call the function in a thread of trio's cache; return when it has ended, cancelled or not.

    It is what is left of `trio.to_thread.run_sync` without a limiter, without
    `trio.from_thread` and without contexts, and that makes a lone commit a fifth faster. There
    is no limiter because a store has at most one writing and one reading thread, and it must not
    be the library's: an engine's actions may fill that one with threads that wait for long.
    """
    token = trio.lowlevel.current_trio_token()
    task = trio.lowlevel.current_task()

    def deliver(result: Any) -> None:
        # Without a run there is nobody any more who could be told.
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(trio.lowlevel.reschedule, task, result)

    def refuse(raise_cancel: object) -> trio.lowlevel.Abort:
        return trio.lowlevel.Abort.FAILED

    trio.lowlevel.start_thread_soon(function, deliver)
    found: T = await trio.lowlevel.wait_task_rescheduled(refuse)
    return found
