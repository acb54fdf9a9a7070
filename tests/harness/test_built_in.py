"""What trioflow brings along: no program lacks it, nothing of it is called, and `fail` fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import harness
import trioflow
from harness import Raises, Returns, Scenario
from harness._built_in import BUILT_IN, raised_by
from harness.families._plan import Plan
from harness.playing import check_real
from harness.playing._actors import Actors
from harness.reports._certain import surely_unreached
from harness.reports._entries import played
from harness.reports._linting import NEVER, lint
from harness.reports._obligations import ALWAYS_FAILS, obligations
from harness.reports._reporting import report
from harness.suites._library import Suite, read, suite
from harness.suites._overview import overview
from trioflow.actions import Registry, action_of, fail

# What every engine has; a post to it would be refused at once.
ALL_OF_THEM: dict[str, Any] = {
    "id": "given",
    "steps": [
        {"id": "keep", "action": "set", "parameters": {"x": 1}},
        {"id": "say", "action": "log", "parameters": {"message": "hello"}},
        {
            "id": "ask",
            "action": "http.request",
            "timeout": "5s",
            "retry": 2,
            "parameters": {"url": "http://127.0.0.1:9/charge", "method": "POST"},
        },
        {"id": "end", "action": "fail", "parameters": {"message": "no more", "code": "shop.shut"}},
    ],
}
CALLS: dict[str, dict[str, Any]] = {
    "set": {"parameters": {"x": 1}},
    "log": {"parameters": {"message": "hello"}},
    "http.request": {"parameters": {"url": "http://127.0.0.1:9/charge"}, "timeout": "5s"},
    "fail": {"parameters": {"code": "shop.shut"}},
}


def steps(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "shop", "steps": list(given), **more}


def step(name: str, action: str = "", **more: Any) -> dict[str, Any]:
    return {"id": name, "action": action or f"shop.{name}", **more}


def nodes(*connections: str, **configs: Any) -> dict[str, Any]:
    """Return a graph: connections like ``a failure b``, and the configs of its nodes."""
    edges = [each.split() for each in connections]
    return {
        "id": "shop",
        "nodes": [{"id": name, "config": config} for name, config in configs.items()],
        "connections": [{"source": a, "on": on, "target": b} for a, on, b in edges],
    }


def play(made: Suite) -> None:
    for each in (*made.scenarios, *made.carriers):
        if each.expected is not None:
            harness.check(each)


def planned(document: dict[str, Any], *children: dict[str, Any]) -> Plan:
    found, _, others = read(document, children)
    return Plan(found, others)


# ---- which they are ----


def test_they_are_those_of_the_registry() -> None:
    assert set(Registry(entry_points=False).names) == BUILT_IN


@pytest.mark.parametrize(
    "given",
    (
        {},
        {"message": "no"},
        {"code": "shop.shut"},
        {"retryable": True},
        {"message": 3, "code": 4, "retryable": None},
    ),
    ids=str,
)
async def test_what_it_raises_is_what_it_raises(given: dict[str, Any]) -> None:
    with pytest.raises(trioflow.StepError) as caught:
        await fail(**given)

    error = caught.value
    assert raised_by(given) == (str(error), error.code, error.retryable)


@pytest.mark.parametrize("given", ({"message": "${input.x}"}, {"code": "${a}"}, None), ids=str)
def test_what_nobody_knows_before_is_as_usual(given: Any) -> None:
    assert ("the workflow says so", "fail", False) == raised_by(given)


# ---- none is lacking, and none is called ----


@pytest.fixture
def nothing_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a connection has called for real."""
    import socket

    def refused(*_: object) -> None:
        raise AssertionError("something real was called")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.mark.usefixtures("nothing_real")
@pytest.mark.parametrize(
    "document",
    (ALL_OF_THEM, *(steps(step("only", name, **more)) for name, more in CALLS.items())),
    ids=lambda document: "+".join(each["action"] for each in document["steps"]),
)
def test_a_document_of_nothing_else(document: dict[str, Any]) -> None:
    made = suite(document)

    assert "misuse-lacking-action" not in {each.id for each in made.scenarios}
    play(made)


