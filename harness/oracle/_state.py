"""The facts about executions: everything that the oracle knows, as values that can be copied.

There are three layers. A `Unit` is a series of attempts: that of a step, of an item of a
`for_each` step, or of an undo. A `StepRun` is a step with its units. A `Run` is an execution. They
hold no logic beyond answering questions about themselves; the rules stand in the other modules.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from harness._scenario import Behaviour
from harness.oracle._conditions import Scope
from harness.oracle._document import Called, Edge, Graph, Step

PENDING, RUNNING, PAUSED = "PENDING", "RUNNING", "PAUSED"
COMPLETED, FAILED, SKIPPED, CANCELLED = "COMPLETED", "FAILED", "SKIPPED", "CANCELLED"
ENDED = frozenset({COMPLETED, FAILED, SKIPPED, CANCELLED})

# What names the end of an attempt that was asked to stop (R16).
STEP_TIMEOUT, STOP, BESIDE = "timeout.step", "stop", "item"

FOR_EVER = float("inf")


@attrs.frozen
class Failure:
    """What went wrong, as far as it can be predicted: a code, and the text of a script.

    `causes` are None where the rules do not say whether there are any.
    """

    code: str
    message: str = ""
    retryable: bool | None = None
    causes: tuple[Failure, ...] | None = ()

    def without_causes(self, unless: bool = False) -> Failure:
        """Return it with causes of which nothing is said, unless something is."""
        return self if unless else attrs.evolve(self, causes=None)


@attrs.define(eq=False)
class Attempt:
    """An attempt that has its slot and has not ended."""

    name: str
    number: int
    started_at: float
    behaviour: Behaviour
    # The first reason for which it was asked to stop, and whether its own timeout is over.
    asked: str | None = None
    timed_out: bool = False
    # Its process is gone: "crash" or "interrupt".
    gone: str | None = None
    # It got a slot that a stopped attempt has left; others may stop at the same instant.
    between: bool = False


@attrs.define(eq=False)
class Unit:
    """A series of attempts. `index` is that of an item."""

    step: Step
    index: int | None = None
    role: str = "step"
    status: str = PENDING
    parameters: Any = None
    # What secrets stand for, put in; and whether one of them is unknown.
    revealed: Any = None
    lacks_secret: bool = False
    item: Any = None
    # Why an item is going to fail when its turn comes.
    doomed: Failure | None = None
    output: Any = None
    # What brought the output, as the history calls it, and whether in spite of a cancel or timeout.
    by: str = ""
    late: bool = False
    failure: Failure | None = None
    # Attempts that were started, over all series; the fallback's and the undo's by themselves.
    attempts: int = 0
    fallback_attempts: int = 0
    undo_attempts: int = 0
    # Of the present series: failed attempts that count, crashes, the start of the first attempt.
    counted: int = 0
    crashes: int = 0
    first_start: float | None = None
    fallback_parameters: Any = None
    fallback_revealed: Any = None
    fallback_lacks_secret: bool = False
    # An attempt is to be made as soon as there are a slot and no pause.
    wants: bool = False
    retry_at: float | None = None
    current: Attempt | None = None
    awaits_decision: bool = False
    # What its fallback makes good: the failure of the last attempt before it (R13).
    last_own: Failure | None = None
    child: Run | None = None
    child_asked: str | None = None
    undone: bool = False

    @property
    def name(self) -> str:
        """Its address, as decisions and reports have it."""
        return self.step.id if self.index is None else f"{self.step.id}[{self.index}]"

    @property
    def label(self) -> str:
        """The name of its next attempt among the calls."""
        return self.name if self.role == "step" else f"{self.name}:{self.role}"

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in the order of the document."""
        return self.step.index, -1 if self.index is None else self.index

    def called(self) -> Called:
        """Return the action of its next attempt."""
        found = {
            "step": self.step.call,
            "fallback": self.step.fallback,
            "compensate": self.step.compensate,
        }[self.role]
        assert found is not None
        return found


@attrs.define(eq=False)
class StepRun:
    """A step of an execution."""

    step: Step
    status: str = PENDING
    # How far it has come: its group was formed, its join decided, its condition true.
    grouped: bool = False
    joined: bool = False
    condition_met: bool = False
    # It is PAUSED for these paths of the input, or for its signal.
    missing: tuple[str, ...] = ()
    awaits_signal: bool = False
    held: bool = False
    output: Any = None
    # As those of a unit.
    by: str = ""
    late: bool = False
    failure: Failure | None = None
    # handled, deferred, unhandled (R21).
    judgement: str | None = None
    deadline: float | None = None
    # What is left of `total_timeout` while it stands still.
    time_left: float | None = None
    wake: float | None = None
    units: list[Unit] = attrs.field(factory=list)
    # Items only: the first that failed, and what has cut them short.
    first_failure: Failure | None = None
    cut_by: str | None = None
    started: bool = False
    kept: bool = False

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDED

    @property
    def attempts(self) -> int:
        """How many attempts were started (R17), over all items (R19)."""
        return sum(unit.attempts for unit in self.units)

    def facts(self) -> dict[str, Any]:
        """Return what `${steps.<id>…}` says."""
        error = None
        if self.failure is not None and self.status == FAILED:
            error = {"code": self.failure.code, "message": self.failure.message}
        found: dict[str, Any] = {"status": self.status, "error": error}
        found["attempts"] = self.attempts
        if self.step.for_each is not None and self.started:
            found["item_errors"] = [
                {
                    "index": unit.index,
                    "code": unit.failure.code,
                    "message": unit.failure.message,
                }
                for unit in self.units
                if unit.status == FAILED and unit.failure is not None
            ]
        return found


