"""What is particular to SQLite and to files: opening, locking, beside each other, damage."""

import errno
import itertools
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from trioflow.errors import (
    Conflict,
    InvalidRequest,
    StoreCorrupt,
    StoreError,
    StoreLocked,
    StoreUnusable,
)
from trioflow.kernel._events import CancelRequested
from trioflow.stores import Head, MemoryStore, SqliteStore, _lock, _schema, open_store, run_inline
from trioflow.stores import _database as database_module
from trioflow.stores import _sqlite as sqlite_module
from trioflow.stores._database import _ADVANCE, Database
from trioflow.stores._threads import QUICK, QUICK_EACH, Pace, run_in_thread

FILES = ("store.db", "store.db-lock", "store.db-shm", "store.db-wal")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@contextmanager
def _raw(path):
    """The file as any other program sees it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


async def _make(path, writing_to):
    """A closed store with one execution, x."""
    async with SqliteStore(path, run_sync=run_inline) as store:
        return await writing_to(store).start()


async def _refused(store, error, match):
    with pytest.raises(error, match=match) as caught:
        await store.__aenter__()
    return caught.value


# ---- opening ----


async def test_it_is_there_when_opened_again(path, writing_to):
    async with SqliteStore(path) as store:
        head = await writing_to(store).grow(await writing_to(store).start())
        history = await store.read("x")
    async with SqliteStore(path) as store:
        assert head == await store.head("x")
        assert history == await store.read("x")
        await writing_to(store).grow(head)


async def test_the_same_object_can_be_opened_again(path, writing_to, monkeypatch):
    monkeypatch.chdir(path.parent)
    store = SqliteStore(path.name)
    async with store:
        head = await writing_to(store).start()
    monkeypatch.chdir("/")
    async with store:
        assert head == await store.head("x")


async def test_only_the_owner_may_read_its_files(path, writing_to):
    before = os.umask(0)
    try:
        async with SqliteStore(path) as store:
            await writing_to(store).start()

            assert list(FILES) == sorted(file.name for file in path.parent.iterdir())
            for file in path.parent.iterdir():
                assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    finally:
        os.umask(before)


async def test_the_log_goes_when_it_is_closed(path, writing_to):
    await _make(path, writing_to)

    assert ["store.db", "store.db-lock"] == sorted(file.name for file in path.parent.iterdir())


@pytest.mark.parametrize(
    ("durability", "synchronous", "fullfsync"), (("full", 2, 1), ("normal", 1, 0))
)
async def test_durability(path, durability, synchronous, fullfsync):
    database = Database.open(str(path), "own", durability)
    with closing(database):
        connection = database.writer._connection

        assert (synchronous,) == connection.execute("PRAGMA synchronous").fetchone()
        assert (fullfsync,) == connection.execute("PRAGMA fullfsync").fetchone()
        assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()


def test_the_header_says_whose_file_it_is(path):
    Database.open(str(path), "own", "full").close()

    header = path.read_bytes()[:100]
    assert b"tflw" == header[68:72]
    assert len(_schema.MIGRATIONS) == int.from_bytes(header[60:64], "big")


async def test_an_empty_file_is_a_new_store(path, writing_to):
    path.touch()

    await _make(path, writing_to)


async def test_a_path_with_odd_characters(tmp_path, writing_to):
    path = tmp_path / "a b?c#d%20ä.db"

    await _make(path, writing_to)

    assert path.exists()
    async with SqliteStore(path, read_only=True, run_sync=run_inline) as store:
        assert None is not await store.head("x")


@pytest.mark.parametrize(
    "options",
    ({"path": ""}, {"read_only": True}, {"requests_only": True}),
    ids=str,
)
def test_senseless_options(options):
    with pytest.raises(InvalidRequest):
        SqliteStore(**{"path": ":memory:", **options})
    with pytest.raises(InvalidRequest):
        SqliteStore("x.db", read_only=True, requests_only=True)
    with pytest.raises(ValueError, match="durability"):
        SqliteStore("x.db", durability="perhaps")


# ---- what is no store ----


async def test_no_directory(tmp_path):
    store = SqliteStore(tmp_path / "missing" / "store.db")

    await _refused(store, StoreUnusable, "no directory .*missing'; create it first")


async def test_a_directory(tmp_path):
    await _refused(SqliteStore(tmp_path), StoreUnusable, "is a directory")


@pytest.mark.parametrize("content", (b"hello", b"x" * 5000, b"SQLite format 2\0" + bytes(4096)))
@pytest.mark.parametrize("options", ({}, {"read_only": True}, {"requests_only": True}), ids=str)
async def test_no_sqlite_file(path, content, options):
    path.write_bytes(content)

    await _refused(SqliteStore(path, **options), StoreUnusable, "not an SQLite database")

    assert content == path.read_bytes()
    assert ["store.db"] == [file.name for file in path.parent.iterdir()]


@pytest.mark.parametrize("pragma", ("application_id = 252006674", "user_version = 3", "page_count"))
@pytest.mark.parametrize("options", ({}, {"read_only": True}, {"requests_only": True}), ids=str)
async def test_a_file_of_another_program(path, pragma, options):
    with _raw(path) as connection:
        connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE executions (title)")
    content = path.read_bytes()

    await _refused(SqliteStore(path, **options), StoreUnusable, "of another program")

    assert content == path.read_bytes()
    assert "store.db-lock" not in [file.name for file in path.parent.iterdir()]


@pytest.mark.parametrize("options", ({}, {"read_only": True}, {"requests_only": True}), ids=str)
async def test_a_newer_version(path, writing_to, options):
    await _make(path, writing_to)
    with _raw(path) as connection:
        connection.execute("PRAGMA user_version = 99")

    await _refused(SqliteStore(path, **options), StoreUnusable, "newer version .*99")


async def test_an_older_version_is_for_the_engine_to_upgrade(path, writing_to, monkeypatch):
    await _make(path, writing_to)
    monkeypatch.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, ("CREATE TABLE new (a)",)))
    monkeypatch.setattr(_schema, "VERSION", 2)
    monkeypatch.setattr(database_module, "VERSION", 2)

    await _refused(SqliteStore(path, read_only=True), StoreUnusable, "format 1, .* needs 2")

    async with SqliteStore(path, run_sync=run_inline) as store:
        assert None is not await store.head("x")
    async with SqliteStore(path, read_only=True):
        pass


async def test_a_migration_is_done_completely_or_not_at_all(path, writing_to, monkeypatch):
    await _make(path, writing_to)
    broken = ("CREATE TABLE new (a)", "CREATE TABLE new (a)")
    with monkeypatch.context() as patch:
        patch.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, broken))
        patch.setattr(_schema, "VERSION", 2)

        await _refused(SqliteStore(path), StoreError, "already exists")

    async with SqliteStore(path, run_sync=run_inline) as store:
        assert None is not await store.head("x")
    with _raw(path) as connection:
        assert [] == connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'new'").fetchall()


async def test_an_old_sqlite(path, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))

    await _refused(SqliteStore(path), StoreUnusable, "needs 3.35 or later")


async def test_a_place_without_wal(path, monkeypatch):
    class NoWal(sqlite3.Connection):
        def execute(self, statement, *values):
            if statement == "PRAGMA journal_mode = WAL":
                statement = "PRAGMA journal_mode"
            return super().execute(statement, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=NoWal))

    await _refused(SqliteStore(path), StoreUnusable, "allows no WAL")


@pytest.mark.parametrize("options", ({"read_only": True}, {"requests_only": True}), ids=str)
@pytest.mark.parametrize("content", (None, b""), ids=("missing", "empty"))
async def test_those_beside_an_engine_create_nothing(path, options, content):
    if content is not None:
        path.write_bytes(content)
    before = list(path.parent.iterdir())

    await _refused(SqliteStore(path, **options), StoreUnusable, "no store|is empty")

    assert before == list(path.parent.iterdir())


# ---- who may not ----


@pytest.fixture
def nobodys():
    """A directory of somebody without root's rights, which no file mode stops; and be that one."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if os.geteuid() != 0:
            yield directory
            return
        os.chown(directory, 65534, 65534)
        os.seteuid(65534)
        try:
            yield directory
        finally:
            os.seteuid(0)


