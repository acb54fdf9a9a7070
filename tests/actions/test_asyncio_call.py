"""Asyncio actions have a loop of their own, and trio's cancellation reaches their task."""

import asyncio
import contextvars
import threading

import anyio
import anyio.lowlevel
import pytest
import sniffio
import trio

from trioflow.actions import action, action_of, call
from trioflow.actions._asyncio_call import _AsyncioRun
from trioflow.errors import StepError

SHOP = contextvars.ContextVar("SHOP", default="none")


def asyncio_action(function):
    return action_of(action("it", loop="asyncio")(function))


async def test_it_runs_on_a_thread_in_a_loop_of_its_own(context, limiter):
    async def work(x, context):
        await asyncio.sleep(0)
        return x, context.step, threading.current_thread(), limiter.borrowed_tokens, SHOP.get()

    SHOP.set("tea")
    result = await call(asyncio_action(work), {"x": 1}, context, limiter=limiter)

    assert (1, "pay") == result[:2]
    assert threading.current_thread() is not result[2]
    assert (1, "tea") == result[3:]
    assert 0 == limiter.borrowed_tokens


async def test_what_it_raises_is_raised(context, limiter):
    async def fall():
        raise KeyError("tea")

    with pytest.raises(KeyError, match="tea"):
        await call(asyncio_action(fall), {}, context, limiter=limiter)


async def test_a_cancel_is_waited_for(context, limiter):
    seen = []

    async def work(started):
        started()
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append("cancelled")
            raise

    scope = await _cancelled_call(work, context, limiter)

    assert scope.cancelled_caught
    assert ["cancelled"] == seen
    assert 0 == limiter.borrowed_tokens


async def test_a_value_in_spite_of_a_cancel_is_returned(context, limiter):
    async def work(started):
        started()
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return "nevertheless"

    results = []
    scope = await _cancelled_call(work, context, limiter, results)

    assert ["nevertheless"] == results
    assert not scope.cancelled_caught


async def test_an_exception_in_spite_of_a_cancel_is_raised(context, limiter):
    async def work(started):
        started()
        try:
            await asyncio.sleep(100)
        finally:
            raise KeyError("tea")

    with pytest.RaisesGroup(KeyError):
        await _cancelled_call(work, context, limiter)


async def test_nothing_starts_for_what_is_cancelled_already(context, limiter):
    called = []

    async def work():
        called.append(True)

    with trio.CancelScope() as scope:
        scope.cancel()
        await call(asyncio_action(work), {}, context, limiter=limiter)

    assert scope.cancelled_caught
    assert [] == called


def test_a_cancel_before_the_loop_runs_is_kept():
    called = []

    async def work():
        called.append(True)

    run = _AsyncioRun(asyncio_action(work), {})
    run.cancel()

    with pytest.raises(asyncio.CancelledError):
        run()
    assert [] == called


def test_a_cancel_after_the_end_is_ignored():
    async def work():
        return 1

    run = _AsyncioRun(asyncio_action(work), {})
    result = run()
    run.cancel()

    assert 1 == result


async def test_a_task_that_cancels_itself_is_a_failure(context, limiter):
    async def work():
        raise asyncio.CancelledError

    with pytest.raises(StepError, match="was cancelled, and not by the engine"):
        await call(asyncio_action(work), {}, context, limiter=limiter)


async def test_tasks_that_it_leaves_behind_are_cancelled(context, limiter):
    left = []

    async def linger():
        try:
            await asyncio.sleep(100)
        finally:
            left.append("cancelled")

    async def work():
        left.append(asyncio.create_task(linger()))
        await asyncio.sleep(0)

    await call(asyncio_action(work), {}, context, limiter=limiter)

    assert "cancelled" == left[1]


def test_other_libraries_see_asyncio_although_anyio_runs_the_engine(context):
    """As in the portal of anyio, in which blocking programs have their engine."""

    async def work():
        await anyio.lowlevel.checkpoint()
        return sniffio.current_async_library()

    async def main():
        limiter = trio.CapacityLimiter(1)
        return await call(asyncio_action(work), {}, context, limiter=limiter)

    assert "asyncio" == anyio.run(main, backend="trio")


async def test_check_cancelled_does_nothing(context, limiter):
    async def work(context):
        context.check_cancelled()
        return "still here"

    assert "still here" == await call(asyncio_action(work), {}, context, limiter=limiter)


async def _cancelled_call(work, context, limiter, results=None):
    """Call it, cancel it as soon as it calls `started`, and return the scope."""
    started = trio.Event()
    token = trio.lowlevel.current_trio_token()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def cancel():
                await started.wait()
                scope.cancel()

            nursery.start_soon(cancel)
            parameters = {"started": lambda: token.run_sync_soon(started.set)}
            result = await call(asyncio_action(work), parameters, context, limiter=limiter)
            results.append(result)
    return scope
