"""Requests for an execution that an engine elsewhere drives.

They are appended to its history with a commit that needs neither the lock nor the lease of its
owner. The owner notices and acts upon them; if there is none, the next engine that opens the store
does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from trioflow.definitions._documents import load_workflow
from trioflow.definitions._schemas import to_json
from trioflow.errors import Conflict, ExecutionNotFound, InvalidRequest, SchemaValidationError
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._machine import Machine
from trioflow.stores._protocol import Store


async def leave_request(store: Store, execution_id: str, request: f.Fact) -> int:
    """Append a request to a history, and return the seq that it has then.

    It is checked against the history as it is: what the owner would refuse is refused here, with
    `InvalidRequest`, and nothing is written. Raises `ExecutionNotFound`.
    """
    while True:
        head = await store.head(execution_id)
        if head is None:
            raise ExecutionNotFound(execution_id)
        events = await store.read(execution_id)
        first = events[0]
        assert isinstance(first, e.ExecutionStarted)
        machine = Machine.from_history(load_workflow(first.document).plan, events)
        recorded = machine.request(request)
        seq = len(events) + len(recorded)
        try:
            await store.commit(attrs.evolve(head, seq=seq, due=request.at), recorded, owned=False)
        except Conflict:
            # The owner was faster; see whether it still fits.
            continue
        return seq


def as_json(what: str, value: Any) -> Any:
    """Return the value as JSON that nobody else can change, or raise `InvalidRequest`."""
    try:
        return to_json(value)
    except SchemaValidationError as error:
        raise InvalidRequest(f"{what} is not JSON: {error}") from None


class Requester:
    """Leaves requests for one execution; `store` is open, and may be so for requests only.

    Every method returns when the request is durable, not when it has been acted upon; `changed` of
    the store waits for that. What cannot be asked now is refused with `InvalidRequest`.
    """

    def __init__(
        self, store: Store, execution_id: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._id = execution_id
        self._clock = clock

    async def resume(
        self, input: Mapping[str, Any] | None = None, decisions: Mapping[str, Any] | None = None
    ) -> int:
        """See `Execution.resume`; returns the seq of the history by then, like all of these."""
        found = as_json("the input", input or {})
        made = as_json("the decisions", decisions or {})
        return await self._leave(f.Resume(self._clock(), found, made))

    async def signal(self, name: str, payload: Any = None) -> int:
        """See `Execution.signal`."""
        return await self._leave(f.Signal(self._clock(), name, as_json("the payload", payload)))

    async def pause(self) -> int:
        """See `Execution.pause`."""
        return await self._leave(f.Pause(self._clock()))

    async def cancel(self, reason: str = "", grace: float | None = 0.0) -> int:
        """See `Execution.cancel`, but for the waiting."""
        return await self._leave(f.Cancel(self._clock(), reason, check_grace(grace)))

    async def _leave(self, request: f.Fact) -> int:
        return await leave_request(self._store, self._id, request)


def check_grace(grace: float | None) -> float | None:
    """Return a grace that makes sense, or raise `InvalidRequest`."""
    if grace is None or grace == float("inf"):
        return None
    if not grace >= 0:
        raise InvalidRequest(f"the grace is a number of seconds from 0 on, not {grace!r}")
    return float(grace)
