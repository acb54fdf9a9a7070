"""What was seen beside what is expected: the same, or a difference in lines."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import attrs

from harness._scenario import Causes, Expected, Phase, Scenario
from harness.oracle._history import facts_of
from harness.oracle._predict import expect_on
from harness.oracle._world import SAME
from harness.playing._seen import Observed

# What a field is called where it stands in a sentence.
_WORDS = {
    "completed_by": "completed by",
    "late": "completed late",
    "causes": "causes of the errors of",
}

_FIELDS = tuple(field.name for field in attrs.fields(Phase))


class Mismatch(AssertionError):
    """The engine did something else than was predicted."""

    # As people import it, and as a traceback calls it.
    __module__ = "harness"


def compare_after_deaths(scenario: Scenario, observed: Observed) -> None:
    """Compare what came after each death at a write with what the history left there says.

    How far it had come before the write is not predicted, but the next process knows it.
    """
    if not observed.deaths:
        return
    ends = [*(death.phase - 1 for death in observed.deaths[1:]), len(observed.phases)]
    for death, end in zip(observed.deaths, ends, strict=True):
        facts = facts_of(scenario.workflow, scenario, death.histories, death.at, death.acts)
        expected, left = expect_on(scenario.workflow, scenario, facts)
        if left.ambiguous:
            continue
        phases = expected.phases[: end - death.phase]
        seen = attrs.evolve(observed, phases=observed.phases[death.phase : end])
        compare(scenario, Expected(phases), seen)


def compare(scenario: Scenario, expected: Expected, observed: Observed) -> None:
    """Raise `Mismatch`, with both sides line by line, unless they say the same."""
    if observed.behaviours:
        # No script tells what the exceptions of real actions come from.
        expected = Expected(_without_causes(expected.phases))
        observed = attrs.evolve(observed, phases=_without_causes(observed.phases))
    phases = [
        mine if theirs is None else _completed(mine, theirs)
        for mine, theirs in zip_longest(expected.phases, observed.phases)
        if mine is not None
    ]
    if _alike(phases, observed.phases):
        return
    wanted = [rounded(phase.to_json()) for phase in phases]
    seen = [rounded(phase.to_json()) for phase in observed.phases]
    lines = difflib.unified_diff(
        _lines(wanted), _lines(seen), "expected", "observed", lineterm="", n=2
    )
    raise Mismatch(f"{scenario.id}: {scenario.why}\n" + "\n".join(lines))


def _alike(wanted: Any, seen: Any) -> bool:
    """Whether two values are the same JSON, and instants not further apart than adding up."""
    # Nearly always, and found out by Python itself.
    if wanted == seen:
        return True
    if isinstance(wanted, Phase) and isinstance(seen, Phase):
        return all(_alike(getattr(wanted, name), getattr(seen, name)) for name in _FIELDS)
    if isinstance(wanted, float) and isinstance(seen, float | int):
        return math.isclose(wanted, seen, rel_tol=1e-12, abs_tol=2 * SAME)
    if isinstance(wanted, Mapping) and isinstance(seen, Mapping):
        return wanted.keys() == seen.keys() and all(
            _alike(wanted[key], seen[key]) for key in wanted
        )
    if isinstance(wanted, list | tuple) and isinstance(seen, list | tuple):
        return len(wanted) == len(seen) and all(map(_alike, wanted, seen))
    return False


def _without_causes(phases: Sequence[Phase]) -> tuple[Phase, ...]:
    return tuple(attrs.evolve(phase, causes={}) for phase in phases)


def _completed(wanted: Phase, seen: Phase) -> Phase:
    """Return what is wanted with the causes that were seen, where the rules do not say any."""
    causes = {
        name: _as_far_as_said(found, seen.causes.get(name, ()))
        for name, found in wanted.causes.items()
    }
    return attrs.evolve(wanted, causes={name: found for name, found in causes.items() if found})


def _as_far_as_said(wanted: Causes, seen: Causes) -> Causes:
    if wanted is None or seen is None:
        return seen
    if len(wanted) != len(seen):
        return wanted
    return tuple(
        (code, _as_far_as_said(causes, theirs))
        for (code, causes), (_, theirs) in zip(wanted, seen, strict=True)
    )


def rounded(value: Any) -> Any:
    """Return JSON in which numbers are told to the millionth: what adding up leaves is no news."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def _lines(phases: list[Any]) -> list[str]:
    found = []
    for number, phase in enumerate(phases, 1):
        for key, value in phase.items():
            if key in ("calls", "steps", "connections") and value:
                pairs = value.items() if isinstance(value, dict) else value
                found += [f"{number} {key}: {json.dumps(pair)}" for pair in pairs]
            else:
                found.append(f"{number} {_WORDS.get(key, key)}: {json.dumps(value)}")
    return found
