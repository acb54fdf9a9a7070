"""Oracle and engine are written from the same rules by different hands. They must agree."""

from __future__ import annotations

import logging
import os
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, assume, given, settings
from trio.testing import MockClock

import trioflow
from harness import Scenario, play
from harness._play import compare

from .making import stories

# More of them: `HARNESS_EXAMPLES=10000 pytest tests/harness/test_differential.py`.
EXAMPLES = int(os.environ.get("HARNESS_EXAMPLES", "200"))


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 200,
    suppress_health_check=list(HealthCheck),
)
@given(stories())
def test_the_engine_does_what_the_oracle_says(story: tuple[Scenario, Any]) -> None:
    scenario, (expected, facts) = story
    # What happens in which order at one instant is not defined.
    assume(not facts.ambiguous)
    # Beyond that the clock of the tests ends.
    assume(expected.last.elapsed < 8e8)
    try:
        for document in (scenario.workflow, *scenario.workflows.values()):
            trioflow.load_workflow(document)
    except trioflow.DefinitionError:
        assume(False)

    observed = trio.run(play, scenario, clock=MockClock(autojump_threshold=0))

    compare(scenario, expected, observed)
