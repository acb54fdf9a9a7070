"""A store that dies at one of its writes, and everything around it with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio

from trioflow.events import Event
from trioflow.stores import Head, MemoryStore


class Crash(BaseException):
    """The process is gone. Not an `Exception`: nothing may handle it."""


class CrashingStore(MemoryStore):
    """Writes `writes` commits, and dies then: before or after the last of them is durable.

    From then on it refuses everything, so that no `finally` can tidy up what a real crash would
    leave. `survivor` is what the disk has.
    """

    def __init__(self, survivor: MemoryStore, writes: int, *, before: bool) -> None:
        super().__init__(clock=trio.current_time)
        self.survivor = survivor
        self._left = writes
        self._before = before

    async def commit(self, head: Head, events: Sequence[Event], *, owned: bool = True) -> None:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and self._before):
            raise Crash
        await self.survivor.commit(head, events, owned=owned)
        if self._left == 0:
            raise Crash

    async def renew(self, owner: str, *, ttl: float) -> None:
        if self._left > 0:
            await self.survivor.renew(owner, ttl=ttl)

    async def read(self, *args: Any, **kwargs: Any) -> Any:
        return await self.survivor.read(*args, **kwargs)

    async def head(self, *args: Any, **kwargs: Any) -> Any:
        return await self.survivor.head(*args, **kwargs)

    async def heads(self, *args: Any, **kwargs: Any) -> Any:
        return await self.survivor.heads(*args, **kwargs)

    async def claim(self, *args: Any, **kwargs: Any) -> Any:
        return await self.survivor.claim(*args, **kwargs)

    async def changed(self, *args: Any, **kwargs: Any) -> Any:
        return await self.survivor.changed(*args, **kwargs)


async def bury(disk: MemoryStore) -> None:
    """Let go of what dead processes owned: otherwise their leases would have to run out."""
    for owner in list(disk._alive_until):
        await disk.renew(owner, ttl=0)
