"""The slots of an engine: a `trio.CapacityLimiter`, and who is next.

The limiter counts; this keeps the queue. Tasks that wait in a limiter get into its line in the
order in which trio happens to run them, but slots are to be given in the order in which attempts
asked (R8), and without a task for each of those that wait.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import trio


class Slots:
    """Gives slots to borrowers, first come, first served, over all executions."""

    def __init__(self, total: int) -> None:
        self._limiter = trio.CapacityLimiter(total)
        # How many can be taken at once: none while others wait, who get what is given back. The
        # limiter knows it, too, but asking it takes three calls, and every step asks.
        self.free = total
        self._waiting: OrderedDict[object, Callable[[], None]] = OrderedDict()

    @property
    def total(self) -> int:
        """How many slots there are."""
        return int(self._limiter.total_tokens)

    @property
    def used(self) -> int:
        """How many of them are in use."""
        return self._limiter.borrowed_tokens

    def take_nowait(self, borrower: object) -> bool:
        """Take a free slot. False if there is none, or others wait for one."""
        if not self.free:
            return False
        self._limiter.acquire_on_behalf_of_nowait(borrower)
        self.free -= 1
        return True

    def wait(self, borrower: object, given: Callable[[], None]) -> None:
        """Get into the queue; `given` is called once the borrower has its slot."""
        self._waiting[borrower] = given

    def forget(self, borrower: object) -> None:
        """Leave the queue."""
        self._waiting.pop(borrower, None)

    def give_back(self, borrower: object) -> None:
        """Give a slot back, which is then the next one's."""
        self._limiter.release_on_behalf_of(borrower)
        self.free += 1
        if self._waiting:
            following, given = self._waiting.popitem(last=False)
            self.take_nowait(following)
            given()
