"""Documents in, scenarios out: that they pass on the engine, and what there is of them."""

from __future__ import annotations

import copy
import json
import logging
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs
import pytest

import harness
from harness.families import FAMILIES
from harness.families._cases import LEVELS
from harness.suites._library import Told
from harness.suites._telling import outcome_of

ROOT = Path(__file__).parents[2]
FIXTURES = tuple(sorted((ROOT / "tests/fixtures").glob("*.workflow.json")))
DOCUMENTS = (*FIXTURES, *sorted((ROOT / "examples").glob("*/*.workflow.json")))
DEADLINE = ROOT / "tests/fixtures/deadline.workflow.json"
ORDER = ROOT / "examples/order/order.workflow.json"


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def name_of(path: Path) -> str:
    return path.name.removesuffix(".workflow.json")


@lru_cache
def suite_of(path: Path, level: str = "standard") -> harness.Suite:
    return harness.suite(path, level)


def timeouts(name: str) -> Told:
    return next(each for each in harness.scenarios(ORDER, families=["timeout"]) if each.id == name)


def failing(path: Path, level: str) -> list[str]:
    found = []
    for scenario in suite_of(path, level).scenarios:
        try:
            harness.check(scenario)
        except harness.Mismatch as mismatch:
            found.append(str(mismatch))
    return found


@pytest.mark.parametrize("path", (*FIXTURES, ORDER), ids=name_of)
def test_the_engine_does_what_the_suite_says(path: Path) -> None:
    """The smallest level of every document; the whole of them is for those who have time."""
    assert [] == failing(path, "smoke")


@pytest.mark.slow
@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_and_all_the_rest_of_it(path: Path) -> None:
    assert [] == failing(path, "standard")


@pytest.mark.slow
def test_a_whole_suite() -> None:
    assert [] == failing(DEADLINE, "standard")


# ---- what there is ----


@pytest.mark.slow
def test_every_family_tells_something() -> None:
    told: Counter[str] = Counter()
    for name in ("waiting", "retries", "schemas", "items", "shipping", "undoing", "reviews"):
        path = ROOT / f"tests/fixtures/{name}.workflow.json"
        told.update(each.family for each in harness.scenarios(path, families=FAMILIES))

    assert set(FAMILIES) == set(told)


def test_levels_grow() -> None:
    ids = [{each.id for each in suite_of(DEADLINE, level).scenarios} for level in LEVELS]

    assert ids[0] < ids[1] < ids[2]
    assert 9 <= len(ids[0]) <= 16


def test_ids_are_unique_and_say_their_family() -> None:
    made = suite_of(DEADLINE).scenarios

    assert len(made) == len({each.id for each in made})
    assert all(each.id.startswith(each.family) for each in made)
    assert all(each.why and each.covers for each in made)


def test_ids_and_expectations_are_stable_under_unrelated_edits() -> None:
    document = json.loads(ORDER.read_text("utf-8"))
    changed = copy.deepcopy(document)
    changed["nodes"].insert(0, {"id": "audit", "config": {"action": "audit.write"}})
    some = ("fail", "timeout", "retry", "wait")
    before = {each.id: each.steps for each in harness.scenarios(document, families=some)}
    after = {each.id: each.steps for each in harness.scenarios(changed, families=some)}

    assert set(before) <= set(after)
    assert all(after[name]["charge"] == before[name]["charge"] for name in before)


def test_every_scenario_has_its_expectation() -> None:
    for scenario in suite_of(DEADLINE).scenarios:
        if scenario.carrier:
            continue
        expected, _ = harness.expect(scenario.workflow, scenario)

        assert expected == scenario.expected
        assert outcome_of(expected) == scenario.outcome


def test_only_some_families() -> None:
    made = harness.scenarios(ORDER, families=["timeout", "retry"])

    assert {"timeout", "retry"} == {each.family for each in made}


def test_misuse() -> None:
    with pytest.raises(ValueError, match="there is no family retrys"):
        harness.scenarios(ORDER, families=["retrys"])
    with pytest.raises(ValueError, match="there is no level 'high'"):
        harness.scenarios(ORDER, "high")


def test_a_budget_says_what_it_left_out() -> None:
    made = harness.suite(ORDER, families=["fail", "cancel"], budget=30)

    assert 30 == len(made.scenarios)
    assert {"cancel"} == set(made.left_out)


def test_what_can_never_be_reached_is_said() -> None:
    made = harness.suite(ROOT / "tests/fixtures/branches.workflow.json", families=["ok"])

    assert ("step never", "connection read->never") == made.unreachable


def test_a_mismatch_says_how_to_see_it_again() -> None:
    scenario = timeouts("timeout-charge-hangs")
    assert scenario.expected is not None
    phase = attrs.evolve(scenario.expected.last, elapsed=1.0)
    wrong = attrs.evolve(scenario, expected=harness.Expected((phase,)))

    with pytest.raises(harness.Mismatch) as raised:
        harness.check(wrong)

    text = str(raised.value)
    assert "-1 elapsed: 1.0" in text
    assert f"python -m harness run {ORDER} --scenario timeout-charge-hangs" in text
    assert "charge   |" in text


def test_a_changed_document_is_told_from_a_wrong_engine() -> None:
    scenario = timeouts("timeout-charge-hangs")
    document = json.loads(ORDER.read_text("utf-8"))
    document["nodes"][1]["config"]["timeout"] = "20s"
    changed: Told = attrs.evolve(scenario, workflow=document, expected=None)

    with pytest.raises(harness.Mismatch, match="test and document disagree"):
        harness.check(changed)
