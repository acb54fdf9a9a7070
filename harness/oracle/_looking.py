"""A step is looked at: it is skipped, fails, waits, or starts (R5, R6, R10, R11, R19, R27)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from harness.oracle._attempts import queue
from harness.oracle._conditions import Absent, Scope, evaluate, resolve
from harness.oracle._document import Step, read_duration, read_instant
from harness.oracle._ending import end_step, verdict_of_join
from harness.oracle._reading import Wrong
from harness.oracle._state import (
    COMPLETED,
    FAILED,
    PAUSED,
    PENDING,
    RUNNING,
    SKIPPED,
    Failure,
    Run,
    StepRun,
    Unit,
)
from harness.oracle._units import fill, items_go_on
from harness.oracle._world import World

_OF_THE_ITEM = re.compile(r"item(?:[.\[]|$)")


def look_at_group(world: World, run: Run, group: list[Step]) -> None:
    """Look at steps together: each sees only what had ended before the first of them."""
    visible = run.has_ended() if len(group) > 1 else None
    for step in group:
        look(world, run, run.steps[step.id], visible)


def look(world: World, run: Run, found: StepRun, visible: frozenset[str] | None) -> None:
    """Look at one step, from the stage on that it had reached."""
    if not found.joined:
        runs = verdict_of_join(run, found.step)
        assert runs is not None
        found.joined = True
        if not runs:
            end_step(run, found, SKIPPED)  # R5, and R6: its own connections at once
            return
    scope = run.scope(visible)
    if not found.condition_met and not _condition_holds(run, found, scope):
        return
    found.condition_met = True
    _start(world, run, found, scope)


def _condition_holds(run: Run, found: StepRun, scope: Scope) -> bool:
    """R6: ask the step's own condition."""
    try:
        answer = evaluate(found.step.condition, scope)
    except Wrong:
        answer = Absent((), ("?",))
    if answer is True:
        return True
    if answer is False:
        end_step(run, found, SKIPPED)
    elif answer.inputs:
        _wait_for(found, answer.inputs)  # R6, R11
    else:
        end_step(run, found, FAILED, failure=Failure("condition.error"))
    return False


def _wait_for(found: StepRun, inputs: tuple[str, ...]) -> None:
    found.status = PAUSED
    found.missing = inputs


def _start(world: World, run: Run, found: StepRun, scope: Scope) -> None:
    starters = {
        "action": _start_action,
        "workflow": _start_action,
        "trigger": _start_trigger,
        "wait": _start_wait,
        "sleep": _start_sleep,
    }
    starters[found.step.type](world, run, found, scope)


def _held(run: Run, found: StepRun) -> bool:
    """R27: during a pause a step goes as far as it can get without starting."""
    if run.pause:
        found.status = PENDING
        found.missing = ()
        found.held = True
        return True
    found.held = False
    found.missing = ()
    found.started = True
    found.status = RUNNING
    return False


def _set_deadline(world: World, found: StepRun) -> None:
    timeout = found.step.total_timeout
    if timeout is not None:
        found.deadline = world.now + timeout  # R14: from the record that starts the step
        world.tick(found.deadline)


def _lacks(run: Run, found: StepRun, absent: Absent) -> bool:
    """R11: what nobody can bring fails the step, what somebody can is waited for."""
    if absent.others:
        end_step(run, found, FAILED, failure=Failure("reference.missing"))
    elif absent.inputs:
        _wait_for(found, absent.inputs)
    else:
        return False
    return True


# ---- actions and children ----


def _start_action(world: World, run: Run, found: StepRun, scope: Scope) -> None:
    step = found.step
    if step.for_each is not None:
        _start_items(world, run, found, scope)
        return
    template = step.fields.get("parameters") or {}
    value, revealed, absent, lacks = fill(world, step.names, template, scope)
    if _lacks(run, found, absent):
        return
    unit = Unit(step, parameters=value, revealed=revealed, lacks_secret=lacks)
    if _unfit(step, value) or (step.type == "workflow" and world.unfit_child(step, value)):
        # R10, R12: before the first attempt; nothing comes after it but `continue_on_error`.
        end_step(run, found, FAILED, failure=Failure("schema.input"))
        return
    if _held(run, found):
        return
    found.units = [unit]
    _set_deadline(world, found)
    if step.type == "workflow":
        world.start_child(run, unit)
    else:
        queue(run, unit)


def _unfit(step: Step, value: Any) -> bool:
    return step.fits_input is not None and not step.fits_input(value)


def _start_items(world: World, run: Run, found: StepRun, scope: Scope) -> None:
    """R19: `items`, and the parameters of all of them, are resolved when the step starts."""
    step = found.step
    for_each = step.for_each
    assert for_each is not None
    items, absent = resolve(for_each["items"], step.names, scope)
    if _lacks(run, found, absent):
        return
    if not isinstance(items, list | tuple):
        end_step(run, found, FAILED, failure=Failure("schema.input"))
        return
    units = [item_of(world, step, index, item, scope) for index, item in enumerate(items)]
    inputs = tuple(dict.fromkeys(path for _, lack in units for path in lack.inputs))
    others = tuple(path for _, lack in units for path in lack.others)
    if _lacks(run, found, Absent(inputs, others)) or _held(run, found):
        return
    found.units = [unit for unit, _ in units]
    _set_deadline(world, found)
    items_go_on(world, run, found)


def item_of(world: World, step: Step, index: int, item: Any, scope: Scope) -> tuple[Unit, Absent]:
    """Return the unit of an item, and what its parameters lack that is not the item's fault."""
    scope = attrs.evolve(scope, item=item, item_index=index)
    template = step.fields.get("parameters") or {}
    value, revealed, absent, lacks = fill(world, step.names, template, scope)
    own = tuple(path for path in absent.others if _OF_THE_ITEM.match(path))
    rest = tuple(path for path in absent.others if path not in own)
    unit = Unit(step, index, parameters=value, revealed=revealed, lacks_secret=lacks, item=item)
    if own:
        unit.doomed = Failure("reference.missing")
    elif _unfit(step, value) or (step.type == "workflow" and world.unfit_child(step, value)):
        unit.doomed = Failure("schema.input")
    return unit, Absent(absent.inputs, rest)


# ---- steps without attempts (R10) ----


def _start_trigger(world: World, run: Run, found: StepRun, scope: Scope) -> None:
    if not _held(run, found):
        end_step(run, found, COMPLETED, output=run.input, by="trigger")


def _start_wait(world: World, run: Run, found: StepRun, scope: Scope) -> None:
    if _held(run, found):
        return
    if found.step.signal in run.signals:
        # R26: the payload was kept.
        end_step(run, found, COMPLETED, output=run.signals[found.step.signal], by="signal")
        return
    found.status = PAUSED
    found.awaits_signal = True
    _set_deadline(world, found)


def _start_sleep(world: World, run: Run, found: StepRun, scope: Scope) -> None:
    fields: Mapping[str, Any] = found.step.fields
    until = fields.get("until")
    value, absent = resolve(
        fields.get("duration") if until is None else until, found.step.names, scope
    )
    if _lacks(run, found, absent):
        return
    try:
        wake = world.now + read_duration(value) if until is None else read_instant(value)
    except ValueError:
        end_step(run, found, FAILED, failure=Failure("schema.input"))
        return
    if _held(run, found):
        return
    found.wake = wake
    world.tick(wake)
