"""What is asked of an execution just as its driver writes, reads, parks or leaves is not lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
import trio

import trioflow
from trioflow import events
from trioflow.engine import Requester
from trioflow.stores import MAX_EVENT_BYTES, Head, MemoryStore
from trioflow.testing import open_engine

Document = dict[str, Any]


@attrs.define(eq=False)
class Slow(MemoryStore):
    """It takes a second for what somebody chooses: commits of some events, looks at some heads."""

    commits: Callable[[str, Sequence[events.Event]], bool] = attrs.field(
        default=lambda name, events_: False, kw_only=True
    )
    heads_of: str = attrs.field(default="", kw_only=True)
    narrow: Callable[[str, events.Event], bool] = attrs.field(
        default=lambda name, event: False, kw_only=True
    )

    async def commit(
        self, head: Head, events_: Sequence[events.Event], *, owned: bool = True
    ) -> None:
        if any(self.narrow(head.id, event) for event in events_):
            raise trioflow.TooLarge(head.id, MAX_EVENT_BYTES + 1, MAX_EVENT_BYTES)
        if owned and self.commits(head.id, events_):
            await trio.sleep(1)
        await super().commit(head, events_, owned=owned)

    async def head(self, execution_id: str) -> Head | None:
        found = await super().head(execution_id)
        if execution_id == self.heads_of:
            await trio.sleep(1)
        return found


class Work:
    """Actions, and how many of their attempts run, and ran at most."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.begun: list[str] = []

    async def _busy(self, name: str, seconds: float) -> None:
        self.begun.append(name)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await trio.sleep(seconds)
        finally:
            self.running -= 1

    def actions(self) -> list[Any]:
        @trioflow.action("quick")
        async def quick() -> None:
            """End at once."""

        @trioflow.action("nap")
        async def nap(context: trioflow.ActionContext, seconds: float = 1000) -> None:
            await self._busy(context.step, seconds)

        @trioflow.action("tidy")
        async def tidy(context: trioflow.ActionContext, seconds: float = 1) -> None:
            try:
                await self._busy(context.step, 1000)
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(seconds)

        @trioflow.action("deaf")
        async def deaf(context: trioflow.ActionContext, seconds: float = 5) -> None:
            with trio.CancelScope(shield=True):
                await self._busy(context.step, seconds)

        return [quick, nap, tidy, deaf]


@pytest.fixture
def work() -> Work:
    return Work()


def chain(*actions: str) -> Document:
    return {"id": "w", "steps": [{"id": each, "action": each} for each in actions]}


def beside(**steps: Document) -> Document:
    return {
        "id": "w",
        "steps": [{"id": name, "depends_on": [], **each} for name, each in steps.items()],
    }


# ---- while it writes ----


async def test_an_interrupt_during_a_commit_stops_what_the_commit_begins(
    autojump_clock: Any, work: Work
) -> None:
    async with Slow(clock=trio.current_time, commits=lambda name, events_: True) as store:
        async with open_engine(store, actions=work.actions()) as engine:
            await engine.start(chain("quick", "nap"))
            await trio.sleep(0.5)
        assert trio.current_time() < 10
    assert 0 == work.running


async def test_another_request_just_before_what_is_cancelled_has_stopped(
    autojump_clock: Any, work: Work
) -> None:
    """The commit of the end meets it, and the driver reads anew what has to stop."""
    async with (
        MemoryStore(clock=trio.current_time) as store,
        open_engine(store, actions=work.actions()) as engine,
    ):
        execution = await engine.start(chain("tidy"), execution_id="x")
        await trio.sleep(1)
        await execution.request_cancel("first")
        await trio.sleep(0.5)
        # As if from elsewhere, and not noticed before the end.
        engine._drivers["x"].look = lambda: None  # type: ignore[method-assign]
        await Requester(store, "x", clock=trio.current_time).cancel("second")
        with pytest.raises(trioflow.ExecutionCancelled, match="first"):
            await execution.result()


