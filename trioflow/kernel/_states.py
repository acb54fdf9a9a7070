"""The two transition tables: which event may find a step, or an execution, in which state.

Every legal transition is a row here, and nothing else is legal: `State.apply` raises
`ProtocolError` for the rest. To learn how a step can become SKIPPED, search this file and stop.
Two rules keep it that way:

* A table says only what *may* happen. What *does* happen is decided in `_machine.py`.
* An event that leaves the state as it is has a row too; a missing row is a bug, not a "no".

The diagrams in the documentation are drawn from these tables (`draw`).
"""

from __future__ import annotations

from collections.abc import Mapping

from trioflow.errors import ProtocolError
from trioflow.kernel import _events as e

PENDING = "PENDING"
RUNNING = "RUNNING"
PAUSED = "PAUSED"
COMPLETED = "COMPLETED"
FAILED = "FAILED"
SKIPPED = "SKIPPED"
CANCELLED = "CANCELLED"

STATUSES = (PENDING, RUNNING, PAUSED, COMPLETED, FAILED, SKIPPED, CANCELLED)
ENDED = frozenset({COMPLETED, FAILED, SKIPPED, CANCELLED})

Table = Mapping[str, Mapping[type[e.Event], str]]


def _staying(status: str, *event_types: type[e.Event]) -> dict[type[e.Event], str]:
    return dict.fromkeys(event_types, status)


_ITEM_ENDS = (e.ItemCompleted, e.ItemFailed, e.ItemCancelled)
_ITEM_GOES_ON = (e.ItemPaused, e.ItemRetried, e.ItemResumed)
# What happens to an undo happens to a step that has ended: COMPLETED, or with COMPLETED items.
_UNDOING = (
    e.AttemptStarted,
    e.AttemptFailed,
    e.AttemptInterrupted,
    e.AttemptCrashed,
    e.AttemptUnresponsive,
    e.StepCompensated,
    e.CompensationFailed,
)

STEP: Table = {
    # Waits for its gates and its join. What is decided before anything was started ends it here:
    # a false condition, a reference without a value, an input that does not fit its schema.
    PENDING: {
        e.StepStarted: RUNNING,
        e.StepHeld: PENDING,
        e.StepPaused: PAUSED,
        e.StepCompleted: COMPLETED,
        e.StepFailed: FAILED,
        e.StepSkipped: SKIPPED,
        e.StepCancelled: CANCELLED,
    },
    # Also while it is queued for a slot, between attempts, asleep, and while its child runs.
    RUNNING: {
        **_staying(RUNNING, *_ITEM_ENDS, *_ITEM_GOES_ON),
        e.ChildStarted: RUNNING,
        e.AttemptStarted: RUNNING,
        e.AttemptFailed: RUNNING,
        e.AttemptInterrupted: RUNNING,
        e.AttemptCrashed: RUNNING,
        e.AttemptUnresponsive: RUNNING,
        e.FallbackStarted: RUNNING,
        e.StepPaused: PAUSED,
        e.StepCompleted: COMPLETED,
        e.StepFailed: FAILED,
        e.StepCancelled: CANCELLED,
    },
    # Waits for somebody: inputs, a signal, decisions, or for its child, which does.
    PAUSED: {
        **_staying(PAUSED, *_ITEM_ENDS, *_ITEM_GOES_ON),
        e.StepResumed: RUNNING,
        e.StepStarted: RUNNING,
        e.StepHeld: PAUSED,
        e.StepRetried: RUNNING,
        e.StepPaused: PAUSED,
        e.StepCompleted: COMPLETED,
        e.StepFailed: FAILED,
        e.StepSkipped: SKIPPED,
        e.StepCancelled: CANCELLED,
    },
    COMPLETED: _staying(COMPLETED, *_UNDOING),
    FAILED: _staying(FAILED, *_UNDOING),
    SKIPPED: {},
    CANCELLED: _staying(CANCELLED, *_UNDOING),
}

# What somebody may ask of an execution at any time before its end.
REQUESTS: tuple[type[e.Event], ...] = (
    e.InputReceived,
    e.DecisionsReceived,
    e.SignalReceived,
    e.PauseRequested,
    e.ResumeRequested,
    e.CancelRequested,
)

# That, and what may become of steps and connections without the execution's leaving PAUSED.
_ASKED: tuple[type[e.Event], ...] = (
    *REQUESTS,
    e.StepHeld,
    e.StepPaused,
    e.StepCompleted,
    e.StepFailed,
    e.StepSkipped,
    e.ConnectionsDecided,
    e.ConditionFailed,
    *_ITEM_ENDS,
    e.ItemPaused,
)

EXECUTION: Table = {
    PENDING: {e.ExecutionStarted: RUNNING},
    RUNNING: {
        **_staying(RUNNING, *_ASKED, *_ITEM_GOES_ON, *_UNDOING),
        e.StepStarted: RUNNING,
        e.StepRetried: RUNNING,
        e.StepResumed: RUNNING,
        e.StepCancelled: RUNNING,
        e.ChildStarted: RUNNING,
        e.FallbackStarted: RUNNING,
        e.StoppingStarted: RUNNING,
        e.ExecutionPaused: PAUSED,
        e.ExecutionCompleted: COMPLETED,
        e.ExecutionFailed: FAILED,
        e.ExecutionCancelled: CANCELLED,
    },
    # Whatever starts, stops or ends something leaves PAUSED first (`ExecutionResumed`).
    PAUSED: {
        **_staying(PAUSED, *_ASKED),
        e.ExecutionResumed: RUNNING,
    },
    COMPLETED: {},
    FAILED: {},
    CANCELLED: {},
}

# What the end of a source means for a connection, by what the connection is `on` (R2): True, its
# condition decides; False, it is dead.
TOLERATED = "FAILED, tolerated"
CONDITION_DECIDES: Mapping[str, Mapping[str, bool]] = {
    COMPLETED: {"success": True, "failure": False, "always": True},
    TOLERATED: {"success": True, "failure": True, "always": True},
    FAILED: {"success": False, "failure": True, "always": True},
    SKIPPED: {"success": False, "failure": False, "always": True},
    CANCELLED: {"success": False, "failure": False, "always": False},
}


def impossible(event: e.Event, kind: str, name: str, status: str) -> ProtocolError:
    """Return what to raise where a table has no row; `kind` and `name` say whose status it is."""
    return ProtocolError(
        f"{event.type} cannot happen to {kind} {name!r}, which is {status}; please report this"
    )


def draw(table: Table) -> str:
    """Return the table as a Mermaid state diagram; rows that change nothing are left out."""
    lines = ["stateDiagram-v2"]
    for status, row in table.items():
        by_target: dict[str, list[str]] = {}
        for event_type, target in row.items():
            if target != status:
                by_target.setdefault(target, []).append(event_type.__name__)
        lines += [
            f"    {status} --> {target}: {', '.join(names)}" for target, names in by_target.items()
        ]
    lines += [f"    {status} --> [*]" for status, row in table.items() if not row]
    return "\n".join(lines)
