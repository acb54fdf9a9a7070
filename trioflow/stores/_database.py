# What is put into statements here are constants of ours, and names made from numbers.
# ruff: noqa: S608
"""The SQLite side of `SqliteStore`: plain functions that block, called from one thread at a time.

Reading and writing have a connection each, so that a reader never waits for a sync. Whatever is
written is an *operation*; a group of them is one transaction.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import attrs

from trioflow.errors import Conflict, ExecutionNotFound, InvalidRequest, StoreError, StoreUnusable
from trioflow.kernel._codec import decode
from trioflow.kernel._events import Event, ExecutionStarted
from trioflow.stores._entries import encode_mapping, refuse_open
from trioflow.stores._lock import FileLock, lock_file
from trioflow.stores._protocol import OPEN, Head
from trioflow.stores._schema import (
    VERSION,
    check_file,
    check_schema,
    check_sqlite,
    explain,
    is_busy,
    is_fatal,
    may_write,
    migrate,
)

# own: an engine's, with the lock. request: another process's, beside it. read: nothing is written.
Mode = Literal["own", "request", "read"]

# How long (seconds) to wait for another process that writes: its transactions are one request.
_BUSY_TIMEOUT = 10.0
# How long (seconds) to wait before looking again whether it has finished.
_BUSY_PAUSE = 0.005

_COLUMNS = "id, workflow, status, seq, labels, due, parent, owner, fence, created, ended"
_OPEN = ", ".join(f"'{status}'" for status in OPEN)
# Nobody holds it, or whoever did has not been heard of for longer than promised.
_CLAIMABLE = f"""
    status IN ({_OPEN}) AND (owner IS NULL OR NOT EXISTS (
        SELECT 1 FROM owners WHERE owners.owner = executions.owner AND alive_until > :now
    ))
"""

_CREATE = """
    INSERT INTO executions
        (id, workflow, status, seq, labels, due, parent, owner, fence, created, ended, document)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING
"""
# An ordinary step changes neither `status` nor `ended`, and SQLite rewrites the index of every
# column that a statement names, changed or not. So this is tried first, and mostly hits.
_ADVANCE = """
    UPDATE executions SET seq = ?, due = ?
    WHERE key = ? AND seq = ? AND owner IS ? AND fence = ? AND status = ? AND ended IS ?
"""
_REPLACE = """
    UPDATE executions SET seq = ?, due = ?, status = ?, ended = ?
    WHERE key = ? AND seq = ? AND owner IS ? AND fence = ?
"""
_REQUEST = """
    UPDATE executions
    SET seq = ?, due = min(coalesce(due, ?), coalesce(?, due)), status = ?, ended = ?
    WHERE key = ? AND seq = ?
"""
_EVENT = "INSERT INTO events (execution, seq, body) VALUES (?, ?, ?)"
_SEQ = "SELECT seq FROM executions WHERE id = ?"

# The root is the one whose parent is not there.
_ROOT = """
    WITH RECURSIVE up (key, parent) AS (
        SELECT key, parent FROM executions WHERE key = ?
        UNION
        SELECT executions.key, executions.parent FROM up JOIN executions ON id = up.parent
    )
    SELECT key FROM up WHERE parent IS NULL OR parent NOT IN (SELECT id FROM executions)
"""
# `:roots` is a JSON list of keys: a statement has only so many parameters.
_FAMILIES = """
    WITH RECURSIVE family (key, id) AS (
        SELECT key, id FROM executions WHERE key IN (SELECT value FROM json_each(:roots))
        UNION
        SELECT executions.key, executions.id FROM family JOIN executions ON parent = family.id
    )
"""
_READ = """
    SELECT events.seq, events.body, documents.body
    FROM executions
    JOIN events ON events.execution = executions.key
    LEFT JOIN documents ON documents.digest = executions.document AND events.seq = 1
    WHERE executions.id = ? AND events.seq > ?
    ORDER BY events.seq
