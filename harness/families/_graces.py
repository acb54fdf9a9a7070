"""Graces: how long attempts may go on when all is cancelled, and those that do not stop (R22)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice

import attrs

from harness._scenario import AtTime, Behaviour, Cancel, Hangs, Raises, Returns
from harness.data._picking import violations
from harness.families._cases import Case, called_at, doing, script_first, title, usual
from harness.families._plan import Plan
from harness.families._stories import Story
from harness.oracle._document import Step

# When somebody cancels first and then, and with which graces; in parts of what the attempt usually
# takes, which is well within all of its timeouts.
_FIRST, _THEN = 0.2, 0.4
_SHORT, _LONG, _SHORTER = 0.5, 3.0, 0.15
# More than the seconds after which the engine reports that an attempt does not stop.
_STUBBORN = 11.5037
# So long before a step's time is over somebody cancels, with so long a grace (seconds).
_BEFORE, _GRACE = 0.1537, 1.0


def graces(plan: Plan, step: Step, story: Story, name: str) -> Iterator[Case]:
    """A second cancel can shorten a grace, and not lengthen it; some attempts do not stop."""
    began = called_at(story, name)
    if began is None:
        return
    seconds = plan.seconds(name)

    def at(part: float) -> AtTime:
        return AtTime(round(began + part * seconds + 0.000213, 6))

    hanging = script_first(plan, story, step, lambda name: [Hangs()])
    for word, first, then in (("longer", _SHORT, _LONG), ("shorter", _LONG, _SHORTER)):
        acts = (
            Cancel(at(_FIRST), round(first * seconds, 6)),
            Cancel(at(_THEN), round(then * seconds, 6)),
        )
        why = f"somebody cancels while {title(step)} hangs, and once more with a {word} grace"
        yield Case(f"{step.id}-grace-{word}", why, doing(hanging, *acts))
    if step.total_timeout is not None and step.total_timeout > 1 and step.call is not None:
        cancelled = Cancel(AtTime(round(began + step.total_timeout - _BEFORE, 6)), _GRACE)
        why = f"somebody cancels while {title(step)} hangs, and its time is over in the grace"
        yield Case(f"{step.id}-grace-timed", why, doing(hanging, cancelled))
    late = script_first(
        plan,
        story,
        step,
        lambda name: [
            attrs.evolve(usual(story, name), after=round(seconds + _STUBBORN, 6), shielded=True)
        ],
    )
    why = f"somebody cancels while {title(step)} runs, which does not stop for long"
    yield Case(f"{step.id}-unresponsive", why, doing(late, Cancel(at(_FIRST))))
    # What it does all the same is no success, and it is CANCELLED (R16).
    ends: list[tuple[str, str, Behaviour]] = [
        ("late-fails", "fails", Raises("no", "odd", seconds, shielded=True)),
        ("late-spoilt", "returns what is no JSON", _spoilt(plan, name, seconds)),
    ]
    for label, value in islice(violations(step.fields.get("output_schema")), 1):
        unfit = Returns(value, seconds, shielded=True)
        ends.append(("late-unfit", f"returns what does not fit ({label})", unfit))
    for word, does, behaviour in ends:
        draft = script_first(plan, story, step, partial(_always, behaviour))
        why = f"somebody cancels while {title(step)} runs, which then {does}"
        yield Case(f"{step.id}-{word}", why, doing(draft, Cancel(at(_FIRST))))


def _spoilt(plan: Plan, name: str, seconds: float) -> Behaviour:
    usual = plan.returns(name, after=seconds)
    return attrs.evolve(usual, spoilt="result.not_json", shielded=True)


def _always(behaviour: Behaviour, name: str) -> list[Behaviour]:
    """Return what an attempt does, whatever its name."""
    return [behaviour]
