"""The events of a history: everything that has happened to one execution, in past tense.

An event is a fact that is durable. Its `seq` counts from 1 within its execution, and `at` is an
instant in seconds since the epoch (in tests: of the virtual clock). Events are values: JSON
both ways (`_codec.py`), never changed, only ever appended.

What an event *means* is said in one place, the applying half of `_machine.py`; which of them may
come when is said in `_states.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs


@attrs.frozen
class Failure:
    """What went wrong: a code for machines, a sentence for people, and what caused it.

    `step` and `attempt` say where, as far as there is a where. `causes` makes it a tree.
    """

    code: str
    message: str
    type: str | None = None
    retryable: bool | None = None
    step: str | None = None
    attempt: int | None = None
    causes: tuple[Failure, ...] = ()

    def __str__(self) -> str:
        where = f"step {self.step!r}: " if self.step else ""
        return f"{where}{self.message} ({self.code})"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, without what is empty."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        for key in ("type", "retryable", "step", "attempt"):
            value = getattr(self, key)
            if value is not None:
                found[key] = value
        if self.causes:
            found["causes"] = [cause.to_json() for cause in self.causes]
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Failure:
        """The inverse of `to_json`."""
        return cls(
            code=found["code"],
            message=found["message"],
            type=found.get("type"),
            retryable=found.get("retryable"),
            step=found.get("step"),
            attempt=found.get("attempt"),
            causes=tuple(cls.from_json(cause) for cause in found.get("causes", ())),
        )


@attrs.frozen
class Event:
    """What all events have in common."""

    seq: int
    at: float

    @property
    def type(self) -> str:
        """The event's name, as in its JSON."""
        return type(self).__name__


# ---- the execution ----


@attrs.frozen
class ExecutionStarted(Event):
    """The execution exists from here on, with this document and this input (defaults merged).

    `document` is the normalised document, `digest` its sha256; a store may keep equal documents
    once. `parent` is the execution whose step started this one, and `depth` how many are above it.
    `forked_from` is the execution of which this is a fork.
    """

    execution_id: str
    workflow: str
    digest: str
    document: Mapping[str, Any]
    input: Mapping[str, Any]
    labels: Mapping[str, str] = attrs.field(factory=dict)
    parent: str | None = None
    depth: int = 0
    forked_from: str | None = None


@attrs.frozen
class ExecutionPaused(Event):
    """Nothing runs any more and somebody is waited for."""


@attrs.frozen
class ExecutionResumed(Event):
    """The execution has left PAUSED."""


@attrs.frozen
class StoppingStarted(Event):
    """From here on no step starts. `cause`: ``failure``, ``cancel`` or ``timeout``.

    `grace` is how long (seconds) running attempts may still end by themselves; None: for ever.
    """

    cause: str
    failure: Failure | None = None
    grace: float | None = 0.0


@attrs.frozen
class ExecutionCompleted(Event):
    """It ended well, with this output. The last event of its history."""

    output: Any = None


@attrs.frozen
class ExecutionFailed(Event):
    """It failed; the first failure is the cause. The last event of its history."""

    failures: tuple[Failure, ...] = ()


@attrs.frozen
class ExecutionCancelled(Event):
    """It was cancelled, and everything has stopped. The last event of its history."""

    reason: str = ""
    failures: tuple[Failure, ...] = ()


# ---- what somebody asked for ----


@attrs.frozen
class InputReceived(Event):
    """`resume` brought these inputs."""

    input: Mapping[str, Any]


@attrs.frozen
class DecisionsReceived(Event):
    """`resume` decided about paused steps: ``retry``, ``failed`` or ``{"completed": output}``."""

    decisions: Mapping[str, Any]


@attrs.frozen
class SignalReceived(Event):
    """The payload for a wait step of this signal, before or while it waits."""

    name: str
    payload: Any = None


@attrs.frozen
class PauseRequested(Event):
    """No attempt starts until somebody resumes."""


@attrs.frozen
class ResumeRequested(Event):
    """A `pause()` is over."""


