"""Virtual time: it waits for threads, jumps when nothing else can happen, and tells a deadlock."""

from __future__ import annotations

import gc
import itertools
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
import trio

import harness
import trioflow
import trioflow.testing
from harness import AfterWrite, AtTime, Call, Cancel, Crash, Interrupt, Raises, Returns, Scenario
from harness.playing import Deadlock, compare, observe
from harness.playing._observing import garbage_for_later
from trioflow._virtual_time import FOR_EVER
from trioflow.stores import SqliteStore

ROOT = Path(__file__).parents[2]
FIXTURES = tuple(sorted((ROOT / "tests/fixtures").glob("*.workflow.json")))

TWO = {"id": "w", "steps": [{"id": "a", "action": "do"}, {"id": "b", "action": "do"}]}


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def meet(barrier: threading.Barrier) -> None:
    barrier.wait(10)


# ---- the clock ----


def test_it_jumps_to_the_next_deadline() -> None:
    async def main() -> list[float]:
        instants = []
        for seconds in (0.5, 7 * 86_400.0, 1e-9):
            await trio.sleep(seconds)
            instants.append(trio.current_time())
        return instants

    assert [0.5, 604_800.5, 604_800.5 + 1e-9] == trioflow.testing.run(main)


def test_it_begins_where_it_is_told() -> None:
    async def main() -> float:
        await trio.sleep(1)
        return trio.current_time()

    assert 43 == trioflow.testing.run(main, start=42)


def test_it_returns_and_raises_what_the_function_does() -> None:
    async def main(number: int) -> int:
        if number > 1:
            raise ValueError(number)
        return number

    assert 1 == trioflow.testing.run(main, 1)
    with pytest.raises(ValueError, match="2"):
        trioflow.testing.run(main, 2)


def test_it_waits_for_a_thread() -> None:
    """Two threads meet, of which the second one is started by another task, a moment later."""
    barrier = threading.Barrier(2)

    async def late(instants: list[float]) -> None:
        for _ in range(50):
            await trio.lowlevel.checkpoint()
        await trio.to_thread.run_sync(meet, barrier)
        instants.append(trio.current_time())

    async def main() -> list[float]:
        instants: list[float] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 3600)
            nursery.start_soon(late, instants)
            await trio.to_thread.run_sync(meet, barrier)
            instants.append(trio.current_time())
        return [*instants, trio.current_time()]

    assert [0, 0, 3600] == trioflow.testing.run(main)


def test_it_stands_still_while_it_is_held() -> None:
    """A thread that trio does not count, and that ends when another hold has ended already."""

    async def main() -> tuple[float, float]:
        token, done = trio.lowlevel.current_trio_token(), trio.Event()
        with trioflow.testing.hold():
            with trioflow.testing.hold():
                pass
            threading.Timer(0.01, lambda: token.run_sync_soon(done.set)).start()
            with trio.move_on_after(60):
                await done.wait()
        during = trio.current_time()
        await trio.sleep(5)
        return during, trio.current_time()

    assert (0, 5) == trioflow.testing.run(main)


async def test_hold_does_nothing_under_another_clock(autojump_clock: Any) -> None:
    with trioflow.testing.hold():
        await trio.sleep(3)

    assert 3 == trio.current_time()


def test_settled_is_when_everything_else_of_an_instant_has_happened() -> None:
    """Also what threads do, and tasks that wait for one another for a while."""

    async def works(steps: list[str]) -> None:
        await trio.sleep(2)
        await trio.to_thread.run_sync(threading.Event().is_set)
        for _ in range(9):
            await trio.lowlevel.checkpoint()
        steps.append(f"worked at {trio.current_time():g}")

    async def waits(steps: list[str]) -> None:
        await trio.sleep(2)
        await trioflow.testing.settled()
        steps.append(f"settled at {trio.current_time():g}")

    async def main() -> list[str]:
        steps: list[str] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits, steps)
            nursery.start_soon(waits, steps)
            nursery.start_soon(works, steps)
        return steps

    assert ["worked at 2", "settled at 2", "settled at 2"] == trioflow.testing.run(main)


# ---- deadlocks ----


async def _waits_for_ever(event: trio.Event) -> None:
    await event.wait()


async def _in_a_nursery() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_waits_for_ever, trio.Event())


async def _behind_a_shield() -> None:
    with trio.CancelScope(shield=True):
        await _in_a_nursery()


@pytest.mark.parametrize("main", (_in_a_nursery, _behind_a_shield))
def test_a_deadlock_is_told_with_every_task_and_its_line(main: Any) -> None:
    with pytest.raises(Deadlock) as raised:
        trioflow.testing.run(main)

    assert "_waits_for_ever: harness/test_virtual_time.py:" in raised.value.tree
    assert "in _waits_for_ever: await event.wait()" in raised.value.tree
    assert "none for an instant" in str(raised.value)
    # And time goes on for others.
    assert None is trioflow.testing.run(trio.sleep, 1)


