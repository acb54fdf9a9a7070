"""An exclusive lock on a file beside the store's: one engine per file.

It is the kernel's lock, so it ends with its process, however that ends. The file stays: removing
it would let two processes hold locks on two files of the same name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import attrs

from trioflow.errors import StoreLocked, StoreUnusable

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    # Windows refuses to read what is locked: so the lock is far behind the pid.
    _PLACE = 1 << 20

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _PLACE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # flock, not lockf: the latter is released when *any* descriptor of the file is closed, and
        # does not keep two stores of one process apart.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@attrs.define(eq=False)
class FileLock:
    """A lock that is held. `created` says whether its file was not there before."""

    path: Path
    created: bool
    _descriptor: int

    def release(self, *, remove: bool = False) -> None:
        """Let go; with `remove` also of the file, when there is no store that it could be for."""
        if remove:
            self.path.unlink()
        os.close(self._descriptor)


def lock_file(store: Path) -> FileLock:
    """Take the lock of the store file at this path, or raise `StoreLocked` at once.

    Raises `StoreUnusable` where no lock can be had at all.
    """
    path = store.with_name(f"{store.name}-lock")
    created = not path.exists()
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        raise StoreUnusable(
            f"can't use {str(store)!r} as a store: its lock file {str(path)!r} can't be written "
            f"({error.strerror}); the directory must be writable"
        ) from error
    try:
        _lock(descriptor)
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, b"%d\n" % os.getpid())
    except BlockingIOError as error:
        os.lseek(descriptor, 0, os.SEEK_SET)
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        os.close(descriptor)
        who = f"process {holder}" if holder else "another process"
        if holder == str(os.getpid()):
            who = "this process, in another store object"
        raise StoreLocked(
            f"{str(store)!r} is in use by another engine ({who}); one engine at a time can have a "
            f"store file open"
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise StoreUnusable(f"can't lock {str(path)!r}: {error.strerror}") from error
    return FileLock(path, created, descriptor)