@pytest.mark.slow
def test_its_module_passes(tmp_path: Path) -> None:
    path = tmp_path / "given.workflow.json"
    path.write_text(json.dumps(ALL_OF_THEM), "utf-8")
    command = [sys.executable, "-m", "harness", "generate", str(path), "-o", str(tmp_path)]
    subprocess.run([*command, "--level", "smoke"], check=True, capture_output=True, timeout=60)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_given.py"],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize(
    ("document", "lacks"),
    (
        (steps(step("a", "set"), step("b")), ("shop.b",)),
        (steps(step("a", "log"), step("b", "process.run")), ("process.run",)),
        (steps(step("a", "set", compensate="shop.undo"), step("b", "log")), ("shop.undo",)),
        (steps(step("a"), step("b", "set")), ("shop.a",)),
    ),
    ids=("behind a built-in one", "on request", "an undo", "the first"),
)
def test_what_can_be_lacking(document: dict[str, Any], lacks: tuple[str, ...]) -> None:
    (found,) = (e for e in suite(document).scenarios if e.id == "misuse-lacking-action")

    assert lacks == found.lacks
    harness.check(found)


def test_what_a_child_can_lack() -> None:
    child = {"id": "child", "steps": [step("p", "set"), step("q")]}
    parent = steps({"id": "c", "type": "workflow", "workflow": "child"})
    (found,) = (
        each
        for each in suite(parent, workflows=[child]).scenarios
        if each.id == "child-c-lacks-action"
    )

    assert ("shop.q",) == found.lacks
    harness.check(found)


@pytest.mark.usefixtures("nothing_real")
@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_what_is_left_out_does_not_uncover_the_real_one(name: str) -> None:
    """Whoever writes that it is lacking gets a script for it: every engine has it."""
    document = steps(step("only", name, **CALLS[name]))
    scenario = Scenario(document, lacks=(name,))
    expected, _ = harness.expect(document, scenario)

    assert ("FAILED" if name == "fail" else "COMPLETED") == expected.last.status
    harness.check(scenario)


def test_what_a_package_brings_is_not_called_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a name is lacking the engine looks for it among the entry points, too."""

    class Entry:
        name, dist = "shop", None

        @staticmethod
        def load() -> Any:
            return trioflow.action("shop.pay")(lambda: None)

    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [Entry()])
    document = steps(step("pay"), step("ship"))
    scenario = Scenario(document, lacks=("shop.pay", "shop.ship"))

    (only,) = Actors(scenario).actions([document])
    assert "shop.pay" == action_of(only).name


# ---- one of somebody's own, of the same name ----


async def _own(**parameters: Any) -> dict[str, Any]:
    return {"own": parameters}


def _module(**functions: Any) -> ModuleType:
    module = ModuleType("shop")
    vars(module).update(functions)
    return module


def _as_function(name: str) -> Any:
    return [trioflow.action(name)(_own)]


def _as_module(name: str) -> Any:
    return [_module(own=trioflow.action(name)(_own))]


@pytest.mark.usefixtures("nothing_real")
@pytest.mark.parametrize("give", (_as_function, _as_module), ids=lambda each: each.__name__)
@pytest.mark.parametrize("name", sorted(BUILT_IN - {"fail"}))
def test_an_action_that_hides_a_built_in_one_is_called(name: str, give: Any) -> None:
    """However it is given, as the engine does it."""
    document = steps(step("only", name, **CALLS[name]))
    observed = check_real(Scenario(document), give(name))

    assert {"own": CALLS[name]["parameters"]} == observed.phases[-1].outputs["only"]


@pytest.mark.usefixtures("nothing_real")
def test_what_a_module_has_imported_is_played() -> None:
    """A built-in action that stands in somebody's module is not theirs."""
    module = _module(http_request=trioflow.actions.http_request, pay=trioflow.action("pay")(_own))
    document = steps(step("ask", "http.request", **CALLS["http.request"]), step("pay", "pay"))
    observed = check_real(Scenario(document), [module])

    assert [("pay", 1)] == list(observed.behaviours)


@pytest.mark.parametrize("give", (_as_function, _as_module), ids=lambda each: each.__name__)
def test_one_that_hides_fail_is_refused(give: Any) -> None:
    """Or its document would be told of as if the built-in one were called."""
    document = steps(step("only", "fail"), step("after"))

    with pytest.raises(trioflow.InvalidRequest, match="an action of yours has the name 'fail'"):
        harness.check(Scenario(document), actions=give("fail"))


def test_the_built_in_fail_may_be_given_and_one_that_is_not_called_too() -> None:
    for given in ([fail], [_module(fail=fail, own=trioflow.action("own")(_own))]):
        harness.check(Scenario(steps(step("only", "fail"))), actions=given)
    harness.check(Scenario(steps(step("only", "set"))), actions=_as_module("fail"))


