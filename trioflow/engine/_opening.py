"""`open_engine`: what is open as long as an engine is, and what leaves when it is left."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from trioflow.actions._registry import Registry
from trioflow.actions._worker import LOADING
from trioflow.definitions._secrets import Secrets
from trioflow.engine._arguments import Observer, check_observers, check_seconds, check_secrets
from trioflow.engine._engine import DEFAULT_LIMIT, LEASE, Engine
from trioflow.engine._failures import cause_of
from trioflow.engine._retention import Retention, parse_retention
from trioflow.engine._workflows import Source, load_workflows
from trioflow.errors import InvalidRequest
from trioflow.stores import open_store
from trioflow.stores._protocol import Store


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
    retention: Retention = None,
) -> AsyncIterator[Engine]:
    """Open an engine on a store, and continue what is open in it.

    store
        a URL (``memory:``, ``sqlite:orders.db``) or a `Store` that is not open yet; it is
        closed when the block is left. A file belongs to one engine at a time (`StoreLocked`).
    actions
        functions and modules: what steps call by name. Those of `workflows` (values made in
        Python) need not be listed.
    workflows
        what steps of type ``workflow`` start: values, documents, files, and folders of
        ``*.workflow.json`` (or ``.yaml``) files; one of these, or several.
    max_concurrent_steps
        how many attempts run at once, over all executions.
    recover
        continue the executions that are due and all of whose actions are known; False claims
        only what is started or resumed by id.
    secrets
        a mapping or function for ``${secret.NAME}``; values reach the actions and nothing else.
    observers
        called as ``f(execution_id, event)`` after each commit, in order: plain functions, one or
        several.
    allow
        built-in actions that must be asked for, one or several: ``process.run``.
    retention
        delete executions, with their histories and children, that ended so long ago: seconds or
        text like ``"30d"``, for all, or by status: ``{"COMPLETED": "7d", "FAILED": "90d"}``. None,
        and what is not named, is kept for ever. An `execution_id` is free again after that.

    Leaving the block **interrupts** what runs: it goes on when an engine opens the store again.
    `Execution.cancel` is the business act. What the body raises leaves as itself. If the engine
    itself breaks, the body is cancelled and the one cause is raised.

    This is for trio: elsewhere it raises `InvalidRequest`, and `trioflow.aio` or
    `trioflow.blocking` is what to use. Raises `InvalidRequest` also for what cannot be meant by an
    argument, and `StoreError` for a store that cannot be opened.
    """
    async with _open(
        store,
        actions=actions,
        workflows=workflows,
        max_concurrent_steps=max_concurrent_steps,
        recover=recover,
        secrets=secrets,
        observers=observers,
        allow=allow,
        wall_clock=time.time,
        jitter=random.random,
        lease=LEASE,
        retention=retention,
        engine_type=Engine,
    ) as engine:
        yield engine


@asynccontextmanager
async def _open(
    store: str | Store,
    *,
    actions: Any,
    workflows: Iterable[Source] | Source,
    max_concurrent_steps: int,
    recover: bool,
    secrets: Secrets | None,
    observers: Iterable[Observer] | Observer,
    allow: Iterable[str] | str,
    wall_clock: Callable[[], float],
    jitter: Callable[[], float],
    lease: float,
    retention: Retention,
    engine_type: type[Engine],
) -> AsyncIterator[Engine]:
    check_place()
    # Not isinstance: True is no number of steps.
    if type(max_concurrent_steps) is not int or max_concurrent_steps < 1:
        raise InvalidRequest(
            f"max_concurrent_steps is a whole number from 1 on, not {max_concurrent_steps!r}"
        )
    check_seconds("lease", lease)
    ages = parse_retention(retention)
    found_secrets, found_observers = check_secrets(secrets), check_observers(observers)
    registry = Registry(actions, allow=allow)
    known = list(load_workflows(workflows))
    for workflow in known:
        registry.add(workflow.functions.values())
    body_error: BaseException | None = None
    async with open_store(store) if isinstance(store, str) else _checked(store) as opened:
        engine = engine_type(
            opened,
            registry,
            limit=max_concurrent_steps,
            secrets=found_secrets,
            observers=found_observers,
            epoch=wall_clock() - trio.current_time(),
            jitter=jitter,
            lease=lease,
            retention=ages,
        )
        for workflow in known:
            engine.know(workflow)
        await engine.count_open()
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.serve)
                try:
                    if recover:
                        await engine.recover()
                    yield engine
                except BaseException as error:  # noqa: BLE001
                    # Kept until everything has stopped, so that no nursery puts it into a group.
                    body_error = error
                finally:
                    engine.leave()
        except BaseExceptionGroup as group:
            cause = cause_of(group)
            if cause is None:
                raise
            raise cause from cause.__cause__
        finally:
            engine.let_go()
    if body_error is not None:
        raise body_error


def check_place() -> None:
    """Raise `InvalidRequest` where no engine can be opened."""
    if not trio.lowlevel.in_trio_task():
        raise InvalidRequest(
            "this engine lives on trio, and it is not trio that runs here: on asyncio use "
            "`async with trioflow.aio.open_engine(...)`, without an event loop "
            "`with trioflow.blocking.open_engine(...)`"
        )
    if LOADING in sys.modules:
        raise InvalidRequest(
            "an engine is opened while a worker process imports the module of its action: what a "
            'module does when it is started belongs under `if __name__ == "__main__":`'
        )


def _checked(store: Any) -> Store:
    if hasattr(type(store), "__aenter__"):
        checked: Store = store
        return checked
    advice = f"; write f'sqlite:{{path}}' for this file: {str(store)!r}"
    raise InvalidRequest(
        "a store is named by a text, like 'sqlite:orders.db', or is a `Store`, "
        f"not {type(store).__name__}{advice if isinstance(store, Path) else ''}"
    )