@attrs.frozen
class CancelRequested(Event):
    """Somebody wants the execution cancelled; `grace` as in `StoppingStarted`."""

    reason: str = ""
    grace: float | None = 0.0


# ---- steps ----
#
# The events that end a step carry what became of its connections: the ids of those that were
# taken and of those that are dead, decided in the very record that ends their source. A
# connection in neither list is not decided: its condition waits for an input, or the execution
# is stopping.


@attrs.frozen
class StepStarted(Event):
    """The step is RUNNING: its parameters hold their values as of this record.

    `deadline`: the instant at which `total_timeout` is over. `wake`: when a sleep ends.
    `items`: how many items it has, for a step with `for_each`.
    `unseen`: the sources of a ``join: first`` step that had not ended when it was looked at; to
    its references they stay missing, whatever becomes of them.
    """

    step: str
    deadline: float | None = None
    wake: float | None = None
    items: int | None = None
    unseen: tuple[str, ...] = ()


@attrs.frozen
class StepHeld(Event):
    """The step's condition was true, but a `pause()` holds it back: it has not started.

    Recorded because a condition that was true is not asked again; a step without a condition that
    is held back leaves no trace.
    """

    step: str


@attrs.frozen
class StepPaused(Event):
    """The step waits for somebody, or with its child.

    `kind`: for ``inputs`` (these paths), a ``signal``, a ``decision``, decisions about its
    ``items``, or with its ``child``.

    `condition_met`: its condition was true, and is not asked again once the inputs are there.
    `failure` is what has to be decided about. `deadline` as in `StepStarted`, for a wait step.
    """

    step: str
    kind: str
    inputs: tuple[str, ...] = ()
    condition_met: bool = False
    failure: Failure | None = None
    deadline: float | None = None


@attrs.frozen
class StepRetried(Event):
    """Somebody decided that a paused step is to be tried afresh; attempts count on."""

    step: str


@attrs.frozen
class StepResumed(Event):
    """Its child is no longer PAUSED, or one of its items has work to do again."""

    step: str


@attrs.frozen
class StepCompleted(Event):
    """The step is COMPLETED.

    `by` says what brought the output: ``attempt``, ``fallback``, ``decision``, ``signal``,
    ``sleep``, ``trigger``, ``child``, ``fork`` (it was kept from the execution that was forked), or
    ``items``: then the output is the list of theirs, and is not repeated here. `late`: it came in
    spite of a cancel or a timeout. `facts` is what ``steps.<id>`` says of a kept step.
    """

    step: str
    output: Any = None
    attempt: int | None = None
    by: str = "attempt"
    late: bool = False
    facts: Mapping[str, Any] | None = None
    taken: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()


@attrs.frozen
class StepFailed(Event):
    """The step is FAILED; nothing more will be tried."""

    step: str
    failure: Failure
    facts: Mapping[str, Any] | None = None
    taken: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()


@attrs.frozen
class StepSkipped(Event):
    """The step is SKIPPED; `reason` is a sentence, `killed_by` the dead connections."""

    step: str
    reason: str
    killed_by: tuple[str, ...] = ()
    facts: Mapping[str, Any] | None = None
    taken: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()


@attrs.frozen
class StepCancelled(Event):
    """The step is CANCELLED, and nothing of it runs any more.

    `failure` is what an attempt raised when it was cancelled, if it raised something else.
    """

    step: str
    failure: Failure | None = None


# ---- items of a step with for_each, counted from 0 ----


@attrs.frozen
class ItemCompleted(Event):
    """The item is COMPLETED; fields as in `StepCompleted`."""

    step: str
    item: int
    output: Any = None
    attempt: int | None = None
    by: str = "attempt"
    late: bool = False


@attrs.frozen
class ItemFailed(Event):
    """The item is FAILED; nothing more will be tried."""

    step: str
    item: int
    failure: Failure


@attrs.frozen
class ItemCancelled(Event):
    """The item had begun and is CANCELLED, and nothing of it runs any more."""

    step: str
    item: int
    failure: Failure | None = None


