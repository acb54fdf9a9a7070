"""At a terminal: what is drawn, what is asked, and what Ctrl-C does."""

from __future__ import annotations

import json
import shlex
import signal
import time
from pathlib import Path
from typing import Any

import pytest


def test_progress_and_a_question(at_terminal: Any, kitchen: str, do: Any) -> None:
    """Steps and a bar are drawn; what is missing is asked for until it fits."""
    arguments = ("run", "tea.json", "--actions", kitchen, "--id", "one")
    with at_terminal(*arguments) as screen:
        seen = screen.until("guest (string; Who gets it): ")
        assert "✓ boil" in seen
        assert "PAUSED" in seen
        screen.type("A\n")
        screen.until("too short")
        screen.type("Ann\n")
        seen = screen.until('"to": "Ann"')
        assert 0 == screen.end()

    assert "COMPLETED in" in seen
    assert "2 attempts" in seen
    assert "\x1b[?25h" in screen.seen.rpartition("\x1b[?25l")[2]
    assert "COMPLETED" == json.loads(do("show", "one", "--json").stdout)["status"]


@pytest.mark.slow
def test_a_question_may_be_left(at_terminal: Any, kitchen: str) -> None:
    """Ctrl-D leaves with 3 and tells how to go on; Ctrl-C with 130."""
    arguments = ("run", "tea.json", "--actions", kitchen)
    with at_terminal(*arguments, columns=40, NO_COLOR="1") as screen:
        screen.until("gets it): ")
        screen.type("\x04")
        assert 3 == screen.end()
    assert "trioflow resume tea-" in screen.seen
    assert "\x1b[3" not in screen.seen

    with at_terminal(*arguments, PYTHONIOENCODING="ascii") as screen:
        seen = screen.until("gets it): ")
        screen.signal(signal.SIGINT)
        assert 130 == screen.end()
    assert "trioflow resume tea-" in screen.seen
    assert "+ boil" in seen


@pytest.mark.slow
def test_a_question_whose_time_is_over(at_terminal: Any, store_document: Any) -> None:
    """Timeouts run on while somebody thinks."""
    wait = {"id": "bell", "type": "wait", "total_timeout": "300ms"}
    store_document("late.json", {"id": "late", "steps": [wait]})
    with at_terminal("run", "late.json") as screen:
        screen.until("payload of signal bell (JSON): ")
        assert 1 == screen.end()

    assert "timed out after 0.3 s (timeout.step)" in screen.seen


@pytest.mark.slow
def test_an_answer_that_is_refused(at_terminal: Any, store_document: Any) -> None:
    """The engine has the last word: it knows the whole schema."""
    schema = {"type": "object", "dependentRequired": {"a": ["b"]}}
    step = {"id": "s", "action": "log", "parameters": {"message": "${input.a}"}}
    store_document("two.json", {"id": "two", "input_schema": schema, "steps": [step]})
    with at_terminal("run", "two.json") as screen:
        screen.until("a: ")
        screen.type("x\n")
        screen.until("can't resume execution")
        screen.type("\x04")
        assert 3 == screen.end()


def test_the_first_signal_interrupts_and_tells_how_to_continue(
    at_terminal: Any, kitchen: str, until: Any, here: Path, do: Any
) -> None:
    store = "sqlite:other store.db"
    run = ("run", "note.json", "--actions", kitchen, "--store", store)
    with at_terminal(*run, "--id", "a note", columns=200) as screen:
        until((here / "called").exists)
        screen.signal(signal.SIGINT)
        seen = screen.until("continue with:")
        assert 130 == screen.end()

    assert "interrupting; once more (Ctrl-C) ends it at once" in seen
    command = shlex.split(screen.seen.split("continue with:")[1].splitlines()[1])
    assert ["trioflow", "resume", "a note", "--actions", kitchen, "--store", store] == command
    with at_terminal(*command[1:]) as screen:
        until(lambda: 2 == (here / "called").read_text().count("\n"))
        screen.signal(signal.SIGTERM)
        assert 130 == screen.end()
    history = json.loads(do("history", "a note", "--store", store, "--json").stdout)
    assert 2 == sum(event["type"] == "AttemptInterrupted" for event in history)


@pytest.mark.slow
def test_the_second_signal_ends_at_once(
    started: Any, kitchen: str, until: Any, here: Path, store_document: Any, do: Any
) -> None:
    """Also when an action holds up the whole program."""
    step = {"id": "x", "action": "kitchen.block", "parameters": {"path": "blocked"}}
    store_document("block.json", {"id": "block", "steps": [step]})
    with started("run", "block.json", "--actions", kitchen, "--id", "b") as process:
        until((here / "blocked").exists)
        process.send_signal(signal.SIGINT)
        # Two that come together may be delivered as one.
        while process.poll() is None:
            time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
        stderr = process.stderr.read()

    assert 130 == process.returncode
    assert "ended at once" in stderr
    assert "RUNNING" == json.loads(do("show", "b", "--json").stdout)["status"]


@pytest.mark.slow
@pytest.mark.parametrize("command", (["list"], ["history", "one", "--json"], ["schema"]), ids=str)
def test_whoever_reads_may_leave(started: Any, run_tea: Any, command: list[str]) -> None:
    run_tea("-i", "guest=Ann", "--id", "one")
    with started(*command) as process:
        process.stdout.close()
        stderr = process.stderr.read()

    assert (141, "") == (process.wait(), stderr)


@pytest.mark.slow
def test_nobody_has_to_read_the_progress(started: Any, kitchen: str, do: Any) -> None:
    """The work goes on, whatever becomes of stderr."""
    arguments = ("run", "tea.json", "--actions", kitchen, "-i", "guest=Ann", "--id", "one")
    with started(*arguments) as process:
        process.stderr.close()
        stdout = process.stdout.read()

    assert 0 == process.wait()
    assert {"serve": {"to": "Ann"}} == json.loads(stdout)


@pytest.mark.slow
@pytest.mark.parametrize("columns", (40, 100), ids=str)
def test_pages_on_terminals(at_terminal: Any, run_tea: Any, columns: int) -> None:
    """No line is longer than the terminal is wide."""
    run_tea("-i", "guest=Ann", "--id", "one", "--label", "team=kitchen")
    for command in (["list"], ["show", "one"]):
        with at_terminal(*command, columns=columns) as screen:
            assert 0 == screen.end()
        lines = strip(screen.seen)
        assert max(map(len, lines)) <= columns
        assert "tea" in "".join(lines)


def strip(text: str) -> list[str]:
    import re

    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "").split("\n")
