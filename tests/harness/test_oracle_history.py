"""What the oracle reads from a history: a process dies after each write, and the next goes on."""

from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest

import trioflow.testing
from harness import (
    AfterWrite,
    AtTime,
    BeforeWrite,
    Cancel,
    Crash,
    Hangs,
    Raises,
    Resume,
    Returns,
    Scenario,
    Signal,
    facts_of,
    play,
)
from harness.oracle._sameness import state_of
from harness.playing import compare_after_deaths
from harness.suites._crashes import points

NO = Raises("no", "odd")
ITEMS = {"items": ["x", "y", "z", "u"], "max_concurrent": 2}


def each(**fields: Any) -> dict[str, Any]:
    undo = {"action": "undo", "parameters": {"p": "${item}", "q": "${a?}", "n": "${item_index}"}}
    return {"id": "a", "action": "do", "for_each": ITEMS, "compensate": undo, **fields}


def workflow(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "w", "connections": [], "steps": list(steps), **fields}


KID = workflow({"id": "k", "action": "do", "compensate": "undo"}, {"id": "s", "action": "do"})
CHILD = {"id": "a", "type": "workflow", "workflow": "kid"}
OTHER = {"id": "b", "action": "do"}

CARRIERS = (
    Scenario(
        workflow(each(), OTHER),
        id="undoing items",
        steps={"a[0]": Returns(1, 0.513), "a[1]": Returns(2, 0.727), "b": Raises(after=0.911)},
    ),
    Scenario(
        workflow(each(retry={"max_attempts": 2, "initial_delay": 0.7}), OTHER),
        id="stopping items that run, wait and have not begun",
        steps={"a[0]": Hangs(), "a[1]": NO},
        actions=[Cancel(AtTime(1.3))],
    ),
    Scenario(
        workflow(each(), OTHER),
        id="items in a grace",
        steps={"a": Returns(1, 1.213), "a[1]": Hangs()},
        actions=[Cancel(AtTime(0.6), 1.1)],
    ),
    Scenario(
        workflow(each(total_timeout=1.3), OTHER),
        id="items that are out of time",
        steps={"a": Returns(1, 0.813, shielded=True)},
    ),
    Scenario(
        workflow(each(total_timeout=1.3), OTHER),
        id="items that are out of time in a grace",
        steps={"a": Hangs(), "b": Returns(1, 3.1)},
        actions=[Cancel(AtTime(0.6), 5.0)],
    ),
    Scenario(
        workflow({**OTHER, "total_timeout": 1.3}, {"id": "c", "action": "do"}),
        id="out of time, then stopped",
        steps={"b": Raises("no", "odd", 4.1, shielded=True), "c": Hangs()},
        actions=[Cancel(AtTime(2.3))],
    ),
    Scenario(
        workflow(each(total_timeout=1.3, retry={"max_attempts": 2, "initial_delay": 5}), OTHER),
        id="items out of time, then stopped",
        steps={"a[0]": Raises("no", "odd", 4.1, shielded=True), "a[1]": NO, "b": Hangs()},
        actions=[Cancel(AtTime(2.3))],
    ),
    Scenario(
        workflow(each(), OTHER),
        id="items beside one that failed",
        steps={"a[0]": Returns(1, 1.7, shielded=True), "a[1]": NO},
    ),
    Scenario(
        workflow(each(total_timeout=1.1), {"id": "s", "type": "sleep", "duration": 0.3}),
        id="items beside one that failed, and out of time",
        steps={"a[0]": Returns(1, 0.513), "a": Hangs(), "a[1]": Raises("no", "odd", 0.9)},
    ),
    Scenario(
        workflow(CHILD, OTHER),
        id="a child that is stopped",
        workflows={"kid": {**KID, "id": "kid"}},
        steps={"a/k": Returns(1, 0.513), "a/s": Hangs(), "b": Raises(after=0.911)},
    ),
    Scenario(
        workflow(CHILD, OTHER, on_failure="finish"),
        id="a child in a grace",
        workflows={"kid": {**KID, "id": "kid"}},
        steps={"a/s": Returns(1, 1.7), "b": Raises(after=0.911)},
    ),
    Scenario(
        workflow(OTHER, output={"x": "${input.gone}"}),
        id="an output that fails",
    ),
    Scenario(
        workflow(
            {"id": "b", "type": "wait", "condition": "input.x == 1"},
            {"id": "c", "action": "do", "parameters": {"x": "${input.x}"}},
        ),
        id="a wait that waited for its condition",
        actions=[Resume({"x": 1}), Signal("b", 1)],
    ),
)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("at_once", (False, True), ids=("later", "at once"))
@pytest.mark.parametrize("carrier", CARRIERS, ids=str)
def test_a_crash_at_every_write(carrier: Scenario, at_once: bool) -> None:
    for write in range(1, 99):
        for moment in (BeforeWrite(write), AfterWrite(write)):
            crash = Crash(moment, 0.0 if at_once else 0.3017)
            scenario = attrs.evolve(carrier, actions=[crash, *carrier.actions])
            observed = trioflow.testing.run(play, scenario)
            if not observed.deaths:
                assert 3 <= write
                return

            compare_after_deaths(scenario, observed)


