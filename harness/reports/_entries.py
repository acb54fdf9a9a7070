"""Entries: what was seen of each scenario that was played, in a form that other programs read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from harness._scenario import Scenario
from harness.playing._gantt import gantt
from harness.playing._play import Mismatch, Observed
from harness.reports._seen import Key, Vector, seen
from harness.suites._checking import check, listeners
from harness.suites._library import Told


@attrs.frozen
class Entry:
    """What was seen of one scenario.

    `workflow` is the id of its document. `status` is how the execution ended, `seconds` its virtual
    time. `problem` is empty if all was as expected. `keys` are the obligations that it met and
    `vectors` what the clauses of conditions were when these were asked. `picture` is a Gantt chart.
    """

    id: str
    workflow: str
    family: str = ""
    why: str = ""
    status: str = ""
    seconds: float = 0.0
    problem: str = ""
    keys: tuple[Key, ...] = ()
    vectors: tuple[Vector, ...] = ()
    picture: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        found = attrs.asdict(self)
        found["keys"] = [list(each) for each in self.keys]
        found["vectors"] = [[name, list(outcomes)] for name, outcomes in self.vectors]
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Entry:
        """The inverse of `to_json`."""
        keys = tuple((kind, subject, what) for kind, subject, what in found["keys"])
        vectors = tuple((name, tuple(outcomes)) for name, outcomes in found["vectors"])
        return cls(**{**found, "keys": keys, "vectors": vectors})


def entry_of(scenario: Scenario, observed: Observed) -> Entry:
    """Return what is seen in an observation, which has no problem yet."""
    keys, vectors = seen(scenario, observed)
    last = observed.phases[-1] if observed.phases else None
    return Entry(
        scenario.id,
        str(scenario.workflow["id"]),
        scenario.family,
        scenario.why,
        "" if last is None else last.status,
        0.0 if last is None else round(last.elapsed, 6),
        "",
        tuple(sorted(keys)),
        tuple(sorted(vectors)),
        gantt(observed),
    )


@contextlib.contextmanager
def listening() -> Iterator[list[Entry]]:
    """Collect an entry for everything that is played in this process meanwhile.

    What is played is judged afterwards: whoever learns that the last one was not as expected puts
    its `problem` into it.
    """
    entries: list[Entry] = []

    def listener(scenario: Scenario, observed: Observed) -> None:
        entries.append(entry_of(scenario, observed))

    listeners.append(listener)
    try:
        yield entries
    finally:
        listeners.remove(listener)


def played(scenarios: Iterable[Told]) -> Iterator[Entry]:
    """Play scenarios, compare each with what is expected, and yield their entries."""
    for scenario in scenarios:
        problem = ""
        with listening() as entries:
            try:
                check(scenario)
            except Mismatch as mismatch:
                problem = str(mismatch)
        empty = Entry(scenario.id, str(scenario.workflow["id"]), scenario.family, scenario.why)
        yield attrs.evolve(entries[-1] if entries else empty, problem=problem)
