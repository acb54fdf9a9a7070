"""What only POSIX has is not needed to import anything, and not in silence to use it.

There is no Windows here. So a process pretends: it hides what only POSIX has, from modules of its
own that nobody but it sees.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import trioflow
from tests.test_floors import MODULES

# What is not ours has been imported before: it has its own ways to be on Windows.
HIDE = """
import importlib, json, os, signal, sys, types
import anyio.from_thread, asyncio, attrs, click.testing, concurrent.futures, httpx2, jsonschema
import multiprocessing, pytest, referencing, rich.live, rich.table, rich.text, sqlite3, subprocess
import tempfile, trio, trio.testing, yaml

for name in ("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios",
             "tty", "_posixsubprocess"):
    sys.modules[name] = None
for name in ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGUSR1",
             "SIGWINCH", "ITIMER_REAL", "alarm", "getitimer", "pthread_sigmask", "setitimer"):
    delattr(signal, name)
for name in ("fork", "forkpty", "getgid", "getpgid", "geteuid", "getuid", "killpg", "nice",
             "setsid", "uname", "waitid", "O_CLOEXEC", "sched_getaffinity"):
    delattr(os, name)
sys.platform = "win32"
# Windows has this one instead; nothing is locked when it is imported.
sys.modules["msvcrt"] = types.ModuleType("msvcrt")
"""
IMPORT = """
failed = {}
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = repr(error)
print(json.dumps(failed))
"""
# As `IMPORT`, but with what a module does when it is used.
USE = """
import harness, trioflow
from harness.playing._deaths import check_kills
from harness.pytesting._watching import Watch

document = {"id": "w", "steps": [{"id": "a", "action": "log", "parameters": {"message": "hello"}}]}
with Watch(limit=5.0):
    found = trioflow.run(document)
suite = harness.suite({"id": "w", "steps": [{"id": "a", "action": "x.y"}]}, "smoke")
for scenario in suite.scenarios:
    harness.check(scenario)
try:
    check_kills(suite.scenarios[0], [harness.AfterWrite(1)])
except NotImplementedError as error:
    print(json.dumps([sorted(found), len(suite.scenarios), str(error)]))
"""


def pretend(script: str, *arguments: str) -> object:
    # The process is to use what this one tests; coverage would import what is hidden.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    found = str(Path(trioflow.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", HIDE + script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, "PYTHONPATH": found, "PYTHONDONTWRITEBYTECODE": "1"},
    )

    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_nothing_that_only_posix_has_is_needed_to_import_anything() -> None:
    modules = [name for name in MODULES if not name.endswith("__main__")]

    assert len(modules) > 200
    assert {} == pretend(IMPORT, json.dumps(modules))


@pytest.mark.slow
def test_what_needs_posix_says_so_when_it_is_used() -> None:
    output, scenarios, sentence = pretend(USE)  # type: ignore[misc]

    assert ["a"] == output
    assert scenarios >= 3
    assert (
        "no real process can die here, because this system has no os.fork; "
        "`harness.check_crashes` simulates the crashes instead"
    ) == sentence
