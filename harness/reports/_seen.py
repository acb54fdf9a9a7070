"""What was seen of one scenario: which obligations its history meets, event by event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from harness._scenario import Call, Scenario, Signal
from harness.oracle._conditions import Scope
from harness.oracle._document import Edge, Graph, read_document
from harness.oracle._reading import Node
from harness.oracle._requests import Refused, merge
from harness.playing._play import Observed
from harness.solver._clauses import Condition, outcome_of
from trioflow import events

# (kind, of what, what of it): ("step", "ship", "FAILED"), ("connection", "a->b", "taken")
Key = tuple[str, str, str]

# (name of a condition, outcome of each of its clauses): what it was asked with once.
Vector = tuple[str, tuple[str, ...]]

_ENDS = {
    events.ExecutionCompleted: "COMPLETED",
    events.ExecutionFailed: "FAILED",
    events.ExecutionCancelled: "CANCELLED",
    events.ExecutionPaused: "PAUSED",
}
_STEPS = {
    events.StepCompleted: "COMPLETED",
    events.StepFailed: "FAILED",
    events.StepSkipped: "SKIPPED",
    events.StepCancelled: "CANCELLED",
    events.StepPaused: "PAUSED",
}
_BAD_OUTPUT = frozenset({"schema.output", "result.not_json", "result.too_large"})
_TIME_OUT = frozenset({"timeout.attempt", "timeout.step"})


@attrs.define(eq=False)
class Seen:
    """Reads a history, and collects what is seen in it."""

    graph: Graph
    keys: set[Key] = attrs.field(factory=set)
    vectors: set[Vector] = attrs.field(factory=set)
    # What conditions see so far.
    input: Mapping[str, Any] = attrs.field(factory=dict)
    outputs: dict[str, Any] = attrs.field(factory=dict)
    steps: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    started_at: float = 0.0
    id: str = "x"
    attempts: dict[str, int] = attrs.field(factory=dict)
    items: dict[str, dict[int, Any]] = attrs.field(factory=dict)
    conditions: dict[str, Condition] = attrs.field(factory=dict)

    def read(self, event: events.Event) -> None:
        """Take notice of the next event."""
        kind = type(event)
        if kind in _ENDS:
            self.keys.add(("end", self.graph.id, _ENDS[kind]))
        handler: Callable[[Any], None] | None = getattr(self, f"on_{kind.__name__}", None)
        if handler is not None:
            handler(event)
        if kind in _STEPS:
            self._step(event, _STEPS[kind])
        for word in ("taken", "dead"):
            for edge in getattr(event, word, ()):
                self._decided(edge, word)

    def _step(self, event: Any, status: str) -> None:
        step = event.step
        if status == "SKIPPED" and not event.killed_by:
            self._asked(step, self.graph.steps[step].condition)
        self.keys.add(("step", step, status))
        if status == "PAUSED":
            return
        failure: events.Failure | None = getattr(event, "failure", None)
        error = None
        if failure is not None:
            self._fault(step, failure.code)
        if failure is not None and status == "FAILED":
            error = {"code": failure.code, "message": failure.message}
        number = self.attempts.get(step, 0)
        known = {"status": status, "error": error, "attempts": number}
        self.steps[step] = dict(getattr(event, "facts", None) or known)
        if status == "COMPLETED":
            found = self.items.get(step, {})
            items = [found.get(index) for index in range(max(found, default=-1) + 1)]
            self.outputs[step] = items if event.by == "items" else event.output

    # ---- conditions ----

    def _decided(self, edge: str, word: str) -> None:
        self.keys.add(("connection", edge, word))
        for each in self.graph.edges:
            if each.id == edge and self._by_its_condition(each):
                self._asked(edge, each.condition)

    def _by_its_condition(self, edge: Edge) -> bool:
        """R2: whether the end of its source leaves the decision to the condition."""
        status = self.steps.get(edge.source, {}).get("status")
        if status == "FAILED":
            return edge.on != "success" or self.graph.steps[edge.source].tolerant
        return status is not None and edge.on in (
            ("success", "always") if status == "COMPLETED" else ("always",)
        )

    def _asked(self, name: str, condition: Node | None) -> None:
        if condition is None:
            return
        if name not in self.conditions:
            self.conditions[name] = Condition.of(condition)
        scope = Scope(
            input=self.input,
            outputs=self.outputs,
            steps=self.steps,
            execution={"id": self.id, "started_at": self.started_at},
            workflow={"id": self.graph.id, "version": self.graph.version},
        )
        outcomes = tuple(outcome_of(each, scope) for each in self.conditions[name].clauses)
        self.vectors.add((name, outcomes))

    # ---- the events that say more ----

    def on_ExecutionStarted(self, event: events.ExecutionStarted) -> None:  # noqa: N802
        """Conditions see its input."""
        self.input, self.started_at = event.input, event.at
        self.id = event.execution_id

    def on_InputReceived(self, event: events.InputReceived) -> None:  # noqa: N802
        """They see more of it from now on."""
        try:
            self.input = merge(self.input, event.input)
        except Refused:
            self.input = {**self.input, **event.input}

    def on_StepStarted(self, event: events.StepStarted) -> None:  # noqa: N802
        """Its condition, if it has one, was true."""
        self._asked(event.step, self.graph.steps[event.step].condition)

    def on_StepPaused(self, event: events.StepPaused) -> None:  # noqa: N802
        """Its condition may lack an input, or have been true."""
        self._asked(event.step, self.graph.steps[event.step].condition)

    def on_ItemCompleted(self, event: events.ItemCompleted) -> None:  # noqa: N802
        """The output of a step with items is the list of theirs."""
        self.items.setdefault(event.step, {})[event.item] = event.output

    def on_ItemFailed(self, event: events.ItemFailed) -> None:  # noqa: N802
        """An item is a place for faults, too."""
        self._fault(event.step, event.failure.code)

    def on_ConditionFailed(self, event: events.ConditionFailed) -> None:  # noqa: N802
        """The connection is dead, since nobody can say what its condition is."""
        self._decided(event.connection, "dead")

    def on_AttemptStarted(self, event: events.AttemptStarted) -> None:  # noqa: N802
        """A second attempt is a retry, unless the first one was only cut short."""
        if event.role == "step":
            self.attempts[event.step] = self.attempts.get(event.step, 0) + 1

    def on_AttemptFailed(self, event: events.AttemptFailed) -> None:  # noqa: N802
        """A fault: which one its code says."""
        if event.role == "step":
            self._fault(event.step, event.failure.code)
            if event.retry_at is not None:
                self.keys.add(("fault", event.step, "is retried"))
        elif event.role == "fallback":
            self.keys.add(("fault", event.step, "its fallback fails"))

    def on_AttemptCrashed(self, event: events.AttemptCrashed) -> None:  # noqa: N802
        """Its process was gone."""
        if event.role == "step":
            self.keys.add(("fault", event.step, "dies"))

    def on_AttemptInterrupted(self, event: events.AttemptInterrupted) -> None:  # noqa: N802
        """The program was left in order."""
        if event.role == "step":
            self.keys.add(("fault", event.step, "is interrupted"))

    def on_FallbackStarted(self, event: events.FallbackStarted) -> None:  # noqa: N802
        """What is called when all attempts have failed."""
        self.keys.add(("fault", event.step, "is replaced by its fallback"))

    def on_StepCompensated(self, event: events.StepCompensated) -> None:  # noqa: N802
        """It is undone."""
        self.keys.add(("undone", event.step, "is undone"))

    def on_CompensationFailed(self, event: events.CompensationFailed) -> None:  # noqa: N802
        """It could not be undone."""
        self.keys.add(("undone", event.step, "cannot be undone"))

    def on_SignalReceived(self, event: events.SignalReceived) -> None:  # noqa: N802
        """Somebody has sent what a step waits for."""
        self.keys.add(("signal", event.name, "arrives"))

    def _fault(self, step: str, code: str) -> None:
        if code in _TIME_OUT:
            self.keys.add(("fault", step, "is out of time"))
        elif code in _BAD_OUTPUT:
            self.keys.add(("fault", step, "returns what does not fit"))
        elif code in ("schema.input", "reference.missing"):
            self.keys.add(("fault", step, "is given what does not fit"))
        elif code and code != "crash":
            self.keys.add(("fault", step, "fails"))
        if code == "timeout.step" and self.graph.steps[step].type == "wait":
            self.keys.add(("signal", self.graph.steps[step].signal, "never comes"))


def seen(scenario: Scenario, observed: Observed) -> tuple[set[Key], set[Vector]]:
    """Return the obligations that a scenario was seen to meet, and what its conditions saw."""
    found = Seen(read_document(scenario.workflow))
    if any(isinstance(act, Call) and act.workflow for act in scenario.actions):
        # What is seen last is a fork with another document, of which nothing is asked here.
        return found.keys, found.vectors
    for event in observed.history:
        found.read(event)
    if not observed.history:
        for phase in observed.phases:
            found.keys.add(("end", found.graph.id, phase.status))
    found.keys.update(_requests(scenario, observed))
    carrier = getattr(scenario, "carrier", "")
    if carrier and observed.deaths:
        found.keys.add(("crash", carrier, scenario.id.removeprefix(f"{carrier}-")))
    return found.keys, found.vectors


def _requests(scenario: Scenario, observed: Observed) -> Iterator[Key]:
    """Yield what became of the signals: the answers come in the order of the acts."""
    answers = [answer for phase in observed.phases for answer in phase.answers]
    # Acts at a moment of their own may come between; then nobody can say whose answer it was.
    in_order = all(act.moment is None for act in scenario.actions)
    if not in_order or len(answers) != len(scenario.actions):
        return
    for act, answer in zip(scenario.actions, answers, strict=True):
        if isinstance(act, Signal) and not act.to and answer == "refused":
            yield "signal", act.name, "is refused"
