"""`trioflow.run`: one execution in one call, for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from trioflow.definitions._model import Workflow
from trioflow.engine._opening import open_engine


def run(
    workflow: Workflow | str | Path | Mapping[str, Any],
    input: Mapping[str, Any] | None = None,
    *,
    actions: Any = (),
    store: str = "memory:",
    execution_id: str | None = None,
    **options: Any,
) -> Any:
    """Execute a workflow to its end and return its output; blocks.

    `options` are those of `open_engine`. Not to be called where an event loop runs: there use
    `open_engine`, `trioflow.aio` or `trioflow.blocking`. Raises what `Engine.run` raises.
    """

    async def main() -> Any:
        options.setdefault("recover", False)
        async with open_engine(store, actions=actions, **options) as engine:
            return await engine.run(workflow, input, execution_id=execution_id)

    return trio.run(main)
