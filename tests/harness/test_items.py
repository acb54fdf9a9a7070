"""What families tell of items, of what a pause holds back, and of time that is over in a grace."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

import harness
from harness.families._held import held
from harness.families._items import bad_items
from harness.families._plan import Plan

from .suites import told


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def ended(document: str, family: str, name: str) -> harness.Phase:
    """Play a scenario, and return its last phase."""
    scenario = told(document, family)[f"{family}-{name}"]
    harness.check(scenario)
    assert scenario.expected is not None
    return scenario.expected.last


def called(phase: harness.Phase) -> list[tuple[str, int]]:
    return [(name, attempt) for _, made in phase.calls for name, attempt, _ in made]


# ---- items ----


def test_the_first_item_does_not_fit_and_none_is_called() -> None:
    end = ended("items", "bad-input", "pack-sku-too-long-first")

    assert ("FAILED", 0.0, (("schema.input", "pack"),)) == (end.status, end.elapsed, end.errors)
    assert [] == called(end)


def test_the_last_item_does_not_fit_when_its_turn_comes() -> None:
    end = ended("items", "bad-input", "pack-sku-too-long-last")

    assert (("schema.input", "pack"),) == end.errors
    assert [("pack[0]", 1), ("pack[1]", 1), ("pack[0]:compensate", 1)] == called(end)


@pytest.mark.parametrize(
    ("parameters", "schema"),
    (
        ({"sku": "${item.sku}"}, None),
        ({"sku": "number ${item.sku}"}, {"properties": {"sku": {"maxLength": 20}}}),
        ({"sku": "${input.first}"}, {"properties": {"sku": {"maxLength": 20}}}),
    ),
    ids=("no schema", "more than the item", "not of the item"),
)
def test_items_that_nothing_can_make_unfit(parameters: Any, schema: Any) -> None:
    step = {"id": "pack", "action": "do", "for_each": {"items": "${input.items}"}}
    step |= {"parameters": parameters} | ({} if schema is None else {"input_schema": schema})

    assert [] == list(bad_items(Plan({"id": "some", "steps": [step]})))


@pytest.mark.parametrize("word", ("queued", "delayed"))
def test_an_item_that_does_not_run_is_cancelled_at_once(word: str) -> None:
    end = ended("items", "cancel", f"pack-{word}")

    assert ("CANCELLED", "CANCELLED") == (end.status, end.steps["pack"])
    # The one that waited is not called (again).
    waited = ("pack[1]", 1) if word == "queued" else ("pack[0]", 2)
    assert waited not in called(end)


def test_items_that_wait_for_a_decision_are_cancelled_at_once() -> None:
    end = ended("reviews", "decision", "read-items-cancelled")

    assert ("CANCELLED", "CANCELLED") == (end.status, end.steps["read"])


def test_the_null_of_a_failed_item_fits_every_schema_of_a_fork() -> None:
    end = ended("items", "fork", "label-item-failed")

    assert "COMPLETED" == end.status
    assert [("count", 1)] == called(end)


# ---- what is counted anew, held back, or over ----


@pytest.mark.parametrize(("document", "step"), (("reviews", "judge"), ("inspection", "visit")))
def test_crashes_before_a_decision_do_not_count_after_it(document: str, step: str) -> None:
    end = ended(document, "decision", f"{step}-retry-killed")

    assert ("COMPLETED", "COMPLETED") == (end.status, end.steps[step])
    assert (step, 6) in called(end)


def test_the_condition_of_a_step_that_is_held_back_is_not_asked_again() -> None:
    scenario = told("waiting", "pause")["pause-act-held-overtaken"]
    end = ended("waiting", "pause", "act-held-overtaken")

    assert {"rank": 4} == scenario.actions[-1].input  # type: ignore[union-attr]
    assert "COMPLETED" == end.steps["act"]


@pytest.mark.parametrize(
    "condition", ("input.go", "read.x == 3"), ids=("an input that it waits for", "no input")
)
def test_conditions_that_nothing_which_is_brought_can_overtake(condition: str) -> None:
    steps = [{"id": "read", "action": "do"}, {"id": "go", "action": "do", "condition": condition}]
    names = [each.name for each in held(Plan({"id": "some", "steps": steps}))]

    assert ["go-held", "go-held-left"] == names


def test_the_time_of_a_step_is_over_in_a_grace_of_a_second() -> None:
    end = ended("deadline", "cancel", "slow-grace-timed")

    assert ("CANCELLED", "FAILED") == (end.status, end.steps["slow"])
    assert (("timeout.step", "slow"),) == end.errors


@pytest.mark.parametrize(
    ("document", "family", "name", "step"),
    (
        ("invoices", "clause", "clause-book-3-false", "post"),
        ("schemas", "ok", "ok", "done"),
        ("schemas", "bad-output", "bad-output-done-receipt-too-short", "done"),
    ),
    ids=("no schema", "one that it fits", "one that it does not fit"),
)
def test_large_outputs_are_told(document: str, family: str, name: str, step: str) -> None:
    scenario = told(document, family)[name]
    harness.check(scenario)

    assert all(8192 < len(json.dumps(each.to_json())) for each in scenario.steps[step])
