"""What the tests of stores share: a clock to be set, and histories with few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from trioflow.kernel._events import Event, ExecutionStarted, StepCompleted
from trioflow.stores import Head, Store


@attrs.define(eq=False)
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@attrs.define(eq=False)
class Writing:
    """Makes histories in a store; every method returns the head that it has committed."""

    store: Store

    @staticmethod
    def first(
        execution_id: str, digest: str = "d1", document: Mapping[str, Any] | None = None
    ) -> Event:
        document = {"name": "order"} if document is None else document
        return ExecutionStarted(
            1, 1000.0, execution_id, "order", digest, document, input={"sku": "tea"}
        )

    @staticmethod
    def next(seq: int, output: Any = None) -> Event:
        return StepCompleted(seq, 1000.0 + seq, "ship", output, attempt=1)

    async def start(
        self,
        execution_id: str = "x",
        *,
        digest: str = "d1",
        document: Mapping[str, Any] | None = None,
        owned: bool = True,
        **fields: Any,
    ) -> Head:
        usual = {"workflow": "order", "status": "RUNNING", "owner": "me", "fence": 1}
        head = Head(id=execution_id, seq=1, created=1000.0, **{**usual, **fields})
        first = self.first(execution_id, digest, document)
        await self.store.commit(head, [first], owned=owned)
        return head

    async def grow(self, head: Head, *, owned: bool = True, **fields: Any) -> Head:
        head = attrs.evolve(head, seq=head.seq + 1, **fields)
        await self.store.commit(head, [self.next(head.seq)], owned=owned)
        return head

    async def end(self, head: Head) -> Head:
        return await self.grow(head, status="COMPLETED", due=None, ended=1001.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writing_to() -> Callable[[Store], Writing]:
    return Writing
