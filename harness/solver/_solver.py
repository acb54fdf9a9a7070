"""Data that take a condition where one wants it: true, false, or one clause alone deciding.

>>> world = World(outputs={"pay": {"properties": {"total": {"type": "integer"}}}})
>>> solver = Solver.of("total + 1 > 500 and exists(input.vip)", world, source="pay")
>>> solver.solve(TRUE).outputs
{'pay': {'total': 500}}
>>> [str(pair.true.assignment) for pair in solver.pairs()]
["{'pay.total': 500, 'input.vip': None}", "{'pay.total': 500, 'input.vip': None}"]
>>> str(Solver.of("result == 1 and result == 2", world, source="pay").solve(TRUE))
'no candidate of 18 reached it (true)'

What a term of the condition may be is guessed (`_guesses`), and all combinations are tried,
clause by clause, leaving out those that cannot lead there any more. A solution is made of whole
documents that fit their schemas, and the oracle's evaluator has said of them what is claimed. Where
there is none, that is only as sure as the guesses are good; so it says how many were tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs

from harness.oracle._conditions import same
from harness.oracle._reading import Names, Node, read_condition
from harness.solver._clauses import FALSE, MISSING, NO_INPUT, TRUE, WRONG, text_of
from harness.solver._edges import EdgeValues, edge_values, edges_of
from harness.solver._search import BUDGET, Hope, Known, Search, Solution, Unreachable
from harness.solver._terms import ABSENT, Term, World

__all__ = (
    "ABSENT",
    "FALSE",
    "MISSING",
    "NO_INPUT",
    "TRUE",
    "WRONG",
    "EdgeValues",
    "Pair",
    "Solution",
    "Solver",
    "Unreachable",
    "World",
    "edge_values",
)


# Of 40 clauses all pairs are searched, of 80 a quarter as many, but never fewer than two.
_PAIRS, _FEWEST_PAIRS = 64_000, 2


@attrs.frozen
class Pair:
    """A clause that decides: once it is true and once it is false, and the result changes."""

    clause: str
    true: Solution
    false: Solution
    # Otherwise the other clauses cannot help changing with it, and the result is only different.
    alone: bool


class Solver:
    """Solves one condition, or several that have to come out in a certain way together."""

    def __init__(
        self, conditions: Sequence[Node | None], world: World, *, budget: int = BUDGET
    ) -> None:
        self._search = Search(conditions, world, budget)

    @classmethod
    def of(
        cls,
        text: str | None,
        world: World,
        *,
        source: str | None = None,
        steps: Sequence[str] = (),
        budget: int = BUDGET,
    ) -> Self:
        """Read a condition of a connection (with its `source`) or of a step."""
        known = {*world.outputs, *world.statuses, *steps, *([source] if source else ())}
        return cls([read_condition(text, Names(frozenset(known), source))], world, budget=budget)

    @property
    def clauses(self) -> tuple[str, ...]:
        """The clauses, as one would write them."""
        return tuple(map(text_of, self._search.clauses))

    def solve(self, *wanted: str, given: Mapping[str, Any] | None = None) -> Solution | Unreachable:
        """Find data with which each condition has its wanted outcome.

        `TRUE`, `FALSE`, `NO_INPUT` (it waits for an input), `MISSING` or `WRONG` (both are an error
        of the condition). `given` fixes what references are (`ABSENT`: not there).
        """
        hope = self._hope_for(wanted)
        return self._search.find(hope, self._search.options(given or {}), " and ".join(wanted))

    def pairs(self) -> list[Pair | Unreachable]:
        """For each clause of the (only) condition find two solutions between which it decides.

        If possible nothing but the clause changes between the two. Otherwise other clauses may
        change, too, but they have no say: the result is what the clause is, either time.
        """
        count = len(self._search.clauses)
        # Each pair takes longer, the more clauses there are: of a hundred only some are looked at.
        looked_at = max(_FEWEST_PAIRS, _PAIRS // max(count**2, 1))
        return [
            self._pair(index) if index < looked_at else self._not_looked_at(index, looked_at)
            for index in range(count)
        ]

    def _not_looked_at(self, index: int, looked_at: int) -> Unreachable:
        text, count = text_of(self._search.clauses[index]), len(self._search.clauses)
        reason = f"{text} was not looked at: of {count} clauses only the first {looked_at} are"
        return Unreachable(reason, 0, False)

    def edges(self, *, wanted: Sequence[str] = ()) -> list[tuple[EdgeValues, str, Solution]]:
        """Find a solution for each edge value that is valid, with ``below``, ``at`` or ``above``.

        The rest of the condition is so that the comparison alone decides, where that can be.
        """
        found: list[tuple[EdgeValues, str, Solution]] = []
        for index, clause in enumerate(self._search.clauses):
            for edge in edges_of(clause, self._search.world):
                key = edge.reference if edge.kind == "value" else f"len({edge.reference})"
                for which in ("below", "at", "above"):
                    options = self._search.options({key: getattr(edge, which)})
                    solution = self._search.find(self._hope_to_decide(index), options, which)
                    if isinstance(solution, Unreachable):
                        hope = self._hope_for(wanted)
                        solution = self._search.find(hope, options, which)
                    if isinstance(solution, Solution) and self._has(solution, edge, which):
                        found.append((edge, which, solution))
        return found

    def _has(self, solution: Solution, edge: EdgeValues, which: str) -> bool:
        value = solution.assignment.get(edge.reference, ABSENT)
        if edge.kind == "length" and isinstance(value, str | list | dict):
            value = len(value)
        return value is not ABSENT and same(value, getattr(edge, which))

    # ---- what is wanted ----

    def _hope_for(self, wanted: Sequence[str]) -> Hope:
        ranges = self._ranges()

        def hope(known: Known) -> bool:
            for condition, first, outcome in zip(
                self._search.conditions, ranges, wanted, strict=False
            ):
                if outcome not in condition.possible(_shifted(known, first)):
                    return False
            return True

        return hope

    def _ranges(self) -> list[int]:
        found = [0]
        for condition in self._search.conditions:
            found.append(found[-1] + len(condition.clauses))
        return found

    def _hope_to_decide(self, index: int, outcome: str | None = None) -> Hope:
        """Hope that the clause is the outcome (or at least true or false), and that it decides."""
        condition = self._search.conditions[0]
        wanted = frozenset((outcome,) if outcome else (TRUE, FALSE))

        def hope(known: Known) -> bool:
            if not wanted & known(index):
                return False
            true, false = (
                condition.possible(_forced(known, index, each)) & {TRUE, FALSE}
                for each in (TRUE, FALSE)
            )
            return bool(true and false) and len(true | false) == 2

        return hope

    def _pair(self, index: int) -> Pair | Unreachable:
        text = text_of(self._search.clauses[index])
        own = self._search.terms_of[index]
        options = self._search.options({}, own)
        best: Pair | None = None
        for outcome, opposite in ((TRUE, FALSE), (FALSE, TRUE)):
            one = self._search.find(self._hope_to_decide(index, outcome), options, outcome)
            if isinstance(one, Unreachable):
                break
            other = self._counterpart(index, one, opposite)
            if isinstance(other, Unreachable):
                break
            true, false = (one, other) if outcome == TRUE else (other, one)
            if _without(one.clauses, index) == _without(other.clauses, index):
                return Pair(text, true, false, True)
            best = best or Pair(text, true, false, True)
        return best or self._coupled(index)

    def _counterpart(self, index: int, one: Solution, outcome: str) -> Solution | Unreachable:
        """Find the other one of a pair, with as little else changed as possible."""
        deciding = self._hope_to_decide(index, outcome)
        own = self._search.terms_of[index]
        others = {str(term): one_of(term, one) for term in self._search.terms if term not in own}

        def unchanged(known: Known) -> bool:
            same = (
                each in known(place) for place, each in enumerate(one.clauses) if place != index
            )
            return all(same) and deciding(known)

        for hope, given in ((unchanged, others), (unchanged, {}), (deciding, others)):
            found = self._search.find(hope, self._search.options(given, own), outcome)
            if isinstance(found, Solution):
                return found
        return self._search.find(deciding, self._search.options({}, own), outcome)

    def _coupled(self, index: int) -> Pair | Unreachable:
        """Find a pair for a clause that never decides alone, as in `exists(a) and a > 5`."""
        text = text_of(self._search.clauses[index])
        options = self._search.options({}, self._search.terms_of[index])
        found: Solution | Unreachable | None = None
        for result, opposite in ((TRUE, FALSE), (FALSE, TRUE)):
            sides = []
            for outcome, wanted in ((TRUE, result), (FALSE, opposite)):
                found = self._search.find(
                    self._hope_for_both(index, outcome, wanted), options, outcome
                )
                if isinstance(found, Unreachable):
                    break
                sides.append(found)
            if len(sides) == 2:
                return Pair(text, sides[0], sides[1], False)
        assert isinstance(found, Unreachable)
        return attrs.evolve(found, reason=f"{text} never decides: {found.reason}")

    def _hope_for_both(self, index: int, outcome: str, result: str) -> Hope:
        condition = self._search.conditions[0]
        return lambda known: outcome in known(index) and result in condition.possible(known)


def _shifted(known: Known, by: int) -> Known:
    return lambda index: known(by + index)


def _forced(known: Known, forced: int, outcome: str) -> Known:
    return lambda index: frozenset((outcome,)) if index == forced else known(index)


def one_of(term: Term, solution: Solution) -> Any:
    """Return what a term is in a solution."""
    value = solution.assignment.get(term.text, ABSENT)
    if term.kind == "there":
        return value is not ABSENT
    return len(value) if term.kind == "length" and isinstance(value, str | list | dict) else value


def _without(clauses: Sequence[str], index: int) -> tuple[str, ...]:
    return (*clauses[:index], *clauses[index + 1 :])
