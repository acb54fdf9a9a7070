"""What actions raise, as failures; and what becomes of requests at awkward moments."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import trioflow
from trioflow.engine._failures import MAX_IN_ALL, failure_of, redact
from trioflow.kernel._codec import encode_json
from trioflow.kernel._events import Failure
from trioflow.stores import MAX_EVENT_BYTES, MemoryStore
from trioflow.testing import open_engine

from .conftest import chain


class Refused(Exception):
    code = "card.refused"
    retryable = False


def test_an_exception_may_carry_its_own_code() -> None:
    failure = failure_of(Refused("no money"))

    assert ("card.refused", "no money", False) == (
        failure.code,
        failure.message,
        failure.retryable,
    )
    assert "test_failures" not in str(failure)
    assert "Refused" == failure.type


def test_what_says_nothing_is_called_by_its_type() -> None:
    assert ("action.error", "KeyError") == (
        failure_of(KeyError()).code,
        failure_of(KeyError()).message,
    )


def test_the_cause_is_kept() -> None:
    error = ValueError("outer")
    error.__cause__ = Refused("inner")

    assert ["card.refused"] == [cause.code for cause in failure_of(error).causes]


def test_long_messages_are_cut() -> None:
    assert failure_of(ValueError("x" * 10_000)).message.endswith("x...")
    assert 2_000 == len(failure_of(ValueError("x" * 10_000)).message)


def test_a_group_with_one_leaf_counts_as_that_leaf() -> None:
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [Refused("no")])])

    assert failure_of(Refused("no")) == failure_of(group)


def test_of_several_leaves_the_common_code_counts() -> None:
    same = ExceptionGroup("both", [Refused("a"), Refused("b")])
    mixed = ExceptionGroup("both", [ValueError("a"), Refused("b")])

    assert ("card.refused", False) == (failure_of(same).code, failure_of(same).retryable)
    assert ("action.error", False) == (failure_of(mixed).code, failure_of(mixed).retryable)
    assert ["a", "b"] == [cause.message for cause in failure_of(mixed).causes]
    assert failure_of(ExceptionGroup("both", [ValueError(), KeyError()])).retryable is None


def test_secrets_are_taken_out_of_the_whole_tree() -> None:
    error = ValueError("Bearer hunter2")
    error.__cause__ = ValueError("hunter2")
    found = redact(failure_of(error), {"hunter2": "API", "": "EMPTY"})

    assert "Bearer ${secret.API}" == found.message
    assert "${secret.API}" == found.causes[0].message


async def test_a_cleanup_that_raises_in_a_timeout_is_the_timeout_with_that_cause(
    autojump_clock: Any,
) -> None:
    @trioflow.action("messy")
    async def messy() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("cleanup failed")

    document = {"id": "w", "steps": [{"id": "a", "action": "messy", "timeout": 2}]}
    async with open_engine(actions=[messy]) as engine:
        with pytest.raises(trioflow.ExecutionFailed) as raised:
            await engine.run(document)

    (failure,) = raised.value.errors
    assert "timeout.attempt" == failure.code
    assert ["cleanup failed"] == [cause.message for cause in failure.causes]


class SlowStore(MemoryStore):
    """A store that takes a second for each commit."""

    async def commit(self, *args: Any, **kwargs: Any) -> None:
        await trio.sleep(1)
        await super().commit(*args, **kwargs)


async def test_a_request_cancelled_while_it_is_being_recorded_stands(
    autojump_clock: Any, actions: list[Any]
) -> None:
    document = {"id": "w", "steps": [{"id": "go", "type": "wait"}, {"id": "a", "action": "work"}]}
    store = SlowStore(clock=trio.current_time)
    async with open_engine(store, actions=actions) as engine:
        with trio.move_on_after(0.5) as scope:
            execution = await engine.start(document, execution_id="x")
        assert not scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(execution.signal, "go", 1)
            await trio.sleep(0.1)
            # One that the driver has not looked at yet can still be taken back.
            with trio.move_on_after(0.5) as scope:
                await execution.pause()
            assert scope.cancelled_caught
        assert {"a": None} == await execution.result()


class BreakingStore(MemoryStore):
    """A store that fails as soon as it is to end a sleep."""

    reads = 0

    async def read(self, *args: Any) -> Any:
        self.reads += 1
        assert self.reads < 100, "somebody tries again and again"
        return await super().read(*args)

    async def commit(self, head: Any, events: Any, **kwargs: Any) -> None:
        if any(event.type == "StepCompleted" for event in events):
            raise OSError("disk full")
        await super().commit(head, events, **kwargs)


async def test_an_engine_that_breaks_refuses_while_it_waits_for_an_attempt(
    autojump_clock: Any,
) -> None:
    """It does not try again and again: nothing begins in it any more."""

    @trioflow.action("stubborn")
    async def stubborn() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    waiting = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
    running = {"id": "r", "steps": [{"id": "a", "action": "stubborn"}]}
    breaking = {"id": "b", "steps": [{"id": "s", "type": "sleep", "duration": 2}]}
    refused = []

    async def ask(execution: trioflow.Execution) -> None:
        await trio.sleep(5)
        with trio.fail_after(1), pytest.raises(trioflow.InvalidRequest, match="being left"):
            await execution.pause()
        refused.append(trio.current_time())

    with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="disk full")):
        async with trio.open_nursery() as nursery:
            store = BreakingStore(clock=trio.current_time)
            async with open_engine(store, actions=[stubborn]) as engine:
                nursery.start_soon(ask, await engine.start(waiting))
                await engine.start(running)
                await engine.start(breaking)
                await trio.sleep_forever()

    assert [5] == refused


async def test_an_input_that_is_too_large_is_refused_and_nothing_is_stored(
    autojump_clock: Any, actions: list[Any]
) -> None:
    document = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
    async with open_engine(actions=actions) as engine:
        with pytest.raises(trioflow.TooLarge):
            await engine.start(document, {"x": "y" * (2 << 20)}, execution_id="x")
        assert [] == await engine.executions()
        execution = await engine.start(document, execution_id="x")
        with pytest.raises(trioflow.InvalidRequest, match="the payload of signal 'go' has 2097154"):
            await execution.signal("go", "y" * (2 << 20))
        await execution.signal("go", 1)
        assert {"go": 1} == await execution.result()


async def test_two_engines_that_start_the_same_id_share_one_execution(
    autojump_clock: Any, actions: list[Any]
) -> None:
    store = SlowStore(clock=trio.current_time)
    outputs = []

    async def run(engine: trioflow.Engine) -> None:
        outputs.append(await (await engine.start(chain("a"), execution_id="x")).result())

    async with (
        open_engine(store, actions=actions) as first,
        open_engine(store, actions=actions) as second,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(run, first)
        nursery.start_soon(run, second)

    assert [{"a": "a"}] * 2 == outputs


async def test_waiting_for_a_pause_that_does_not_come(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions) as engine:
        execution = await engine.start(chain("a"))
        with pytest.raises(trioflow.InvalidRequest, match="will not pause"):
            await execution.wait_paused()


async def test_an_execution_can_be_deleted_and_is_gone(
    autojump_clock: Any, actions: list[Any]
) -> None:
    async with open_engine(actions=actions) as engine:
        await engine.run(chain("a"), execution_id="x")
        await engine.store.delete("x")
        with pytest.raises(trioflow.ExecutionNotFound):
            await (await engine.execution("x")).refresh()


class Mute(Exception):
    """An exception that cannot say what it is."""

    @property
    def code(self) -> str:
        raise RuntimeError("no code")

    def __str__(self) -> str:
        raise RuntimeError("no text")


async def test_an_exception_that_cannot_say_what_it_is(autojump_clock: Any) -> None:
    @trioflow.action("do")
    async def do() -> None:
        raise Mute

    async with open_engine(actions=do) as engine:
        execution = await engine.start({"id": "w", "steps": [{"id": "a", "action": "do"}]})
        with pytest.raises(trioflow.ExecutionFailed, match=r"Mute \(action.error\)"):
            await execution.result()


def _tree_of(failure: Failure) -> list[Failure]:
    return [failure, *(each for cause in failure.causes for each in _tree_of(cause))]


def _endless() -> Exception:
    error = ValueError("\x01" * 9_000)
    for _ in range(5_000):
        error, below = ValueError("\x01" * 9_000), error
        error.__cause__ = below
    return error


def _broad() -> Exception:
    group = ExceptionGroup("\x01" * 9_000, [ValueError("\x01" * 9_000) for _ in range(40)])
    for _ in range(4):
        outer = [ValueError(str(number)) for number in range(40)]
        for error in outer:
            error.__cause__ = group
        group = ExceptionGroup("\x01" * 9_000, outer)
    return group


@pytest.mark.parametrize("make", (_endless, _broad))
def test_a_tree_of_errors_fits_into_a_record(make: Any) -> None:
    failure = failure_of(make())
    found = _tree_of(failure)

    assert 20 <= len(found) <= 1 + MAX_IN_ALL
    assert len(encode_json(failure.to_json())) < MAX_EVENT_BYTES
