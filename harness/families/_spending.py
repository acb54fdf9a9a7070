"""How a budget is spent: each family, and each step, gets something before any gets all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from harness.families._cases import Case, spread
from harness.families._plan import Plan
from harness.families._table import FAMILIES

Named = tuple[str, Case]


def in_turn(plan: Plan, families: Sequence[str], level: int, budget: int) -> list[Named]:
    """Return the cases of some families up to a level, in the order in which to tell them.

    The lowest level comes first, so that what a suite has at one level it has, by the same name,
    at the next. Where there are more cases than the budget (of scenarios) allows, the families
    take turns, and within each of them the steps.
    """
    cases = {
        family: [case for case in FAMILIES[family](plan) if case.level <= level]
        for family in families
    }
    found: list[Named] = []
    for each in range(level + 1):
        rows = {
            family: [case for case in row if case.level == each] for family, row in cases.items()
        }
        more = [(family, case) for family, row in rows.items() for case in row]
        found += more if len(found) + len(more) <= budget else _taking_turns(plan, rows)
    return found


def _taking_turns(plan: Plan, rows: Mapping[str, Sequence[Case]]) -> Iterator[Named]:
    ids = {*plan.graph.steps, *(edge.id for edge in plan.graph.edges)}
    turns = []
    for number, (family, row) in enumerate(rows.items()):
        by_subject: dict[str, list[Named]] = {}
        for case in row:
            by_subject.setdefault(subject_of(case.name, ids), []).append((family, case))
        # Each family begins with another step: if it gets only a few, others get the rest.
        subjects = list(by_subject.values())
        first = number * len(subjects) // len(rows)
        turns.append(_one_of_each([*subjects[first:], *subjects[:first]]))
    yield from _one_of_each([list(each) for each in turns])


def _one_of_each(rows: Sequence[Sequence[Named]]) -> Iterator[Named]:
    for each in zip_longest(*rows):
        yield from (one for one in each if one is not None)


def subject_of(name: str, ids: set[str]) -> str:
    """Return the step or connection that the name of a case is about: the longest id in it."""
    parts = name.split("-")
    spans = [
        "-".join(parts[first:last])
        for first in range(len(parts))
        for last in range(first + 1, len(parts) + 1)
    ]
    return max((each for each in spans if each in ids), key=len, default="")


__all__ = ("in_turn", "spread", "subject_of")
