"""Real actions in scenarios: what they do is recorded, and the oracle says what comes of it."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
import trio

import harness
import trioflow
from harness import (
    AfterWrite,
    AtTime,
    Cancel,
    Crash,
    During,
    Hangs,
    Mismatch,
    Raises,
    Resume,
    Returns,
    Scenario,
)
from harness.playing import check_real, judge, recorded

ROOT = Path(__file__).parents[2]
ORDER = ROOT / "examples/order/order.workflow.json"

DOCUMENT = {
    "id": "w",
    "steps": [
        {"id": "a", "action": "count", "compensate": "undo"},
        {
            "id": "b",
            "action": "act",
            "parameters": {"number": "${a.number}"},
            "timeout": 5,
            "retry": {"max_attempts": 2, "initial_delay": 0.25},
        },
    ],
}


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@trioflow.action
def count() -> dict[str, int]:
    return {"number": 7}


@trioflow.action
async def undo(output: dict[str, int]) -> None:
    await trio.sleep(0.125)


def act_of(function: Any) -> Any:
    return trioflow.action("act")(function)


def story(**more: Any) -> Scenario:
    return attrs.evolve(Scenario(DOCUMENT, id="real"), **more)


def played(function: Any, **more: Any) -> harness.Observed:
    return check_real(story(**more), [count, undo, act_of(function)])


class Colour(StrEnum):
    RED = "red"


# ---- what an attempt does, and the behaviour that tells it ----


async def well(number: int) -> Any:
    return {"twice": number * 2, "pair": (1, Colour.RED)}


async def slowly(number: int) -> int:
    await trio.sleep(2.5)
    return number


async def badly(number: int) -> None:
    raise trioflow.StepError("no", "odd", retryable=False)


async def oddly(number: int) -> None:
    raise KeyError("x")


async def at_first(number: int, context: trioflow.ActionContext) -> int:
    await trio.sleep(0.5)
    if context.attempt == 1:
        raise OSError("not yet")
    return context.attempt


async def in_a_group(number: int) -> None:
    raise ExceptionGroup("both", [trioflow.StepError("x", "odd"), trioflow.StepError("y", "odd")])


async def not_json(number: int) -> Any:
    return {1: 2}


async def too_much(number: int) -> str:
    return "x" * 2_000_000


async def for_ever(number: int) -> None:
    await trio.sleep_forever()


async def late(number: int) -> str:
    with trio.CancelScope(shield=True):
        await trio.sleep(6)
    return "late"


def in_a_thread(number: int) -> int:
    return number + 1


async def _in_a_loop(number: int) -> int:
    await asyncio.sleep(0.01)
    return number


CASES = (
    (well, [Returns({"twice": 14, "pair": [1, "red"]}, 1.0)]),
    (slowly, [Returns(7, 2.5)]),
    (badly, [Raises("no", "odd", 1.0, False)]),
    (oddly, [Raises("'x'", None, 1.0)] * 2),
    (at_first, [Raises("not yet", None, 1.0), Returns(2, 1.0)]),
    (in_a_group, [Raises("both (2 sub-exceptions)", "odd", 1.0)] * 2),
    (not_json, [Returns(None, 1.0, "result.not_json")]),
    (too_much, [Returns(None, 1.0, "result.too_large")]),
    (for_ever, [Hangs(), Hangs()]),
    (late, [Returns("late", 6.0, None, True)]),
    (in_a_thread, [Returns(8, 1.0)]),
)


@pytest.mark.parametrize(
    ("function", "behaviours"), CASES, ids=lambda each: getattr(each, "__name__", "")
)
def test_what_it_does_is_recorded_and_predicted(function: Any, behaviours: Any) -> None:
    observed = played(function)

    seen = [did for (name, _), did in sorted(observed.behaviours.items()) if name == "b"]
    assert behaviours == seen
    assert () == observed.untold


def test_an_asyncio_action_takes_no_virtual_time() -> None:
    in_a_loop = trioflow.action("act", loop="asyncio")(_in_a_loop)
    observed = check_real(story(), [count, undo, in_a_loop])

    assert Returns(7, 1.0) == observed.behaviours["b", 1]
    assert 2.0 == observed.phases[-1].elapsed


def test_the_script_says_how_long_it_takes_at_least() -> None:
    observed = played(slowly, steps={"a": Returns(None, 3.25), "b": Returns(None, 2.0)})

    assert Returns({"number": 7}, 3.25) == observed.behaviours["a", 1]
    assert 5.75 == observed.phases[-1].elapsed


def test_faults_stay_scripted() -> None:
    observed = played(well, steps={"b": [Raises("no", "odd"), Returns()]})

    assert {("a", 1), ("b", 2)} == set(observed.behaviours)
    assert "COMPLETED" == observed.phases[-1].status


def test_an_undo_is_real_too() -> None:
    observed = played(badly)

    assert Returns(None, 1.0) == observed.behaviours["a:compensate", 1]
    assert ("a",) == observed.phases[-1].compensated


def test_what_is_not_given_is_played() -> None:
    observed = check_real(story(steps={"a": Returns({"number": 3})}), [act_of(well)])

    assert {("b", 1)} == set(observed.behaviours)
    assert {"twice": 6, "pair": [1, "red"]} == observed.phases[-1].outputs["b"]


def test_parameters_that_do_not_fit_are_noticed() -> None:
    async def other(amount: int) -> None:
        pass

    with pytest.raises(trioflow.TrioflowError, match="takes no parameter 'number'"):
        played(other)


# ---- with acts ----


def test_during_an_attempt_becomes_an_instant() -> None:
    cancel = Cancel(During("b", 1, 0.5))
    scenario = story(actions=[cancel])
    observed = played(slowly, actions=[cancel])
    told = recorded(scenario, observed)

    assert [Cancel(AtTime(1.5))] == list(told.actions)
    assert "CANCELLED" == observed.phases[-1].status
    assert Hangs() == observed.behaviours["b", 1]


def test_what_was_not_done_any_more_is_never_done() -> None:
    observed = played(at_first, actions=[Cancel(During("b", 3))])

    assert "COMPLETED" == observed.phases[-1].status


def test_a_crash_while_it_runs() -> None:
    observed = played(slowly, actions=[Crash(AtTime(1.75), 0.25)])

    assert ["RUNNING", "COMPLETED"] == [phase.status for phase in observed.phases]
    assert [Hangs(), Returns(7, 2.5)] == [observed.behaviours["b", each] for each in (1, 2)]


def test_a_crash_at_a_write() -> None:
    """What was to be done *during* an attempt after it is done at the instant at which it was."""
    act = Cancel(During("b", 1, 0.5))
    observed = played(slowly, actions=[Crash(AfterWrite(1), 0.25), act])

    assert ["DIED", "CANCELLED"] == [phase.status for phase in observed.phases]


def test_one_that_takes_its_time_to_stop_cannot_be_told() -> None:
    async def tidies(number: int) -> None:
        try:
            await trio.sleep(100)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1.5)

    observed = played(tidies, actions=[Cancel(AtTime(1.75))])

    assert ("attempt 1 of b was asked to stop at 1.75 s and took until 3.25 s",) == observed.untold


def test_a_difference_is_found() -> None:
    """What the engine did is not what the rules make of other behaviours."""
    scenario = story()
    observed = played(well)
    wrong = {**observed.behaviours, ("b", 1): Returns({"twice": 15}, 1.0)}

    with pytest.raises(Mismatch, match=r"-1 outputs: .*15.*\n.1 output"):
        judge(scenario, attrs.evolve(observed, behaviours=wrong))


def test_a_pause_between() -> None:
    document = {
        "id": "w",
        "steps": [{"id": "b", "action": "act", "parameters": {"number": "${input.n}"}}],
    }
    scenario = Scenario(document, actions=[Resume({"n": 4})])
    observed = check_real(scenario, [act_of(well)])

    assert ["PAUSED", "COMPLETED"] == [phase.status for phase in observed.phases]


# ---- a whole suite ----


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("SHOP_DB", str(tmp_path / "shop.db"))
    spec = importlib.util.spec_from_file_location("order_actions", ORDER.with_name("actions.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_suite_of_the_order_with_its_real_actions(shop: ModuleType, tmp_path: Path) -> None:
    """Whatever the shop says to the data of the suite: the rest is what the rules make of it."""
    for scenario in harness.scenarios(ORDER, "smoke"):
        (tmp_path / "shop.db").unlink(missing_ok=True)
        check_real(scenario, [shop])
