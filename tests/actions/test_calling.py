"""Calls in the engine's task, and in threads."""

import asyncio
import threading

import pytest
import trio
import trio.testing

from trioflow.actions import action, action_of, call
from trioflow.errors import ExecutionFailed, StepError
from trioflow.testing import open_engine


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


# ---- what is asynchronous in another way than it says ----


async def _later():
    return 1


def _sync_that_is_not():
    return _later()


async def _async_that_forgets():
    return _later()


async def _asyncio_that_forgets():
    return _later()


ASYNC_TAKEN_AWRY = (
    (action("a")(_sync_that_is_not), "write `async def` instead of `def`"),
    (action("b")(_async_that_forgets), "it has to `await` that"),
    (action("c", loop="asyncio")(_asyncio_that_forgets), "it has to `await` that"),
)


@pytest.mark.parametrize(("function", "how"), ASYNC_TAKEN_AWRY, ids=("def", "async", "asyncio"))
async def test_a_coroutine_that_nobody_awaits(context, limiter, function, how):
    with pytest.raises(StepError) as caught:
        await call(action_of(function), {}, context, limiter=limiter)

    name = action_of(function).name
    assert f"action {name!r} returned a coroutine, which nobody awaits; {how}" in str(caught.value)
    assert caught.value.retryable is False


async def test_so_it_is_in_an_engine_for_tests(autojump_clock):
    document = {"id": "w", "steps": [{"id": "s", "action": "_sync_that_is_not"}]}

    def _sync_that_is_not():
        return _later()

    async with open_engine(actions=[_sync_that_is_not]) as engine:
        with pytest.raises(ExecutionFailed, match="write `async def` instead of `def`"):
            await engine.run(document)


async def _sleep_in_asyncio():
    await asyncio.sleep(1)


def _look_for_asyncio():
    asyncio.get_running_loop()


@pytest.mark.parametrize("function", (_sleep_in_asyncio, _look_for_asyncio))
async def test_asyncio_where_it_does_not_run(context, limiter, function):
    with pytest.raises(RuntimeError, match=r'with @action\(loop="asyncio"\)$') as caught:
        await call(action_of(function), {}, context, limiter=limiter)

    assert "no running event loop" == str(caught.value.__cause__)
    assert str(caught.value).startswith(f"no running event loop: action {function.__name__!r}")


@pytest.mark.parametrize("is_async", (True, False))
async def test_other_errors_are_raised_as_themselves(context, limiter, is_async):
    error = RuntimeError("no tea")

    async def brew():
        raise error

    def pour():
        raise error

    with pytest.raises(RuntimeError) as caught:
        await call(action_of(brew if is_async else pour), {}, context, limiter=limiter)

    assert error is caught.value
    assert caught.value.__cause__ is None


async def test_the_failure_that_is_recorded_says_so(autojump_clock):
    document = {"id": "w", "steps": [{"id": "s", "action": "_sleep_in_asyncio"}]}
    async with open_engine(actions=[_sleep_in_asyncio]) as engine:
        execution = await engine.start(document)
        with pytest.raises(ExecutionFailed):
            await execution.result()

    failure = execution.steps["s"].error
    assert failure.message.endswith('with @action(loop="asyncio")')
    assert ("RuntimeError", "action.error") == (failure.type, failure.code)


async def _call_in_a_scope(found, ready, context, limiter, *, task_status):
    with trio.CancelScope() as scope:
        task_status.started(scope)
        await call(found, {"ready": ready}, context, limiter=limiter)
