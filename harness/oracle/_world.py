"""The world around executions: the clock, the engine's slots, and what is written down."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from harness._scenario import Scenario
from harness.oracle._document import Graph, Step
from harness.oracle._state import Attempt, Failure, Run, Unit

# The order of what happens at one instant: recorded instants before the timeouts of attempts,
# these before answers (R14), and last what people do.
TIMER, DEADLINE, ANSWER, ACT = range(4)

# Instants closer together than this are taken for one: they were added up in different orders.
SAME = 1e-6

# What is undefined where nobody wants to know how it goes on: see `World.most_attempts`.
ENDLESS = "more attempts than anybody looks at"


@attrs.define(eq=False)
class World:
    """A clock, and what is to happen. One for each phase.

    `calls` and `compensated` are what a phase tells; `facts_at` are the instants of the facts that
    came from outside the rules, to find those that coincide.
    """

    scenario: Scenario
    graphs: Mapping[str, Graph]
    now: float
    free: int
    heap: list[tuple[float, int, int, Callable[[], None]]] = attrs.field(factory=list)
    counter: Any = attrs.field(factory=itertools.count)
    # R8: units of all executions that have a slot of their own and wait for one of the engine.
    queue: list[tuple[Run, Unit]] = attrs.field(factory=list)
    calls: list[tuple[float, str, int, Any]] = attrs.field(factory=list)
    compensated: list[str] = attrs.field(factory=list)
    facts_at: list[tuple[float, str]] = attrs.field(factory=list)
    # The same for the ends of children, each of which is a consequence of another fact.
    child_ends: list[tuple[float, str]] = attrs.field(factory=list)
    # Which executions have lately asked for slots of the engine, and when.
    asked: list[tuple[float, Run]] = attrs.field(factory=list)
    # The recorded instants at which the clock is still to be looked at; a heap.
    ticks: list[float] = attrs.field(factory=list)
    # Whether the fact that is worked off is an attempt that was stopped.
    stops_one: bool = False
    # So many attempts of one step or item are looked at, if there is a limit; and whether there
    # would have been more.
    most_attempts: int | None = None
    endless: bool = False
    # What the oracle does when an attempt has its slot, and when it has ended.
    start: Callable[[Run, Unit], None] = attrs.field(init=False)
    over: Callable[[Run, Unit, Attempt, Failure | None, Any], None] = attrs.field(init=False)
    began: Callable[[Unit, Attempt], None] = attrs.field(init=False)
    tick: Callable[[float], None] = attrs.field(init=False)
    # What it does with children (R28).
    start_child: Callable[[Run, Unit], None] = attrs.field(init=False)
    stop_child: Callable[[Unit, str, float], None] = attrs.field(init=False)
    pause_child: Callable[[Run], None] = attrs.field(init=False)
    resume_child: Callable[[Run], None] = attrs.field(init=False)
    child_changed: Callable[[Run], None] = attrs.field(init=False)
    run_ended: Callable[[Run], None] = attrs.field(init=False)

    def child_graph(self, step: Step) -> Graph:
        """Return the document of the child that a step starts."""
        return self.graphs[str(step.fields["workflow"])]

    def unfit_child(self, step: Step, value: Any) -> bool:
        """Whether these parameters, with the defaults, are no input for the child (R28)."""
        graph = self.child_graph(step)
        whole = {**(graph.fields.get("input") or {}), **value}
        return graph.fits_input is not None and not graph.fits_input(whole)

    def at(self, instant: float, order: int, what: Callable[[], None]) -> None:
        """Let something happen at an instant, or at once if that is past."""
        heapq.heappush(self.heap, (max(instant, self.now), order, next(self.counter), what))

    def step(self) -> bool:
        """Let the next thing happen; False if there is none."""
        if not self.heap:
            return False
        instant, _, _, what = heapq.heappop(self.heap)
        self.now = instant
        what()
        return True

    def note_fact(self, what: str) -> None:
        """Remember that a fact came from outside, now."""
        self.facts_at.append((self.now, what))

    def note_undefined(self, what: str) -> None:
        """Remember that the page leaves open what comes of this: it is not compared."""
        self.child_ends += [(self.now, what)] * 2

    def asks(self, run: Run) -> None:
        """Remember that an execution asks for a slot of the engine, now."""
        self.asked = [entry for entry in self.asked if self.now - entry[0] < SAME]
        self.asked.append((self.now, run))

    def contends(self, run: Run) -> None:
        """There is no slot for it now, but another one that asks now may have got one (R28)."""
        if any(other is not run for _, other in self.asked):
            self.note_undefined(run.id)

    def ties(self) -> list[tuple[float, str, str]]:
        """Return the facts that coincide, so that their order is not defined (R14)."""
        return [
            (first[0], first[1], second[1])
            for facts in (self.facts_at, self.child_ends)
            for first, second in itertools.pairwise(sorted(facts))
            if second[0] - first[0] < SAME
        ]
