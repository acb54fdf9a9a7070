"""`trioflow resume`, `signal` and `cancel`, where no engine has the store open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_resume_with_a_decision(do: Any, kitchen: str) -> None:
    paused = do("run", "decide.json", "--actions", kitchen, "--id", "d", exits=3)
    assert f"trioflow resume d --actions {kitchen} --decide pour=retry\n" in paused.stderr

    again = do("resume", "d", "--actions", kitchen, "--decide", "pour=retry", exits=3)
    assert "waits for a decision: the cup" in again.stderr
    decided = ("--decide", 'pour=completed:={"cups": 1}')
    done = do("resume", "d", "--actions", kitchen, *decided, "--json")

    assert {"pour": {"cups": 1}} == json.loads(done.stdout)["output"]
    assert "by decision" in do("show", "d").stdout


def test_resume_as_failed(do: Any, kitchen: str) -> None:
    do("run", "decide.json", "--actions", kitchen, "--id", "d", exits=3)
    do("resume", "d", "--actions", kitchen, "--decide", "pour=failed", exits=1)

    assert "cup.broken" in do("show", "d").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        (["resume", "d", "--decide", "pour"], "a decision is retry, failed or completed:=JSON"),
        (["resume", "d", "--decide", "pour=completed:=x"], "the output 'x' is no JSON"),
        (["resume", "d", "--decide", "=retry"], "names no step"),
        (["resume", "d", "--decide", "a=retry", "--decide", "a=retry"], "the second decision"),
        (["resume", "d", "--decide", "a=retry"], "step 'a' does not wait for a decision"),
        (["resume", "d", "-i", "x=1"], "this answers nothing that it waits for"),
        (["resume", "nobody"], "there is no execution 'nobody'"),
        (["signal", "d", "bell"], "no step of execution 'd' waits for a signal 'bell'"),
        (["signal", "d", "bell", "x"], "the payload is no JSON"),
        (["cancel", "d", "--grace", "-1"], "--grace"),
        (["cancel", "nobody"], "there is no execution 'nobody'"),
    ),
    ids=str,
)
def test_refusals(do: Any, kitchen: str, arguments: list[str], message: str) -> None:
    do("run", "decide.json", "--actions", kitchen, "--id", "d", exits=3)
    result = do(*arguments, "--actions", kitchen, exits=2)

    assert message in result.stderr
    assert "PAUSED" == json.loads(do("show", "d", "--json").stdout)["status"]


def test_resume_without_an_answer_tells_what_is_missing(
    run_tea: Any, do: Any, kitchen: str
) -> None:
    run_tea("--id", "one", exits=3)
    result = do("resume", "one", "--actions", kitchen, exits=3)

    assert "3 of 4 steps had ended before" in result.stderr
    assert "input.guest (step 'serve')" in result.stderr


def test_resume_of_what_has_ended(run_tea: Any, do: Any, kitchen: str) -> None:
    run_tea("-i", "guest=Ann", "--id", "one")
    result = do("resume", "one", "--actions", kitchen, exits=2)

    assert "it is COMPLETED" in result.stderr


def test_resume_ends_a_pause(do: Any) -> None:
    """One that was asked for with `Execution.pause`."""
    import trio

    import trioflow

    async def pause() -> None:
        async with trioflow.open_engine("sqlite:trioflow.db") as engine:
            execution = await engine.start("wait.json", execution_id="w")
            await execution.wait_paused()
            await execution.pause()

    trio.run(pause)
    result = do("resume", "w", exits=3)

    assert "trioflow signal w bell JSON" in result.stderr


def test_signal(do: Any) -> None:
    paused = do("run", "wait.json", "--id", "w", exits=3)
    assert "signal 'bell' (step 'bell'): integer" in paused.stderr
    assert "trioflow signal w bell JSON" in paused.stderr
    assert "signal bell" in do("list").stdout

    assert "must be an integer" in do("signal", "w", "bell", '"x"', exits=2).stderr
    assert {"bell": 3} == json.loads(do("signal", "w", "bell", "3").stdout)


def test_a_signal_is_kept_where_actions_are_missing(
    do: Any, kitchen: str, store_document: Any
) -> None:
    """Whoever approves needs no code; whoever has it goes on."""
    steps = [{"id": "bell", "type": "wait"}, {"id": "boil", "action": "kitchen.boil"}]
    store_document("ring.json", {"id": "ring", "steps": steps})
    do("run", "ring.json", "--actions", kitchen, "--id", "r", exits=3)
    kept = do("signal", "r", "bell", "1")

    assert "signal bell left" in kept.stderr
    assert "unknown action 'kitchen.boil'" in kept.stderr
    assert kept.stderr.endswith("  trioflow resume r --actions MODULE-or-FILE\n")
    assert "an engine with its actions: resume it" in do("list").stdout
    page = do("show", "r").stdout
    assert "trioflow resume r --actions MODULE-or-FILE continues it" in page
    assert "Waits for\n  an engine with its actions: what it waited for has come" in page
    assert "waited for signal 'bell'; it has come" in page
    assert "waits for signal" not in page
    assert "waits" not in json.loads(do("show", "r", "--json").stdout)["steps"][0]
    waiting = do("recover", exits=3)
    assert "1 executions are left as they are: r (unknown action" in waiting.stderr
    assert "r is PAUSED, and what it waited for has come" in waiting.stderr
    done = do("resume", "r", "--actions", kitchen)
    assert {"boil": {"celsius": 100, "litres": 1}} == json.loads(done.stdout)


def test_a_signal_is_kept_where_actions_do_not_fit(
    do: Any, kitchen: str, store_document: Any, here: Path
) -> None:
    """As where they are missing: what came is not lost because of a deployment."""
    steps = [
        {"id": "bell", "type": "wait"},
        {"id": "boil", "action": "kitchen.boil", "parameters": {"litres": "${bell}"}},
        {"id": "more", "action": "kitchen.boil", "parameters": {"litres": 2}},
    ]
    store_document("ring.json", {"id": "ring", "steps": steps})
    do("run", "ring.json", "--actions", kitchen, "--id", "r", exits=3)
    (here / "newer.py").write_text(
        'import trioflow\n\n@trioflow.action("kitchen.boil")\nasync def boil(litres, pot): ...\n'
    )
    kept = do("signal", "r", "bell", "3", "--actions", "newer.py")

    assert (
        "signal bell left; r has it in its history, for whoever drives it\n"
        "it can't go on here: workflow 'ring', $.steps[1].parameters: action 'kitchen.boil' "
        "lacks its parameter 'pot', and 1 more problem; let the action take it, or bring another "
        "one\n"
        "continue with:\n"
        "  trioflow resume r --actions newer.py\n"
    ) == kept.stderr
    assert "SignalReceived" in do("history", "r").stdout
    done = do("resume", "r", "--actions", kitchen)
    assert {"more": {"celsius": 100, "litres": 2}} == json.loads(done.stdout)


def test_a_faulty_document_of_an_option_keeps_nothing(do: Any, store_document: Any) -> None:
    do("run", "wait.json", "--id", "w", exits=3)
    store_document("bad.json", {"id": "bad"})
    refused = do("signal", "w", "bell", "3", "--workflow", "bad.json", exits=2)

    assert "bad.json: lacks" in refused.stderr
    assert "signal bell" in do("list").stdout


def test_cancel(do: Any) -> None:
    do("run", "wait.json", "--id", "w", exits=3)
    result = do("cancel", "w", "--reason", "too late", "--grace", "1", "--json")

    assert {
        "id": "w",
        "status": "CANCELLED",
        "errors": [],
        "stopped": ["bell"],
        "late": [],
        "compensated": [],
        "not_compensated": [],
        "unresponsive": [],
    } == json.loads(result.stdout)
    assert "CANCELLED (too late)" in result.stderr


def test_cancel_undoes(do: Any, kitchen: str, store_document: Any) -> None:
    steps = [
        {"id": "boil", "action": "kitchen.boil", "compensate": "kitchen.undo"},
        {
            "id": "spoon",
            "action": "kitchen.boil",
            "compensate": {"action": "kitchen.spill", "parameters": {}},
        },
        {"id": "bell", "type": "wait"},
    ]
    store_document("undo.json", {"id": "undo", "steps": steps})
    do("run", "undo.json", "--actions", kitchen, "--id", "u", exits=3)
    result = do("cancel", "u", "--actions", kitchen)

    assert result.stderr.endswith(
        "u is CANCELLED; stopped: bell; undone: boil; could not be undone: spoon\n"
    )
    assert "" == result.stdout


def test_pause_where_no_engine_is(do: Any, store_document: Any) -> None:
    """It is in the store, and counts for whoever drives the execution."""
    say = {"id": "x", "action": "log", "parameters": {"message": "rung"}}
    steps = [{"id": "bell", "type": "wait"}, say]
    store_document("ring.json", {"id": "ring", "steps": steps})
    do("run", "ring.json", "--id", "w", exits=3)
    assert "pause requested; w has it in its history" in do("pause", "w").stderr
    again = do("pause", "w", exits=2)
    assert "it is paused already" in again.stderr
    assert "trioflow resume w" in do("signal", "w", "bell", "3", exits=3).stderr
    assert {"x": None} == json.loads(do("resume", "w").stdout)