def test_a_deadline_that_nobody_lives_to_see_is_no_hope() -> None:
    async def main() -> None:
        with trio.fail_after(FOR_EVER):
            await _in_a_nursery()

    with pytest.raises(Deadlock):
        trioflow.testing.run(main)


def test_an_action_in_a_deadlock() -> None:
    @trioflow.action("do")
    async def stuck(context: trioflow.ActionContext) -> None:
        if context.step == "b":
            await trio.Event().wait()

    with pytest.raises(Deadlock, match=r"in stuck: await trio.Event\(\).wait\(\)"):
        observe(Scenario(TWO), actions=[stuck])


def test_waiting_for_somebody_is_none() -> None:
    scenario = Scenario({"id": "w", "steps": [{"id": "a", "type": "wait"}]})

    assert "PAUSED" == observe(scenario).phases[-1].status


# ---- scenarios ----


@pytest.mark.parametrize("at", (0.0, 1.0, 2.0))
def test_an_act_at_any_instant(at: float) -> None:
    """Also at the first one, at which there is no execution yet, and at the last."""
    observed = observe(Scenario(TWO, actions=[Cancel(AtTime(at))]))

    status = "CANCELLED" if at < 2 else "COMPLETED"
    assert status == observed.phases[-1].status
    assert (at,) == tuple(instant for _, instant in observed.done)


FIRST = AtTime(0.0)


@pytest.mark.parametrize("store", ("memory", "file"))
@pytest.mark.parametrize(
    "act",
    (Call("pause", FIRST), Cancel(FIRST), Crash(FIRST, 0.25), Interrupt(FIRST, 0.25)),
    ids=lambda act: type(act).__name__,
)
def test_an_act_at_the_first_instant_comes_after_what_starts_then(act: Any, store: Any) -> None:
    """Under every order in which tasks may run then."""
    script = {"b": Returns(after=1.25)}
    scenario = Scenario({**TWO, "connections": []}, steps=script, actions=[act])
    expected, facts = harness.expect(scenario.workflow, scenario)

    assert () == facts.ambiguous
    for seed in range(10 if store == "memory" else 1):
        compare(scenario, expected, observe(scenario, store=store, seed=seed))


def test_an_act_at_the_instant_at_which_another_engine_comes() -> None:
    script = {"b": Returns(after=1.25)}
    acts = [Interrupt(AtTime(0.5), 0.25), Cancel(AtTime(0.75))]
    scenario = Scenario({**TWO, "connections": []}, steps=script, actions=acts)
    expected, facts = harness.expect(scenario.workflow, scenario)

    assert () == facts.ambiguous
    for seed in range(10):
        compare(scenario, expected, observe(scenario, seed=seed))


def test_an_act_at_the_first_instant_of_what_is_refused() -> None:
    scenario = Scenario(TWO, lacks=["do"], actions=[Cancel(AtTime(0.0))])

    assert ["UnknownAction"] == [phase.status for phase in observe(scenario).phases]


@pytest.mark.parametrize("store", ("memory", "file"))
def test_a_scenario_on_any_store(store: Any) -> None:
    scenario = Scenario(
        {
            "id": "w",
            "connections": [],
            "steps": [
                {"id": "a", "action": "do", "timeout": 5, "compensate": "undo"},
                {"id": "b", "action": "do", "timeout": 5, "retry": 2},
            ],
        },
        steps={"b": [Returns(after=9), Raises(after=1.5)]},
        actions=[Crash(AfterWrite(4), 0.5)],
    )
    observed = observe(scenario, store=store)

    harness.playing.compare_after_deaths(scenario, observed)
    assert ["DIED", "FAILED"] == [phase.status for phase in observed.phases]


def test_a_file_is_where_it_is_told_to_be(tmp_path: Path) -> None:
    observed = observe(Scenario(TWO), store=tmp_path / "x.db")

    async def read() -> list[Any]:
        async with SqliteStore(tmp_path / "x.db") as store:
            return await store.read("x")

    assert list(observed.history) == trio.run(read)


@pytest.mark.slow
@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name.split(".")[0])
def test_the_suites_on_files(path: Path) -> None:
    """Every fifth scenario, committed by threads: nothing is different."""
    for scenario in itertools.islice(harness.scenarios(path), 0, None, 5):
        expected, facts = harness.expect(scenario.workflow, scenario)
        observed = observe(scenario, store="file")

        harness.playing.compare_after_deaths(scenario, observed)
        if not (facts.ambiguous or scenario.carrier):
            compare(scenario, expected, observed)


@pytest.mark.parametrize("usual", ((700, 10, 10), (0, 10, 10), (50_000, 5, 5)))
def test_the_collector_of_garbage_is_left_as_it_was(usual: tuple[int, int, int]) -> None:
    before = gc.get_threshold()
    gc.set_threshold(*usual)
    try:
        with garbage_for_later():
            meanwhile = gc.get_threshold()
        after = gc.get_threshold()
    finally:
        gc.set_threshold(*before)

    assert usual == after
    assert ((20_000, 10, 10) if usual[0] == 700 else usual) == meanwhile
