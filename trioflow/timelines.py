"""What happened to each step, folded from events: the one thing that is drawn in several ways.

The live progress of the command line feeds it events as they come, a picture a whole history. It
only arranges; what an execution is and waits for, the engine says. Events that it does not know
change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from trioflow import events as e
from trioflow.definitions import Plan

if TYPE_CHECKING:
    from trioflow.engine import Snapshot
    from trioflow.kernel._requests import Waiting

__all__ = ["ENDED", "Attempt", "Gap", "Row", "Spell", "Timeline"]

ENDED = frozenset({"COMPLETED", "FAILED", "SKIPPED", "CANCELLED"})

# Of a PAUSED execution that lacks nothing more: whoever drives it next acts upon what has come.
WAITS_FOR_ENGINE = "an engine with its actions"
HAS_COME = "what it waited for has come, and none has acted upon it yet"


@attrs.define(eq=False)
class Attempt:
    """One attempt.

    `outcome` is ``running``, ``completed``, ``failed``, ``stopped``, ``interrupted``, ``crashed``.
    """

    number: int
    role: str
    item: int | None
    started_at: float
    ended_at: float | None = None
    outcome: str = "running"
    failure: e.Failure | None = None
    retry_at: float | None = None
    unresponsive: bool = False

    @property
    def name(self) -> str:
        """What to call it, like ``attempt 2`` or ``item 3, fallback, attempt 1``."""
        words = [] if self.item is None else [f"item {self.item}"]
        if self.role != "step":
            words.append("undo" if self.role == "compensate" else self.role)
        return ", ".join([*words, f"attempt {self.number}"])

    def end(self, at: float, outcome: str, failure: e.Failure | None = None) -> None:
        self.ended_at = at
        self.outcome = outcome
        self.failure = failure


@attrs.define(eq=False)
class Spell:
    """A time in which a step waits or something else works for it.

    `kind` is ``waiting`` (for somebody: the step is PAUSED), ``asleep`` or ``child``; `what` says
    for what, or which execution the child is.
    """

    kind: str
    what: str
    began_at: float
    ended_at: float | None = None
    item: int | None = None


@attrs.frozen
class Gap:
    """A time in which no engine had the execution: its process ended, or it was interrupted."""

    began_at: float
    ended_at: float
    why: str


@attrs.define(eq=False)
class Row:
    """One step."""

    id: str
    title: str
    type: str
    signal: str
    status: str = "PENDING"
    # Its first start or pause, and its end.
    began_at: float | None = None
    ended_at: float | None = None
    attempts: list[Attempt] = attrs.field(factory=list)
    failure: e.Failure | None = None
    reason: str = ""
    by: str = ""
    late: bool = False
    # With `for_each`: how many items it has, and how many of them have ended.
    items: int | None = None
    items_ended: int = 0
    # Its child execution; with `for_each` the last one that was started.
    child: str = ""
    # What was undone, and what could not be and why: its items, or all of it (None).
    undone: list[int | None] = attrs.field(factory=list)
    not_undone: list[tuple[int | None, str]] = attrs.field(factory=list)
    # While PAUSED: what it waits for, in words; and whether all of that is there already, though
    # nobody has acted upon it yet. Only the engine knows that: see `Timeline.of`.
    waits: str = ""
    has_come: bool = False
    wake: float | None = None
    spells: list[Spell] = attrs.field(factory=list)

    @property
    def tries(self) -> int:
        """How many attempts of its own action have started."""
        return sum(1 for attempt in self.attempts if attempt.role == "step")

    @property
    def undo(self) -> str:
        """What became of undoing it, in words: all of it, or which of its items."""
        words = []
        if None in self.undone or len(self.undone) == self.items:
            words.append("undone")
        elif self.undone:
            words.append(f"{_items(self.undone)} undone")
        if self.not_undone:
            item, why = self.not_undone[-1]
            which = "" if item is None else f"{_items([one for one, _ in self.not_undone])} "
            words.append(f"{which}could not be undone: {why}")
        return "; ".join(words)

    @property
    def waiting(self) -> str:
        """What there is to say of its waiting while it is PAUSED, in words; else nothing."""
        if not self.waits:
            return ""
        if self.has_come:
            return f"waited for {self.waits}; it has come"
        return f"waits for {self.waits}"

    @property
    def running(self) -> list[Attempt]:
        """The attempts that are under way."""
        return [attempt for attempt in self.attempts if attempt.ended_at is None]

    def seconds(self, now: float) -> float | None:
        """Return how long it has taken, or takes by now; None if it has not begun."""
        if self.began_at is None:
            return None
        return (now if self.ended_at is None else self.ended_at) - self.began_at

    def end_running(
        self,
        at: float,
        outcome: str,
        failure: e.Failure | None = None,
        *,
        role: str | None = None,
        item: int | None = None,
    ) -> None:
        """End what runs; with a role or an item only those attempts."""
        for attempt in self.running:
            if role in (None, attempt.role) and item in (None, attempt.item):
                attempt.end(at, outcome, failure)

    def end_spells(self, at: float, *kinds: str, item: int | None = None) -> None:
        """End the spells of these kinds (of any, without); with an item only those of it."""
        for spell in self.spells:
            is_meant = (not kinds or spell.kind in kinds) and item in (None, spell.item)
            if spell.ended_at is None and is_meant:
                spell.ended_at = at


class Timeline:
    """All steps of one execution, and the execution itself.

    `rows` are the steps by id, in the order of the document. Instants are seconds since the epoch.
    """

    def __init__(self, plan: Plan) -> None:
        self.rows: dict[str, Row] = {
            step.id: Row(step.id, step.step.name or "", step.type, step.signal or "")
            for step in plan.steps
        }
        self.status = "PENDING"
        self.execution_id = ""
        self.began_at = 0.0
        self.ended_at: float | None = None
        self.output: Any = None
        self.seq = 0
        # What somebody asked for, or what befell the whole: (instant, in words).
        self.notes: list[tuple[float, str]] = []
        self.gaps: list[Gap] = []
        self._is_stopping = False
        # The last that its engine recorded, and when that was left.
        self._seen_at = 0.0
        self._last_at = 0.0
        self._left_at: float | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> Timeline:
        """Arrange what somebody has seen, and note which steps wait for nothing any more."""
        timeline = cls(snapshot.workflow.plan)
        timeline.apply(snapshot.events)
        timeline.compare(snapshot.waiting_for)
        return timeline

    @property
    def ended(self) -> int:
        """How many steps have ended."""
        return sum(1 for row in self.rows.values() if row.status in ENDED)

    def apply(self, events: Iterable[e.Event]) -> None:
        """Take in events; those that are known already are ignored."""
        for event in events:
            if event.seq <= self.seq:
                continue
            self.seq = event.seq
            self._last_at = event.at
            self._look_for_gap(event)
            if (handler := _HANDLERS.get(type(event))) is not None:
                handler(self, event)

    def compare(self, waiting_for: Iterable[Waiting]) -> None:
        """Note of every PAUSED step whether what it waits for has come (`Row.has_come`).

        `waiting_for` is what the engine says of the execution as it is after these events: what
        somebody has brought is not in it, even if nobody has acted upon it yet.
        """
        waiting = tuple(waiting_for)
        for row in self.rows.values():
            # While all is being stopped nothing is waited for, and nothing has come either.
            row.has_come = (
                row.status == "PAUSED"
                and not self._is_stopping
                and not any(self._waits(row, entry) for entry in waiting)
            )

    def _waits(self, row: Row, entry: Waiting) -> bool:
        """Whether a step, one of its items, or a child of it waits for this."""
        if entry.execution is not None:
            return f"{entry.execution}:".startswith(f"{self.execution_id}:{row.id}:")
        return entry.step is not None and f"{entry.step}[".startswith(f"{row.id}[")

    def last_instant(self, now: float | None = None) -> float:
        """Return where a picture ends: its end, else `now`, but not before the last event."""
        if self.ended_at is not None:
            return self.ended_at
        return self._last_at if now is None else max(now, self._last_at)

    def end_of(self, attempt: Attempt, now: float) -> float:
        """Return until when an attempt is known to have been under way."""
        if attempt.ended_at is None:
            return now
        if attempt.outcome == "crashed":
            # It is noticed by whoever comes next.
            return next(
                (gap.began_at for gap in self.gaps if gap.ended_at == attempt.ended_at),
                attempt.ended_at,
            )
        return attempt.ended_at

    def _look_for_gap(self, event: e.Event) -> None:
        if isinstance(event, _REQUESTS):
            # These come from anybody, also while no engine is there.
            return
        if isinstance(event, e.AttemptCrashed):
            began_at, why = self._seen_at, "crashed"
        elif self._left_at is not None and not isinstance(event, e.AttemptInterrupted):
            began_at, why = self._left_at, "interrupted"
        else:
            began_at, why = event.at, ""
        if event.at > began_at:
            self.gaps.append(Gap(began_at, event.at, why))
        self._left_at = event.at if isinstance(event, e.AttemptInterrupted) else None
        self._seen_at = event.at

    def row(self, step: str) -> Row:
        return self.rows[step]

    def attempt(self, event: Any) -> Attempt:
        """Return the attempt that an event is about."""
        for attempt in reversed(self.rows[event.step].attempts):
            if (attempt.number, attempt.role, attempt.item) == (
                event.attempt,
                event.role,
                event.item,
            ):
                return attempt
        raise AssertionError(event)  # pragma: no cover - its start comes first

    # ---- the execution ----

    def _execution_started(self, event: e.ExecutionStarted) -> None:
        self.status = "RUNNING"
        self.execution_id = event.execution_id
        self.began_at = event.at

    def _execution_paused(self, event: e.ExecutionPaused) -> None:
        self.status = "PAUSED"
        self._note(event, "paused: somebody is waited for")

    def _execution_resumed(self, event: e.ExecutionResumed) -> None:
        self.status = "RUNNING"
        self._note(event, "goes on")

    def _execution_ended(self, event: e.Event) -> None:
        self.status = event.type.removeprefix("Execution").upper()
        self.ended_at = event.at
        self.output = getattr(event, "output", None)
        self._note(event, self.status)

    def _stopping(self, event: e.StoppingStarted) -> None:
        self._is_stopping = True
        why = event.cause if event.failure is None else str(event.failure)
        self._note(event, f"stopping: {why}")

    def _note(self, event: e.Event, words: str) -> None:
        self.notes.append((event.at, words))

    def _input(self, event: e.InputReceived) -> None:
        self._note(event, f"input: {', '.join(event.input)}")

    def _decisions(self, event: e.DecisionsReceived) -> None:
        words = [f"{step}: {_decision(found)}" for step, found in event.decisions.items()]
        self._note(event, f"decided: {', '.join(words)}")

    def _signal(self, event: e.SignalReceived) -> None:
        self._note(event, f"signal {event.name!r}")

    def _pause(self, event: e.PauseRequested) -> None:
        self._note(event, "a pause was asked for")

    def _resume(self, event: e.ResumeRequested) -> None:
        self._note(event, "the pause was ended")

    def _cancel(self, event: e.CancelRequested) -> None:
        self._note(event, "cancel" + (f": {event.reason}" if event.reason else ""))

    def _condition_failed(self, event: e.ConditionFailed) -> None:
        self._note(event, f"connection {event.connection}: {event.failure}")

    # ---- steps ----

    def _step_started(self, event: e.StepStarted) -> None:
        row = self.row(event.step)
        row.status = "RUNNING"
        row.began_at = event.at
        row.wake = event.wake
        row.items = event.items
        row.waits = ""
        row.end_spells(event.at, "waiting")
        if row.type == "sleep":
            row.spells.append(Spell("asleep", "", event.at))

    def _step_paused(self, event: e.StepPaused) -> None:
        row = self.row(event.step)
        row.status = "PAUSED"
        if row.began_at is None:
            row.began_at = event.at
        row.failure = event.failure
        row.has_come = False
        row.waits = {
            "inputs": ", ".join(event.inputs),
            "signal": f"signal {row.signal!r}",
            "decision": "a decision",
            "items": "decisions about its items",
            "child": f"its child {row.child}",
        }.get(event.kind, event.kind)
        row.end_spells(event.at, "waiting")
        row.spells.append(Spell("waiting", row.waits, event.at))

    def _step_goes_on(self, event: Any) -> None:
        row = self.row(event.step)
        row.status = "RUNNING"
        row.waits = ""
        row.end_spells(event.at, "waiting")

    def _step_ended(self, event: Any) -> None:
        row = self.row(event.step)
        row.status = event.type.removeprefix("Step").upper()
        row.ended_at = event.at
        row.waits = ""
        row.failure = getattr(event, "failure", None)
        row.reason = getattr(event, "reason", "")
        row.by = getattr(event, "by", "")
        row.late = getattr(event, "late", False)
        outcome = {"COMPLETED": "completed", "FAILED": "failed"}.get(row.status, "stopped")
        row.end_running(event.at, outcome, row.failure)
        row.end_spells(event.at)

    def _item_ended(self, event: Any) -> None:
        row = self.row(event.step)
        row.items_ended += 1
        outcome = {
            e.ItemCompleted: "completed",
            e.ItemFailed: "failed",
        }.get(type(event), "stopped")
        row.end_running(event.at, outcome, getattr(event, "failure", None), item=event.item)
        row.end_spells(event.at, "child", item=event.item)

    def _child_started(self, event: e.ChildStarted) -> None:
        row = self.row(event.step)
        row.child = event.execution
        row.spells.append(Spell("child", event.execution, event.at, item=event.item))

    def _compensated(self, event: e.StepCompensated) -> None:
        row = self.row(event.step)
        row.end_running(event.at, "completed", role="compensate", item=event.item)
        row.undone.append(event.item)

    def _compensation_failed(self, event: e.CompensationFailed) -> None:
        self.row(event.step).not_undone.append((event.item, event.failure.message))

    # ---- attempts ----

    def _attempt_started(self, event: e.AttemptStarted) -> None:
        attempt = Attempt(event.attempt, event.role, event.item, event.at)
        self.row(event.step).attempts.append(attempt)

    def _attempt_failed(self, event: e.AttemptFailed) -> None:
        attempt = self.attempt(event)
        attempt.end(event.at, "failed", event.failure)
        attempt.retry_at = event.retry_at

    def _attempt_interrupted(self, event: e.AttemptInterrupted) -> None:
        self.attempt(event).end(event.at, "interrupted")

    def _attempt_crashed(self, event: e.AttemptCrashed) -> None:
        self.attempt(event).end(event.at, "crashed")

    def _attempt_unresponsive(self, event: e.AttemptUnresponsive) -> None:
        self.attempt(event).unresponsive = True


_REQUESTS = (
    e.InputReceived,
    e.DecisionsReceived,
    e.SignalReceived,
    e.PauseRequested,
    e.ResumeRequested,
    e.CancelRequested,
)


def _items(items: Sequence[int | None]) -> str:
    """Return which items these are, or how many if they are too many to name."""
    if len(items) == 1:
        return f"item {items[0]}"
    if len(items) > 5:
        return f"{len(items)} items"
    *others, last = sorted(item for item in items if item is not None)
    return f"items {', '.join(map(str, others))} and {last}"


def _decision(decision: Any) -> str:
    return decision if isinstance(decision, str) else "completed"


_HANDLERS: Mapping[type[e.Event], Callable[[Timeline, Any], None]] = {
    e.ExecutionStarted: Timeline._execution_started,
    e.ExecutionPaused: Timeline._execution_paused,
    e.ExecutionResumed: Timeline._execution_resumed,
    e.ExecutionCompleted: Timeline._execution_ended,
    e.ExecutionFailed: Timeline._execution_ended,
    e.ExecutionCancelled: Timeline._execution_ended,
    e.StoppingStarted: Timeline._stopping,
    e.InputReceived: Timeline._input,
    e.DecisionsReceived: Timeline._decisions,
    e.SignalReceived: Timeline._signal,
    e.PauseRequested: Timeline._pause,
    e.ResumeRequested: Timeline._resume,
    e.CancelRequested: Timeline._cancel,
    e.ConditionFailed: Timeline._condition_failed,
    e.StepStarted: Timeline._step_started,
    e.StepPaused: Timeline._step_paused,
    e.StepRetried: Timeline._step_goes_on,
    e.StepResumed: Timeline._step_goes_on,
    e.StepCompleted: Timeline._step_ended,
    e.StepFailed: Timeline._step_ended,
    e.StepSkipped: Timeline._step_ended,
    e.StepCancelled: Timeline._step_ended,
    e.ItemCompleted: Timeline._item_ended,
    e.ItemFailed: Timeline._item_ended,
    e.ItemCancelled: Timeline._item_ended,
    e.ChildStarted: Timeline._child_started,
    e.StepCompensated: Timeline._compensated,
    e.CompensationFailed: Timeline._compensation_failed,
    e.AttemptStarted: Timeline._attempt_started,
    e.AttemptFailed: Timeline._attempt_failed,
    e.AttemptInterrupted: Timeline._attempt_interrupted,
    e.AttemptCrashed: Timeline._attempt_crashed,
    e.AttemptUnresponsive: Timeline._attempt_unresponsive,
}
