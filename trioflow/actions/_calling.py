"""One call of one action, wherever it runs: cancel it like anything else in trio.

All kinds keep the same promises. Nothing of the call is left when `call` returns or raises. A
value that the action returns in spite of a cancellation is returned. What the action raises is
raised as itself, and `trio.Cancelled` passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import trio

from trioflow.actions._action import Action
from trioflow.actions._context import ActionContext


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

    Raises `StepError` with code ``action.parameters`` if the parameters do not fit.
    """
    arguments = action.bind(parameters, context)
    if action.kind == "async":
        return await action.function(**arguments)
    if action.kind == "sync":
        return await trio.to_thread.run_sync(
            partial(action.function, **arguments), abandon_on_cancel=False, limiter=limiter
        )
    # The other two need modules that take their time to import.
    if action.kind == "asyncio":
        from trioflow.actions._asyncio_call import call_in_asyncio

        return await call_in_asyncio(action, arguments, limiter=limiter)
    from trioflow.actions._process_call import call_in_process

    return await call_in_process(action, arguments)
