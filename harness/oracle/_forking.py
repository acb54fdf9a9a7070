"""A fork: a new execution that keeps what some steps of a finished one have done (R30)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.oracle._document import Graph, Step
from harness.oracle._ending import decide_all
from harness.oracle._requests import Refused
from harness.oracle._state import COMPLETED, FAILED, SKIPPED, Run, StepRun


def fork(old: Run, new: Run, from_steps: Sequence[str]) -> None:
    """Let a new execution, perhaps of another document, keep what it can of an old one."""
    if not old.ended or not set(from_steps) <= set(new.graph.steps):
        raise Refused("it cannot be forked like this")
    if new.graph.fits_input is not None and not new.graph.fits_input(new.input):
        raise Refused("the input does not fit")
    kept = {each.step.id for each in old.in_order() if _can_be_kept(each)}
    again = {*from_steps, *(step for step in new.graph.steps if step not in kept)}
    while True:
        again = _with_what_comes_after(new.graph, again)
        _refuse_what_is_lost(old, new.graph, kept - again, again)
        _keep(old, new, again)
        # Only by the decisions of the fork is it known what a failure means in it.
        lost = {
            each.step.id
            for each in new.in_order()
            if each.status == FAILED and not each.step.tolerant and each.judgement != "handled"
        }
        if not lost:
            return
        again |= lost


def kept_input(old: Run, input: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the input of a fork: the old one, with all that was resumed, then the new keys."""
    return {**old.input, **(input or {})}


def _can_be_kept(found: StepRun) -> bool:
    if any(unit.undone for unit in found.units):
        return False
    if found.status == FAILED:
        return found.step.tolerant or found.judgement == "handled"
    return found.status in (COMPLETED, SKIPPED)


def _with_what_comes_after(graph: Graph, steps: Iterable[str]) -> set[str]:
    found, pending = set(steps), list(steps)
    while pending:
        for each in graph.referring.get(pending.pop(), ()):
            if each not in found:
                found.add(each)
                pending.append(each)
    return found


def _refuse_what_is_lost(old: Run, graph: Graph, kept: set[str], again: set[str]) -> None:
    # What is no more came after what runs again, if it did, by the old document.
    after = _with_what_comes_after(old.graph, again & set(old.steps))
    for name in kept:
        step, found = graph.steps.get(name), old.steps[name]
        if step is None:
            if name not in after:
                raise Refused(f"the new document has no step {name}")
        elif step.type != found.step.type:
            raise Refused(f"step {name} has another type")
        elif found.status == COMPLETED and not _fits(step, found):
            raise Refused(f"the output of {name} does not fit")


def _fits(step: Step, found: StepRun) -> bool:
    fits = step.fits_output
    if fits is None:
        return True
    if step.for_each is None:
        return fits(found.output)
    return all(fits(unit.output) for unit in found.units if unit.status == COMPLETED)


def _keep(old: Run, new: Run, again: set[str]) -> None:
    new.decided, new.waiting_edges = {}, {}
    new.unhandled, new.deferred = [], []
    for name, step in new.graph.steps.items():
        if name in again:
            new.steps[name] = StepRun(step)
            continue
        kept = copy.deepcopy(old.steps[name])
        kept.step = step
        kept.kept, kept.judgement = True, None
        kept.by = "fork" if kept.status == COMPLETED else ""
        kept.grouped = kept.joined = True
        new.steps[name] = kept
        new.decided.update(
            {
                edge.id: old.decided[edge.id]
                for edge in new.graph.out_of(name)
                if edge.id in old.decided
            }
        )
    for found in new.in_order():
        if found.kept:
            decide_all(new, found)
