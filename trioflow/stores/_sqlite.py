"""A store in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from operator import methodcaller
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import attrs
import trio

from trioflow.errors import InvalidRequest, StoreError, StoreUnusable
from trioflow.kernel._events import Event
from trioflow.stores._changes import Changes
from trioflow.stores._database import (
    Append,
    Barrier,
    Claim,
    Database,
    Delete,
    Mode,
    Operation,
    Reader,
    Renew,
)
from trioflow.stores._entries import encode_entries
from trioflow.stores._group_commit import GroupCommit, Writing
from trioflow.stores._protocol import Head
from trioflow.stores._schema import explain
from trioflow.stores._threads import Pace, run_in_thread

T = TypeVar("T")

# How often (seconds) to look whether another process has committed, while somebody waits for it:
# a request is noticed before a person wonders, and a look takes 0.1 ms.
POLL_INTERVAL = 0.25

# A history of so many events is read on the spot, which takes about half a millisecond.
SMALL_READ = 50

# Calls the function, and returns what it returns when it has ended, not before.
RunSync = Callable[[Callable[[], Any]], Awaitable[Any]]


async def run_inline(function: Callable[[], T]) -> T:
    """Call the function here and now, for `run_sync`: no thread, and no time passes.

    For virtual clocks, which jump while a thread works. A wait for the disk stops the program.
    """
    await trio.lowlevel.checkpoint()
    return function()


def _as_text(path: str | os.PathLike[str]) -> str:
    return os.fspath(path)


@attrs.define(eq=False)
class SqliteStore:
    """Keeps executions in one SQLite file, and what is committed survives the machine.

    `path` is created if need be (its directory is not), readable by its owner only; an empty
    file will do. ``":memory:"`` makes a store that is gone when it is closed. One engine at a
    time may have a file open (`StoreLocked`). Beside it, any number of other processes may look
    with `read_only`, or look and make requests (``commit(..., owned=False)``) with
    `requests_only`; these create nothing.

    `durability` is ``"full"``, or ``"normal"``: faster, and after a power loss (not after a crash
    of the program) the last commits may be missing; what is there is what was there at some
    earlier instant. `clock` tells the time of leases and of `due`, in seconds since the epoch.
    `run_sync` calls a function that blocks and returns when it has ended. By default that is in a
    thread, but for writes while the disk is quick (about a millisecond), which are waited for on
    the spot: that costs less than a thread. In memory everything is done at once (`run_inline`).

    **Opening and closing.** Entering opens the file, leaving closes it. It may be entered again
    while it is open, by an engine for instance: the last to leave closes it. It raises
    `StoreLocked`, `StoreUnusable` or `StoreCorrupt`, and then has changed nothing.

    **Cancelling** a `commit`, `claim`, `renew` or `delete` that has reached the disk does nothing:
    it ends, and returns. If it raises `trio.Cancelled`, it has certainly not happened.

    **Errors.** After an error of the disk the store refuses everything until it is reopened.
    """

    path: str = attrs.field(converter=_as_text)
    _durability: str = attrs.field(
        default="full",
        alias="durability",
        kw_only=True,
        validator=attrs.validators.in_(("full", "normal")),
    )
    _clock: Callable[[], float] = attrs.field(default=time.time, alias="clock", kw_only=True)
    _run_sync: RunSync | None = attrs.field(default=None, alias="run_sync", kw_only=True)
    _read_only: bool = attrs.field(default=False, alias="read_only", kw_only=True)
    _requests_only: bool = attrs.field(default=False, alias="requests_only", kw_only=True)
    # Absolute: the working directory may change before the store is opened again.
    _target: str = attrs.field(init=False)
    _mode: Mode = attrs.field(init=False)
    _run: RunSync = attrs.field(init=False)
    # None where nobody else can commit, and where a virtual clock may be: it would spin.
    _poll_interval: float | None = attrs.field(init=False)
    _polling: bool = attrs.field(default=False, init=False)
    # For a file of our own, unless it was said how functions are to be called.
    _pace: Pace | None = attrs.field(init=False)
    _read_pace: Pace | None = attrs.field(init=False)
    _database: Database | None = attrs.field(default=None, init=False)
    # Made anew, together with `_database`.
    _group: GroupCommit[Operation, object] = attrs.field(init=False)
    # One reads at a time, as there is one connection.
    _reading: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    # Held while the file is being opened or closed.
    _opening: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _entered: int = attrs.field(default=0, init=False)
    _changes: Changes = attrs.field(factory=Changes, init=False)
    # Set by requests that come through this very store.
    _asked: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        in_memory = self.path == ":memory:"
        if not self.path:
            raise InvalidRequest("a store needs the path of its file, or ':memory:'")
        beside = self._read_only or self._requests_only
        if (self._read_only and self._requests_only) or (in_memory and beside):
            raise InvalidRequest(
                "read_only and requests_only are two ways to open a file beside its engine; "
                "choose one of them, and give the path of the file"
            )
        self._target = self.path if in_memory else os.path.realpath(self.path)
        self._run = self._run_sync or (run_inline if in_memory else run_in_thread)
        own_file = self._run_sync is None and not (in_memory or beside)
        self._pace = Pace() if own_file else None
        self._read_pace = Pace() if own_file else None
        self._mode = "read" if self._read_only else "request" if self._requests_only else "own"
        self._poll_interval = None if self._run is run_inline else POLL_INTERVAL

    # Protected: an interrupt must not lose a file that was opened, nor leave it half closed.
    @trio.lowlevel.enable_ki_protection
    async def __aenter__(self) -> Self:
        async with self._opening:
            if not self._entered:
                database: Database = await self._run(
                    partial(Database.open, self._target, self._mode, self._durability)
                )
                self._database = database
                self._group = GroupCommit(database.writer.write, self._run_write)
            self._entered += 1
        return self

    @trio.lowlevel.enable_ki_protection
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered -= 1
        database = self._database
        if self._entered or database is None:
            return
        self._database = None
        self._changes.notify_all()
        try:
            with trio.CancelScope(shield=True):
                async with self._opening:
                    # Nobody gets in any more; those who are in are waited for.
                    with suppress(StoreError):
                        await self._group.submit(Barrier())
                    async with self._reading:
                        await self._run(database.close)
        finally:
            # In the main task a KeyboardInterrupt passes the shield. Closing twice is nothing.
            database.close()

    async def commit(self, head: Head, events: Sequence[Event], *, owned: bool = True) -> None:
        """Append events and replace the head row, both or neither. See `Store.commit`.

        Of the head, only `status`, `seq`, `due` and `ended` are replaced; the rest stays as it was
        when the execution was created.
        """
        group = self._writable("own" if owned else "request")
        append = Append(head, encode_entries(head, events), owned, events[0] if events else None)
        try:
            await group.submit(append)
        finally:
            self._notify(head.id)
            if not owned:
                asked, self._asked = self._asked, trio.Event()
                asked.set()

    def _run_write(self, write: Writing[Operation, object]) -> Awaitable[None] | None:
        pace, database = self._pace, self._database
        if pace is None or database is None or not pace.is_quick():
            return self._run(write)
        if not database.writer.begin_at_once():
            # Another process writes a request. In a thread, it can be waited for.
            return self._run(write)
        started = time.perf_counter()
        write()
        rows = sum(operation.rows for operation in write.items)
        pace.note(time.perf_counter() - started, rows)
        return None

    # Protected: whoever waits for the change would miss it for good.
    @trio.lowlevel.enable_ki_protection
    def _notify(self, execution_id: str) -> None:
        if self._database is None or self._database.writer.broken is not None:
            self._changes.notify_all()
        else:
            self._changes.notify(execution_id)

    async def read(self, execution_id: str, after: int = 0) -> list[Event]:
        """Return the events with a seq above `after`, in order; empty if there are none."""

        def is_small(reader: Reader) -> bool:
            return reader.seq(execution_id) - after <= SMALL_READ

        return await self._read(lambda reader: reader.read(execution_id, after), is_small)

    async def head(self, execution_id: str) -> Head | None:
        """Return the head row of an execution, or None."""
        return await self._read(lambda reader: reader.head(execution_id), lambda reader: True)

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
        statuses = (status,) if isinstance(status, str) else status and set(status)
        return await self._read(lambda reader: reader.heads(statuses, workflow, before, limit))

    async def ended(self, status: str, *, limit: int = 100) -> list[Head]:
        """Return the head rows of executions that ended like this. See `Store.ended`."""
        return await self._read(lambda reader: reader.ended(status, limit))

    async def claim(
        self,
        owner: str,
        *,
        ttl: float,
        limit: int = 100,
        ids: Collection[str] | None = None,
    ) -> list[Head]:
        """Make `owner` the owner of open executions that are due. See `Store.claim`.

        An execution is claimed with its whole family: the execution that started it and all
        that these have started. `limit` counts families.
        """
        now = self._clock()
        claim = Claim(owner, now + ttl, now, limit, ids)
        return cast("list[Head]", await self._writable("own").submit(claim))

    async def renew(self, owner: str, *, ttl: float) -> None:
        """Say that `owner` is alive for another `ttl` seconds; 0 lets go of everything."""
        await self._writable("own").submit(Renew(owner, self._clock() + ttl))

    async def delete(self, execution_id: str) -> None:
        """Delete an execution that has ended, with its children. See `Store.delete`."""
        await self._writable("own").submit(Delete(execution_id))

    # Protected: whoever looks for the others must not stop without a successor.
    @trio.lowlevel.enable_ki_protection
    async def changed(self, execution_id: str, seq: int) -> None:
        """Return once the execution has more than `seq` events. Level-triggered.

        Commits through this store are noticed at once, those of other processes within 0.25
        seconds. Raises `StoreUnusable` if the store is closed meanwhile.
        """
        try:
            while True:
                with self._changes.watching(execution_id, seq) as grown:
                    if await self._read(lambda reader: reader.seq(execution_id)) > seq:
                        return
                    if self._poll_interval is None or self._polling:
                        await grown.wait()
                    else:
                        await self._poll(grown, self._poll_interval)
        finally:
            # Who leaves may have been the one who looks, or woken in order to become it.
            if self._poll_interval is not None and not self._polling:
                self._changes.notify_some()

    async def requested(self, seen: Mapping[str, int]) -> dict[str, int]:
        """Return the open executions with requests that are not seen. See `Store.requested`.

        Those of other processes are noticed within 0.25 seconds.
        """
        while True:
            asked = self._asked
            found = await self._read(lambda reader: reader.requested(seen))
            if found:
                return found
            with trio.move_on_after(self._poll_interval or float("inf")):
                await asked.wait()

    async def _poll(self, grown: trio.Event, interval: float) -> None:
        """Look for everybody what others have committed, until our own event is set."""
        self._polling = True
        try:
            while not grown.is_set():
                with trio.move_on_after(interval):
                    await grown.wait()
                    break
                look = methodcaller("grown", self._changes.wanted())
                for changed in await self._read(look):
                    self._changes.notify(changed)
        finally:
            self._polling = False

    def _writable(self, mode: Mode) -> GroupCommit[Operation, object]:
        self._opened()
        if self._mode not in ("own", mode):
            allowed = "read-only" if self._mode == "read" else "for requests only"
            raise InvalidRequest(
                f"can't write this to the store {self.path!r}: it is open {allowed}; "
                f"the rest is for the engine that owns the file"
            )
        return self._group

    def _opened(self) -> Database:
        if self._database is None:
            raise StoreUnusable(f"the store {self.path!r} is not open; use it inside `async with`")
        if self._database.writer.broken is not None:
            raise self._database.writer.refusal()
        return self._database

    async def _read(
        self, look: Callable[[Reader], T], is_small: Callable[[Reader], bool] | None = None
    ) -> T:
        """Look something up: on the spot if it is small, and the disk quick, else in a thread."""
        async with self._reading:
            reader = self._opened().reader
            pace = self._read_pace
            try:
                if pace is not None and is_small is not None and pace.is_quick():
                    started = time.perf_counter()
                    if is_small(reader):
                        seen = look(reader)
                        pace.note(time.perf_counter() - started, 1)
                        return seen
                found: T = await self._run(partial(look, reader))
            except sqlite3.Error as error:
                raise explain(error, self.path) from error
        return found
