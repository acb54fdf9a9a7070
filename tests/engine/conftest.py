"""Actions and small helpers that the engine's tests share."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio

import trioflow


@attrs.define(eq=False)
class Calls:
    """Actions that note when they were called, with what, and how they ended."""

    log: list[tuple[float, str, str]] = attrs.field(factory=list)
    running: int = 0
    peak: int = 0

    def of(self, what: str) -> list[tuple[float, str]]:
        return [(at, step) for at, step, kind in self.log if kind == what]

    def note(self, context: trioflow.ActionContext, what: str) -> None:
        self.log.append((trio.current_time(), context.step, what))


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def actions(calls: Calls) -> list[Any]:
    @trioflow.action("work")
    async def work(context: trioflow.ActionContext, seconds: float = 1.0, value: Any = None) -> Any:
        """Take `seconds`, then return `value`."""
        calls.note(context, "start")
        calls.running += 1
        calls.peak = max(calls.peak, calls.running)
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            calls.note(context, "cancelled")
            raise
        finally:
            calls.running -= 1
        calls.note(context, "end")
        return value

    @trioflow.action("flaky")
    async def flaky(context: trioflow.ActionContext, fails: int = 1, code: str = "flaky") -> int:
        """Fail the first `fails` attempts."""
        calls.note(context, "start")
        await trio.lowlevel.checkpoint()
        if context.attempt <= fails:
            raise trioflow.StepError(f"attempt {context.attempt} failed", code)
        return context.attempt

    @trioflow.action("stubborn")
    async def stubborn(context: trioflow.ActionContext, seconds: float = 5.0) -> str:
        """Do not let itself be cancelled."""
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)
        return "done all the same"

    return [work, flaky, stubborn]


def chain(*ids: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "chain",
        "steps": [{"id": one, "action": "work", "parameters": {"value": one}} for one in ids],
        **fields,
    }


def parallel(count: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": "parallel",
        "connections": [],
        "steps": [{"id": f"s{number}", "action": "work"} for number in range(count)],
        **fields,
    }
