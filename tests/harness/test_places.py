"""Places in the queue, misuse that is too large, and a death between two records of one pause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import harness
from harness._scenario import Call, Crash, Scenario
from harness.suites._checking import observe

FIXTURES = Path(__file__).parents[1] / "fixtures"


def step(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "action": f"t.{name}", "depends_on": [], **more}


def told(family: str, *steps: dict[str, Any]) -> dict[str, Scenario]:
    document = {"id": "w", "steps": list(steps)}
    return {each.id: each for each in harness.scenarios(document, families=[family])}


def order_of(scenario: Scenario) -> list[tuple[str, int]]:
    observed = observe(scenario)
    return [
        (name, number)
        for phase in observed.phases
        for _, made in phase.calls
        for name, number, _ in made
    ]


def test_whoever_gets_ready_in_a_pause_comes_before_those_who_have_lost_their_places() -> None:
    retry = {"max_attempts": 2, "jitter": "none"}
    found = told("limit", step("again", retry=retry), step("long"), step("last"))

    scenario = found["limit-1-long-paused"]

    assert order_of(scenario) == [("again", 1), ("long", 1), ("again", 2), ("last", 1)]
    harness.check(scenario)


def test_where_no_place_can_be_lost_there_is_no_such_scenario() -> None:
    found = told("limit", step("one"), step("two"))
    assert [] == [name for name in found if name.endswith("-paused")]


def test_items_that_wait_for_the_slot_of_one_that_fails_are_never_begun() -> None:
    found = told("limit", step("each", for_each={"items": [1, 2, 3]}))

    scenario = found["limit-1-each-first-fails"]

    assert [("each[0]", 1)] == order_of(scenario)
    harness.check(scenario)


def test_items_that_go_on_when_one_fails_lose_no_place() -> None:
    items = {"items": [1, 2, 3], "on_item_error": "continue"}
    assert "limit-1-each-first-fails" not in told("limit", step("each", for_each=items))


def test_what_is_too_large_is_refused_and_nothing_of_it_is_kept() -> None:
    scenario = told("misuse", step("one"), step("two", depends_on=["one"]))["misuse-too-large"]

    observed = observe(scenario)

    answers = [each for phase in observed.phases for each in phase.answers]
    assert ["accepted", "refused", "refused", "accepted"] == answers
    assert "COMPLETED" == observed.phases[-1].status
    assert "xxxx" not in str(observed.history)
    harness.check(scenario)


def test_the_time_of_a_step_goes_on_when_what_was_brought_was_too_large() -> None:
    retry = {"max_attempts": 2, "initial_delay": 2, "jitter": "none"}
    one = step("one", retry=retry, total_timeout=9)

    scenario = told("misuse", one)["misuse-too-large-before-one"]

    assert Call("too-large") == scenario.actions[-1]
    assert scenario.expected is not None
    assert {"one": "FAILED"} == scenario.expected.last.steps
    harness.check(scenario)


@pytest.mark.parametrize("name", ("claim", "shipping"))
def test_a_process_dies_between_the_pause_of_a_parent_and_that_of_its_child(name: str) -> None:
    made = harness.scenarios(FIXTURES / f"{name}.workflow.json", families=["crash"])
    found = [each for each in made if each.id.startswith("crash-child-pause-")]

    between = [each for each in found if left_by(each) == {True, False}]

    assert [] != between
    for each in between[:2]:
        harness.check(each)


def left_by(scenario: Scenario) -> set[bool]:
    """Return whether the executions that a process leaves when it dies know of a pause."""
    assert isinstance(scenario.actions[0], Crash)
    (death,) = observe(scenario).deaths
    return {
        any("Pause" in event["type"] for event in history) for history in death.histories.values()
    }
