"""What is watched while a scenario is played, and no history tells: slots, keys, observers.

The oracle says what happens; this says what must not, whatever was scripted.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

import trioflow
from harness.oracle._attempts import timeout_of
from harness.oracle._document import Graph, graph_of
from harness.oracle._state import Unit
from harness.oracle._world import SAME
from trioflow import events
from trioflow.engine import Statistics, statistics_of
from trioflow.events import Event

_LAST = (
    events.ExecutionCompleted,
    events.ExecutionFailed,
    events.ExecutionCancelled,
)

# What adding up may make of a long time, as a part of it.
_ROUNDED = 1e-12

# The numbers of the engine's statistics, each with the event that it counts.
_OF_WORKFLOWS: Mapping[str, type[Event]] = {
    "started": events.ExecutionStarted,
    "completed": events.ExecutionCompleted,
    "failed": events.ExecutionFailed,
    "cancelled": events.ExecutionCancelled,
}
_OF_STEPS: Mapping[str, type[Event]] = {
    "attempts": events.AttemptStarted,
    "completed": events.StepCompleted,
    "failed": events.StepFailed,
    "skipped": events.StepSkipped,
    "cancelled": events.StepCancelled,
}


@attrs.define(eq=False)
class Witness:
    """Somebody who sees every attempt and every event of a scenario, over all of its engines.

    `limit` is how many slots an engine has, `limits` the same for executions, by the id of their
    workflow. `documents` are those of the workflows. `wrong` are the sentences about what broke a
    rule.
    """

    limit: int
    limits: Mapping[str, int] = attrs.field(factory=dict)
    documents: Sequence[Mapping[str, Any]] = ()
    wrong: list[str] = attrs.field(factory=list)
    # How many attempts run, by execution; what was given with each key, and the attempts with it.
    _running: Counter[str] = attrs.field(factory=Counter)
    # The documents as they are read, by the id of their workflow.
    _graphs: dict[str, list[Graph]] = attrs.field(init=False)
    _given: dict[str, str] = attrs.field(factory=dict)
    _made: set[tuple[str, int]] = attrs.field(factory=set)
    # What the present engine has told, by execution; who is over; who accepted a cancel.
    _told: dict[str, list[Event]] = attrs.field(factory=dict)
    _over: set[str] = attrs.field(factory=set)
    _cancelled: list[str] = attrs.field(factory=list)
    # Those that have had a part in what is in the store.
    _engines: int = 0
    _ended: bool = False

    def __attrs_post_init__(self) -> None:
        self._graphs = {}
        for document in self.documents:
            self._graphs.setdefault(document["id"], []).append(graph_of(document))

    def engine_opens(self) -> None:
        """Forget what the engine before has told: the next one begins anew."""
        self._told = {}
        self._engines += 1

    def goes_on(self) -> None:
        """Note that the present engine goes on with what others have done, perhaps elsewhere."""
        self._engines = max(2, self._engines)

    # ---- attempts ----

    def attempt_begins(
        self, context: trioflow.ActionContext, parameters: Mapping[str, Any]
    ) -> None:
        """Look at the key, the time and the slot of an attempt."""
        self._look_at_key(context, parameters)
        self._look_at_time(context)
        self._running[context.execution_id] += 1
        running = self._running[context.execution_id]
        most = self.limits.get(context.workflow, self.limit)
        if running > most:
            self.wrong.append(f"{running} attempts of {context.execution_id} run: more than {most}")
        everything = self._running.total()
        if everything > self.limit:
            self.wrong.append(f"{everything} attempts run: more than {self.limit} slots")
        if context.execution_id in self._over:
            self.wrong.append(f"{context.step} is called after {context.execution_id} has ended")

    def attempt_ends(self, context: trioflow.ActionContext) -> None:
        """Note that an attempt has stopped."""
        self._running[context.execution_id] -= 1

    def _look_at_key(self, context: trioflow.ActionContext, parameters: Mapping[str, Any]) -> None:
        key, number = context.idempotency_key, context.attempt
        own = _own_key(context)
        # R18: so it is the same over attempts, crashes and decisions, and nobody else's.
        if key not in (own, f"{own}:fallback", f"{own}:compensate"):
            self.wrong.append(f"attempt {number} of {own} has the idempotency key {key}")
        given = json.dumps(parameters, sort_keys=True, default=repr)
        if self._given.setdefault(key, given) != given:
            self.wrong.append(
                f"the idempotency key {key} goes with {self._given[key]}, and then with {given}"
            )
        if (key, number) in self._made:
            self.wrong.append(f"attempt {number} of {key} is made a second time")
        self._made.add((key, number))

    def _look_at_time(self, context: trioflow.ActionContext) -> None:
        """R14: an attempt has its `timeout`, or what is left of the step's `total_timeout`."""
        key, left = context.idempotency_key, context.deadline
        role = key.removeprefix(_own_key(context)).removeprefix(":") or "step"
        # A fork may have another document with the same id: one of them has to allow it.
        may = [
            times
            for graph in self._graphs.get(context.workflow, ())
            if (times := _times_of(graph, context.step, role)) is not None
        ]
        if may and not any(_is_within(left, *times) for times in may):
            timeout, total = map(_seconds, may[0])
            self.wrong.append(
                f"attempt {context.attempt} of {key} is told that its time is {_seconds(left)}: "
                f"its timeout is {timeout}, the total_timeout of its step {total}"
            )

    # ---- events ----

    def observe(
        self, execution_id: str, event: Event, written: Sequence[tuple[str, int]] = ()
    ) -> None:
        """Look at what an observer is told; `written` is what is durable by then, in order."""
        told = self._told.setdefault(execution_id, [])
        if told and event.seq != told[-1].seq + 1:
            self.wrong.append(
                f"observers of {execution_id} are told record {event.seq} after {told[-1].seq}"
            )
        told.append(event)
        durable = next((seq for name, seq in reversed(written) if name == execution_id), 0)
        if event.seq > durable:
            self.wrong.append(
                f"observers of {execution_id} are told record {event.seq} before it is stored"
            )
        if execution_id in self._over:
            self.wrong.append(f"{event.type} is recorded after {execution_id} has ended")
        if isinstance(event, _LAST):
            self._over.add(execution_id)
            # R23: nothing of it and of its children runs.
            beneath = f"{execution_id}:"
            for name, count in self._running.items():
                if count and (name == execution_id or name.startswith(beneath)):
                    self.wrong.append(f"{event.type} while {count} attempts of {name} run")

    def cancel_accepted(self, execution_id: str) -> None:
        """Note that somebody was told that an execution will be cancelled."""
        self._cancelled.append(execution_id)

    def refused(self, what: str, writes: int) -> None:
        """Note that what was asked of a finished execution was refused, after so many writes."""
        if writes:
            self.wrong.append(f"{what} was refused, and has written all the same")

    # ---- the end ----

    async def look_at_end(self, engine: trioflow.Engine, disk: Any) -> None:
        """Compare what an engine says with its store: the execution has ended."""
        self._ended = True
        said = engine.statistics()
        if said.slots_used:
            self.wrong.append(f"at the end {said.slots_used} slots are still out")
        if self._engines > 1:
            return
        counted, stored = said.to_json(), (await statistics_of(disk)).to_json()
        for what in ("running", "waiting", "events", "workflows"):
            mine, theirs = counted[what], stored[what]
            if mine != theirs:
                self.wrong.append(
                    f"the statistics of the engine are not those of its store: "
                    f"{what} {mine}, and {theirs}"
                )
        if said.events != sum(map(len, self._told.values())):
            self.wrong.append(f"the engine has counted {said.events} events, and told others")
        self._count(said)

    def _count(self, said: Statistics) -> None:
        """Compare what was counted with what was told, one kind of event after the other."""
        told = Counter(
            type(event)
            for each in self._told.values()
            for event in each
            # What a fork keeps, and what undoes, is not counted among steps.
            if getattr(event, "facts", None) is None and getattr(event, "role", "") != "compensate"
        )
        workflows = list(said.workflows.values())
        steps = [step for workflow in workflows for step in workflow.steps.values()]
        for counted, names in ((workflows, _OF_WORKFLOWS), (steps, _OF_STEPS)):
            for name, kind in names.items():
                number = sum(getattr(one, name) for one in counted)
                if number != told[kind]:
                    self.wrong.append(f"{told[kind]} {kind.__name__}, and {name} is {number}")

    def look_at_histories(self, histories: Mapping[str, Sequence[Event]]) -> None:
        """Compare what was told with what is stored, at the very end.

        Of each execution observers were told what is stored, but for what a process that died had
        stored last; and each cancel that was accepted is there, whoever has died since then.
        """
        for name, told in self._told.items():
            history = list(histories.get(name, ()))
            first = told[0].seq - 1
            rest = history[first : None if self._ended else first + len(told)]
            if rest != told:
                self.wrong.append(f"observers of {name} were told something else than is stored")
        for name, times in Counter(self._cancelled).items():
            kept = histories.get(name, ())
            known = sum(isinstance(event, events.CancelRequested) for event in kept)
            if known < times:
                self.wrong.append(f"a cancel of {name} was accepted, and is not in its history")


