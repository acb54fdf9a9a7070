"""What families tell beside the usual faults, and what the player judges on the disk."""

from __future__ import annotations

import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

import harness
import trioflow
import trioflow.testing
from harness._scenario import AfterWrite, BeforeWrite, Crash, Returns
from harness.families._bounds import bounds_of
from harness.families._data import dropped, with_data
from harness.families._plan import Plan
from harness.playing import observe
from harness.playing._actors import Actors
from harness.playing._play import Player, play_on
from harness.playing._seen import Observed, unrecorded_calls
from harness.suites._library import Told
from trioflow.stores import Head, MemoryStore

from .suites import FIXTURES, told

ROOT = Path(__file__).parents[2]
SCHEMA = {
    "properties": {
        "score": {"type": "integer", "minimum": 2, "exclusiveMaximum": 9},
        "share": {"type": "number", "maximum": 0.5},
        "name": {"$ref": "#/$defs/name"},
        "lines": {"minItems": 1, "items": {"properties": {"count": {"maximum": 3}}}},
    },
    "$defs": {"name": {"type": "string", "minLength": 2, "maxLength": 4}},
}


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def expected(document: str, name: str, family: str) -> harness.Phase:
    found = told(document, family)[name].expected
    assert found is not None
    return found.last


def plan_of(document: str) -> Plan:
    return Plan(json.loads((FIXTURES / f"{document}.workflow.json").read_text("utf-8")))


# ---- conditions without an answer ----


@pytest.mark.parametrize("word", ("wrong", "missing"))
def test_a_connection_errs_and_the_default_beside_it_is_dead(word: str) -> None:
    end = expected("reviews", f"error-judge-to-publish-{word}", "error")

    assert "dead" == end.connections["judge->publish"] == end.connections["judge->archive"]
    assert ("condition.error", None) == end.errors[0]


@pytest.mark.parametrize("word", ("wrong", "missing"))
def test_the_condition_of_a_step_errs(word: str) -> None:
    end = expected("reviews", f"error-tell-{word}", "error")

    assert "FAILED" == end.steps["tell"]
    assert ("condition.error", "tell") == end.errors[0]


def test_a_connection_waits_for_an_input_and_then_comes_out_in_each_way() -> None:
    ways = {
        word: expected("reviews", f"pause-judge-to-publish-waits-{word}", "pause")
        for word in ("true", "false", "wrong")
    }

    assert {"true": "taken", "false": "dead", "wrong": "dead"} == {
        word: end.connections["judge->publish"] for word, end in ways.items()
    }
    # The default follows the one that is false, and neither the others.
    assert {"true": "dead", "false": "taken", "wrong": "dead"} == {
        word: end.connections["judge->archive"] for word, end in ways.items()
    }


# ---- decisions ----


def test_the_first_of_two_items_names_the_failure() -> None:
    end = expected("reviews", "decision-read-items-failed", "decision")

    assert ("odd", "read") == end.errors[0]


def test_time_stands_still_until_somebody_decides() -> None:
    late = told("reviews", "decision")
    again = expected("reviews", "decision-judge-late-retry", "decision")

    assert 30 < late["decision-judge-late-retry"].actions[0].moment.at  # type: ignore[union-attr]
    assert "COMPLETED" == again.steps["judge"]
    over = expected("reviews", "decision-judge-late-hangs", "decision")
    assert ("timeout.step", "judge") == over.errors[0]


# ---- graces ----


def test_a_second_cancel_shortens_a_grace_and_does_not_lengthen_it() -> None:
    long, short = (
        told("reviews", "cancel")[f"cancel-list-grace-{word}"] for word in ("longer", "shorter")
    )
    first, then = long.actions[0], long.actions[1]
    assert isinstance(first, harness.Cancel)
    assert isinstance(then, harness.Cancel)
    assert first.grace is not None
    assert then.grace is not None
    assert then.grace > first.grace

    assert first.moment.at + first.grace == pytest.approx(long.expected.last.elapsed)  # type: ignore[union-attr]
    last = short.actions[1]
    assert last.moment.at + last.grace == pytest.approx(short.expected.last.elapsed)  # type: ignore[union-attr, operator]


def test_an_attempt_that_does_not_stop_is_reported() -> None:
    scenario = told("reviews", "cancel")["cancel-list-unresponsive"]
    seen = observe(scenario)

    assert "AttemptUnresponsive" in [event.type for event in seen.history]
    assert "COMPLETED" == seen.phases[-1].steps["list"]


# ---- bounds ----


