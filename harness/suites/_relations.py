"""The third judge: what must make no difference makes none.

No prediction is needed for it, only the engine: it plays a scenario, and another one that says the
same in other words, and both must come to the same. So a fault that oracle and engine share, since
one page was read in one wrong way by both, can still be found here.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from harness._scenario import Phase, Scenario
from harness.playing import Mismatch, Observed, observe
from harness.suites import _varying as varying

# Behaviours that hang end after about 1e8 s, at an instant that comes from the name of the step.
_FOR_EVER = 1e7


@attrs.frozen
class Relation:
    """A way to say the same in other words, and what is to be compared then.

    `vary` returns the other scenario, or None where the relation says nothing. `applies` looks at
    what was seen of the first one. `of_the_first` and `of_the_other` return what must be equal.
    """

    name: str
    why: str
    vary: varying.Vary
    of_the_first: Callable[[Scenario, Observed], Any]
    of_the_other: Callable[[Scenario, Observed], Any]
    applies: Callable[[Scenario, Observed], bool] = attrs.field(default=lambda *_: True)


# ---- what is compared ----


def _all(scenario: Scenario, observed: Observed) -> list[Any]:
    return [_plain(phase) for phase in observed.phases]


def _instant(seconds: float) -> float:
    """Return an instant to a tenth of a millisecond.

    Times have at most five digits behind the point. So half a digit more keeps what is the same but
    for the last bit from being rounded to both sides.
    """
    return round(seconds + 1e-7, 4)


def _plain(phase: Phase, factor: float = 1.0) -> dict[str, Any]:
    """Return everything that a phase shows, but for what is in no particular order."""
    found = phase.to_json()
    found["elapsed"] = _instant(phase.elapsed / factor)
    found["calls"] = sorted(
        [_instant(at / factor), name, number, parameters]
        for at, made in phase.calls
        for name, number, parameters in made
    )
    found["completed_by"], found["late"] = dict(phase.completed_by), list(phase.late)
    found["causes"] = dict(phase.causes)
    found["errors"] = sorted(map(repr, phase.errors))
    found["waiting_for"] = sorted(map(repr, phase.waiting_for))
    return found


def _in_old_time(scenario: Scenario, observed: Observed) -> list[Any]:
    return [_plain(phase, varying.FACTOR) for phase in observed.phases]


def _in_old_names(scenario: Scenario, observed: Observed) -> list[Any]:
    output = "output" in scenario.workflow
    return [
        _with_old_names(_all(scenario, observed)[n], output) for n in range(len(observed.phases))
    ]


def _with_old_names(phase: dict[str, Any], has_output: bool) -> dict[str, Any]:
    old = varying.old_name
    found = dict(phase)
    for key in ("steps", "outputs", "completed_by", "causes"):
        found[key] = {old(step): value for step, value in phase[key].items()}
    found["late"] = sorted(old(each) for each in phase["late"])
    if not has_output and isinstance(phase["output"], Mapping):
        found["output"] = {old(step): value for step, value in phase["output"].items()}
    found["calls"] = sorted([at, old(name), *rest] for at, name, *rest in phase["calls"])
    found["compensated"] = [old(each) for each in phase["compensated"]]
    for key in ("errors", "waiting_for"):
        found[key] = sorted(old(each) for each in phase[key])
    return found


def _outcome(scenario: Scenario, observed: Observed) -> dict[str, Any]:
    """Return how it ended, whenever that was, and however often something was tried."""
    last = observed.phases[-1].to_json()
    found = {key: last[key] for key in ("status", "steps", "outputs", "output", "connections")}
    found["errors"] = sorted(map(repr, last["errors"]))
    found["compensated"] = sorted({each for phase in observed.phases for each in phase.compensated})
    return found


# ---- where it applies ----


def _ends(scenario: Scenario, observed: Observed) -> bool:
    return all(phase.elapsed < _FOR_EVER for phase in observed.phases)


_ENDS = ("AttemptFailed", "AttemptInterrupted", "AttemptCrashed", "StepCompensated")
_STEP_ENDS = ("StepCompleted", "StepFailed", "StepCancelled")
_UNIT_ENDS = (*_ENDS, "ItemCompleted", "ItemFailed", "ItemCancelled", "CompensationFailed")


def _most_at_once(observed: Observed) -> int:
    running, most = set[tuple[str, int | None]](), 0
    for event in observed.history:
        step, item = getattr(event, "step", ""), getattr(event, "item", None)
        if event.type == "AttemptStarted":
            running.add((step, item))
        elif event.type in _UNIT_ENDS:
            running.discard((step, item))
        elif event.type in _STEP_ENDS:
            running = {each for each in running if each[0] != step}
        most = max(most, len(running))
    return most


def _has_room(scenario: Scenario, observed: Observed) -> bool:
    limit = scenario.workflow.get("max_concurrent_steps") or scenario.limit
    room = _most_at_once(observed) < min(limit, scenario.limit)
    return room and not scenario.workflows and not varying.forks(scenario)


def _ends_and_has_room(scenario: Scenario, observed: Observed) -> bool:
    return _ends(scenario, observed) and _has_room(scenario, observed)


def _nothing_stops(scenario: Scenario, observed: Observed) -> bool:
    """Whether no outcome depends on when things happen (R7)."""
    joins = {step.get("join") for step in varying.fields_of(varying.copy_of(scenario.workflow))}
    status = observed.phases[-1].status
    return _ends(scenario, observed) and status in ("COMPLETED", "PAUSED") and "first" not in joins


RELATIONS: Sequence[Relation] = (
    Relation(
        "shuffled",
        "steps and connections in another order",
        varying.shuffled,
        _all,
        _all,
        _ends_and_has_room,
    ),
    Relation(
        "as-graph", "the same graph, written in the other shape", varying.as_graph, _all, _all
    ),
    Relation("slower", "all times ten times as long", varying.slower, _all, _in_old_time, _ends),
    Relation("renamed", "other ids of steps", varying.renamed, _all, _in_old_names, _ends),
    Relation("roomier", "more slots than were in use", varying.roomier, _all, _all, _has_room),
)
NAMES = (*(each.name for each in RELATIONS), "crashed")


def check_relations(scenario: Scenario, names: Iterable[str | Relation] = NAMES) -> tuple[str, ...]:
    """Play a scenario and others that say the same in other words; all must come to the same.

    `names` are the relations that are to be tried: ``shuffled`` (the lists of the document in
    another order), ``as-graph`` (steps as nodes), ``slower`` (ten times), ``renamed`` (its steps),
    ``roomier`` (more slots than it uses), ``crashed`` (after each of its writes).

    A `Relation` of one's own can stand among them. Returns the names of those that say something
    about this scenario. Raises `Mismatch`, with both sides, and `ValueError` for a relation that
    there is not.
    """
    given = tuple(names)
    wanted = {each for each in given if isinstance(each, str)}
    relations = [each for each in RELATIONS if each.name in wanted]
    relations += [each for each in given if isinstance(each, Relation)]
    if not wanted <= set(NAMES):
        unknown = ", ".join(sorted(wanted - set(NAMES)))
        raise ValueError(f"there is no relation {unknown}: they are {', '.join(NAMES)}")
    if varying.dies_at_a_write(scenario):
        return ()
    # Expectations are about this scenario alone.
    scenario = attrs.evolve(scenario, expected=None)
    first = observe(scenario)
    applied = []
    for relation in relations:
        other = relation.vary(scenario)
        if other is None or not relation.applies(scenario, first):
            continue
        applied.append(relation.name)
        _compare(
            f"{scenario.id}, {relation.name} ({relation.why})",
            relation.of_the_first(scenario, first),
            relation.of_the_other(other, observe(other)),
        )
    if "crashed" in wanted and _nothing_stops(scenario, first):
        for write in range(1, first.writes + 1):
            other = varying.crashed(scenario, write)
            if other is None:
                break
            applied.append("crashed")
            _compare(
                f"{scenario.id}, crashed (after write {write})",
                _outcome(scenario, first),
                _outcome(other, observe(other)),
            )
    return tuple(dict.fromkeys(applied))


def _compare(what: str, first: Any, other: Any) -> None:
    if first == other:
        return
    one, two = (json.dumps(each, indent=1, sort_keys=True).splitlines() for each in (first, other))
    lines = difflib.unified_diff(one, two, "as it is", "in other words", lineterm="", n=2)
    raise Mismatch(f"{what}:\n" + "\n".join(lines))


__all__ = ("NAMES", "RELATIONS", "Relation", "check_relations")
