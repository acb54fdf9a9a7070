"""`trioflow.run`: one execution in one call, for scripts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from trioflow.definitions._model import Workflow
from trioflow.engine._opening import open_engine
from trioflow.errors import InvalidRequest


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

    `options` are those of `open_engine`. Raises what `Engine.run` raises, and `InvalidRequest`
    where an event loop runs, which would stand still meanwhile: there use `open_engine` (trio) or
    `trioflow.aio` (asyncio), and in a notebook `trioflow.blocking`.
    """
    _check_no_loop()

    async def main() -> Any:
        options.setdefault("recover", False)
        async with open_engine(store, actions=actions, **options) as engine:
            return await engine.run(workflow, input, execution_id=execution_id)

    return trio.run(main)


def _check_no_loop() -> None:
    if trio.lowlevel.in_trio_run():
        raise InvalidRequest(
            "`trioflow.run` is for programs without an event loop, and trio runs here: write "
            "`async with trioflow.open_engine(...) as engine:` and `await engine.run(...)`"
        )
    # What has not been imported does not run, and its import takes its time.
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        raise InvalidRequest(
            "`trioflow.run` blocks, and an asyncio loop runs here, which would stand still: write "
            "`async with trioflow.aio.open_engine(...) as engine:` and `await engine.run(...)`, "
            "or in a notebook, which has nothing else to do, "
            "`with trioflow.blocking.open_engine(...) as engine:`"
        )
