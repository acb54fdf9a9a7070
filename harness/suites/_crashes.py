"""Where an execution can die: after each write of a few scenarios that carry the crash."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import trio
import trio.testing

from harness._scenario import AfterWrite, BeforeWrite, Call, Scenario
from harness.families import _attempts as attempts
from harness.families import _flow as flow
from harness.families import _people as people
from harness.families import _undo as undo
from harness.families._cases import Case
from harness.families._plan import Plan
from harness.families._stories import Story
from harness.playing._play import _Player
from trioflow.stores import MemoryStore

_MOST = 200
_STOPPING = ("compensation", "cancel", "fail", "items")


def carriers(plan: Plan) -> Iterator[tuple[str, Story]]:
    """Yield the scenarios that die after each write, with what is going on in them."""
    seen = set()
    # What becomes of items while their execution stops or undoes is not read from a history yet.
    several = any(step.for_each is not None for step in plan.steps)
    for name, cases in (
        ("ok", flow.ok(plan)),
        ("branch", flow.reach(plan)),
        ("retry", attempts.retry(plan)),
        ("fallback", attempts.fallback(plan)),
        ("items", flow.for_each(plan)),
        ("compensation", undo.compensation(plan)),
        ("pause", people.pause(plan)),
        ("decision", (case for case in people.decision(plan) if case.name.endswith("-retry"))),
        ("cancel", people.cancel(plan)),
        ("fail", attempts.fail(plan)),
    ):
        for case in cases if not (several and name in _STOPPING) else ():
            story = _certain(plan, case)
            if story is None:
                continue
            key = str(story.scenario.to_json())
            if key not in seen:
                seen.add(key)
                yield name, story
                break


def _certain(plan: Plan, case: Case) -> Story | None:
    # An attempt that nobody can stop would hold up the death of a simulated process.
    if case.name.endswith("-late"):
        return None
    story = plan.told(case.draft)
    misused = any(isinstance(act, Call) and act.verb == "fork" for act in story.scenario.actions)
    return story if story.certain and not misused else None


def writes_of(scenario: Scenario) -> int:
    """Return how often the engine writes while it plays a scenario."""

    async def count() -> int:
        disk = MemoryStore(clock=trio.current_time)
        player = _Player(scenario, scenario.workflow, disk, list(scenario.actions))
        await player.play()
        return player.writes

    # Nobody asked for this run: what the engine has to say about it is of no interest.
    logger = logging.getLogger("trioflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        return trio.run(count, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        logger.setLevel(level)


def points(carrier: Scenario, deep: bool = False) -> Iterator[AfterWrite | BeforeWrite]:
    """Yield the moments at which a scenario can die."""
    for write in range(1, min(writes_of(carrier), _MOST) + 1):
        yield AfterWrite(write)
        if deep:
            # The same is stored as after the write before, but more was done meanwhile.
            yield BeforeWrite(write)
