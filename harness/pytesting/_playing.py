"""Playing one scenario in pytest: whatever happens in it, the others are played, too."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import trio

import trioflow
from harness.playing._play import Mismatch
from harness.pytesting._watching import Watch, last_of_theirs, tidy
from harness.suites._again import again_by
from harness.suites._checking import check
from harness.suites._library import Told


def problem_of(scenario: Told, actions: Any, limit: float) -> str:
    """Play a scenario and return what is wrong with it; nothing if nothing is.

    `limit` is in seconds of real time. Raises what is meant for pytest: a skip that
    an action asks for, and somebody's Ctrl-C.
    """
    watch = Watch(limit)
    problem = ""
    skip: BaseException | None = None
    try:
        with watch:
            check(scenario, actions=() if actions is None else actions)
    except Mismatch as mismatch:
        problem = str(mismatch)
    except BaseException as error:  # noqa: BLE001 - what is not ours to handle is raised again
        if not watch.rung and not watch.interrupted:
            problem, skip = _thrown(error)
    if watch.rung or watch.interrupted:
        tidy()
    if watch.interrupted:
        raise KeyboardInterrupt
    if watch.rung:
        problem = _out_of_time(watch)
    if skip is not None:
        raise skip
    if not problem or problem.startswith(f"{scenario.id}: "):
        return problem
    again = again_by(scenario, real=actions is not None)
    said = f"{scenario.id}: {scenario.why}\n{problem}"
    return f"{said}\n\n{again}" if again else said


def _out_of_time(watch: Watch) -> str:
    lines = [
        f"it took more than {watch.limit:g} s of real time, and was stopped",
        *(f"  running: {each}" for each in watch.running),
        "an action that waits must do so with trio: what really sleeps holds up everything",
    ]
    return "\n".join(lines)


def _thrown(error: BaseException) -> tuple[str, BaseException | None]:
    """Return what to say of what came out of a scenario, or the skip that it is."""
    leaves = [each for each in _leaves(error) if not isinstance(each, trio.Cancelled)]
    for leaf in leaves:
        if isinstance(leaf, pytest.skip.Exception):
            return "", leaf
    for leaf in leaves:
        if isinstance(leaf, pytest.fail.Exception):
            return f"an action has called pytest.fail: {leaf.msg}", None
        if not isinstance(leaf, Exception):
            place = last_of_theirs(leaf.__traceback__)
            said = (
                f"an action has raised {leaf!r}, which is no Exception: "
                "the engine does not handle it, and would end with it"
            )
            return f"{said}\n  at {place}" if place else said, None
    if isinstance(error, trioflow.TrioflowError | Warning):
        return str(error), None
    lines = "".join(traceback.format_exception(error))
    return (
        f"this is a fault of the harness itself, and says nothing of the document:\n{lines}",
        None,
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