async def test_a_read_only_file(nobodys, writing_to):
    path = nobodys / "store.db"
    await _make(path, writing_to)
    path.chmod(0o400)

    await _refused(SqliteStore(path), StoreUnusable, "the file is read-only")
    await _refused(SqliteStore(path, requests_only=True), StoreUnusable, "the file is read-only")

    async with SqliteStore(path, read_only=True, run_sync=run_inline) as store:
        assert None is not await store.head("x")


async def test_a_read_only_directory(nobodys, writing_to):
    directory = nobodys / "inner"
    directory.mkdir()
    path = directory / "store.db"
    await _make(path, writing_to)
    directory.chmod(0o500)

    async with SqliteStore(path, read_only=True, run_sync=run_inline) as store:
        assert None is not await store.head("x")

    (directory / "store.db-lock").chmod(0o400)
    await _refused(SqliteStore(path), StoreUnusable, "lock file .* can't be written")


async def test_reading_beside_a_log_that_one_may_not_touch(nobodys, writing_to):
    directory = nobodys / "inner"
    directory.mkdir()
    path = directory / "store.db"
    async with SqliteStore(path, run_sync=run_inline) as store:
        await writing_to(store).start()
        directory.chmod(0o500)

        async with SqliteStore(path, read_only=True, run_sync=run_inline) as reader:
            assert None is not await reader.head("x")

        directory.chmod(0o700)