@attrs.frozen
class _Seen(Mapping[str, Any]):
    """What an expression sees of the steps. It asks for few of them, so nothing is made before."""

    steps: Mapping[str, StepRun]
    visible: frozenset[str] | None

    def _sees(self, step: object) -> bool:
        found = self.steps.get(str(step))
        if found is None or not found.ended:
            return False
        return self.visible is None or step in self.visible

    def __contains__(self, step: object) -> bool:
        return self._sees(step)

    def __iter__(self) -> Iterator[str]:
        return (step for step in self.steps if self._sees(step))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Facts(_Seen):
    def __getitem__(self, step: str) -> Any:
        if not self._sees(step):
            raise KeyError(step)
        return self.steps[step].facts()


class _Outputs(_Seen):
    def _sees(self, step: object) -> bool:
        return super()._sees(step) and self.steps[str(step)].status == COMPLETED

    def __getitem__(self, step: str) -> Any:
        if not self._sees(step):
            raise KeyError(step)
        return self.steps[step].output


@attrs.define(eq=False)
class Stopping:
    """An execution that is stopping: what it will be, and until when attempts may go on."""

    final: str
    grace_end: float
    over: bool = False
    by_parent: bool = False
    since: float = 0.0


@attrs.define(eq=False)
class Run:
    """One execution."""

    graph: Graph
    id: str
    input: Mapping[str, Any]
    started_at: float
    limit: int
    steps: dict[str, StepRun]
    parent: Run | None = None
    parent_unit: Unit | None = None
    prefix: str = ""
    depth: int = 0
    status: str = PENDING
    # True and False are taken and dead; what is not in it is undecided.
    decided: dict[str, bool] = attrs.field(factory=dict)
    # Undecided connections that lack these paths; a default that waits with them lacks nothing.
    waiting_edges: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    # Connections whose condition erred.
    erred: set[str] = attrs.field(factory=set)
    signals: dict[str, Any] = attrs.field(factory=dict)
    pause: bool = False
    # When it was paused, or resumed, last.
    pause_at: float = -FOR_EVER
    deadline: float | None = None
    paused_at: float | None = None
    # Since when it has its present status.
    since: float = 0.0
    # When it has left PAUSED, and since when it had been PAUSED.
    left: tuple[float, float] | None = None
    stopping: Stopping | None = None
    groups: deque[list[Step]] = attrs.field(factory=deque)
    # Units that queue for a slot of the execution, with the transaction that queued them.
    queue: list[tuple[int, Unit]] = attrs.field(factory=list)
    holding: int = 0
    transaction: int = 0
    # Failures that make it FAILED, each with its step: unhandled, deferred, of undos.
    unhandled: list[tuple[Failure, str | None]] = attrs.field(factory=list)
    deferred: list[tuple[Failure, str | None]] = attrs.field(factory=list)
    undo_failures: list[tuple[Failure, str | None]] = attrs.field(factory=list)
    # Completed work that can be undone, in the order of the records.
    done: list[Unit] = attrs.field(factory=list)
    undoing: list[Unit] | None = None
    final: str | None = None
    output: Any = None

    @property
    def ended(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.status in ENDED

    @property
    def errors(self) -> list[tuple[Failure, str | None]]:
        """All failures that make it FAILED, in their order (R21)."""
        return [*self.unhandled, *self.deferred, *self.undo_failures]

    @property
    def all_ended(self) -> bool:
        """Whether every step has ended. The last one most likely has not."""
        return all(found.ended for found in reversed(self.steps.values()))

    @property
    def compensating(self) -> bool:
        """Whether its work is being undone."""
        return self.undoing is not None and not self.ended

    def in_order(self) -> Iterator[StepRun]:
        """Yield its steps in the order of the document."""
        yield from self.steps.values()

    def units(self) -> Iterator[Unit]:
        """Yield all units in the order of the document, then the undo that is under way."""
        for found in self.steps.values():
            yield from found.units
        if self.undoing:
            yield self.undoing[0]

    def children(self) -> Iterator[Run]:
        """Yield its children that have not ended."""
        for unit in self.units():
            if unit.child is not None and not unit.child.ended:
                yield unit.child

    def has_ended(self) -> frozenset[str]:
        """Return the ids of the steps that have ended."""
        return frozenset(step for step, found in self.steps.items() if found.ended)

    def scope(self, visible: frozenset[str] | None = None, **more: Any) -> Scope:
        """Return what an expression sees: of the steps, only the visible ones that have ended."""
        return Scope(
            input=self.input,
            outputs=_Outputs(self.steps, visible),
            steps=_Facts(self.steps, visible),
            execution={"id": self.id, "started_at": self.started_at},
            workflow=_without_none({"id": self.graph.id, "version": self.graph.version}),
            **more,
        )

    def is_waiting(self, edge: Edge) -> bool:
        """Whether the connection's source has ended, and it waits for an input (R4)."""
        return edge.id in self.waiting_edges


def _without_none(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}
