"""What the end of an attempt leads to, for steps and for items (R12, R13, R16, R17, R19)."""

from __future__ import annotations

from typing import Any

import attrs

from harness.oracle._attempts import ask, drop, failure_of, is_shielded, queue, repeat_at
from harness.oracle._conditions import Absent, Scope, resolve
from harness.oracle._ending import end_step
from harness.oracle._reading import Names
from harness.oracle._state import (
    BESIDE,
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    PAUSED,
    PENDING,
    RUNNING,
    STEP_TIMEOUT,
    Attempt,
    Failure,
    Run,
    StepRun,
    Unit,
)
from harness.oracle._world import World

_MOST_CRASHES = 3


def fill(world: World, names: Names, template: Any, scope: Scope) -> tuple[Any, Any, Absent, bool]:
    """Resolve a template: as it is kept, as it is called, what it lacks, and a secret, too."""
    value, absent = resolve(template, names, scope)
    # R10: secrets are put in when the attempt is called.
    scope = attrs.evolve(scope, secrets=world.scenario.secrets)
    revealed, gone = resolve(template, names, scope)
    return value, revealed, absent, len(gone.others) > len(absent.others)


# ---- the end of an attempt ----


def attempt_over(
    world: World, run: Run, unit: Unit, attempt: Attempt, failure: Failure | None, output: Any
) -> None:
    """Work off the end of an attempt of a step or an item."""
    if failure is None:
        # R16: a value that comes in spite of a cancel or a timeout is a success.
        late = attempt.asked is not None or attempt.timed_out
        by = "fallback" if unit.role == "fallback" else "attempt"
        complete(world, run, unit, output, by, late=late)
    elif attempt.asked is not None:
        cut_short(world, run, unit, attempt.asked, _raised_besides(unit, attempt, failure))
    elif run.stopping is not None:
        # R22: an attempt that fails by itself in a grace. Nothing says whether the failure that a
        # fallback was to make good is a cause then, too.
        failure = failure_of(attempt, failure)
        fail(world, run, unit, failure.without_causes(unless=unit.role == "step"))
    else:
        attempt_failed(world, run, unit, failure_of(attempt, failure))


def _raised_besides(unit: Unit, attempt: Attempt, failure: Failure) -> tuple[Failure, ...] | None:
    """Return what an attempt that was asked to stop has raised besides (R16), if that is clear."""
    if unit.role != "step" or attempt.timed_out:
        return None
    return (failure,) if is_shielded(attempt) else ()


def cut_short(
    world: World,
    run: Run,
    unit: Unit,
    reason: str,
    causes: tuple[Failure, ...] | None = None,
) -> None:
    """End a unit whose attempt, or child, was asked to stop. R16: the first reason names it."""
    if reason == STEP_TIMEOUT and unit.index is None:
        fail(world, run, unit, Failure(STEP_TIMEOUT, causes=causes))
    else:
        cancel(world, run, unit)


def attempt_failed(world: World, run: Run, unit: Unit, failure: Failure) -> None:
    """Repeat an attempt that has failed, if it may be (R12), or go on from there."""
    instant = repeat_at(world, unit, unit.called().retry, failure)
    unit.failure = failure
    if instant is None:
        after_the_last(world, run, unit, failure)
    else:
        unit.retry_at = instant
        unit.status = RUNNING


def after_the_last(world: World, run: Run, unit: Unit, failure: Failure) -> None:
    """R13: the first of these that applies: fallback, a decision, FAILED."""
    unit.failure = failure
    if unit.role == "step" and unit.step.fallback is not None:
        _start_fallback(world, run, unit, failure)
    elif unit.role == "fallback":
        _exhausted(world, run, unit, _of_a_fallback(unit, failure))
    else:
        _exhausted(world, run, unit, failure)


def _of_a_fallback(unit: Unit, failure: Failure) -> Failure:
    """R13: the failure of the step's own last attempt is attached as a cause."""
    assert failure.causes is not None
    assert unit.last_own is not None
    return attrs.evolve(failure, causes=(*failure.causes, unit.last_own))


