"""Blocking calls in a thread, with as little around them as possible."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import trio

T = TypeVar("T")


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
