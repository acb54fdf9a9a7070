"""`--workflow` and `--secret`: what an engine has to be given beside the actions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trio.testing import wait_all_tasks_blocked

import trioflow
from trioflow.cli._secrets import read_secrets

FAMILY = {"id": "family", "steps": [{"id": "sub", "type": "workflow", "workflow": "wait"}]}


@pytest.fixture(autouse=True)
def family(here: Path, store_document: Any) -> None:
    store_document("family.json", FAMILY)
    (here / "parts").mkdir()
    (here / "wait.json").rename(here / "parts" / "wait.workflow.json")


def test_a_child_waits(do: Any) -> None:
    """The signal goes to the child, and what is driven on is the whole family."""
    paused = do("run", "family.json", "--workflow", "parts", "--id", "f", exits=3)
    assert "signal 'bell' (step 'bell' of 'f:sub'): integer" in paused.stderr
    assert paused.stderr.endswith("  trioflow signal f:sub bell JSON --workflow parts\n")

    done = do("signal", "f:sub", "bell", "3", "--workflow", "parts/wait.workflow.json")

    assert done.stderr.startswith("family  f\n")
    assert {"sub": {"bell": 3}} == json.loads(done.stdout)


def test_a_child_is_paused_and_resumed(do: Any) -> None:
    do("run", "family.json", "--workflow", "parts", "--id", "f", exits=3)
    do("pause", "f")
    resumed = do("resume", "f", "--workflow", "parts", exits=3)
    assert "f:sub" in resumed.stderr

    cancelled = do("cancel", "f", "--workflow", "parts")

    assert "f is CANCELLED; stopped: sub\n" in cancelled.stderr
    assert "CANCELLED" == json.loads(do("show", "f:sub", "--json").stdout)["status"]


def test_a_signal_to_a_child_where_workflows_are_missing(do: Any) -> None:
    do("run", "family.json", "--workflow", "parts", "--id", "f", exits=3)
    kept = do("signal", "f:sub", "bell", "3")

    assert "it can't go on here: unknown child workflow 'wait'; workflows come" in kept.stderr
    assert kept.stderr.endswith("  trioflow resume f --workflow FILE-or-FOLDER\n")
    assert {"sub": {"bell": 3}} == json.loads(do("resume", "f", "--workflow", "parts").stdout)


def test_cancelling_a_child(do: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails its step, once the family goes on: which it does not do by this."""
    request_cancel = trioflow.Execution.request_cancel

    async def and_give_time_to_others(execution: trioflow.Execution, *arguments: Any) -> None:
        await request_cancel(execution, *arguments)
        await wait_all_tasks_blocked(0.05)

    monkeypatch.setattr(trioflow.Execution, "request_cancel", and_give_time_to_others)
    do("run", "family.json", "--workflow", "parts", "--id", "f", exits=3)
    before = do("history", "f", "--json").stdout
    cancelled = do("cancel", "f:sub", "--workflow", "parts")
    assert before == do("history", "f", "--json").stdout
    assert "f:sub is CANCELLED; stopped: bell\n" in cancelled.stderr
    assert cancelled.stderr.endswith("  trioflow resume f --workflow parts\n")

    failed = do("resume", "f", "--workflow", "parts", exits=1)
    assert "workflow.cancelled" in failed.stderr


def test_recover_with_children(do: Any) -> None:
    do("run", "family.json", "--workflow", "parts", "--id", "f", exits=3)
    do("signal", "f:sub", "bell", "3")
    assert "family  f  COMPLETED" in do("recover", "--workflow", "parts").stderr


def test_check(do: Any, store_document: Any, kitchen: str) -> None:
    hint = "1 child workflow (not looked for: give --workflow)"
    assert hint in do("check", "family.json", "--actions", kitchen).stdout
    found = do("check", "family.json", "--workflow", "parts").stdout
    assert "ok: 1 step, 0 actions (not" in found
    assert found.endswith("1 child workflow\n")

    other = do("check", "family.json", "--workflow", "tea.json", exits=2)
    assert "line 7, $.steps[0].workflow: unknown workflow 'wait'; those of" in other.stderr
    bad = {"id": "wait", "steps": [{"id": "x", "action": "kitchen.boil", "parameters": {"a": 1}}]}
    store_document("bad.json", bad)
    faulty = do(
        "check", "family.json", "--workflow", "bad.json", "--actions", kitchen, "--json", exits=2
    )
    assert "bad.json" == json.loads(faulty.stdout)["file"]