async def test_a_file_that_one_may_not_read(nobodys, writing_to):
    path = nobodys / "store.db"
    await _make(path, writing_to)
    path.chmod(0o000)

    await _refused(SqliteStore(path, read_only=True), StoreUnusable, "Permission denied")


# ---- one engine at a time ----


async def test_a_second_engine_is_refused_at_once(path, writing_to):
    async with SqliteStore(path) as store:
        refusal = await _refused(SqliteStore(path), StoreLocked, "one engine at a time")

        assert repr(str(path)) in str(refusal)
        assert "this process, in another store object" in str(refusal)

        await writing_to(store).start()
    async with SqliteStore(path):
        pass


async def test_a_second_engine_by_another_name(path, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(path)
    async with SqliteStore(path):
        await _refused(SqliteStore(link), StoreLocked, "one engine at a time")


HOLD = """
import sys, trio
from trioflow.stores import SqliteStore

async def main():
    async with SqliteStore(sys.argv[1]):
        print("open", flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


async def test_an_engine_in_another_process_is_named(path):
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else is to go on meanwhile
        [sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert "open\n" == process.stdout.readline()
            await _refused(SqliteStore(path), StoreLocked, rf"\(process {process.pid}\)")
        finally:
            process.kill()
    # A lock dies with its process.
    async with SqliteStore(path):
        pass


async def test_a_lock_of_somebody_who_did_not_say_who(path):
    async with SqliteStore(path):
        path.with_name("store.db-lock").write_bytes(b"")

        await _refused(SqliteStore(path), StoreLocked, "another process")


async def test_a_file_system_without_locks(path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(_lock, "_lock", refuse)

    await _refused(SqliteStore(path), StoreUnusable, "No locks available")


async def test_opening_a_file_ends_the_leases_of_those_before(path, writing_to):
    """The lock says that they have gone, so nobody waits for them to lapse."""
    async with SqliteStore(path, run_sync=run_inline) as store:
        await store.renew("old", ttl=1e9)
        await writing_to(store).start(owner="old", due=1.0)

        assert [] == await store.claim("new", ttl=10)

    async with SqliteStore(path, run_sync=run_inline) as store:
        assert ["x"] == [head.id for head in await store.claim("new", ttl=10)]


# ---- beside an engine ----


async def test_a_reader_sees_what_is_committed(path, writing_to):
    async with SqliteStore(path) as store, SqliteStore(path, read_only=True) as reader:
        head = await writing_to(store).start()

        assert head == await reader.head("x")
        assert await store.read("x") == await reader.read("x")
        assert [head] == await reader.heads()

        head = await writing_to(store).grow(head)

        assert head == await reader.head("x")


async def test_a_reader_writes_nothing(path, writing_to):
    head = await _make(path, writing_to)
    async with SqliteStore(path, read_only=True) as reader:
        for refused in (
            writing_to(reader).grow(head),
            writing_to(reader).grow(head, owned=False),
            reader.claim("me", ttl=1),
            reader.renew("me", ttl=1),
            reader.delete("x"),
        ):
            with pytest.raises(InvalidRequest, match="read-only"):
                await refused


def test_a_reader_could_not_if_it_would(path):
    Database.open(str(path), "own", "full").close()
    with (
        closing(Database.open(str(path), "read", "full")) as database,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        database.reader._connection.execute("DELETE FROM owners")


async def test_a_reader_does_not_keep_an_engine_out(path, writing_to):
    await _make(path, writing_to)
    async with SqliteStore(path, read_only=True), SqliteStore(path) as store:
        await writing_to(store).start("y")


async def test_a_request_beside_an_engine(path, writing_to):
    async with SqliteStore(path) as store, SqliteStore(path, requests_only=True) as requester:
        head = await writing_to(store).start(due=50.0)
        seen = await requester.head("x")
        request = attrs.evolve(seen, seq=2, due=20.0)
        await requester.commit(request, [CancelRequested(2, 1.0)], owned=False)

        assert attrs.evolve(head, seq=2, due=20.0) == await store.head("x")
        with pytest.raises(Conflict, match="has 2 events, not 1"):
            await writing_to(store).grow(head)

        await writing_to(store).grow(attrs.evolve(head, seq=2))


async def test_requests_are_all_that_a_requester_may(path, writing_to):
    head = await _make(path, writing_to)
    async with SqliteStore(path, requests_only=True) as requester:
        for refused in (
            writing_to(requester).grow(head),
            requester.claim("me", ttl=1),
            requester.renew("me", ttl=1),
            requester.delete("x"),
        ):
            with pytest.raises(InvalidRequest, match="for requests only"):
                await refused
        await writing_to(requester).grow(head, owned=False)


async def test_a_requester_knows_nothing_by_heart(path, writing_to):
    """What it has seen may have been deleted meanwhile, and its place given to another."""
    async with SqliteStore(path) as store, SqliteStore(path, requests_only=True) as requester:
        head = await writing_to(store).start()
        head = await writing_to(requester).grow(head, owned=False)
        await writing_to(requester).start("y", owned=False, digest="d2")
        for name in ("y", "x"):
            await writing_to(store).end(attrs.evolve(await store.head(name), status="RUNNING"))
            await store.delete(name)
        other = await writing_to(store).start("other", digest="d3")
        other = await writing_to(store).grow(other)

        with pytest.raises(Conflict, match="'x' has 0 events"):
            await writing_to(requester).grow(head, owned=False)
        await writing_to(requester).start("z", owned=False, digest="d2")

        assert other == await store.head("other")
        assert {"name": "order"} == (await store.read("z"))[0].document


async def test_the_engine_notices_a_request(path, writing_to, monkeypatch):
    monkeypatch.setattr("trioflow.stores._sqlite.POLL_INTERVAL", 0.001)
    async with SqliteStore(path) as store, SqliteStore(path, requests_only=True) as requester:
        heads = [await writing_to(store).start(name) for name in "wxyz"]
        seen = []

        async def wait(name, scope):
            with scope:
                await store.changed(name, 1)
                seen.append(name)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                scopes = [trio.CancelScope() for _ in range(4)]
                for name, scope in zip("wxyz", scopes, strict=True):
                    nursery.start_soon(wait, name, scope)
                    # One after the other: the first one is the one that looks.
                    await trio.sleep(0.005)
                nursery.start_soon(store.changed, "z", 9)
                await trio.sleep(0.01)
                # Whoever looks for the others stops, and who would have been the next one, too.
                scopes[0].cancel()
                scopes[1].cancel()
                await trio.sleep(0.01)
                for head in heads[2:]:
                    await writing_to(requester).grow(head, owned=False)
                while len(seen) < 2:  # noqa: ASYNC110 - it is a thread that is waited for
                    await trio.sleep(0.001)
                nursery.cancel_scope.cancel()

    assert ["y", "z"] == sorted(seen)


async def test_a_look_costs_nothing_when_nobody_has_written(path, writing_to):
    await _make(path, writing_to)
    with (
        closing(Database.open(str(path), "read", "full")) as database,
        _raw(path) as other,
    ):
        reader = database.reader

        assert ["x"] == reader.grown({"x": 0, "y": 0})
        assert [] == reader.grown({"x": 0, "y": 0})

        other.execute("UPDATE executions SET seq = 2")

        assert ["x"] == reader.grown({"x": 1, "y": 0})


async def test_one_looks_for_all(autojump_clock, path):
    calls = 0

    async def run_sync(function):
        nonlocal calls
        calls += 1
        return await run_inline(function)

    async with SqliteStore(path, run_sync=run_sync) as store:
        with trio.move_on_after(10.1):
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(store.changed, f"x{number}", 0)

        # To open, once for each, and then four times a second for all.
        assert 1 + 20 + 40 == calls


async def test_in_memory_nobody_looks(autojump_clock):
    """A virtual clock would jump from look to look for ever."""
    async with SqliteStore(":memory:") as store:
        with trio.move_on_after(1e6) as scope:
            await store.changed("x", 0)

    assert scope.cancelled_caught
    assert 1e6 == trio.current_time()


async def test_nor_inline(autojump_clock, path):
    async with SqliteStore(path, run_sync=run_inline) as store:
        with trio.move_on_after(1e6):
            await store.changed("x", 0)

    assert 1e6 == trio.current_time()


@pytest.mark.parametrize("place", ("file", ":memory:"))
async def test_closing_ends_the_waiting(path, place):
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + 5

        async def wait():
            with pytest.raises(StoreUnusable, match="not open"):
                await store.changed("x", 0)

        async with SqliteStore(path if place == "file" else place) as store:
            nursery.start_soon(wait)
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked(0.01)

    assert not nursery.cancel_scope.cancelled_caught


async def test_nobody_hands_the_looking_round_and_round(path, writing_to):
    """Whenever one stops: those who find their events set look once more, and then wait."""
    calls = 0

    async def run_sync(function):
        nonlocal calls
        calls += 1
        for _ in range(3):
            await trio.lowlevel.cancel_shielded_checkpoint()
        return function()

    async with SqliteStore(path, run_sync=run_sync) as store:
        await writing_to(store).start()
        for rounds in range(20):
            async with trio.open_nursery() as nursery:
                first = trio.CancelScope()

                async def wait(scope):
                    with scope:
                        await store.changed("x", 1)

                for scope in (first, trio.CancelScope(), trio.CancelScope()):
                    nursery.start_soon(wait, scope)
                for _ in range(rounds):
                    await trio.lowlevel.checkpoint()
                first.cancel()
                before = calls
                for _ in range(200):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()

            assert calls - before < 10


async def test_closing_waits_for_what_is_being_written(path, writing_to, monkeypatch):
    release = threading.Event()
    apply = database_module.Append.apply

    def slow(self, writer):
        assert release.wait(5)
        return apply(self, writer)

    store = SqliteStore(path, run_sync=run_in_thread)
    async with trio.open_nursery() as nursery, store:
        monkeypatch.setattr(database_module.Append, "apply", slow)
        nursery.start_soon(writing_to(store).start)
        await trio.testing.wait_all_tasks_blocked(0.01)

        async def let_it_go():
            await trio.testing.wait_all_tasks_blocked(0.01)
            release.set()

        nursery.start_soon(let_it_go)
    async with store:
        assert 1 == len(await store.read("x"))


# ---- errors of the disk ----


class Faulty(sqlite3.Connection):
    """Raises instead of executing a statement that starts like this."""

    start = None
    error = None
    begun = 0

    def cursor(self):
        return super().cursor(FaultyCursor)

    @classmethod
    def fail(cls, start, code):
        cls.start = start
        cls.error = sqlite3.OperationalError(f"error {code}")
        cls.error.sqlite_errorcode = getattr(sqlite3, code)
        cls.error.sqlite_errorname = code


class FaultyCursor(sqlite3.Cursor):
    def execute(self, statement, *values):
        Faulty.begun += statement == "BEGIN IMMEDIATE"
        if Faulty.start is not None and statement.strip().startswith(Faulty.start):
            raise Faulty.error
        return super().execute(statement, *values)

    def executemany(self, statement, rows):
        for values in rows:
            self.execute(statement, values)
        return self


@pytest.fixture
def faulty(monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Faulty))
    yield Faulty
    Faulty.start = None
    Faulty.begun = 0


@pytest.mark.parametrize("statement", ("BEGIN", "INSERT INTO events", "COMMIT"))
@pytest.mark.parametrize(
    ("code", "error"),
    (
        ("SQLITE_IOERR_FSYNC", StoreError),
        ("SQLITE_FULL", StoreError),
        ("SQLITE_CORRUPT", StoreCorrupt),
        ("SQLITE_READONLY", StoreUnusable),
    ),
    ids=str,
)
async def test_after_an_error_of_the_disk_all_is_refused(
    path, writing_to, faulty, statement, code, error
):
    async with SqliteStore(path, run_sync=run_inline) as store:
        head = await writing_to(store).start()
        async with trio.open_nursery() as nursery:

            async def wait():
                with pytest.raises(error, match="refuses everything until it is reopened"):
                    await store.changed("x", 9)

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            faulty.fail(statement, code)
            with pytest.raises(error, match=code) as caught:
                await writing_to(store).grow(head)

        assert error is type(caught.value)
        faulty.start = None
        for refused in (
            store.head("x"),
            store.read("x"),
            store.heads(),
            store.changed("x", 0),
            store.claim("me", ttl=1),
            store.delete("x"),
            writing_to(store).start("y"),
        ):
            with pytest.raises(error, match="refuses everything until it is reopened"):
                await refused
    async with store:
        # This disk has failed before it wrote.
        assert head == await store.head("x")
        await writing_to(store).grow(head)


async def test_an_error_of_the_disk_is_everybodys(path, writing_to, faulty):
    """Nobody is told that it was written, and nobody's error is another's."""
    errors = []
    async with SqliteStore(path) as store:
        heads = [await writing_to(store).start(name) for name in "abcde"]
        faulty.fail("COMMIT", "SQLITE_IOERR")

        async def commit(head):
            with pytest.raises(StoreError) as caught:
                await writing_to(store).grow(head)
            errors.append(caught.value)

        async with trio.open_nursery() as nursery:
            for head in heads:
                nursery.start_soon(commit, head)

    assert 5 == len(set(errors))


async def test_after_a_failed_commit_it_is_open_what_is_in_the_file(path, writing_to, faulty):
    """Whatever SQLite says about it."""
    async with SqliteStore(path, run_sync=run_inline) as store:
        head = await writing_to(store).start()
        faulty.fail("COMMIT", "SQLITE_ERROR")
        with pytest.raises(StoreError, match="SQLITE_ERROR"):
            await writing_to(store).grow(head)
        faulty.start = None
        with pytest.raises(StoreError, match="reopened"):
            await writing_to(store).grow(head)


@pytest.mark.parametrize("code", ("SQLITE_BUSY", "SQLITE_BUSY_TIMEOUT"))
async def test_a_busy_file_is_told_and_no_more(path, writing_to, faulty, code, monkeypatch):
    """Nobody waits for it again, one after the other; and the store goes on."""
    monkeypatch.setattr(database_module, "_BUSY_TIMEOUT", 0.0)
    async with SqliteStore(path, run_sync=run_inline) as store:
        heads = [await writing_to(store).start(name) for name in "abcde"]
        faulty.fail("BEGIN", code)
        before = faulty.begun

        async def commit(head):
            with pytest.raises(StoreError, match="is busy"):
                await writing_to(store).grow(head)

        async with trio.open_nursery() as nursery:
            for head in heads:
                nursery.start_soon(commit, head)

        # All were in one group.
        assert 1 == faulty.begun - before

        faulty.start = None
        await writing_to(store).grow(heads[0])


async def test_a_conflict_costs_no_transaction(path, writing_to, faulty):
    async with SqliteStore(path, run_sync=run_inline) as store:
        heads = [await writing_to(store).start(name) for name in "abcde"]
        before = faulty.begun

        async def conflict(head):
            with pytest.raises(Conflict):
                await writing_to(store).grow(attrs.evolve(head, fence=2))

        async with trio.open_nursery() as nursery:
            for head in heads:
                nursery.start_soon(conflict, head)
                nursery.start_soon(writing_to(store).grow, head)

    # All are together, and closing is one.
    assert 2 == faulty.begun - before


async def test_an_error_of_reading_is_for_the_reader(path, writing_to):
    async with SqliteStore(path, run_sync=run_inline) as store:
        head = await writing_to(store).start()
        with _raw(path) as connection:
            connection.execute("ALTER TABLE documents RENAME TO gone")
        with pytest.raises(StoreError, match="no such table: documents"):
            await store.read("x")
        with _raw(path) as connection:
            connection.execute("ALTER TABLE gone RENAME TO documents")

        await writing_to(store).grow(head)


async def test_what_the_database_cannot_take(path, writing_to):
    """It is the caller's own fault, and the store goes on."""
    async with SqliteStore(path, run_sync=run_inline) as store:
        for odd in ({"fence": 1 << 70}, {"due": object()}, {"status": None}):
            with pytest.raises((OverflowError, StoreError)):
                await writing_to(store).start(**odd)
        with pytest.raises(UnicodeEncodeError):
            await writing_to(store).start("\ud800")

        await writing_to(store).start()


async def test_an_interrupt_that_is_not_trios(path, writing_to, monkeypatch):
    """Nobody knows how far it got, so the store is to be reopened."""

    def interrupt(self, writer):
        raise KeyboardInterrupt

    async with SqliteStore(path, run_sync=run_inline) as store:
        head = await writing_to(store).start()
        with monkeypatch.context() as patch:
            patch.setattr(database_module.Append, "apply", interrupt)
            with pytest.raises(KeyboardInterrupt):
                await writing_to(store).grow(head)
        with pytest.raises(StoreError, match=r"was interrupted; .* reopened"):
            await store.head("x")
    async with store:
        await writing_to(store).grow(head)


# ---- damage ----


def _overwrite(path, start, end):
    content = bytearray(path.read_bytes())
    content[start:end] = b"\xa5" * (min(end, len(content)) - start)
    path.write_bytes(content)


async def test_a_damaged_schema(path, writing_to):
    await _make(path, writing_to)
    _overwrite(path, 100, 4096)

    for options in ({}, {"read_only": True}, {"requests_only": True}):
        await _refused(SqliteStore(path, **options), StoreCorrupt, "damaged")


async def test_a_missing_table(path, writing_to):
    await _make(path, writing_to)
    with _raw(path) as connection:
        connection.execute("DROP TABLE events")

    await _refused(SqliteStore(path), StoreCorrupt, "no table 'events'")


async def test_damaged_pages(path, writing_to):
    await _make(path, writing_to)
    _overwrite(path, 4096, 1 << 30)

    store = SqliteStore(path, read_only=True)
    async with store:
        with pytest.raises(StoreCorrupt, match="damaged"):
            await store.read("x")
        with pytest.raises(StoreCorrupt, match="damaged"):
            await store.heads()


async def test_a_damaged_event(path, writing_to):
    await _make(path, writing_to)
    with _raw(path) as connection:
        connection.execute("UPDATE events SET body = '{'")

    async with SqliteStore(path, run_sync=run_inline) as store:
        with pytest.raises(StoreCorrupt, match="event 1 cannot be read"):
            await store.read("x")


# ---- plans ----


@pytest.mark.parametrize(
    "conditions",
    ({}, {"status": "RUNNING"}, {"status": ["RUNNING", "PAUSED"]}, {"workflow": "order"}),
    ids=str,
)
def test_listing_reads_a_page_and_no_more(path, conditions, monkeypatch):
    """The rows come in order from an index; nothing that grows is sorted."""
    with closing(Database.open(str(path), "own", "full")) as database:
        connection = database.reader._connection
        plans = []

        def explain(statement):
            if statement.lstrip().startswith("SELECT"):
                plans.append(statement)

        connection.set_trace_callback(explain)
        status = conditions.get("status")
        database.reader.heads(
            [status] if isinstance(status, str) else status, conditions.get("workflow"), None, 10
        )
        connection.set_trace_callback(None)
        steps = [
            row[3]
            for statement in plans
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
        ]

    assert plans
    # The parts of several statuses, a page of each, are sorted once more.
    sorts = [step for step in steps if "TEMP B-TREE" in step]
    assert len(sorts) == (1 if status else 0)
    for step in steps:
        assert not re.match("SCAN executions$", step) or not conditions


def test_what_ended_first_comes_from_an_index(path):
    with closing(Database.open(str(path), "own", "full")) as database:
        connection = database.reader._connection
        plans = []
        connection.set_trace_callback(plans.append)
        database.reader.ended("COMPLETED", 10)
        connection.set_trace_callback(None)
        (statement,) = plans
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]

    assert ["SEARCH executions USING INDEX executions_by_end (status=? AND ended>?)"] == steps


