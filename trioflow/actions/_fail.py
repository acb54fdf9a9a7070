"""`fail`: end in failure, on purpose."""

from __future__ import annotations

from typing import NoReturn

from trioflow.actions._action import action
from trioflow.errors import StepError


@action("fail")
async def fail(
    message: str = "the workflow says so", code: str = "fail", retryable: bool | None = False
) -> NoReturn:
    """Raise a `StepError` with this message and code; it is not repeated, unless it shall be."""
    raise StepError(str(message), str(code), retryable)
