"""Large documents: suites of two hundred steps in time, and a budget that is shared out."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

import harness
from harness.families import FAMILIES
from harness.families._cases import spread
from harness.families._plan import Plan
from harness.families._spending import in_turn, subject_of
from harness.suites._crashes import moments_of


def chain(count: int) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"id": "s0", "action": "do"}]
    for number in range(1, count):
        before = {"x": f"${{s{number - 1}.x}}"}
        steps.append({"id": f"s{number}", "action": "do", "parameters": before})
    return {"id": "chain", "steps": steps}


def fan_out(count: int) -> dict[str, Any]:
    middle = [f"w{number}" for number in range(count - 2)]
    steps: list[dict[str, Any]] = [{"id": "start", "action": "do"}]
    steps += [{"id": each, "action": "do", "depends_on": ["start"]} for each in middle]
    return {"id": "wide", "steps": [*steps, {"id": "end", "action": "do", "depends_on": middle}]}


def layers(width: int) -> dict[str, Any]:
    steps = [
        {
            "id": f"l{layer}-{place}",
            "action": "do",
            "depends_on": [f"l{layer - 1}-{other}" for other in range(width)] if layer else [],
        }
        for layer in range(width)
        for place in range(width)
    ]
    return {"id": "layers", "steps": steps}


LARGE = {"chain": chain(200), "wide": fan_out(200), "layers": layers(14)}


@pytest.mark.slow
@pytest.mark.parametrize("shape", LARGE)
def test_a_suite_of_two_hundred_steps(shape: str) -> None:
    # What this process used: others may share the machine.
    before = time.process_time()
    made = harness.suite(LARGE[shape])

    assert 60 > time.process_time() - before
    assert 2_000 == len(made.scenarios)
    told = Counter(each.family for each in made.scenarios)
    cases = in_turn(Plan(LARGE[shape]), list(FAMILIES), 1, 1_000_000)
    all_cases = Counter(family for family, _ in cases)
    # Of these every scenario may be told by another family, in the same words.
    assert {*all_cases, "crash"} - {"branch", "order", "limit"} <= {*told}
    steps = {step["id"] for step in LARGE[shape]["steps"]}
    assert steps <= {subject_of(each.id.partition("-")[2], steps) for each in made.scenarios}
    # What is left out is counted: of crashes all of it, of others what may have been the same.
    writes = sum(len(moments_of(carrier)) for carrier in made.carriers)
    assert writes == told["crash"] + made.left_out["crash"]
    for family, count in all_cases.items():
        assert count >= told[family] + made.left_out.get(family, 0)
    not_told = len(cases) - (2_000 - told["crash"])
    assert not_told >= sum(made.left_out.values()) - made.left_out["crash"] > 0
    # Nobody is left out for the sake of another who has much more.
    assert all(told[family] >= 20 for family in {*made.left_out} - {"branch", "order", "limit"})


@pytest.mark.parametrize(
    "document", (chain(12), fan_out(12), layers(4)), ids=lambda each: each["id"]
)
def test_a_budget_is_spent_fairly(document: dict[str, Any]) -> None:
    whole = harness.suite(document, budget=100_000)
    made = harness.suite(document, budget=100)

    assert 100 == len(made.scenarios)
    families = {each.family for each in whole.scenarios}
    assert families - {"branch", "order", "limit"} <= {each.family for each in made.scenarios}
    steps = {step["id"] for step in document["steps"]}
    about = {subject_of(each.id.partition("-")[2], steps) for each in made.scenarios}
    assert steps <= about
    # The lowest level is there as a whole, by the same names.
    smoke = {each.id for each in harness.scenarios(document, "smoke")}
    assert smoke <= {each.id for each in made.scenarios}
    # What was left out is more than was missed: of the same script there may have been several.
    assert len(whole.scenarios) - 100 <= sum(made.left_out.values())


def test_nothing_is_reordered_where_there_is_enough() -> None:
    cases = in_turn(Plan(chain(3)), ["fail", "cancel"], 1, 1_000)

    smoke = [family for family, case in cases if case.level == 0]
    assert ["fail"] * 3 + ["cancel"] * 3 == smoke
    assert len(smoke) < len(cases)
    assert ["fail", "cancel"] == list(dict.fromkeys(family for family, _ in cases[6:]))


def test_subjects() -> None:
    ids = {"pay", "pay-back", "a->b"}

    assert "pay" == subject_of("pay-grace", ids)
    assert "pay-back" == subject_of("during-pay-back-for-good", ids)
    assert "a->b" == subject_of("a->b-taken", ids)
    assert "" == subject_of("at-once", ids)


def test_spreading() -> None:
    assert [1, 2, 3] == spread([1, 2, 3], 5)
    assert [0, 5, 10] == spread(list(range(11)), 3)
    assert [0] == spread(list(range(11)), 1)
    assert [] == spread([1, 2], 0)


# ---- small documents, too ----

SMALL = {
    "one step": {"id": "w", "steps": [{"id": "a", "action": "do"}]},
    "one wait": {"id": "w", "steps": [{"id": "a", "type": "wait"}]},
    "one sleep": {"id": "w", "steps": [{"id": "a", "type": "sleep", "duration": 5}]},
    "one trigger": {"id": "w", "nodes": [{"id": "a", "type": "trigger"}]},
    "no schemas": {
        "id": "w",
        "nodes": [{"id": "a", "config": {"action": "do"}}, {"id": "b", "config": {"action": "do"}}],
        "connections": [{"source": "a", "target": "b", "condition": "a.n > 3 or input.all"}],
    },
}


@pytest.mark.parametrize("name", SMALL)
def test_small_suites_are_sensible_and_pass(name: str) -> None:
    made = harness.suite(SMALL[name])

    assert {} == made.left_out
    assert () == made.unreachable
    told = {each.family for each in made.scenarios}
    assert {"ok", "misuse"} - ({"misuse"} if "action" not in str(SMALL[name]) else set()) <= told
    assert told <= {*FAMILIES, "crash"}
    for scenario in made.scenarios:
        harness.check(scenario)