"""


def _head(row: Sequence[Any]) -> Head:
    execution_id, workflow, status, seq, labels, *rest = row
    return Head(execution_id, workflow, status, seq, json.loads(labels), *rest)


# ---- operations ----


class Operation(Protocol):
    """Something to write. Refuses (`Conflict`, `InvalidRequest`) before it writes anything."""

    @property
    def rows(self) -> int:
        """About how many rows it writes."""
        ...

    def apply(self, writer: Writer) -> object:
        """Do it, within a transaction, and return the result for whoever asked."""
        ...


@attrs.define(eq=False)
class Append:
    """Append `texts` to the history of an execution, and replace its head."""

    head: Head
    texts: Sequence[str]
    owned: bool
    first: Event | None

    @property
    def rows(self) -> int:
        """Its events and the head."""
        return len(self.texts) + 1

    def apply(self, writer: Writer) -> None:
        """Raise `Conflict`, and write nothing, if the execution is not as the head says."""
        head = self.head
        expected = head.seq - len(self.texts)
        key = writer.key(head.id) if expected else self._create(writer)
        if key is None or (expected and not self._advance(writer, key, expected)):
            row = writer.execute(_SEQ, (head.id,)).fetchone()
            raise Conflict(head.id, expected, row[0] if row else 0)
        writer.execute_each(
            _EVENT, [(key, seq, text) for seq, text in enumerate(self.texts, start=expected + 1)]
        )
        if expected and not self.owned:
            writer.execute("INSERT OR REPLACE INTO requests VALUES (?, ?)", (key, head.seq))
        if head.ended is not None:
            writer.forget(head.id)

    def _advance(self, writer: Writer, key: int, expected: int) -> bool:
        head = self.head
        state = (head.status, head.ended)
        if not self.owned:
            values = (head.seq, head.due, head.due, *state, key, expected)
            return writer.execute(_REQUEST, values).rowcount > 0
        place = (key, expected, head.owner, head.fence)
        return (
            writer.execute(_ADVANCE, (head.seq, head.due, *place, *state)).rowcount == 1
            or writer.execute(_REPLACE, (head.seq, head.due, *state, *place)).rowcount == 1
        )

    def _create(self, writer: Writer) -> int | None:
        head = self.head
        first = self.first
        digest = first.digest if isinstance(first, ExecutionStarted) else None
        # A request makes nobody the owner.
        owner, fence = (head.owner, head.fence) if self.owned else (None, 0)
        created = writer.execute(
            _CREATE,
            (
                *(head.id, head.workflow, head.status, head.seq, encode_mapping(head.labels)),
                *(head.due, head.parent, owner, fence, head.created, head.ended, digest),
            ),
        )
        if created.rowcount != 1:
            return None
        key = created.lastrowid
        if isinstance(first, ExecutionStarted):
            writer.keep_document(first.digest, first.document)
        return key


@attrs.define(eq=False)
class Claim:
    """Make `owner` the owner of what is due, or of `ids`, as far as nobody alive holds it."""

    owner: str
    alive_until: float
    now: float
    limit: int
    ids: Collection[str] | None

    rows: int = attrs.field(default=1, init=False)

    def apply(self, writer: Writer) -> list[Head]:
        """Return the heads of all that were claimed, oldest first."""
        claimed = writer.execute(
            f"""
            {_FAMILIES} UPDATE executions SET owner = :owner, fence = fence + 1
            WHERE key IN (SELECT key FROM family) AND {_CLAIMABLE}
            RETURNING key, {_COLUMNS}
            """,
            {"roots": json.dumps(self._roots(writer)), "owner": self.owner, "now": self.now},
        ).fetchall()
        Renew(self.owner, self.alive_until).apply(writer)
        return [_head(row[1:]) for row in sorted(claimed)]

    def _roots(self, writer: Writer) -> list[int]:
        condition, ids = "due <= :now", "[]"
        if self.ids is not None:
            condition, ids = "id IN (SELECT value FROM json_each(:ids))", json.dumps([*self.ids])
        found = writer.execute(
            f"""
            SELECT key, parent FROM executions WHERE {condition} AND {_CLAIMABLE} ORDER BY key
            """,
            {"ids": ids, "now": self.now},
        ).fetchall()
        roots: dict[int, None] = {}
        for key, parent in found:
            if len(roots) >= self.limit:
                break
            if parent is None:
                roots[key] = None
            else:
                roots.update((root, None) for (root,) in writer.execute(_ROOT, (key,)).fetchall())
        return list(roots)


@attrs.define(eq=False)
class Renew:
    """Keep what an owner holds until this instant."""

    owner: str
    alive_until: float

    rows: int = attrs.field(default=1, init=False)

    def apply(self, writer: Writer) -> None:
        """Replace the owner's row."""
        writer.execute(
            "INSERT OR REPLACE INTO owners (owner, alive_until) VALUES (?, ?)",
            (self.owner, self.alive_until),
        )


