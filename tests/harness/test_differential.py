"""Oracle and engine are written from the same rules by different hands. They must agree."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

import trioflow.testing
from harness import AfterWrite, BeforeWrite, Crash, Scenario, play
from harness.playing import Observed, compare, compare_after_deaths

from .telling import Story, kinds_of, stories, story_of

# More of them: `HARNESS_EXAMPLES=10000 pytest -n 2 tests/harness/test_differential.py`. They are
# other ones each time, unless `HARNESS_SEED` says which; the usual few are always the same.
EXAMPLES = int(os.environ.get("HARNESS_EXAMPLES", "150"))
SEED = int(os.environ.get("HARNESS_SEED", "0" if EXAMPLES <= 150 else str(time.time_ns() % 10**9)))
# So that several processes can share them. A tenth comes from Hypothesis, which then finds the
# smallest example; the rest from numbers, which is faster.
PARTS = 2 if EXAMPLES <= 150 else 20
SHRINKING = 2 if EXAMPLES <= 150 else 10


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Any:
    """What was played; `conftest.py` prints the sum of it at the end."""
    found = Counter[str]()
    yield found
    request.node.user_properties.append(("fuzz", dict(found)))


def options(examples: int) -> settings:
    return settings(
        max_examples=max(1, examples),
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def played(scenario: Scenario, figures: Counter[str]) -> Observed:
    observed = trioflow.testing.run(play, scenario)
    figures["events"] += len(observed.history)
    return observed


Judge = Callable[[Story, Counter[str]], None]


def agrees(story: Story, figures: Counter[str]) -> None:
    compare(story.scenario, story.expected, played(story.scenario, figures))


def agrees_after_a_crash(
    story: Story, figures: Counter[str], write: int, before: bool, at_once: bool
) -> None:
    crash = Crash(BeforeWrite(write) if before else AfterWrite(write), 0.0 if at_once else 3.3017)
    scenario = attrs.evolve(story.scenario, actions=[crash, *story.scenario.actions])
    observed = played(scenario, figures)
    figures["deaths"] += len(observed.deaths)
    compare_after_deaths(scenario, observed)


def note(story: Story, figures: Counter[str]) -> None:
    figures["examples"] += 1
    figures.update(f"with {kind}" for kind in kinds_of(story))


@pytest.mark.parametrize("part", range(PARTS))
def test_the_engine_does_what_the_oracle_says(part: int, figures: Counter[str]) -> None:
    @seed(SEED + part)
    @options(EXAMPLES // PARTS // SHRINKING)
    @given(stories())
    def of_hypothesis(story: Story) -> None:
        assume(story.defined)
        note(story, figures)
        agrees(story, figures)

    of_hypothesis()
    for story in numbered(part):
        note(story, figures)
        told(story, lambda story: agrees(story, figures))


# A fork is another history, which is not read.
@pytest.mark.parametrize("part", range(PARTS))
def test_and_so_it_does_after_a_crash_at_any_write(part: int, figures: Counter[str]) -> None:
    writes = st.integers(1, 14), st.booleans(), st.booleans()

    @seed(SEED + part)
    @options(EXAMPLES // PARTS // SHRINKING)
    @given(stories(without=("fork",)), *writes)
    def of_hypothesis(story: Story, write: int, before: bool, at_once: bool) -> None:
        assume(story.defined)
        note(story, figures)
        agrees_after_a_crash(story, figures, write, before, at_once)

    of_hypothesis()
    for number, story in enumerate(numbered(part, without=("fork",))):
        note(story, figures)
        write, before, at_once = 1 + number % 14, number % 3 == 0, number % 5 == 0
        told(story, lambda story: agrees_after_a_crash(story, figures, write, before, at_once))  # noqa: B023


def numbered(part: int, without: tuple[str, ...] = ()) -> Any:
    """Yield the defined stories of a part's share of the numbers."""
    count = EXAMPLES // PARTS
    first = (SEED * PARTS + part) * count
    for number in range(first, first + count - count // SHRINKING):
        story = story_of(number, without)
        if story is not None and story.defined:
            yield story


def told(story: Story, judge: Callable[[Story], None]) -> None:
    try:
        judge(story)
    except BaseException as error:
        error.add_note(repr(story))
        raise
