"""When two processes that open an execution again start from the same: then one is enough."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from harness._scenario import Act, AtTime, Scenario
from harness.oracle._predict import Facts
from harness.oracle._state import Attempt, Run, StepRun, Unit


def state_of(scenario: Scenario, facts: Facts) -> str:
    """Return all that the next process starts from, as text that can be compared.

    What comes of an execution that is opened again is a function of what its history says, of what
    its attempts will do, and of what will be done to it. All three are in here, so two facts with
    one text have one future, but for the instants at which it begins; it makes no difference
    whether either of them is played. Left out is only what no rule looks at afterwards: instants
    that are over, scripts of steps that have ended, and which write came last. Instants that are
    yet to come count from the opening.
    """
    whole = json.dumps([scenario.workflow, scenario.workflows], sort_keys=True)
    reader = _Reading(facts.at, "started_at" in whole, "max_elapsed" in whole)
    found = {
        "halt": facts.halt,
        "run": reader.run(facts.run),
        "acts": [reader.act(act) for act in facts.acts],
        "limit": scenario.limit,
        "secrets": scenario.secrets,
        "scripts": dict(_scripts(scenario, facts.run)),
        "document": whole,
    }
    return json.dumps(found, sort_keys=True, default=repr)


def _scripts(scenario: Scenario, run: Run) -> Iterator[tuple[str, Any]]:
    told = scenario.to_json()
    ended = {name for name, found in run.steps.items() if found.ended}
    for key in ("steps", "fallbacks"):
        for place, row in told.get(key, {}).items():
            # The children of a step that has ended have ended, too.
            if place.partition("/")[0].partition("[")[0] not in ended:
                yield f"{key} {place}", row
    if not run.ended:
        yield "compensations", told.get("compensations")


@attrs.frozen
class _Reading:
    opened: float
    # Whether anything can see when the execution was started.
    tells_the_start: bool
    # Whether the start of a series of attempts limits when the last of them may begin.
    limits_series: bool

    def left(self, instant: float | None, since: float | None = None) -> float | None:
        """Return how long it is to an instant that is to come; from `since` on, if time stands."""
        if instant is None:
            return None
        return round(max(0.0, instant - (self.opened if since is None else since)), 6)

    def act(self, act: Act) -> Any:
        if isinstance(act.moment, AtTime):
            act = attrs.evolve(act, moment=AtTime(round(act.moment.at - self.opened, 6)))
        return act.to_json()

    def run(self, run: Run) -> dict[str, Any]:
        found = _plain(
            run,
            "id input limit status decided waiting_edges signals pause unhandled deferred "
            "undo_failures final output depth",
        )
        stopping = run.stopping
        return {
            **found,
            "erred": sorted(run.erred),
            "deadline": self.left(run.deadline, run.paused_at),
            "paused": run.paused_at is not None,
            "started": run.started_at - self.opened if self.tells_the_start else None,
            "stopping": stopping
            and (stopping.final, self.left(stopping.grace_end), stopping.over, stopping.by_parent),
            "done": [unit.name for unit in run.done],
            "undoing": run.undoing and [self.unit(unit) for unit in run.undoing],
            "steps": [self.step(each) for each in run.in_order()],
        }

    def step(self, found: StepRun) -> dict[str, Any]:
        return {
            **_plain(
                found,
                "status grouped joined condition_met missing awaits_signal held output by late "
                "failure judgement time_left first_failure cut_by started kept",
            ),
            "deadline": self.left(found.deadline),
            "wake": self.left(found.wake),
            "units": [self.unit(each) for each in found.units],
        }

    def unit(self, unit: Unit) -> dict[str, Any]:
        first = unit.first_start if self.limits_series else None
        return {
            **_plain(
                unit,
                "name role status parameters revealed lacks_secret item doomed output by late "
                "failure last_own attempts fallback_attempts undo_attempts counted crashes "
                "fallback_parameters "
                "fallback_revealed fallback_lacks_secret wants awaits_decision child_asked undone",
            ),
            "retry_at": self.left(unit.retry_at),
            "first": None if first is None else round(first - self.opened, 6),
            "current": None if unit.current is None else _attempt(unit.current),
            "child": unit.child and self.run(unit.child),
        }


def _attempt(attempt: Attempt) -> Any:
    return attempt.name, attempt.number, attempt.asked, attempt.timed_out, attempt.gone


def _plain(found: Any, names: str) -> Mapping[str, Any]:
    return {name: getattr(found, name) for name in names.split()}
