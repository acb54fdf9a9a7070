"""What the machine is told: facts and requests, each with the instant at which it is told.

Facts say what has happened (an attempt has its slot, has returned, has stopped; time has
passed); a late or doubled one is ignored. Requests ask for something (input, a signal, a cancel)
and may be refused with `InvalidRequest`, which changes nothing.

Everything that is not determined by the history comes in here: instants, and the random number
`chance` in [0, 1] from which a retry's jitter is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import attrs

from trioflow.errors import Problem
from trioflow.kernel._events import Failure


class Address(NamedTuple):
    """One series of attempts: of a step's action (or of one item of it), of a fallback, of an undo.

    `role` is ``step``, ``fallback`` or ``compensate``. A tuple, because it is the key of so much:
    its hash is not computed in Python.
    """

    step: str
    role: str = "step"
    item: int | None = None

    def __str__(self) -> str:
        place = self.step if self.item is None else f"{self.step}[{self.item}]"
        return place if self.role == "step" else f"{place}:{self.role}"

    def key(self, execution_id: str) -> str:
        """Return the idempotency key (R18)."""
        item = "" if self.item is None else f":{self.item}"
        role = "" if self.role == "step" else f":{self.role}"
        return f"{execution_id}:{self.step}{item}{role}"


@attrs.frozen
class Fact:
    """What all facts have in common."""

    at: float


@attrs.frozen
class Start(Fact):
    """Begin an execution. The keys of `input` replace the document's defaults.

    If it is `paused` it has a pause before anything of it starts.
    """

    execution_id: str
    input: Mapping[str, Any] = attrs.field(factory=dict)
    labels: Mapping[str, str] = attrs.field(factory=dict)
    parent: str | None = None
    depth: int = 0
    paused: bool = False


@attrs.frozen
class Fork(Fact):
    """Begin an execution with what `old`, which has ended, has done, but for some steps.

    `old` is the `State` of the other execution's machine. `input` replaces keys of its input.
    """

    execution_id: str
    old: Any
    from_steps: tuple[str, ...]
    input: Mapping[str, Any] = attrs.field(factory=dict)
    labels: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class SlotsTaken(Fact):
    """These attempts, each by its address and number, have got their slots and are to start."""

    attempts: tuple[tuple[Address, int], ...]


@attrs.frozen
class AttemptRejected(Fact):
    """The attempt cannot be called at all, whatever it returns: a secret is not known."""

    address: Address
    attempt: int
    failure: Failure


@attrs.frozen
class AttemptReturned(Fact):
    """The action returned this output, which is JSON. `late`: in spite of a cancel or timeout.

    `problems` is what the output schema says of it, if that was asked already (large outputs are
    checked in a thread); None: the machine asks.
    """

    address: Address
    attempt: int
    output: Any
    late: bool = False
    problems: tuple[Problem, ...] | None = None
    chance: float = 1.0


@attrs.frozen
class AttemptRaised(Fact):
    """The attempt failed. `chance` in [0, 1] draws the jitter of the delay before the next one."""

    address: Address
    attempt: int
    failure: Failure
    chance: float = 1.0


@attrs.frozen
class AttemptStopped(Fact):
    """A cancelled attempt has stopped; `failure` is what it raised besides, if anything."""

    address: Address
    attempt: int
    failure: Failure | None = None


@attrs.frozen
class AttemptLeft(Fact):
    """The attempt was interrupted, because its engine is left; it has stopped."""

    address: Address
    attempt: int


@attrs.frozen
class AttemptHangs(Fact):
    """The attempt has not stopped within its grace (seconds)."""

    address: Address
    attempt: int
    grace: float


@attrs.frozen
class ChildRejected(Fact):
    """The child cannot be started: its input does not fit, or there is no such workflow."""

    address: Address
    failure: Failure


@attrs.frozen
class ChildEnded(Fact):
    """The child execution has ended with this status."""

    address: Address
    status: str
    output: Any = None
    failures: tuple[Failure, ...] = ()


@attrs.frozen
class ChildPaused(Fact):
    """The child execution is PAUSED."""

    address: Address


@attrs.frozen
class ChildResumed(Fact):
    """The child execution is no longer PAUSED."""

    address: Address


@attrs.frozen
class TimePassed(Fact):
    """It is `at` now."""


@attrs.frozen
class Recovered(Fact):
    """The machine was rebuilt from its history: what had started and not ended has crashed."""


@attrs.frozen
class Resume(Fact):
    """Bring inputs and decisions, and end a pause."""

    input: Mapping[str, Any] = attrs.field(factory=dict)
    decisions: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Signal(Fact):
    """Bring the payload of a signal."""

    name: str
    payload: Any = None


@attrs.frozen
class Pause(Fact):
    """Start no further attempt until a resume."""


@attrs.frozen
class Cancel(Fact):
    """Cancel the execution; running attempts may end by themselves for `grace` seconds."""

    reason: str = ""
    grace: float | None = 0.0


@attrs.frozen
class Check(Fact):
    """Look at what was recorded by others (requests written to the store) and act on it."""
