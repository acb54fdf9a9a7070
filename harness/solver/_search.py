"""The search for a solution: each term gets one value after the other, as long as there is hope."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from harness.data import CannotGenerate, is_fitting
from harness.data._instances import key_of
from harness.data._schemas import NAME_ONE
from harness.oracle._conditions import Scope
from harness.oracle._reading import Node
from harness.solver._clauses import OUTCOMES, Condition, outcome_of
from harness.solver._guesses import Guesses
from harness.solver._terms import ABSENT, Documents, Term, World, look_up, replaced, terms_of

BUDGET = 5_000
# To make an instance costs about as much as to decide so many clauses.
_COST_OF_INSTANCE = 20


@attrs.frozen
class Solution:
    """Data that reach what was wanted. All of it is valid by its schema.

    `assignment` has every reference of the condition that has a value, `absent` those that have
    none; `input` and `outputs` are whole. `facts` has a step if its status, or another fact, was
    asked for: how it has to end is for the scenario to bring about.
    """

    assignment: Mapping[str, Any]
    absent: tuple[str, ...]
    input: Any
    outputs: Mapping[str, Any]
    facts: Mapping[str, Mapping[str, Any]]
    # The outcome of each clause, from left to right; of all conditions, one after the other.
    clauses: tuple[str, ...]


@attrs.frozen
class Unreachable:
    """No valid data were found. `complete`: all combinations were tried, not only so many."""

    reason: str
    tried: int
    complete: bool

    def __str__(self) -> str:
        return self.reason


# Whether what is known of the clauses still lets one hope. At the end all of it is known.
Known = Callable[[int], frozenset[str]]
Hope = Callable[[Known], bool]
_ALL: frozenset[str] = OUTCOMES


class _OutOfBudget(Exception):
    pass


class Search:
    """Searches for data with which some conditions come out as somebody hopes."""

    def __init__(self, conditions: Sequence[Node | None], world: World, budget: int) -> None:
        self.conditions = [Condition.of(each) for each in conditions]
        self.clauses = [clause for each in self.conditions for clause in each.clauses]
        self.world = world
        self._budget = budget
        self._documents = Documents(world)
        self.terms_of = [tuple(terms_of(clause, world)) for clause in self.clauses]
        self.terms = list(dict.fromkeys(term for terms in self.terms_of for term in terms))
        guesses = Guesses(world, self._documents)
        self._guesses = guesses.collect(self.clauses, self.terms)
        # What the terms are in the smallest documents: the less a solution differs, the better.
        self._base = {term: self._documents.base(term) for term in self.terms}
        self._fits_input = is_fitting(world.schema(("input",)))
        self._tried = 0
        self._left = budget
        self._problem: CannotGenerate | None = None

    def options(self, given: Mapping[str, Any], own: Sequence[Term] = ()) -> list[list[Any]]:
        """Return what each term may be: what it is anyway comes first, unless it is an own one."""
        found = []
        for term in self.terms:
            base = self._base[term]
            if term.document[0] in ("execution", "workflow"):
                # Nobody can choose them.
                found.append([base])
            elif str(term) in given:
                found.append([given[str(term)]])
            elif term in own or base is ABSENT:
                found.append(self._guesses[term])
            else:
                found.append([base, *self._guesses[term]])
        return found

    def find(self, hope: Hope, options: list[list[Any]], wanted: str) -> Solution | Unreachable:
        """Return the first solution that keeps what one hoped for. `wanted` is its name."""
        self._begin()
        try:
            solution = next(self._solutions(hope, options, {}, {}), None)
        except RecursionError:
            reason = f"{wanted} was not looked for: {len(self.clauses)} clauses are too many"
            return Unreachable(reason, self._tried, False)
        except _OutOfBudget:
            reason = f"{wanted} was not reached with {self._tried} candidates; there are more"
            return Unreachable(reason, self._tried, False)
        if solution is not None:
            return solution
        reason = f"no candidate of {self._tried} reached it ({wanted})"
        if self._problem is not None:
            problem = str(self._problem).removesuffix(f"; {NAME_ONE}")
            reason += f"; with one of them {problem}"
        return Unreachable(reason, self._tried, True)

    def _begin(self) -> None:
        self._tried, self._left = 0, self._budget
        self._problem = None

    def _solutions(
        self,
        hope: Hope,
        options: list[list[Any]],
        given: dict[Term, Any],
        decided: dict[int, frozenset[str]],
    ) -> Iterator[Solution]:
        """Give the next term each of its values, and go on where there is hope."""
        if len(given) == len(self.terms):
            decided = {**decided, **self._decided(given, None)}
            if hope(_getting(decided)):
                self._tried += 1
                yield from self._whole(hope, given)
            return
        term = self.terms[len(given)]
        for value in options[len(given)]:
            now = {**given, term: value}
            known = {**decided, **self._decided(now, term)}
            if hope(_getting(known)):
                yield from self._solutions(hope, options, now, known)
            else:
                self._tried += 1

    def _decided(self, given: Mapping[Term, Any], last: Term | None) -> dict[int, frozenset[str]]:
        """Return the outcomes of the clauses that the last term has decided."""
        found = {}
        for index, terms in enumerate(self.terms_of):
            if (last in terms or (last is None and not terms)) and all(
                term in given for term in terms
            ):
                self._pay(1)
                node = replaced(self.clauses[index], given, self.world)
                found[index] = frozenset((outcome_of(node, Scope()),))
        return found

    def _pay(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise _OutOfBudget

    # ---- whole documents ----

    def _whole(self, hope: Hope, given: Mapping[Term, Any]) -> Iterator[Solution]:
        """Yield what is made of the terms, if it can be made and does what it should."""
        before = self._documents.made
        try:
            scope = self._scope(given)
        except CannotGenerate as error:
            self._problem = self._problem or error
            scope = None
        self._pay(_COST_OF_INSTANCE * (self._documents.made - before))
        if scope is None:
            return
        outcomes = [outcome_of(clause, scope) for clause in self.clauses]
        if hope(lambda index: frozenset((outcomes[index],))):
            yield self._solution(scope, outcomes)

    def _scope(self, given: Mapping[Term, Any]) -> Scope:
        demands: dict[tuple[str, ...], list[Any]] = {}
        ended: dict[str, str] = {}
        outputs: dict[str, bool] = {}
        for term, value in given.items():
            absent = value is ABSENT or (term.kind == "there" and value is False)
            name = term.document
            if name[0] == "output":
                whole = absent and not term.path
                outputs[name[1]] = outputs.get(name[1], True) and not whole
                if not absent:
                    ended[name[1]] = "COMPLETED"
            demands.setdefault(name, []).append(self._documents.demand(term, value, given))
        facts = {}
        found = {}
        for step in dict.fromkeys(name[1] for name in demands if name[0] in ("output", "facts")):
            asked = demands.get(("facts", step), [])
            if step in ended:
                asked = [*asked, _STATUS_COMPLETED]
            elif not outputs.get(step, True):
                asked = [*asked, {"not": _STATUS_COMPLETED}]
            own = ("facts", step) in demands or not outputs.get(step, True)
            facts[step] = self._documents.instance(("facts", step), asked, asked=own)
            if facts[step]["status"] == "COMPLETED":
                name = ("output", step)
                found[step] = self._documents.instance(name, demands.get(name, ()))
        input = self._documents.instance(("input",), demands.get(("input",), ()))
        if self.world.defaults and isinstance(input, dict):
            input = {**self.world.defaults, **input}
            if not self._fits_input(input):
                raise CannotGenerate("$", "with the defaults the input does not fit its schema")
        return Scope(input, found, facts, self.world.execution, self.world.workflow)

    def _value(self, scope: Scope, term: Term) -> Any:
        name, *step = term.document
        if name in ("output", "facts"):
            documents = scope.outputs if name == "output" else scope.steps
            return look_up(documents.get(step[0], ABSENT), term.path)
        return look_up(getattr(scope, name), term.path)

    def _solution(self, scope: Scope, outcomes: Sequence[str]) -> Solution:
        assignment, absent = {}, []
        for term in self.terms:
            value = self._value(scope, term)
            if value is ABSENT:
                absent.append(term.text)
            else:
                assignment[term.text] = value
        defaults = self.world.defaults
        input = scope.input
        if defaults:
            input = {
                key: value
                for key, value in input.items()
                if key not in defaults or key_of(value) != key_of(defaults[key])
            }
        asked = {term.document[1] for term in self.terms if term.document[0] == "facts"}
        facts = {
            step: each
            for step, each in scope.steps.items()
            if step in asked or each["status"] != "COMPLETED"
        }
        unique = tuple(dict.fromkeys(absent))
        return Solution(assignment, unique, input, scope.outputs, facts, tuple(outcomes))


def _getting(known: Mapping[int, frozenset[str]]) -> Known:
    return lambda index: known.get(index, _ALL)


_STATUS_COMPLETED = {"properties": {"status": {"const": "COMPLETED"}}}
