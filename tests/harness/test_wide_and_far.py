"""More side by side than an engine has slots for, and instants that are far away."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

import harness
from harness.families._plan import Plan
from harness.suites._library import Suite

KID = {"id": "kid", "steps": [{"id": "s", "action": "t.s"}]}


def of_children(count: int) -> dict[str, Any]:
    steps = [
        {"id": f"c{number}", "type": "workflow", "workflow": "kid", "depends_on": []}
        for number in range(count)
    ]
    return {"id": "parent", "steps": steps}


def suite(document: dict[str, Any], *families: str) -> Suite:
    return harness.suite(document, families=families, workflows=[KID])


# ---- side by side ----


@pytest.mark.parametrize(("children", "slots"), ((5, 5), (6, 10), (12, 20)))
def test_children_side_by_side_have_a_slot_each(children: int, slots: int) -> None:
    (found,) = suite(of_children(children), "ok").scenarios

    assert found.limit == slots
    for seed in range(1, 5):
        harness.check(attrs.evolve(found, schedule_seed=seed))


def test_who_gets_the_last_slot_of_an_engine_is_not_predicted() -> None:
    assert "limit-1" in suite(of_children(2), "limit").uncertain


def test_who_gets_a_slot_later_than_another_one_is_predicted() -> None:
    document = of_children(2)
    document["steps"][1] = {**document["steps"][1], "depends_on": ["wait"]}
    document["steps"].append({"id": "wait", "type": "sleep", "duration": 0.01, "depends_on": []})

    found = {each.id: each for each in suite(document, "limit").scenarios}

    harness.check(found["limit-1"])


def test_who_is_alone_in_the_queue_is_predicted() -> None:
    steps = [{"id": f"s{number}", "action": "t.s", "depends_on": []} for number in range(3)]
    found = suite({"id": "alone", "steps": steps}, "limit")
    assert "limit-1" in {each.id for each in found.scenarios}


def test_of_many_attempts_no_two_end_together() -> None:
    plan = Plan(of_children(60), {"kid": KID})
    assert plan.parts == plan.children["c0"].parts == 100
    assert plan.base.certain


def test_of_a_few_the_times_are_short_to_read() -> None:
    plan = Plan(of_children(40), {"kid": KID})
    assert plan.parts == 1
    assert Plan(of_children(41), {"kid": KID}).parts == 100


def test_attempts_of_items_count_as_often_as_there_are_items() -> None:
    each = {"id": "each", "action": "t.each", "for_each": {"items": list(range(41))}}
    assert Plan({"id": "w", "steps": [each]}).parts == 100


def test_a_workflow_that_starts_itself_has_a_size() -> None:
    step = {"id": "again", "type": "workflow", "workflow": "w"}
    assert Plan({"id": "w", "steps": [step]}).parts == 1


# ---- far away ----


def at_new_year(year: int) -> dict[str, Any]:
    return {
        "id": "ny",
        "steps": [
            {"id": "new-year", "type": "sleep", "until": f"{year}-01-01T00:00:00+01:00"},
            {"id": "a", "action": "t.a", "timeout": 5},
        ],
    }


@pytest.mark.parametrize("year", (2030, 2100))
def test_a_sleep_until_a_year_to_come_is_played(year: int) -> None:
    found = harness.suite(at_new_year(year), families=("ok", "fail", "cancel", "timeout"))

    assert () == found.uncertain
    for scenario in found.scenarios:
        harness.check(scenario)


def test_what_comes_later_than_instants_can_be_told_apart_is_left_out() -> None:
    found = harness.suite(at_new_year(2200), families=("ok",))
    assert found.uncertain == ("ok",)


def test_a_death_before_a_sleep_for_centuries_is_survived() -> None:
    found = harness.suite(at_new_year(9999))
    deaths = [each for each in found.scenarios if each.family == "crash"]
    assert deaths
    for scenario in deaths:
        harness.check(scenario)


def test_a_long_total_timeout_is_told_as_exactly_as_it_can_be() -> None:
    step = {"id": "a", "action": "t.a", "total_timeout": 3e10}
    found = harness.suite({"id": "b", "steps": [step]})
    assert len(found.scenarios) > 50
    for scenario in found.scenarios:
        harness.check(scenario)


# ---- what is not there ----


@pytest.mark.parametrize(
    "more",
    (
        {"condition": "workflow.version is null"},
        {"condition": "exists(workflow.version)"},
        {"parameters": {"version": "${workflow.version}"}},
        {"parameters": {"version": "${workflow.version?}"}},
    ),
)
@pytest.mark.parametrize("version", ({}, {"version": "2"}))
def test_a_version_that_a_document_does_not_have_is_missing(
    version: dict[str, str], more: dict[str, Any]
) -> None:
    step = {"id": "a", "action": "t.a", **more}
    for scenario in harness.scenarios({"id": "w", "steps": [step], **version}, families=("ok",)):
        harness.check(scenario)
