"""Doubts about a document that is valid: it is likely to mean something else than it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness._scenario import Scenario
from harness.families._plan import Plan
from harness.reports._comparing import impossible
from harness.reports._misspelt import braces, unknown_keywords
from harness.reports._skipping import skipped_references
from harness.suites._naming import unnamed


def doubts(plan: Plan, scenarios: Iterable[Scenario]) -> Iterator[tuple[str, str]]:
    """Yield what a reader should look at again: a step or connection, or ``""``, and a sentence.

    `scenarios` are those of the document's suite: what is said of skipped steps was seen in them.
    """
    yield from ((each.where, str(each)) for each in unnamed(plan))
    yield from impossible(plan)
    yield from skipped_references(plan, scenarios)
    yield from braces(plan)
    yield from unknown_keywords(plan)