def test_workflows_that_cannot_be_used(do: Any, here: Path, store_document: Any) -> None:
    run = ("run", "family.json", "--workflow")
    assert "unknown child workflow 'wait'" in do("run", "family.json", exits=2).stderr
    assert "there is no file" in do(*run, "nothing", exits=2).stderr
    (here / "empty").mkdir()
    assert "there is no workflow in the folder 'empty'" in do(*run, "empty", exits=2).stderr
    store_document("wait2.json", {"id": "wait", "steps": [{"id": "other", "type": "wait"}]})
    twice = do(*run, "parts", "--workflow", "wait2.json", exits=2)
    assert "two different workflows 'wait'" in twice.stderr


@pytest.mark.slow
def test_questions_of_a_child(at_terminal: Any) -> None:
    """They are asked like all others, with the name of who asks."""
    with at_terminal("run", "family.json", "--workflow", "parts", "--id", "f") as screen:
        seen = screen.until("payload of signal bell (JSON; integer): ")
        assert "child execution f:sub asks" in seen
        screen.type("x\n")
        screen.until("is no JSON")
        screen.type("3\n")
        screen.until('"bell": 3')
        assert 0 == screen.end()


@pytest.mark.slow
def test_a_question_about_a_decision(at_terminal: Any, kitchen: str) -> None:
    with at_terminal("run", "decide.json", "--actions", kitchen) as screen:
        seen = screen.until("decision about pour (retry, failed or completed:=JSON): ")
        assert "step pour failed: the cup" in seen
        screen.type("completed:=1\n")
        screen.until('"pour": 1')
        assert 0 == screen.end()


# ---- secrets ----


def test_secrets(
    do: Any, kitchen: str, here: Path, store_document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They reach the action, and nothing else."""
    step = {"id": "n", "action": "kitchen.length", "parameters": {"text": "${secret.key}"}}
    store_document("secret.json", {"id": "secret", "steps": [step]})
    monkeypatch.setenv("THE_KEY", "hunter2")
    (here / "key").write_text("correct horse\n")
    run = ("run", "secret.json", "--actions", kitchen, "--secret")

    assert {"n": 7} == json.loads(do(*run, "key=env:THE_KEY", "--id", "s").stdout)
    assert {"n": 13} == json.loads(do(*run, "key=file:key").stdout)
    assert "hunter2" not in do("history", "s", "--json").stdout
    said = do(*run, "other=env:THE_KEY", exits=1).stderr
    assert "${secret.key} has no value; bring it with" in said
    assert "--secret key=env:VARIABLE" in said


@pytest.mark.parametrize(
    ("texts", "message"),
    (
        (["key=hunter2"], "neither NAME=env:VARIABLE nor NAME=file:PATH"),
        (["hunter2"], "does not belong on a command line"),
        (["key=env:"], "neither"),
        (["key=env:NOT_THERE"], "there is no environment variable 'NOT_THERE'"),
        (["key=file:not-there"], "the file 'not-there' cannot be read"),
        (["key=file:latin"], "is no UTF-8 text"),
        (["key=env:HOME", "key=env:HOME"], "'key' is there twice"),
    ),
    ids=str,
)
def test_secrets_that_cannot_be_used(do: Any, here: Path, texts: list[str], message: str) -> None:
    (here / "latin").write_bytes(b"\xe4")
    words = [word for text in texts for word in ("--secret", text)]
    result = do("run", "family.json", *words, exits=2)

    assert message in result.stderr
    assert "hunter2" not in result.stderr.replace("'hunter2' is neither", "")


def test_the_value_of_a_secret_loses_one_newline(here: Path) -> None:
    (here / "key").write_text("a\n\n")

    assert {"k": "a\n"} == read_secrets(["k=file:key"])
