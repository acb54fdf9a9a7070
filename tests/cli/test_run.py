"""`trioflow run`, without a terminal: what it prints, where, and how it exits."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trioflow import blocking

Normalise = Callable[[str], str]
Write = Callable[[str, Any], Path]

PLAIN = """\
tea  one
 TIME  boil   COMPLETED in TIME
 TIME  milk   SKIPPED: its condition is false: input.tea == 'chai'
 TIME  steep  attempt 1 failed after TIME: the pot is cold (pot.cold); again in TIME
 TIME  steep  COMPLETED in TIME, 2 attempts
served on stdout
 TIME  serve  COMPLETED in TIME
 TIME  COMPLETED: 3 completed, 1 skipped
"""


def test_progress_goes_to_stderr_and_the_output_to_stdout(
    run_tea: Any, normalised: Normalise
) -> None:
    result = run_tea("-i", "guest=Ann", "--id", "one")

    assert {"serve": {"to": "Ann"}} == json.loads(result.stdout)
    assert PLAIN == normalised(result.stderr).replace("in TIME", "in TIME").replace(" in  TIME", "")


def test_the_same_id_continues_and_then_only_tells(run_tea: Any) -> None:
    first = run_tea("-i", "guest=Ann", "--id", "one")
    again = run_tea("-i", "guest=Ann", "--id", "one")

    assert first.stdout == again.stdout
    assert "COMPLETED before; nothing was done now" in again.stderr


def test_the_same_id_with_another_input_is_refused(run_tea: Any) -> None:
    run_tea("-i", "guest=Ann", "--id", "one")
    result = run_tea("-i", "guest=Bob", "--id", "one", exits=2)

    assert result.stderr.startswith("error: execution 'one' is already there with another input")


def test_json_is_all_that_is_on_stdout(run_tea: Any, do: Any, kitchen: str) -> None:
    completed = run_tea("-i", "guest=Ann", "--id", "one", "--json")
    paused = run_tea("--id", "two", "--json", exits=3)
    failed = do("run", "spill.json", "--actions", kitchen, "--id", "three", "--json", exits=1)

    assert {"id": "one", "status": "COMPLETED", "output": {"serve": {"to": "Ann"}}} == json.loads(
        completed.stdout
    )
    assert "input.guest" == json.loads(paused.stdout)["waiting_for"][0]["name"]
    assert "cup.broken" == json.loads(failed.stdout)["errors"][0]["code"]


def test_a_pause_without_a_terminal_prints_the_command_that_resumes(
    run_tea: Any, do: Any, kitchen: str
) -> None:
    """The command works as it stands, once its capitals are filled in."""
    result = run_tea("--id", "a pot", "--store", "sqlite:my store.db", exits=3)

    assert "input.guest (step 'serve'): string; Who gets it" in result.stderr
    command = result.stderr.splitlines()[-1].strip()
    words = [word.replace("TEXT", "Ann") for word in shlex.split(command)]
    assert ["trioflow", "resume", "a pot"] == words[:3]
    assert {"serve": {"to": "Ann"}} == json.loads(do(*words[1:]).stdout)


def test_what_is_in_memory_cannot_be_resumed(run_tea: Any) -> None:
    result = run_tea("--store", "memory:", exits=3)

    assert "its store was in memory and is gone" in result.stderr


def test_errors_are_told_as_a_tree_and_never_interpreted(do: Any, kitchen: str) -> None:
    result = do("run", "spill.json", "--actions", kitchen, exits=1)

    assert result.stderr.endswith(
        "error: step pour, attempt 1: the cup [red]fell[/red]\\x1b[31m (cup.broken)\n"
        "    caused by ValueError: slippery (action.error)\n"
    )


def test_labels(run_tea: Any, do: Any) -> None:
    run_tea("-i", "guest=Ann", "--label", "team=kitchen", "--label", "day=one=two")
    listed = json.loads(do("list", "--json").stdout)

    assert {"team": "kitchen", "day": "one=two"} == listed[0]["labels"]


@pytest.mark.parametrize("labels", (("team",), ("=x",), ("a=1", "a=2")), ids=str)
def test_bad_labels(run_tea: Any, labels: tuple[str, ...]) -> None:
    result = run_tea(*(word for label in labels for word in ("--label", label)), exits=2)

    assert "--label" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        (["run", "nothing.json"], 'nothing.json: there is no file "nothing.json"'),
        (["run", "tea.json"], "--actions MODULE-or-FILE"),
        (["run", "tea.json", "--store", "tea"], "names no store"),
        (["run", "tea.json", "--store", "sqlite:no/folder.db"], "there is no directory"),
        (["run", "tea.json", "--allow", "rm"], "nothing to allow about 'rm'"),
        (["run", "wait.json", "--id", "a:b"], "has no ':'"),
        (["run"], "Missing argument 'FILE'"),
        (["jump"], "No such command 'jump'.\n"),
        (["events"], "No such command 'events'. Did you mean 'history'?"),
        (["histroy", "one"], "No such command 'histroy'. Did you mean 'history'?"),
        (["show", "one"], "there is no store './trioflow.db' here"),
        (["list", "--store", "memory:"], "in memory"),
        (["resume", "one", "--store", "sqlite::memory:"], "in memory"),
    ),
    ids=str,
)
def test_usage_errors_create_nothing(
    do: Any, arguments: list[str], message: str, here: Path
) -> None:
    before = set(here.iterdir())
    result = do(*arguments, exits=2)

    assert message in result.stderr
    assert "" == result.stdout
    assert before == {path for path in here.iterdir() if "trioflow.db" not in path.name}


def test_an_input_that_does_not_fit_is_refused_with_every_problem(run_tea: Any) -> None:
    result = run_tea("-i", "guest=x", "-i", "tea:=7", exits=2)

    assert "error: the input has 2 problems:\n" in result.stderr
    assert "$.tea" in result.stderr
    assert "$.guest" in result.stderr


def test_text_where_json_is_wanted_is_told_how_to_write_it(do: Any, store_document: Write) -> None:
    """Only of what is JSON, and only of what was given as text."""
    number = {"type": "integer"}
    numbers = {"a": number, "b c": number, "d": {"properties": {"e": number}}, "f": number}
    schema = {"properties": {**numbers, "g": {"type": "string", "minLength": 9}}}
    steps = [{"id": "x", "action": "log", "parameters": {"message": "x"}}]
    store_document("sums.json", {"id": "sums", "input_schema": schema, "steps": steps})
    given = ("a=1", "b c=2", "d.e=[3]", "f=many", "g=4", "h=5")
    words = [word for each in given for word in ("-i", each)]

    assert [
        "  -i a=1 is text; for JSON write -i a:=1",
        "  -i b c=2 is text; for JSON write -i 'b c:=2'",
        "  -i d.e=[3] is text; for JSON write -i 'd.e:=[3]'",
    ] == do("run", "sums.json", *words, exits=2).stderr.splitlines()[-3:]
    refused = do("run", "sums.json", "-i", 'a:="1"', exits=2).stderr
    assert refused.endswith("$.a: must be an integer, not a string\n")


def test_what_actions_log_is_shown(do: Any, kitchen: str, store_document: Write) -> None:
    step = {"id": "say", "action": "kitchen.say", "parameters": {"text": "[b]hot[/b]\n"}}
    store_document("say.json", {"id": "say", "steps": [step]})
    result = do("run", "say.json", "--actions", kitchen)

    assert "say: [b]hot[/b]\\n\n" in result.stderr


def test_actions_of_a_file_work_in_worker_processes(
    do: Any, kitchen: str, store_document: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PID", "1")
    store_document("far.json", {"id": "far", "steps": [{"id": "x", "action": "kitchen.elsewhere"}]})
    result = do("run", "far.json", "--actions", kitchen)

    assert {"x": True} == json.loads(result.stdout)


def test_a_fallback_is_told(do: Any, kitchen: str, store_document: Write) -> None:
    step = {"id": "x", "action": "kitchen.spill", "fallback": "kitchen.boil", "parameters": {}}
    store_document("fall.json", {"id": "fall", "steps": [step]})
    result = do("run", "fall.json", "--actions", kitchen)

    assert "x  its fallback is tried: the cup" in result.stderr
    assert "by fallback" in result.stderr


def test_a_store_that_an_engine_has_open(do: Any, run_tea: Any) -> None:
    """Looking works beside it, and what needs an engine says plainly who is in the way."""
    run_tea("--id", "one", exits=3)
    with blocking.open_engine("sqlite:trioflow.db", recover=False):
        for command in (["list"], ["show", "one"], ["history", "one"], ["graph", "one"], ["stats"]):
            do(*command)
        for command in (["run", "wait.json"], ["fork", "one", "--from", "boil"], ["recover"]):
            result = do(*command, exits=2)
            assert "in use by another engine" in result.stderr
            assert "trioflow show" in result.stderr
