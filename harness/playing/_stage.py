"""What scenarios are played on: a store that dies, and the names that attempts have."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import attrs
import trio

import trioflow
from trioflow.events import Event
from trioflow.stores import OPEN, Head, Store


class Gone(BaseException):
    """The process is gone. Not an `Exception`: nothing may handle it."""


@attrs.define(eq=False)
class DyingStore:
    """A process's view of a store that survives it, which is open already.

    It counts writes over the whole scenario; from the moment on at which the process dies it
    refuses everything, so that no `finally` tidies up what a real crash would leave.
    """

    disk: Store
    writes: int
    # What has become durable, in order: which execution, and how many events it then had.
    written: list[tuple[str, int]]
    # Die at this write, and whether before it.
    deadly: int | None = None
    before: bool = False
    # What happens then; a real process ends in here.
    last_words: Callable[[], None] = attrs.field(default=lambda: None)
    on_death: Callable[[], None] = attrs.field(default=lambda: None)
    dead: bool = attrs.field(default=False, init=False)
    _owners: set[str] = attrs.field(factory=set, init=False)
    _requests: dict[str, int] = attrs.field(factory=dict, init=False)
    _grown: trio.Event = attrs.field(factory=trio.Event, init=False)
    _asked: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def die(self) -> None:
        """Write nothing any more."""
        self.dead = True
        self.on_death()

    async def bury(self) -> None:
        """Let go of what the dead process owned: on a real disk its lease would run out."""
        for owner in sorted(self._owners):
            await self.disk.renew(owner, ttl=0)

    async def commit(self, head: Head, events: Sequence[Event], *, owned: bool = True) -> None:
        if self.dead:
            raise Gone
        self.writes += 1
        deadly = self.writes == self.deadly
        if deadly and self.before:
            self._end()
        await self.disk.commit(head, events, owned=owned)
        self.written.append((head.id, head.seq))
        if deadly:
            self._end()
        if not owned:
            self._requests[head.id] = head.seq
            self._asked.set()
            self._asked = trio.Event()
        self._grown.set()
        self._grown = trio.Event()

    def _end(self) -> None:
        self.last_words()
        self.die()
        raise Gone

    async def claim(
        self, owner: str, *, ttl: float, limit: int = 100, ids: Collection[str] | None = None
    ) -> list[Head]:
        self._owners.add(owner)
        return await self.disk.claim(owner, ttl=ttl, limit=limit, ids=ids)

    async def renew(self, owner: str, *, ttl: float) -> None:
        self._owners.add(owner)
        if not self.dead:
            await self.disk.renew(owner, ttl=ttl)

    async def delete(self, execution_id: str) -> None:
        if not self.dead:
            await self.disk.delete(execution_id)

    # ---- who looks changes nothing ----

    async def read(self, execution_id: str, after: int = 0) -> list[Event]:
        return await self.disk.read(execution_id, after)

    async def head(self, execution_id: str) -> Head | None:
        return await self.disk.head(execution_id)

    async def heads(self, **wanted: Any) -> list[Head]:
        return await self.disk.heads(**wanted)

    async def ended(self, status: str, *, limit: int = 100) -> list[Head]:
        return await self.disk.ended(status, limit=limit)

    # Nobody else writes to the disk, so these two need not ask it again and again. A file would be
    # asked every quarter of a second, of which a scenario may have a billion.

    async def changed(self, execution_id: str, seq: int) -> None:
        while True:
            grown = self._grown
            head = await self.disk.head(execution_id)
            if head is not None and head.seq > seq:
                return
            await grown.wait()

    async def requested(self, seen: Mapping[str, int]) -> dict[str, int]:
        while True:
            asked, found = self._asked, dict[str, int]()
            for name, seq in self._requests.items():
                head = await self.disk.head(name) if seq > seen.get(name, 0) else None
                if head is not None and head.status in OPEN:
                    found[name] = seq
            if found:
                return found
            await asked.wait()


# ---- names ----


def name_of(context: trioflow.ActionContext) -> str:
    """Return the name of an attempt among the calls."""
    name = prefix_of(context.execution_id) + context.step
    if context.item_index is not None:
        name += f"[{context.item_index}]"
    role = context.idempotency_key.rpartition(":")[2]
    return f"{name}:{role}" if role in ("fallback", "compensate") else name


@lru_cache(maxsize=256)
def prefix_of(execution_id: str) -> str:
    """Return what the names of a child's attempts begin with."""
    # `x`, `x:ship` and `x:ship:3` are an execution and children of its step `ship`.
    children = re.sub(r":(\d+)", r"[\1]", execution_id).split(":")[1:]
    return "".join(f"{each}/" for each in children)


def id_of(root: str, child: str) -> str:
    """Return the id of the execution that an act calls by the name of its step."""
    return f"{root}:" + child.replace("/", ":").replace("[", ":").replace("]", "")


def actions_of(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the actions that a document calls."""
    for step in (*(document.get("steps") or ()), *(document.get("nodes") or ())):
        fields = {**step, **(step.get("config") or {})}
        service = fields.get("service")
        if service is not None:
            yield f"{service}.{fields.get('action', 'default')}"
        elif "action" in fields:
            yield fields["action"]
        for key in ("fallback", "compensate"):
            called = fields.get(key)
            if called is not None:
                yield called if isinstance(called, str) else called["action"]
