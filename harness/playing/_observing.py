"""One scenario, one run, one clock: what synchronous tests call."""

from __future__ import annotations

import gc
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

import trio

import trioflow.testing
from harness._scenario import Scenario
from harness.playing._play import play, play_on
from harness.playing._schedule import scheduled
from harness.playing._seen import Observed
from trioflow.stores import SqliteStore

Place = Literal["memory", "file"] | os.PathLike[str]


def observe(
    scenario: Scenario, *, actions: Any = (), store: Place = "memory", seed: int | None = None
) -> Observed:
    """Play a scenario on the engine, in a run and in virtual time of its own.

    actions
        functions and modules, as for `open_engine`: those of the scenario's actions that are called
        for real, wherever the script says that an attempt returns. Without them all are played.
    store
        ``memory``, or ``file``: a SQLite file in a temporary folder, or the path of one. A file is
        written by threads, as it is in earnest, and takes ten times as long.
    seed
        the seed of the order in which tasks run that could run at the same instant; by default the
        scenario's own `schedule_seed`. One seed, one history, as far as no thread is involved.

    Raises `Deadlock` if nothing can happen any more.
    """
    # What actions from elsewhere leave behind is not known, nor how much of it.
    garbage = nullcontext() if actions else garbage_for_later()
    with scheduled(scenario.schedule_seed if seed is None else seed), garbage:
        if store == "memory":
            return trioflow.testing.run(partial(play, actions=actions), scenario)
        if store != "file":
            return trioflow.testing.run(_on_file, Path(store), scenario, actions)
        with tempfile.TemporaryDirectory() as folder:
            return trioflow.testing.run(_on_file, Path(folder, "x.db"), scenario, actions)


# A scenario makes some ten thousand objects, nearly all of which are garbage at its end. Looked
# for every 700 objects, as usual, it takes a tenth of the time of a suite.
_OBJECTS = 20_000


@contextmanager
def garbage_for_later() -> Iterator[None]:
    """Let the collector look for garbage less often, while a scenario is played."""
    usual = gc.get_threshold()
    # 0 is never, and whoever has chosen that, or more than this, has chosen it.
    if 0 < usual[0] < _OBJECTS:
        gc.set_threshold(_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


async def _on_file(path: Path, scenario: Scenario, actions: Any) -> Observed:
    async with file_store(path) as disk:
        return await play_on(disk, scenario, actions=actions)


def file_store(path: Path, durability: str = "normal") -> SqliteStore:
    """Return a store in a file, written by threads that the virtual clock waits for.

    Nobody cuts the power of these tests, so the disk need not be waited for as well.
    """
    return SqliteStore(
        path, durability=durability, clock=trio.current_time, run_sync=trio.to_thread.run_sync
    )


def writes_of(scenario: Scenario) -> int:
    """Return how often the engine writes while it plays a scenario."""
    # Nobody asked for this run: what the engine has to say about it is of no interest.
    with silence():
        return observe(scenario).writes


@contextmanager
def silence() -> Iterator[None]:
    """Let the engine log nothing."""
    logger = logging.getLogger("trioflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