def test_an_ordinary_step_touches_no_index(path):
    """What an UPDATE opens for writing besides the table would be rewritten by every commit."""
    with closing(Database.open(str(path), "own", "full")) as database:
        connection = database.reader._connection
        pages = dict(connection.execute("SELECT rootpage, name FROM sqlite_master").fetchall())
        values = (1, None, 1, 1, None, 0, "RUNNING", None)
        program = connection.execute(f"EXPLAIN {_ADVANCE}", values).fetchall()
        written = [pages[row[3]] for row in program if row[1] == "OpenWrite"]

    assert ["executions"] == written


# ---- threads ----


async def test_commits_need_none_of_the_programs_threads(path, writing_to):
    """Sync actions may fill the library's limiter for hours."""
    limiter = trio.to_thread.current_default_thread_limiter()
    before = limiter.total_tokens
    limiter.total_tokens = 1
    try:
        async with limiter:
            with trio.fail_after(5):
                async with SqliteStore(path) as store:
                    await writing_to(store).start()
                    await store.read("x")
    finally:
        limiter.total_tokens = before


async def test_the_loop_goes_on_while_the_disk_works(path, writing_to, monkeypatch):
    release = threading.Event()
    apply = database_module.Append.apply

    def slow(self, writer):
        assert release.wait(5)
        return apply(self, writer)

    monkeypatch.setattr(database_module.Append, "apply", slow)
    async with SqliteStore(path, run_sync=run_in_thread) as store, trio.open_nursery() as nursery:
        nursery.start_soon(writing_to(store).start)
        await trio.testing.wait_all_tasks_blocked(0.01)

        # A reader does not wait for the writer either.
        assert None is await store.head("x")

        release.set()


