"""Real actions in scripted scenarios: what they did becomes the script, and that is judged.

Nobody can predict what an action does. But once it has done it, the rules say what comes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from harness._scenario import Act, AtTime, Behaviour, During, Scenario
from harness.oracle._predict import expect
from harness.playing._compare import Mismatch, compare, compare_after_deaths
from harness.playing._invariants import broken
from harness.playing._observing import Place, observe
from harness.playing._seen import Observed

# No attempt has this number, so what is to be done during it is never done.
_NEVER = 10**9

_SCRIPTS = {"": "steps", "fallback": "fallbacks", "compensate": "compensations"}


def recorded(scenario: Scenario, observed: Observed) -> Scenario:
    """Return the scenario as it was played: real attempts do what they did, acts when they did.

    What was done *during* an attempt is done at that instant, for nobody knew in advance how long
    the attempt would take. What was not done any more is never done. The result has no
    expectation: that of the scenario is about its script.
    """
    scripts: dict[str, dict[str, Sequence[Behaviour]]] = {
        field: dict(getattr(scenario, field)) for field in _SCRIPTS.values()
    }
    attempts: dict[str, int] = {}
    for name, number in observed.behaviours:
        attempts[name] = max(number, attempts.get(name, 0))
    for name, most in attempts.items():
        place, _, role = name.partition(":")
        scripts[_SCRIPTS[role]][place] = [
            observed.behaviours.get((name, number)) or scenario.behaviour(name, number)
            for number in range(1, most + 1)
        ]
    done = list(observed.done)
    acts = tuple(_as_done(act, done) for act in scenario.actions)
    changes: dict[str, Any] = {**scripts, "actions": acts, "expected": None}
    return attrs.evolve(scenario, **changes)


def _as_played(observed: Observed) -> Observed:
    """Return it with what was still to be done at each death at the instants when it was done."""
    deaths = [
        attrs.evolve(death, acts=tuple(_as_done(act, list(observed.done)) for act in death.acts))
        for death in observed.deaths
    ]
    return attrs.evolve(observed, deaths=tuple(deaths))


def _as_done(act: Act, done: list[tuple[Act, float]]) -> Act:
    if not isinstance(act.moment, During):
        return act
    for index, (each, instant) in enumerate(done):
        if each == act:
            del done[index]
            return attrs.evolve(act, moment=AtTime(instant))
    return attrs.evolve(act, moment=attrs.evolve(act.moment, attempt=_NEVER))


def check_real(
    scenario: Scenario, actions: Any, *, store: Place = "memory", seed: int | None = None
) -> Observed:
    """Play a scenario with real actions, and compare with what the rules make of what they did.

    Arguments as for `observe`. Compared is everything that is compared of a script: what was
    called when and with which parameters, the ends of steps, outputs, undos, requests. Where two
    attempts of real actions came to their ends at the same instant their order is free, nothing is
    predicted; the same where an action took its time to stop, or called for something that no
    script can tell. Then only the rules that hold of every history are checked.

    Returns what was seen. Raises `Mismatch`.
    """
    observed = observe(scenario, actions=actions, store=store, seed=seed)
    judge(scenario, observed)
    return observed


def judge(scenario: Scenario, observed: Observed) -> None:
    """Compare what was seen of a scenario with real actions as `check_real` does."""
    told = recorded(scenario, observed)
    if not observed.untold:
        if observed.deaths:
            compare_after_deaths(told, _as_played(observed))
        else:
            expected, facts = expect(told.workflow, told)
            if not facts.ambiguous:
                compare(told, expected, observed)
    found = list(broken(told, observed))
    if found:
        raise Mismatch(f"{scenario.id}: {scenario.why}\n" + "\n".join(found))
