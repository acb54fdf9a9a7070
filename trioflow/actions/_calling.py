"""One call of one action, wherever it runs: cancel it like anything else in trio.

All kinds keep the same promises. Nothing of the call is left when `call` returns or raises. A
value that the action returns in spite of a cancellation is returned. What the action raises is
raised as itself, and `trio.Cancelled` passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import iscoroutine
from typing import Any, NoReturn

import trio

from trioflow.actions._action import Action
from trioflow.actions._context import ActionContext
from trioflow.errors import StepError


async def call(
    action: Action,
    parameters: Mapping[str, Any],
    context: ActionContext,
    *,
    limiter: trio.CapacityLimiter,
) -> Any:
    """Call the action with these parameters and return what it returns.

    `limiter` counts the threads; it should never bind, because the engine has given the attempt
    its slot already. How fast a cancelled call ends depends on its kind: an `async def` at its
    next checkpoint, a plain `def` when it returns or calls `ActionContext.check_cancelled`, a
    worker process at once, an asyncio task when it has ended.

    Raises `StepError` with code ``action.parameters`` if the parameters do not fit, and one for a
    coroutine that nobody has awaited.
    """
    arguments = action.bind(parameters, context)
    if action.kind == "async":
        try:
            return checked(action, await action.function(**arguments))
        except RuntimeError as error:
            _explain(action, error)
    if action.kind == "sync":
        return await trio.to_thread.run_sync(
            partial(perform, action, arguments), abandon_on_cancel=False, limiter=limiter
        )
    # The other two need modules that take their time to import.
    if action.kind == "asyncio":
        from trioflow.actions._asyncio_call import call_in_asyncio

        return checked(action, await call_in_asyncio(action, arguments, limiter=limiter))
    from trioflow.actions._process_call import call_in_process

    return await call_in_process(action, arguments)


def perform(action: Action, arguments: Mapping[str, Any]) -> Any:
    """Call a plain `def` action, here and now."""
    try:
        return checked(action, action.function(**arguments))
    except RuntimeError as error:
        _explain(action, error)


def checked(action: Action, result: Any) -> Any:
    """Return what an action returned, unless it is a coroutine: it has not done its work."""
    if not iscoroutine(result):
        return result
    result.close()  # or Python warns, of what is said here
    how = (
        "it has to `await` that"
        if action.kind in ("async", "asyncio")
        else "write `async def` instead of `def`, or call something that is not asynchronous"
    )
    raise StepError(
        f"action {action.name!r} returned a coroutine, which nobody awaits; {how}", retryable=False
    )


def _explain(action: Action, error: RuntimeError) -> NoReturn:
    """Raise the error; one of asyncio's, which knows nothing of trio, with what to do."""
    if error.args != ("no running event loop",):
        raise error
    raise RuntimeError(
        f"{error}: action {action.name!r} calls asyncio, which does not run here; "
        'write it as an `async def` with @action(loop="asyncio")'
    ) from error
