"""What is asked of an execution: whether it is accepted, and what it does (R22, R25 to R27)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.oracle._attempts import requeue_all
from harness.oracle._conditions import Absent, resolve
from harness.oracle._document import Edge
from harness.oracle._ending import end_step, follow_siblings, form_group, judge, note_erred, test
from harness.oracle._reading import Names
from harness.oracle._state import (
    CANCELLED,
    COMPLETED,
    FOR_EVER,
    PAUSED,
    Run,
    Unit,
)
from harness.oracle._stopping import begin_stopping, shorten_grace, stop_if_there_is_a_reason
from harness.oracle._units import complete, fail, fresh_series, items_go_on, refresh
from harness.oracle._world import World


class Refused(Exception):
    """The request is refused as a whole, and changes nothing."""


# ---- what is waited for ----


def waiting_for(run: Run) -> list[tuple[str, str, str]]:
    """Return what the execution waits for: (kind, name, step or connection). R20."""
    if run.ended or run.stopping is not None or run.compensating:
        return []
    found: list[tuple[str, str, str]] = []
    at = run.prefix
    for step in run.in_order():
        if step.status == PAUSED and step.missing:
            found += [("input", path, at + step.step.id) for path in _still(run, step.missing)]
        elif step.awaits_signal:
            found.append(("signal", step.step.signal, at + step.step.id))
        for unit in step.units:
            if unit.awaits_decision:
                found.append(("decision", "", at + unit.name))
    for edge in run.graph.edges:
        for path in _still(run, run.waiting_edges.get(edge.id, ())):
            found.append(("input", path, at + edge.id))
    for child in run.children():
        found += waiting_for(child)
    if run.pause:
        found.append(("resume", "", at))
    return found


def _still(run: Run, paths: tuple[str, ...]) -> list[str]:
    """R11: only paths that have no value now."""
    return [path for path in paths if not _has_value(run.input, path)]


def _has_value(input: Mapping[str, Any], path: str) -> bool:
    from harness.oracle._conditions import Scope

    _, absent = resolve(f"${{{path}}}", Names(), Scope(input=input))
    return absent == Absent()


# ---- resume (R25) ----


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Add keys to an object at every depth; refused where there is a value already."""
    found = dict(old)
    for key, value in new.items():
        if key not in found:
            found[key] = value
        elif isinstance(found[key], Mapping) and isinstance(value, Mapping):
            found[key] = merge(found[key], value)
        else:
            raise Refused(f"{key} has a value already")
    return found


def resume(
    world: World,
    run: Run,
    input: Mapping[str, Any] | None,
    decisions: Mapping[str, Any] | None,
) -> None:
    """Accept a resume and do what it says, or raise `Refused`."""
    input, decisions = input or {}, decisions or {}
    wanted = waiting_for(run)
    # R28: what a child waits for cannot be answered through its parent.
    own = [entry for entry in wanted if not _is_of_a_child(run, entry)]
    if not own:
        raise Refused("it waits for nothing")
    merged = merge(run.input, input)
    if run.graph.fits_input is not None and input and not run.graph.fits_input(merged):
        raise Refused("the input does not fit")
    units = _decided_units(run, decisions)
    answered = (
        run.pause
        or bool(decisions)
        or any(kind == "input" and _has_value(merged, name) for kind, name, _ in own)
    )
    if not answered:
        raise Refused("it answers nothing")
    _carry_out(world, run, merged, bool(input), units)


def _is_of_a_child(run: Run, entry: tuple[str, str, str]) -> bool:
    return any(entry[2].startswith(child.prefix) for child in run.children())


def _decided_units(run: Run, decisions: Mapping[str, Any]) -> list[tuple[Unit, Any]]:
    waiting = {unit.name: unit for unit in run.units() if unit.awaits_decision}
    for name, decision in decisions.items():
        if name not in waiting:
            raise Refused(f"nobody waits for a decision about {name}")
        if decision in ("retry", "failed"):
            continue
        if not isinstance(decision, Mapping) or decision.keys() != {"completed"}:
            raise Refused("that is no decision")
        fits = waiting[name].step.fits_output
        if fits is not None and not fits(decision["completed"]):
            raise Refused("the output does not fit")
    return [(unit, decisions[name]) for name, unit in waiting.items() if name in decisions]


