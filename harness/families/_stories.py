"""Stories: scenarios on their way to an end, and those that have one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs

from harness._scenario import Expected, Scenario
from harness.oracle._predict import Facts
from harness.oracle._world import ENDLESS

# Seconds since the epoch, in 2103. Later instants are further apart than two that count as one.
END_OF_TIME = 4.2e9

# Of what is tried again more often than this nothing is told: somebody waits for each prediction.
MOST_ATTEMPTS = 1_000

# Why what comes of a story is not certain.
COINCIDE, LATE, WORDED, OFTEN = (
    "two things coincide",
    "it goes on until after 2102",
    "it depends on the words of an error",
    f"something is tried more than {MOST_ATTEMPTS:,} times",
)


@attrs.frozen
class Draft:
    """A scenario that is not told to its end: nobody has brought yet what it waits for.

    `payloads` are the signals that wait steps get, if not the usual ones. What is not `answered`
    is left to wait, and so are the `silent` steps.
    """

    scenario: Scenario
    payloads: Mapping[str, Any] = attrs.field(factory=dict)
    answered: bool = True
    silent: frozenset[str] = frozenset()


def _named(fact: str) -> str:
    """Return what people call a fact: an attempt by its name, an act by its kind."""
    if fact.startswith(("x:", "the clock of x:")):
        return fact.replace("x:", "the child of ", 1)
    act, bracket, _ = fact.partition("(")
    return f"the {act.lower()}" if bracket else fact


@attrs.frozen
class Story:
    """A draft that is told to its end: what is expected, and whether that is certain."""

    draft: Draft
    scenario: Scenario
    expected: Expected
    facts: Facts = attrs.field(repr=False)

    @property
    def certain(self) -> bool:
        """Whether no two facts coincide in any order, and all of it comes before `END_OF_TIME`.

        The words in which the engine tells an error are nobody's rule: where a step is given them
        nothing is certain either.
        """
        return not self.doubt

    @cached_property
    def doubt(self) -> str:
        """Why it is not certain: one of four reasons, and of two things which; or nothing."""
        if any(first == ENDLESS for _, first, _ in self.facts.ambiguous):
            return OFTEN
        for _, first, second in self.facts.ambiguous:
            # What is left open by the rules is noted twice, without what else happens.
            other = "something else" if first == second else _named(second)
            return f"{COINCIDE}: {_named(first)} and {other}"
        if self.expected.last.elapsed >= END_OF_TIME:
            return LATE
        calls = [phase.calls for phase in self.expected.phases]
        return WORDED if '"message": ""' in json.dumps(calls) else ""

    def calls(self) -> Iterator[tuple[float, str, int, Mapping[str, Any]]]:
        """Yield all calls: (instant, name, attempt, parameters)."""
        for phase in self.expected.phases:
            for instant, made in phase.calls:
                for name, attempt, parameters in made:
                    yield instant, name, attempt, parameters

    def reached(self) -> frozenset[str]:
        """Return the steps that were more than looked at."""
        return self._reached

    @cached_property
    def _reached(self) -> frozenset[str]:
        status = self.expected.last.steps
        called = {name.partition("[")[0].partition(":")[0] for _, name, _, _ in self.calls()}
        return frozenset(
            step
            for step, found in status.items()
            if found in ("COMPLETED", "PAUSED") or step in called
        )
