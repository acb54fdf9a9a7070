"""Real processes that really die, and files that a power loss has cut: the same is compared."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import attrs
import pytest

import harness
from harness import AfterWrite, BeforeWrite, Mismatch, Returns, Scenario
from harness.playing import compare_after_deaths, writes_of
from harness.playing._deaths import (
    _is_prefix,
    check_kills,
    check_power_loss,
    killed,
    places_to_cut,
    recovered,
)

from .test_play import CARRIERS

ROOT = Path(__file__).parents[2]
FIXTURES = tuple(sorted((ROOT / "tests/fixtures").glob("*.workflow.json")))

TWO = Scenario(
    {"id": "w", "steps": [{"id": "a", "action": "do"}, {"id": "b", "action": "do"}]}, id="two"
)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def name_of(path: Path) -> str:
    return path.name.removesuffix(".workflow.json")


def moments(scenario: Scenario, step: int = 1) -> list[AfterWrite | BeforeWrite]:
    """After and before each `step`-th write of a scenario, its first and its last included."""
    last = writes_of(scenario)
    writes = sorted({1, *range(1, last + 1, step), last})
    return [kind(write) for write in writes for kind in (AfterWrite, BeforeWrite)]


def some_carriers(path: Path) -> list[Scenario]:
    """Every third one, and of each fixture others."""
    carriers = harness.suite(path, families=["crash"]).carriers
    return list(carriers[FIXTURES.index(path) % 3 :: 3])


# ---- tier 2 ----


@pytest.mark.slow
def test_what_a_dead_process_leaves(tmp_path: Path) -> None:
    """Its file has what was committed before it died, and nothing after it; it ended for good."""
    found = dict(
        killed(TWO, [BeforeWrite(1), BeforeWrite(3), AfterWrite(3), AfterWrite(99)], tmp_path)
    )

    assert [BeforeWrite(1), BeforeWrite(3), AfterWrite(3)] == list(found)
    assert [0, 2, 3] == [len(left.written) for left in found.values()]
    for left in found.values():
        written = left.written[-1][1] if left.written else 0
        observed = recovered(left)

        assert written == len(observed.deaths[0].histories.get("x", ()))
        assert left.at + 0.3017 == observed.deaths[0].at
        assert "COMPLETED" == observed.phases[-1].status
        compare_after_deaths(TWO, observed)


@pytest.mark.slow
def test_another_recovery_than_that_of_the_rules_is_noticed(tmp_path: Path) -> None:
    ((_, left),) = killed(TWO, [AfterWrite(1)], tmp_path)
    observed = recovered(left)
    wrong = attrs.evolve(TWO, steps={"b": Returns(after=2)})

    with pytest.raises(Mismatch, match="elapsed"):
        compare_after_deaths(wrong, observed)


@pytest.mark.slow
@pytest.mark.parametrize("carrier", CARRIERS, ids=str)
def test_a_real_death_at_every_write(carrier: Scenario) -> None:
    every = moments(carrier)

    assert len(every) == check_kills(carrier, every)


@pytest.mark.slow
@pytest.mark.parametrize("path", FIXTURES, ids=name_of)
def test_real_deaths_in_fixtures(path: Path) -> None:
    """At every third write of some of the scenarios that carry the crashes of its suite."""
    for carrier in some_carriers(path):
        every = moments(carrier, 3)

        assert len(every) == check_kills(carrier, every)


# ---- tier 3 ----

_HEADER = b"\x37\x7f\x06\x82" + bytes(4) + (4096).to_bytes(4, "big") + bytes(20)


def test_places_to_cut() -> None:
    """Borders of frames, one byte beside them, the end of a frame's header, and its middle."""
    log = _HEADER + bytes(2 * (24 + 4096))

    first, last = 32 + 4120, 32 + 2 * 4120
    inside = [31, 32, 33, 56, 2092, first - 1, first, first + 1, first + 24, 6212, last - 1, last]
    assert [0, 1, 31, *inside] == list(places_to_cut(log))


def test_what_is_a_prefix() -> None:
    written = [("x", 2), ("x:c", 1), ("x", 5)]
    history = [{}] * 5

    for wanted, found in (
        (True, {}),
        (True, {"x": history[:2]}),
        (True, {"x": history[:2], "x:c": history[:1]}),
        (True, {"x": history, "x:c": history[:1]}),
        (False, {"x": history[:1]}),
        (False, {"x": history}),
        (False, {"x:c": history[:1]}),
        (False, {"x": history[:3], "x:c": history[:1]}),
    ):
        assert wanted == _is_prefix(written, found), found


@pytest.mark.slow
@pytest.mark.parametrize("torn", (False, True), ids=("cut", "zeros"))
@pytest.mark.parametrize("carrier", CARRIERS, ids=str)
def test_the_power_fails(carrier: Scenario, torn: bool) -> None:
    """At every seventh place, which comes to each kind of place in one frame or another."""
    assert 15 < check_power_loss(carrier, writes_of(carrier), every=7, torn=torn)


@pytest.mark.slow
@pytest.mark.parametrize("path", FIXTURES, ids=name_of)
def test_the_power_fails_in_fixtures(path: Path) -> None:
    for number, carrier in enumerate(some_carriers(path)):
        write, torn = writes_of(carrier), bool(number % 2)

        assert 1 < check_power_loss(carrier, write, every=23, first=number, torn=torn)
