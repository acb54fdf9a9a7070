"""The graph of a workflow: what the kernel reads, and what is computed from it at load.

Steps, connections and gates are known by their position. Everything here is linear in the number
of steps and connections, so that a graph of 10,000 steps costs per step what one of 10 does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from trioflow.definitions._parts import ForEach, Join, On, Retry, Step, StepType

if TYPE_CHECKING:
    from trioflow.definitions._expressions import Condition
    from trioflow.definitions._model import Workflow
    from trioflow.definitions._references import Template
    from trioflow.definitions._schemas import Schema


@attrs.frozen(eq=False)
class PlannedConnection:
    index: int
    id: str
    source: int
    target: int
    on: On
    default: bool
    # None is always true.
    condition: Condition | None


@attrs.frozen(eq=False)
class Gate:
    """Opens when every member has ended, however it ended; the waiters start after that.

    There is one gate per set of members: all who refer to a step share its gate, and a level of
    `sequence_order` is one gate, so that levels cost O(n) and not O(n * m).
    """

    members: tuple[int, ...]
    waiters: tuple[int, ...]


@attrs.frozen(eq=False)
class PlannedCall:
    """One thing that can be called: a step's own action, its fallback, or its compensation.

    A fallback without parameters of its own has the very `Template` of its step. `retry` is
    None where there is one attempt; the workflow's default has been filled in.
    """

    action: str
    parameters: Template
    timeout: float | None
    retry: Retry | None


@attrs.frozen(eq=False, kw_only=True)
class PlannedStep:
    index: int
    # Of all records of the step in executions: its position, and that of no item.
    key: tuple[int, int] = attrs.field(
        init=False, default=attrs.Factory(lambda self: (self.index, -1), takes_self=True)
    )
    id: str
    type: StepType
    step: Step
    # How many gates it waits for, and the gates (their indexes) of which it is a member.
    gates: int
    member_of: tuple[int, ...]
    # Indexes of connections.
    incoming: tuple[int, ...]
    outgoing: tuple[int, ...]
    join: Join
    condition: Condition | None
    # Action steps only.
    call: PlannedCall | None
    fallback: PlannedCall | None
    compensate: PlannedCall | None
    for_each: ForEach | None
    items: Template | None
    input_schema: Schema | None
    output_schema: Schema | None
    # Wait steps only: the schema of the payload, and the name of the signal.
    payload_schema: Schema | None
    signal: str | None
    total_timeout: float | None
    continue_on_error: bool
    on_crash: str
    # Sleep steps only: one of the two. What is constant has been checked.
    duration: Template | None
    until: Template | None
    # Workflow steps only: the id of the child's workflow, and its input.
    workflow: str | None
    child_input: Template | None

    def call_of(self, role: str) -> PlannedCall | None:
        """Return what attempts in a role call: of the step itself, its fallback, its undo."""
        if role == "step":
            return self.call
        return self.fallback if role == "fallback" else self.compensate


@attrs.frozen(eq=False, kw_only=True)
class Plan:
    """A workflow as the kernel reads it."""

    workflow: Workflow = attrs.field(repr=False)
    steps: tuple[PlannedStep, ...]
    index: Mapping[str, int]
    connections: tuple[PlannedConnection, ...]
    connection_index: Mapping[str, int]
    gates: tuple[Gate, ...]
    # The wait step for each signal.
    signals: Mapping[str, int]
    # None stands for the default: the outputs of `final_steps`, by id.
    output: Template | None
    final_steps: tuple[int, ...]
    input_schema: Schema | None
    output_schema: Schema | None
    # Every action and every child workflow that is named anywhere.
    actions: frozenset[str]
    workflows: frozenset[str]
    # What references see as ``workflow``.
    about_itself: Mapping[str, Any] = attrs.field(
        default=attrs.Factory(lambda plan: _about(plan.workflow), takes_self=True),
        init=False,
        repr=False,
    )


def _about(workflow: Workflow) -> Mapping[str, Any]:
    # What a document does not have is missing, and not null.
    known = {"id": workflow.id, "version": workflow.version}
    return {key: value for key, value in known.items() if value is not None}


# ---- who waits for whom ----


@attrs.define(eq=False)
class Links:
    """The edges between `size` steps: connections, and the gates that all other order makes."""

    size: int
    # (source, target), in the order of the connections.
    connections: Sequence[tuple[int, int]]
    # Steps whose `join` is "first".
    first: frozenset[int] = frozenset()
    gates: list[Gate] = attrs.field(init=False, factory=list)
    incoming: list[list[int]] = attrs.field(init=False)
    outgoing: list[list[int]] = attrs.field(init=False)
    waits_for: list[list[int]] = attrs.field(init=False)
    member_of: list[list[int]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.incoming = [[] for _ in range(self.size)]
        self.outgoing = [[] for _ in range(self.size)]
        self.waits_for = [[] for _ in range(self.size)]
        self.member_of = [[] for _ in range(self.size)]
        for index, (source, target) in enumerate(self.connections):
            self.outgoing[source].append(index)
            self.incoming[target].append(index)

    def make_gates(
        self, levels: Sequence[Sequence[int]], references: Iterable[Iterable[int]]
    ) -> None:
        """Make the gates of consecutive levels, and of each step's references to other steps.

        A level waits for the one before it only: that has waited for all lower ones.
        """
        waiters: dict[tuple[int, ...], dict[int, None]] = {}
        for i in range(1, len(levels)):
            waiters.setdefault(tuple(levels[i - 1]), {}).update(dict.fromkeys(levels[i]))
        for step, referred in enumerate(references):
            for other in referred:
                waiters.setdefault((other,), {})[step] = None
        for members, waiting in waiters.items():
            gate = len(self.gates)
            self.gates.append(Gate(members, tuple(waiting)))
            for member in members:
                self.member_of[member].append(gate)
            for waiter in waiting:
                self.waits_for[waiter].append(gate)

    def final_steps(self) -> tuple[int, ...]:
        """The steps that no connection and no gate leaves."""
        return tuple(
            step
            for step in range(self.size)
            if not self.outgoing[step] and not self.member_of[step]
        )

    # Steps and gates are the nodes of one graph; gates are numbered on from the steps.

    def _after(self, node: int) -> Iterator[int]:
        if node >= self.size:
            yield from self.gates[node - self.size].waiters
            return
        for connection in self.outgoing[node]:
            yield self.connections[connection][1]
        for gate in self.member_of[node]:
            yield self.size + gate

    def in_order(self) -> list[int]:
        """The nodes, each after all that it waits for; those on and behind a cycle are missing."""
        waiting = [
            len(self.incoming[step]) + len(self.waits_for[step]) for step in range(self.size)
        ]
        waiting += [len(gate.members) for gate in self.gates]
        ready = [node for node, count in enumerate(waiting) if count == 0]
        for node in ready:
            for following in self._after(node):
                waiting[following] -= 1
                if waiting[following] == 0:
                    ready.append(following)
        return ready

    def cycles(self) -> Iterator[tuple[int, ...]]:
        """One cycle of steps, as short as can be, in every part of the graph that has cycles."""
        order = self.in_order()
        nodes = self.size + len(self.gates)
        if len(order) == nodes:
            return
        left = set(range(nodes)).difference(order)
        for component in self._components(left):
            start = min(component)
            cycle = self._way_back(start, component)
            if cycle:
                yield tuple(node for node in cycle if node < self.size)

    def _components(self, nodes: set[int]) -> Iterator[set[int]]:
        """The strongly connected components: Tarjan's algorithm, without its recursion."""
        found: dict[int, int] = {}
        low: dict[int, int] = {}
        stack: list[int] = []
        placed: set[int] = set()
        for root in sorted(nodes):
            entering: int | None = None if root in found else root
            work: list[tuple[int, Iterator[int]]] = []
            while entering is not None or work:
                if entering is not None:
                    found[entering] = low[entering] = len(found)
                    stack.append(entering)
                    work.append((entering, self._after(entering)))
                node, following = work[-1]
                entering = None
                for other in following:
                    if other in nodes and other not in found:
                        entering = other
                        break
                    if other in nodes and other not in placed:
                        low[node] = min(low[node], found[other])
                else:
                    work.pop()
                    if work:
                        outer = work[-1][0]
                        low[outer] = min(low[outer], low[node])
                    if low[node] == found[node]:
                        component = set()
                        while node not in component:
                            component.add(stack.pop())
                        placed |= component
                        yield component

    def _way_back(self, start: int, component: set[int]) -> list[int]:
        """The shortest way from a node back to itself, or nothing if there is none."""
        before: dict[int, int] = {}
        queue = [start]
        for node in queue:
            for following in self._after(node):
                if following == start:
                    way = [start]
                    while node != start:
                        way.append(node)
                        node = before[node]
                    return [start, *reversed(way)]
                if following in component and following not in before:
                    before[following] = node
                    queue.append(following)
        return []


