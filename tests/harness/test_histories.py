"""What is read of a store while a scenario is played: each event once, and never less than is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import attrs
import trio

from harness.playing._seen import Histories, every_history
from trioflow import events
from trioflow.stores import Head, MemoryStore


@attrs.define(eq=False)
class Counting(MemoryStore):
    """A store that counts what is asked of it."""

    asked: Counter[str] = attrs.field(factory=Counter, init=False)

    async def heads(self, **wanted: Any) -> list[Head]:
        self.asked["heads"] += 1
        return await super().heads(**wanted)

    async def read(self, execution_id: str, after: int = 0) -> list[events.Event]:
        found = await super().read(execution_id, after)
        self.asked["events"] += len(found)
        return found


async def _write(disk: MemoryStore, written: list[Any], name: str, seq: int) -> None:
    event = events.ExecutionPaused(seq, float(seq))
    await disk.commit(Head(name, "w", "PAUSED", seq), [event])
    written.append((name, seq))


async def test_what_has_not_grown_is_not_read_again(autojump_clock: Any) -> None:
    disk, written = Counting(clock=trio.current_time), list[Any]()
    histories = Histories(disk, written)

    async def lengths(ids: Collection[str]) -> list[int]:
        found = await every_history(histories)
        assert set(ids) == found.keys()
        return [len(found[each]) for each in ids]

    assert [] == await lengths("")
    await _write(disk, written, "x", 1)
    await _write(disk, written, "y", 1)
    assert [1, 1] == await lengths("xy")
    assert [1, 1] == await lengths("xy")
    assert {"heads": 2, "events": 2} == disk.asked
    await _write(disk, written, "x", 2)
    assert [2, 1] == await lengths("xy")
    assert {"heads": 3, "events": 3} == disk.asked
    assert ["y"] == [head.id for head in await histories.heads(limit=1)]
    assert ["x"] == [head.id for head in await histories.heads(limit=1, before="y")]
