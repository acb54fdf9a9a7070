"""Attempts: how they get a slot, how they end, and whether they are repeated (R8, R12 to R17)."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from harness._scenario import Raises, Returns, seconds_of
from harness.oracle._document import Repeats
from harness.oracle._state import RUNNING, Attempt, Failure, Run, Unit
from harness.oracle._world import ANSWER, DEADLINE, ENDLESS, SAME, World

# R24: how long an undo may take if nothing else says so.
_UNDO_TIMEOUT = 15 * 60.0
_NEVER_REPEATED = ("schema.*", "reference.*", "condition.*", "result.*")


# ---- slots ----


def queue(run: Run, unit: Unit) -> None:
    """Let a unit queue for the slot of its next attempt."""
    unit.wants = True
    unit.status = RUNNING
    # R27: during a pause nobody has a place; on the resume all of them queue anew.
    if not run.pause:
        run.queue.append((run.transaction, unit))


def requeue_all(run: Run) -> None:
    """Let everything that wants an attempt queue anew (R8, R17, R27)."""
    run.queue = [(run.transaction, unit) for unit in run.units() if unit.wants]


def drop(world: World, run: Run, unit: Unit) -> None:
    """Take a unit out of all queues."""
    run.queue = [entry for entry in run.queue if entry[1] is not unit]
    if (run, unit) in world.queue:
        world.queue.remove((run, unit))
        run.holding -= 1


def give_slots(world: World, run: Run) -> None:
    """R8: first a slot of the execution, in the order of the queue, then one of the engine."""
    while world.queue and world.free > 0:
        other, unit = world.queue.pop(0)
        world.free -= 1
        world.start(other, unit)
    run.queue.sort(key=lambda entry: (entry[0], entry[1].place))
    while run.queue and run.holding < run.limit:
        _, unit = run.queue.pop(0)
        run.holding += 1
        world.asks(run)
        if world.free > 0:
            world.free -= 1
            world.start(run, unit)
        else:
            world.queue.append((run, unit))
            world.contends(run)


# ---- an attempt ----


def begin(world: World, run: Run, unit: Unit) -> None:
    """Record the start of an attempt (R17), call the action, and let it end some time."""
    unit.wants = False
    if unit.role == "compensate":
        unit.undo_attempts += 1
        number = unit.undo_attempts
        for each in run.steps[unit.step.id].units:
            # R30: nobody knows how far it got.
            each.undone = each.undone or each.index == unit.index
    elif unit.role == "fallback":
        unit.fallback_attempts += 1
        number = unit.fallback_attempts
    else:
        unit.attempts += 1
        number = unit.attempts
    if unit.first_start is None:
        unit.first_start = world.now
    if world.most_attempts is not None and number > world.most_attempts:
        world.endless = True
        world.note_undefined(ENDLESS)
    name = run.prefix + unit.label
    behaviour = world.scenario.behaviour(name, number)
    unit.current = attempt = Attempt(name, number, world.now, behaviour, between=world.stops_one)
    world.calls.append((world.now, name, number, _revealed(unit)))
    ends = world.now + seconds_of(behaviour, name, number)
    world.at(ends, ANSWER, lambda: _answers(world, run, unit, attempt))
    timeout = timeout_of(unit)
    if timeout is not None:
        # R14: an action that takes exactly as long has timed out.
        world.at(world.now + timeout, DEADLINE, lambda: _times_out(world, run, unit, attempt))
    world.began(unit, attempt)


def timeout_of(unit: Unit) -> float | None:
    """Return how long an attempt may take."""
    called = unit.called()
    if unit.role != "compensate" or called.timeout is not None:
        return called.timeout
    # R24
    own = unit.step.call.timeout if unit.step.call else None
    return _UNDO_TIMEOUT if own is None else own


def _revealed(unit: Unit) -> Any:
    if unit.role == "fallback" and unit.called().parameters is not None:
        return unit.fallback_revealed
    return unit.revealed


def is_shielded(attempt: Attempt) -> bool:
    """Whether it cannot be stopped."""
    return isinstance(attempt.behaviour, Returns | Raises) and attempt.behaviour.shielded


def failure_of(attempt: Attempt, raised: Failure) -> Failure:
    """Return why an attempt failed that was not asked to stop, and that ended like this.

    R16: it has timed out, whatever it raised then; only what cannot be stopped raises anything.
    """
    if not attempt.timed_out:
        return raised
    return Failure("timeout.attempt", causes=(raised,) if is_shielded(attempt) else ())


def _answers(world: World, run: Run, unit: Unit, attempt: Attempt) -> None:
    if unit.current is not attempt or attempt.gone:
        return  # R16: an answer for an attempt that is not the current one is ignored
    behaviour = attempt.behaviour
    world.note_fact(attempt.name)
    if isinstance(behaviour, Raises):
        failure = Failure(behaviour.code or "action.error", behaviour.error, behaviour.retryable)
        world.over(run, unit, attempt, failure, None)
        return
    spoilt = behaviour.spoilt if isinstance(behaviour, Returns) else None
    output = behaviour.output if isinstance(behaviour, Returns) else None
    # R12: JSON, size, schema; an undo's output is not checked (R24).
    if unit.role == "compensate":
        world.over(run, unit, attempt, None, None)
    elif spoilt is not None:
        world.over(run, unit, attempt, Failure(spoilt), None)
    elif unit.step.fits_output is not None and not unit.step.fits_output(output):
        world.over(run, unit, attempt, Failure("schema.output"), None)
    else:
        world.over(run, unit, attempt, None, output)


def _times_out(world: World, run: Run, unit: Unit, attempt: Attempt) -> None:
    if unit.current is not attempt or attempt.gone:
        return
    world.note_fact(attempt.name)
    if attempt.asked is not None:
        return
    attempt.timed_out = True
    if not is_shielded(attempt):
        world.over(run, unit, attempt, Failure("timeout.attempt"), None)


def ask(world: World, run: Run, unit: Unit, reason: str) -> None:
    """Ask a running attempt to stop. The first reason names its end (R16)."""
    attempt = unit.current
    assert attempt is not None
    if attempt.asked is not None:
        return
    attempt.asked = reason
    if is_shielded(attempt):
        return
    asked = attempt

    def stopped() -> None:
        if unit.current is asked and not asked.gone:
            world.stops_one = True
            world.over(run, unit, asked, Failure("stopped"), None)
            world.stops_one = False

    world.at(world.now, ANSWER, stopped)


def has_just_begun(world: World, unit: Unit) -> None:
    """Note that an attempt has begun after one that was stopped, and before the next one.

    R8: whether slots are given between these two facts of one instant is not defined.
    """
    attempt = unit.current
    if attempt is not None and attempt.between and world.now - attempt.started_at < SAME:
        world.note_undefined(attempt.name)


# ---- repeating ----


def _matches(code: str, globs: tuple[str, ...]) -> bool:
    # R12: as a whole, and with regard to case; `[!…]` is none of ours, but nobody is hurt.
    return any(re.fullmatch(fnmatch.translate(glob), code) for glob in globs)


def may_repeat(retry: Repeats, failure: Failure) -> bool:
    """Whether this failure may be repeated at all (R12)."""
    if failure.retryable is not None:
        return failure.retryable
    if _matches(failure.code, retry.not_on):
        return False
    if retry.on is not None:
        return _matches(failure.code, retry.on)
    return not _matches(failure.code, _NEVER_REPEATED)


def delay_before(retry: Repeats, failed: int) -> float:
    """Return the longest delay before the attempt that follows the k-th failed one (R12)."""
    delay = retry.initial_delay
    for _ in range(failed - 1):
        # No power, which could overflow: once it is above the limit it stays there.
        if delay >= retry.max_delay or delay == 0:
            break
        delay *= retry.multiplier
        if retry.multiplier == 1:
            break
    return min(retry.max_delay, delay)


def repeat_at(world: World, unit: Unit, retry: Repeats, failure: Failure) -> float | None:
    """Return when the next attempt is to be made after one that failed; None: not at all."""
    unit.counted += 1
    if not may_repeat(retry, failure) or unit.counted >= retry.max_attempts:
        return None
    delay = delay_before(retry, unit.counted)
    if retry.jitter == "full":
        delay *= world.scenario.jitter  # R12: what the engine under test draws
    instant = world.now + delay
    assert unit.first_start is not None
    if retry.max_elapsed is not None and instant > unit.first_start + retry.max_elapsed:
        return None
    return instant
