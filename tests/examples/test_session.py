"""The session in the README of the order example, command by command."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import trioflow

pytestmark = pytest.mark.slow

# `trioflow` as a program of this very interpreter, wherever it was installed.
PROGRAM = """\
#!/bin/sh
exec {python} -c 'import sys; from trioflow.cli import main; sys.exit(main())' "$@"
"""


def session(readme: Path) -> Iterator[tuple[str, str]]:
    """Yield the commands of the fenced block, each with what it prints."""
    block = re.search(r"^```console\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None
    for part in re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def normal(text: str) -> list[str]:
    """Return the lines of a text without instants, durations, and the spaces around them."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", text)
    text = re.sub(r"\b[0-9.]+ (?:ms|s|min \d+ s)(?![a-z])", "TIME", text)
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_session_of_the_readme(examples: Path, tmp_path: Path) -> None:
    """Everything is as it is written there, but for the times; and so is the shop."""
    folder = Path(shutil.copytree(examples / "order", tmp_path / "order"))
    program = tmp_path / "bin" / "trioflow"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    # The program is to use what this process tests, be it the checkout or an installed wheel.
    found = str(Path(trioflow.__file__).parents[1])
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(program.parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [found, os.environ.get("PYTHONPATH")])),
    }
    commands = list(session(folder / "README.md"))
    for command, printed in commands:
        done = subprocess.run(
            command,
            shell=True,
            check=False,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )

        assert normal(printed) == normal(done.stdout), command
    assert 7 == len(commands)
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        assert [
            ("tea-1:reserve", "shipped"),
            ("tea-2:reserve", "shipped"),
            ("tea-3:reserve", "released"),
        ] == shop.execute("SELECT key, state FROM reservations ORDER BY key").fetchall()
        assert [
            ("tea-1:charge", 90, "paid"),
            ("tea-2:charge", 690, "paid"),
            ("tea-3:charge", 690, "refunded"),
        ] == shop.execute("SELECT key, amount, state FROM charges ORDER BY key").fetchall()
        assert [("tea-1:ship",), ("tea-2:ship",)] == shop.execute(
            "SELECT key FROM parcels ORDER BY key"
        ).fetchall()