# ---- `fail` never returns ----


def ends(made: Suite) -> dict[str, str]:
    return {each.id: each.outcome.status for each in made.scenarios if each.outcome is not None}


def test_a_call_that_no_script_tells_of() -> None:
    child = {"id": "child", "steps": [step("p", fallback={"action": "fail"})]}
    document = steps(
        step("a", "fail", parameters={"code": "x.y", "retryable": True}),
        {"id": "c", "type": "workflow", "workflow": "child"},
        step("b", compensate={"action": "fail", "parameters": {"message": "stays"}}),
    )
    scenario = Scenario(document, workflows={"child": child})
    usual = Raises("the workflow says so", "fail", retryable=False)

    assert Raises("the workflow says so", "x.y", retryable=True) == scenario.behaviour("a[2]", 3)
    assert usual == scenario.behaviour("c/p:fallback", 1)
    assert usual == scenario.behaviour("c[1]/p:fallback", 1)
    assert Returns({}) == scenario.behaviour("c/p", 1)
    assert Raises("stays", "fail", retryable=False) == scenario.behaviour("b:compensate", 1)
    assert Returns({}) == scenario.behaviour("c/nowhere/p", 1)


ASKED = {"max_attempts": 2, "initial_delay": 1, "jitter": "none", "on_exhausted": "pause"}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "tolerated": nodes(
        "a success f", "f success g", a={"action": "shop.a", "compensate": "shop.undo"},
        f={"action": "fail", "continue_on_error": True}, g={"action": "shop.g"},
    ),
    "handled": nodes(
        "a success f", "f success g", "f failure m", a={"action": "shop.a"},
        f={"action": "fail", "retry": 3, "parameters": {"retryable": True}},
        g={"action": "shop.g"}, m={"action": "shop.m"},
    ),
    "made good": steps(step("f", "fail", fallback="shop.f"), step("b")),
    "as a fallback": steps(step("a", compensate="shop.undo"), step("f", fallback="fail")),
    "as an undo": steps(step("f", compensate="fail"), step("b")),
    "asked about": steps(step("f", "fail", retry=ASKED, parameters={"retryable": None}), step("b")),
    "of items": steps(
        step("f", "fail", for_each={"items": [1, 2], "on_item_error": "continue"}), step("b")
    ),
    "a guard": steps(step("a"), step("f", "fail", condition="input.bad or a.x == 1"), step("b")),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS, ids=str)
def test_it_never_returns_in_any_scenario(name: str) -> None:
    """The engine agrees, with the real `fail` in the place of the scripted one, too."""
    made = suite(DOCUMENTS[name])

    for each in (*made.scenarios, *made.carriers):
        if each.expected is None:
            continue
        harness.check(each)
        raised = each.unscripted("f")
        if isinstance(raised, Raises):
            row = each.steps.get("f", ())
            assert all(isinstance(one, Raises) and raised.code == one.code for one in row), each.id


def test_what_cannot_be_is_not_told_but_counted() -> None:
    made = suite(steps(step("a"), step("f", "fail", timeout="5s")))
    found = {each.id for each in made.scenarios}

    assert not {"fail-f", "timeout-f-hangs", "timeout-f-late", "bad-output-f-not-json"} & found
    assert {"fail-a", "cancel-f", "interrupt-f", "bad-output-a-not-json"} <= found
    assert {"timeout", "cancel", "bad-output"} == set(made.impossible)
    assert {} == suite(steps(step("a"))).impossible
    assert {"bad-output": 1} == suite(DOCUMENTS["a guard"], families=["bad-output"]).impossible


def whys(document: dict[str, Any], family: str) -> dict[str, str]:
    found = suite(document, families=[family]).scenarios
    return {each.id: each.why.partition(":")[0] for each in found}


def test_nothing_is_said_to_go_well_that_never_does() -> None:
    first = steps(step("f", "fail", continue_on_error=True), step("b"))

    assert {"fallback-f-fails": "f fails, and so does its fallback"} == whys(
        DOCUMENTS["as a fallback"], "fallback"
    )
    undone = whys(DOCUMENTS["as an undo"], "compensation")
    assert "b fails, and f cannot be undone" == undone["compensation-f-fails"]
    assert "compensation-f" not in undone
    assert not {"fork-f-unfit", "fork-added"} & whys(first, "fork").keys()
    assert "" == owed(DOCUMENTS["of items"])["step", "f", "COMPLETED"]


