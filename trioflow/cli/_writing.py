"""Results that are files: whole ones, or none."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from trioflow.cli._errors import Refused


def print_bytes(content: bytes) -> None:
    """Print to stdout what has an encoding of its own."""
    click.echo(content, nl=False)


def write_file(path: str, content: bytes) -> None:
    """Write a file, or print it if the path is ``-``.

    Whoever reads it meanwhile sees the old one or the new one. Raises `Refused` if that cannot be.
    """
    if path == "-":
        print_bytes(content)
        return
    # What a link leads to is replaced, and not the link.
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            # A directory says no by itself; a device or a pipe takes it and stays what it is.
            target.write_bytes(content)
            return
        _replace(target, content)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Refused(f"can't write {path!r}: {why}; name another file with -o") from None


def _replace(target: Path, content: bytes) -> None:
    # In the same folder, because only within a file system a file is renamed in one piece.
    new = target.with_name(f".{target.name[:100]}.{os.getpid()}.new")
    try:
        with new.open("xb") as file:
            file.write(content)
        new.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
