"""The records of one execution: what its state is made of.

Values that change, but by one hand only: `State.apply` (`_apply.py`) changes them as events say.
What is marked "not recorded" is the exception: the deciding half notes it there, and it is safe to
forget, because it is found out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

from trioflow.definitions._graph import PlannedStep
from trioflow.kernel import _events as e
from trioflow.kernel._facts import Address
from trioflow.kernel._states import FAILED, PENDING

# The phases of a series of attempts. LOST: its attempt crashed or was interrupted, and what comes
# of that is decided when the execution is recovered.
QUEUED = "queued"
ATTEMPTING = "attempting"
DELAYED = "delayed"
LOST = "lost"


# A step, or one item of it: the position of the step, and that of the item (-1: the step itself).
# In this order things happen that happen together.
Key = tuple[int, int]
NOBODY: Key = (-1, -1)

# Python makes a new empty set each time, and most steps see all others.
NOTHING: frozenset[str] = frozenset()
# What there is before a step has been started. Shared, because an execution of 10,000 steps begins
# with 10,000 records.
_NO_INPUT: Mapping[str, Any] = MappingProxyType({})
_NO_ITEMS: Any = MappingProxyType({})


@attrs.define(eq=False)
class Series:
    """The attempts of one action: a step's own, its fallback's, its undo's."""

    address: Address
    phase: str = QUEUED
    # The number of the last attempt that started. Numbers are never used twice.
    attempt: int = 0
    # The attempts that count against `max_attempts`: neither crashed nor interrupted.
    tries: int = 0
    crashes: int = 0
    # Whether the last attempt was interrupted in order, rather than lost in a crash.
    interrupted: bool = False
    # When the first attempt of the present series started: `max_elapsed` counts from it.
    first_at: float | None = None
    retry_at: float | None = None
    # Whether it was reported that the running attempt does not stop.
    unresponsive: bool = False
    # The input as of the record that began the series, and the steps that it may not see: its
    # references mean the same in every attempt.
    input: Mapping[str, Any] = _NO_INPUT
    unseen: frozenset[str] = NOTHING
    # Not recorded, because it is safe to lose: the parameters once resolved, and why the running
    # attempt has been asked to stop ("timeout", "stopping" or "items").
    parameters: Any = None
    stop: str | None = None


@attrs.define(eq=False)
class Child:
    """The child execution of a step or an item, from its start to its end."""

    execution: str
    # Not recorded: why it has been asked to stop, as for an attempt.
    stop: str | None = None


@attrs.define(eq=False, kw_only=True)
class Unit:
    """What one output is made by: a step, or one item of a step with `for_each`."""

    planned: PlannedStep
    item: int | None = None
    # The id of the step.
    id: str = attrs.field(init=False)
    key: Key = attrs.field(init=False)
    status: str = PENDING
    output: Any = None
    failure: e.Failure | None = None
    by: str | None = None
    late: bool = False
    series: Series | None = None
    fallback: Series | None = None
    # Those of earlier rounds, before somebody decided to retry: numbers count on.
    fallback_attempts: int = 0
    undo: Series | None = None
    child: Child | None = None
    # While PAUSED: "inputs", "signal", "decision", "items" or "child".
    waits_for: str | None = None

    def __attrs_post_init__(self) -> None:
        self.id = self.planned.id
        self.key = self.planned.key if self.item is None else (self.planned.index, self.item)

    @property
    def name(self) -> str:
        """What decisions and reports call it: ``pay``, or ``pay[3]`` for an item."""
        return self.id if self.item is None else f"{self.id}[{self.item}]"

    @property
    def current(self) -> Series | None:
        """The series that is being worked on, if any."""
        return self.undo or self.fallback or self.series

    @property
    def attempts(self) -> int:
        """How many attempts of its own action have started."""
        return self.series.attempt if self.series is not None else 0

    def of_role(self, role: str) -> Series | None:
        """Return its series of a role."""
        if role == "step":
            return self.series
        return self.fallback if role == "fallback" else self.undo


@attrs.define(eq=False, kw_only=True)
class StepRecord(Unit):
    """Everything that has become of one step so far."""

    gates: int
    undecided: int
    taken: int = 0
    reason: str | None = None
    # The paths of the inputs that it waits for.
    missing: tuple[str, ...] = ()
    condition_met: bool = False
    # `total_timeout` ends at `deadline`; it stands still (`remaining`) for a decision.
    deadline: float | None = None
    remaining: float | None = None
    wake: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    # The input and the steps that it may not see, as of the record that started it.
    input: Mapping[str, Any] = _NO_INPUT
    unseen: frozenset[str] = NOTHING
    # With `for_each`, from its start on. `under_way`: the items that have begun and not ended;
    # `first_failed`: the one that stops the others under `on_item_error: fail`.
    items: list[Unit] | None = None
    under_way: dict[int, None] = _NO_ITEMS
    first_failed: Unit | None = None
    # Not recorded: the items' values once resolved, how far items have begun, and why what is
    # under way has been asked to stop.
    values: list[Any] | None = None
    next_item: int = 0
    cut: str | None = None

    @property
    def attempts(self) -> int:
        """How many attempts of its own action have started, over all items."""
        if self.items is not None:
            return sum(item.attempts for item in self.items)
        return super().attempts

    def ready(self) -> bool:
        """Whether its gates are open and its join can be decided."""
        if self.gates:
            return False
        if self.planned.join == "first" and self.taken:
            return True
        return self.undecided == 0

    def facts(self, status: str, failure: e.Failure | None) -> dict[str, Any]:
        """What is seen of it as ``steps.<id>`` when it has ended like this, but for the output."""
        error = None if failure is None else {"code": failure.code, "message": failure.message}
        if self.items is None:
            attempts = 0 if self.series is None else self.series.attempt
            return {"status": status, "error": error, "attempts": attempts}
        item_errors = [
            {"index": item.item, "code": item.failure.code, "message": item.failure.message}
            for item in self.items
            if item.status == FAILED and item.failure is not None
        ]
        return {
            "status": status,
            "error": error,
            "attempts": self.attempts,
            "item_errors": item_errors,
        }


@attrs.define(eq=False)
class Stopping:
    """Why the execution stops, which fixes its final status, and until when attempts may end."""

    cause: str
    failure: e.Failure | None
    at: float
    # Infinity: they may take for ever.
    grace_until: float

    def allows(self, due: float) -> bool:
        """Whether a step's timeout that was over at `due` still counts.

        It does if it was over before the stopping or its grace was. At one instant the timeout
        of the execution and the end of the grace come first (R14).
        """
        return due < self.grace_until or (self.cause != "timeout" and due <= self.at)
