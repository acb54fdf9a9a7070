"""Scenarios played on the engine: what `check` says, and a crash at every write."""

from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from harness import (
    AfterWrite,
    AtTime,
    BeforeWrite,
    Call,
    Cancel,
    Crash,
    During,
    Mismatch,
    Raises,
    Resume,
    Returns,
    Scenario,
    Signal,
    check,
    expect,
    play,
)
from harness.playing._play import compare_after_deaths

NO = Raises("no", "odd")

CARRIERS = (
    Scenario(
        {
            "id": "w",
            "connections": [{"source": "a", "target": "b", "condition": "n > 1"}],
            "steps": [
                {"id": "a", "action": "do", "retry": {"max_attempts": 2, "initial_delay": 0.7}},
                {"id": "b", "action": "do", "parameters": {"x": "${a.n}"}, "fallback": "do"},
                {"id": "c", "action": "do", "for_each": {"items": [1, 2, 3], "max_concurrent": 1}},
            ],
        },
        id="retry",
        steps={"a": [NO, Returns({"n": 2}, 1.013)], "b": NO, "c": Returns(5, 1.107)},
    ),
    Scenario(
        {
            "id": "w",
            "connections": [],
            "steps": [
                {"id": "a", "action": "do", "compensate": "undo"},
                {"id": "b", "action": "do", "compensate": {"action": "undo", "retry": 2}},
                {"id": "c", "action": "do"},
            ],
        },
        id="compensation",
        steps={"a": Returns(1), "b": Returns(2, 1.013), "c": Raises(after=1.207)},
        compensations={"b": [NO, Returns()]},
    ),
    Scenario(
        {
            "id": "w",
            "steps": [
                {"id": "a", "action": "do", "parameters": {"x": "${input.x}"}},
                {"id": "b", "type": "wait"},
                {"id": "c", "action": "do", "retry": {"max_attempts": 1, "on_exhausted": "pause"}},
            ],
        },
        id="pauses",
        steps={"c": NO},
        actions=[Resume({"x": 1}), Signal("b", 2), Resume(None, {"c": {"completed": 3}})],
    ),
    Scenario(
        {
            "id": "w",
            "connections": [],
            "steps": [
                {"id": "a", "action": "do", "compensate": "undo"},
                {"id": "b", "action": "do"},
                {"id": "c", "type": "sleep", "duration": 9},
            ],
        },
        id="cancel",
        steps={"b": Returns(after=7)},
        actions=[Call("pause", AtTime(1.5)), Cancel(AtTime(2.3), 1.0)],
    ),
)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("carrier", CARRIERS, ids=str)
def test_nothing_happens_to_it(carrier: Scenario) -> None:
    check(carrier)


@pytest.mark.parametrize("carrier", CARRIERS, ids=str)
def test_a_crash_at_every_write(carrier: Scenario) -> None:
    """The oracle reads the history that is left, and says what comes of it."""
    for write in range(1, 99):
        for moment in (BeforeWrite(write), AfterWrite(write)):
            crash = Crash(moment, 0.3017)
            scenario = attrs.evolve(carrier, actions=[crash, *carrier.actions])
            observed = trio.run(play, scenario, clock=MockClock(autojump_threshold=0))
            if not observed.deaths:
                assert 6 <= write
                return

            compare_after_deaths(scenario, observed)


def test_both_sides_are_shown_where_they_differ() -> None:
    carrier = CARRIERS[0]
    expected, _ = expect(carrier.workflow, carrier)
    phases = [attrs.evolve(expected.last, status="CANCELLED")]
    scenario = attrs.evolve(carrier, expected=attrs.evolve(expected, phases=phases))

    with pytest.raises(Mismatch, match=r'-1 status: "CANCELLED"\n\+1 status: "COMPLETED"'):
        check(scenario)


def test_during_an_attempt_that_never_is() -> None:
    never = Cancel(During("a", attempt=3))
    scenario = attrs.evolve(CARRIERS[0], actions=[never])
    expected, facts = expect(scenario.workflow, scenario)

    assert "COMPLETED" == expected.last.status
    assert (never,) == facts.acts
    check(scenario)