# ---- when two deaths are one ----


def state_after(carrier: Scenario, moment: Any, down: float = 0.3) -> str:
    scenario = attrs.evolve(carrier, actions=[Crash(moment, down), *carrier.actions])
    observed = trioflow.testing.run(play, scenario)
    (death,) = observed.deaths
    facts = facts_of(carrier.workflow, carrier, death.histories, death.at, death.acts)
    return state_of(carrier, facts)


CHAIN = Scenario(workflow(OTHER, {"id": "c", "action": "do", "parameters": {"x": "${b}"}}), id="x")


def test_the_same_is_stored_before_a_write_as_after_the_last_one() -> None:
    states = [state_after(CHAIN, moment) for moment in (AfterWrite(2), BeforeWrite(3))]

    assert states[0] == states[1]
    assert state_after(CHAIN, AfterWrite(3)) != states[0]


@pytest.mark.parametrize(
    "changed",
    (
        attrs.evolve(CHAIN, steps={"c": NO}),
        attrs.evolve(CHAIN, input={"n": 1}),
        attrs.evolve(CHAIN, limit=1),
        attrs.evolve(CHAIN, actions=[Cancel(AtTime(7))]),
        attrs.evolve(CHAIN, workflow={**CHAIN.workflow, "on_failure": "finish"}),
    ),
    ids=("script", "input", "limit", "acts", "document"),
)
def test_whatever_has_a_future_of_its_own_is_told_apart(changed: Scenario) -> None:
    assert state_after(CHAIN, AfterWrite(1)) != state_after(changed, AfterWrite(1))


def test_time_that_counts_is_told_apart() -> None:
    timed = attrs.evolve(CHAIN, workflow={**CHAIN.workflow, "timeout": 9})
    states = [state_after(timed, moment) for moment in (AfterWrite(2), BeforeWrite(3))]

    assert states[0] != states[1]
    assert state_after(CHAIN, AfterWrite(1), 1.0) == state_after(CHAIN, AfterWrite(1), 2.0)


def test_points_leave_out_what_makes_no_difference() -> None:
    standard, deep = list(points(CHAIN)), list(points(CHAIN, deep=True))

    assert [AfterWrite(write) for write in range(1, len(standard) + 1)] == standard
    assert set(standard) < set(deep) | set(standard)
    assert len(deep) < 2 * len(standard)


def test_and_only_that() -> None:
    """Of all moments that are left out there is an equal one among those that are not."""
    kept = {state_after(CHAIN, moment, 0.3017) for moment in points(CHAIN, deep=True)}
    writes = len(list(points(CHAIN)))
    everything = {
        state_after(CHAIN, moment, 0.3017)
        for write in range(1, writes + 1)
        for moment in (BeforeWrite(write), AfterWrite(write))
    }

    assert everything == kept