@attrs.define(eq=False)
class Delete:
    """Delete an execution with its children, their events, and documents of nobody else."""

    execution_id: str

    rows: int = attrs.field(default=1, init=False)

    def apply(self, writer: Writer) -> None:
        """Raise `InvalidRequest`, and write nothing, if one of them is open."""
        root = writer.key(self.execution_id)
        if root is None:
            return
        family = writer.execute(
            f"""
            {_FAMILIES} SELECT key, id, status, document FROM executions
            WHERE key IN (SELECT key FROM family)
            """,
            {"roots": json.dumps([root])},
        ).fetchall()
        for _, execution_id, status, _ in family:
            refuse_open(execution_id, status)
        for key, execution_id, *_ in family:
            writer.forget(execution_id)
            writer.execute("DELETE FROM events WHERE execution = ?", (key,))
            writer.execute("DELETE FROM requests WHERE execution = ?", (key,))
            writer.execute("DELETE FROM executions WHERE key = ?", (key,))
        for digest in {document for *_, document in family if document is not None}:
            writer.drop_document(digest)


@attrs.define(eq=False)
class Barrier:
    """Nothing: when it is done, everything that was asked for earlier is done."""

    rows: int = attrs.field(default=1, init=False)

    def apply(self, writer: Writer) -> None:
        """Do nothing."""


# ---- the writing connection ----


