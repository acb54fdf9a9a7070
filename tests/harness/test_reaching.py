"""What is behind a condition on something that has a condition itself, or on how many items."""

from __future__ import annotations

from typing import Any

import pytest

import harness
from harness._scenario import Scenario, Signal
from harness.families._plan import Plan
from harness.families._solving import as_items, assigned
from harness.reports._obligations import obligations
from harness.suites._checking import observe

ASK = {
    "id": "approval",
    "type": "wait",
    "condition": "input.amount > 500",
    "total_timeout": "7d",
    "schema": {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}},
}
CHECK = {
    "id": "check",
    "action": "t.check",
    "condition": "input.amount > 500",
    "output_schema": ASK["schema"],
}


def workflow(*steps: dict[str, Any], **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {"id": "w", "input_schema": schema, "steps": list(steps)}


def ship(condition: str) -> dict[str, Any]:
    return {"id": "ship", "action": "t.ship", "condition": condition}


def told(document: dict[str, Any], *families: str) -> dict[str, Scenario]:
    return {each.id: each for each in harness.scenarios(document, families=families)}


def steps_of(scenario: Scenario) -> dict[str, str]:
    harness.check(scenario)
    return dict(observe(scenario).phases[-1].steps)


@pytest.mark.parametrize(
    ("asked", "condition"),
    (
        (ASK, "exists(approval.ok) and approval.ok"),
        (ASK, "approval.ok"),
        (CHECK, "steps.check.output.ok"),
        (CHECK, "steps.check.status == 'COMPLETED' and check.ok"),
        (CHECK, "steps.check.status == 'COMPLETED'"),
    ),
)
def test_a_step_is_reached_behind_another_that_is_not_on_the_usual_way(
    asked: dict[str, Any], condition: str
) -> None:
    found = told(workflow(asked, ship(condition), amount={"type": "integer"}), "reach")

    ended = [steps_of(scenario) for scenario in found.values()]

    assert {asked["id"]: "COMPLETED", "ship": "COMPLETED"} in ended


def test_whoever_waits_for_a_failure_is_reached() -> None:
    check = {**CHECK, "continue_on_error": True}
    document = workflow(check, ship("steps.check.status == 'FAILED'"), amount={"type": "integer"})
    assert steps_of(told(document, "reach")["reach-ship"]) == {
        "check": "FAILED",
        "ship": "COMPLETED",
    }


def test_a_connection_is_taken_by_what_a_step_that_may_be_skipped_says() -> None:
    document = {
        **workflow({**CHECK, "depends_on": []}, amount={"type": "integer"}),
        "connections": [
            {"id": "on", "source": "go", "target": "ship", "condition": "check.ok"},
            {"source": "check", "target": "go", "on": "always"},
        ],
    }
    document["steps"] = [
        dict(CHECK),
        {"id": "go", "action": "t.go"},
        {"id": "ship", "action": "t.ship"},
    ]

    found = told(document, "branch")["branch-on-taken"]

    assert steps_of(found)["ship"] == "COMPLETED"


def test_nothing_is_said_never_to_decide_that_a_skipped_step_decides() -> None:
    document = workflow(
        ASK, ship("exists(approval.ok) and approval.ok"), amount={"type": "integer"}
    )
    never = [str(each) for each in obligations(Plan(document), crashes=False) if each.never]
    assert [] == never


def test_what_an_output_always_has_is_still_said_never_to_decide() -> None:
    check = {key: value for key, value in CHECK.items() if key != "condition"}
    document = workflow(check, ship("exists(check.ok) and check.ok"))
    never = [str(each) for each in obligations(Plan(document), crashes=False) if each.never]
    assert ["exists(check.ok) alone decides ship"] == never


# ---- how many items ----

EACH = {"id": "each", "action": "t.each", "for_each": {"items": "${input.names}"}}
NAMES = {"type": "array", "items": {"type": "string"}}


def test_a_condition_on_how_many_outputs_there_are_is_met_by_as_many_items() -> None:
    document = workflow(EACH, ship("len(each) > 3"), names=NAMES)

    found = told(document, "reach", "clause")

    assert len(found["reach-ship"].input["names"]) == 4
    assert steps_of(found["reach-ship"])["ship"] == "COMPLETED"


def test_both_sides_of_a_clause_about_items_are_as_they_say() -> None:
    price = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}
    hotel = {"id": "hotel", "action": "t.hotel", "output_schema": price}
    document = workflow(hotel, EACH, ship("hotel.price > 300 or len(each) > 3"), names=NAMES)

    found = told(document, "clause")

    assert steps_of(found["clause-ship-2-true"])["ship"] == "COMPLETED"
    assert steps_of(found["clause-ship-2-false"])["ship"] == "SKIPPED"
    assert len(found["clause-ship-2-true"].input["names"]) > 3


def test_items_of_items_come_from_where_the_first_ones_do() -> None:
    again = {"id": "again", "action": "t.again", "for_each": {"items": "${each.output}"}}
    document = workflow(EACH, again, ship("len(again) == 5"), names=NAMES)

    found = told(document, "reach")["reach-ship"]

    assert len(found.input["names"]) == 5
    assert steps_of(found)["ship"] == "COMPLETED"


def test_what_stands_in_the_document_cannot_be_more() -> None:
    fixed = {**EACH, "for_each": {"items": [1, 2]}}
    plan = Plan(workflow(fixed, ship("len(each) > 3")))
    assert plan.reach("ship") is None
    assert as_items(plan.graph, ("each", ()), [1, 2, 3, 4], {}, {}) is None


def test_the_output_of_a_step_with_items_is_nothing_but_a_list() -> None:
    graph = Plan(workflow(EACH, names=NAMES)).graph
    assert as_items(graph, ("each", ()), 7, {"names": ["a"]}, {}) is None
    assert assigned(graph, {"names": ["a"]}, {"each": {}}, {("each", ()): 7}) == (
        {"names": ["a"]},
        {"each": {}},
    )


def test_more_items_are_like_the_last_one_and_fewer_are_the_first_ones() -> None:
    graph = Plan(workflow(EACH, names=NAMES)).graph
    given = {"names": [{"sku": "tea-0", "n": 1}, {"sku": "tea-1", "n": 2}]}

    more = as_items(graph, ("each", ()), [0] * 4, given, {})
    fewer = as_items(graph, ("each", ()), [0], given, {})

    assert more == (
        ("input", ("names",)),
        [*given["names"], {"sku": "tea-2", "n": 2}, {"sku": "tea-3", "n": 2}],
    )
    assert fewer == (("input", ("names",)), given["names"][:1])


def test_a_step_that_needs_what_is_not_on_the_usual_way_is_reached() -> None:
    document = workflow(
        ASK,
        {"id": "note", "action": "t.note", "parameters": {"said": "${approval.ok}"}},
        amount={"type": "integer"},
    )
    plan = Plan(document)
    story = plan.reach("note")
    assert story is not None
    assert any(isinstance(act, Signal) for act in story.scenario.actions)