# ---- on the spot ----


def _threads(pace, writes, seconds=0.0, rows=1):
    """Whether each of so many writes goes to a thread, if they take so long on the spot."""
    found = []
    for _ in range(writes):
        found.append(not pace.is_quick())
        if not found[-1]:
            pace.note(seconds, rows)
    return found


def test_a_quick_disk_needs_no_thread():
    assert [False] * 100 == _threads(Pace(), 100, QUICK + QUICK_EACH)


def test_what_many_rows_take_is_not_the_disk():
    assert [False] * 100 == _threads(Pace(), 100, QUICK + 500 * QUICK_EACH, 500)


def test_after_a_slow_write_some_go_to_a_thread():
    pace = Pace()
    _threads(pace, 1, 0.1)

    assert [True] * 8 + [False] * 100 == _threads(pace, 108)


def test_a_slow_disk_is_tried_less_and_less_often():
    tried = [place for place, thread in enumerate(_threads(Pace(), 100_000, 0.1)) if not thread]
    waits = [after - before - 1 for before, after in itertools.pairwise(tried)]

    assert [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 8192] == waits[:12]


@pytest.fixture
def where(monkeypatch):
    """The threads in which something was appended."""
    found = []
    apply = database_module.Append.apply

    def noting(self, writer):
        found.append(threading.current_thread())
        return apply(self, writer)

    monkeypatch.setattr(database_module.Append, "apply", noting)
    return found


