"""Reports: what can happen is read from documents, what was seen from histories."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import attrs
import pytest

import harness
from harness import Call
from harness.__main__ import main
from harness.reports import Entry, Report, as_json, listening, played, report, text, write
from harness.reports._obligations import obligations
from harness.reports._page import classes, page
from harness.suites._library import suite
from tests.harness.test_generate import DOCUMENT, ROOT, run

ORDER = ROOT / "examples/order/order.workflow.json"
BRANCHES = ROOT / "tests/fixtures/branches.workflow.json"
LINE: dict[str, Any] = {
    "id": "line",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "boolean"}, "b": {"type": "boolean"}},
        "required": ["a", "b"],
    },
    "nodes": [
        {"id": "one", "type": "action", "config": {"action": "do.one"}},
        {"id": "two", "type": "action", "config": {"action": "do.two"}},
    ],
    "connections": [{"source": "one", "target": "two", "condition": "input.a and input.b"}],
}


def told(document: dict[str, Any], **more: Any) -> harness.Scenario:
    return harness.Scenario(document, **more)


def seen(document: dict[str, Any], *scenarios: harness.Scenario) -> Report:
    with listening() as entries:
        for each in scenarios:
            harness.check(each)
    return report(document, entries)


def of(made: Report, *kinds: str) -> dict[str, tuple[str, ...]]:
    return {str(each.obligation): each.by for each in made.met if each.obligation.kind in kinds}


@pytest.fixture(scope="module")
def smoke() -> Report:
    made = suite(ORDER, "smoke")
    return report(ORDER, played(made.scenarios))


# ---- what is seen ----


def test_endings_are_seen_in_histories() -> None:
    scenario = told(LINE, id="s", input={"a": True, "b": False})
    made = seen(LINE, scenario)

    assert {
        "one is COMPLETED": ("s",),
        "one is FAILED": (),
        "one is CANCELLED": (),
        "two is COMPLETED": (),
        "two is FAILED": (),
        "two is SKIPPED": ("s",),
        "two is CANCELLED": (),
    } == of(made, "step")
    assert {"one->two is taken": (), "one->two is dead": ("s",)} == of(made, "connection")


def test_a_prediction_counts_for_nothing() -> None:
    """Only what was played is seen, and only if it went as expected."""
    made = suite(LINE, "smoke")
    entries = list(played(made.scenarios))
    spoilt = [attrs.evolve(each, problem="no") for each in entries]

    assert 0 == report(LINE, []).percent()
    assert 0 == report(LINE, spoilt).percent()
    assert 0 < report(LINE, entries).percent()
    assert len(entries) == len(report(LINE, spoilt).problems)


def test_a_problem_stays_a_problem() -> None:
    """A scenario that went wrong once is not good because it went well another time."""
    entry = Entry("s", "line", keys=(("step", "one", "COMPLETED"),))
    bad = attrs.evolve(entry, problem="no")

    assert ("s",) == of(report(LINE, [entry, entry]), "step")["one is COMPLETED"]
    for entries in ([entry, bad], [bad, entry]):
        assert () == of(report(LINE, entries), "step")["one is COMPLETED"]


def test_entries_of_other_documents_are_left_aside() -> None:
    entry = Entry("s", "other", keys=(("step", "one", "COMPLETED"),))

    assert () == report(LINE, [entry]).entries


CLAUSES = ("input.a alone decides one->two", "input.b alone decides one->two")


@pytest.mark.parametrize(
    ("inputs", "expected"),
    (
        ([(True, True)], (False, False)),
        ([(True, True), (False, True)], (True, False)),
        ([(True, True), (True, False)], (False, True)),
        # The result changes, but nobody knows because of which.
        ([(True, True), (False, False)], (False, False)),
        ([(True, True), (False, True), (True, False)], (True, True)),
    ),
    ids=str,
)
def test_a_clause_decides_between_two_scenarios(
    inputs: list[tuple[bool, bool]], expected: tuple[bool, bool]
) -> None:
    scenarios = [
        told(LINE, id=f"s{number}", input={"a": a, "b": b}) for number, (a, b) in enumerate(inputs)
    ]
    found = of(seen(LINE, *scenarios), "clause")

    assert CLAUSES == tuple(found)
    assert expected == tuple(bool(by) for by in found.values())


def test_faults_are_told_by_their_codes() -> None:
    document = {
        "id": "faults",
        "steps": [{"id": "s", "action": "do.it", "timeout": "5s", "retry": {"max_attempts": 2}}],
    }
    made = seen(
        document,
        told(document, id="fails", steps={"s": harness.Raises("no", "odd")}),
        told(document, id="hangs", steps={"s": harness.Hangs()}),
        told(document, id="spoils", steps={"s": harness.Returns({}, spoilt="result.not_json")}),
        told(
            document,
            id="dies",
            actions=[harness.Crash(harness.During("s"), 0.5)],
        ),
        told(
            document,
            id="left",
            actions=[harness.Interrupt(harness.During("s"), 0.5)],
        ),
    )

    assert {
        "s fails": ("fails",),
        "s is out of time": ("hangs",),
        "s is retried": ("fails", "hangs"),
        "s returns what does not fit": ("spoils",),
        "s is interrupted": ("left",),
        "s dies": ("dies",),
    } == of(made, "fault")


def test_signals_and_undoing() -> None:
    made = suite(ROOT / "tests/fixtures/waiting.workflow.json", "standard", ["wait"])
    found = of(
        report(ROOT / "tests/fixtures/waiting.workflow.json", played(made.scenarios)), "signal"
    )

    assert all(found.values())
    assert {"arrives", "is refused", "never comes"} == {name.split(" ", 2)[2] for name in found}


def test_every_write_is_a_place_to_die() -> None:
    made = suite(LINE, "standard", ["ok", "crash"])
    found = report(LINE, played(made.scenarios))

    assert found.of("crash")
    assert () == found.missing("crash")
    assert len(found.of("crash")) == len([each for each in made.scenarios if each.carrier])


def test_what_can_never_happen_does_not_count() -> None:
    made = report(BRANCHES, [])

    assert {
        "read->never is taken": (
            "nothing was found that makes read.count > 5 and read.count < 3 true"
        ),
        "never is COMPLETED": "read->never can never be taken",
        "never is FAILED": "read->never can never be taken",
    } == {
        str(each.obligation): each.obligation.never
        for each in made.never
        if each.obligation.kind != "clause"
    }
    assert not set(made.never) & set(made.of())


def test_what_was_seen_was_possible_though_nobody_had_found_how() -> None:
    step = {"id": "ship", "action": "t.ship", "condition": "input.s + input.s == 'abab'"}
    document = {"id": "line", "steps": [step]}
    unseen, entry = report(document, []), Entry("s", "line", keys=(("step", "ship", "COMPLETED"),))
    assert {"ship is COMPLETED", "ship is FAILED"} <= {
        str(each.obligation) for each in unseen.never
    }

    found = report(document, [attrs.evolve(entry, vectors=(("ship", ("true",)),))])

    assert () == found.never
    assert "ship is FAILED" in {str(each.obligation) for each in found.missing("step")}


def test_entries_go_through_json() -> None:
    with listening() as entries:
        harness.check(told(LINE, id="s", input={"a": True, "b": False}))

    assert entries
    assert entries == [Entry.from_json(json.loads(json.dumps(each.to_json()))) for each in entries]
    assert entries[0].vectors


@pytest.mark.slow
def test_the_whole_suite_of_the_order_leaves_nothing_out() -> None:
    found = report(ORDER, played(suite(ORDER).scenarios))

    assert () == found.missing()
    assert ["refuse is COMPLETED"] == [str(each.obligation) for each in found.never]
    assert () == found.problems


# ---- what is written ----


def test_a_fork_with_another_document_says_nothing_of_this_one() -> None:
    """It may have steps that this one lacks."""
    made = suite(ORDER, "standard", ("fork",))
    other = [
        each
        for each in made.scenarios
        if any(isinstance(act, Call) and act.workflow for act in each.actions)
    ]
    found = report(ORDER, played(other))

    assert other
    assert [] == [entry for entry in found.entries if entry.problem]


def test_the_text(smoke: Report) -> None:
    lines = text(smoke).splitlines()

    assert f"{ORDER}: 18 scenarios, all as expected" == lines[0]
    assert "cancel           7                -" in lines
    assert "connections, taken and dead    16   16   100 %" in lines
    assert "  dies: reserve, charge, refuse, ship, release, notify" in lines
    assert "  returns what does not fit: reserve, charge, ship, release, notify" in lines
    assert "  refuse is COMPLETED: it calls fail, which never returns" in lines


def test_the_text_of_a_problem(smoke: Report) -> None:
    entries = [attrs.evolve(smoke.entries[0], problem="no"), *smoke.entries[1:]]
    lines = text(report(ORDER, entries)).splitlines()

    assert lines[0].endswith("18 scenarios, 1 NOT as expected")
    assert "  ok: all goes well: it ends well after 4.638 s" == lines[-1]


def test_json(smoke: Report) -> None:
    found = json.loads(json.dumps(as_json(smoke)))

    assert "order" == found["workflow"]
    assert {"seen": 16, "of": 16} == found["kinds"]["connection"]
    assert {
        "kind": "connection",
        "of": "reserve->charge",
        "what": "taken",
        "by": ["ok", "fail-charge", "fail-ship"],
    } in found["obligations"]
    seen_ones = sum(bool(each["by"]) for each in found["obligations"])
    can = sum("never" not in each for each in found["obligations"])
    assert round(100 * seen_ones / can, 2) == found["percent"]


def test_the_page_needs_nothing_else(smoke: Report) -> None:
    made = page(smoke)

    assert made.startswith("<!doctype html>")
    assert not re.search(r"<script|<link|<img|@import|url\(|src=", made)
    assert {"http://www.w3.org/2000/svg"} == set(re.findall(r"https?://[^\"\s<]+", made))
    assert "prefers-color-scheme:dark" in made
    # As XML it is whole, too: whatever is opened is closed.
    body = made.partition("<body>")[2].partition("</body>")[0]
    ET.fromstring(f"<body>{body}</body>")
    assert 18 == made.count('<details class="one">')
    assert 18 == made.count("<pre>")


def test_the_picture_is_coloured_by_what_was_seen(smoke: Report) -> None:
    steps, connections = classes(smoke)

    assert {"partly"} == set(steps.values())
    assert "covered" == connections["charge->approval"]
    assert "covered" == connections["approval->ship"]
    steps, connections = classes(report(ORDER, []))
    assert {"uncovered"} == {*steps.values(), *connections.values()}


def test_names_may_be_anything(tmp_path: Path) -> None:
    document = {**LINE, "id": '../<b> "&" é', "name": "</title><script>alert(1)</script>"}
    found = report(document, [Entry("<i>", document["id"], "ok", "<u>", picture="<s>\n<l>")])
    paths = write(found, tmp_path / "new")

    assert {tmp_path / "new"} == {path.parent for path in paths}
    made = page(found)
    assert not re.search(r"<(b|i|u|s|l|script)>", made)


def test_obligations_are_told_once() -> None:
    from harness.families._plan import Plan

    for path in (ORDER, BRANCHES):
        keys = [each.key for each in obligations(Plan(json.loads(path.read_text())))]

        assert len(keys) == len(set(keys))


def test_a_step_that_no_scenario_has_run_is_told_first(smoke: Report) -> None:
    """The box of each step says what is lacking."""
    good = [entry for entry in smoke.entries if entry.id == "ok"]
    made = report(ORDER, good)

    names = ["approval", "refuse", "release"]
    assert text(made).splitlines()[0].endswith(f"; never run: {', '.join(names)}")
    assert names == as_json(made)["never_ran"]
    top = page(made).partition("<h2>")[0]
    assert "no scenario has run:</strong> <code>approval</code>, <code>refuse</code>," in top
    boxes = {
        found[1]: found[2].splitlines()
        for found in re.finditer(r'data-step="(\w+)"><title>([^<]*)</title>', page(made))
    }
    assert "no scenario has run it" in boxes["refuse"]
    assert "no scenario has run it" not in boxes["ship"]
    assert boxes["ship"][-1].startswith("not seen: is FAILED, is SKIPPED, is CANCELLED, fails, ")
    assert "never run" not in text(smoke)
    assert "no scenario has run" not in page(smoke)


# ---- the command ----


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.workflow.json"
    path.write_text(json.dumps(DOCUMENT), "utf-8")
    return path


def test_report_prints(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("report", small, "--level", "smoke")
    assert "what can happen" in capsys.readouterr().out
    assert 0 == run("report", small, "--level", "smoke", "--format", "json")
    assert "small" == json.loads(capsys.readouterr().out)["workflow"]


def test_report_writes(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("report", small, "--level", "smoke", "-o", tmp_path / "r", "--format", "html")
    assert ["small.html"] == [path.name for path in (tmp_path / "r").iterdir()]
    assert f"written: {tmp_path / 'r' / 'small.html'}" in capsys.readouterr().out


def test_report_fails_under(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == run("report", small, "--level", "smoke", "--fail-under", "90")
    assert re.search(r"small.workflow.json: \d\d.\d % is less than 90 %", capsys.readouterr().err)
    assert 0 == run("report", small, "--level", "smoke", "--fail-under", "20")


def test_report_of_what_goes_wrong(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several documents those that can be played are."""
    (tmp_path / "bad.json").write_text("{}")
    files = (tmp_path / "none.json", tmp_path / "bad.json", small)

    assert 2 == run("report", *files, "--level", "smoke")

    printed = capsys.readouterr()
    assert f"{small}: " in printed.out
    assert [f"{tmp_path / 'none.json'}: No such file or directory"] == printed.err.splitlines()[:1]
    assert all(line.startswith(str(tmp_path)) for line in printed.err.splitlines())


@pytest.mark.parametrize(
    "options",
    (
        ["--format", "pdf"],
        ["--format", "html"],
        ["--families", "none-such"],
        ["--level", "none-such"],
    ),
    ids=str,
)
def test_misuse_of_report(
    small: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run("report", small, *options)
    assert "Traceback" not in capsys.readouterr().err


def test_help_says_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--help"])
    assert "Exit codes: 0 all is well" in capsys.readouterr().out
