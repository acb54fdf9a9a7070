"""`trioflow recover`, and `trioflow stats` of what has come of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trioflow import blocking
from trioflow.cli._actions import load_actions


@pytest.fixture
def left(kitchen: str, here: Path, until: Any) -> None:
    """Leave three executions open: one that waits, one that goes on well, and one that does not."""
    with blocking.open_engine("sqlite:trioflow.db", actions=load_actions([kitchen])) as engine:
        engine.start("wait.json", execution_id="w").wait_paused()
        for name, action in (("well", "kitchen.boil"), ("ill", "kitchen.spill")):
            first = {"id": "first", "action": "kitchen.again", "parameters": {"path": name}}
            document = {"id": name, "steps": [first, {"id": "do", "action": action}]}
            engine.start(document, execution_id=name)
            until((here / name).exists)


def test_everything_goes_on(left: None, do: Any, kitchen: str) -> None:
    """A line for whatever an execution becomes; then the errors, and what is waited for."""
    first = do("recover", "--actions", kitchen, exits=1)

    for words in ("well  well  goes on", "well  well  COMPLETED", "ill  ill  FAILED"):
        assert f" s  {words}\n" in first.stderr
    assert "ill is FAILED\nerror: step do, attempt 1: the cup" in first.stderr
    assert "w is PAUSED and waits for:\n  signal 'bell'" in first.stderr
    assert f"trioflow signal w bell JSON --actions {kitchen}\n" in first.stderr
    second = do("recover", "--json", exits=3)
    assert [("w", "PAUSED")] == [
        (found["id"], found["status"]) for found in json.loads(second.stdout)
    ]
    do("signal", "w", "bell", "1")
    assert "nothing is open that can go on" in do("recover").stderr


@pytest.mark.slow
def test_an_answer_meanwhile(started: Any, do: Any) -> None:
    """As long as something else goes on, an answer is acted upon, and what goes on is followed."""
    nap = {"id": "nap", "steps": [{"id": "nap", "type": "sleep", "duration": "3s"}]}
    steps = [{"id": "bell", "type": "wait"}, {"id": "nap", "type": "sleep", "duration": "10ms"}]
    with blocking.open_engine("sqlite:trioflow.db") as engine:
        for name in ("v", "w"):
            engine.start({"id": "ring", "steps": steps}, execution_id=name).wait_paused()
        engine.start(nap, execution_id="n")
    with started("recover") as process:
        assert "nap  n  goes on" in process.stderr.readline()
        assert "goes on with w" in do("signal", "w", "bell", "1").stderr
        _, told = process.communicate()

    assert 3 == process.returncode
    assert " s  ring  w  goes on\n" in told
    assert " s  ring  w  COMPLETED\n" in told
    assert "v is PAUSED and waits for:" in told


def test_what_is_not_known_here_is_left(left: None, do: Any) -> None:
    result = do("recover", exits=3)

    assert "2 executions are left as they are: " in result.stderr
    assert "RUNNING" == json.loads(do("show", "well", "--json").stdout)["status"]


@pytest.mark.slow
def test_an_interrupt(started: Any, kitchen: str, do: Any, here: Path, until: Any) -> None:
    import signal

    with blocking.open_engine("sqlite:trioflow.db", actions=load_actions([kitchen])) as engine:
        engine.start("note.json", execution_id="n")
        until((here / "called").exists)
    with started("recover", "--actions", kitchen) as process:
        until(lambda: 2 == (here / "called").read_text().count("\n"))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()

    assert 130 == process.returncode
    assert "interrupted; `trioflow recover` goes on where it was\n" in told


def test_statistics(left: None, do: Any, kitchen: str, normalised: Any) -> None:
    do("recover", "--actions", kitchen, exits=1)
    printed = normalised(do("stats").stdout)

    assert printed.startswith("since DATE: 0 running, 1 waiting\n\nill  1 execution: 1 failed;")
    assert "cup.broken 1" in printed
    found = json.loads(do("stats", "--workflow", "well", "--json").stdout)
    assert ["well"] == list(found["workflows"])
    assert 1 == found["workflows"]["well"]["completed"]
    assert "no executions of 'x'\n" == do("stats", "--workflow", "x").stderr