async def test_a_commit_is_waited_for_on_the_spot_until_one_is_slow(path, writing_to, where):
    async with SqliteStore(path) as store:
        head = await writing_to(store).start()
        store._pace = Pace()
        store._pace.note(1.0, 1)
        for _ in range(9):
            head = await writing_to(store).grow(head)

    main = threading.main_thread()

    assert [True] + [False] * 8 + [True] == [thread is main for thread in where]


@pytest.mark.parametrize(("events", "quick"), ((1, False), (200, True)), ids=str)
async def test_the_rows_of_a_commit_are_counted(path, writing_to, monkeypatch, events, quick):
    """By this clock a write takes as long as that of 100 rows may."""
    ticks = itertools.count()
    takes = QUICK + 100 * QUICK_EACH
    monkeypatch.setattr(sqlite_module.time, "perf_counter", lambda: next(ticks) * takes)
    async with SqliteStore(path) as store:
        head = await writing_to(store).start()
        store._pace = Pace()
        more = [writing_to(store).next(head.seq + n) for n in range(1, events + 1)]
        await store.commit(head.moved("RUNNING", head.seq + events, None, None), more)

        assert quick == store._pace.is_quick()


async def test_it_is_the_store_that_notes_how_long_it_takes(path, writing_to, where, monkeypatch):
    """By this clock everything takes a second: writes and reads are tried once."""
    ticks = itertools.count()
    monkeypatch.setattr(sqlite_module.time, "perf_counter", lambda: float(next(ticks)))
    async with SqliteStore(path) as store:
        head = await writing_to(store).start()
        await writing_to(store).grow(head)
        await store.head("x")

        assert [False, False] == [store._pace.is_quick(), store._read_pace.is_quick()]

    main = threading.main_thread()

    assert [True, False] == [thread is main for thread in where]


