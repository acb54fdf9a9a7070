"""Deaths that are none of ours to simulate: a process that is gone, a disk that lost its power.

`play` simulates a crash (tier 1): fast, at every point, and in one process, so that something may
survive which would not. Here a real process ends with ``os._exit`` in the middle of a scenario
(tier 2), or what it left in its file is cut off as by a power loss (tier 3), and another engine, in
this process, opens that file. What it does is compared with what the rules say of the history
that it finds. Both need `os.fork`, and scripted actions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

import trioflow.testing
from harness._scenario import AfterWrite, BeforeWrite, Phase, Scenario
from harness.playing._actors import Actors
from harness.playing._compare import Mismatch, compare_after_deaths
from harness.playing._invariants import broken
from harness.playing._observing import file_store
from harness.playing._play import Player
from harness.playing._schedule import scheduled
from harness.playing._seen import Death, Observed, histories_of

# Seconds from a death to the next engine: no instant of a scenario is likely to be so odd.
_DOWN = 0.3017

Histories = Mapping[str, Sequence[Mapping[str, Any]]]


@attrs.frozen
class Left:
    """What a process has left that died at a write: its file, and what the harness knows of it.

    `scenario` has the acts that were still to be done, `at` is the instant of the death, `written`
    says in order which executions had grown to how many events.
    """

    file: Path
    scenario: Scenario
    at: float
    writes: int
    current: str
    written: tuple[tuple[str, int], ...]

    @classmethod
    def read(cls, folder: Path) -> Left | None:
        """Read what is in a folder; None if its process came to the end of the scenario."""
        note = folder / "left.json"
        if not note.exists():
            return None
        found = json.loads(note.read_text("utf-8"))
        return cls(
            folder / "x.db",
            Scenario.from_json(found["scenario"]),
            found["at"],
            found["writes"],
            found["current"],
            tuple((name, seq) for name, seq in found["written"]),
        )


def killed(
    scenario: Scenario, moments: Iterable[AfterWrite | BeforeWrite], folder: Path
) -> Iterator[tuple[AfterWrite | BeforeWrite, Left]]:
    """Play a scenario on files in real processes that die at these moments; yield what is left.

    A moment that the scenario does not come to is left out. `folder` is an empty one for the files.
    Raises `NotImplementedError` where processes cannot fork.
    """
    if not hasattr(os, "fork"):
        raise NotImplementedError(
            "no real process can die here, because this system has no os.fork; "
            "`harness.check_crashes` simulates the crashes instead"
        )
    wanted = tuple(moments)
    places = []
    for index, moment in enumerate(wanted):
        place = folder / str(index)
        place.mkdir()
        before = isinstance(moment, BeforeWrite)
        places.append({"folder": str(place), "write": moment.write, "before": before})
    done = subprocess.run(
        [sys.executable, "-m", "harness.playing._dying"],
        input=json.dumps({"scenario": Scenario.to_json(scenario), "places": places}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"a process that was to die has done something else:\n{done.stderr}")
    for index, moment in enumerate(wanted):
        left = Left.read(folder / str(index))
        if left is not None:
            yield moment, left


def check_kills(
    scenario: Scenario, moments: Iterable[AfterWrite | BeforeWrite], down: float = _DOWN
) -> int:
    """Let a real process die at these writes of a scenario; recover, and compare.

    Another engine comes `down` seconds (virtual ones) later. Returns how many of the moments there
    were. Raises `Mismatch`.
    """
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for moment, left in killed(scenario, moments, Path(folder)):
            _judge(scenario, recovered(left, down), f"its process died {_told(moment)}")
            count += 1
    return count


def check_power_loss(
    scenario: Scenario,
    write: int,
    every: int = 1,
    first: int = 0,
    torn: bool = False,
    down: float = _DOWN,
) -> int:
    """Let the power fail after a write of a scenario: cut the log of its file; recover, compare.

    A process dies after this write. What it had not yet moved from SQLite's log into the file
    itself is cut at each `every`-th of the `places_to_cut`, from the `first` on; if `torn`, the
    rest are zeros instead of missing. What is found has to be what was there after one of the
    writes, and what follows, what the rules say of it.

    Returns how many cuts there were. Raises `Mismatch`.
    """
    with tempfile.TemporaryDirectory() as folder:
        for _, left in killed(scenario, [AfterWrite(write)], Path(folder)):
            log = _log_of(left.file).read_bytes()
            places = list(places_to_cut(log))[first::every]
            for number, place in enumerate(places):
                cut = Path(folder, f"cut-{number}")
                cut.mkdir()
                file = Path(shutil.copy(left.file, cut / "x.db"))
                rest = bytes(len(log) - place) if torn else b""
                _log_of(file).write_bytes(log[:place] + rest)
                observed = recovered(attrs.evolve(left, file=file), down)
                what = f"the power failed at byte {place} of {len(log)} of the log"
                if not _is_prefix(left.written, observed.deaths[0].histories):
                    raise Mismatch(f"{scenario.id}: {what}, and what is left was never there")
                _judge(scenario, observed, what)
            return len(places)
    return 0


def places_to_cut(log: bytes) -> Iterator[int]:
    """Yield places in a write-ahead log: each border of two frames, beside it, and between."""
    # https://sqlite.org/fileformat2.html#the_write_ahead_log: a header of 32 bytes with the size of
    # a page at byte 8, then frames, each a header of 24 bytes and a page.
    yield from (0, 1, 31)
    size = 24 + int.from_bytes(log[8:12], "big")
    for border in range(32, len(log) + 1, size):
        yield from (each for each in (border - 1, border, border + 1) if each <= len(log))
        if border + size <= len(log):
            yield from (border + 24, border + size // 2)


def recovered(left: Left, down: float = _DOWN) -> Observed:
    """Open the file of a process that is gone, and play what is left of its scenario."""
    with scheduled(left.scenario.schedule_seed):
        return trioflow.testing.run(_recover, left, start=left.at + down)


async def _recover(left: Left) -> Observed:
    scenario = left.scenario
    async with file_store(left.file) as disk:
        histories = await histories_of(disk)
        for head in await disk.heads(status=("PENDING", "RUNNING", "PAUSED")):
            if head.owner is not None:
                # Its lease would run out, but a test does not wait.
                await disk.renew(head.owner, ttl=0)
        current = left.current if left.current in histories else "x"
        acts = list(scenario.actions)
        player = Player(
            scenario,
            disk,
            Actors(scenario),
            acts,
            scenario.workflow,
            writes=left.writes,
            current=current,
        )
        player.phases.append(Phase("DIED"))
        player.deaths.append(Death(1, trio.current_time(), histories, tuple(acts), left.at))
        return await player.play()


def _log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _is_prefix(written: Sequence[tuple[str, int]], found: Histories) -> bool:
    """Whether these histories are those that there were after one of the writes, or before all."""
    seen = {name: len(history) for name, history in found.items()}
    state: dict[str, int] = {}
    if seen == state:
        return True
    for name, seq in written:
        state[name] = seq
        if seen == state:
            return True
    return False


def _judge(scenario: Scenario, observed: Observed, what: str) -> None:
    try:
        compare_after_deaths(scenario, observed)
        found = list(broken(scenario, observed))
        if found:
            raise Mismatch("\n".join(found))
    except Mismatch as mismatch:
        raise Mismatch(f"{scenario.id}: {what}\n{mismatch}") from None


def _told(moment: AfterWrite | BeforeWrite) -> str:
    word = "before" if isinstance(moment, BeforeWrite) else "after"
    return f"{word} write {moment.write}"
