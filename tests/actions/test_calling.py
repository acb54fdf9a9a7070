"""Calls in the engine's task, and in threads."""

import threading

import pytest
import trio
import trio.testing

from trioflow.actions import action, action_of, call
from trioflow.errors import StepError


async def test_async(context, limiter):
    @action
    async def double(x, context):
        await trio.lowlevel.checkpoint()
        return 2 * x, context.attempt, threading.current_thread()

    result = await call(action_of(double), {"x": 21}, context, limiter=limiter)

    assert (42, 2, threading.current_thread()) == result


async def test_parameters_that_do_not_fit(context, limiter):
    async def double(x): ...

    with pytest.raises(StepError, match="takes no parameter 'y'"):
        await call(action_of(double), {"y": 21}, context, limiter=limiter)


async def test_async_is_cancelled_at_its_next_checkpoint(context, limiter):
    async def wait():
        await trio.sleep_forever()

    with trio.CancelScope() as scope:
        scope.cancel()
        await call(action_of(wait), {}, context, limiter=limiter)

    assert scope.cancelled_caught


async def test_sync_runs_in_a_thread_with_the_limiter_of_the_engine(context, limiter):
    def look():
        return threading.current_thread(), trio.from_thread.run_sync(
            lambda: limiter.borrowed_tokens
        )

    thread, borrowed = await call(action_of(look), {}, context, limiter=limiter)

    assert threading.current_thread() is not thread
    assert 1 == borrowed
    assert 0 == limiter.borrowed_tokens


async def test_what_a_thread_raises_is_raised(context, limiter):
    def fall():
        raise KeyError("tea")

    with pytest.raises(KeyError, match="tea"):
        await call(action_of(fall), {}, context, limiter=limiter)


async def test_a_cancelled_thread_may_still_return(context, limiter):
    def work():
        trio.from_thread.run_sync(scope.cancel)
        return "done"

    with trio.CancelScope() as scope:
        result = await call(action_of(work), {}, context, limiter=limiter)

    assert "done" == result


async def test_a_cancelled_thread_may_leave_early(context, limiter):
    cleaned = []

    def work(context, ready):
        context.check_cancelled()
        trio.from_thread.run_sync(ready.set)
        cancelled.wait()
        try:
            context.check_cancelled()
        finally:
            cleaned.append(True)

    ready, cancelled = trio.Event(), threading.Event()
    async with trio.open_nursery() as nursery:
        scope = await nursery.start(_call_in_a_scope, action_of(work), ready, context, limiter)
        await ready.wait()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        cancelled.set()

    assert scope.cancelled_caught
    assert [True] == cleaned


async def test_no_thread_starts_for_what_is_cancelled_already(context, limiter):
    called = []

    def work():
        called.append(True)

    with trio.CancelScope() as scope:
        scope.cancel()
        await call(action_of(work), {}, context, limiter=limiter)

    assert [] == called


async def _call_in_a_scope(found, ready, context, limiter, *, task_status):
    with trio.CancelScope() as scope:
        task_status.started(scope)
        await call(found, {"ready": ready}, context, limiter=limiter)
