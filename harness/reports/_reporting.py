"""Obligations beside what was seen: which of them were met, and in which scenarios."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import attrs

from harness.families._plan import Plan
from harness.reports._entries import Entry
from harness.reports._obligations import (
    ALWAYS_FAILS,
    KINDS,
    NEVER_ASKED,
    Obligation,
    conditions_of,
    obligations,
)
from harness.reports._seen import Key, Vector
from harness.solver._clauses import FALSE, TRUE, Condition
from harness.suites._library import Source, read
from harness.suites._naming import invented

# Endings of steps that have begun.
_RAN = ("COMPLETED", "FAILED", "PAUSED")
_DECIDED = ({TRUE}, {FALSE})


@attrs.frozen
class Met:
    """An obligation, and the scenarios in which it was seen to be met."""

    obligation: Obligation
    by: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it can happen: somebody found out how, or it did."""
        return not self.obligation.never or bool(self.by)


@attrs.frozen
class Report:
    """What is owed to one document, and what was seen.

    `entries` are the scenarios that were played. `left_out` counts by family what was not, for
    want of a budget. `invented` are the places of which only references know, and no schema.
    """

    file: str
    document: Mapping[str, Any]
    entries: tuple[Entry, ...]
    met: tuple[Met, ...]
    left_out: Mapping[str, int] = attrs.field(factory=dict)
    invented: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The id of the workflow."""
        return str(self.document["id"])

    @property
    def problems(self) -> tuple[Entry, ...]:
        """The scenarios that went otherwise than expected."""
        return tuple(entry for entry in self.entries if entry.problem)

    @property
    def never_ran(self) -> tuple[str, ...]:
        """The steps that no scenario has run, as far as all was as expected in it."""
        nodes = (*(self.document.get("steps") or ()), *(self.document.get("nodes") or ()))
        ran = {
            each.obligation.key[1]
            for each in self.met
            if each.by and (each.obligation.kind == "fault" or each.obligation.key[2] in _RAN)
        }
        return tuple(str(node["id"]) for node in nodes if node["id"] not in ran)

    def of(self, *kinds: str) -> tuple[Met, ...]:
        """Return what can happen, of these kinds, or of all."""
        found = (each for each in self.met if each.counts)
        return tuple(each for each in found if not kinds or each.obligation.kind in kinds)

    def missing(self, *kinds: str) -> tuple[Met, ...]:
        """Return what can happen and was not seen."""
        return tuple(each for each in self.of(*kinds) if not each.by)

    @property
    def never(self) -> tuple[Met, ...]:
        """What can never happen, as far as was found out."""
        return tuple(each for each in self.met if not each.counts)

    def percent(self, *kinds: str) -> float:
        """Return how much of what can happen was seen; 100 if there is nothing."""
        found = self.of(*kinds)
        return 100.0 * sum(bool(each.by) for each in found) / len(found) if found else 100.0

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of which there is something, in order."""
        return tuple(kind for kind in KINDS if self.of(kind))

    @property
    def families(self) -> Mapping[str, tuple[int, int]]:
        """How many scenarios each family has, and how many went otherwise than expected."""
        all_of = Counter(entry.family for entry in self.entries)
        bad = Counter(entry.family for entry in self.problems)
        return {family: (count, bad[family]) for family, count in all_of.items()}


def report(
    workflow: Source | Plan,
    entries: Iterable[Entry],
    *,
    file: str = "",
    left_out: Mapping[str, int] | None = None,
) -> Report:
    """Return the report on a document: what its entries were seen to meet.

    Entries of other documents are left aside. Those with a problem count for nothing: what went
    otherwise than expected shows nothing.
    """
    name = file
    if isinstance(workflow, Plan):
        plan = workflow
    else:
        document, name, children = read(workflow)
        plan = Plan(document, children)
    # One scenario may be played several times; a problem stays one.
    own: dict[str, Entry] = {}
    for entry in entries:
        old = own.get(entry.id)
        if entry.workflow == plan.graph.id and (old is None or not old.problem):
            own[entry.id] = entry
    good = [entry for entry in own.values() if not entry.problem]
    by_key: dict[Any, list[str]] = {}
    vectors: dict[Vector, str] = {}
    for entry in good:
        for key in entry.keys:
            by_key.setdefault(key, []).append(entry.id)
        for vector in entry.vectors:
            vectors.setdefault(vector, entry.id)
    owed = [_as_seen(each, by_key, vectors) for each in obligations(plan)]
    deciding = _Deciding(plan, vectors)
    met = [
        Met(each, deciding.by(each) if each.kind == "clause" else tuple(by_key.get(each.key, ())))
        for each in owed
    ]
    # What nobody has thought of, and what was seen all the same.
    known = {each.key for each in owed}
    met += [Met(Obligation(key), tuple(ids)) for key, ids in by_key.items() if key not in known]
    met.sort(key=lambda each: list(KINDS).index(each.obligation.kind))
    return Report(
        file or name or plan.graph.id,
        plan.document,
        tuple(own.values()),
        tuple(met),
        dict(left_out or {}),
        invented(plan),
    )


def _as_seen(owed: Obligation, keys: Container[Key], vectors: Iterable[Vector]) -> Obligation:
    """Return what can happen; with a value from elsewhere, it may even if nobody found one."""
    kind, subject, _ = owed.key
    if owed.never == ALWAYS_FAILS:
        return owed
    if kind == "step":
        refuted = any(("step", subject, end) in keys for end in ("COMPLETED", "FAILED"))
    else:
        refuted = owed.never == NEVER_ASKED and any(name == subject for name, _ in vectors)
    return attrs.evolve(owed, never="") if owed.never and refuted else owed


class _Deciding:
    """Looks for two scenarios between which a clause decides."""

    def __init__(self, plan: Plan, vectors: Mapping[Vector, str]) -> None:
        self._conditions = {
            name: Condition.of(condition) for name, condition, _ in conditions_of(plan)
        }
        self._vectors = vectors

    def by(self, obligation: Obligation) -> tuple[str, ...]:
        """Return the ids of the two; nothing if there are none."""
        _, name, _clause = obligation.key
        condition = self._conditions[name]
        index = self._index(obligation, condition)
        seen = [(each, who) for (of, each), who in self._vectors.items() if of == name]
        sides: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
        for outcomes, who in seen:
            result = condition.possible(_known(outcomes))
            if outcomes[index] not in (TRUE, FALSE) or result not in map(frozenset, _DECIDED):
                continue
            if obligation.alone and not _decides(condition, outcomes, index):
                continue
            sides[outcomes[index] == TRUE].append((next(iter(result)), who))
        for (one, first), (other, second) in product(*sides):
            if one != other:
                return first, second
        return ()

    def _index(self, obligation: Obligation, condition: Condition) -> int:
        from harness.solver._clauses import text_of

        texts = [text_of(each) for each in condition.clauses]
        return texts.index(obligation.key[2])


def _known(outcomes: Sequence[str]) -> Callable[[int], frozenset[str]]:
    return lambda index: frozenset((outcomes[index],))


def _decides(condition: Condition, outcomes: Sequence[str], index: int) -> bool:
    """Whether the result would be the other one if the clause were."""
    results = [
        condition.possible(_known([*outcomes[:index], each, *outcomes[index + 1 :]]))
        for each in (TRUE, FALSE)
    ]
    return set(results) == {frozenset((TRUE,)), frozenset((FALSE,))}
