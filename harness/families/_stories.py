"""Stories: scenarios on their way to an end, and those that have one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs

from harness._scenario import Expected, Scenario
from harness.oracle._predict import Facts

# Seconds since the epoch, in 2103. Later instants are further apart than two that count as one.
END_OF_TIME = 4.2e9


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
        if self.facts.ambiguous or self.expected.last.elapsed >= END_OF_TIME:
            return False
        calls = [phase.calls for phase in self.expected.phases]
        return '"message": ""' not in json.dumps(calls)

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