@pytest.mark.parametrize("late", (0.5, 1.5), ids=("before", "while leaving"))
async def test_such_a_request_while_the_engine_is_left(
    autojump_clock: Any, work: Work, late: float
) -> None:
    async with MemoryStore(clock=trio.current_time) as store:
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                await trio.sleep(1 + late)
                await Requester(store, "x", clock=trio.current_time).cancel("second")

            nursery.start_soon(ask)
            async with open_engine(store, actions=work.actions()) as engine:
                execution = await engine.start(
                    beside(tidy={"action": "tidy", "parameters": {"seconds": 2}}),
                    execution_id="x",
                )
                await trio.sleep(1)
                await execution.request_cancel("first")
                await trio.sleep(0.25)
        async with open_engine(store, actions=work.actions()) as engine:
            await trio.sleep(1)
            assert "CANCELLED" == (await engine.execution("x")).status


# ---- slots ----


def _nap_for(seconds: float) -> Document:
    return {"id": "y", "steps": [{"id": "a", "action": "nap", "parameters": {"seconds": seconds}}]}


async def test_a_slot_that_comes_while_a_history_is_read_anew_is_given_once(
    autojump_clock: Any, work: Work
) -> None:
    async with (
        Slow(clock=trio.current_time) as store,
        open_engine(store, actions=work.actions(), max_concurrent_steps=2) as engine,
    ):
        for seconds in (10.5, 12):
            await engine.start(_nap_for(seconds))
        # It waits for a slot, and gets it while its driver looks at what somebody has asked.
        document = {"id": "w", "steps": [*_nap_for(5)["steps"], {"id": "go", "type": "wait"}]}
        execution = await engine.start(document, execution_id="x")
        await trio.sleep(10)
        await Requester(store, "x", clock=trio.current_time).signal("go", 1)
        store.heads_of = "x"
        await trio.sleep(100)
        store.heads_of = ""
        assert "COMPLETED" == execution.status
        assert (0, 2) == (engine.statistics().slots_used, work.most)


@pytest.mark.parametrize("given", (False, True), ids=("meanwhile", "by it"))
async def test_a_slot_that_comes_while_a_commit_meets_a_request_is_given_once(
    autojump_clock: Any, work: Work, given: bool
) -> None:
    """The slot comes while the commit is on its way, or the commit is what begins with it."""

    def slow(name: str, events_: Sequence[events.Event]) -> bool:
        kind, step = (events.AttemptStarted, "a") if given else (events.StepCompleted, "z")
        return name == "x" and any(
            isinstance(event, kind) and getattr(event, "step", "") == step for event in events_
        )

    async with (
        Slow(clock=trio.current_time, commits=slow) as store,
        open_engine(store, actions=work.actions(), max_concurrent_steps=2) as engine,
    ):
        for seconds in (9.5 if given else 10.5, 20):
            await engine.start(_nap_for(seconds))
        document = beside(
            a={"action": "nap", "parameters": {"seconds": 5}},
            z={"type": "sleep", "duration": 10},
            go={"type": "wait"},
        )
        execution = await engine.start(document, execution_id="x")
        await engine.start(_nap_for(20))
        await trio.sleep(9.7 if given else 10.2)
        await Requester(store, "x", clock=trio.current_time).signal("go", 1)
        await trio.sleep(200)
        assert "COMPLETED" == execution.status
        assert (0, 2) == (engine.statistics().slots_used, work.most)


# ---- what cannot go on ----

CHILD: Document = {"id": "small", "steps": [{"id": "a", "action": "quick"}]}


def _parent(**steps: Document) -> Document:
    child = {"type": "workflow", "workflow": "small"}
    return {**beside(one=child, **steps), "id": "parent"}


def _end_of_child(name: str, event: events.Event) -> bool:
    return name == "p:one" and isinstance(event, events.StepCompleted)


async def test_what_cannot_go_on_begins_nothing_more(autojump_clock: Any, work: Work) -> None:
    """It is stopped where it is, though an attempt that cannot be stopped ends well."""
    document = _parent(x={"action": "deaf"}, y={"action": "deaf", "depends_on": ["x"]})
    async with (
        Slow(clock=trio.current_time, narrow=_end_of_child) as store,
        open_engine(store, actions=work.actions(), workflows=CHILD) as engine,
    ):
        execution = await engine.start(document, execution_id="p")
        with pytest.raises(trioflow.TooLarge):
            await execution.result()

        assert (["x"], 5) == (work.begun, trio.current_time())
        assert ("COMPLETED", 0) == (execution.steps["x"].status, engine.statistics().slots_used)


