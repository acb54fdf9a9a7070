"""`set`: give a name to a value."""

from __future__ import annotations

from typing import Any

from trioflow.actions._action import action


@action("set")
async def set_values(**values: Any) -> dict[str, Any]:
    """Return the parameters as the output: for constants, and for values with a short name."""
    return values
