"""`trioflow list`, `show` and `history`: what they print of executions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner

import trioflow
from trioflow import blocking
from trioflow.cli import main

Normalise = Callable[[str], str]

SHOWN = """\
one  COMPLETED
workflow  tea version 2, A pot of tea
started   DATE
ended     DATE, after TIME
steps     3 completed, 1 skipped
labels    team=kitchen
input     {"tea": "assam", "guest": "Ann"}

Steps
  ✓ boil   COMPLETED TIME BAR
      → {"celsius": 100, "litres": 1}
  ✓ steep  COMPLETED TIME BAR
      + TIME  attempt 1 failed after TIME: the pot is cold (pot.cold); again in TIME
      + TIME  attempt 2 completed after TIME
      → {"pot": "assam at 100"}
  – milk   SKIPPED
      its condition is false: input.tea == 'chai'
  ✓ serve  COMPLETED TIME BAR
      → {"to": "Ann"}

Connections
  boil → milk    taken
  steep → serve  taken

Output
  {
    "serve": {
      "to": "Ann"
    }
  }
"""  # noqa: RUF001

PAUSED = """\
two  PAUSED
workflow  tea version 2, A pot of tea
started   DATE
open for TIME
steps     2 completed, 1 skipped, 1 paused
input     {"tea": "assam"}

Waits for
  input.guest (step 'serve'): string; Who gets it
answer with (and --actions, as for the run)
  trioflow resume two -i guest=TEXT
"""

FAILED = """\
three  FAILED
workflow  spill
started   DATE
ended     DATE, after TIME
steps     1 failed, 1 cancelled
input     {}

