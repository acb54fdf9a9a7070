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
from trioflow.engine._arguments import as_json, as_object, check_grace, check_text
from trioflow.errors import Conflict, ExecutionNotFound
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
        events = [] if head is None else await store.read(execution_id)
        # Without events: it was deleted between the two.
        if head is None or not events:
            raise ExecutionNotFound(execution_id)
        first = events[0]
        assert isinstance(first, e.ExecutionStarted)
        machine = Machine.from_history(load_workflow(first.document).plan, events)
        recorded = machine.request(request)
        seq = len(events) + len(recorded)
        # The history may know more than the head that was read before it.
        head = attrs.evolve(head, seq=seq, status=machine.state.status, due=request.at)
        try:
            await store.commit(head, recorded, owned=False)
        except Conflict:
            # The owner was faster; see whether it still fits.
            continue
        return seq


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
        found = as_object("the input", input)
        made = as_object("the decisions", decisions)
        return await self._leave(f.Resume(self._clock(), found, made))

    async def signal(self, name: str, payload: Any = None) -> int:
        """See `Execution.signal`."""
        name = check_text("the name of a signal", name)
        return await self._leave(f.Signal(self._clock(), name, as_json("the payload", payload)))

    async def pause(self) -> int:
        """See `Execution.pause`."""
        return await self._leave(f.Pause(self._clock()))

    async def cancel(self, reason: str = "", grace: float | str | None = 0.0) -> int:
        """See `Execution.cancel`, but for the waiting."""
        reason = check_text("the reason", reason)
        return await self._leave(f.Cancel(self._clock(), reason, check_grace(grace)))

    async def _leave(self, request: f.Fact) -> int:
        return await leave_request(self._store, self._id, request)
