"""An action that raises the `trio.Cancelled` of a scope that is over harms itself alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

import trioflow
from trioflow.engine._failures import stray_cancel
from trioflow.testing import open_engine


async def stray() -> trio.Cancelled:
    """Return the `Cancelled` of a scope that has ended."""
    kept: list[trio.Cancelled] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as error:
            kept.append(error)
            raise
    return kept[0]


def alone(error: trio.Cancelled) -> BaseException:
    return error


def grouped(error: trio.Cancelled) -> BaseException:
    return BaseExceptionGroup("all", [error, BaseExceptionGroup("inner", [error])])


def beside(error: trio.Cancelled) -> BaseException:
    return BaseExceptionGroup("all", [error, trioflow.StepError("no money", "bank.empty")])


CASES: list[tuple[Callable[[trio.Cancelled], BaseException], str, str]] = [
    (alone, "action.error", "it raised trio.Cancelled, though nothing has cancelled it"),
    (grouped, "action.error", "it raised trio.Cancelled, though nothing has cancelled it"),
    (beside, "bank.empty", "no money"),
]


@pytest.mark.parametrize(("made", "code", "message"), CASES, ids=lambda each: str(each)[:20])
@pytest.mark.parametrize("kind", ("async", "sync"))
async def test_it_is_a_failure(
    autojump_clock: Any,
    kind: str,
    made: Callable[[trio.Cancelled], BaseException],
    code: str,
    message: str,
) -> None:
    @trioflow.action("f")
    async def raises() -> None:
        raise made(await stray())

    error = await stray()

    @trioflow.action("f")
    def raises_in_a_thread() -> None:
        raise made(error)

    steps = [{"id": "a", "action": "f", "retry": {"max_attempts": 2, "initial_delay": 1}}]
    action = raises if kind == "async" else raises_in_a_thread
    async with open_engine(actions=action) as engine:
        execution = await engine.start({"id": "w", "steps": steps})
        with pytest.raises(trioflow.ExecutionFailed):
            await execution.result()

    (failure,) = execution.errors
    assert (code, 2) == (failure.code, execution.steps["a"].attempts)
    assert failure.message.startswith(message)


async def test_an_interrupt_beside_it_is_still_one(autojump_clock: Any) -> None:
    @trioflow.action("f")
    async def raises() -> None:
        raise BaseExceptionGroup("all", [await stray(), KeyboardInterrupt()])

    with pytest.raises(KeyboardInterrupt):
        async with open_engine(actions=raises) as engine:
            await engine.run({"id": "w", "steps": [{"id": "a", "action": "f"}]})


async def test_one_that_is_cancelled_meanwhile_is_cancelled(autojump_clock: Any) -> None:
    """Whose `Cancelled` it is cannot be told apart, and need not be."""

    @trioflow.action("f")
    async def raises() -> None:
        error = await stray()
        try:
            await trio.sleep_forever()
        finally:
            raise error

    async with open_engine(actions=raises) as engine:
        execution = await engine.start({"id": "w", "steps": [{"id": "a", "action": "f"}]})
        await trio.sleep(1)
        receipt = await execution.cancel()

    assert ("CANCELLED", ("a",)) == (receipt.status, receipt.stopped)


async def test_where_everything_is_cancelled_it_goes_on() -> None:
    error = await stray()
    with trio.CancelScope() as scope:
        assert isinstance(stray_cancel(error), RuntimeError)
        scope.cancel()
        assert stray_cancel(error) is None
        await trio.lowlevel.checkpoint()