def _start_fallback(world: World, run: Run, unit: Unit, failure: Failure) -> None:
    unit.role, unit.last_own = "fallback", failure
    unit.counted = unit.crashes = 0
    unit.first_start = None
    called = unit.called()
    if called.parameters is None:
        unit.fallback_parameters, unit.fallback_revealed = unit.parameters, unit.revealed
        unit.fallback_lacks_secret = unit.lacks_secret
    else:
        # R13: resolved now, with what has ended by now (also for a `first` step).
        scope = run.scope(item=unit.item, item_index=unit.index)
        value, revealed, absent, lacks = fill(world, unit.step.names, called.parameters, scope)
        if absent != Absent():
            _exhausted(world, run, unit, _of_a_fallback(unit, Failure("reference.missing")))
            return
        unit.fallback_parameters, unit.fallback_revealed = value, revealed
        unit.fallback_lacks_secret = lacks
    queue(run, unit)


def _exhausted(world: World, run: Run, unit: Unit, failure: Failure) -> None:
    assert unit.step.call is not None
    if unit.step.call.retry.on_exhausted == "pause":  # R13
        await_decision(world, run, unit, failure)
    else:
        fail(world, run, unit, failure)


def await_decision(world: World, run: Run, unit: Unit, failure: Failure) -> None:
    """Let a unit wait for a decision."""
    unit.status = PAUSED
    unit.awaits_decision = True
    unit.failure = failure
    refresh(world, run, unit)


def fresh_series(run: Run, unit: Unit) -> None:
    """R13: begin again; the numbers of attempts count on."""
    unit.role = "step"
    unit.counted = unit.crashes = 0
    unit.first_start = None
    unit.awaits_decision = False
    queue(run, unit)


def lack_of_secret(world: World, run: Run, unit: Unit) -> bool:
    """R10: an unknown secret fails the step when the attempt would be called."""
    lacks = unit.fallback_lacks_secret if unit.role == "fallback" else unit.lacks_secret
    if lacks:
        unit.wants = False
        failure = Failure("reference.missing")
        fail(world, run, unit, failure.without_causes(unless=unit.role == "step"))
    return lacks


# ---- attempts whose process is gone (R17) ----


def gone(world: World, run: Run, unit: Unit) -> None:
    """Decide what comes of an attempt that crashed or was interrupted."""
    attempt = unit.current
    assert attempt is not None
    unit.current = None
    if attempt.asked == STEP_TIMEOUT:
        cut_short(world, run, unit, STEP_TIMEOUT)
    elif run.stopping is not None or attempt.asked is not None:
        # R17: while an execution is stopping nothing is made again.
        cancel(world, run, unit)
    elif unit.step.on_crash == "pause":
        failure = Failure("crash").without_causes(unless=unit.role == "step")
        await_decision(world, run, unit, failure)
    elif unit.step.on_crash == "fail":
        after_the_last(world, run, unit, Failure("crash"))
    else:
        unit.crashes += attempt.gone == "crash"
        if unit.crashes >= _MOST_CRASHES:
            after_the_last(world, run, unit, Failure("crash"))
        else:
            queue(run, unit)


# ---- the ends of units ----


def _leave(world: World, run: Run, unit: Unit, status: str) -> None:
    drop(world, run, unit)
    unit.status = status
    unit.wants = unit.awaits_decision = False
    unit.retry_at = None


def complete(
    world: World, run: Run, unit: Unit, output: Any, by: str, *, late: bool = False
) -> None:
    """Record that a step or an item has its output, what brought it, and whether late."""
    _leave(world, run, unit, COMPLETED)
    unit.output, unit.by, unit.late = output, by, late
    found = run.steps[unit.step.id]
    if unit.index is None:
        end_step(run, found, COMPLETED, output=output, by=by, late=late)
        return
    if unit.step.compensate:
        run.done.append(unit)  # R24: the item, whatever becomes of its step
    items_go_on(world, run, found)


def fail(world: World, run: Run, unit: Unit, failure: Failure) -> None:
    """Record that nothing more will be tried."""
    _leave(world, run, unit, FAILED)
    unit.failure = failure
    found = run.steps[unit.step.id]
    if unit.index is None:
        end_step(run, found, FAILED, failure=failure)
        return
    for_each = unit.step.for_each
    assert for_each is not None
    policy = for_each.get("on_item_error") or "fail"
    # R19: the first in the order of the records is the code of the step.
    if policy == "fail" and found.first_failure is None:
        found.first_failure = failure
        stop_items(world, run, found, BESIDE)
    items_go_on(world, run, found)