def test_usually_no_guard_ends_it() -> None:
    """All that comes behind a guard would never be told of otherwise."""
    made = suite(DOCUMENTS["a guard"])
    by_ways = nodes("a success f", "a success b", a={"action": "shop.a"}, f={"action": "fail"},
                    b={"action": "shop.b"})  # fmt: skip
    by_ways["connections"][0]["default"] = True
    by_ways["connections"][1]["condition"] = "a.n > 3"

    assert ("COMPLETED", "FAILED") == (ends(made)["ok"], ends(made)["reach-f"])
    assert () == made.unreachable
    assert "COMPLETED" == ends(suite(by_ways))["ok"]


def test_the_overview_tells_its_code() -> None:
    made = suite(DOCUMENTS["a guard"] | {"steps": [step("f", "fail", parameters={"code": "no.1"})]})
    lines = list(overview(made, made.scenarios[0], "shop"))

    assert any("nothing goes wrong but what is meant to  FAILED: f no.1" in each for each in lines)
    assert any(each.startswith("left out, because fail never returns: ") for each in lines)


@pytest.mark.parametrize("name", ("handled", "tolerated", "made good", "as an undo"), ids=str)
def test_relations_hold(name: str) -> None:
    for each in suite(DOCUMENTS[name], "smoke").scenarios:
        harness.check_relations(each)


# ---- what is certain ----


def owed(document: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    return {each.key: each.never for each in obligations(planned(document), crashes=False)}


def never(path: Path, document: dict[str, Any]) -> dict[str, str]:
    path.write_text(json.dumps(document), "utf-8")
    return {each.where: each.text for each in lint(path) if each.kind == NEVER}


def test_a_success_connection_is_never_taken(tmp_path: Path) -> None:
    path = tmp_path / "shop.workflow.json"
    document = nodes("a success f", "f success g", "g success h", a={"action": "shop.a"},
                     f={"action": "fail"}, g={"action": "shop.g"},
                     h={"action": "shop.h"})  # fmt: skip

    assert {
        "g": "this step is never reached: f->g can never be taken",
        "h": "this step is never reached: g->h can never be taken",
        "f->g": "this branch can never be taken: f calls fail, which never returns",
        "g->h": "this branch can never be taken: g never runs",
    } == never(path, document)
    found = owed(document)
    assert "f calls fail, which never returns" == found["connection", "f->g", "taken"]
    assert ALWAYS_FAILS == found["step", "f", "COMPLETED"]
    assert "" == found["step", "f", "FAILED"]
    assert not {("fault", "f", "returns what does not fit"), ("fault", "f", "is out of time")} & (
        found.keys()
    )


def test_where_it_is_tolerated_or_made_good_nothing_is_certain(tmp_path: Path) -> None:
    path = tmp_path / "shop.workflow.json"
    for name in ("tolerated", "made good", "asked about", "of items", "a guard"):
        assert {} == never(path, DOCUMENTS[name]), name
        assert frozenset() == surely_unreached(planned(DOCUMENTS[name])), name


def test_what_comes_after_it_in_order(tmp_path: Path) -> None:
    path = tmp_path / "shop.workflow.json"
    document = steps(step("a"), step("f", "fail"), step("g"), step("h"))
    why = "this step is never reached: f comes before it and calls fail, and that ends all of it"

    assert {"g": why, "h": why} == never(path, document)
    assert "" != owed(document)["end", "shop", "COMPLETED"]
    assert {} == never(path, document | {"on_failure": "continue"})
    assert frozenset() == surely_unreached(planned(document | {"on_failure": "continue"}))


@pytest.mark.slow
@pytest.mark.parametrize("name", ("tolerated", "handled", "as an undo", "a guard"), ids=str)
def test_all_that_can_happen_was_seen(name: str) -> None:
    made = suite(DOCUMENTS[name])
    found = report(DOCUMENTS[name], list(played(made.scenarios)))

    assert [] == [str(each.obligation) for each in found.missing()]


def test_what_never_takes_long_needs_no_time(tmp_path: Path) -> None:
    steps = [
        {"id": "pay", "action": "pay"},
        {"id": "refuse", "action": "fail", "condition": "${input.no}"},
    ]
    path = tmp_path / "some.workflow.json"
    path.write_text(json.dumps({"id": "some", "steps": steps}), "utf-8")

    (found,) = [each for each in lint(path) if "nothing limits their time" in each.text]
    assert "pay" in found.where
    assert "refuse" not in found.where + found.text
