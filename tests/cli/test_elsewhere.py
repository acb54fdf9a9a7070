"""Steering an execution that an engine elsewhere drives: the request is left beside it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trioflow import blocking, load_workflow
from trioflow.cli import _elsewhere

STORE = "sqlite:trioflow.db"
ACTS = "the engine that has the store open goes on with"
HOLD = {
    "id": "hold",
    "steps": [
        {
            "id": "boil",
            "action": "kitchen.boil",
            "compensate": {"action": "kitchen.note", "parameters": {"path": "undoing"}},
        },
        {"id": "hold", "action": "kitchen.hold", "parameters": {"path": "held"}},
    ],
}


@pytest.fixture
def engine(kitchen: str) -> Iterator[Any]:
    """Return an engine that has the store open; it is in this process, which nobody knows."""
    from trioflow.cli._actions import load_actions

    with blocking.open_engine(STORE, actions=load_actions([kitchen])) as opened:
        yield opened


def test_a_signal(engine: Any, do: Any) -> None:
    execution = engine.start("wait.json", execution_id="w")
    refused = do("signal", "w", "bell", '"x"', exits=2)
    told = do("signal", "w", "bell", "3")

    assert "must be an integer" in refused.stderr
    assert f"signal bell left; {ACTS} w\nit is " in told.stderr
    assert {"bell": 3} == execution.result()


def test_a_signal_to_a_child(do: Any, here: Path) -> None:
    family = {"id": "family", "steps": [{"id": "sub", "type": "workflow", "workflow": "wait"}]}
    child = load_workflow(here / "wait.json")
    with blocking.open_engine(STORE, workflows=[child]) as engine:
        execution = engine.start(family, execution_id="f")
        execution.wait_paused()
        assert ACTS in do("signal", "f:sub", "bell", "3").stderr

        assert {"sub": {"bell": 3}} == execution.result()


def test_a_resume(engine: Any, do: Any) -> None:
    step = {"id": "x", "action": "kitchen.length", "parameters": {"text": "${input.guest}"}}
    execution = engine.start({"id": "ask", "steps": [step]}, execution_id="one")
    execution.wait_paused()
    told = do("resume", "one", "-i", "guest=Ann", "--json")

    assert {"requested": "resume requested", "noticed": True}.items() <= json.loads(
        told.stdout
    ).items()
    assert {"x": 3} == execution.result()


def test_nothing_to_bring(engine: Any, do: Any) -> None:
    """What runs elsewhere runs there."""
    engine.start("note.json", execution_id="n")
    result = do("resume", "n", exits=2)

    assert "waits for nothing; to continue it here, end the other engine first" in result.stderr
    assert "in use by another engine" in result.stderr


def test_nothing_is_brought_of_what_is_waited_for(engine: Any, do: Any) -> None:
    """Ending the other engine would not help."""
    step = {"id": "x", "action": "kitchen.length", "parameters": {"text": "${input.guest}"}}
    execution = engine.start({"id": "ask", "steps": [step]}, execution_id="one")
    execution.wait_paused()
    result = do("resume", "one", exits=2)

    assert result.stderr.endswith(
        "this answers nothing that it waits for: input.guest (step 'x'); the engine that has the "
        "store open goes on when it is brought with:\n"
        "  trioflow resume one -i guest=TEXT\n"
    )


def test_a_signal_beside_an_engine_that_lacks_the_action(
    do: Any, kitchen: str, store_document: Any
) -> None:
    """`list` and `show` agree on what is waited for."""
    steps = [{"id": "bell", "type": "wait"}, {"id": "boil", "action": "kitchen.boil"}]
    store_document("ring.json", {"id": "ring", "steps": steps})
    do("run", "ring.json", "--actions", kitchen, "--id", "r", exits=3)
    with blocking.open_engine(STORE):
        do("signal", "r", "bell", "1")
        listed, page = do("list").stdout, do("show", "r").stdout
        refused = do("resume", "r", exits=2).stderr

    assert "an engine with its actions: resume it" in listed
    assert "Waits for\n  an engine with its actions: what it waited for has come" in page
    assert "waited for signal 'bell'; it has come" in page
    assert "to continue it here, end the other engine first" in refused


def test_what_a_child_waited_for_has_come(do: Any, here: Path, store_document: Any) -> None:
    """And only that: its neighbours are still waited for."""
    steps = [
        {"id": name, "type": "workflow", "workflow": "wait", "depends_on": []}
        for name in ("sub", "sub2")
    ]
    store_document("family.json", {"id": "family", "steps": steps})
    do("run", "family.json", "--workflow", "wait.json", "--id", "f", exits=3)
    with blocking.open_engine(STORE):
        do("signal", "f:sub", "bell", "1")
        page = do("show", "f").stdout

    assert "waited for its child f:sub; it has come" in page
    assert "waits for its child f:sub2" in page


def test_a_pause(engine: Any, do: Any) -> None:
    execution = engine.start("wait.json", execution_id="w")
    execution.wait_paused()
    do("pause", "w")

    assert "trioflow resume w" in do("show", "w").stdout
    do("resume", "w")
    assert ["signal"] == [entry.kind for entry in execution.waiting_for]


def test_a_cancel(engine: Any, do: Any, until: Any, here: Path) -> None:
    """The progress is that of a cancel here; it returns when nothing runs any more."""
    engine.start("note.json", execution_id="n")
    until((here / "called").exists)
    told = do("cancel", "n", "--reason", "no guest", "--json")

    found = json.loads(told.stdout)
    assert ("CANCELLED", ["write"]) == (found["status"], found["stopped"])
    assert "cancelling; this waits at most 10 s for the engine that has the store\n" in told.stderr
    assert "stopping: cancel" in told.stderr
    assert "CANCELLED (no guest): 1 cancelled" in told.stderr
    assert "it is CANCELLED" in do("cancel", "n", exits=2).stderr


def test_a_cancel_that_nobody_waits_for(engine: Any, do: Any) -> None:
    execution = engine.start("wait.json", execution_id="w")
    told = do("cancel", "w", "--no-wait")

    assert "cancel requested; w has it in its history" in told.stderr
    with pytest.raises(Exception, match="was cancelled"):
        execution.result()


def test_a_cancel_that_takes_long(
    engine: Any,
    do: Any,
    until: Any,
    here: Path,
    store_document: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says what it waits for, and that the cancel stands."""
    monkeypatch.setattr(_elsewhere, "PATIENCE", 0.7)
    engine.start(store_document("hold.json", HOLD), execution_id="h")
    until((here / "held").exists)
    stopping = do("cancel", "h", exits=3)
    (here / "held").unlink()
    until((here / "undoing").exists)
    undoing = do("cancel", "h", "--json", exits=3)

    assert "the cancel stands, but h has not ended within 0.7 s; hold is being stopped" in (
        stopping.stderr
    )
    assert "boil is being undone" in undoing.stderr
    assert {"id": "h", "status": "RUNNING", "requested": "cancel"} == json.loads(undoing.stdout)