def cancel(world: World, run: Run, unit: Unit) -> None:
    """Record that a step or an item was stopped."""
    _leave(world, run, unit, CANCELLED)
    found = run.steps[unit.step.id]
    if unit.index is None:
        end_step(run, found, CANCELLED)
    else:
        items_go_on(world, run, found)


# ---- items (R19) ----


def stop_items(world: World, run: Run, found: StepRun, reason: str, grace: float = 0.0) -> None:
    """Cancel what does not run of a `for_each` step, and ask the rest to stop."""
    for unit in found.units:
        if unit.status in ENDED:
            continue
        if unit.current is not None and unit.current.gone is None:
            if grace > 0:
                continue
            if unit.current.asked is None and reason != BESIDE:
                found.cut_by = found.cut_by or reason
            ask(world, run, unit, reason)
        elif unit.child is not None:
            if grace <= 0 and unit.child_asked in (None, "grace") and reason != BESIDE:
                found.cut_by = found.cut_by or reason
            world.stop_child(unit, reason, grace)
        else:
            # R17: an attempt that is gone needs no stopping. R19: what a grace begins with does
            # not name the end of the step; a timeout in the grace does.
            if reason != BESIDE and grace <= 0:
                found.cut_by = found.cut_by or reason
            unit.current = None
            _leave(world, run, unit, CANCELLED)


def items_go_on(world: World, run: Run, found: StepRun) -> None:
    """Start the items whose turn it is, or end the step after its last one."""
    if found.ended:
        return
    for_each = found.step.for_each
    assert for_each is not None
    most = for_each.get("max_concurrent") or run.limit
    for unit in found.units:
        if found.first_failure or found.cut_by or run.stopping or run.pause:
            break  # R19, R27: no further item starts
        if unit.status != PENDING:
            continue
        if sum(each.status in (RUNNING, PAUSED) for each in found.units) >= most:
            break
        if unit.doomed is not None:
            # R19: it takes no time, and nothing comes after it.
            fail(world, run, unit, unit.doomed)
            return
        if found.step.type == "workflow":
            world.start_child(run, unit)
            if found.status in ENDED:
                return
        else:
            queue(run, unit)
    if all(unit.status in ENDED for unit in found.units):
        _end_items(run, found)
    else:
        _show(world, found)


def _end_items(run: Run, found: StepRun) -> None:
    outputs = [unit.output if unit.status == COMPLETED else None for unit in found.units]
    cut = any(unit.status == CANCELLED for unit in found.units)
    # R19: what was first to cut items short names the end; after that no item fails by itself.
    # If no item was cut short the step ends as it would have without.
    if found.first_failure is not None:
        # The code of the first; nothing is said of its causes.
        end_step(run, found, FAILED, failure=found.first_failure.without_causes())
    elif cut and found.cut_by == STEP_TIMEOUT:
        end_step(run, found, FAILED, failure=Failure(STEP_TIMEOUT, causes=None))
    elif cut:
        end_step(run, found, CANCELLED)
    else:
        end_step(run, found, COMPLETED, output=outputs, by="items")


# ---- what a step shows of its units ----


def refresh(world: World, run: Run, unit: Unit) -> None:
    """Let a step show what its unit has become (R9, R28)."""
    found = run.steps[unit.step.id]
    if found.ended:
        return
    if unit.index is None:
        found.status = unit.status
        _stand_still(world, found, unit.awaits_decision)
    else:
        _show(world, found)


def _show(world: World, found: StepRun) -> None:
    statuses = {unit.status for unit in found.units}
    # R9: RUNNING as long as one of its items is.
    if RUNNING in statuses:
        found.status = RUNNING
    elif PAUSED in statuses:
        found.status = PAUSED
    # Else a pause holds back the items that are left, and the step stays what it was.
    waiting = [each for each in found.units if each.status == PAUSED]
    # R14: only while the step as a whole is PAUSED, and for decisions.
    decisions = bool(waiting) and all(each.awaits_decision for each in waiting)
    _stand_still(world, found, found.status == PAUSED and decisions)


def _stand_still(world: World, found: StepRun, still: bool) -> None:
    """R14: `total_timeout` stands still while the step waits for a decision."""
    if still and found.deadline is not None:
        found.time_left = found.deadline - world.now
        found.deadline = None
    elif not still and found.time_left is not None:
        found.deadline = world.now + found.time_left
        found.time_left = None
        world.tick(found.deadline)