def test_each_bound_has_a_value_at_it_and_one_beside_it() -> None:
    value = {"score": 2, "share": 0.1, "name": "ab", "lines": [{"count": 1}]}
    found = {
        (".".join(map(str, path)), label): new for path, label, new in bounds_of(SCHEMA, value)
    }

    assert {
        ("score", "at-minimum"): 2,
        ("score", "beside-minimum"): 1,
        ("score", "at-exclusiveMaximum"): 9,
        ("score", "beside-exclusiveMaximum"): 8,
        ("share", "at-maximum"): 0.5,
        ("share", "beside-maximum"): 0.501,
        ("name", "at-minLength"): "ab",
        ("name", "beside-minLength"): "a",
        ("name", "at-maxLength"): "abaa",
        ("name", "beside-maxLength"): "abaaa",
        ("lines", "at-minItems"): [{"count": 1}],
        ("lines", "beside-minItems"): [],
        ("lines.0.count", "at-maximum"): 3,
        ("lines.0.count", "beside-maximum"): 4,
    } == found


def test_what_is_beyond_a_bound_fails_and_what_is_at_it_does_not() -> None:
    at, beside = (
        expected("joins", f"bound-left-n-{where}-maximum", "bound") for where in ("at", "beside")
    )

    assert ("COMPLETED", "FAILED") == (at.steps["left"], beside.steps["left"])


# ---- what is left out ----


def test_a_path_is_dropped() -> None:
    value = {"a": [{"b": 1, "c": 2}], "d": 3}

    assert {"a": [{"c": 2}], "d": 3} == dropped(value, ("a", 0, "b"))
    assert {"a": [], "d": 3} == dropped(value, ("a", 0))
    assert value == dropped(value, ("e", "f"))
    assert {"a": [{"b": 1, "c": 2}], "d": 3} == value


def test_data_that_the_schemas_exclude_are_no_data() -> None:
    plan = plan_of("joins")

    assert with_data(plan, plan.base.draft, {("left", ("n",)): 9}) is not None
    assert with_data(plan, plan.base.draft, {("left", ("n",)): 10}) is None
    assert with_data(plan, plan.base.draft, {}, [("input", ("amount",))]) is None


def test_a_field_that_may_be_missing_is_told_from_one_that_may_not() -> None:
    ends = {
        name: expected("reviews", f"missing-list-texts-0-{name}-for-read", "missing").steps["read"]
        for name in ("title", "by")
    }

    assert {"title": "FAILED", "by": "COMPLETED"} == ends


def test_nobody_knows_a_secret() -> None:
    end = expected("reviews", "missing-publish-secret-PRESS", "missing")

    assert ("reference.missing", "publish") == end.errors[0]
    assert not any(name == "publish" for _, calls in end.calls for name, _, _ in calls)


def test_a_workflow_that_starts_itself_comes_to_an_end() -> None:
    end = expected("echo", "ok", "ok")

    assert 33 == sum(name.endswith("call") for _, calls in end.calls for name, _, _ in calls)
    assert "COMPLETED" == end.status


# ---- forks ----


def test_a_fork_keeps_a_failure_only_if_it_is_still_handled() -> None:
    kept, again = (
        told("branches", "fork")[f"fork-read-to-help-{word}"] for word in ("kept", "not-kept")
    )

    def calls_of_fork(scenario: Told) -> set[str]:
        assert scenario.expected is not None
        last = scenario.expected.phases[-1]
        return {name for _, calls in last.calls for name, _, _ in calls}

    assert "read" not in calls_of_fork(kept)
    assert "read" in calls_of_fork(again)


# ---- what generated modules say ----


@pytest.mark.slow
def test_a_module_says_what_all_of_it_returns(tmp_path: Path) -> None:
    from harness.__main__ import main

    path = tmp_path / "joins.workflow.json"
    path.write_text((FIXTURES / path.name).read_text("utf-8"), "utf-8")
    code = main(["generate", str(path), "-o", str(tmp_path / "tests")])
    text = next((tmp_path / "tests").glob("*.py")).read_text("utf-8")

    assert 0 == code
    assert 'output={"either": "COMPLETED", "mended": "SKIPPED"}' in text


def test_an_output_that_is_another_one_is_noticed() -> None:
    end = harness.Expected((harness.Phase("COMPLETED", output={"a": 1}),))

    assert "" == harness.completed(after=0.0).differs(end)
    assert "" == harness.completed(after=0.0, output={"a": 1}).differs(end)
    assert "-output: {'a': 2}\n+output: {'a': 1}" == harness.completed(
        after=0.0, output={"a": 2}
    ).differs(end)
    assert "-output: None\n+output: {'a': 1}" == harness.completed(after=0.0, output=None).differs(
        end
    )


# ---- judges ----

TWO = {
    "trioflow": 1,
    "id": "two",
    "steps": [{"id": "one", "action": "do.one"}, {"id": "other", "action": "do.other"}],
}


@attrs.define(eq=False, init=False)
class Forgetful(MemoryStore):
    """A store whose heads never say that something has ended."""

    async def head(self, execution_id: str) -> Head | None:
        found = await super().head(execution_id)
        if found is None or found.status != "COMPLETED":
            return found
        return attrs.evolve(found, status="RUNNING")