class SurelyEnded:
    """Which steps have surely ended before another starts.

    What a step waits for has ended: the members of its gates, the sources of its connections
    (except that a `first` step starts when one of them has), and whatever had to end before
    these could start. Only for a graph without cycles.

    It costs a row of bits per step, with a bit for each of the steps that anybody asks about.
    Few conditions name more than their source, so it is made only when one does.
    """

    def __init__(self, links: Links, asked_about: Iterable[int]) -> None:
        self._bits = {step: 1 << place for place, step in enumerate(dict.fromkeys(asked_about))}
        self._rows = [0] * (links.size + len(links.gates))
        for node in links.in_order():
            if node >= links.size:
                before = links.gates[node - links.size].members
                row = self._together(before)
            else:
                row = 0
                for gate in links.waits_for[node]:
                    row |= self._rows[links.size + gate]
                if node not in links.first:
                    row |= self._together(
                        links.connections[connection][0] for connection in links.incoming[node]
                    )
            self._rows[node] = row

    def _together(self, steps: Iterable[int]) -> int:
        row = 0
        for step in steps:
            row |= self._rows[step] | self._bits.get(step, 0)
        return row

    def before(self, step: int, other: int) -> bool:
        """Whether `other`, one of those asked about, has ended when `step` starts."""
        return bool(self._rows[step] & self._bits[other])
