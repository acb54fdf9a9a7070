"""Scenarios played on the engine: what `check` says, and a crash at every write."""

from __future__ import annotations

import copy
import logging
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

import trioflow
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
from harness.playing import compare_after_deaths, observe, writes_of
from harness.playing._gantt import gantt
from harness.playing._loading import loaded

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
            observed = observe(scenario)
            if not observed.deaths:
                assert 6 <= write == 1 + writes_of(carrier)
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


def test_playing_needs_no_more_than_a_virtual_clock() -> None:
    """`play` under the clock that people know, `observe` with the one of its own."""
    carrier = CARRIERS[0]
    played = trio.run(play, carrier, clock=MockClock(autojump_threshold=0))

    assert observe(carrier).phases == played.phases


# ---- documents ----


def test_a_document_is_loaded_once() -> None:
    document = {"id": "w", "steps": [{"id": "a", "action": "do"}]}

    assert loaded(document) is loaded(copy.deepcopy(document))


def test_a_document_that_was_changed_is_another_one() -> None:
    document: dict[str, Any] = {"id": "w", "steps": [{"id": "a", "action": "do"}]}
    before = loaded(document)
    document["steps"].append({"id": "b", "action": "do"})

    assert (1, 2) == (len(before.steps), len(loaded(document).steps))


@pytest.mark.parametrize("document", ({"id": "w", "steps": {1}}, {"id": "w", "x": float("nan")}))
def test_what_is_no_document(document: Any) -> None:
    with pytest.raises(trioflow.DefinitionError):
        loaded(document)


# ---- pictures ----


def test_a_picture() -> None:
    """Attempts have their numbers; what was done to the execution, and its end, have a line."""
    carrier = attrs.evolve(CARRIERS[2], steps={"c": [NO, Returns()]})

    assert """\
a |1======C        |
b |       C        |
c |       1======xC|
  |I      S      C |
   0s     1s     2s
   COMPLETED at 2s
= runs  x attempt failed  C completed  S signal  I input""" == gantt(observe(carrier))


def test_a_week_beside_a_second() -> None:
    document = {
        "id": "w",
        "connections": [],
        "steps": [
            {"id": "long", "type": "sleep", "duration": "7d"},
            {"id": "a-name-that-is-longer-than-anybody-reads", "action": "do", "retry": 2},
            {"id": "late", "action": "do", "depends_on": ["long"]},
            {"id": "asked", "type": "wait"},
        ],
    }
    script = {"a-name-that-is-longer-than-anybody-reads": [NO, Returns()]}
    acts = [Signal("asked", 1, AtTime(90.0)), Crash(AfterWrite(3), 5.0)]
    picture = gantt(observe(Scenario(document, steps=script, actions=acts)))

    assert (
        """\
long                     |============================================C   |
a-name-that-is-longer-t… |1==x..2====!3==C                                |
late                     |                                            1==C|
asked                    |........................C                       |
                         |      !.................S                      C|
                          0s 1s 2s   7s  8s       90s                 7d
                          COMPLETED at 7d
= runs  . waits  x attempt failed  ! gone, or died  C completed  S signal"""
        == picture
    )


def test_pictures_are_never_wider_than_a_terminal() -> None:
    document = {
        "id": "w",
        "steps": [
            {
                "id": "many",
                "action": "do",
                "for_each": {"items": list(range(40))},
                "retry": {"max_attempts": 30, "initial_delay": 1},
            }
        ],
    }
    script = {f"many[{index}]": Raises("no", "odd", 1 + index / 7) for index in range(40)}
    lines = gantt(observe(Scenario(document, steps=script))).splitlines()

    assert 80 == max(map(len, lines))
    # The step, those of its first eight items that began, the execution, the scale, and so on.
    assert 10 == len(lines)


def test_a_picture_of_nothing() -> None:
    assert "(nothing was stored)" == gantt(observe(Scenario(CARRIERS[0].workflow, lacks=["do"])))
