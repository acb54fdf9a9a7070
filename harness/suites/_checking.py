"""Checking a scenario: played, compared, and if something differs, told whose fault it may be."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from harness import playing
from harness._scenario import AfterWrite, BeforeWrite, Scenario
from harness.oracle._predict import expect
from harness.playing._gantt import gantt
from harness.playing._invariants import broken
from harness.playing._observing import silence
from harness.playing._play import Mismatch, Observed, compare, compare_after_deaths
from harness.playing._real import judge
from harness.suites._again import (
    again_by,
    is_in_generated_module,
    look_up,
    pytest_command,
    run_command,
)
from harness.suites._crashes import points
from harness.suites._library import Told, crashed
from harness.suites._promises import ActionsWarning, Broken, doubts, keeps_promises

# Who is told of everything that is played (`harness.reports.listening`).
listeners: list[Callable[[Scenario, Observed], None]] = []


def observe(scenario: Scenario, *, actions: Any = ()) -> Observed:
    """Play a scenario on the engine, in virtual time of its own; `actions` as for `check`."""
    observed = playing.observe(scenario, actions=actions)
    for listener in listeners:
        listener(scenario, observed)
    return observed


def check(scenario: Scenario, *, actions: Any = ()) -> None:
    """Play a scenario on the engine, in virtual time, and compare with what is expected.

    Expected is what the scenario says itself, and what the oracle predicts; of one that dies at a
    write, what its history then asks for. Raises `Mismatch`, with what differs and whose fault it
    may be, the command that plays it again, and a picture of what happened when; also if nothing
    can happen any more, with all that waits.

    `actions` are functions marked with `trioflow.action`, and modules of such: they are called for
    real wherever the script lets an attempt return. Then the oracle predicts from what they did,
    and what the scenario itself says of its end does not count. But what they return has to fit
    the `output_schema` of their step, or it is a `Mismatch`. An action that the document names and
    nobody gave, and one that ends the scenario otherwise than written, is an `ActionsWarning`.
    """
    __tracebackhide__ = True
    dies = any(isinstance(act.moment, AfterWrite | BeforeWrite) for act in scenario.actions)
    # A suite has predicted already what its scenarios expect; a module says in few words.
    known = isinstance(scenario, Told) and scenario.expected is not None
    predicted, facts = (None, None) if dies or known else expect(scenario.workflow, scenario)
    if isinstance(scenario, Told) and scenario.outcome is not None and predicted is not None:
        differs = scenario.outcome.differs(predicted)
        if differs:
            raise Mismatch(_disagreement(scenario, differs))
    try:
        observed = observe(scenario, actions=actions)
    except playing.Deadlock as deadlock:
        raise Mismatch(_stands_still(scenario, deadlock, real=bool(actions))) from None
    try:
        if observed.behaviours:
            judge(scenario, observed)
            keeps_promises(scenario, observed)
        else:
            if scenario.expected is not None:
                compare(scenario, scenario.expected, observed)
            if observed.deaths:
                compare_after_deaths(scenario, observed)
            elif (
                facts is not None
                and not facts.ambiguous
                and predicted not in (None, scenario.expected)
            ):
                compare(scenario, predicted, observed)
            _keeps_the_rules(scenario, observed)
    except Mismatch as mismatch:
        raise Mismatch(_difference(scenario, observed, mismatch)) from None
    for doubt in doubts(scenario, observed, actions):
        warnings.warn(doubt, ActionsWarning, stacklevel=2)


def check_crashes(carrier: Told) -> None:
    """Let a scenario die after each of its writes, one after the other; compare as `check` does."""
    __tracebackhide__ = True
    differs = (
        None
        if carrier.outcome is None
        else carrier.outcome.differs(expect(carrier.workflow, carrier)[0])
    )
    if differs:
        raise Mismatch(_disagreement(carrier, differs))
    for moment in points(carrier):
        check(crashed(carrier, moment))


def _keeps_the_rules(scenario: Scenario, observed: Observed) -> None:
    found = list(broken(scenario, observed))
    if found:
        raise Mismatch(f"{scenario.id}: {scenario.why}\n" + "\n".join(found))


# ---- what is said of a failure ----


def _stands_still(scenario: Scenario, deadlock: playing.Deadlock, *, real: bool) -> str:
    said = f"{scenario.id}: {scenario.why}".rstrip(": ")
    return "\n\n".join(filter(None, (f"{said}\n{deadlock}", again_by(scenario, real=real))))


def _difference(scenario: Scenario, observed: Observed, mismatch: Mismatch) -> str:
    """Return what to say where something was done otherwise than expected."""
    # The first line says which scenario it is.
    first, _, rest = str(mismatch).partition("\n")
    if isinstance(mismatch, Broken):
        blamed = "a real action did something else than the document says"
    elif scenario.expected is not None and _is_as_predicted(scenario, observed):
        blamed = "test and document disagree: the engine did what the document says"
    elif observed.behaviours:
        blamed = "the engine did something else than the rules make of what the actions did"
    else:
        blamed = "the engine did something else than the scenario says"
    again = again_by(scenario, real=bool(observed.behaviours))
    parts = [f"{first.rstrip(': ')}: {blamed}" if not scenario.why else f"{first}\n{blamed}"]
    parts[0] += f"\n{rest}"
    return "\n\n".join([*parts, *filter(None, (again, gantt(observed)))])


def _is_as_predicted(scenario: Scenario, observed: Observed) -> bool:
    if observed.deaths or observed.behaviours:
        return False
    predicted, facts = expect(scenario.workflow, scenario)
    try:
        compare(scenario, predicted, observed)
    except Mismatch:
        return False
    return not facts.ambiguous and not list(broken(scenario, observed))


def _disagreement(scenario: Told, differs: str) -> str:
    """Return what to say where what is written says otherwise than the rules of the document."""
    found = look_up(scenario)
    same = found.tells(scenario)
    lines = [
        f"{scenario.id}: test and document disagree (- the test, + the document):",
        differs,
    ]
    generated = is_in_generated_module()
    if generated and found.known and found.told is None:
        lines.append("this scenario is not generated from the document (any more)")
    if generated and found.told is not None and not same:
        lines.append("the document generates another scenario with this id, see below")
    lines.append(
        "generate the module again (its first lines say how), or mend the document"
        if generated
        else "this scenario is written by hand: mend it, or the document"
    )
    again = []
    if found.told is not None and (generated or same):
        again.append(f"what the document generates:  {run_command(found.told)}")
    command = pytest_command()
    if command:
        again.append(f"this test again:  {command}")
    picture = _picture(scenario)
    if picture:
        picture = f"what the document makes of this test:\n{picture}"
    return "\n\n".join(filter(None, ("\n".join(lines), "\n".join(again), picture)))


def _picture(scenario: Scenario) -> str:
    try:
        # Nobody asked for this run: what the engine has to say about it is of no interest.
        with silence():
            observed = playing.observe(scenario)
    except Exception:  # noqa: BLE001 - it only illustrates what is known without it
        return ""
    return gantt(observed) if observed.history else ""