async def test_another_process_that_writes_is_waited_for_in_a_thread(path, writing_to, where):
    async with SqliteStore(path) as store, trio.open_nursery() as nursery:
        with _raw(path) as other:
            other.execute("BEGIN IMMEDIATE")
            nursery.start_soon(writing_to(store).start)
            await trio.testing.wait_all_tasks_blocked(0.01)

            assert [] == where

            other.execute("ROLLBACK")

    assert 1 == len(where)
    assert threading.main_thread() not in where


# ---- interrupts ----


@pytest.mark.parametrize("place", ("enter", "leave"))
def test_an_interrupt_does_not_lose_the_file(path, place):
    """Wherever it comes, afterwards the file can be opened again."""

    async def run_sync(function):
        signal.raise_signal(signal.SIGINT)
        await trio.lowlevel.checkpoint_if_cancelled()
        return function()

    async def main():
        store = SqliteStore(path, run_sync=run_sync if place == "enter" else run_inline)
        async with store:
            store._run = run_sync

    async def again():
        async with SqliteStore(path):
            pass

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    trio.run(again)


# ---- by URL ----


async def test_open_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert isinstance(open_store("memory:"), MemoryStore)
    for url, path, durability in (
        ("sqlite:orders.db", "orders.db", "full"),
        ("sqlite::memory:", ":memory:", "full"),
        ("sqlite:/var/a b.db?durability=normal", "/var/a b.db", "normal"),
        ("sqlite:orders.db?durability=full", "orders.db", "full"),
    ):
        store = open_store(url, clock=lambda: 5.0)

        assert isinstance(store, SqliteStore)
        assert (path, durability, 5.0) == (store.path, store._durability, store._clock())

    async with open_store("sqlite:orders.db"):
        assert (tmp_path / "orders.db").exists()
        async with open_store("sqlite:orders.db", read_only=True) as reader:
            assert [] == await reader.heads()
        async with open_store("sqlite:orders.db", requests_only=True) as requester:
            assert [] == await requester.heads()


@pytest.mark.parametrize(
    "url",
    (
        "",
        "orders.db",
        "memory",
        "memory:x",
        "sqlite",
        "sqlite:",
        "sqlite:///orders.db",
        "postgres://x",
        "sqlite:x?durability=never",
        "sqlite:x?durability=",
        "sqlite:x?mode=ro",
        "sqlite:x?durability=normal&mode=ro",
        "sqlite:?durability=normal",
    ),
)
def test_urls_that_name_no_store(url):
    with pytest.raises(InvalidRequest):
        open_store(url)


def test_a_memory_store_has_nobody_beside_it():
    with pytest.raises(InvalidRequest):
        open_store("memory:", read_only=True)


def test_heads_pickle_and_compare():
    assert Head("x", "order", "RUNNING", 1) == Head("x", "order", "RUNNING", 1)
