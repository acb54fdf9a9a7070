"""Ways to give commands: in this process, in another one, and at a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner, Result

import trioflow
from trioflow.cli import _elsewhere, main

KITCHEN = Path(__file__).with_name("kitchen.py")

TEA: dict[str, Any] = {
    "id": "tea",
    "version": "2",
    "name": "A pot of tea",
    "input_schema": {
        "type": "object",
        "properties": {
            "tea": {"type": "string"},
            "guest": {"type": "string", "minLength": 2, "description": "Who gets it"},
        },
    },
    "input": {"tea": "assam"},
    "steps": [
        {"id": "boil", "action": "kitchen.boil", "name": "Heat the water"},
        {
            "id": "steep",
            "action": "kitchen.steep",
            "parameters": {"tea": "${input.tea}", "celsius": "${boil.celsius}"},
            "retry": {"max_attempts": 3, "initial_delay": "20ms", "jitter": "none"},
        },
        {
            "id": "milk",
            "action": "kitchen.boil",
            "condition": "input.tea == 'chai'",
            "depends_on": ["boil"],
        },
        {
            "id": "serve",
            "action": "kitchen.serve",
            "parameters": {"guest": "${input.guest}"},
            "depends_on": ["steep"],
        },
    ],
}
WAIT = {"id": "wait", "steps": [{"id": "bell", "type": "wait", "schema": {"type": "integer"}}]}
SPILL = {
    "id": "spill",
    "steps": [
        {"id": "pour", "action": "kitchen.spill"},
        {"id": "drink", "action": "log", "parameters": {"message": "never"}},
    ],
}
DECIDE = {
    "id": "decide",
    "steps": [
        {
            "id": "pour",
            "action": "kitchen.spill",
            "retry": {"max_attempts": 1, "on_exhausted": "pause"},
        }
    ],
}
NOTE = {
    "id": "note",
    "steps": [{"id": "write", "action": "kitchen.note", "parameters": {"path": "called"}}],
}

Commands = Callable[..., Result]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of the test's own, and leave Python's path as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    # An engine in this process notices a request within a quarter of a second.
    monkeypatch.setattr(_elsewhere, "NOTICED_WITHIN", 0.4)
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, document in (
        ("tea", TEA),
        ("wait", WAIT),
        ("spill", SPILL),
        ("decide", DECIDE),
        ("note", NOTE),
    ):
        write(tmp_path / f"{name}.json", document)
    return tmp_path


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document, indent=1))
    return path


@pytest.fixture
def kitchen() -> str:
    """Return the path of the actions."""
    return str(KITCHEN)


@pytest.fixture
def do() -> Callable[..., Result]:
    """Return what gives a command in this process; `exits` is the code that it must exit with."""

    def give(*arguments: str, exits: int = 0, **options: Any) -> Result:
        result = CliRunner().invoke(main, arguments, **options)
        shown = f"{result.stdout}\n--- stderr ---\n{result.stderr}"
        assert exits == result.exit_code, shown
        assert "Traceback" not in shown
        return result

    return give


@pytest.fixture
def run_tea(do: Commands) -> Callable[..., Result]:
    """Return what runs the workflow `tea`."""

    def give(*more: str, exits: int = 0) -> Result:
        return do("run", "tea.json", "--actions", str(KITCHEN), *more, exits=exits)

    return give


def normal(text: str) -> str:
    """Return a text without what differs from one time to the next."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", text)
    text = re.sub(r" *\b[0-9.]+ (?:ms|s|min \d+ s|h \d+ min)(?![a-z])", " TIME", text)
    text = re.sub(r" +[█░#.]+[█░#. ]*$", " BAR", text, flags=re.MULTILINE)
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def strip_ansi(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def _environment() -> dict[str, str]:
    # The process is to use what this one tests, be it the checkout or an installed wheel.
    found = str(Path(trioflow.__file__).parents[1])
    path = os.pathsep.join(filter(None, [found, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "TEST_PID": str(os.getpid())}


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start the program in a process of its own."""
    options = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": _environment() | options.pop("env", {}),
        "text": True,
        **options,
    }
    return subprocess.Popen([sys.executable, "-m", "trioflow", *arguments], **options)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; fail if it does not."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@attrs.define
class Terminal:
    """The other side of a terminal at which the program runs."""

    process: subprocess.Popen[Any]
    descriptor: int
    seen: str = ""

    def until(self, text: str) -> str:
        """Read until the text has appeared; return everything so far, without colours."""
        end = time.monotonic() + 20
        while text not in strip_ansi(self.seen):
            assert time.monotonic() < end, self.seen
            if not self._read(0.1) and self.process.poll() is not None:
                self._read(0)
                assert text in strip_ansi(self.seen), self.seen
        return strip_ansi(self.seen)

    def _read(self, timeout: float) -> bool:
        if not select.select([self.descriptor], [], [], timeout)[0]:
            return False
        try:
            chunk = os.read(self.descriptor, 65536)
        except OSError:  # Linux says so when nobody has the other side any more.
            return False
        self.seen += chunk.decode("utf-8", "replace")
        return bool(chunk)

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read(0.1) or self.process.poll() is None:
            pass
        return self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@contextmanager
def terminal(
    *arguments: str, columns: int = 80, lines: int = 24, **environment: str
) -> Iterator[Terminal]:
    """Run the program at a terminal of this size."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    env = {"TERM": "xterm-256color", **environment}
    try:
        with start(
            *arguments, stdin=theirs, stdout=theirs, stderr=theirs, text=False, env=env
        ) as process:
            os.close(theirs)
            try:
                yield Terminal(process, ours)
            finally:
                if process.poll() is None:
                    process.kill()
    finally:
        os.close(ours)


@pytest.fixture
def at_terminal() -> Callable[..., Any]:
    """Return what runs the program at a terminal."""
    return terminal


@pytest.fixture
def started() -> Callable[..., subprocess.Popen[str]]:
    """Return what starts the program in a process of its own."""
    return start


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Return what waits until a condition holds."""
    return wait_for


@pytest.fixture
def normalised() -> Callable[[str], str]:
    """Return what takes times and dates out of a text."""
    return normal


@pytest.fixture
def store_document(here: Path) -> Callable[[str, Any], Path]:
    """Return what writes a workflow document into the folder of the test."""
    return lambda name, document: write(here / name, document)
