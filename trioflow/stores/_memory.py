"""A store that lives as long as the object: for tests, and for what need not survive."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from types import TracebackType
from typing import Self

import attrs
import trio

from trioflow.errors import Conflict, ExecutionNotFound
from trioflow.kernel._codec import decode
from trioflow.kernel._events import Event, ExecutionStarted
from trioflow.stores._changes import Changes
from trioflow.stores._entries import encode_entries, encode_mapping, refuse_open
from trioflow.stores._protocol import OPEN, Head


@attrs.define(eq=False)
class _Row:
    head: Head
    digest: str | None
    texts: list[str]


@attrs.define(eq=False)
class MemoryStore:
    """Keeps executions in memory. Several engines in one `trio.run` may share it.

    It keeps the JSON of the events, not the objects, so what would not survive a file does not
    survive here either. Entering and leaving it changes nothing: what is in it stays until the
    object goes, so a second engine can continue what a first one left.

    `clock` tells the time of leases and of `due`, in seconds since the epoch.
    """

    _clock: Callable[[], float] = attrs.field(default=time.time, alias="clock", kw_only=True)
    # Oldest first: a dict keeps the order, and an id that was deleted comes back at the end.
    _rows: dict[str, _Row] = attrs.field(factory=dict, init=False)
    # The text of each document, once.
    _documents: dict[str, str] = attrs.field(factory=dict, init=False)
    _alive_until: dict[str, float] = attrs.field(factory=dict, init=False)
    _changes: Changes = attrs.field(factory=Changes, init=False)
    # The last request for an execution, and what wakes those who wait for one.
    _requests: dict[str, int] = attrs.field(factory=dict, init=False)
    _asked: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    async def commit(self, head: Head, events: Sequence[Event], *, owned: bool = True) -> None:
        """Append events and replace the head row, both or neither. See `Store.commit`."""
        await trio.lowlevel.checkpoint()
        self._append(head, events, encode_entries(head, events), owned)

    # Protected, as every write here: an interrupt must not leave half of it.
    @trio.lowlevel.enable_ki_protection
    def _append(self, head: Head, events: Sequence[Event], texts: list[str], owned: bool) -> None:
        expected = head.seq - len(texts)
        row = self._rows.get(head.id)
        found = row.head.seq if row is not None else 0
        if found != expected:
            raise Conflict(head.id, expected, found)
        if row is None:
            self._create(head, events[0], texts, owned)
        else:
            stored = row.head
            if owned and (stored.owner, stored.fence) != (head.owner, head.fence):
                raise Conflict(head.id, expected, found)
            due = head.due if owned else _earlier(stored.due, head.due)
            row.head = stored.moved(head.status, head.seq, due, head.ended)
            row.texts.extend(texts)
            if not owned:
                self._requests[head.id] = head.seq
                asked, self._asked = self._asked, trio.Event()
                asked.set()
        self._changes.notify(head.id)

    def _create(self, head: Head, first: Event, texts: list[str], owned: bool) -> None:
        digest = None
        labels = json.loads(encode_mapping(head.labels))
        if isinstance(first, ExecutionStarted):
            digest = first.digest
            if digest not in self._documents:
                self._documents[digest] = encode_mapping(first.document)
        head = attrs.evolve(head, labels=labels)
        if not owned:
            head = attrs.evolve(head, owner=None, fence=0)
        self._rows[head.id] = _Row(head, digest, list(texts))

    async def read(self, execution_id: str, after: int = 0) -> list[Event]:
        """Return the events with a seq above `after`, in order; empty if there are none."""
        await trio.lowlevel.checkpoint()
        row = self._rows.get(execution_id)
        if row is None:
            return []
        document = None
        if row.digest is not None and after < 1:
            document = json.loads(self._documents[row.digest])
        after = max(after, 0)
        return [
            decode(seq, text, document if seq == 1 else None)
            for seq, text in enumerate(row.texts[after:], start=after + 1)
        ]

    async def head(self, execution_id: str) -> Head | None:
        """Return the head row of an execution, or None."""
        await trio.lowlevel.checkpoint()
        row = self._rows.get(execution_id)
        return row.head if row is not None else None

    async def heads(
        self,
        *,
        status: str | Collection[str] | None = None,
        workflow: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Head]:
        """Return head rows, newest first; `before` is the id of the last one already seen.

        Raises `ExecutionNotFound` if `before` is not there (any more).
        """
        await trio.lowlevel.checkpoint()
        if before is not None and before not in self._rows:
            raise ExecutionNotFound(before)
        wanted = (status,) if isinstance(status, str) else status
        found: list[Head] = []
        rows = reversed(self._rows.values())
        if before is not None:
            next(row for row in rows if row.head.id == before)
        for row in rows:
            if len(found) >= limit:
                break
            head = row.head
            if wanted is not None and head.status not in wanted:
                continue
            if workflow is None or head.workflow == workflow:
                found.append(head)
        return found

    async def ended(self, status: str, *, limit: int = 100) -> list[Head]:
        """Return the head rows of executions that ended like this. See `Store.ended`."""
        await trio.lowlevel.checkpoint()
        found = [
            (head.ended, head)
            for head in (row.head for row in self._rows.values())
            if head.status == status and head.ended is not None and head.parent is None
        ]
        return [head for _, head in sorted(found, key=itemgetter(0))[:limit]]

    async def claim(
        self,
        owner: str,
        *,
        ttl: float,
        limit: int = 100,
        ids: Collection[str] | None = None,
    ) -> list[Head]:
        """Make `owner` the owner of open executions that are due. See `Store.claim`."""
        await trio.lowlevel.checkpoint()
        return self._claim(owner, ttl, limit, ids, self._clock())

    @trio.lowlevel.enable_ki_protection
    def _claim(
        self, owner: str, ttl: float, limit: int, ids: Collection[str] | None, now: float
    ) -> list[Head]:
        lapsed = {None} | {
            row.head.owner
            for row in self._rows.values()
            if self._alive_until.get(row.head.owner or "", now) <= now
        }
        roots: dict[str, None] = {}
        for row in self._rows.values():
            head = row.head
            if len(roots) >= limit:
                break
            wanted = (head.due is not None and head.due <= now) if ids is None else head.id in ids
            if wanted and head.status in OPEN and head.owner in lapsed:
                roots[self._root(head.id)] = None
        members = set(self._families(roots))
        claimed = []
        for row in self._rows.values():
            head = row.head
            if head.id in members and head.status in OPEN and head.owner in lapsed:
                row.head = attrs.evolve(head, owner=owner, fence=head.fence + 1)
                claimed.append(row.head)
        self._alive_until[owner] = now + ttl
        return claimed

    def _root(self, execution_id: str) -> str:
        parent = self._rows[execution_id].head.parent
        while parent is not None and parent in self._rows:
            execution_id = parent
            parent = self._rows[execution_id].head.parent
        return execution_id

    def _families(self, roots: Iterable[str]) -> Iterator[str]:
        children: dict[str, list[str]] = {}
        for row in self._rows.values():
            if row.head.parent is not None:
                children.setdefault(row.head.parent, []).append(row.head.id)
        waiting = list(roots)
        while waiting:
            member = waiting.pop()
            yield member
            waiting.extend(children.get(member, ()))

    async def renew(self, owner: str, *, ttl: float) -> None:
        """Say that `owner` is alive for another `ttl` seconds; 0 lets go of everything."""
        await trio.lowlevel.checkpoint()
        self._alive_until[owner] = self._clock() + ttl

    async def changed(self, execution_id: str, seq: int) -> None:
        """Return once the execution has more than `seq` events. Level-triggered."""
        await trio.lowlevel.checkpoint()
        while (row := self._rows.get(execution_id)) is None or row.head.seq <= seq:
            with self._changes.watching(execution_id, seq) as event:
                await event.wait()

    async def requested(self, seen: Mapping[str, int]) -> dict[str, int]:
        """Return the open executions with requests that are not seen. See `Store.requested`."""
        await trio.lowlevel.checkpoint()
        while True:
            found = {
                execution_id: seq
                for execution_id, seq in self._requests.items()
                if seq > seen.get(execution_id, 0) and self._rows[execution_id].head.status in OPEN
            }
            if found:
                return found
            await self._asked.wait()

    async def delete(self, execution_id: str) -> None:
        """Delete an execution that has ended, with its children. See `Store.delete`."""
        await trio.lowlevel.checkpoint()
        self._delete(execution_id)

    @trio.lowlevel.enable_ki_protection
    def _delete(self, execution_id: str) -> None:
        if execution_id not in self._rows:
            return
        family = list(self._families([execution_id]))
        for member in family:
            refuse_open(self._rows[member].head.id, self._rows[member].head.status)
        for member in family:
            del self._rows[member]
            self._requests.pop(member, None)
        used = {row.digest for row in self._rows.values()}
        self._documents = {
            digest: text for digest, text in self._documents.items() if digest in used
        }


def _earlier(stored: float | None, wanted: float | None) -> float | None:
    if stored is None or wanted is None:
        return wanted if stored is None else stored
    return min(stored, wanted)
