"""Seeded schedules: trio's scheduler still can be seeded, and one seed gives one history."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

import harness
import trioflow.testing
from harness.playing import observe
from harness.playing._schedule import ScheduleChanged, scheduled, scheduler

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests/fixtures"


async def _note(order: list[int], number: int) -> None:
    for _ in range(3):
        order.append(number)
        await trio.lowlevel.checkpoint()


async def _shuffle() -> list[int]:
    order: list[int] = []
    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(_note, order, number)
    return order


def shuffled(seed: int) -> list[int]:
    with scheduled(seed):
        return trioflow.testing.run(_shuffle)


# ---- the canary ----


def test_trio_still_has_the_names_that_are_needed() -> None:
    assert isinstance(scheduler._r, random.Random)
    assert isinstance(scheduler._ALLOW_DETERMINISTIC_SCHEDULING, bool)


def test_a_seed_is_an_order_and_another_one_another() -> None:
    orders = [shuffled(seed) for seed in range(20)]

    assert orders == [shuffled(seed) for seed in range(20)]
    assert 15 < len({tuple(order) for order in orders})


def test_the_order_does_not_depend_on_addresses() -> None:
    """Children are cancelled in the order of a set, which is that of their addresses."""

    async def main() -> list[int]:
        order: list[int] = []

        async def cancelled(number: int) -> None:
            try:
                await trio.sleep_forever()
            finally:
                order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(9):
                nursery.start_soon(cancelled, number)
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        return order

    found = set()
    rubbish: list[Any] = []
    for size in range(1, 30):
        rubbish.append([object() for _ in range(size * 7)])
        with scheduled(3):
            found.add(tuple(trioflow.testing.run(main)))

    assert 1 == len(found)


def test_afterwards_everything_is_as_it_was() -> None:
    before = scheduler._r.getstate(), scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    with pytest.raises(ZeroDivisionError), scheduled(7):
        # Sorted before it is shuffled: what waits is often a set, in the order of addresses.
        assert scheduler._ALLOW_DETERMINISTIC_SCHEDULING is True
        scheduler._r.random()
        raise ZeroDivisionError

    assert before == (scheduler._r.getstate(), scheduler._ALLOW_DETERMINISTIC_SCHEDULING)


@pytest.mark.parametrize("name", ("_r", "_ALLOW_DETERMINISTIC_SCHEDULING"))
def test_another_trio_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(scheduler, name)

    with pytest.raises(ScheduleChanged, match="look for what shuffles the batch"), scheduled(0):
        pass


# ---- histories ----

# In these several things happen at each instant.
DOCUMENT = {
    "id": "w",
    "connections": [{"source": source, "target": "z"} for source in "abcdef"],
    "steps": [{"id": each, "action": "do", "retry": 2} for each in "abcdefz"],
}
STORY = harness.Scenario(DOCUMENT, steps={"c": [harness.Raises(), harness.Returns()]}, limit=4)


def told(observed: harness.Observed) -> list[tuple[str, float, Any]]:
    return [
        (type(event).__name__, event.at, getattr(event, "step", None)) for event in observed.history
    ]


def test_same_seed_same_history() -> None:
    histories = [observe(STORY, seed=seed).history for seed in range(12)]

    assert histories == [observe(STORY, seed=seed).history for seed in range(12)]
    assert 3 < len({str(history) for history in histories})


def test_the_seed_is_the_scenarios_own() -> None:
    own = harness.Scenario(DOCUMENT, steps=STORY.steps, limit=STORY.limit, schedule_seed=5)

    assert observe(STORY, seed=5).history == observe(own).history


@pytest.mark.parametrize("name", ("joins", "items", "nested", "undoing"))
def test_same_seed_same_history_of_fixtures(name: str) -> None:
    suite = harness.scenarios(FIXTURES / f"{name}.workflow.json", "smoke")

    for scenario in suite:
        assert observe(scenario) == observe(scenario), scenario.id


PROGRAM = """
import hashlib, logging, sys
logging.disable(logging.ERROR)
import harness
from harness.playing import observe
found = []
for name in ("joins", "items", "undoing"):
    for scenario in harness.scenarios(f"{sys.argv[1]}/{name}.workflow.json", "smoke"):
        found.append((scenario.id, scenario.schedule_seed, observe(scenario).history))
for event in found: print(event)
"""


@pytest.mark.slow
def test_hashes_do_not_matter() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(FIXTURES)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2024")
    ]

    assert 30 < len(outputs[0].splitlines())
    assert outputs[0] == outputs[1]
