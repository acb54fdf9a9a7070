"""Every example dies at every one of its writes, and ends as if it had not.

The actions are the real ones, on real files; only the programs of the release are not started, for
they take seconds each. What `kill -9` does to real processes is in `test_kill.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import trioflow
from tests.engine.crashing import Crash, CrashingStore
from trioflow.stores import MemoryStore
from trioflow.testing import open_engine


@trioflow.action("process.run")
async def process_run(argv: list[str], **options: Any) -> dict[str, Any]:
    """Do what is needed of the programs of the release: leave the files that they would."""
    await trio.sleep(1)
    return {"exit_code": 0, "stdout": "", "stderr": ""}


def play(
    example: str,
    folder: Path,
    examples: Path,
    actions: ModuleType,
    crash_at: int | None,
) -> tuple[dict[str, Any], int] | None:
    """Return how it ended and how often it wrote; None if it does not write so often."""
    document = examples / example / f"{example}.workflow.json"
    given = json.loads((examples / example / "input.json").read_text())
    if "output" in given:
        given["output"] = str(folder / "out")
    if "folder" in given:
        given["folder"] = str(examples / example / given["folder"])

    async def main() -> tuple[dict[str, Any], int] | None:
        disk = MemoryStore(clock=trio.current_time)
        workflow = trioflow.load_workflow(document)
        if crash_at is not None:
            store = CrashingStore(disk, crash_at, before=False)
            try:
                async with open_engine(store, actions=[actions, process_run]) as engine:
                    await engine.run(workflow, given, execution_id="demo")
            except Crash:
                for owner in list(disk._alive_until):
                    await disk.renew(owner, ttl=0)
            else:
                return None
        commits = 0

        def count(execution_id: str, event: Any) -> None:
            nonlocal commits
            commits += 1

        async with open_engine(disk, actions=[actions, process_run], observers=[count]) as engine:
            execution = await engine.start(workflow, given, execution_id="demo")
            output = await execution.result()
            ended = {
                "status": execution.status,
                "steps": {name: step.status for name, step in execution.steps.items()},
                "output": json.loads(json.dumps(output).replace(str(folder), "FOLDER")),
            }
            return ended, commits

    return trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("example", ("order", "logs"))
def test_ends_as_if_nothing_had_happened(
    example: str,
    tmp_path: Path,
    examples: Path,
    actions_of: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def play_in(name: str, crash_at: int | None) -> tuple[dict[str, Any], int] | None:
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.setenv("SHOP_DB", str(folder / "shop.db"))
        monkeypatch.setenv("EXAMPLE_CALLS", str(folder / "calls"))
        return play(example, folder, examples, actions_of(example), crash_at)

    expected = play_in("whole", None)
    assert expected is not None
    writes = 0
    while (found := play_in(str(writes), writes + 1)) is not None:
        writes += 1

        assert expected[0] == found[0], writes

    assert writes > 5