def test_an_engine_that_drives_other_executions(do: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is there for the next one."""
    monkeypatch.setattr(_elsewhere, "PATIENCE", 0.4)
    do("run", "wait.json", "--id", "w", exits=3)
    with blocking.open_engine(STORE, recover=False):
        told = do("cancel", "w", exits=3)

    assert "has not acted upon it" in told.stderr
    assert "w is CANCELLED" in do("cancel", "w").stderr


@pytest.mark.slow
def test_two_processes(started: Any, kitchen: str, until: Any, here: Path) -> None:
    """`cancel` in one terminal, while `run` runs in another one."""
    with started("run", "note.json", "--actions", kitchen, "--id", "n") as running:
        until((here / "called").exists)
        with started("cancel", "n", "--reason", "enough") as cancelling:
            _, told = cancelling.communicate()
        _, ran = running.communicate()

    assert (0, 4) == (cancelling.returncode, running.returncode)
    for stderr in (told, ran):
        assert "CANCELLED (enough): 1 cancelled" in stderr


@pytest.mark.slow
def test_an_interrupt_while_an_engine_elsewhere_cancels(
    engine: Any, started: Any, until: Any, here: Path, store_document: Any, do: Any
) -> None:
    engine.start(store_document("hold.json", HOLD), execution_id="h")
    until((here / "held").exists)
    with started("cancel", "h") as cancelling:
        until(lambda: "CancelRequested" in do("history", "h").stdout)
        cancelling.send_signal(signal.SIGINT)
        _, told = cancelling.communicate()
    (here / "held").unlink()

    assert 130 == cancelling.returncode
    assert "the cancel stands; h has not ended yet" in told


@pytest.mark.slow
def test_an_interrupt_of_a_cancel_here(
    started: Any, kitchen: str, until: Any, here: Path, store_document: Any, do: Any
) -> None:
    """What it was undoing goes on the next time."""
    document = {**HOLD, "steps": [HOLD["steps"][0], {"id": "bell", "type": "wait"}]}
    store_document("undo.json", document)
    do("run", "undo.json", "--actions", kitchen, "--id", "u", exits=3)
    with started("cancel", "u", "--actions", kitchen) as cancelling:
        until((here / "undoing").exists)
        cancelling.send_signal(signal.SIGINT)
        _, told = cancelling.communicate()

    assert 130 == cancelling.returncode
    assert "interrupted, but the cancel stands; u has not ended yet\n" in told
    assert f"  trioflow cancel u --actions {kitchen}\n" in told