@attrs.frozen
class ItemPaused(Event):
    """The item waits: for a ``decision``, or with its ``child``."""

    step: str
    item: int
    kind: str
    failure: Failure | None = None


@attrs.frozen
class ItemRetried(Event):
    """Somebody decided that a paused item is to be tried afresh; attempts count on."""

    step: str
    item: int


@attrs.frozen
class ItemResumed(Event):
    """The item's child is no longer PAUSED."""

    step: str
    item: int


# ---- child executions and undoing ----


@attrs.frozen
class ChildStarted(Event):
    """A child execution belongs to the step (or item) from here on. Durable before it starts."""

    step: str
    execution: str
    item: int | None = None


@attrs.frozen
class StepCompensated(Event):
    """What the step (or one item of it) did is undone."""

    step: str
    attempt: int
    item: int | None = None


@attrs.frozen
class CompensationFailed(Event):
    """What the step (or one item of it) did could not be undone; nothing more will be tried."""

    step: str
    failure: Failure
    item: int | None = None


# ---- connections ----


@attrs.frozen
class ConnectionsDecided(Event):
    """Connections whose conditions had waited for an input are decided now."""

    taken: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()


@attrs.frozen
class ConditionFailed(Event):
    """The condition of a connection could not be evaluated: the execution has failed for it."""

    connection: str
    failure: Failure


# ---- attempts ----
#
# `role` is ``step`` for the step's own action, else ``fallback`` or ``compensate``; attempts count
# from 1 within their role. `item` is the index of a for_each item.


@attrs.frozen
class AttemptStarted(Event):
    """The attempt has its slot. Durable before the action is called."""

    step: str
    attempt: int
    role: str = "step"
    item: int | None = None


@attrs.frozen
class AttemptFailed(Event):
    """The attempt failed. `retry_at` is the instant of the next one, if there is to be one."""

    step: str
    attempt: int
    failure: Failure
    retry_at: float | None = None
    role: str = "step"
    item: int | None = None


@attrs.frozen
class AttemptInterrupted(Event):
    """The engine was left, or interrupted, while the attempt ran."""

    step: str
    attempt: int
    role: str = "step"
    item: int | None = None


@attrs.frozen
class AttemptCrashed(Event):
    """The attempt had started and its process is gone: how far it got is not known."""

    step: str
    attempt: int
    role: str = "step"
    item: int | None = None


@attrs.frozen
class AttemptUnresponsive(Event):
    """The attempt was asked to stop and has not stopped within its grace (seconds)."""

    step: str
    attempt: int
    grace: float
    role: str = "step"
    item: int | None = None


@attrs.frozen
class FallbackStarted(Event):
    """The step's own attempts are used up; its fallback is tried from here on.

    `failure` is that of the last attempt. `unseen` as in `StepStarted`.
    """

    step: str
    failure: Failure
    item: int | None = None
    unseen: tuple[str, ...] = ()


EVENT_TYPES: Sequence[type[Event]] = (
    ExecutionStarted,
    ExecutionPaused,
    ExecutionResumed,
    StoppingStarted,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionCancelled,
    InputReceived,
    DecisionsReceived,
    SignalReceived,
    PauseRequested,
    ResumeRequested,
    CancelRequested,
    StepStarted,
    StepHeld,
    StepPaused,
    StepRetried,
    StepResumed,
    StepCompleted,
    StepFailed,
    StepSkipped,
    StepCancelled,
    ItemCompleted,
    ItemFailed,
    ItemCancelled,
    ItemPaused,
    ItemRetried,
    ItemResumed,
    ChildStarted,
    StepCompensated,
    CompensationFailed,
    ConnectionsDecided,
    ConditionFailed,
    AttemptStarted,
    AttemptFailed,
    AttemptInterrupted,
    AttemptCrashed,
    AttemptUnresponsive,
    FallbackStarted,
)

# After one of these nothing follows.
TERMINAL_EVENTS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)