@attrs.define(eq=False)
class Writer:
    """The connection that writes, and what it knows."""

    path: str
    _connection: sqlite3.Connection
    # Nobody else writes to the file, except for requests, which delete nothing.
    _alone: bool
    # After an error that leaves it open what is in the file: nothing is done any more.
    broken: StoreError | None = attrs.field(default=None, init=False)
    # Digests of documents that are certainly stored, so that none is encoded a second time. This
    # and `_keys` hold for one transaction only if we are not alone.
    _documents: set[str] = attrs.field(factory=set, init=False)
    # Keys by id of open executions: looking one up costs as much as writing the event.
    _keys: dict[str, int] = attrs.field(factory=dict, init=False)
    _cursor: sqlite3.Cursor = attrs.field(init=False)
    # Whether the next transaction has been begun already.
    _begun: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._cursor = self._connection.cursor()

    def execute(
        self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> sqlite3.Cursor:
        """Execute one statement, for an operation. The next one ends it."""
        return self._cursor.execute(statement, values)

    def execute_each(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute one statement for each row of values."""
        self._cursor.executemany(statement, rows)

    def key(self, execution_id: str) -> int | None:
        """Return the key of an execution."""
        key = self._keys.get(execution_id)
        if key is None:
            query = "SELECT key FROM executions WHERE id = ?"
            for (found,) in self.execute(query, (execution_id,)).fetchall():
                key = self._keys[execution_id] = int(found)
        return key

    def forget(self, execution_id: str) -> None:
        """Forget the key of an execution that has ended, or goes."""
        self._keys.pop(execution_id, None)

    def keep_document(self, digest: str, document: Mapping[str, Any]) -> None:
        """Store a document, if it is not there yet."""
        if digest in self._documents:
            return
        self.execute(
            "INSERT OR IGNORE INTO documents (digest, body) VALUES (?, ?)",
            (digest, encode_mapping(document)),
        )
        self._documents.add(digest)

    def drop_document(self, digest: str) -> None:
        """Delete a document that no execution has any more."""
        self.execute(
            """
            DELETE FROM documents WHERE digest = :digest
            AND NOT EXISTS (SELECT 1 FROM executions WHERE document = :digest)
            """,
            {"digest": digest},
        )
        self._documents.discard(digest)

    def begin_at_once(self) -> bool:
        """Begin the transaction of the next `write`, unless somebody else writes. Never waits."""
        if self.broken is not None:
            return False
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            # `write` will see it for itself, and say so.
            return False
        self._begun = True
        return True

    def _begin(self) -> None:
        """Begin a transaction, as soon as nobody else writes.

        The connection of an engine does not wait by itself: it would do so on the spot, too.
        """
        until = time.monotonic() + _BUSY_TIMEOUT
        while True:
            try:
                self._cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() >= until:
                    raise
            else:
                return
            time.sleep(_BUSY_PAUSE)

    def write(self, operations: Sequence[Operation]) -> Sequence[object]:
        """Do all operations in one transaction; return a result, or an error, for each.

        If one of them spoils the transaction, each gets one of its own: nobody fails because
        of a neighbour.
        """
        if self.broken is not None:
            return [self.refusal() for _ in operations]
        try:
            return self._transaction(operations)
        except Exception as error:  # noqa: BLE001 - it is returned, to whom it belongs
            if isinstance(error, sqlite3.Error) and is_fatal(error) and self.broken is None:
                self.broken = explain(error, self.path)
            if self.broken is None and not is_busy(error) and len(operations) > 1:
                return [self.write([operation])[0] for operation in operations]
            return [self._explained(error) for _ in operations]
        except BaseException:
            # An interrupt that is not trio's: it can have come anywhere.
            self.broken = StoreError(f"writing to the store {self.path!r} was interrupted")
            raise

    def _transaction(self, operations: Sequence[Operation]) -> list[object]:
        results: list[object] = []
        if not self._begun:
            self._begin()
        self._begun = False
        try:
            for operation in operations:
                try:
                    results.append(operation.apply(self))
                except (Conflict, InvalidRequest) as refusal:
                    results.append(refusal)
        except BaseException:
            self._roll_back()
            raise
        try:
            self._cursor.execute("COMMIT")
        except sqlite3.Error as error:
            # Whatever it is, the group may be in the file, or appear there after a recovery.
            self.broken = explain(error, self.path)
            self._roll_back()
            raise
        if not self._alone:
            self._forget_everything()
        return results

    def _forget_everything(self) -> None:
        self._documents.clear()
        self._keys.clear()

    def _roll_back(self) -> None:
        self._forget_everything()
        # Some errors have rolled back already.
        with suppress(sqlite3.Error):
            self._cursor.execute("ROLLBACK")

    def _explained(self, error: Exception) -> Exception:
        return explain(error, self.path) if isinstance(error, sqlite3.Error) else error

    def refusal(self) -> StoreError:
        """Return what to raise instead of doing anything, once the store is broken."""
        cause = self.broken or StoreError(f"the store {self.path!r} is closed")
        found = type(cause)(f"{cause}; the store refuses everything until it is reopened")
        found.__cause__ = cause
        return found


# ---- the reading connection ----


@attrs.define(eq=False)
class Reader:
    """The connection that reads. Every method is one statement, so it sees one state."""

    path: str
    _connection: sqlite3.Connection
    # Of the last look at what others have committed.
    _data_version: int = attrs.field(default=-1, init=False)

    def read(self, execution_id: str, after: int) -> list[Event]:
        """Return the events with a seq above `after`."""
        # All of them before any is decoded: an error must not leave the statement, and with it a
        # state of the file, open.
        rows = self._connection.execute(_READ, (execution_id, after)).fetchall()
        return [
            decode(seq, text, json.loads(document) if document is not None else None)
            for seq, text, document in rows
        ]

    def seq(self, execution_id: str) -> int:
        """Return the number of events of an execution, 0 if there is none."""
        row = self._connection.execute(_SEQ, (execution_id,)).fetchone()
        return row[0] if row else 0

    def head(self, execution_id: str) -> Head | None:
        """Return the head of an execution."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM executions WHERE id = ?", (execution_id,)
        ).fetchone()
        return _head(row) if row else None

    def heads(
        self,
        status: Collection[str] | None,
        workflow: str | None,
        before: str | None,
        limit: int,
    ) -> list[Head]:
        """Return a page of heads, newest first."""
        conditions = ["TRUE"]
        if workflow is not None:
            conditions.append("workflow = :workflow")
        if before is not None:
            conditions.append("key < (SELECT key FROM executions WHERE id = :before)")
        condition = " AND ".join(conditions)
        values = {"workflow": workflow, "before": before, "limit": limit}
        source = "executions"
        if status is not None:
            # One part for each status, which reads no more than a page from the index. With
            # `status IN (...)` SQLite would sort all of them.
            names = {f"status{place}": name for place, name in enumerate(status)}
            values.update(names)
            parts = [
                f"""
                SELECT * FROM (
                    SELECT * FROM executions WHERE {condition} AND status = :{name}
                    ORDER BY key DESC LIMIT :limit
                )
                """
                for name in names
            ]
            source = f"({' UNION ALL '.join(parts or ['SELECT * FROM executions WHERE FALSE'])})"
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM {source} WHERE {condition} ORDER BY key DESC LIMIT :limit",
            values,
        ).fetchall()
        if not rows and before is not None and self.head(before) is None:
            raise ExecutionNotFound(before)
        return [_head(row) for row in rows]

    def ended(self, status: str, limit: int) -> list[Head]:
        """Return the heads of executions without a parent that ended like this, oldest end first.

        The index has them in this order.
        """
        rows = self._connection.execute(
            f"""
            SELECT {_COLUMNS} FROM executions
            WHERE status = ? AND ended IS NOT NULL AND parent IS NULL
            ORDER BY ended, key LIMIT ?
            """,
            (status, limit),
        ).fetchall()
        return [_head(row) for row in rows]

    def requested(self, seen: Mapping[str, int]) -> dict[str, int]:
        """Return the open executions with a request that is newer than what was seen."""
        rows = self._connection.execute(
            f"""
            SELECT id, requests.seq FROM requests
            JOIN executions ON executions.key = requests.execution WHERE status IN ({_OPEN})
            """
        ).fetchall()
        return {execution_id: seq for execution_id, seq in rows if seq > seen.get(execution_id, 0)}

    def grown(self, wanted: Mapping[str, int]) -> list[str]:
        """Return those executions that have more events than given.

        Costs next to nothing when nobody has committed since the last call.
        """
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._data_version:
            return []
        self._data_version = version
        return [
            execution_id for execution_id, seq in wanted.items() if self.seq(execution_id) > seq
        ]


