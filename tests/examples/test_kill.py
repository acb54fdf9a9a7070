"""`kill -9` in the middle of each example, then the same command once more.

What a store has recorded as completed is never done again. A step that was under way when the
process died may be done twice: that is what idempotency keys are for, and each example shows that
twice is once.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Make = Callable[[str], Any]

STEPS = {
    "order": {"reserve", "charge", "ship", "notify"},
    "logs": {"list", "read_0", "read_1", "read_2", "read_3", "total", "chart", "data", "report"},
    "release": {
        "snapshot",
        "lint",
        "types",
        "tests",
        "sdist",
        "wheel",
        "smoke",
        "hashes",
        "manifest",
    },
}


def kill_after(place: Any, calls: int, later: float = 0.0) -> None:
    """Run the example, and kill it once so many calls have come to their end.

    At once means: mostly between the end of a call and its record. A little `later` (seconds) the
    record is there, and the next calls are under way.
    """
    with place.start(*place.run(), pause=0.2) as process:
        end = time.monotonic() + 30
        while len(place.listed()) < calls and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(later)
        process.kill()
        printed = process.communicate()[0]

    assert -signal.SIGKILL == process.returncode, printed


def check(place: Any, completed: set[str]) -> None:
    """Check that all steps were done, and those that were `completed` before the end once."""
    done = Counter(place.listed())

    assert STEPS[place.example] == set(done)
    assert dict.fromkeys(completed, 1) == {step: done[step] for step in completed}
    history = place.history()
    assert STEPS[place.example] == {e["step"] for e in history if e["type"] == "StepCompleted"}
    assert len(STEPS[place.example]) == sum(e["type"] == "StepCompleted" for e in history)
    assert "ExecutionCompleted" == history[-1]["type"]


@pytest.mark.parametrize(
    ("example", "calls", "later"),
    (
        ("order", 1, 0.0),
        ("order", 2, 0.1),
        ("order", 3, 0.0),
        ("logs", 1, 0.1),
        ("logs", 3, 0.0),
        ("logs", 6, 0.1),
        ("release", 1, 0.0),
        ("release", 4, 0.1),
        ("release", 8, 0.0),
    ),
)
def test_killed_once(place: Make, example: str, calls: int, later: float) -> None:
    """It goes on behind what was recorded; once all is done the command does nothing."""
    here = place(example)
    kill_after(here, calls, later)
    completed = set(here.steps("StepCompleted"))
    assert completed <= set(here.listed())
    here.do(*here.run())

    check(here, completed)
    EFFECTS[example](here)

    listed = here.listed()
    here.do(*here.run())

    assert listed == here.listed()


@pytest.mark.parametrize("example", STEPS)
def test_killed_again_and_again(place: Make, example: str) -> None:
    """Each life adds at least one call, and no life repeats what an earlier one recorded.

    Two deaths, because a step that was under way in three of them is given up.
    """
    here = place(example)
    completed: set[str] = set()
    before: Counter[str] = Counter()
    for _ in range(2):
        kill_after(here, len(here.listed()) + 1, later=0.1)
        now = Counter(here.listed())
        assert {step: now[step] for step in completed} == {step: before[step] for step in completed}
        completed, before = set(here.steps("StepCompleted")), now
    here.do(*here.run())

    after = Counter(here.listed())
    assert {step: after[step] for step in completed} == {step: before[step] for step in completed}
    assert STEPS[example] == set(after)
    EFFECTS[example](here)


def one_order(here: Any) -> None:
    """However often the actions were called: one charge, one parcel, one mail, two teapots."""
    assert 10_000 - 90 == here.ask("SELECT balance FROM cards WHERE number = '4000'")
    assert 38 == here.ask("SELECT stock FROM goods WHERE sku = 'teapot'")
    for table in ("reservations", "charges", "parcels", "mails"):
        assert 1 == here.ask(f"SELECT count(*) FROM {table}")


def one_report(here: Any) -> None:
    """The three files are whole."""
    assert "1001 requests in 6 files" in (here.folder / "report" / "report.md").read_text()
    assert visible(here.folder / "report") == {"report.md", "report.json", "requests.svg"}


def one_release(here: Any) -> None:
    """One snapshot, two builds, and a manifest."""
    assert 1 == len(visible(here.folder / "released" / "sources"))
    assert visible(here.folder / "released") == {
        "sources",
        "steep-1.2.0-py3-none-any.whl",
        "steep-1.2.0.tar.gz",
        "SHA256SUMS",
        "manifest.json",
    }


def visible(folder: Path) -> set[str]:
    """Return the names in a folder; a draft that a killed process left begins with a dot."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


EFFECTS: dict[str, Callable[[Any], None]] = {
    "order": one_order,
    "logs": one_report,
    "release": one_release,
}