def _own_key(context: trioflow.ActionContext) -> str:
    item = "" if context.item_index is None else f":{context.item_index}"
    return f"{context.execution_id}:{context.step}{item}"


def _times_of(graph: Graph, step_id: str, role: str) -> tuple[float | None, float | None] | None:
    """Return how many seconds a document gives one attempt of a step, and all of them together.

    None if it has no such attempts.
    """
    step = graph.steps.get(step_id)
    if step is None:
        return None
    calls = {"step": step.call, "fallback": step.fallback, "compensate": step.compensate}
    if calls.get(role) is None:
        return None
    # R24: what undoes a step comes after its time.
    total = None if role == "compensate" else step.total_timeout
    return timeout_of(Unit(step, role=role)), total


def _is_within(left: float | None, timeout: float | None, total: float | None) -> bool:
    """Whether an attempt can have so much time; how much of the total is used is not asked."""
    if left is None:
        return timeout is None and total is None
    if total is None:
        return timeout is not None and math.isclose(left, timeout, rel_tol=_ROUNDED, abs_tol=SAME)
    most = min(total, total if timeout is None else timeout)
    return -SAME < left < most + max(SAME, _ROUNDED * most)


def _seconds(number: float | None) -> str:
    return "none" if number is None else f"{number:.6g} s"


def limits_of(documents: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many attempts of an execution may run, by workflow, where a document says so."""
    found: dict[str, int] = {}
    for each in documents:
        most = each.get("max_concurrent_steps")
        if most is not None:
            name = str(each["id"])
            found[name] = max(int(most), found.get(name, 0))
    return found