async def test_what_cannot_go_on_takes_no_slot(autojump_clock: Any, work: Work) -> None:
    document = _parent(x={"action": "deaf"}, y={"action": "deaf", "depends_on": ["x"]})
    async with (
        Slow(clock=trio.current_time, narrow=_end_of_child) as store,
        open_engine(
            store, actions=work.actions(), workflows=CHILD, max_concurrent_steps=2
        ) as engine,
    ):
        execution = await engine.start(document, execution_id="p")
        for _ in range(4):
            await engine.start({"id": "o", "steps": [{"id": "o", "action": "deaf"}]})
        with pytest.raises(trioflow.TooLarge):
            await execution.result()
        await trio.sleep(100)

        assert (0, 0) == (engine.statistics().slots_used, work.running)
        assert "y" not in work.begun


async def test_a_time_that_is_over_while_what_cannot_go_on_winds_up(
    autojump_clock: Any, work: Work
) -> None:
    document = {**_parent(x={"action": "deaf"}), "timeout": 3}
    async with (
        Slow(clock=trio.current_time, narrow=_end_of_child) as store,
        open_engine(store, actions=work.actions(), workflows=CHILD) as engine,
    ):
        execution = await engine.start(document, execution_id="p")
        with pytest.raises(trioflow.TooLarge):
            await execution.result()

    assert 5 == trio.current_time()


async def test_a_cancel_while_what_cannot_go_on_winds_up(autojump_clock: Any, work: Work) -> None:
    document = _parent(x={"action": "tidy", "parameters": {"seconds": 5}})
    async with (
        Slow(clock=trio.current_time, narrow=_end_of_child) as store,
        open_engine(store, actions=work.actions(), workflows=CHILD) as engine,
    ):
        execution = await engine.start(document, execution_id="p")
        await trio.sleep(3)

        assert "CANCELLED" == (await execution.cancel("enough")).status
        assert {"CANCELLED"} == {head.status for head in await store.heads()}


async def test_a_parent_goes_on_when_its_child_was_ended_by_its_own_id(
    autojump_clock: Any, work: Work
) -> None:
    async with (
        Slow(clock=trio.current_time, narrow=_end_of_child) as store,
        open_engine(store, actions=work.actions(), workflows=CHILD) as engine,
    ):
        execution = await engine.start(_parent(), execution_id="p")
        with pytest.raises(trioflow.TooLarge):
            await execution.result()
        child = await engine.execution("p:one")
        await child.cancel("too large")
        await trio.sleep(1)

        assert ("FAILED", ["workflow.cancelled"]) == (
            execution.status,
            [error.code for error in execution.errors],
        )


async def test_what_was_lost_while_something_was_to_stop(autojump_clock: Any, work: Work) -> None:
    """An attempt that was to stop stops, though nobody knows any more what for."""
    document = beside(a={"action": "deaf"}, b={"action": "tidy", "parameters": {"seconds": 9}})

    def narrow(name: str, event: events.Event) -> bool:
        return isinstance(event, events.StepCompleted)

    async with (
        Slow(clock=trio.current_time, narrow=narrow) as store,
        open_engine(store, actions=work.actions()) as engine,
    ):
        execution = await engine.start(document, execution_id="x")
        await trio.sleep(1)
        with pytest.raises(trioflow.TooLarge):
            await execution.cancel()
        await trio.sleep(20)

        assert (0, 0) == (work.running, engine.statistics().slots_used)


