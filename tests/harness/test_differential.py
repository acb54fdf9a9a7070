"""Oracle and engine are written from the same rules by different hands. They must agree."""

from __future__ import annotations

import logging
import os
from typing import Any

import attrs
import pytest
import trio
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from harness import AfterWrite, BeforeWrite, Crash, Expected, Facts, Scenario, play
from harness.playing._play import Observed, compare, compare_after_deaths

from .making import stories

# More of them: `HARNESS_EXAMPLES=10000 pytest tests/harness/test_differential.py`.
EXAMPLES = int(os.environ.get("HARNESS_EXAMPLES", "150"))


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def options(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=EXAMPLES <= 150,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def assume_defined(scenario: Scenario, expected: Expected, facts: Facts) -> None:
    """Leave out what proves nothing."""
    # What happens in which order at one instant is not defined.
    assume(not facts.ambiguous)
    # Beyond that the clock of the tests ends.
    assume(expected.last.elapsed < 8e8)


def played(scenario: Scenario) -> Observed:
    return trio.run(play, scenario, clock=MockClock(autojump_threshold=0))


@options(EXAMPLES)
@given(stories())
def test_the_engine_does_what_the_oracle_says(story: tuple[Scenario, Any]) -> None:
    scenario, (expected, facts) = story
    assume_defined(scenario, expected, facts)

    compare(scenario, expected, played(scenario))


# Without children: in which order they and their parents are opened again is not settled. What
# cannot be stopped holds up the death of a simulated process.
@options(EXAMPLES)
@given(stories(without=("workflow", "shielded")), st.integers(1, 9), st.booleans(), st.booleans())
def test_and_so_it_does_after_a_crash_at_any_write(
    story: tuple[Scenario, Any], write: int, before: bool, at_once: bool
) -> None:
    scenario, (expected, facts) = story
    assume_defined(scenario, expected, facts)
    moment = BeforeWrite(write) if before else AfterWrite(write)
    crash = Crash(moment, 0.0 if at_once else 3.3017)
    scenario = attrs.evolve(scenario, actions=[crash, *scenario.actions])

    compare_after_deaths(scenario, played(scenario))
