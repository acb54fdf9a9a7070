"""What an engine's handles find in the place of its store once it has been left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import attrs

from trioflow.engine._inbox import EngineLeft
from trioflow.errors import StoreUnusable
from trioflow.stores._protocol import Store

LEFT = "the engine of this execution was left; use both inside `async with open_engine(...)`"
LEFT_WAITING = "the engine was left while this call was waiting"


def after_leaving(store: Store) -> Store:
    """Return what reads as the store as long as that can be read, and waits for nothing."""
    return cast("Store", _LeftStore(store))


@attrs.frozen(eq=False)
class _LeftStore:
    _store: Store

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if name == "changed":
                # Nobody might ever change it.
                raise EngineLeft(LEFT)
            try:
                return await method(*args, **kwargs)
            except StoreUnusable:
                # It is closed. What it says of that is for those who have opened it themselves.
                raise EngineLeft(LEFT) from None

        return call