Errors
  step pour, attempt 1: the cup [red]fell[/red]\\x1b[31m (cup.broken)
    caused by ValueError: slippery (action.error)

Steps
  ✗ pour   FAILED TIME BAR
      + TIME  attempt 1 failed after TIME: the cup [red]fell[/red]\\x1b[31m (cup.broken)
  ■ drink  CANCELLED

Events of the whole
  + TIME  stopping: step 'pour': the cup [red]fell[/red]\\x1b[31m (cup.broken)
"""

LISTED = """\
ID WORKFLOW STATUS CREATED DURATION WAITS FOR
three spill FAILED DATE TIME
two tea PAUSED DATE TIME input.guest
one tea COMPLETED DATE TIME
"""


@pytest.fixture
def some(run_tea: Any, do: Any, kitchen: str) -> None:
    """Three executions, one of each kind."""
    run_tea("-i", "guest=Ann", "--id", "one", "--label", "team=kitchen")
    run_tea("--id", "two", exits=3)
    do("run", "spill.json", "--actions", kitchen, "--id", "three", exits=1)


@pytest.mark.usefixtures("some")
def test_show(do: Any, normalised: Normalise) -> None:
    assert SHOWN == normalised(do("show", "one").stdout)
    assert normalised(do("show", "two").stdout).startswith(PAUSED)
    assert FAILED == normalised(do("show", "three").stdout)


@pytest.mark.usefixtures("some")
def test_list(do: Any, normalised: Normalise) -> None:
    # How wide a column is depends on what is in it.
    assert LISTED == re.sub(" +", " ", normalised(do("list").stdout))


@pytest.mark.usefixtures("some")
def test_list_some(do: Any) -> None:
    def ids(*arguments: str) -> list[str]:
        return [found["id"] for found in json.loads(do("list", "--json", *arguments).stdout)]

    assert ["three", "two", "one"] == ids()
    assert ["two", "one"] == ids("--workflow", "tea")
    assert ["three", "one"] == ids("--status", "failed", "--status", "COMPLETED")
    assert ["two"] == ids("--before", "three", "--limit", "1")
    assert "no executions like that\n" == do("list", "--workflow", "coffee").stderr
    assert "more: trioflow list --before three\n" == do("list", "--limit", "1").stderr
    assert "there is no execution 'nobody'" in do("list", "--before", "nobody", exits=2).stderr
    assert "Invalid value for '--status'" in do("list", "--status", "lost", exits=2).stderr


@pytest.mark.usefixtures("some")
def test_list_for_programs(do: Any) -> None:
    three, two, one = json.loads(do("list", "--json").stdout)

    assert {"id", "workflow", "status", "created", "ended", "labels"} == set(one)
    assert ("input", "input.guest") == tuple(two["waiting_for"][0][key] for key in ("kind", "name"))
    assert three["ended"] >= three["created"]


@pytest.mark.usefixtures("some")
def test_show_for_programs(do: Any) -> None:
    one, two, three = (
        json.loads(do("show", name, "--json").stdout) for name in ("one", "two", "three")
    )

    assert {"serve": {"to": "Ann"}} == one["output"]
    assert ["failed", "completed"] == [a["outcome"] for a in one["steps"][1]["attempts"]]
    assert "pot.cold" == one["steps"][1]["attempts"][0]["error"]["code"]
    assert [True, True] == [connection["taken"] for connection in one["connections"]]
    assert "input.guest" == two["steps"][3]["waits"]
    assert "its condition is false" in two["steps"][2]["reason"][:30]
    assert "cup.broken" == three["errors"][0]["code"] == three["steps"][0]["error"]["code"]


@pytest.mark.usefixtures("some")
def test_history(do: Any) -> None:
    lines = do("history", "one").stdout.splitlines()
    events = json.loads(do("history", "one", "--json").stdout)

    assert len(lines) == len(events) == events[-1]["seq"]
    assert lines[0].startswith(' 1    0.00 s  ExecutionStarted  execution_id="one"')
    assert "AttemptFailed  steep attempt=1 failure=" in next(x for x in lines if "Failed" in x)
    assert ["boil", "steep", "serve"] == [
        event["step"] for event in events if event["type"] == "StepCompleted"
    ]
    assert events[-2:] == json.loads(
        do("history", "one", "--json", "--after", str(len(events) - 2)).stdout
    )


@pytest.mark.parametrize("command", ("show", "history", "graph"), ids=str)
@pytest.mark.usefixtures("some")
def test_nobody(do: Any, command: str) -> None:
    result = do(command, "nobody", exits=2)

    assert "error: there is no execution 'nobody' in this store\n" == result.stderr


@pytest.mark.usefixtures("some")
def test_looking_leaves_no_trace(do: Any, here: Path) -> None:
    store = here / "trioflow.db"
    before = (store.read_bytes(), store.stat().st_mtime_ns)
    for command in (["list"], ["show", "one"], ["history", "one"], ["graph", "one"]):
        do(*command)

    assert before == (store.read_bytes(), store.stat().st_mtime_ns)


def test_an_empty_store(do: Any, run_tea: Any) -> None:
    run_tea("-i", "guest:=1", exits=2)

    assert "no executions\n" == do("list").stderr


def test_other_encodings(run_tea: Any, do: Any) -> None:
    """What an encoding lacks comes out as ASCII signs and escapes, and JSON stays JSON."""
    run_tea("-i", "guest=Zoë → 茶", "--id", "one")
    from click.testing import CliRunner

    from trioflow.cli import main

    for command in (["show", "one"], ["list"], ["history", "one"]):
        result = CliRunner(charset="ascii").invoke(main, command)
        assert 0 == result.exit_code
        assert result.stdout.isascii()
    assert "+ serve" in CliRunner(charset="ascii").invoke(main, ["show", "one"]).stdout
    found = CliRunner(charset="latin-1").invoke(main, ["show", "one", "--json"])
    assert "Zoë → 茶" == json.loads(found.stdout)["input"]["guest"]


ALLOW = "--allow process.run "
FAMILY = "--actions MODULE-or-FILE --workflow FILE-or-FOLDER "


@pytest.mark.parametrize(
    ("step", "execution_id", "needed"),
    (
        ({"type": "sleep", "duration": "1h"}, "a", ""),
        ({"action": "process.run", "parameters": {"argv": ["sleep", 60]}}, "a", ALLOW),
        ({"type": "workflow", "workflow": "kid"}, "a", FAMILY),
        ({"type": "workflow", "workflow": "kid"}, "a:x", FAMILY),
    ),
    ids=str,
)
def test_the_hint_names_what_resuming_needs(
    do: Any, step: dict[str, Any], execution_id: str, needed: str
) -> None:
    """Also the store, and of a child the execution at the top."""
    kid = {"id": "kid", "steps": [{"id": "nap", "type": "sleep", "duration": "1h"}]}
    child = trioflow.load_workflow(kid)
    there = trio.Event()

    def observe(name: str, event: object) -> None:
        if name == execution_id:
            there.set()

    async def leave() -> None:
        async with trioflow.open_engine(
            "sqlite:my.db", workflows=[child], allow=["process.run"], observers=[observe]
        ) as engine:
            await engine.start({"id": "top", "steps": [{"id": "x", **step}]}, execution_id="a")
            await there.wait()

    trio.run(leave)
    hint = f"store open, trioflow resume a --store sqlite:my.db {needed}continues it"
    assert hint in do("show", execution_id, "--store", "sqlite:my.db").stdout


def test_an_interrupted_execution_tells_how_to_go_on(
    do: Any, kitchen: str, started: Any, until: Any, here: Path
) -> None:
    """SIGTERM interrupts; `show` says so; a cancel then starts nothing again."""
    with started("run", "note.json", "--actions", kitchen, "--id", "n") as process:
        until((here / "called").exists)
        process.terminate()
        _, stderr = process.communicate(timeout=20)

    assert 130 == process.returncode
    assert "n was interrupted; nothing of it is lost" in stderr
    assert f"  trioflow resume n --actions {kitchen}\n" in stderr
    page = do("show", "n").stdout
    hint = "if no engine has this store open, trioflow resume n --actions MODULE-or-FILE continues"
    assert hint in page
    assert "attempt 1 interrupted after" in page

    result = do("cancel", "n", "--actions", kitchen, "--reason", "no more")
    assert "CANCELLED (no more): 1 cancelled" in result.stderr
    assert "called\n" == (here / "called").read_text()
    assert "because   no more" in do("show", "n").stdout
    again = do("cancel", "n", "--actions", kitchen, exits=2)
    assert "it is CANCELLED, and what has ended does not change" in again.stderr
    ended = do("run", "note.json", "--actions", kitchen, "--id", "n", "--json", exits=4)
    assert {"id": "n", "status": "CANCELLED", "errors": []} == json.loads(ended.stdout)


def test_items_and_undoing(do: Any, kitchen: str, store_document: Any) -> None:
    """Of many items only what is out of the ordinary is told; what was undone is said."""
    steps = [
        {
            "id": "boil",
            "action": "kitchen.boil",
            "for_each": {"items": list(range(4))},
            "parameters": {"litres": "${item}"},
            "compensate": "kitchen.undo",
        },
        {
            "id": "pour",
            "action": "kitchen.spill",
            "for_each": {"items": list(range(40)), "on_item_error": "continue"},
        },
        {"id": "end", "action": "kitchen.spill"},
    ]
    store_document("many.json", {"id": "many", "steps": steps})
    do("run", "many.json", "--actions", kitchen, "--id", "many", exits=1)
    page = do("show", "many").stdout
    found = json.loads(do("show", "many", "--json").stdout)

    assert "4 items, undone" in page
    assert 30 + 1 == page.count("attempt 1 failed after")
    assert "… 10 more attempts" in page
    assert [None] * 40 == found["steps"][1]["output"]
    assert "undone" == found["steps"][0]["undo"]


@pytest.mark.parametrize(
    ("compensate", "undone", "receipt"),
    (
        ("kitchen.undo", "items 0 and 2 undone", ["count"]),
        (
            {"action": "kitchen.spill", "parameters": {}},
            "items 0 and 2 could not be undone: the cup",
            [],
        ),
    ),
    ids=("undone", "not"),
)
def test_which_items_were_undone(
    do: Any, kitchen: str, store_document: Any, compensate: Any, undone: str, receipt: list[str]
) -> None:
    """The line has the failure of another item."""
    step = {
        "id": "count",
        "action": "kitchen.length",
        "for_each": {"items": ["a", None, "c"], "max_concurrent": 1, "on_item_error": "continue"},
        "parameters": {"text": "${item}"},
        "compensate": compensate,
    }
    steps = [step, {"id": "bell", "type": "wait"}]
    store_document("items.json", {"id": "items", "steps": steps})
    do("run", "items.json", "--actions", kitchen, "--id", "i", exits=3)
    ended = do("cancel", "i", "--actions", kitchen, "--json")

    assert f"3 items, {undone}" in do("show", "i").stdout
    assert receipt == json.loads(ended.stdout)["compensated"]


def test_what_is_late_is_said(do: Any, here: Path, store_document: Any) -> None:
    """By `show`, as by `run`: a function that cannot be stopped may return after its timeout."""
    (here / "slow.py").write_text(
        "import time, trio, trioflow\n\n"
        '@trioflow.action("slow")\n'
        "def slow(context: trioflow.ActionContext):\n"
        "    try:\n"
        "        while True:\n"
        "            context.check_cancelled()\n"
        "            time.sleep(0.001)\n"
        "    except trio.Cancelled:\n"
        "        return 1\n"
    )
    step = {"id": "slow", "action": "slow", "timeout": "1ms"}
    store_document("slow.json", {"id": "slow", "steps": [step]})
    told = do("run", "slow.json", "--actions", "slow.py", "--id", "s")

    assert "late" in told.stderr
    assert "\n      late\n" in do("show", "s").stdout


def test_what_a_child_waits_for(do: Any) -> None:
    """The commands go to the child."""
    child = trioflow.load_workflow("wait.json")
    steps = [trioflow.Step("ask", type="workflow", workflow="wait")]
    with blocking.open_engine("sqlite:trioflow.db", workflows=[child]) as engine:
        execution = engine.start(trioflow.Workflow("parent", steps), {}, execution_id="p")
        execution.wait_paused()
        page = do("show", "p").stdout

    assert "waits for its child p:ask" in page
    assert "signal 'bell' (step 'bell' of 'p:ask'): integer" in page
    assert "  trioflow signal p:ask bell JSON\n" in page
    assert "part of   p\n" in do("show", "p:ask").stdout
    assert "p" == json.loads(do("list", "--json").stdout)[0]["parent"]


def test_list_by_label_and_age(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path}/t.db"
    document = {"id": "w", "steps": [{"id": "a", "action": "set"}]}
    with blocking.open_engine(store) as engine:
        for number in range(3):
            labels = {"n": str(number), "team": "kitchen"}
            engine.run(document, execution_id=f"x{number}", labels=labels)

    def listed(*options: str) -> list[str]:
        found = CliRunner().invoke(main, ["list", "--store", store, "--json", *options])
        return [head["id"] for head in json.loads(found.stdout)]

    assert ["x2", "x1", "x0"] == listed()
    assert ["x1"] == listed("--label", "n=1", "--label", "team=kitchen")
    assert ["x2", "x1", "x0"] == listed("--newer", "1h")
    assert [] == listed("--older", "1h")
    assert ["x1"] == listed("--before", "x2", "--limit", "1")


def test_show_the_times_alone(run_tea: Any, do: Any) -> None:
    run_tea("--id", "one", "-i", "guest=Ada")
    lines = do("show", "one", "--timeline").stdout.splitlines()
    chart = lines[lines.index("Timeline") + 1 :]

    assert "one  COMPLETED" == lines[0]
    assert ["boil", "steep", "milk", "serve"] == [line.split()[0] for line in chart[1:5]]
    assert "✗" in chart[2]
    assert chart[3].endswith("SKIPPED")
    assert chart[-1].startswith("█ attempt   ✗ failed")
    assert "Connections" not in lines


def test_the_times_alone_are_no_json(do: Any) -> None:
    assert "--json has its times" in do("show", "one", "--timeline", "--json", exits=2).stderr
