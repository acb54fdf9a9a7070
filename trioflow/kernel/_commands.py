"""What the machine wishes to be performed, in the imperative.

A command is performed only after the events recorded beside it are durable. Performing one twice
is safe: the answer to an attempt that is not awaited is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from trioflow.kernel._facts import Address


@attrs.frozen
class Command:
    """What all commands have in common."""


@attrs.frozen
class QueueAttempt(Command):
    """Get a slot for this attempt, then tell `SlotsTaken`.

    `secrets` are the names of the secrets that its parameters will need.
    """

    address: Address
    attempt: int
    secrets: tuple[str, ...] = ()


@attrs.frozen
class RunAttempt(Command):
    """Call the action. `timeout` is in seconds from now; `deadline` the step's own, an instant."""

    address: Address
    attempt: int
    action: str
    parameters: Mapping[str, Any]
    key: str
    timeout: float | None = None
    deadline: float | None = None


@attrs.frozen
class CancelAttempt(Command):
    """Make a running attempt stop, then tell how it ended."""

    address: Address
    attempt: int


@attrs.frozen
class DropAttempt(Command):
    """Give up a place in the queue for a slot."""

    address: Address
    attempt: int


@attrs.frozen
class StartChild(Command):
    """Start the child execution, or go on with it, and tell what becomes of it.

    Starting it twice is starting it once: `execution_id` is its idempotency key.
    """

    address: Address
    execution_id: str
    workflow: str
    input: Any
    depth: int


@attrs.frozen
class StopChild(Command):
    """Cancel the child execution; `grace` as in `StoppingStarted`."""

    address: Address
    grace: float | None = 0.0


@attrs.frozen
class PauseChild(Command):
    """Pause the child execution, unless it is.

    With `asked_at`, the child may have heard of it before a crash: what its own history says
    counts, if its last pause or resume is not before that instant (R28).
    """

    address: Address
    asked_at: float | None = None


@attrs.frozen
class ResumeChild(Command):
    """End the pause of the child execution, if it is paused; `asked_at` as in `PauseChild`."""

    address: Address
    asked_at: float | None = None


@attrs.frozen
class Finish(Command):
    """The execution has ended: nothing of it is left to do."""
