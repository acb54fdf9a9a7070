"""What must make no difference makes none: scenarios of all fixtures, told in other words."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import attrs
import pytest

import trioflow
from harness import AtTime, Cancel, Hangs, Mismatch, Raises, Returns, Scenario, Signal, scenarios
from harness.oracle._document import read_document
from harness.suites import _varying as varying
from harness.suites._relations import NAMES, RELATIONS, Relation, check_relations

ROOT = Path(__file__).parents[2]
FIXTURES = tuple(sorted((ROOT / "tests/fixtures").glob("*.workflow.json")))

# In the quick suite: of each fixture one of so many scenarios.
ONE_OF = 9


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def name_of(path: Path) -> str:
    return path.name.removesuffix(".workflow.json")


def differing(path: Path, level: str, one_of: int) -> list[str]:
    found = []
    for scenario in scenarios(path, level)[::one_of]:
        try:
            check_relations(scenario)
        except Mismatch as mismatch:
            found.append(str(mismatch))
    return found


@pytest.mark.parametrize("path", FIXTURES, ids=name_of)
def test_nothing_differs(path: Path) -> None:
    assert [] == differing(path, "smoke", ONE_OF)


@pytest.mark.slow
@pytest.mark.parametrize("path", FIXTURES, ids=name_of)
def test_nor_in_all_the_rest(path: Path) -> None:
    assert [] == differing(path, "standard", 1)


def test_every_relation_says_something() -> None:
    assert NAMES == check_relations(scenario_of(TWO))


# ---- how the same is said in other words ----

DOCUMENT: dict[str, Any] = {
    "id": "w",
    "nodes": [
        {"id": "ask", "type": "wait"},
        {
            "id": "pay-it",
            "config": {
                "action": "pay",
                "condition": "steps.ask.status == 'ask' and ask.ok and ${ask.no?} is null",
                "parameters": {"a": "${ask.pay}", "b": "x ${steps.ask.status} y", "c": "ask"},
                "timeout": "2s",
                "retry": 2,
                "compensate": "undo",
            },
        },
    ],
    "connections": [
        {"source": "ask", "target": "pay-it", "condition": "ok and ask.ask or input.ask"},
        {"source": "ask", "target": "pay-it", "on": "failure"},
    ],
}

TWO = {
    "id": "w",
    "steps": [{"id": "a", "action": "x"}, {"id": "b", "action": "x"}],
    "connections": [{"source": "a", "target": "b"}],
}


def scenario_of(document: Any, **more: Any) -> Scenario:
    return Scenario(document, id="s", **more)


def test_renaming_knows_names_from_fields_and_texts() -> None:
    found = varying.renamed(scenario_of(DOCUMENT, steps={"pay-it": Raises()}))
    assert found is not None
    ask, pay = found.workflow["nodes"]

    assert ["ask_2", "pay-it_2"] == [ask["id"], pay["id"]]
    assert "ask" == ask["config"]["signal"]
    assert (
        "steps.ask_2.status == 'ask' and ask_2.ok and ${ask_2.no?} is null"
        == pay["config"]["condition"]
    )
    assert {"a": "${ask_2.pay}", "b": "x ${steps.ask_2.status} y", "c": "ask"} == pay["config"][
        "parameters"
    ]
    first, second = found.workflow["connections"]
    assert ("ask->pay-it", "ask->pay-it#2") == (first["id"], second["id"])
    assert "ok and ask_2.ask or input.ask" == first["condition"]
    assert ["pay-it_2"] == list(found.steps)
    trioflow.load_workflow(found.workflow)


def test_slower_is_slower_in_every_respect() -> None:
    cancel = Cancel(AtTime(1.5), 0.5)
    found = varying.slower(scenario_of(DOCUMENT, steps={"ask": Returns(1, 2.5)}, actions=[cancel]))
    assert found is not None
    config = found.workflow["nodes"][1]["config"]

    assert 20 == config["timeout"]
    assert {"max_attempts": 2, "initial_delay": 10, "max_delay": 600} == config["retry"]
    assert 20 == config["compensate"]["timeout"]
    assert 25 == found.steps["ask"][0].after  # type: ignore[union-attr]
    assert 10 == found.steps["pay-it"][0].after  # type: ignore[union-attr]
    assert (Cancel(AtTime(15), 5.0),) == found.actions


@pytest.mark.parametrize(
    ("document", "join"),
    (
        ({"steps": [{"id": "a", "action": "x"}, {"id": "b", "action": "x"}]}, "any"),
        (
            {
                "steps": [
                    {"id": "a", "action": "x"},
                    {"id": "b", "action": "x", "depends_on": ["a"]},
                ]
            },
            "all",
        ),
    ),
)
def test_the_other_shape_is_the_same_graph(document: Any, join: str) -> None:
    before = {"id": "w", **document}
    found = varying.as_graph(scenario_of(before))
    assert found is not None
    graphs = [read_document(each) for each in (before, found.workflow)]

    assert before != found.workflow
    assert [join, join] == [graph.steps["b"].join for graph in graphs]
    for one, other in zip(*(graph.steps.values() for graph in graphs), strict=True):
        assert one.gates == other.gates
    assert [edge.id for edge in graphs[0].edges] == [edge.id for edge in graphs[1].edges]


def test_a_list_says_its_order() -> None:
    assert varying.shuffled(scenario_of({"id": "w", "steps": [{"id": "a", "action": "x"}]})) is None
    orders = set()
    for seed in range(9):
        found = varying.shuffled(scenario_of(DOCUMENT, schedule_seed=seed))
        assert found is not None
        orders.add(tuple(node["id"] for node in found.workflow["nodes"]))

    assert {("ask", "pay-it"), ("pay-it", "ask")} == orders


def test_a_crash_is_only_for_what_is_simply_made_again() -> None:
    chain = {"id": "w", "steps": [{"id": "a", "action": "x"}, {"id": "b", "type": "wait"}]}
    signal = Signal("b", 1)

    assert varying.crashed(scenario_of(chain, actions=[signal]), 1) is not None
    for more in (
        {"actions": [Cancel(AtTime(1))]},
        {"steps": {"a": [Raises(), Returns()]}},
        {"steps": {"a": Hangs()}},
    ):
        assert varying.crashed(scenario_of(chain, **more), 1) is None
    on_crash = json.loads(json.dumps(chain))
    on_crash["steps"][0]["on_crash"] = "fail"
    assert varying.crashed(scenario_of(on_crash), 1) is None


# ---- what is said when something differs ----


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_a_difference_is_seen_by_every_relation(relation: Relation) -> None:
    """With another script on one side both cannot come to the same."""
    scenario = scenario_of(TWO)
    wrong = attrs.evolve(
        relation,
        vary=lambda scenario: attrs.evolve(scenario, steps={"b": Raises("no", "odd", 3)}),
    )

    with pytest.raises(Mismatch, match=f"s, {relation.name}"):
        check_relations(scenario, [wrong])


def test_misuse() -> None:
    with pytest.raises(ValueError, match="there is no relation slow: they are shuffled"):
        check_relations(scenario_of(DOCUMENT), ["slow"])
