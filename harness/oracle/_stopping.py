"""How an execution comes to its end: stopping, compensation, the final record (R21 to R24, R29)."""

from __future__ import annotations

import attrs

from harness.oracle._attempts import (
    ask,
    drop,
    failure_of,
    has_just_begun,
    queue,
    repeat_at,
)
from harness.oracle._conditions import Absent, resolve
from harness.oracle._ending import end_step
from harness.oracle._state import (
    CANCELLED,
    COMPLETED,
    FAILED,
    FOR_EVER,
    PAUSED,
    RUNNING,
    STEP_TIMEOUT,
    STOP,
    Attempt,
    Failure,
    Run,
    StepRun,
    Stopping,
    Unit,
)
from harness.oracle._units import cancel, cut_short, fill, items_go_on, stop_items
from harness.oracle._world import World

_MOST_CRASHES = 3

# ---- stopping ----


def stop_if_there_is_a_reason(world: World, run: Run) -> None:
    """R22: an unhandled failure, not a deferred one, begins stopping, but not under `continue`."""
    if run.stopping is None and not run.compensating and not run.ended and run.unhandled:
        policy = run.graph.on_failure
        if policy != "continue":
            begin_stopping(world, run, FAILED, FOR_EVER if policy == "finish" else 0.0)


def begin_stopping(
    world: World, run: Run, final: str, grace: float, *, by_parent: bool = False
) -> None:
    """Stop an execution: nothing starts any more, and what runs is stopped, or left a grace."""
    run.stopping = Stopping(final, world.now + grace, over=grace <= 0, by_parent=by_parent)
    run.pause = False  # R27: the pause is over
    run.groups.clear()
    run.waiting_edges.clear()
    for unit in run.units():
        has_just_begun(world, unit)
        drop(world, run, unit)
    for found in run.in_order():
        if not found.ended:
            _stop_step(world, run, found, grace)
    if 0 < grace < FOR_EVER:
        world.tick(run.stopping.grace_end)


def _stop_step(world: World, run: Run, found: StepRun, grace: float) -> None:
    if grace <= 0:
        found.deadline = found.time_left = None  # R22: no step's timeout counts any more
    if found.step.for_each is not None and found.units:
        stop_items(world, run, found, STOP, grace)
        items_go_on(world, run, found)
        return
    unit = found.units[0] if found.units else None
    if unit is not None and unit.current is not None and unit.current.gone is None:
        if grace <= 0:
            ask(world, run, unit, STOP)
    elif unit is not None and unit.child is not None:
        # Also one that has ended: its parent has not heard of it yet (R28).
        world.stop_child(unit, STOP, grace)
    elif unit is not None and unit.current is not None:
        # R17: an attempt that is gone needs no stopping. In a grace its step waits for the verdict.
        if unit.current.asked == STEP_TIMEOUT:
            unit.current = None
            cut_short(world, run, unit, STEP_TIMEOUT)
        else:
            unit.current = None
            cancel(world, run, unit)
    elif unit is not None:
        cancel(world, run, unit)
    else:
        end_step(run, found, CANCELLED)


def end_grace(world: World, run: Run) -> None:
    """R22: what has not ended by itself in the grace is cancelled."""
    assert run.stopping is not None
    run.stopping.over = True
    run.stopping.grace_end = world.now
    for found in run.in_order():
        if not found.ended:
            _stop_step(world, run, found, 0.0)


def shorten_grace(world: World, run: Run, grace: float) -> None:
    """R22: a later `cancel` can only shorten the grace; the end is the earlier of both."""
    stopping = run.stopping
    assert stopping is not None
    if stopping.over:
        return
    if world.now + grace < stopping.grace_end:
        stopping.grace_end = world.now + grace
        for unit in run.units():
            if unit.child is not None and not unit.child.ended:
                world.stop_child(unit, "", grace)
        if grace <= 0:
            end_grace(world, run)
        else:
            world.tick(stopping.grace_end)


# ---- the end ----


def end_if_over(world: World, run: Run) -> None:
    """When every step has ended: what the execution has become, then its compensation."""
    if run.ended or run.compensating or not run.all_ended:
        return
    if run.stopping is None and run.waiting_edges:
        return  # R4: an undecided connection keeps it open
    begin_undoing(run)
    next_undo(world, run)


def begin_undoing(run: Run) -> None:
    """Fix what the execution will be, and what is to be undone before that is recorded."""
    if run.stopping is not None:
        run.final = run.stopping.final  # R22: the first cause fixes it
    elif run.unhandled or run.deferred:
        run.final = FAILED  # R21
    else:
        run.final = COMPLETED if _resolve_output(run) else FAILED  # R29
    run.pause = False
    run.undoing = []
    if run.final.lower() in run.graph.compensate_on:
        # R24: in reverse order of the records that completed the work.
        run.undoing = [undo_of(unit) for unit in reversed(run.done) if not _kept(run, unit)]


def _kept(run: Run, unit: Unit) -> bool:
    return run.steps[unit.step.id].kept  # R30: a fork undoes only what it ran itself