def _carry_out(
    world: World,
    run: Run,
    merged: Mapping[str, Any],
    brings_input: bool,
    units: list[tuple[Unit, Any]],
) -> None:
    """R22: first the connections, then the decisions, then the groups, in this order."""
    run.input = merged
    was_paused, run.pause = run.pause, False
    if was_paused:
        run.pause_at = world.now
    waiting = [found.step for found in run.in_order() if brings_input and found.missing]
    held = [found.step for found in run.in_order() if found.held]
    if brings_input:
        _test_again(run)
        stop_if_there_is_a_reason(world, run)
    for unit, decision in units:
        if run.stopping is None:
            decide(world, run, unit, decision)
            stop_if_there_is_a_reason(world, run)
    if was_paused and run.stopping is None:
        for found in run.in_order():
            if found.units and found.step.for_each is not None and not found.ended:
                items_go_on(world, run, found)
        requeue_all(run)
        for child in list(run.children()):
            world.resume_child(child)
    if run.stopping is None:
        # The groups of those that wait and of those that were held come before all others.
        run.groups.extendleft(group for group in (held, waiting) if group)


def decide(world: World, run: Run, unit: Unit, decision: Any) -> None:
    """Carry out a decision about a step or an item (R13)."""
    unit.awaits_decision = False
    if decision == "retry":
        fresh_series(run, unit)
        refresh(world, run, unit)
    elif decision == "failed":
        assert unit.failure is not None
        fail(world, run, unit, unit.failure)
    else:
        complete(world, run, unit, decision["completed"], "decision")


def _test_again(run: Run) -> None:
    """R4: all undecided connections are tested again, in the order of the document."""
    decided: list[Edge] = []
    erred_before = len(run.erred)
    for edge in run.graph.edges:
        if run.is_waiting(edge) and not edge.default:
            test(run, edge)
            decided += [] if run.is_waiting(edge) else [edge]
    for edge in run.graph.edges:
        if run.is_waiting(edge) and edge.default:
            follow_siblings(run, edge)
            decided += [] if run.is_waiting(edge) else [edge]
    for source in {edge.source: None for edge in decided}:
        judge(run, run.steps[source])
    note_erred(run, len(run.erred) - erred_before)
    form_group(run, [run.graph.steps[name] for name in {edge.target: None for edge in decided}])


# ---- signals, pauses, cancels ----


def signal(world: World, run: Run, name: str, payload: Any) -> None:
    """R26: the first payload that fits is kept, before the step waits or while it does."""
    found = next(
        (each for each in run.in_order() if each.step.type == "wait" and each.step.signal == name),
        None,
    )
    if run.ended or found is None or found.ended or name in run.signals:
        raise Refused(f"nobody waits for {name}")
    if found.step.fits_output is not None and not found.step.fits_output(payload):
        raise Refused("the payload does not fit")
    run.signals[name] = payload
    if found.awaits_signal:
        end_step(run, found, COMPLETED, output=payload, by="signal")


def pause(world: World, run: Run) -> None:
    """R27: nothing starts until a resume; attempts that are queued lose their places."""
    if run.ended or run.stopping is not None or run.compensating or run.pause:
        raise Refused("it cannot be paused")
    run.pause, run.pause_at = True, world.now
    run.queue.clear()
    for entry in list(world.queue):
        if entry[0] is run:
            world.queue.remove(entry)
            run.holding -= 1
    for child in list(run.children()):
        world.pause_child(child)


def cancel(world: World, run: Run, grace: float | None, *, by_parent: bool = False) -> None:
    """R22, R24: begin stopping, or shorten the grace; a compensation goes on."""
    if run.ended:
        raise Refused("it has ended")
    seconds = FOR_EVER if grace is None else grace
    if run.compensating:
        return
    if run.stopping is None:
        begin_stopping(world, run, CANCELLED, seconds, by_parent=by_parent)
    else:
        shorten_grace(world, run, seconds)
