"""The ways through a graph: what has to happen so that a step runs, or a connection is decided."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from harness.families._raising import only_fails
from harness.families._values import strong_references
from harness.oracle._document import Edge, Graph, Step
from harness.oracle._reading import Node, references_of

_MOST_AT_ONCE = 24
_MOST_COMBINATIONS = 3000


@attrs.frozen
class Need:
    """What a way needs: conditions with what they must say, steps that fail and that go well."""

    conditions: tuple[tuple[Node, bool], ...] = ()
    failing: tuple[str, ...] = ()
    completing: frozenset[str] = frozenset()

    def and_(self, other: Need) -> Need | None:
        """Return both together; None if they contradict each other."""
        failing = tuple(dict.fromkeys((*self.failing, *other.failing)))
        completing = self.completing | other.completing
        if completing.intersection(failing):
            return None
        more = tuple(each for each in other.conditions if each not in self.conditions)
        return Need((*self.conditions, *more), failing, completing)


def _all(options: Sequence[Sequence[Need]]) -> list[Need]:
    """Return what fulfils all of several needs at once, in some of the ways that there are."""
    found: list[Need] = []
    tried = 0

    def more(need: Need, rest: Sequence[Sequence[Need]]) -> None:
        nonlocal tried
        if not rest:
            found.append(need)
            return
        for each in rest[0]:
            if len(found) >= _MOST_AT_ONCE or tried >= _MOST_COMBINATIONS:
                return
            tried += 1
            both = need.and_(each)
            if both is not None:
                more(both, rest[1:])

    more(Need(), options)
    return found


def _with_those(ways: Sequence[Need], asked: Sequence[Sequence[Need]]) -> list[Need]:
    """Return ways, and the same with what a condition asks about: without it, it may be SKIPPED."""
    if not asked:
        return list(ways)
    more = _all([ways, *asked])
    return [*ways[:_MOST_AT_ONCE], *(need for need in more if need not in ways)]


def _asked_for(node: Any) -> Iterator[tuple[str, bool]]:
    """Yield the steps about which a condition asks, and whether it asks for what came of them."""
    for _, root, parts, _ in references_of(node):
        if root == "output":
            yield parts[0], True
        elif root == "steps":
            yield parts[0], parts[1] == "output"


@attrs.define(eq=False)
class Ways:
    """What makes the steps of a graph run, and its connections be decided; the likeliest first.

    Each answer is kept: in a graph of layers there are as many paths to a step as one can count.
    """

    graph: Graph
    _runs: dict[str, list[Need]] = attrs.field(factory=dict)
    _takes: dict[tuple[str, bool], list[Need]] = attrs.field(factory=dict)

    def run(self, step: Step, *, whatever_its_condition: bool = False) -> list[Need]:
        """Return what makes a step run, or be looked at as far as its own condition."""
        if step.id not in self._runs:
            ways = list(itertools.islice(self._run(step), 2 * _MOST_AT_ONCE))
            asked = self._asked(step.condition, step.id)
            self._runs[step.id] = _with_those(ways, asked)
        if step.condition is None or whatever_its_condition:
            return self._runs[step.id]
        own = Need(((step.condition, True),))
        both = (need.and_(own) for need in self._runs[step.id])
        return [need for need in both if need is not None]

    def _run(self, step: Step) -> Iterator[Need]:
        steps = self.graph.steps
        needed = [
            self._complete(steps[each]) for each in sorted(strong_references(step)) if each in steps
        ]
        incoming = self.graph.into(step.id)
        if not incoming:
            yield from _all(needed)
        elif step.join == "all":
            yield from _all([*(self.take(edge, True) for edge in incoming), *needed])
        else:
            for edge in incoming:
                yield from _all([self.take(edge, True), *needed])

    def _asked(self, condition: Node | None, *known: str) -> list[list[Need]]:
        """Return, for each step that a condition asks about, what brings it to an end."""
        wanted: dict[str, list[Need]] = {}
        for name, outcome in _asked_for(condition):
            if name in known or name not in self.graph.steps:
                continue
            step = self.graph.steps[name]
            if not outcome:
                wanted[name] = [*self._complete(step), *self._fail(step)]
            elif name not in wanted:
                wanted[name] = self._complete(step)
        return list(wanted.values())

    def _complete(self, step: Step) -> list[Need]:
        if only_fails(step):
            return []
        both = (need.and_(Need(completing=frozenset([step.id]))) for need in self.run(step))
        return [need for need in both if need is not None]

    def _fail(self, step: Step) -> list[Need]:
        if step.type not in ("action", "workflow"):
            return []
        both = (need.and_(Need(failing=(step.id,))) for need in self.run(step))
        return [need for need in both if need is not None]

    def take(self, edge: Edge, taken: bool) -> list[Need]:
        """Return what makes a connection taken, or dead by its own condition."""
        key = (edge.id, taken)
        if key not in self._takes:
            ways = list(itertools.islice(self._take(edge, taken), 2 * _MOST_AT_ONCE))
            self._takes[key] = _with_those(ways, self._asked(edge.condition, edge.source))
        return self._takes[key]

    def _take(self, edge: Edge, taken: bool) -> Iterator[Need]:
        source = self.graph.steps[edge.source]
        siblings = [
            each.condition
            for each in self.graph.out_of(edge.source)
            if each.conditional and each.on == edge.on and each.condition is not None
        ]
        wants: list[tuple[tuple[Node, bool], ...]] = [()]
        if edge.condition is not None:
            wants = [((edge.condition, taken),)]
        elif edge.default and taken:
            wants = [tuple((each, False) for each in siblings)]
        elif edge.default:
            wants = [((each, True),) for each in siblings]
        elif not taken:
            wants = []
        # R2: where a failure is tolerated, `success` is decided by its condition all the same.
        forgiven = [self._fail] if source.tolerant and only_fails(source) else []
        ends = {
            "success": [self._complete, *forgiven],
            "failure": [self._fail],
            "always": [self._complete, self._fail],
        }[edge.on]
        for ways in ends if wants else ():
            for need in ways(source):
                for want in wants:
                    both = need.and_(Need(want))
                    if both is not None:
                        yield both
        if not taken:
            # Dead because of how the source ended.
            others = {"success": [self._fail], "failure": [self._complete]}.get(edge.on, [])
            for ways in others:
                yield from ways(source)
