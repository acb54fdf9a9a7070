"""What a store file looks like, and how to tell one from other files."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from trioflow.errors import StoreCorrupt, StoreError, StoreUnusable

# "tflw", in the header of every store file.
APPLICATION_ID = 0x74666C77

# Below that there is no RETURNING.
_OLDEST_SQLITE = (3, 35)

# MIGRATIONS[n] brings a file from version n to n + 1, in one transaction, statement by statement:
# `executescript` would commit behind our back. Never change one that has been released.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # `key` is the order of creation.
        """
        CREATE TABLE executions (
            key INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            seq INTEGER NOT NULL,
            due REAL,
            fence INTEGER NOT NULL,
            owner TEXT,
            status TEXT NOT NULL,
            workflow TEXT NOT NULL,
            created REAL NOT NULL,
            ended REAL,
            parent TEXT,
            document TEXT,
            labels TEXT NOT NULL
        )
        """,
        # These serve listing, newest first, because an index ends with the key. None of their
        # columns is written by the commit of an ordinary step, which would pay for each of them.
        "CREATE INDEX executions_by_status ON executions (status)",
        "CREATE INDEX executions_by_workflow ON executions (workflow)",
        "CREATE INDEX executions_by_parent ON executions (parent) WHERE parent IS NOT NULL",
        "CREATE INDEX executions_by_document ON executions (document)",
        # For retention: what ended first. An execution gets into it when it ends.
        """
        CREATE INDEX executions_by_end ON executions (status, ended)
        WHERE ended IS NOT NULL AND parent IS NULL
        """,
        # With a rowid, so that events are appended at the end of the table wherever they belong;
        # WITHOUT ROWID would put the long bodies of all executions into one tree by key.
        """
        CREATE TABLE events (
            execution INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            body TEXT NOT NULL,
            UNIQUE (execution, seq)
        )
        """,
        "CREATE TABLE documents (digest TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
        # The last request from outside for an execution: what its owner has to look at.
        "CREATE TABLE requests (execution INTEGER PRIMARY KEY, seq INTEGER NOT NULL)",
        "CREATE TABLE owners (owner TEXT PRIMARY KEY, alive_until REAL NOT NULL) WITHOUT ROWID",
    ),
)
VERSION = len(MIGRATIONS)

_MAGIC = b"SQLite format 3\0"

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNUSABLE = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
}
# The disk, the file or the memory is to blame, not what was to be written: whoever tries again
# would not learn what became of the first try.
_FATAL = (
    _CORRUPT
    | _UNUSABLE
    | {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
    }
)


def _primary_code(error: sqlite3.Error) -> int:
    # The upper bytes of an extended code say more precisely what happened. Errors of the module
    # itself have no code.
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_fatal(error: sqlite3.Error) -> bool:
    """Whether the store cannot go on after this error."""
    return _primary_code(error) in _FATAL


def is_busy(error: Exception) -> bool:
    """Whether another program kept the file for itself for too long."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) == sqlite3.SQLITE_BUSY


def explain(error: sqlite3.Error, path: str) -> StoreError:
    """Return what to raise for an error of SQLite."""
    code = _primary_code(error)
    what = f"{error} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
    found: StoreError
    if code in _CORRUPT:
        found = StoreCorrupt(
            f"the store {path!r} is damaged: {what}; restore it from a backup, or save what can be "
            f"saved with the `.recover` command of the sqlite3 shell"
        )
    elif code in _UNUSABLE:
        found = StoreUnusable(f"can't use the store {path!r}: {what}")
    elif is_busy(error):
        found = StoreError(
            f"the store {path!r} is busy: another program has been writing to it for too long"
        )
    else:
        found = StoreError(f"the store {path!r} failed: {what}")
    found.__cause__ = error
    return found


def check_sqlite() -> None:
    """Raise `StoreUnusable` if Python's SQLite is too old."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreUnusable(
            f"this Python has SQLite {sqlite3.sqlite_version}, and a store needs "
            f"{'.'.join(map(str, _OLDEST_SQLITE))} or later"
        )


def may_write(path: Path) -> bool:
    """Whether this process may write to a file, or make files in a directory."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def check_file(path: Path, *, create: bool, write: bool) -> None:
    """Raise `StoreUnusable` for what can be seen to be no store without opening it.

    SQLite would recover, and so write to, a file that is not ours.
    """
    refused = f"can't use {str(path)!r} as a store"
    if not path.parent.is_dir():
        raise StoreUnusable(
            f"{refused}: there is no directory {str(path.parent)!r}; create it first"
        )
    if path.is_dir():
        raise StoreUnusable(f"{refused}: it is a directory, not a file")
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        if create:
            return
        raise StoreUnusable(f"there is no store {str(path)!r}") from None
    except OSError as error:
        raise StoreUnusable(f"can't read the store {str(path)!r}: {error.strerror}") from error
    if write and not may_write(path):
        raise StoreUnusable(f"{refused}: the file is read-only")
    if not header and create:
        return
    if not header.startswith(_MAGIC):
        what = "it is not an SQLite database" if header else "it is empty"
        raise StoreUnusable(f"{refused}: {what}")
    if int.from_bytes(header[68:72], "big") not in (0, APPLICATION_ID):
        raise _foreign(str(path))


def check_schema(connection: sqlite3.Connection, path: str) -> int:
    """Return the version of an open database, 0 if it is empty.

    Raises `StoreUnusable` for one of another program or a newer version, `StoreCorrupt` if tables
    are missing.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    if application != APPLICATION_ID:
        if application or version or tables:
            raise _foreign(path)
        return 0
    if version > VERSION:
        raise StoreUnusable(
            f"the store {path!r} was written by a newer version (format {version}, this one "
            f"knows up to {VERSION}); upgrade to open it"
        )
    missing = {"executions", "events", "documents", "owners"} - tables
    if missing:
        raise StoreCorrupt(f"the store {path!r} is damaged: it has no table {min(missing)!r}")
    return int(version)


def _foreign(path: str) -> StoreUnusable:
    return StoreUnusable(
        f"can't use {path!r} as a store: it is an SQLite database of another program; "
        f"choose another file"
    )


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the database from `version` to `VERSION`, completely or not at all."""
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        for migration in MIGRATIONS[version:]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