def _resolve_output(run: Run) -> bool:
    """R29: resolve the output of the execution; False if that is a failure of it."""
    template = run.graph.fields.get("output")
    if template is None:
        run.output = {
            step: found.output
            for step, found in run.steps.items()
            if found.status == COMPLETED and step in run.graph.last_steps
        }
    else:
        value, absent = resolve(template, run.graph.names, run.scope())
        if absent != Absent():
            run.unhandled.append((Failure("reference.missing"), None))
            return False
        run.output = value
    if run.graph.fits_output is not None and not run.graph.fits_output(run.output):
        run.output = None
        run.unhandled.append((Failure("schema.output"), None))
        return False
    return True


def finish(world: World, run: Run) -> None:
    """R23: the final record is the last thing."""
    assert run.final is not None
    run.status, run.since = run.final, world.now
    run.undoing = None
    world.run_ended(run)


# ---- compensation (R24) ----


def undo_of(unit: Unit) -> Unit:
    """Return the series of attempts that undoes a completed step or item."""
    return Unit(unit.step, unit.index, "compensate", RUNNING, item=unit.item, output=unit.output)


def next_undo(world: World, run: Run) -> None:
    """Begin the next undo, one at a time; after the last one the execution ends."""
    while run.undoing:
        undo = run.undoing[0]
        if prepare_undo(world, run, undo):
            queue(run, undo)
            return
        # R24: anything missing, a secret too, fails that undo.
        run.undo_failures.append((Failure("reference.missing"), undo.step.id))
        run.undoing.pop(0)
    finish(world, run)


def prepare_undo(world: World, run: Run, undo: Unit) -> bool:
    """Resolve the parameters of an undo; False if something is missing."""
    template = undo.called().parameters
    if template is None:
        undo.revealed = {"output": undo.output}
        return True
    scope = run.scope(item=undo.item, item_index=undo.index)
    if undo.index is not None:
        # For an item the step's own output is that of the item.
        scope = attrs.evolve(scope, outputs={**scope.outputs, undo.step.id: undo.output})
    _, undo.revealed, absent, lacks = fill(world, undo.step.names, template, scope)
    return absent == Absent() and not lacks


def undo_over(
    world: World, run: Run, undo: Unit, attempt: Attempt, failure: Failure | None
) -> None:
    """Work off the end of an attempt to undo."""
    assert run.undoing
    assert undo is run.undoing[0]
    if failure is None:
        world.compensated.append(run.prefix + undo.name)
        run.undoing.pop(0)
        next_undo(world, run)
        return
    failure = failure_of(attempt, failure)
    instant = repeat_at(world, undo, undo.called().retry, failure)
    if instant is None:
        _undo_failed(world, run, failure)
    else:
        undo.retry_at = instant
        world.tick(instant)


def _undo_failed(world: World, run: Run, failure: Failure) -> None:
    assert run.undoing
    # One that fails does not stop the others.
    run.undo_failures.append((failure, run.undoing[0].step.id))
    run.undoing.pop(0)
    next_undo(world, run)


def undo_gone(world: World, run: Run, undo: Unit) -> None:
    """R24: an interrupted undo is made again; one that crashes fails at the third time."""
    assert undo.current is not None
    undo.crashes += undo.current.gone == "crash"
    undo.current = None
    if undo.crashes >= _MOST_CRASHES:
        _undo_failed(world, run, Failure("crash"))
    else:
        queue(run, undo)


# ---- the status of an execution (R20) ----


def work_out_status(world: World, run: Run) -> None:
    """Work out whether the execution is PAUSED, at the end of a transaction."""
    if run.ended:
        return
    paused = _is_paused(run)
    if run.paused_at is not None and run.deadline is not None:
        # The execution's timeout stands still while it is PAUSED.
        run.deadline += world.now - run.paused_at
        world.tick(run.deadline)
    run.paused_at = world.now if paused else None
    before, run.status = run.status, PAUSED if paused else RUNNING
    if before != run.status:
        # Left and entered again at one instant it has been PAUSED all the time.
        again = paused and run.left is not None and run.left[0] == world.now
        left = (world.now, run.since) if before == PAUSED else None
        run.since = run.left[1] if again and run.left else world.now
        run.left = left
        if run.parent is not None:
            world.child_changed(run)


def _is_paused(run: Run) -> bool:
    if run.stopping is not None or run.compensating:
        return False
    if run.pause:
        running = any(unit.current and not unit.current.gone for unit in run.units())
        return not running and all(child.status == PAUSED for child in run.children())
    if run.holding or run.queue:
        return False
    statuses = {found.status for found in run.in_order()}
    # "Waits for somebody": a step is PAUSED, or a connection undecided.
    waits = PAUSED in statuses or bool(run.waiting_edges)
    # R7: nothing runs, nothing waits, and not everything has ended: that would be a stall.
    assert RUNNING in statuses or waits, run.id
    return RUNNING not in statuses and waits
