"""Where an execution can die: after each write of a few scenarios that carry the crash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import trio

import trioflow.events
import trioflow.testing
from harness._scenario import Act, AfterWrite, BeforeWrite, Call, Cancel, Scenario
from harness.families import _attempts as attempts
from harness.families import _children as children
from harness.families import _flow as flow
from harness.families import _people as people
from harness.families import _undo as undo
from harness.families._cases import Case, spread
from harness.families._plan import Plan
from harness.families._stories import Story
from harness.oracle._history import facts_of
from harness.oracle._sameness import state_of
from harness.playing._actors import Actors
from harness.playing._observing import silence
from harness.playing._play import Player
from harness.playing._schedule import scheduled
from trioflow.events import Event
from trioflow.stores import Head, MemoryStore

# How long (seconds) no process runs after a crash, and after how many writes it is tried at most.
DOWN = 0.3017
MOST = 200


def carriers(plan: Plan) -> Iterator[tuple[str, Story]]:
    """Yield the scenarios that die after each write, with what is going on in them."""
    seen = set()
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
        ("grace", (case for case in people.cancel(plan) if case.name.endswith("-grace-timed"))),
        ("child-pause", (case for case in children.child(plan) if _pauses_both(case))),
        ("fail", attempts.fail(plan)),
    ):
        for case in cases:
            story = _certain(plan, case)
            if story is None:
                continue
            key = str(story.scenario.to_json())
            if key not in seen:
                seen.add(key)
                yield name, story
                break


def _pauses_both(case: Case) -> bool:
    """Whether a parent is paused while its child runs: two records, and a death may part them."""
    return case.name.endswith("-paused") and not case.name.endswith("-child-paused")


def _certain(plan: Plan, case: Case) -> Story | None:
    if not plan.can_be(case.draft):
        return None
    story = plan.told(case.draft)
    misused = any(isinstance(act, Call) and act.verb == "fork" for act in story.scenario.actions)
    return story if story.certain and not misused else None


def points(carrier: Scenario, deep: bool = False) -> list[AfterWrite | BeforeWrite]:
    """Return the moments at which a scenario is to die: those that make a difference, spread."""
    return spread(moments_of(carrier, deep), MOST)


def moments_of(carrier: Scenario, deep: bool = False) -> list[AfterWrite | BeforeWrite]:
    """Return all moments at which a scenario can die, those that make a difference.

    After a write there is always something that was not there before. Most of what dies before a
    write is like what dies after the write before it; only if something was done, or time has
    passed that counts, it is not: see `state_of`. To tell costs a reading of the whole history for
    each, so only deep suites do, and those that cancel: nobody must be told so before it is
    durable, which shows only before a write.
    """
    deaths = _deaths(carrier)
    if not deep and not any(isinstance(act, Cancel) for act in carrier.actions):
        return [left.moment for left in deaths if isinstance(left.moment, AfterWrite)]
    found: dict[str, AfterWrite | BeforeWrite] = {}
    for left in spread(deaths, 2 * MOST):
        facts = facts_of(carrier.workflow, carrier, left.histories, left.at + DOWN, left.acts)
        found.setdefault(state_of(carrier, facts), left.moment)
    return list(found.values())


@attrs.frozen
class _Death:
    """What would be left if the process died at this moment."""

    moment: AfterWrite | BeforeWrite
    at: float
    histories: dict[str, list[dict[str, Any]]]
    acts: tuple[Act, ...]


class _Watched(MemoryStore):
    """A store that notes what would be left if its process died, before and after each write."""

    def __init__(self) -> None:
        super().__init__(clock=trio.current_time)
        self.deaths: list[_Death] = []
        self.acts: list[Act] = []
        self._histories: dict[str, list[dict[str, Any]]] = {}

    async def commit(self, head: Head, events: Sequence[Event], *, owned: bool = True) -> None:
        write = len(self.deaths) // 2 + 1
        self._note(BeforeWrite(write))
        await super().commit(head, events, owned=owned)
        self._histories.setdefault(head.id, []).extend(map(trioflow.events.to_json, events))
        self._note(AfterWrite(write))

    def _note(self, moment: AfterWrite | BeforeWrite) -> None:
        left = {name: list(history) for name, history in self._histories.items()}
        self.deaths.append(_Death(moment, trio.current_time(), left, tuple(self.acts)))


def _deaths(scenario: Scenario) -> list[_Death]:
    """Play a scenario once, and return what each of its writes would leave, in order."""
    disk: _Watched | None = None

    async def watch() -> None:
        nonlocal disk
        disk = _Watched()
        disk.acts = list(scenario.actions)
        await Player(scenario, disk, Actors(scenario), disk.acts, scenario.workflow).play()

    # Nobody asked for this run: what the engine has to say about it is of no interest.
    with silence(), scheduled(scenario.schedule_seed):
        trioflow.testing.run(watch)
    assert disk is not None
    return disk.deaths
