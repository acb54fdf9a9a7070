"""What a test writes with the harness, as type checkers see it; see `engine_uses`."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any, assert_type

import harness

DOCUMENT: dict[str, Any] = {"id": "order", "steps": [{"id": "pay", "action": "x.y"}]}


def suites() -> None:
    made = harness.suite(DOCUMENT, "smoke", families=["ok", "timeout"], seed=3)
    assert_type(made, harness.Suite)
    for scenario in harness.scenarios("order.workflow.json", level="deep"):
        assert_type(scenario.id, str)
        assert isinstance(scenario, harness.Scenario)
        assert_type(harness.check(scenario), None)
        assert_type(harness.check_crashes(scenario), None)
        assert_type(harness.check_relations(scenario), tuple[str, ...])
    harness.scenarios(DOCUMENT, seed="3")  # type: ignore[arg-type]
    harness.check("ok")  # type: ignore[arg-type]


def generated() -> None:
    """The words of generated modules."""
    order = harness.workflow(DOCUMENT, steps={"pay": harness.returns({"total": 8}, "2s")})
    told = harness.scenario(
        "fail-pay",
        order,
        steps={"pay": [harness.raises("bank.unavailable", after=0.5), harness.hangs()]},
        expect=harness.failed("pay"),
    )
    assert_type(told.id, str)
    for outcome in (
        harness.completed(skipped="pay", after=3.0),
        harness.cancelled(completed="pay"),
        harness.paused("pay"),
        harness.ends("COMPLETED", skipped="pay"),
    ):
        harness.scenario("fail-pay", order, expect=outcome)
    harness.scenario("fail-pay", DOCUMENT)  # type: ignore[arg-type]
    harness.scenario("fail-pay", order, expect="FAILED")  # type: ignore[arg-type]
    harness.returns(hangs=True)  # type: ignore[call-arg]


def by_hand() -> harness.Scenario:
    told = harness.Scenario(
        DOCUMENT,
        steps={"pay": [harness.Raises(code="x.y"), harness.Hangs(), harness.Returns({}, after=2)]},
        actions=[
            harness.Cancel(harness.AtTime(0.5), grace=1.0),
            harness.Interrupt(harness.During("pay", attempt=2)),
            harness.Crash(harness.AfterWrite(3), down=5.0),
            harness.Crash(harness.BeforeWrite(4)),
            harness.Resume({"card": "4242"}),
            harness.Signal("approval", {"approved": True}),
            harness.Call("pause"),
        ],
    )
    assert_type(told.expected, harness.Expected | None)
    harness.Scenario(DOCUMENT, actions=["cancel"])  # type: ignore[list-item]
    harness.Scenario(DOCUMENT, {"pay": []})  # type: ignore[call-arg, arg-type]
    harness.AtTime("1s")  # type: ignore[arg-type]
    told.id = "another"  # type: ignore[misc]
    return told


async def judged(told: harness.Scenario) -> None:
    phase, facts = harness.predict(DOCUMENT, told)
    assert_type(phase, harness.Phase)
    assert_type(facts, harness.Facts)
    assert_type(harness.expect(DOCUMENT, told, facts), tuple[harness.Expected, harness.Facts])
    assert_type(harness.facts_of(DOCUMENT, told, {"x": []}, 3.0), harness.Facts)
    assert_type(await harness.play(told), harness.Observed)
    assert issubclass(harness.Mismatch, AssertionError)
    assert issubclass(harness.ActionsWarning, UserWarning)
    harness.predict(told)  # type: ignore[call-arg, arg-type]