# ---- opening and closing ----


@attrs.define(eq=False)
class Database:
    """An open store file."""

    writer: Writer
    reader: Reader
    _connections: Sequence[sqlite3.Connection]
    _lock: FileLock | None

    @classmethod
    def open(cls, path: str, mode: Mode, durability: str) -> Self:
        """Open the file at this absolute path, or ``:memory:``.

        Raises `StoreLocked`, `StoreUnusable` or `StoreCorrupt`, and leaves nothing open.
        """
        check_sqlite()
        if path == ":memory:":
            connection = _connect(path, uri=False)
            migrate(connection, 0)
            return cls(Writer(path, connection, True), Reader(path, connection), [connection], None)
        check_file(Path(path), create=mode == "own", write=mode != "read")
        with ExitStack() as stack:
            lock = None
            if mode == "own":
                lock = lock_file(Path(path))
                # What proves to be no store needs no lock file either.
                stack.callback(lock.release, remove=lock.created)
            try:
                # The reader is closed first: the last connection of all tidies up the log, and
                # a reader may not be allowed to.
                writing = stack.enter_context(closing(_open(path, mode, durability)))
                reading = stack.enter_context(closing(_open(path, "read", durability)))
            except sqlite3.Error as error:
                raise explain(error, path) from error
            stack.pop_all()
        writer = Writer(path, writing, mode == "own")
        return cls(writer, Reader(path, reading), [reading, writing], lock)

    def close(self) -> None:
        """Close the file. What was committed is in it, whatever closing says."""
        for connection in self._connections:
            with suppress(sqlite3.Error):
                connection.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _connect(target: str, *, uri: bool = True) -> sqlite3.Connection:
    # No isolation level: the module begins no transactions of its own. Threads take turns.
    return sqlite3.connect(
        target, uri=uri, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
    )


def _open(path: str, mode: Mode, durability: str) -> sqlite3.Connection:
    if mode == "own":
        # Before SQLite does, which would let everybody read it. Its other files take after it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with ExitStack() as stack:
        connection = stack.enter_context(closing(_connect_file(path, mode)))
        # Views and triggers of a file from elsewhere run no functions with effects.
        connection.execute("PRAGMA trusted_schema = OFF")
        version = check_schema(connection, path)
        if mode == "own":
            migrate(connection, version)
            (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if journal != "wal":
                raise StoreUnusable(f"can't use {path!r} as a store: this place allows no WAL")
            # Whoever had it open has gone, as the lock says, so nobody's lease is in force.
            connection.execute("DELETE FROM owners")
        elif version != VERSION:
            raise StoreUnusable(
                f"the store {path!r} has format {version}, this version needs {VERSION}; "
                f"open it with an engine once to upgrade it"
            )
        if mode == "own":
            connection.execute("PRAGMA busy_timeout = 0")
        if mode != "read":
            connection.execute(f"PRAGMA synchronous = {durability}")
            # On macOS an ordinary sync does not reach the disk; elsewhere this means nothing.
            connection.execute(f"PRAGMA fullfsync = {int(durability == 'full')}")
        else:
            connection.execute("PRAGMA query_only = ON")
        stack.pop_all()
    return connection


def _connect_file(path: str, mode: Mode) -> sqlite3.Connection:
    address = Path(path).as_uri()
    if mode != "read" or (may_write(Path(path)) and may_write(Path(path).parent)):
        # A reader, too: WAL needs a file of shared memory, which the last to leave removes.
        return _connect(f"{address}?mode=rw")
    if Path(f"{path}-wal").exists():
        return _connect(f"{address}?mode=ro")
    # Nobody has it open, and nobody can while we may not write beside it.
    return _connect(f"{address}?mode=ro&immutable=1")
