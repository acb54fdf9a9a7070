"""What tests of workflows need: an engine in virtual time, and contexts for single actions.

Engine tests name pytest-trio's `autojump_clock` themselves: time then moves only when nothing
else can, so a day of retries takes a millisecond, and `trio.current_time()` tells exactly what
time it has become. Where threads are at work, and commit to a file for instance, that clock runs
away; `run` has one that does not, and that tells a deadlock at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import trio

from trioflow._virtual_time import FOR_EVER, Deadlock, hold, run, settled
from trioflow.actions._action import Action
from trioflow.actions._calling import call, perform
from trioflow.actions._context import ActionContext
from trioflow.definitions._secrets import Secrets
from trioflow.engine._arguments import Observer
from trioflow.engine._engine import DEFAULT_LIMIT, Engine
from trioflow.engine._opening import _open, check_place
from trioflow.engine._retention import Retention
from trioflow.engine._workflows import Source
from trioflow.stores._memory import MemoryStore
from trioflow.stores._protocol import Store
from trioflow.stores._sqlite import SqliteStore, run_inline

__all__ = ["Deadlock", "context", "hold", "open_engine", "run", "settled"]


class _InlineEngine(Engine):
    """An engine without threads: virtual time would run away while one is at work."""

    async def call(
        self, action: Action, parameters: Mapping[str, Any], context: ActionContext
    ) -> Any:
        if action.kind != "sync":
            # An async action's time is virtual, and that of the others is not trio's.
            with nullcontext() if action.kind == "async" else hold():
                return await call(action, parameters, context, limiter=self.thread_limiter)
        await trio.lowlevel.checkpoint()
        return perform(action, action.bind(parameters, context))

    async def run_sync(self, function: Callable[[], Any]) -> Any:
        return function()


@asynccontextmanager
async def open_engine(
    store: str | Store = "memory:",
    *,
    actions: Any = (),
    workflows: Iterable[Source] | Source = (),
    max_concurrent_steps: int = DEFAULT_LIMIT,
    recover: bool = True,
    secrets: Secrets | None = None,
    observers: Iterable[Observer] | Observer = (),
    allow: Iterable[str] | str = (),
    jitter: Callable[[], float] = lambda: 1.0,
    retention: Retention = None,
    lease: float = FOR_EVER,
) -> AsyncIterator[Engine]:
    """Open an engine for tests: as `trioflow.open_engine`, but for what needs real time.

    Instants are those of trio's clock (`trio.current_time()`, from 0 under a `MockClock`). Stores
    commit, and plain `def` actions are called, without a thread. `jitter` returns the part, from
    0 to 1, of a delay that is waited: the longest one by default. A deadlock, which would spin
    for ever under an autojump clock, raises `trio.TooSlowError` at once. `lease` is how long
    (seconds) executions stay this engine's after it was last heard of.
    """
    check_place()
    if isinstance(store, str):
        store = _inline_store(store)
    # Virtual time moves when all tasks are blocked. If no other deadline is left it moves to this
    # one, which is later than any workflow waits: only a deadlock gets there.
    with trio.fail_after(FOR_EVER):
        async with _open(
            store,
            actions=actions,
            workflows=workflows,
            max_concurrent_steps=max_concurrent_steps,
            recover=recover,
            secrets=secrets,
            observers=observers,
            allow=allow,
            wall_clock=trio.current_time,
            jitter=jitter,
            lease=lease,
            retention=retention,
            engine_type=_InlineEngine,
        ) as engine:
            yield engine


def _inline_store(url: str) -> Store:
    scheme, _, place = url.partition(":")
    if scheme == "memory":
        return MemoryStore(clock=trio.current_time)
    return SqliteStore(place, clock=trio.current_time, run_sync=run_inline)


def context(
    execution_id: str = "test",
    step: str = "step",
    *,
    attempt: int = 1,
    workflow: str = "test",
    idempotency_key: str | None = None,
    item_index: int | None = None,
    deadline: float | None = None,
) -> ActionContext:
    """Make an `ActionContext`, to call an action in a unit test as the function that it is."""
    return ActionContext(
        execution_id=execution_id,
        step=step,
        attempt=attempt,
        workflow=workflow,
        idempotency_key=idempotency_key or f"{execution_id}:{step}",
        item_index=item_index,
        deadline=deadline,
    )
