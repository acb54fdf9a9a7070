"""`log`: write a line to the log."""

from __future__ import annotations

from typing import Any

from trioflow.actions._action import action
from trioflow.actions._context import ActionContext


@action("log")
async def log(context: ActionContext, message: str, **fields: Any) -> None:
    """Log the message, and the other parameters behind it, as `ActionContext.log` does."""
    context.log(str(message), **fields)
