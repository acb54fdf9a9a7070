"""How a failure is seen again: the command that plays the very same, and what a document now says.

`python -m harness run` plays what a document generates. What somebody has edited, or has written by
hand, is not among that: it is played again by the test that has failed.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import attrs

import trioflow
from harness._scenario import Scenario
from harness.families import FAMILIES
from harness.playing._compare import rounded
from harness.suites._emitting import OWNED
from harness.suites._library import Suite, Told, family_of, script_of, suite

# A document of more steps takes longer to generate than anybody waits for a message.
_MOST_STEPS = 60


def again_by(scenario: Scenario, *, real: bool = False) -> str:
    """Return in lines the command that plays a scenario again; nothing if there is none.

    `real`: it was played with real actions, which ``python -m harness run`` does not have.
    """
    generated = isinstance(scenario, Told) and _is_generated(scenario)
    test = pytest_command()
    lines = [f"play it again:  {test}"] if test and (real or not generated) else []
    if isinstance(scenario, Told) and generated:
        lines.append(f"{'as scripted' if real else 'play it again'}:  {run_command(scenario)}")
    return "\n".join(lines)


def run_command(scenario: Told) -> str:
    """Return the command that plays what a document generates under the id of a scenario."""
    words = ["python", "-m", "harness", "run", scenario.source, "--scenario", scenario.id]
    return shlex.join([*words, "--seed", str(scenario.seed)] if scenario.seed else words)


def _is_generated(scenario: Told) -> bool:
    # Only suites say in full what is expected, and they come from the document.
    return bool(scenario.source) and (
        scenario.expected is not None or look_up(scenario).tells(scenario)
    )


# ---- what the document generates ----


@attrs.frozen
class Found:
    """What a document generates under the id of a scenario. `known`: whether that was found out."""

    known: bool
    told: Told | None = None

    def tells(self, scenario: Told) -> bool:
        """Whether it is the same, whatever is expected of it."""
        return self.told is not None and _script(self.told) == _script(scenario)


def _script(scenario: Told) -> Any:
    """Return what decides how a scenario goes, as a module says it too."""
    found: dict[str, Any] = rounded(json.loads(script_of(scenario)))
    for key in ("steps", "fallbacks", "compensations"):
        rows = found.get(key, {})
        # What all items do is of no interest where each does something of its own.
        alone = {name.rpartition("[")[0] for name in rows if name.endswith("]")}
        found[key] = {name: row for name, row in rows.items() if name not in alone}
    return found


def look_up(scenario: Told) -> Found:
    """Return what the document of a scenario generates under its id.

    Nobody knows if the document is not there, or has faults, or is very large.
    """
    steps = (*scenario.workflow.get("steps", ()), *scenario.workflow.get("nodes", ()))
    if not scenario.source or len(steps) > _MOST_STEPS:
        return Found(False)
    try:
        return Found(True, find(scenario.source, scenario.id, seed=scenario.seed)[0])
    except (trioflow.TrioflowError, ValueError, OSError):
        return Found(False)


def find(
    source: str, name: str, *, level: str | None = None, seed: int = 0
) -> tuple[Told | None, list[str]]:
    """Return the scenario of a document with this id; and all ids, if it is not there.

    It is looked for at every level and in what the sidecar leaves out. Raises what `suite` does.
    """
    own = family_of(name)
    known: list[str] = []
    # In a suite of one family some have an id that in whole suites are told as something else.
    for families in ((*FAMILIES, "crash"), (own,)) if own else ((*FAMILIES, "crash"),):
        for each in dict.fromkeys((level, "deep")):
            made = _suite(source, _stamp(source), each, families, seed)
            told = {each.id: each for each in (*made.scenarios, *made.carriers, *made.skipped)}
            if name in told:
                return told[name], []
            known = list(dict.fromkeys((*known, *told)))
    return None, known


@lru_cache(maxsize=8)
def _suite(
    source: str,
    stamp: tuple[tuple[str, int], ...],
    level: str | None,
    families: tuple[str, ...],
    seed: int,
) -> Suite:
    """Return a suite; the `stamp` is a new one when its files have changed."""
    return suite(Path(source), level, families, seed)


def _stamp(source: str) -> tuple[tuple[str, int], ...]:
    # Children, and the sidecar, stand beside a document.
    found = Path(source).parent.iterdir()
    return tuple(
        sorted((each.name, each.stat().st_mtime_ns) for each in found if each.suffix in _SUFFIXES)
    )


_SUFFIXES = (".json", ".yaml", ".yml", ".toml")


# ---- the test that is running ----


def pytest_command() -> str:
    """Return the command for the test that pytest is running; nothing if it is not."""
    node = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    if not node:
        return ""
    file, colons, rest = node.partition("::")
    # Whoever says `python -m` has this folder among those that are imported from.
    module = Path(sys.argv[0]).parts[-2:] == ("pytest", "__main__.py")
    words = ["python", "-m", "pytest"] if module else ["pytest"]
    return shlex.join([*words, f"{_from_here(file)}{colons}{rest}"])


def _from_here(file: str) -> str:
    """Return the path of a test as it is typed here: pytest says it from its `rootdir`."""
    parts = Path(file).parts
    for frame in _frames():
        path = Path(frame.f_code.co_filename)
        if path.parts[-len(parts) :] == parts:
            return os.path.relpath(path)
    return file


def is_in_generated_module() -> bool:
    """Whether it is a generated module that has asked for a check."""
    return any(OWNED in str(frame.f_globals.get("__doc__")) for frame in _frames())


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back
