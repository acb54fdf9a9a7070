"""What a store is: an append-only journal, plus one head row for each execution.

The head serves listing and compare-and-swap; the events are the truth. Every store passes the
same contract tests (`tests/stores/`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import attrs

from trioflow.kernel._events import Event

OPEN = ("PENDING", "RUNNING", "PAUSED")


@attrs.frozen
class Head:
    """One execution at a glance.

    `seq` is the number of its events. `due` is the instant (seconds since the epoch) at which
    something is to be done for it: None while it only waits for somebody, and when it has ended.
    `parent` is the id of the execution whose step started it. `owner` is the engine that holds
    it, and `fence` the number of times it has been claimed: an owner whose fence is no longer
    the stored one has lost it.
    """

    id: str
    workflow: str
    status: str
    seq: int
    labels: Mapping[str, str] = attrs.field(factory=dict)
    due: float | None = None
    parent: str | None = None
    owner: str | None = None
    fence: int = 0
    created: float = 0.0
    ended: float | None = None

    def moved(self, status: str, seq: int, due: float | None, ended: float | None) -> Head:
        """Return the head after a commit: what a commit may change, changed."""
        return Head(
            self.id,
            self.workflow,
            status,
            seq,
            self.labels,
            due,
            self.parent,
            self.owner,
            self.fence,
            self.created,
            ended,
        )


class Store(Protocol):
    """Keeps executions. An async context manager: open inside, closed outside.

    After an I/O error whose outcome is unknown (`StoreError`), a store refuses everything until
    it is opened again.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    async def commit(self, head: Head, events: Sequence[Event], *, owned: bool = True) -> None:
        """Append events and replace the head row, both or neither. Returned means durable.

        Succeeds only if the stored seq is ``head.seq - len(events)`` (0 creates the execution)
        and, if `owned`, the stored owner and fence equal the head's; otherwise `Conflict`. With
        ``owned=False`` it appends a request from outside: the stored owner and fence stay, and
        `due` becomes the earlier of both so that the owner, or the next one, looks at it.

        When this raises `Conflict` or `TooLarge` (one event over 1 MiB of JSON), or is cancelled,
        certainly nothing was written. After any other `StoreError` read the head again.
        """
        ...

    async def read(self, execution_id: str, after: int = 0) -> list[Event]:
        """Return the events with a seq above `after`, in order; empty if there are none."""
        ...

    async def head(self, execution_id: str) -> Head | None:
        """Return the head row of an execution, or None."""
        ...

    async def heads(
        self,
        *,
        status: str | Collection[str] | None = None,
        workflow: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Head]:
        """Return head rows, newest first; `before` is the id of the last one already seen."""
        ...

    async def ended(self, status: str, *, limit: int = 100) -> list[Head]:
        """Return the head rows of executions that ended like this, the first to end first.

        Without child executions, which are deleted with their root.
        """
        ...

    async def claim(
        self,
        owner: str,
        *,
        ttl: float,
        limit: int = 100,
        ids: Collection[str] | None = None,
    ) -> list[Head]:
        """Make `owner` the owner of open executions that are due, and return their heads.

        Due: `due` is not later than now. Claimable: unowned, or the owner's heartbeat is older
        than its ttl. Each claim raises the fence. With `ids` only these are looked at, due or
        not: an engine claims what it can continue and leaves the rest as it is.
        The owner's heartbeat is set as by `renew`.
        """
        ...

    async def renew(self, owner: str, *, ttl: float) -> None:
        """Say that `owner` is alive for another `ttl` seconds."""
        ...

    async def changed(self, execution_id: str, seq: int) -> None:
        """Return once the execution has more than `seq` events. Level-triggered."""
        ...

    async def requested(self, seen: Mapping[str, int]) -> dict[str, int]:
        """Return the open executions to which a request was appended that is not in `seen`.

        A request is a commit with ``owned=False``. Both mappings are from the id to the seq of
        the last request. Waits until there is one. What was left while no engine ran is found by
        `due` as well.
        """
        ...

    async def delete(self, execution_id: str) -> None:
        """Delete an execution that has ended, with its children and its events.

        An unknown id is not an error; an open execution is (`InvalidRequest`).
        """
        ...
