"""Continuing what others have left: side by side, once each, and beside what the program does."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

import pytest
import trio
import trio.testing

import trioflow
from trioflow.stores import Head, MemoryStore
from trioflow.testing import open_engine

from .conftest import Calls, chain

WAITS = {
    "id": "w",
    "steps": [{"id": "a", "action": "work"}, {"id": "b", "type": "wait", "signal": "s"}],
}


class TrickyStore(MemoryStore):
    """A store in which something happens just before an engine looks, or writes."""

    __slots__ = ("disk_fails", "gone", "interrupts", "pages_later", "taken_by")

    def __init__(self) -> None:
        super().__init__(clock=trio.current_time)
        self.disk_fails = ""
        self.interrupts = False
        self.gone: set[str] = set()
        self.pages_later = 0.0
        self.taken_by = ""

    async def heads(self, **options: Any) -> list[Head]:
        if options.get("before") is not None:
            await trio.sleep(self.pages_later)
        return await super().heads(**options)

    async def read(self, execution_id: str, after: int = 0) -> list[Any]:
        self._fail("read")
        return [] if execution_id in self.gone else await super().read(execution_id, after)

    def _fail(self, what: str) -> None:
        if self.disk_fails == what:
            raise trioflow.StoreError("the disk is broken")

    async def commit(self, head: Head, events: Sequence[Any], *, owned: bool = True) -> None:
        self._fail("commit")
        if self.interrupts:
            self.interrupts = False
            _interrupt()
            await trio.testing.wait_all_tasks_blocked()
        if self.taken_by and owned and head.owner is not None:
            taken_by, self.taken_by = self.taken_by, ""
            await self.renew(head.owner, ttl=0)
            await self.claim(taken_by, ttl=1000, ids=[head.id])
        await super().commit(head, events, owned=owned)


# Protected: so it finds the main task, whoever runs just now.
@trio.lowlevel.enable_ki_protection
def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


async def _leave(store: MemoryStore, actions: list[Any], count: int, document: Any = None) -> None:
    """Leave so many open executions in the store."""
    async with open_engine(store, actions=actions) as engine:
        for number in range(count):
            await engine.start(document or chain("a"), execution_id=f"x{number}")


def test_an_interrupt_from_the_keyboard_leaves_as_itself(actions: list[Any]) -> None:
    """However many executions are just being continued."""

    async def main() -> None:
        store = TrickyStore()
        await _leave(store, actions, 2)
        store.interrupts = True
        async with open_engine(store, actions=actions):
            pytest.fail("it was interrupted before")

    with pytest.raises(KeyboardInterrupt):
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("what", ("read", "commit"))
async def test_a_broken_disk_is_told_once(
    autojump_clock: Any, actions: list[Any], what: str
) -> None:
    store = TrickyStore()
    await _leave(store, actions, 3)
    store.disk_fails = what
    with pytest.raises(trioflow.StoreError, match="the disk is broken"):
        async with open_engine(store, actions=actions):
            pytest.fail("nothing could be continued")


async def test_more_than_a_page_is_continued(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    store = TrickyStore()
    await _leave(store, actions, 250)
    calls.log.clear()
    async with open_engine(store, actions=actions, recover=False) as engine:
        recovered = await engine.recover()
        for execution in recovered:
            await execution.result()

    assert [f"x{number}" for number in reversed(range(250))] == [one.id for one in recovered]
    assert 250 == len(calls.of("end"))


async def test_the_last_of_a_page_is_deleted_before_the_next_is_read(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    store = TrickyStore()
    await _leave(store, actions, 150)
    store.pages_later = 1000.0
    async with open_engine(store, actions=actions, recover=False, retention=10) as engine:
        recovered = await engine.recover()
        for execution in recovered:
            await execution.result()

    assert 150 == len({execution.id for execution in recovered}) == len(recovered)


async def test_what_is_deleted_just_now_is_passed_over(
    autojump_clock: Any, actions: list[Any]
) -> None:
    store = TrickyStore()
    await _leave(store, actions, 2)
    store.gone.add("x0")
    async with open_engine(store, actions=actions, recover=False) as engine:
        assert ["x1"] == [execution.id for execution in await engine.recover()]


async def test_what_another_engine_takes_meanwhile_is_passed_over(
    autojump_clock: Any, actions: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Between the claim and the first commit."""
    store = TrickyStore()
    await _leave(store, actions, 1)
    store.taken_by = "another"
    async with open_engine(store, actions=actions, recover=False) as engine:
        assert [] == await engine.recover()

    head = await store.head("x0")
    assert head is not None
    assert "another" == head.owner
    assert "it is stopped here" in caplog.text


async def test_a_handle_that_somebody_holds_is_the_one_that_is_continued(
    autojump_clock: Any, actions: list[Any]
) -> None:
    store = TrickyStore()
    await _leave(store, actions, 2)
    async with open_engine(store, actions=actions, recover=False) as engine:
        held = await engine.execution("x0")
        recovered = await engine.recover()

        assert held is recovered[1]
        assert held is await engine.execution("x0")
        assert {"a": "a"} == await held.result()


async def test_what_the_program_continues_itself_is_left_to_it(
    autojump_clock: Any, actions: list[Any], calls: Calls
) -> None:
    """And cancelling its `run` interrupts it, as ever."""
    store = TrickyStore()
    await _leave(store, actions, 1)
    calls.log.clear()
    async with open_engine(store, actions=actions, recover=False) as engine:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(engine.recover)
            with trio.move_on_after(0.5):
                await engine.run(chain("a"), execution_id="x0")

            assert 0 == calls.running
        assert 1 == len(calls.of("cancelled"))


async def test_a_handle_catches_up_when_its_engine_continues_it(
    autojump_clock: Any, actions: list[Any]
) -> None:
    """What another engine has recorded counts at once, though there is nothing left to record."""
    store = TrickyStore()
    async with open_engine(store, actions=actions, recover=False) as first:
        async with open_engine(store, actions=actions, recover=False) as second:
            execution = await second.start(WAITS, execution_id="x")
            held = await first.execution("x")
            await execution.wait_paused()
        again = await first.start(WAITS, execution_id="x")
        with trio.fail_after(10):
            await again.wait_paused()

    assert held is again
    assert "PAUSED" == held.status


async def test_what_another_engine_takes_while_it_is_woken_is_left_to_it(
    autojump_clock: Any, actions: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """And breaks nothing: the others go on."""
    document = {"id": "w", "steps": [{"id": "nap", "type": "sleep", "duration": 1000}]}
    store = TrickyStore()
    async with open_engine(store, actions=actions, recover=False) as engine:
        await engine.start(document, execution_id="x")
        await trio.sleep(500)
        store.taken_by = "another"
        await trio.sleep(510)

        assert {"a": "a"} == await engine.run(chain("a"))

    assert "execution x" in caplog.text
    assert "it is stopped here" in caplog.text
