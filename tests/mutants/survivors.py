"""The classes of the automatic mutants that survive: a committed file says of each what it is."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from tests.mutants.killing import SURVIVED, UNREACHED, Verdict
from tests.mutants.making import Mutant

FILE = Path(__file__).parent / "survivors.toml"

EQUIVALENT = "equivalent"
MESSAGE = "message only"
PERFORMANCE = "performance only"
OUTSIDE = "outside of scenarios"
MISSING = "missing scenario"
CLASSES = (EQUIVALENT, MESSAGE, PERFORMANCE, OUTSIDE, MISSING)

# So much of the sample may want a scenario that there is not.
MOST_MISSING = 0.05

Key = tuple[str, str, str, str]


@attrs.frozen
class Known:
    """What the file says: of single survivors, and of functions that no scenario calls.

    The latter holds only for what no scenario reaches; that of a whole file, ``*``, also for what
    is executed by its import. A name that ends in ``*`` stands for all that begin so.
    """

    survivors: Mapping[Key, str]
    unreached: Sequence[tuple[str, str, str]]

    def of(self, mutant: Mutant, verdict: Verdict) -> str | None:
        """Return the class of a survivor, or None if nobody has said anything about it."""
        key = (mutant.file, mutant.function, mutant.operator, mutant.line)
        if key in self.survivors:
            return self.survivors[key]
        for file, function, found in self.unreached:
            counts = verdict.outcome == UNREACHED or (function == "*" and mutant.lines is None)
            if counts and file == mutant.file and _matches(function, mutant.function):
                return found
        return None

    def outside(self) -> frozenset[str]:
        """Return the files of which nothing can be noticed by a scenario."""
        return frozenset(
            file for file, function, found in self.unreached if (function, found) == ("*", OUTSIDE)
        )


def _matches(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def known() -> Known:
    """Read the file. Raises `ValueError` for a class that there is not, or no reason."""
    found = tomllib.loads(FILE.read_text("utf-8"))
    survivors: dict[Key, str] = {}
    unreached: list[tuple[str, str, str]] = []
    for entry in found.get("survivor", ()):
        _check(entry)
        key = (entry["file"], entry["function"], entry["operator"], entry["line"])
        survivors[key] = entry["class"]
    for entry in found.get("unreached", ()):
        _check(entry)
        unreached.append((entry["file"], entry["function"], entry["class"]))
    return Known(survivors, unreached)


def _check(entry: Mapping[str, str]) -> None:
    if entry["class"] not in CLASSES:
        raise ValueError(f"there is no class {entry['class']!r}: they are {', '.join(CLASSES)}")
    if not entry.get("reason"):
        raise ValueError(f"why is that so? {dict(entry)}")


@attrs.frozen
class Score:
    """How many of the mutants of a file, or of all, were killed; the others by their class."""

    made: int
    killed: int
    broken: int
    by_class: Mapping[str, int]
    unclassified: tuple[str, ...] = ()

    @property
    def relevant(self) -> int:
        """Those that a scenario could notice: killed, or classified as wanting a scenario."""
        return self.killed + self.by_class.get(MISSING, 0) + len(self.unclassified)

    @property
    def rate(self) -> float:
        """Which part of those were killed, from 0 to 1."""
        return self.killed / self.relevant if self.relevant else 1.0


def score(mutants: Sequence[Mutant], verdicts: Iterable[Verdict], what: Known) -> Score:
    """Count what became of mutants."""
    by_name = {mutant.name: mutant for mutant in mutants}
    outcomes: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    unclassified: list[str] = []
    for verdict in verdicts:
        outcomes[verdict.outcome] += 1
        if verdict.outcome in (SURVIVED, UNREACHED):
            found = what.of(by_name[verdict.name], verdict)
            if found is None:
                unclassified.append(verdict.name)
            else:
                classes[found] += 1
    return Score(
        sum(outcomes.values()),
        outcomes["killed"],
        outcomes["broken"],
        dict(classes),
        tuple(unclassified),
    )