@pytest.mark.parametrize("merged", (False, True))
async def test_what_could_be_asked_and_then_not_be_recorded_is_refused(
    autojump_clock: Any, merged: bool
) -> None:
    """A trigger hands on the whole input, and a wait step its payload."""
    large = "x" * (MAX_EVENT_BYTES // 2 + 10_000 if merged else MAX_EVENT_BYTES - 100)
    steps = [
        {"id": "need", "type": "wait", "signal": "go"},
        {"id": "hand", "type": "trigger", "condition": "${input.b} != ''"},
    ]
    async with open_engine() as engine:
        given = {"a": large} if merged else {}
        execution = await engine.start({"id": "w", "steps": steps}, given)
        with pytest.raises(trioflow.InvalidRequest, match="more than the 1032192 that fit"):
            if merged:
                await execution.resume({"b": large})
            else:
                await execution.signal("go", large)
        assert "CANCELLED" == (await execution.cancel()).status


async def test_a_decided_output_that_is_too_large_is_refused(
    autojump_clock: Any, work: Work
) -> None:
    @trioflow.action("fails")
    async def fails() -> None:
        raise ValueError("no")

    step = {"id": "a", "action": "fails", "retry": {"max_attempts": 1, "on_exhausted": "pause"}}
    async with open_engine(actions=fails) as engine:
        execution = await engine.start({"id": "w", "steps": [step]})
        await execution.wait_paused()
        with pytest.raises(trioflow.InvalidRequest, match="the output decided for step 'a' has"):
            await execution.resume(decisions={"a": {"completed": "x" * (MAX_EVENT_BYTES - 100)}})


def _end_of(*steps: str) -> Callable[[str, events.Event], bool]:
    return lambda name, event: isinstance(event, events.StepCompleted) and event.step in steps


def _nap(seconds: float) -> Document:
    return {"action": "nap", "parameters": {"seconds": seconds}}


async def test_the_others_of_what_cannot_go_on_are_stopped(autojump_clock: Any, work: Work) -> None:
    async with (
        Slow(clock=trio.current_time, narrow=_end_of("a")) as store,
        open_engine(store, actions=work.actions()) as engine,
    ):
        execution = await engine.start(beside(a=_nap(2), b=_nap(500)), execution_id="x")
        with pytest.raises(trioflow.TooLarge):
            await execution.result()

        assert (2, 0) == (trio.current_time(), work.running)
        assert ["b"] == [
            event.step
            for event in await execution.history()
            if isinstance(event, events.AttemptInterrupted)
        ]


@pytest.mark.parametrize("seconds", (1.5, 5), ids=("has stopped", "stops"))
async def test_what_is_to_stop_while_something_cannot_be_recorded(
    autojump_clock: Any, work: Work, seconds: float
) -> None:
    """Its end is told before, or after, the one that is refused was written."""

    def slow(name: str, events_: Sequence[events.Event]) -> bool:
        return any(_end_of("a")(name, event) for event in events_)

    @attrs.define(eq=False)
    class Late(Slow):
        async def commit(
            self, head: Head, events_: Sequence[events.Event], *, owned: bool = True
        ) -> None:
            if slow(head.id, events_):
                await trio.sleep(1)
            await super().commit(head, events_, owned=owned)

    document = beside(
        a={"action": "deaf", "parameters": {"seconds": 2}},
        b={"action": "tidy", "parameters": {"seconds": seconds}},
    )
    async with (
        Late(clock=trio.current_time, narrow=_end_of("a")) as store,
        open_engine(store, actions=work.actions()) as engine,
    ):
        execution = await engine.start(document, execution_id="x")
        await trio.sleep(1)
        with pytest.raises(trioflow.TooLarge):
            await execution.cancel()

        assert 1 + max(2, seconds) == trio.current_time()


async def test_only_what_is_too_large_is_lost(autojump_clock: Any, work: Work) -> None:
    """The others that ended at the same moment have ended."""
    async with (
        Slow(clock=trio.current_time, narrow=_end_of("b")) as store,
        open_engine(store, actions=work.actions()) as engine,
    ):
        steps = {name: _nap(2) for name in "abc"}
        execution = await engine.start(beside(**steps), execution_id="x")
        with pytest.raises(trioflow.TooLarge):
            await execution.result()

        assert {"a": "COMPLETED", "b": "RUNNING", "c": "COMPLETED"} == {
            name: step.status for name, step in execution.steps.items()
        }


async def test_a_slot_goes_on_to_another_attempt_of_the_same_execution(
    autojump_clock: Any, work: Work
) -> None:
    """When the commit that begins with the first one meets somebody else's request."""

    def slow(name: str, events_: Sequence[events.Event]) -> bool:
        return any(isinstance(event, events.AttemptStarted) for event in events_)

    document = beside(
        z={"type": "sleep", "duration": 5},
        a={**_nap(3), "depends_on": ["z"]},
        b={**_nap(3), "depends_on": ["z"]},
        go={"type": "wait"},
    )
    async with (
        Slow(clock=trio.current_time, commits=slow) as store,
        open_engine(store, actions=work.actions(), max_concurrent_steps=1) as engine,
    ):
        execution = await engine.start(document, execution_id="x")
        await trio.sleep(5.5)
        await Requester(store, "x", clock=trio.current_time).signal("go")
        await trio.sleep(100)

        assert ("COMPLETED", 0) == (execution.status, engine.statistics().slots_used)


async def test_who_leaves_while_it_waits_for_a_slot_gets_none(
    autojump_clock: Any, work: Work
) -> None:
    def slow(name: str, events_: Sequence[events.Event]) -> bool:
        return any(isinstance(event, events.SignalReceived) for event in events_)

    async with (
        Slow(clock=trio.current_time, commits=slow) as store,
        open_engine(store, actions=work.actions(), max_concurrent_steps=1) as engine,
        trio.open_nursery() as nursery,
    ):
        other = await engine.start(beside(a=_nap(10)))

        async def signal() -> None:
            await trio.sleep(1)
            await (await engine.execution("x")).signal("go")

        nursery.start_soon(signal)
        with trio.move_on_after(1.5):
            await engine.run(beside(a=_nap(10), go={"type": "wait"}), execution_id="x")
        await other.result()
        await trio.sleep(1)

        assert 0 == engine.statistics().slots_used


async def test_what_was_paused_elsewhere_while_it_waited_for_a_slot_gets_none(
    autojump_clock: Any, work: Work
) -> None:
    async with (
        MemoryStore(clock=trio.current_time) as store,
        open_engine(store, actions=work.actions(), max_concurrent_steps=1) as engine,
    ):
        other = await engine.start(beside(a=_nap(10)))
        execution = await engine.start(beside(a=_nap(10)), execution_id="x")
        await trio.sleep(1)
        await Requester(store, "x", clock=trio.current_time).pause()
        await trio.sleep(1)
        assert "CANCELLED" == (await execution.cancel()).status
        await other.result()
        await trio.sleep(1)

        assert 0 == engine.statistics().slots_used


async def test_a_child_that_cannot_go_on_is_cancelled_while_its_parent_winds_up(
    autojump_clock: Any, work: Work
) -> None:
    """Then the parent goes on when it has."""
    document = _parent(x={"action": "tidy", "parameters": {"seconds": 10}})
    async with (
        Slow(clock=trio.current_time, narrow=_end_of_child) as store,
        open_engine(store, actions=work.actions(), workflows=CHILD) as engine,
    ):
        execution = await engine.start(document, execution_id="p")
        await trio.sleep(5)
        await (await engine.execution("p:one")).cancel()
        await trio.sleep(50)

        assert "FAILED" == execution.status


async def test_no_child_begins_while_its_parent_is_interrupted(
    autojump_clock: Any, work: Work
) -> None:
    child = {"id": "small", "steps": [{"id": "a", "action": "nap"}]}
    steps = {
        "first": {"action": "deaf"},
        "one": {"type": "workflow", "workflow": "small", "depends_on": ["first"]},
    }
    async with (
        MemoryStore(clock=trio.current_time) as store,
        open_engine(store, actions=work.actions(), workflows=child) as engine,
    ):
        with trio.move_on_after(1):
            await engine.run(beside(**steps), execution_id="x")
        assert (["first"], None) == (work.begun, await store.head("x:one"))
        execution = await engine.start(beside(**steps), execution_id="x")
        await trio.sleep(1)
        assert ["first", "a"] == work.begun
        await execution.cancel()


async def test_a_resume_that_brings_nothing_is_not_too_large(autojump_clock: Any) -> None:
    """However much there is."""
    document = {"id": "w", "steps": [{"id": "go", "type": "wait"}]}
    async with open_engine() as engine:
        execution = await engine.start(document, {"k": "x" * (MAX_EVENT_BYTES - 10_000)})
        await execution.pause()
        await execution.resume()
        await execution.signal("go", 1)

        assert {"go": 1} == await execution.result()
