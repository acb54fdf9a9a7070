"""A process that plays a scenario on a file, and is gone in the middle: ``os._exit`` at a write.

``python -m harness.playing._dying`` reads from its standard input what to do, as JSON: a
`scenario`, and `places`, each with the `folder` for its file and the `write` at which to die,
`before` or after it. Starting a Python takes long, so it does so once, and forks for each place. It
has no thread when it does: nothing is lost in a fork but the copy itself. What a process leaves
beside its file, ``left.json``, is for the harness; the one that recovers does not see it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import attrs
import trio

import trioflow.testing
from harness._scenario import AfterWrite, BeforeWrite, Crash, Scenario
from harness.playing._actors import Actors
from harness.playing._observing import file_store
from harness.playing._play import Player
from harness.playing._schedule import scheduled

# How the process of a place ends.
DIED, ENDED, BROKE = 86, 0, 1


def main() -> int:
    """Do what standard input says; return 0, or 1 if a process came to another end than planned."""
    wanted = json.load(sys.stdin)
    scenario = Scenario.from_json(wanted["scenario"])
    for place in wanted["places"]:
        child = os.fork()
        if not child:
            _live_and_die(scenario, place)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) not in (DIED, ENDED):
            return BROKE
    return ENDED


def _live_and_die(scenario: Scenario, place: Mapping[str, Any]) -> NoReturn:
    """Play until the end of the process; nothing that its parent began may go on after it."""
    status = BROKE
    try:
        with scheduled(scenario.schedule_seed):
            trioflow.testing.run(_play, scenario, place)
        status = ENDED
    except BaseException:  # noqa: BLE001 - there is nobody above who could be told
        traceback.print_exc()
    finally:
        os._exit(status)


async def _play(scenario: Scenario, place: Mapping[str, Any]) -> None:
    folder, write = Path(place["folder"]), place["write"]
    death = Crash(BeforeWrite(write) if place["before"] else AfterWrite(write))

    def last_words(player: Player) -> NoReturn:
        rest: dict[str, Any] = {"actions": [act for act in player.acts if act != death]}
        left = {
            "scenario": attrs.evolve(scenario, **rest).to_json(),
            "at": trio.current_time(),
            "writes": player.store.writes,
            "current": player.current,
            "written": player.written,
        }
        (folder / "left.json").write_text(json.dumps(left), "utf-8")
        os._exit(DIED)

    async with file_store(folder / "x.db") as disk:
        actors, acts = Actors(scenario), [death, *scenario.actions]
        player = Player(scenario, disk, actors, acts, scenario.workflow, last_words=last_words)
        await player.play()


if __name__ == "__main__":
    sys.exit(main())
