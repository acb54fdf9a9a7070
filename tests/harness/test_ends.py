"""What is compared of the end of a step besides its status: what brought it, late, and why."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs
import pytest

import harness
import trioflow.testing
from harness import (
    AfterWrite,
    AtTime,
    Call,
    Cancel,
    Crash,
    Expected,
    Phase,
    Raises,
    Resume,
    Returns,
    Scenario,
    Signal,
    expect,
    play,
)
from harness.playing import Mismatch, observe, writes_of
from harness.playing._compare import compare

NO = Raises("no", "odd")
BAD = Raises("bad", "worse")
LATE = Returns({}, 3.0, shielded=True)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def do(**fields: Any) -> dict[str, Any]:
    return {"id": "a", "action": "do", **fields}


def workflow(*steps: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "w", "connections": [], "steps": list(steps), **fields}


KID = workflow({"id": "k", "action": "do"}, id="kid")
CHILD = {"id": "a", "type": "workflow", "workflow": "kid"}
ASK = {"max_attempts": 1, "on_exhausted": "pause"}
EACH = {"items": [1, 2], "max_concurrent": 1}


@attrs.frozen
class Ends:
    """A scenario with what is to be seen in its last phase."""

    name: str
    scenario: Scenario
    completed_by: Mapping[str, str] = attrs.field(factory=dict)
    late: tuple[str, ...] = ()
    causes: Mapping[str, Any] = attrs.field(factory=dict)

    def __str__(self) -> str:
        return self.name


def ends(name: str, document: Mapping[str, Any], script: Mapping[str, Any], **seen: Any) -> Ends:
    return Ends(name, Scenario(document, id=name, **script), **seen)


ENDS = (
    # R10, R13, R26, R28, R30: what brought the output
    ends("an attempt", workflow(do()), {}),
    ends(
        "trigger, signal, sleep",
        workflow(
            {"id": "t", "type": "trigger"},
            {"id": "w", "type": "wait", "signal": "go"},
            {"id": "s", "type": "sleep", "duration": "2s"},
        ),
        {"actions": [Signal("go", moment=AtTime(1.0))]},
        completed_by={"t": "trigger", "w": "signal", "s": "sleep"},
    ),
    ends(
        "a signal that was kept",
        workflow(do(), {"id": "w", "type": "wait", "signal": "go", "depends_on": ["a"]}),
        {"actions": [Signal("go", moment=AtTime(0.5))]},
        completed_by={"w": "signal"},
    ),
    ends(
        "a fallback",
        workflow(do(fallback="do")),
        {"steps": {"a": NO}},
        completed_by={"a": "fallback"},
    ),
    ends(
        "a decision",
        workflow(do(retry=ASK)),
        {"steps": {"a": NO}, "actions": [Resume(decisions={"a": {"completed": 1}})]},
        completed_by={"a": "decision"},
    ),
    ends(
        "a decision about an item",
        workflow(do(for_each=EACH, retry=ASK)),
        {"steps": {"a[1]": NO}, "actions": [Resume(decisions={"a[1]": {"completed": 1}})]},
        completed_by={"a": "items", "a[1]": "decision"},
    ),
    ends(
        "a child",
        workflow(CHILD),
        {"workflows": {"kid": KID}},
        completed_by={"a": "child"},
    ),
    ends(
        "a fork",
        workflow(do(), {"id": "b", "action": "do"}),
        {"actions": [Call("fork", moment=AtTime(9.0), steps=["b"])]},
        completed_by={"a": "fork"},
    ),
    ends(
        "a decision before a death",
        workflow(do(retry=ASK), {"id": "b", "action": "do", "depends_on": ["a"]}),
        {
            "steps": {"a": NO},
            "actions": [Resume(decisions={"a": {"completed": 1}}), Crash(AtTime(1.5))],
        },
        completed_by={"a": "decision"},
    ),
    # R16: late results
    ends("late, after its timeout", workflow(do(timeout=2)), {"steps": {"a": LATE}}, late=("a",)),
    ends(
        "late, after the total_timeout",
        workflow(do(total_timeout=2)),
        {"steps": {"a": LATE}},
        late=("a",),
    ),
    ends(
        "late, after a cancel",
        workflow(do()),
        {"steps": {"a": LATE}, "actions": [Cancel(AtTime(1.0))]},
        late=("a",),
    ),
    ends(
        "in time, in a grace",
        workflow(do()),
        {"steps": {"a": LATE}, "actions": [Cancel(AtTime(1.0), grace=5.0)]},
    ),
    ends(
        "late, after a grace",
        workflow(do()),
        {"steps": {"a": LATE}, "actions": [Cancel(AtTime(1.0), grace=1.0)]},
        late=("a",),
    ),
    ends(
        "a late item",
        workflow(do(for_each=EACH, timeout=2)),
        {"steps": {"a[0]": LATE}},
        completed_by={"a": "items"},
        late=("a[0]",),
    ),
    # R13, R16, R28: causes
    ends("no cause", workflow(do()), {"steps": {"a": NO}}),
    ends(
        "a fallback that fails",
        workflow(do(fallback="do")),
        {"steps": {"a": NO}, "fallbacks": {"a": BAD}},
        causes={"a": (("odd", ()),)},
    ),
    ends(
        "a fallback that cannot begin",
        workflow(do(fallback={"action": "do", "parameters": {"x": "${input.x}"}})),
        {"steps": {"a": NO}},
        causes={"a": (("odd", ()),)},
    ),
    ends(
        "a fallback of an item",
        workflow(do(for_each={**EACH, "on_item_error": "continue"}, fallback="do")),
        {"steps": {"a[1]": NO}, "fallbacks": {"a[1]": BAD}},
        completed_by={"a": "items"},
        causes={"a[1]": (("odd", ()),)},
    ),
    ends(
        "a fallback after a death",
        workflow(do(fallback="do")),
        {"steps": {"a": NO}, "fallbacks": {"a": BAD}, "actions": [Crash(AtTime(1.5))]},
        causes={"a": (("odd", ()),)},
    ),
    ends("a timeout", workflow(do(timeout=2)), {"steps": {"a": harness.Hangs()}}),
    ends(
        "what was raised after a timeout",
        workflow(do(timeout=2)),
        {"steps": {"a": attrs.evolve(NO, after=3.0, shielded=True)}},
        causes={"a": (("odd", ()),)},
    ),
    ends(
        "what was raised after the total_timeout",
        workflow(do(total_timeout=2)),
        {"steps": {"a": attrs.evolve(NO, after=3.0, shielded=True)}},
        causes={"a": (("odd", ()),)},
    ),
    ends(
        "what came too late, and was no JSON",
        workflow(do(timeout=2)),
        {"steps": {"a": attrs.evolve(LATE, spoilt="result.not_json")}},
        causes={"a": (("result.not_json", ()),)},
    ),
    ends(
        "a timeout, and then a fallback that fails",
        workflow(do(timeout=2, fallback="do")),
        {
            "steps": {"a": attrs.evolve(NO, after=3.0, shielded=True)},
            "fallbacks": {"a": BAD},
        },
        causes={"a": (("timeout.attempt", (("odd", ()),)),)},
    ),
    ends(
        "a child that fails",
        workflow(CHILD),
        {"workflows": {"kid": KID}, "steps": {"a/k": NO}},
        causes={"a": (("odd", ()),)},
    ),
    ends(
        "a child whose undo fails, too",
        workflow(CHILD),
        {
            "workflows": {
                "kid": workflow(
                    {"id": "k", "action": "do", "compensate": "do"},
                    {"id": "l", "action": "do", "depends_on": ["k"]},
                    id="kid",
                )
            },
            "steps": {"a/l": NO},
            "compensations": {"a/k": BAD},
        },
        causes={"a": (("odd", ()), ("worse", ()))},
    ),
)


@pytest.mark.parametrize("end", ENDS, ids=str)
def test_the_oracle_says_so(end: Ends) -> None:
    last = expect(end.scenario.workflow, end.scenario)[0].last

    assert (end.completed_by, end.late, end.causes) == (last.completed_by, last.late, last.causes)


@pytest.mark.parametrize("end", ENDS, ids=str)
def test_the_engine_does_so(end: Ends) -> None:
    observed = trioflow.testing.run(partial(play, end.scenario))
    last = observed.phases[-1]

    assert (end.completed_by, end.late, end.causes) == (last.completed_by, last.late, last.causes)
    harness.check(end.scenario)


LATER = {"id": "z", "action": "do", "depends_on": ["a"], "join": "all", "compensate": "do"}
BEFORE_DEATHS = (
    ends(
        "by",
        workflow(do(retry=ASK), LATER),
        {"steps": {"a": NO}, "actions": [Resume(decisions={"a": {"completed": 1}})]},
    ),
    ends("late", workflow(do(timeout=2), LATER), {"steps": {"a": LATE}}),
    ends("late item", workflow(do(timeout=2, for_each=EACH), LATER), {"steps": {"a[0]": LATE}}),
    ends("causes", workflow(do(fallback="do")), {"steps": {"a": NO}, "fallbacks": {"a": BAD}}),
)


@pytest.mark.parametrize("end", BEFORE_DEATHS, ids=str)
def test_what_a_history_says_of_ends(end: Ends) -> None:
    for write in range(1, writes_of(end.scenario) + 1):
        acts = (*end.scenario.actions, Crash(AfterWrite(write)))
        harness.check(attrs.evolve(end.scenario, actions=acts))


# ---- what is said of differences ----

PLAIN = Scenario(workflow(do(fallback="do")), id="plain")


@pytest.mark.parametrize(
    ("change", "line"),
    (
        ({"completed_by": {"a": "fallback"}}, '-1 completed by: {"a": "fallback"}'),
        ({"late": ("a",)}, '-1 completed late: ["a"]'),
        ({"causes": {"a": (("odd", ()),)}}, '-1 causes of the errors of: {"a": [["odd", []]]}'),
    ),
    ids=("by", "late", "causes"),
)
def test_differences_in_words(change: Any, line: str) -> None:
    observed = observe(PLAIN)
    wanted = Expected([attrs.evolve(observed.phases[0], **change)])

    with pytest.raises(Mismatch) as caught:
        compare(PLAIN, wanted, observed)

    assert line in str(caught.value).splitlines()


def test_causes_of_which_the_rules_say_nothing() -> None:
    observed = observe(PLAIN)
    phase = observed.phases[0]

    def seen(causes: Any) -> Any:
        return attrs.evolve(observed, phases=(attrs.evolve(phase, causes=causes),))

    anything = Expected([attrs.evolve(phase, causes={"a": None})])
    inside = Expected([attrs.evolve(phase, causes={"a": (("odd", None),)})])

    compare(PLAIN, anything, seen({}))
    compare(PLAIN, anything, seen({"a": (("worse", ()),)}))
    compare(PLAIN, inside, seen({"a": (("odd", (("worse", ()),)),)}))
    with pytest.raises(Mismatch):
        compare(PLAIN, inside, seen({"a": (("worse", ()),)}))
    deep = Expected([attrs.evolve(phase, causes={"a": (("odd", (("worse", ()),)),)})])
    with pytest.raises(Mismatch):
        compare(PLAIN, deep, seen({"a": (("odd", (("bad", ()),)),)}))
    with pytest.raises(Mismatch):
        compare(PLAIN, inside, seen({}))
    with pytest.raises(Mismatch):
        compare(PLAIN, anything, seen({"b": (("odd", ()),)}))


def test_causes_of_exceptions_of_real_actions_are_theirs() -> None:
    @trioflow.action("do")
    async def fails() -> None:
        raise RuntimeError("it fails") from ValueError("for this")

    scenario = Scenario(workflow(do()), id="real")

    harness.check(scenario, actions=[fails])
    seen = observe(scenario, actions=[fails]).phases[-1]
    assert {"a": (("action.error", ()),)} == seen.causes


# ---- as JSON ----


def test_a_phase_as_json() -> None:
    usual = Phase("COMPLETED")
    causes = {"a": (("odd", (("worse", ()),)), ("late", None)), "b": None}
    rare = Phase("FAILED", completed_by={"b": "child"}, late=("b",), causes=causes)

    assert not {"completed_by", "late", "causes"} & usual.to_json().keys()
    assert usual == Phase.from_json(usual.to_json())
    assert rare == Phase.from_json(rare.to_json())