def test_a_head_that_does_not_know_the_end_is_noticed() -> None:
    async def played() -> Observed:
        return await play_on(Forgetful(clock=trio.current_time), harness.Scenario(TWO))

    seen = trioflow.testing.run(played)

    assert any("its head in the store says RUNNING" in each for each in seen.wrong)


def test_a_call_before_its_start_is_durable_is_noticed() -> None:
    started = {"type": "AttemptStarted", "step": "one", "attempt": 1, "item": 2}
    histories: dict[str, Any] = {"x:ship": [started], "y": [{**started, "attempt": 2}]}
    made: list[Any] = [(0.0, "ship/one[2]", 1, {}), (1.0, "ship/one[2]", 2, {})]

    assert ["attempt 2 of ship/one[2] was made before its start was durable"] == list(
        unrecorded_calls(histories, made, "x")
    )


@pytest.mark.parametrize("moment", (AfterWrite(1), AfterWrite(2)), ids=str)
def test_what_nobody_continues_is_noticed(
    moment: AfterWrite, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = harness.Scenario(TWO, actions=[Crash(moment, 0.3017)])
    harness.check(scenario)
    monkeypatch.setattr(
        trioflow.testing, "open_engine", partial(trioflow.testing.open_engine, recover=False)
    )

    with pytest.raises((harness.Mismatch, trioflow.testing.Deadlock)):
        harness.check(scenario)


def test_what_was_left_in_a_pause_is_decided_when_an_engine_opens() -> None:
    """Nothing runs any more, so it is PAUSED; but what comes of the attempt is still to be said."""
    step = {"id": "one", "action": "do.one", "on_crash": "pause"}
    acts = [
        harness.Call("pause", harness.During("one", fraction=0.25)),
        harness.Interrupt(harness.During("one"), 0.5),
    ]
    scenario = harness.Scenario({"trioflow": 1, "id": "left", "steps": [step]}, actions=acts)
    harness.check(scenario)
    last = observe(scenario).phases[-1]

    assert ("decision", "", "one") in last.waiting_for


def test_a_cancel_that_is_acknowledged_too_early_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def at_once(self: trioflow.Execution, reason: str = "", grace: float | None = 0) -> None:
        """Say yes, and write nothing."""

    scenario = told("deadline", "crash")["crash-cancel-after-3"]
    harness.check(scenario)
    monkeypatch.setattr(trioflow.Execution, "request_cancel", at_once)

    assert any("a cancel of x was accepted" in each for each in observe(scenario).wrong)


def test_who_cancels_dies_before_each_write() -> None:
    made = told("deadline", "crash")
    before = {
        name for name, each in made.items() if isinstance(each.actions[0].moment, BeforeWrite)
    }

    assert before
    assert all(name.startswith(("crash-cancel-before-", "crash-grace-before-")) for name in before)


def test_a_player_reads_nothing_of_an_execution_that_there_is_not() -> None:
    """It is started, and not asked for, where a death has left nothing."""

    async def played() -> Observed:
        disk = MemoryStore(clock=trio.current_time)
        scenario = harness.Scenario(
            TWO, steps={"one": Returns({})}, actions=[Crash(BeforeWrite(1))]
        )
        player = Player(scenario, disk, Actors(scenario), list(scenario.actions), TWO)
        return await player.play()

    assert ["DIED", "COMPLETED"] == [each.status for each in trioflow.testing.run(played).phases]


@pytest.mark.parametrize("order", ((1, 1), (None, None)), ids=str)
def test_a_fork_with_one_more_step_keeps_the_order_of_its_document(
    order: tuple[int | None, int | None],
) -> None:
    steps: list[dict[str, Any]] = [{"id": "one", "action": "do.one"}, {"id": "b", "action": "do.b"}]
    for step, place in zip(steps, order, strict=True):
        if place is not None:
            step["sequence_order"] = place
    made = harness.scenarios({"trioflow": 1, "id": "some", "steps": steps}, families=["fork"])
    added = next(each for each in made if each.id == "fork-added")
    harness.check(added)

    assert added.expected is not None
    assert [["added"]] == [[name for name, *_ in calls] for _, calls in added.expected.last.calls]


def test_a_step_that_a_fork_adds_gives_its_action_what_it_cannot_do_without() -> None:
    @trioflow.action("do.one")
    async def one(name: str) -> str:
        return name

    @trioflow.action("do.b")
    async def b() -> None:
        pass

    step = {"id": "one", "action": "do.one", "parameters": {"name": "${input.name}"}}
    document = {"trioflow": 1, "id": "some", "steps": [step, {"id": "b", "action": "do.b"}]}
    made = harness.scenarios(document, families=["fork"])
    added = next(each for each in made if each.id == "fork-added")

    harness.check(added, actions=[one, b])
